"""What is recorded of a stream: events, numbered in envelopes.

Ten types are those of the documentation. RESET, OUTPUT and ABORTED are what an exact replay needs besides: text that
was withdrawn, everything else that the consumer got, and a stream that was left. Times (`ts`) are in milliseconds
since the epoch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Union

import uuid6

__all__ = [
    "TERMINAL",
    "AbortedEvent",
    "CheckpointEvent",
    "CompleteEvent",
    "ContinuationEvent",
    "DriftEvent",
    "DriftEventResult",
    "ErrorEvent",
    "EventEnvelope",
    "FallbackEvent",
    "GuardrailEvent",
    "GuardrailEventResult",
    "OutputEvent",
    "RecordOptions",
    "RecordedEvent",
    "RecordedEventType",
    "ReplayOptions",
    "ReplayedState",
    "ResetEvent",
    "RetryEvent",
    "SerializedError",
    "SerializedOptions",
    "Snapshot",
    "StartEvent",
    "TokenEvent",
    "UnknownEvent",
    "deserialize_error",
    "generate_stream_id",
    "now_ms",
    "serialize_error",
]


class RecordedEventType(str, Enum):
    """What a recorded event says. It compares equal to its name."""

    START = "START"
    TOKEN = "TOKEN"
    CHECKPOINT = "CHECKPOINT"
    GUARDRAIL = "GUARDRAIL"
    DRIFT = "DRIFT"
    RETRY = "RETRY"
    FALLBACK = "FALLBACK"
    CONTINUATION = "CONTINUATION"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    RESET = "RESET"
    """Text that the consumer had was withdrawn."""
    OUTPUT = "OUTPUT"
    """The consumer got something other than text of the answer: reasoning, a tool call, data, progress."""
    ABORTED = "ABORTED"
    """The stream was left before its end."""


TERMINAL = frozenset((RecordedEventType.COMPLETE, RecordedEventType.ERROR, RecordedEventType.ABORTED))
"""The types after which nothing follows."""


@dataclass
class SerializedOptions:
    """What a stream was started with. What it has no field for is in `metadata`."""

    prompt: str | None = None
    model: str | None = None
    retry: dict[str, Any] | None = None
    timeout: dict[str, Any] | None = None
    check_intervals: dict[str, Any] | None = None
    continue_from_checkpoint: bool = False
    detect_drift: bool = False
    detect_zero_tokens: bool = False
    fallback_count: int = 0
    guardrail_count: int = 0
    metadata: dict[str, Any] | None = None

    @classmethod
    def of(cls, given: SerializedOptions | Mapping[str, Any] | None) -> SerializedOptions:
        """The options of a mapping: its own keys in fields, all others in `metadata`."""
        if given is None:
            return cls()
        if isinstance(given, SerializedOptions):
            return given
        known = {name: value for name, value in given.items() if name in cls.__dataclass_fields__}
        others = {name: value for name, value in given.items() if name not in cls.__dataclass_fields__}
        if others:
            known["metadata"] = {**(known.get("metadata") or {}), **others}
        return cls(**known)


@dataclass
class SerializedError:
    """An exception, as far as it can be written down."""

    name: str
    message: str
    code: str | None = None
    stack: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass
class GuardrailEventResult:
    """What guardrails found."""

    violations: list[dict[str, Any]] = field(default_factory=list)
    should_retry: bool = False
    should_halt: bool = False


@dataclass
class DriftEventResult:
    """What a drift detector found. `confidence` is from 0 to 1."""

    detected: bool = False
    types: list[str] = field(default_factory=list)
    confidence: float = 0.0


@dataclass
class StartEvent:
    """The stream began."""

    type: RecordedEventType = RecordedEventType.START
    ts: float = 0.0
    options: SerializedOptions = field(default_factory=SerializedOptions)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class TokenEvent:
    """A piece of the answer. `index` is the number of tokens that the consumer had before it."""

    type: RecordedEventType = RecordedEventType.TOKEN
    ts: float = 0.0
    value: str = ""
    index: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class CheckpointEvent:
    """A checkpoint: the text of the first `at` tokens.

    The runtime records its `length` in characters and leaves `content` empty: a text would be stored over and over.
    """

    type: RecordedEventType = RecordedEventType.CHECKPOINT
    ts: float = 0.0
    at: int = 0
    content: str = ""
    length: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class GuardrailEvent:
    """A guardrail's verdict, after `at` tokens."""

    type: RecordedEventType = RecordedEventType.GUARDRAIL
    ts: float = 0.0
    at: int = 0
    result: GuardrailEventResult = field(default_factory=GuardrailEventResult)
    check_type: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class DriftEvent:
    """A drift detector's verdict, after `at` tokens."""

    type: RecordedEventType = RecordedEventType.DRIFT
    ts: float = 0.0
    at: int = 0
    result: DriftEventResult = field(default_factory=DriftEventResult)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class RetryEvent:
    """A retry follows. `delay` is in milliseconds; `error` is what made it necessary."""

    type: RecordedEventType = RecordedEventType.RETRY
    ts: float = 0.0
    reason: str = ""
    attempt: int = 1
    counts_toward_limit: bool = True
    delay: float = 0.0
    error: SerializedError | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class FallbackEvent:
    """The next source is asked: `to` is its index, `from_` that of the one before."""

    type: RecordedEventType = RecordedEventType.FALLBACK
    ts: float = 0.0
    to: int = 0
    from_: int = 0
    reason: str = ""
    error: SerializedError | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class ContinuationEvent:
    """The text goes on from a checkpoint of `at` tokens; see `CheckpointEvent` for `length`."""

    type: RecordedEventType = RecordedEventType.CONTINUATION
    ts: float = 0.0
    checkpoint: str = ""
    at: int = 0
    length: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class ResetEvent:
    """Text was withdrawn: `keep` characters in `token_count` tokens stand.

    `channel` is `"reasoning"` or `"refusal"` where text other than the answer was withdrawn, which `keep` then counts;
    `choice` is its index where the answer is not the first.
    """

    type: RecordedEventType = RecordedEventType.RESET
    ts: float = 0.0
    keep: int = 0
    token_count: int = 0
    channel: str = ""
    choice: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class OutputEvent:
    """Something that the consumer got besides the answer's text: an `l0.Event` as a dict, see `as_event`."""

    type: RecordedEventType = RecordedEventType.OUTPUT
    ts: float = 0.0
    event: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class CompleteEvent:
    """The stream ended, and this is its text. `outcome` is `"complete"` or `"incomplete"`."""

    type: RecordedEventType = RecordedEventType.COMPLETE
    ts: float = 0.0
    content: str = ""
    token_count: int = 0
    outcome: str = "complete"
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class ErrorEvent:
    """The stream failed, and nothing more was tried."""

    type: RecordedEventType = RecordedEventType.ERROR
    ts: float = 0.0
    error: SerializedError = field(default_factory=lambda: SerializedError("Error", ""))
    failure_type: str = ""
    recovery_strategy: str = ""
    policy: Any = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class AbortedEvent:
    """The stream was left before its end."""

    type: RecordedEventType = RecordedEventType.ABORTED
    ts: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class UnknownEvent:
    """An event of a type that a later version records: kept as it is."""

    type: str = ""
    ts: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)


RecordedEvent = Union[
    StartEvent,
    TokenEvent,
    CheckpointEvent,
    GuardrailEvent,
    DriftEvent,
    RetryEvent,
    FallbackEvent,
    ContinuationEvent,
    ResetEvent,
    OutputEvent,
    CompleteEvent,
    ErrorEvent,
    AbortedEvent,
    UnknownEvent,
]
"""Any recorded event. `extra` holds fields that a later version has written."""


@dataclass
class EventEnvelope:
    """An event of a stream and its number: 0, 1, 2, ... without a gap."""

    stream_id: str
    seq: int
    event: RecordedEvent


@dataclass
class Snapshot:
    """The state of a stream after its event `seq`, so that a replay need not begin at the beginning."""

    stream_id: str
    seq: int
    ts: float
    content: str
    token_count: int
    checkpoint: str
    violations: list[dict[str, Any]] = field(default_factory=list)
    drift_detected: bool = False
    retry_attempts: int = 0
    network_retry_count: int = 0
    fallback_index: int = 0
    start_ts: float = 0.0
    outputs: dict[str, Any] = field(default_factory=dict)
    """What of the state is not the answer's text: reasoning, refusal, choices, tool calls."""


@dataclass
class ReplayedState:
    """What was known of a stream after some of its events; times are in milliseconds since the epoch.

    `retry_attempts` counts the retries that counted toward the limit, `network_retry_count` the others.
    """

    content: str = ""
    token_count: int = 0
    checkpoint: str = ""
    violations: list[dict[str, Any]] = field(default_factory=list)
    drift_detected: bool = False
    retry_attempts: int = 0
    network_retry_count: int = 0
    fallback_index: int = 0
    completed: bool = False
    error: SerializedError | None = None
    start_ts: float = 0.0
    end_ts: float = 0.0
    outcome: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    reasoning: str = ""
    refusal: str = ""
    choices: dict[int, str] = field(default_factory=dict)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ReplayOptions:
    """How a stream is replayed. `speed` is 0 for at once, 1 for real time, 2 for twice as fast."""

    stream_id: str
    speed: float = 0.0
    fire_callbacks: bool = False
    from_seq: int = 0
    to_seq: int | None = None


@dataclass
class RecordOptions:
    """How a stream is recorded: with a snapshot after every `snapshot_interval` events, if `save_snapshots`."""

    stream_id: str | None = None
    save_snapshots: bool = False
    snapshot_interval: int = 100


def serialize_error(error: BaseException) -> SerializedError:
    """Write an exception down: its type, its message and its code. No traceback: it would hold what frames hold."""
    code = getattr(error, "code", None)
    if isinstance(code, Enum):
        code = code.value
    return SerializedError(type(error).__name__, str(error), None if code is None else str(code))


def deserialize_error(stored: SerializedError) -> Exception:
    """An exception that says what the recorded one said: of a builtin type where its name is one, else Exception."""
    import builtins

    kind = getattr(builtins, stored.name, None)
    if (
        isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, StopIteration | StopAsyncIteration)
    ):
        try:
            return kind(stored.message)
        except TypeError:  # UnicodeDecodeError and its like are made of more than a message.
            return Exception(f"{stored.name}: {stored.message}")
    return Exception(f"{stored.name}: {stored.message}")


def generate_stream_id() -> str:
    """A UUIDv7, as text: in order of time."""
    return str(uuid6.uuid7())


_EPOCH = time.time() - time.monotonic()


def now_ms() -> float:
    """Milliseconds since the epoch. It never goes back, whatever happens to the clock of the machine."""
    return (_EPOCH + time.monotonic()) * 1000
