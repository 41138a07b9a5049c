"""The five hooks of L0, what they are given and what they return.

A hook is called at a rare and well-defined moment. What it returns is a plain callable, the handler, which the runtime
calls on the hot path. The plugin object lives as long as the process and holds its options; the handler lives as long
as one stream or one attempt and holds all data of it, usually in a closure.

Mark an implementation with `l0_core.hookimpl`; it may leave out arguments that it does not need.

Threads: hooks and handlers are called in the thread of the event loop that reads the stream, one at a time. Only a
    plugin that streams of several event loops share needs a lock, and only for what it keeps in `self`.
Async: a hook is a plain function; `decide_retry` alone may be a coroutine function. A handler may be one: the text
    waits for a judge's verdict; what a token handler or a sink does later is run in order, and the stream waits for it
    at its end, for a second at most.
Time: everything runs on the event loop, so whoever blocks it stops every stream of the process. Slow work belongs in a
    handler that is a coroutine function, and there in `asyncio.to_thread` if it blocks.
Failures: what a plugin raises is logged by the logger `l0` and does not reach the stream, but for what a guardrail's
    `on_error` says. A record names the plugin, its distribution and version, and the line:
    `count (acme-count 1.2.0) raised ValueError at acme_count.py:7; the stream goes on`. The message of an error may
    hold content, so it is logged at DEBUG only. KeyboardInterrupt, SystemExit and a real cancellation pass through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

import pluggy

from l0_core.events import Event
from l0_core.guardrails import GuardrailViolation

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from l0_core.errors import ErrorCategory
    from l0_core.lifecycle import ObservabilityEvent, ObservabilityEventType
    from l0_core.options import RetryableErrorType
    from l0_core.state import State

__all__ = [
    "AttemptContext",
    "Check",
    "ClientAdapter",
    "Continued",
    "Decision",
    "Envelope",
    "Failure",
    "FallBack",
    "Halt",
    "Judge",
    "RetryAfter",
    "Sink",
    "StreamAdapter",
    "StreamContext",
    "hookimpl",
]

hookspec = pluggy.HookspecMarker("l0")
hookimpl = pluggy.HookimplMarker("l0")


class StreamContext(Protocol):
    """One stream, to be read and not written. It may be kept for as long as the stream is read, and no longer."""

    @property
    def stream_id(self) -> str:
        """A UUIDv7."""
        ...

    @property
    def context(self) -> Mapping[str, Any]:
        """What the caller passed as `context`."""
        ...

    @property
    def state(self) -> State:
        """What the consumer has so far, and how the stream ended. `state.content` is the text; read it rarely."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """The event loop's clock, in seconds; virtual in tests."""
        ...


class AttemptContext(StreamContext, Protocol):
    """One attempt of a stream: one opening of one source."""

    @property
    def number(self) -> int:
        """1, 2, ... over the whole stream."""
        ...

    @property
    def source(self) -> int:
        """0 is the primary, 1 and up are the fallbacks."""
        ...

    @property
    def kept(self) -> str:
        """The text that this attempt continues; empty on a fresh start."""
        ...

    @property
    def deadline(self) -> float | None:
        """The time of `clock` by which the whole stream must end, or None."""
        ...

    @property
    def feedback(self) -> str | None:
        """Why the last answer was not acceptable, in words for the model; None if none was refused so far."""
        ...

    @property
    def cut_short(self) -> str | None:
        """The finish reason by which the provider says that it stopped before the answer was whole, None otherwise."""
        ...

    @property
    def silence(self) -> float:
        """The longest wait between two outputs of this attempt so far, in seconds; the consumer's time is not in it."""
        ...

    def emit(self, event_type: ObservabilityEventType, **meta: Any) -> None:
        """Tell the stream's observers of something, in its place among what they are told otherwise.

        `meta` goes to logs and telemetry: no text of the answer belongs in it.
        """
        ...


@runtime_checkable
class StreamAdapter(Protocol):
    """Turns the chunks of one attempt's source into events. Made anew for each attempt, so it may hold state.

    `decode(chunk)` returns one event, several, or None. A COMPLETE event is the proof that the model was done; set
    `end_is_proof = True` where the source's own end proves it. `linger` is how many seconds to read on after the proof,
    for what some providers send last (usage). A fragment of a tool call is a PROGRESS event with
    `data={"tool_call": {"index", "id", "name", "arguments"}}`: the kernel assembles them. An optional `iterate(source)`
    returns what to iterate, the source itself by default; `decode` is looked up after it. Where that is something else
    than the source, an optional `raw(item)` returns the provider's chunks that are in an item, for `stream.raw()`.
    """

    name: str

    def decode(self, chunk: Any) -> Event | Iterable[Event] | None:
        """The events that are in a chunk: one, several, or None."""
        ...


@dataclass
class Continued:
    """The arguments of a call that continues a given text. `exact`: its answer never repeats any of that text."""

    kwargs: Mapping[str, Any]
    exact: bool = False


@runtime_checkable
class ClientAdapter(Protocol):
    """Says how an SDK's client is wrapped. The kernel makes the proxy."""

    name: str
    paths: frozenset[str]
    """The calls to take over, as dotted paths below the client: `chat.completions.create`."""

    def streams(self, path: str, kwargs: Mapping[str, Any]) -> bool:
        """Whether a call answers with a stream. Others reach the SDK untouched."""
        ...

    def for_streams(self, client: Any) -> Any:
        """The client, or one like it, that makes the calls taken over: without retries of its own, which are L0's."""
        ...

    strategies: tuple[str, ...]
    """The ways in which a call can be asked to continue a text, by name. The first is for any model: it is the one that
    is tried unless the caller names another, and when that other is refused."""

    def continuing(self, path: str, kwargs: Mapping[str, Any], kept: str, strategy: str) -> Continued | None:
        """The call that continues `kept`, or None if this one cannot be continued."""
        ...

    def prompted(self, path: str, kwargs: Mapping[str, Any], prompt: str) -> Continued | None:
        """The call with `prompt` in the place of what the user said last."""
        ...


Judge = Callable[
    [str, bool],
    GuardrailViolation | Iterable[GuardrailViolation] | Awaitable[Any] | None,
]
"""`judge(delta, final)`: called with each new piece of text, and with `("", True)` once at the end.

It returns a `Violation`, several, or None. A coroutine function is awaited, and the text waits with it.
"""


@dataclass
class Check:
    """A guardrail at work on one attempt. `holdback` is how many of the last characters it may still object to.

    It counts with `release="checked"`, which keeps that many from the consumer. `sys.maxsize` keeps all until the end.
    `timeout` is how many seconds a verdict of an asynchronous judge may take, None for any time: one that takes longer
    is treated as `on_error` says. What a judge finds at the end of an answer that the provider cut short (`length`,
    `content_filter`) is recorded, and the answer delivered as it is; with `whole` it is refused like any other.
    """

    judge: Judge
    holdback: int = 0
    timeout: float | None = 10.0
    whole: bool = False


@dataclass
class Failure:
    """What a policy decides about.

    `reason` is the kind of failure as `Retry.retry_on` names it, `delivered` the number of characters that the consumer
    has, `hint` the wait that the server asked for in seconds, `default` what L0 would do.
    """

    error: BaseException
    category: ErrorCategory
    reason: RetryableErrorType | None
    delivered: int
    hint: float | None
    default: Decision


@dataclass(frozen=True)
class RetryAfter:
    """Make the attempt again with the same source, in so many seconds; a wait that the server asked for is a floor."""

    seconds: float


@dataclass(frozen=True)
class FallBack:
    """Go on to the next source; raise if there is none."""


@dataclass(frozen=True)
class Halt:
    """Raise the error now."""


Decision = Union[RetryAfter, FallBack, Halt]


@dataclass
class Envelope:
    """An event of a stream, numbered from 0.

    The numbers have no gap, unless another sink of the stream asked for `tokens` or `outputs` and this one did not.
    """

    stream_id: str
    seq: int
    event: ObservabilityEvent


@dataclass
class Sink:
    """Where a stream's events go. `write(batch)` may be sync or async; `tokens` asks for the text too.

    Async writes run one after the other, in order. `event.type` and `event.meta` say what happened.

    With `tokens`, TOKEN envelopes hold them in runs: `meta["tokens"]` is a tuple of texts in order, `meta["index"]` the
    number of the first, `meta["arrivals"]` pairs of a place in the run and the milliseconds since the epoch at which
    the tokens from there on arrived. A run is handed over when the source keeps the stream waiting and it has 60
    tokens, or is 0.2 s old.

    With `outputs`, OUTPUT envelopes hold the rest of what has content, as objects: `meta["event"]` (any other `Event`
    of the consumer's, with `meta["token_count"]`, what the state has then), `meta["violation"]` or `meta["error"]` (an
    exception, without its traceback).

    With `required`, the stream fails with a StoreError if a write raises, or does not finish within a second of the
    end: nothing goes on unrecorded.

    `around(attempt)` returns a context manager within which an attempt's source is opened, from the call of the factory
    to what it awaits: a trace goes on into the requests that it makes.
    """

    write: Callable[[Sequence[Envelope]], Awaitable[None] | None]
    tokens: bool = False
    outputs: bool = False
    required: bool = False
    around: Callable[[AttemptContext], AbstractContextManager[Any]] | None = None


@hookspec
def adapt(ctx: AttemptContext | None, source: object) -> StreamAdapter | ClientAdapter | None:
    """Recognise a source: return the adapter that reads it, or None if it is not yours.

    Called: for each attempt with what the factory returned, awaited if it was awaitable; and once for a client that is
        wrapped, with None for `ctx`, if the plugin is installed. Look at the source, and read nothing from it.
    Order: an adapter given by the caller (`adapter=`) goes before all; then the plugins of the call, those registered
        in code (`Adapters.register`), and those that are installed, by name. The first answer counts.
    Return: a StreamAdapter for a stream, a ClientAdapter for a client, None for anything else. An object with
        `name`, `detect` and `wrap`, the documented form of an adapter, is accepted as well. What nobody recognises is
        read as it is, if it yields text or `Event` objects.
    Raises: an exception is logged once with your distribution's name, and the next adapter is asked. One in the
        adapter's `decode` is a failure of the attempt, as if the source had raised it.
    State: make a new adapter per call, and keep what belongs to one attempt in it.
    Cost: called for every stream. Look at `type(source).__module__`; import nothing. `decode` runs for every chunk.
    Example:
        class AcmeStream:
            name = "acme"

            def decode(self, chunk):
                if chunk.done:
                    return Event(EventType.COMPLETE, data={"finish_reason": "stop"})
                return Event(EventType.TOKEN, chunk.text)

        class Acme:
            @hookimpl
            def adapt(self, source):
                if type(source).__module__.startswith("acme."):
                    return AcmeStream()
    """


@hookspec
def on_token(ctx: StreamContext) -> Callable[[str], None] | None:
    """Watch the text of one stream: return the function that is given each token.

    Called: when a stream is made, before its first attempt. What it returns is called with the text of each token that
        the consumer is about to get, over all attempts: never with what is held back or was delivered before. Text that
        is withdrawn later is not taken back here; a sink's RESET event tells of it.
    Order: in the order of plugins, after the caller's own `on_token`; all of them run.
    Return: a plain function of one string, or None to stay out of this stream. A coroutine function is accepted: it
        runs in its turn, and the token does not wait for it.
    Raises: an exception is logged once with your distribution's name; the stream goes on, and so do the calls.
    State: keep it in a closure. One plugin object serves many streams at once.
    Cost: what it returns runs for every token, on the event loop: a microsecond is much.
    Example:
        class Counter:
            @hookimpl
            def on_token(self, ctx):
                total = 0

                def count(text):
                    nonlocal total
                    total += len(text)
                    if total % 1000 < len(text):
                        print(ctx.stream_id, total)

                return count
    """


@hookspec
def check(ctx: AttemptContext) -> Check | Judge | None:
    """Open a guardrail for one attempt: return the function that sees its text.

    Called: when an attempt opens. What it returns is called as `judge(delta, final)`: first with the text that the
        attempt continues, if it does; then with the new text every few tokens (`CheckIntervals.guardrails`); and with
        `("", True)` once, when the source has proved that it is done. Whoever needs the whole text gathers the deltas
        in a list and joins them when `final` comes; they are cut anywhere, so a verdict must not depend on where.
    Order: in the order in which the guardrails were named; all of them run, the strictest violation decides.
    Return: a judge, or a `Check` around it that says how much of the latest text it may still object to; None to stay
        out. A judge returns a `Violation`, several, or None; it may be a coroutine function.
    Raises: an exception in a judge follows the guardrail's `on_error`: "open" records a warning and goes on without the
        guardrail, "closed" makes it a violation. One in the hook itself is a PluginError that ends the stream: a
        guardrail that cannot be opened is never silently absent.
    State: keep it in a closure. One plugin object serves many streams at once, and an attempt that is made again opens
        its guardrails anew.
    Cost: look at the delta, not at the whole text: the cost of a token must not grow with the answer. While a coroutine
        judges, its text waits, for the seconds of `Check.timeout` at most.
    Example:
        class NoShouting:
            @hookimpl
            def check(self, ctx):
                marks = 0

                def judge(delta, final):
                    nonlocal marks
                    marks += delta.count("!")
                    if marks > 3:
                        return Violation("no_shouting", "The model is shouting")

                return judge
    """


@hookspec
def decide_retry(ctx: AttemptContext, failure: Failure) -> Decision | None:
    """Decide what follows a failure, or return None to leave it to others.

    Called: for each failure of an attempt after which something could follow, before anything is done about it. Nothing
        follows a fatal violation, the stream's total deadline, a limit of `Limits`, a tool call that was delivered, or
        an error of the application's own code.
        It may be a coroutine function.
    Order: in the order of plugins; the first answer counts. L0's own policy comes last, the caller's veto
        (`Retry.should_retry`) after it. No answer exceeds the caps of `Retry`, the deadline or the retry budget.
    Return: `RetryAfter(seconds)`, `FallBack()`, `Halt()` or None. `failure.default` is what L0 would do.
    Raises: an exception is logged each time; the next in order decides.
    State: the plugin object may learn across streams; those of one event loop call it in turn, and between two awaits
        of its own it is alone.
    Cost: called once per failure. It may take its time, which counts against `Timeout.total`.
    Example:
        class Patient:
            @hookimpl
            def decide_retry(self, ctx, failure):
                if failure.hint:
                    return RetryAfter(failure.hint * 2)
    """


@hookspec
def store_event(ctx: StreamContext) -> Sink | None:
    """Take down what happens in a stream: return the sink that its events go to.

    Called: when a stream is made, before its first attempt. The sink's `write` is called with batches: at the end of
        the stream, before text is withdrawn, and with `tokens` when the source keeps the stream waiting and 60 of them
        have gathered, or the first is 0.2 s old. The last batch ends with SESSION_END. A stream that is
        neither read nor closed has no events.
    Order: in the order of plugins; all of them receive.
    Return: a `Sink`, or None to stay out of this stream.
    Raises: an exception is logged once with your distribution's name; the stream goes on, and the batch is lost to
        this sink alone. With `required` it is the stream's: it fails, as a StoreError.
    State: keep what belongs to one stream in the sink's closure.
    Cost: a sync `write` runs on the event loop: hand slow work on. The end of a stream waits for async writes, for a
        second at most.
    Example:
        class Log:
            @hookimpl
            def store_event(self, ctx):
                def write(batch):
                    for envelope in batch:
                        print(envelope.seq, envelope.event.type.value)

                return Sink(write)
    """
