"""One opening of one source: open it, find out how to read it, prove its end, close it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from l0_core.adapters import Reading, read, unwrap
from l0_core.errors import Truncated
from l0_core.events import Event, EventType
from l0_core.plugins import recognitions
from l0_core.tool_calls import ToolCalls

if TYPE_CHECKING:
    from l0_core.checks import Checks
    from l0_core.continuation import Seam
    from l0_core.gates import Gate
    from l0_core.lifecycle import ObservabilityEventType
    from l0_core.raw_chunks import RawChunks
    from l0_core.session import Session
    from l0_core.settings import Settings
    from l0_core.state import State

__all__ = ["Attempt", "BeganAnew", "Source"]

WORTH_RESUMING = 12
"""Characters of text that are worth going on from. In less, a repetition could not be told from what goes on."""

INCOMPLETE_REASONS = frozenset(("length", "max_tokens", "max_output_tokens", "content_filter", "safety", "recitation"))
"""Finish reasons by which a provider says that it stopped before the answer was whole."""


_READ: Any = object()
"""Stands for a single stream that was handed out."""


class BeganAnew(Truncated):
    """The source is a stream of L0's own, and has withdrawn some of what it said: what stands is another attempt."""


class Source:
    """Where attempts come from: a factory, or a single stream that can be read once."""

    __slots__ = ("_going_on", "_made", "_refused", "_takes_attempt", "once")

    def __init__(self, given: Any) -> None:
        self._made: Any = given
        self._going_on: Any = None
        self._refused = False
        self.once = not callable(given) or (hasattr(given, "__aiter__") and not isinstance(given, type))
        self._takes_attempt = not self.once and _takes_an_argument(given)

    @property
    def provider(self) -> Hashable:
        """Whom a retry burdens: what the factory says (`provider`), or all streams of the same factory's code."""
        factory = self._made
        for name in ("provider", "__code__"):
            said: Hashable = getattr(factory, name, None)
            if said is not None:
                return said
        return f"{type(factory).__module__}.{type(factory).__qualname__}"

    def can_continue(self, settings: Settings) -> bool:
        """Whether an attempt can go on from text that was delivered.

        A factory can if it takes the attempt, whose `kept` it is to continue, or if the caller builds prompts for it.
        The factory of a wrapped client knows by itself (`can_continue`).
        """
        if self._refused or self.once:
            return False
        knows = getattr(self._made, "can_continue", None)
        if knows is not None:
            return bool(knows())
        return self._takes_attempt or settings.continuation_prompt is not None

    @property
    def builds_prompts(self) -> bool:
        """Whether the factory calls the caller's `build_continuation_prompt` by itself."""
        return hasattr(self._made, "can_continue")

    def refused(self) -> None:
        """The provider would not continue. A wrapped client may know another way to ask."""
        another = getattr(self._made, "ask_otherwise", None)
        self._refused = another is None or not another()

    def go_on_with(self, attempt: Attempt) -> None:
        """The next attempt is the rest of what this one read, which has begun anew."""
        from l0_core.stream import Rest  # which is made of attempts

        self._going_on = Rest(getattr(attempt.made, "stream", attempt.made))
        attempt.made = attempt.reading = None  # It is not to be closed with the attempt.

    def make(self, attempt: Attempt) -> Any:
        if self._going_on is not None:
            made, self._going_on = self._going_on, None
            return made
        if self.once:
            made = self._made
            self._made = _READ
            return made
        return self._made(attempt) if self._takes_attempt else self._made()


def _takes_an_argument(factory: Callable[..., Any]) -> bool:
    """Whether a factory needs an argument: then it is given the attempt."""
    said = getattr(factory, "takes_attempt", None)
    if said is not None:
        return bool(said)
    if type(factory) is types.FunctionType:
        code = factory.__code__
        return code.co_argcount - len(factory.__defaults__ or ()) > 0
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in positional and p.default is p.empty for p in parameters)


class Attempt:
    """One attempt, as factories, guardrails and policies see it (`AttemptContext`).

    A factory sets `exact` where its answer will never repeat any of `kept`: then nothing is cut at the seam.
    """

    __slots__ = (
        "__weakref__",
        "_session",
        "checks",
        "exact",
        "feedback",
        "flowing",
        "gates",
        "kept",
        "made",
        "number",
        "progressed",
        "proof",
        "reading",
        "released",
        "repeatable",
        "seam",
        "source",
        "spoke",
        "tools",
        "within",
    )

    def __init__(self, session: Session, number: int, source: int, feedback: str | None = None) -> None:
        self._session = session
        self.number = number
        self.source = source
        self.kept = ""
        self.exact = False
        self.seam: Seam | None = None
        self.feedback = feedback
        self.made: Any = None
        self.reading: Reading | None = None
        self.checks: Checks | None = None
        self.gates: dict[tuple[EventType, int], Gate] = {}
        self.repeatable: list[Event] | None = None
        """Data and messages that earlier attempts delivered, and that this one has not said again."""
        self.tools: ToolCalls | None = None
        self.proof: Event | None = None
        self.progressed = False
        self.flowing = False
        self.spoke = False
        self.released = False
        self.within = False
        """Whether the source is a stream of L0's own."""

    @property
    def stream_id(self) -> str:
        return self._session.stream_id

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of a stream, for providers that take one."""
        return self._session.stream_id

    @property
    def context(self) -> Mapping[str, Any]:
        return self._session.settings.context

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def clock(self) -> Callable[[], float]:
        return self._session.watch.loop.time

    @property
    def deadline(self) -> float | None:
        remaining = self._session.watch.remaining()
        return None if remaining is None else self.clock() + remaining

    @property
    def cut_short(self) -> str | None:
        reason = None if self.proof is None else (self.proof.data or {}).get("finish_reason")
        return reason if reason in INCOMPLETE_REASONS else None

    @property
    def silence(self) -> float:
        return self._session.watch.silence

    def emit(self, event_type: ObservabilityEventType, **meta: Any) -> None:
        if self._session.observers is not None:
            self._session.observers.emit(event_type, **meta)

    async def open(self, source: Source, adapter: Any) -> None:
        """Call the factory and find out how to read what it returns."""
        observers = self._session.observers
        if observers is not None and observers.surrounds:
            with observers.around(self):
                made = await _made(source, self)
        else:
            made = await _made(source, self)
        self.made = made
        self.within = type(made).__module__ == "l0_core.stream"
        plugins = self._session.settings.plugins
        if plugins and adapter is None:
            adapter = next(recognitions(plugins, self, made), None)
        self.reading = read(self, made, adapter)

    def decoded(self, chunk: Any) -> Iterable[Event]:
        """The events in a chunk."""
        reading = self.reading
        assert reading is not None
        if reading.decode is None:
            if not isinstance(chunk, Event):
                reading.decode = unwrap
            return (unwrap(chunk),)
        decoded = reading.decode(chunk)
        if decoded is None:
            return ()
        return (decoded,) if isinstance(decoded, Event) else decoded

    def keep_raw(self, kept: RawChunks) -> None:
        """Keep what comes in, for the provider's chunks to be made of it."""
        reading = self.reading
        assert reading is not None
        decode, keep = reading.decode, kept.keeper(reading.adapter)

        def keeping(chunk: Any) -> Any:
            keep(chunk)
            return unwrap(chunk) if decode is None else decode(chunk)

        reading.decode = keeping

    @property
    def mirrors_state(self) -> bool:
        """Whether the content of the state is what this attempt has said, and nothing else."""
        return self.flowing

    @property
    def is_proved(self) -> bool:
        """Whether the source, having ended, was done."""
        return self.proof is not None or (self.reading is not None and self.reading.end_is_proof)

    def prove(self) -> Event:
        """The proof that the model was done. Raises Truncated."""
        if self.is_proved:
            return self.proof or Event(EventType.COMPLETE)
        raise Truncated("The source ended, and nothing that it sent proves that the answer was whole")

    def was_retried(self, error: BaseException) -> bool:
        """Whether the source is a stream of L0's own, and this the error with which it has given up."""
        return self.within and hasattr(error, "attempts")

    def withdrawn(self) -> Truncated:
        """What to raise where the source has withdrawn some of what it said."""
        kind = BeganAnew if self.within else Truncated
        return kind("The source withdrew some of what it had said")

    def closing(self) -> Coroutine[Any, Any, None] | None:
        """What closes the source, or None if there is nothing to close. Answers once."""
        made, reading = self.made, self.reading
        self.made = self.reading = None
        iterator = reading.iterator if reading is not None and reading.wrapped else None
        if _is_over(made) and _is_over(iterator):
            return None
        return _close(iterator, made)


async def _made(source: Source, attempt: Attempt) -> Any:
    made = source.make(attempt)
    return await made if hasattr(made, "__await__") else made


def _is_over(source: Any) -> bool:
    return source is None or (type(source) is types.AsyncGeneratorType and source.ag_frame is None)


async def _close(*sources: Any) -> None:
    failure: Exception | None = None
    for source in sources:
        close = getattr(source, "aclose", None) or getattr(source, "close", None)
        if close is None:
            continue
        try:
            closing = close()
            if hasattr(closing, "__await__"):
                await closing
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure
