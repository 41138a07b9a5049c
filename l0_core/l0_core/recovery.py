"""What follows a failure: the same source again, the next one, or the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from l0_core.errors import (
    Error,
    ErrorCategory,
    ErrorCode,
    GuardrailViolationError,
    Truncated,
    categorize_error,
    status_of,
)
from l0_core.errors import TimeoutError as StreamTimeout
from l0_core.hookspecs import Decision, Failure, FallBack, Halt, RetryAfter
from l0_core.options import BackoffStrategy, Retry, RetryableErrorType

if TYPE_CHECKING:
    from l0_core.attempt import Source
    from l0_core.state import State

__all__ = ["Recovery", "backoff", "retryable_type"]


def retryable_type(error: BaseException, category: ErrorCategory) -> RetryableErrorType | None:
    """The kind of failure as `Retry.retry_on` names it, or None if it has no name there."""
    if isinstance(error, Truncated):
        return RetryableErrorType.INCOMPLETE
    if isinstance(error, Error):
        return {
            ErrorCode.ZERO_OUTPUT: RetryableErrorType.ZERO_OUTPUT,
            ErrorCode.GUARDRAIL_VIOLATION: RetryableErrorType.GUARDRAIL_VIOLATION,
            ErrorCode.INVALID_TOOL_CALL: RetryableErrorType.INCOMPLETE,
            ErrorCode.DRIFT_DETECTED: RetryableErrorType.DRIFT,
            ErrorCode.NETWORK_ERROR: RetryableErrorType.NETWORK_ERROR,
        }.get(error.code)
    if isinstance(error, StreamTimeout):
        return RetryableErrorType.TIMEOUT
    if category is ErrorCategory.NETWORK:
        return RetryableErrorType.NETWORK_ERROR
    if category is ErrorCategory.TRANSIENT:
        status = status_of(error)
        if status == 429:
            return RetryableErrorType.RATE_LIMIT
        if status is not None and status >= 500:
            return RetryableErrorType.SERVER_ERROR
        return RetryableErrorType.TIMEOUT
    return None


def counts_as_model_error(error: BaseException, category: ErrorCategory) -> bool:
    """Whether a failure counts toward `Retry.attempts`."""
    if isinstance(error, Error) and error.code is ErrorCode.ZERO_OUTPUT:
        return False
    return category not in (ErrorCategory.NETWORK, ErrorCategory.TRANSIENT)


def backoff(retry: Retry, n: int) -> float:
    """The wait before a retry, in seconds; `n` is 0 for the first."""
    base, cap = retry.base_delay or 0.0, retry.max_delay or 0.0
    exponential = min(base * 2.0 ** min(n, 60), cap)
    match retry.strategy:
        case BackoffStrategy.EXPONENTIAL:
            return exponential
        case BackoffStrategy.LINEAR:
            return min(base * (n + 1), cap)
        case BackoffStrategy.FIXED:
            return base
        case BackoffStrategy.FULL_JITTER:
            return random.random() * exponential
        case _:
            return exponential / 2 + random.random() * exponential / 2


class Recovery:
    """Counts the failures of one stream, source by source, and says what L0 would do about the next."""

    __slots__ = ("_counted", "_retries", "_retry", "_sources", "source")

    def __init__(self, sources: Sequence[Source], retry: Retry) -> None:
        self._sources = sources
        self._retry = retry
        self.source = 0
        self._retries = 0
        self._counted = 0

    @property
    def has_next(self) -> bool:
        return self.source + 1 < len(self._sources)

    def failure(self, error: BaseException, delivered: int) -> Failure:
        """What is known of a failure, with what L0 would do."""
        category = categorize_error(error)
        failure = Failure(error, category, retryable_type(error, category), delivered, None, Halt())
        failure.default = self._default(failure)
        return failure

    def _default(self, failure: Failure) -> Decision:
        error, category = failure.error, failure.category
        if isinstance(error, GuardrailViolationError) and error.violation.halts:
            return Halt()
        if isinstance(error, StreamTimeout) and error.timeout_type == "total":
            return Halt()
        if isinstance(error, Error) and error.code is ErrorCode.OUTPUT_LIMIT:
            return Halt()
        if category is ErrorCategory.INTERNAL:
            return Halt()
        return RetryAfter(self._delay()) if self._may_retry(failure) else FallBack()

    def _may_retry(self, failure: Failure) -> bool:
        retry = self._retry
        if self._sources[self.source].once or failure.category is ErrorCategory.FATAL:
            return False
        if self._retries >= (retry.max_retries or 0):
            return False
        if retry.retry_on is not None and failure.reason not in retry.retry_on:
            return False
        counted = counts_as_model_error(failure.error, failure.category)
        return not counted or self._counted < (retry.attempts or 0)

    def _delay(self) -> float:
        return backoff(self._retry, self._retries)

    def retrying(self, failure: Failure, state: State) -> None:
        """The same source is tried again."""
        self._retries += 1
        if counts_as_model_error(failure.error, failure.category):
            self._counted += 1
            state.model_retry_count += 1
        else:
            state.network_retry_count += 1

    def fall_back(self, state: State) -> None:
        """The next source is tried, with counters of its own."""
        self.source += 1
        self._retries = self._counted = 0
        state.fallback_index = self.source
