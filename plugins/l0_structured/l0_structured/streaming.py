"""Structured output while it comes in: a typed object that grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from l0_core import Event, EventType, GuardrailViolationError, RunOptions, State, Stream
from l0_structured.growing import Growing
from l0_structured.output import JSONSchemaLike, StructuredOptions, open_validated
from l0_structured.results import StructuredResult
from l0_structured.schemas import Schema
from l0_structured.validation import Validation

if TYPE_CHECKING:
    from l0_structured.validation import OnAutoCorrect, OnValidationError

__all__ = ["StructuredEvent", "StructuredStreamResult", "structured_stream"]

T = TypeVar("T")


@dataclass(slots=True)
class StructuredEvent(Event, Generic[T]):
    """An event of a stream, with the object so far.

    `partial` is one object that grows from event to event, with the fields that have come in so far; to keep what it is
    at a moment, copy it (`partial.model_copy(deep=True)`). It is not validated, and None before the answer begins. The
    COMPLETE event has the valid one.
    """

    partial: T | None = None
    _growing: Growing | None = field(default=None, repr=False, compare=False)

    def is_done(self, *path: str | int) -> bool:
        """Whether the value at a path, such as `"items", 0, "name"`, is there and whole; without a path, all of it.

        With the COMPLETE event everything is.
        """
        if self.type is EventType.COMPLETE:
            return True
        return self._growing is not None and self._growing.is_done(*path)


@dataclass
class StructuredStreamResult(Generic[T]):
    """What a stream of a structured answer comes to. `state` is the stream's, from the beginning."""

    state: State | None = None
    _validation: Validation[T] | None = field(default=None, repr=False, compare=False)
    _stream: Stream | None = field(default=None, repr=False, compare=False)
    _monitoring: bool = field(default=False, repr=False, compare=False)

    def abort(self) -> None:
        """Stop the stream now. Its iteration ends quietly."""
        self._inner.abort()

    @property
    def is_aborted(self) -> bool:
        """Whether the stream was left before its end."""
        return self._inner.state.aborted

    async def validate(self) -> StructuredResult[T]:
        """The valid answer; what has not been read of the stream is read.

        Raises StructuredOutputError if no answer was valid, RuntimeError for a stream that was left, and what the
        stream raises.
        """
        assert self._validation is not None
        try:
            await self._inner.read()
        except GuardrailViolationError as error:
            raise self._validation.error(error) from None
        return self._validation.result(self._inner, self._monitoring)

    @property
    def _inner(self) -> Stream:
        if self._stream is None:
            raise RuntimeError("the result is not that of a stream")
        return self._stream


@overload
async def structured_stream(
    schema: type[T], stream: Any, **options: Unpack[StructuredOptions]
) -> tuple[AsyncIterator[StructuredEvent[T]], StructuredStreamResult[T]]: ...
@overload
async def structured_stream(
    schema: JSONSchemaLike, stream: Any, **options: Unpack[StructuredOptions]
) -> tuple[AsyncIterator[StructuredEvent[Any]], StructuredStreamResult[Any]]: ...
async def structured_stream(
    schema: Any,
    stream: Any,
    *,
    fallbacks: Iterable[Any] | None = None,
    auto_correct: bool = True,
    strict_mode: bool = False,
    detect_zero_tokens: bool = False,
    monitoring: bool = False,
    on_validation_error: OnValidationError | None = None,
    on_auto_correct: OnAutoCorrect | None = None,
    **options: Unpack[RunOptions],
) -> tuple[AsyncIterator[StructuredEvent[Any]], StructuredStreamResult[Any]]:
    """`structured` while it comes in: an iterator of events with the object so far, and what they come to.

        events, result = await structured_stream(User, ask)
        async for event in events:
            if event.partial is not None:
                show(event.partial.name, final=event.is_done("name"))
        user = (await result.validate()).data

    The parameters are those of `structured`. Within an attempt the object only grows. If an answer that has begun is
    asked for anew, and comes out differently, a RESET event withdraws what was different, and the object is another.
    The iterator raises what `structured` raises.
    """
    wanted: Schema[Any] = Schema(schema, strict=strict_mode)
    validation, inner = await open_validated(
        wanted, stream, fallbacks, auto_correct, on_validation_error, on_auto_correct, options
    )
    result = StructuredStreamResult(inner.state, validation, inner, monitoring)
    return _growing(inner, wanted, validation), result


async def _growing(inner: Stream, schema: Schema[T], validation: Validation[T]) -> AsyncIterator[StructuredEvent[T]]:
    growing = Growing(schema.type)
    try:
        async for event in inner:
            partial = growing.value
            if not event.choice:
                if event.type is EventType.TOKEN:
                    growing.feed(event.text or "")
                    partial = growing.value
                elif event.type is EventType.RESET:
                    growing = Growing(schema.type)
                    growing.feed(inner.state.content)
                    partial = growing.value
                elif event.type is EventType.COMPLETE:
                    partial = validation.result(inner).data
            yield StructuredEvent(
                event.type, event.text, event.data, event.payload, event.progress, event.error, event.usage,
                event.timestamp, event.choice, partial, growing,
            )  # fmt: skip
    except GuardrailViolationError as error:
        raise validation.error(error) from None
    finally:
        await inner.aclose()
