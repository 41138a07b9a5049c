"""What an observer receives: observability events, and the bus that hands them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from l0_core.log import log_raised

__all__ = [
    "EventBus",
    "FailureType",
    "ObservabilityEvent",
    "ObservabilityEventType",
    "RecoveryPolicy",
    "RecoveryStrategy",
]


class ObservabilityEventType(str, Enum):
    """What an `ObservabilityEvent` reports."""

    SESSION_START = "SESSION_START"
    ATTEMPT_START = "ATTEMPT_START"
    SESSION_END = "SESSION_END"
    SESSION_SUMMARY = "SESSION_SUMMARY"
    STREAM_INIT = "STREAM_INIT"
    STREAM_READY = "STREAM_READY"
    TOKEN = "TOKEN"
    OUTPUT = "OUTPUT"
    """To sinks alone that ask for it: what else the consumer got, what a guardrail found, what was raised."""
    ADAPTER_DETECTED = "ADAPTER_DETECTED"
    ADAPTER_WRAP_START = "ADAPTER_WRAP_START"
    ADAPTER_WRAP_END = "ADAPTER_WRAP_END"
    TIMEOUT_START = "TIMEOUT_START"
    TIMEOUT_RESET = "TIMEOUT_RESET"
    TIMEOUT_TRIGGERED = "TIMEOUT_TRIGGERED"
    NETWORK_ERROR = "NETWORK_ERROR"
    NETWORK_RECOVERY = "NETWORK_RECOVERY"
    CONNECTION_DROPPED = "CONNECTION_DROPPED"
    CONNECTION_RESTORED = "CONNECTION_RESTORED"
    ABORT_REQUESTED = "ABORT_REQUESTED"
    ABORT_COMPLETED = "ABORT_COMPLETED"
    TOOL_REQUESTED = "TOOL_REQUESTED"
    TOOL_START = "TOOL_START"
    TOOL_RESULT = "TOOL_RESULT"
    TOOL_ERROR = "TOOL_ERROR"
    TOOL_COMPLETED = "TOOL_COMPLETED"
    GUARDRAIL_PHASE_START = "GUARDRAIL_PHASE_START"
    GUARDRAIL_PHASE_END = "GUARDRAIL_PHASE_END"
    GUARDRAIL_RULE_START = "GUARDRAIL_RULE_START"
    GUARDRAIL_RULE_RESULT = "GUARDRAIL_RULE_RESULT"
    GUARDRAIL_RULE_END = "GUARDRAIL_RULE_END"
    GUARDRAIL_CALLBACK_START = "GUARDRAIL_CALLBACK_START"
    GUARDRAIL_CALLBACK_END = "GUARDRAIL_CALLBACK_END"
    DRIFT_CHECK_RESULT = "DRIFT_CHECK_RESULT"
    DRIFT_CHECK_SKIPPED = "DRIFT_CHECK_SKIPPED"
    CHECKPOINT_SAVED = "CHECKPOINT_SAVED"
    RESUME_START = "RESUME_START"
    RETRY_START = "RETRY_START"
    RETRY_ATTEMPT = "RETRY_ATTEMPT"
    RETRY_END = "RETRY_END"
    RETRY_GIVE_UP = "RETRY_GIVE_UP"
    RETRY_FN_START = "RETRY_FN_START"
    RETRY_FN_RESULT = "RETRY_FN_RESULT"
    RETRY_FN_ERROR = "RETRY_FN_ERROR"
    FALLBACK_START = "FALLBACK_START"
    FALLBACK_MODEL_SELECTED = "FALLBACK_MODEL_SELECTED"
    FALLBACK_END = "FALLBACK_END"
    FINALIZATION_START = "FINALIZATION_START"
    FINALIZATION_END = "FINALIZATION_END"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"
    RESET = "RESET"
    CONSENSUS_START = "CONSENSUS_START"
    CONSENSUS_STREAM_START = "CONSENSUS_STREAM_START"
    CONSENSUS_STREAM_END = "CONSENSUS_STREAM_END"
    CONSENSUS_OUTPUT_COLLECTED = "CONSENSUS_OUTPUT_COLLECTED"
    CONSENSUS_ANALYSIS = "CONSENSUS_ANALYSIS"
    CONSENSUS_RESOLUTION = "CONSENSUS_RESOLUTION"
    CONSENSUS_END = "CONSENSUS_END"
    PARSE_START = "PARSE_START"
    PARSE_END = "PARSE_END"
    PARSE_ERROR = "PARSE_ERROR"
    SCHEMA_VALIDATION_START = "SCHEMA_VALIDATION_START"
    SCHEMA_VALIDATION_END = "SCHEMA_VALIDATION_END"
    SCHEMA_VALIDATION_ERROR = "SCHEMA_VALIDATION_ERROR"
    AUTO_CORRECT_START = "AUTO_CORRECT_START"
    AUTO_CORRECT_END = "AUTO_CORRECT_END"
    STRUCTURED_PARSE_START = "STRUCTURED_PARSE_START"
    STRUCTURED_PARSE_END = "STRUCTURED_PARSE_END"
    STRUCTURED_PARSE_ERROR = "STRUCTURED_PARSE_ERROR"
    STRUCTURED_VALIDATION_START = "STRUCTURED_VALIDATION_START"
    STRUCTURED_VALIDATION_END = "STRUCTURED_VALIDATION_END"
    STRUCTURED_VALIDATION_ERROR = "STRUCTURED_VALIDATION_ERROR"
    STRUCTURED_AUTO_CORRECT_START = "STRUCTURED_AUTO_CORRECT_START"
    STRUCTURED_AUTO_CORRECT_END = "STRUCTURED_AUTO_CORRECT_END"
    CONTINUATION_START = "CONTINUATION_START"
    CONTINUATION_END = "CONTINUATION_END"
    """It is known how what a model says joins what it goes on from."""


class FailureType(str, Enum):
    """What failed, as the `failureType` of an ERROR event says it."""

    NETWORK = "network"
    MODEL = "model"
    TOOL = "tool"
    TIMEOUT = "timeout"
    ABORT = "abort"
    ZERO_OUTPUT = "zero_output"
    UNKNOWN = "unknown"


class RecoveryStrategy(str, Enum):
    """What follows a failure, as the `recoveryStrategy` of an ERROR event says it."""

    RETRY = "retry"
    FALLBACK = "fallback"
    CONTINUE = "continue"
    HALT = "halt"


@dataclass
class RecoveryPolicy:
    """What a stream may still do about failures, as the `policy` of an ERROR event says it. `attempt` begins at 1."""

    retry_enabled: bool = True
    fallback_enabled: bool = False
    max_retries: int = 3
    max_fallbacks: int = 0
    attempt: int = 1
    fallback_index: int | None = None


@dataclass(slots=True)
class ObservabilityEvent:
    """Something that happened in the life of a stream.

    `ts` is in milliseconds since the epoch; `context` is what the caller passed; `meta` says more, with camelCase keys.
    """

    type: ObservabilityEventType
    ts: float
    stream_id: str
    context: Mapping[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


class EventBus:
    """Hands events to one handler, with a stream id (UUIDv7) and the caller's context on each.

    A handler that raises is logged, and the event is lost to it alone.
    """

    def __init__(
        self, handler: Callable[[ObservabilityEvent], None] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        self._handler = handler
        self._context = dict(context or {})
        self._stream_id: str | None = None

    @property
    def stream_id(self) -> str:
        """A UUIDv7, made when it is first asked for: the `stream_id` of each event."""
        if self._stream_id is None:
            self._stream_id = new_stream_id()
        return self._stream_id

    def emit(self, event_type: ObservabilityEventType, **event_meta: Any) -> None:
        """Hand an event on; the keywords become its `meta`."""
        if self._handler is None:
            return
        event = ObservabilityEvent(event_type, time.time() * 1000, self.stream_id, dict(self._context), event_meta)
        try:
            self._handler(event)
        except Exception as error:
            log_raised("an event handler", error, "the event is lost to it")


def new_stream_id() -> str:
    """A UUIDv7, as text."""
    import uuid6

    return str(uuid6.uuid7())
