"""What a task returned, as an output: a text, data, a stream or a structured result, and what a schema makes of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from l0_consensus.results import ConsensusOutput
from l0_consensus.values import text_of
from l0_core import Event, EventType, Retry, Stream

__all__ = ["collected", "needs_structured", "parsed"]


def needs_structured() -> None:
    """Raises ImportError, which says what to install, if there is nothing to read texts by a schema with."""
    try:
        import l0_structured  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "l0_structured":
            raise
        raise ImportError(
            "consensus(schema=...) needs the l0-structured package: pip install l0-consensus[structured]"
        ) from None


async def collected(index: int, value: Any, schema: Any, weight: float) -> ConsensusOutput:
    """The output of a task that returned a value. A stream has been read.

    With a schema a text is what the schema makes of it, and so is data, unless it is already. Raises what
    `l0_structured.structured` raises if the schema does not allow it, RuntimeError for a stream that was left, and
    TypeError for an iterator that nobody has read.
    """
    output = ConsensusOutput(index, "", value, success=True, weight=weight)
    if isinstance(value, Stream):
        if value.state.outcome == "aborted":
            raise RuntimeError("the stream was left before its answer was whole")
        output.l0_result, output.text, output.value = value, value.state.content, value.state.content
    elif _is_structured(value):
        output.structured_result, output.text = value, value.raw
        output.value = output.data = value.data
        return output
    elif hasattr(value, "__aiter__"):
        raise TypeError(f"a task returned a {type(value).__name__} that nobody reads: make a stream of it by l0.run()")
    else:
        output.text = text_of(value)
        output.data = None if isinstance(value, str) else value
    if schema is not None and not (isinstance(schema, type) and isinstance(value, schema)):
        output.structured_result = await parsed(schema, output.text)
        output.value = output.data = output.structured_result.data
    return output


def _is_structured(value: Any) -> bool:
    """Whether it is a StructuredResult. There is none as long as nobody has imported its package."""
    package = sys.modules.get("l0_structured")
    return package is not None and isinstance(value, package.StructuredResult)


async def parsed(schema: Any, text: str) -> Any:
    """The StructuredResult of a text. Raises what `l0_structured.structured` raises."""
    from l0_structured import structured

    async def said() -> AsyncIterator[Event]:
        yield Event(EventType.TOKEN, text)
        yield Event(EventType.COMPLETE)

    # It has been answered, checked and recorded already: nothing is asked again.
    once = Retry(attempts=0, max_retries=0)
    return await structured(schema, said, guardrails=[], plugins=[], retry=once)
