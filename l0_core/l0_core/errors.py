"""What can go wrong.

Exceptions of L0 itself; a stream that fails raises the provider's own exception, not one of these around it:

    Exception
    ├── Error                        a code, a category and a context
    │   ├── Truncated                the source stopped without proof that it was done
    │   ├── ZeroOutput               the model answered nothing
    │   ├── InvalidToolCall          the model called a tool with arguments that are not JSON
    │   ├── GuardrailViolationError  a guardrail objected
    │   ├── OutputLimitExceeded      a limit of `Limits` was passed
    │   ├── AdapterNotFound          nothing knows how to read what the factory returned
    │   ├── PluginError              a plugin that was asked for cannot work
    │   ├── StoreError               a store cannot keep, or cannot give back, what it was given
    │   └── ConfigError              what is configured cannot be meant (in `l0_core.config`)
    └── TimeoutError                 the provider kept the stream waiting for too long (also a builtin TimeoutError)
"""

from __future__ import annotations

import builtins
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from l0_core.guardrails import GuardrailViolation

__all__ = [
    "AdapterNotFound",
    "Error",
    "ErrorCategory",
    "ErrorCode",
    "ErrorContext",
    "GuardrailViolationError",
    "InvalidToolCall",
    "OutputLimitExceeded",
    "PluginError",
    "StoreError",
    "TimeoutError",
    "Truncated",
    "ZeroOutput",
    "get_error_category",
    "is_error",
    "is_l0_error",
]


class ErrorCategory(str, Enum):
    """What kind of failure it is, which decides whether trying again can help."""

    NETWORK = "network"
    """The way to the provider failed: retried, not counted as the model's fault."""
    TRANSIENT = "transient"
    """The provider is busy, slow or unwell: retried, not counted as the model's fault."""
    MODEL = "model"
    """The model or the provider failed in a way of its own: retried, counted."""
    CONTENT = "content"
    """What the model said is not acceptable: retried, counted."""
    PROVIDER = "provider"
    FATAL = "fatal"
    """It would fail in the same way again: not retried with this source."""
    INTERNAL = "internal"
    """A mistake in code, ours or a caller's: not retried."""


class ErrorCode(str, Enum):
    """What an `Error` of L0's own is about."""

    STREAM_ABORTED = "STREAM_ABORTED"
    INITIAL_TOKEN_TIMEOUT = "INITIAL_TOKEN_TIMEOUT"
    INTER_TOKEN_TIMEOUT = "INTER_TOKEN_TIMEOUT"
    ZERO_OUTPUT = "ZERO_OUTPUT"
    GUARDRAIL_VIOLATION = "GUARDRAIL_VIOLATION"
    FATAL_GUARDRAIL_VIOLATION = "FATAL_GUARDRAIL_VIOLATION"
    DRIFT_DETECTED = "DRIFT_DETECTED"
    INVALID_STREAM = "INVALID_STREAM"
    ADAPTER_NOT_FOUND = "ADAPTER_NOT_FOUND"
    FEATURE_NOT_ENABLED = "FEATURE_NOT_ENABLED"
    ALL_STREAMS_EXHAUSTED = "ALL_STREAMS_EXHAUSTED"
    NETWORK_ERROR = "NETWORK_ERROR"
    TRUNCATED = "TRUNCATED"
    INVALID_TOOL_CALL = "INVALID_TOOL_CALL"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    PLUGIN = "PLUGIN"
    STORE = "STORE"


_CATEGORY_OF_CODE = {
    ErrorCode.STREAM_ABORTED: ErrorCategory.PROVIDER,
    ErrorCode.INITIAL_TOKEN_TIMEOUT: ErrorCategory.TRANSIENT,
    ErrorCode.INTER_TOKEN_TIMEOUT: ErrorCategory.TRANSIENT,
    ErrorCode.ZERO_OUTPUT: ErrorCategory.CONTENT,
    ErrorCode.GUARDRAIL_VIOLATION: ErrorCategory.CONTENT,
    ErrorCode.FATAL_GUARDRAIL_VIOLATION: ErrorCategory.CONTENT,
    ErrorCode.DRIFT_DETECTED: ErrorCategory.CONTENT,
    ErrorCode.INVALID_STREAM: ErrorCategory.INTERNAL,
    ErrorCode.ADAPTER_NOT_FOUND: ErrorCategory.INTERNAL,
    ErrorCode.FEATURE_NOT_ENABLED: ErrorCategory.INTERNAL,
    ErrorCode.ALL_STREAMS_EXHAUSTED: ErrorCategory.PROVIDER,
    ErrorCode.NETWORK_ERROR: ErrorCategory.NETWORK,
    ErrorCode.TRUNCATED: ErrorCategory.NETWORK,
    ErrorCode.INVALID_TOOL_CALL: ErrorCategory.CONTENT,
    ErrorCode.OUTPUT_LIMIT: ErrorCategory.FATAL,
    ErrorCode.PLUGIN: ErrorCategory.INTERNAL,
    ErrorCode.STORE: ErrorCategory.INTERNAL,
}

# What these codes mean as a thing that happened to a stream, where that differs from what they mean as a name.
CATEGORY_WHEN_RAISED = _CATEGORY_OF_CODE | {
    ErrorCode.FATAL_GUARDRAIL_VIOLATION: ErrorCategory.FATAL,
    ErrorCode.STREAM_ABORTED: ErrorCategory.FATAL,
}


def get_error_category(code: ErrorCode) -> ErrorCategory:
    """The category that an error code belongs to."""
    return _CATEGORY_OF_CODE[code]


@dataclass
class ErrorContext:
    """Where the stream stood when an `Error` was raised."""

    code: ErrorCode
    checkpoint: str | None = None
    token_count: int | None = None
    content_length: int | None = None
    model_retry_count: int | None = None
    network_retry_count: int | None = None
    fallback_index: int | None = None
    metadata: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class Error(Exception):
    """An error of L0's own, with a code and a context."""

    def __init__(self, message: str, context: ErrorContext | ErrorCode) -> None:
        super().__init__(message)
        self.message = message
        self.context = context if isinstance(context, ErrorContext) else ErrorContext(context)
        self.timestamp = time.time()

    @property
    def code(self) -> ErrorCode:
        """What went wrong, as `context` has it."""
        return self.context.code

    @property
    def category(self) -> ErrorCategory:
        """The category of the code. `categorize_error(error)` says what a stream makes of the error."""
        return get_error_category(self.code)

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is text from which the stream could go on."""
        return bool(self.context.checkpoint)

    @property
    def is_recoverable(self) -> bool:
        """An older name of `has_checkpoint`."""
        return self.has_checkpoint

    def get_checkpoint(self) -> str | None:
        """The text up to the last checkpoint, or None if none is known."""
        return self.context.checkpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code.value!r}, message={self.message!r})"

    def to_detailed_string(self) -> str:
        """The message and where the stream stood, on one line."""
        context = self.context
        parts = [self.message]
        if context.token_count is not None:
            parts.append(f"Tokens: {context.token_count}")
        retries = (context.model_retry_count or 0) + (context.network_retry_count or 0)
        if retries:
            parts.append(f"Retries: {retries}")
        if context.fallback_index:
            parts.append(f"Fallback: {context.fallback_index}")
        if context.checkpoint:
            parts.append(f"Checkpoint: {len(context.checkpoint)} chars")
        return " | ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """A dict for logs, with camelCase keys and `timestamp` in seconds since the epoch."""
        context = self.context
        return {
            "name": "Error",
            "code": self.code.value,
            "category": self.category.value,
            "message": self.message,
            "timestamp": self.timestamp,
            "hasCheckpoint": self.has_checkpoint,
            "checkpoint": context.checkpoint,
            "tokenCount": context.token_count,
            "modelRetryCount": context.model_retry_count,
            "networkRetryCount": context.network_retry_count,
            "fallbackIndex": context.fallback_index,
            "metadata": context.metadata,
            "context": context.context,
        }

    @staticmethod
    def categorize(error: BaseException) -> ErrorCategory:
        """`categorize_error`: of what kind a failure is, for an exception of any type."""
        from l0_core.classification import categorize_error  # which is made of the errors here

        return categorize_error(error)

    @staticmethod
    def is_retryable(error: BaseException) -> bool:
        """`is_retryable`: whether trying again can help, for an exception of any type."""
        from l0_core.classification import is_retryable

        return is_retryable(error)

    @staticmethod
    def is_error(error: object) -> bool:
        """Whether it is an `Error` of L0's own."""
        return isinstance(error, Error)

    @staticmethod
    def is_l0_error(error: object) -> bool:
        """The same as `is_error`."""
        return isinstance(error, Error)

    @staticmethod
    def get_category(code: ErrorCode) -> ErrorCategory:
        """The category that an error code belongs to."""
        return get_error_category(code)


class Truncated(Error):
    """The source stopped, and nothing it sent proves that it was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.TRUNCATED)


class ZeroOutput(Error):
    """The stream ended properly and held nothing: no text, no data and no tool call."""

    def __init__(self, message: str = "The model answered nothing: no text, no data and no tool call") -> None:
        super().__init__(message, ErrorCode.ZERO_OUTPUT)


class InvalidToolCall(Error):
    """The stream ended properly, and the arguments of a tool call in it are not a JSON object."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.INVALID_TOOL_CALL)


class GuardrailViolationError(Error):
    """A guardrail objected; `violation` says to what."""

    def __init__(self, violation: GuardrailViolation) -> None:
        prefix, code = (
            ("Fatal guardrail violation", ErrorCode.FATAL_GUARDRAIL_VIOLATION)
            if violation.halts
            else ("Guardrail violation", ErrorCode.GUARDRAIL_VIOLATION)
        )
        super().__init__(f"{prefix}: {violation.message}", code)
        self.violation = violation


class DriftDetected(GuardrailViolationError):
    """The answer drifted; `violation` says how."""

    def __init__(self, violation: GuardrailViolation) -> None:
        super().__init__(violation)
        self.context = ErrorContext(ErrorCode.DRIFT_DETECTED)


class OutputLimitExceeded(Error):
    """A limit of `Limits` was passed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.OUTPUT_LIMIT)


class AdapterNotFound(Error, TypeError):
    """Nothing knows how to read what the factory returned, or what knows it cannot."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.ADAPTER_NOT_FOUND)


class PluginError(Error):
    """A plugin that was asked for is missing, broken or not made for this version."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.PLUGIN)


class StoreError(Error):
    """A store cannot keep, or cannot give back, what it was given."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.STORE)


class TimeoutError(builtins.TimeoutError):
    """The provider kept the stream waiting for longer than `Timeout` allows.

    `timeout_type` is `"initial_token"`, `"inter_token"` or `"total"`; `timeout_seconds` is the limit, in seconds.
    """

    def __init__(self, message: str, timeout_type: str, timeout_seconds: float) -> None:
        super().__init__(message)
        self.timeout_type = timeout_type
        self.timeout_seconds = timeout_seconds


def is_error(error: object) -> bool:
    """Whether it is an `Error` of L0's own."""
    return isinstance(error, Error)


is_l0_error = is_error
