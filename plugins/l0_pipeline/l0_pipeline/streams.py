"""What a step's function returns, run as a dependable stream: the part of a step that executors take elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from l0_core import Event, EventType, State, run
from l0_pipeline.steps import StepContext, StepFunction, StreamSummary

__all__ = ["StepOutput", "StepTask", "awaited"]

_NOTHING: Any = object()


async def awaited(made: Any) -> Any:
    """A value; or what comes of it, if it is to be awaited."""
    return await made if hasattr(made, "__await__") else made


@dataclass(frozen=True)
class StepOutput:
    """What a step's function came to: plain data, which comes back from wherever it ran."""

    value: Any
    raw_content: str = ""
    token_count: int = 0
    stream: StreamSummary | None = None


@dataclass
class StepTask:
    """A step's function with what it is given, as a task. `options` are those of `l0.run`.

    Raises what the function raises, what the stream raises, and TypeError for a function that returns nothing.
    """

    fn: StepFunction
    input: Any
    ctx: StepContext
    fallbacks: tuple[StepFunction, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    # Set where it runs.
    state: State | None = field(default=None, init=False, repr=False)

    async def __call__(self) -> StepOutput:
        again = self._of(self.fn)
        made = await awaited(again())
        opening = _opening(made, again, judged=bool(self.options.get("guardrails")))
        if opening is None:
            return StepOutput(made, made if isinstance(made, str) else "")
        fallbacks = [Opening(self._of(fallback)) for fallback in self.fallbacks]
        try:
            stream = await run(opening, fallbacks=fallbacks, **self.options)
            self.state = stream.state
            async with stream:
                await stream.read()
        finally:
            await opening.aclose()
        return self.so_far()

    def _of(self, function: StepFunction) -> Callable[[], Any]:
        return partial(function, self.input, self.ctx)

    def so_far(self) -> StepOutput:
        """What the stream has come to. Where the task runs elsewhere, nothing is known of that."""
        state = self.state
        if state is None:
            return StepOutput(None)
        content = state.content
        return StepOutput(content, content, state.token_count, StreamSummary.of(state))

    @property
    def token_count(self) -> int:
        """The tokens so far."""
        return 0 if self.state is None else self.state.token_count


class Opening:
    """What opens a step's stream, as a factory for the runtime: an attempt is what `factory` returns, in any form.

    `first` is what it has returned already, for the first attempt.
    """

    def __init__(self, factory: Callable[..., Any], first: Any = _NOTHING) -> None:
        self.__wrapped__ = factory  # The runtime asks for its signature: it may take the attempt.
        self._first = first

    @property
    def provider(self) -> Any:
        """Whom a retry burdens: as if the runtime had the factory itself."""
        factory = self.__wrapped__
        while isinstance(factory, partial):
            factory = factory.func
        known = getattr(factory, "provider", None) or getattr(factory, "__code__", None)
        return known or f"{type(factory).__module__}.{type(factory).__qualname__}"

    async def __call__(self, *attempt: Any) -> Any:
        made, self._first = self._first, _NOTHING
        if made is _NOTHING:
            made = await awaited(self.__wrapped__(*attempt))
        made = _unpacked(made)
        if _is_factory(made):
            made = await awaited(made())
        return _says(made) if isinstance(made, str) else made

    async def aclose(self) -> None:
        """Close what the first attempt would have been, if there was none."""
        made, self._first = self._first, _NOTHING
        close = getattr(made, "aclose", None) or getattr(made, "close", None)
        if close is not None:
            await awaited(close())


def _opening(made: Any, again: Callable[[], Any], judged: bool) -> Opening | None:
    """What opens the stream that a step's function means by what it returned; None where it means a value.

    Text is a value, unless there are guardrails to judge it.
    """
    made = _unpacked(made)
    if made is None or inspect.isgenerator(made):
        what = "nothing" if made is None else "a synchronous generator"
        raise TypeError(f"a step's function returned {what}; it returns a factory of streams, a stream or a value")
    if _is_factory(made):
        return Opening(made)
    if hasattr(made, "__aiter__") or (judged and isinstance(made, str)):
        return Opening(again, made)
    return None


def _unpacked(made: Any) -> Any:
    """What is in the documented form `{"stream": factory}`; anything else is itself."""
    if not (isinstance(made, dict) and "stream" in made):
        return made
    inner = made["stream"]
    if not callable(inner) and not hasattr(inner, "__aiter__"):
        raise TypeError(f'"stream" of what a step\'s function returned is a {type(inner).__name__}, not a factory')
    return inner


def _is_factory(made: Any) -> bool:
    return callable(made) and not hasattr(made, "__aiter__")


async def _says(text: str) -> AsyncIterator[Event]:
    yield Event(EventType.TOKEN, text)
