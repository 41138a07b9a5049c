"""What follows a failure: the same source again, the next one, or the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from l0_core.budget import RETRY_COST, SUCCESS_GAIN, TIMEOUT_COST, budget_of
from l0_core.classification import categorize_error, status_of
from l0_core.errors import Error, ErrorCategory, ErrorCode, GuardrailViolationError, Truncated
from l0_core.errors import TimeoutError as StreamTimeout
from l0_core.hints import Hint, hint_of
from l0_core.hookspecs import Decision, Failure, FallBack, Halt, RetryAfter
from l0_core.log import log_raised, logger
from l0_core.options import BackoffStrategy, Retry, RetryableErrorType

if TYPE_CHECKING:
    from l0_core.attempt import Source
    from l0_core.state import State

__all__ = ["Recovery", "RetryContext", "backoff", "retryable_type"]

_WHATEVER_IS_ASKED = frozenset((401, 402, 403, 404, 429))
"""The statuses with which a provider refuses any request: of this caller, or to this model."""


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


def backoff(retry: Retry, n: int, base: float | None = None) -> float:
    """The wait before a retry, in seconds; `n` is 0 for the first. `base` goes before `retry.base_delay`."""
    base, cap = (retry.base_delay or 0.0) if base is None else base, retry.max_delay or 0.0
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


@dataclass(frozen=True)
class RetryContext:
    """What `Retry.calculate_delay` is given, by attribute and by key. Delays are in seconds, `attempt` begins at 0."""

    attempt: int
    total_attempts: int
    error: BaseException
    category: ErrorCategory
    reason: str
    default_delay: float
    is_network: bool
    model_retry_count: int
    network_retry_count: int
    total_retries: int
    base_delay: float
    max_delay: float

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


class Recovery:
    """Counts the failures of one stream, source by source, and says what L0 would do about the next."""

    __slots__ = ("_counted", "_loop", "_paid", "_retries", "_retry", "_sources", "_state", "source")

    def __init__(self, sources: Sequence[Source], retry: Retry, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self._sources = sources
        self._retry = retry
        self._state = state
        self._loop = loop
        self.source = 0
        self._retries = 0
        self._counted = 0
        self._paid = 0

    @property
    def has_next(self) -> bool:
        return self.source + 1 < len(self._sources)

    def failure(self, error: BaseException, delivered: int) -> Failure:
        """What is known of a failure, with what L0 would do."""
        category = categorize_error(error)
        hint = hint_of(error)
        failure = Failure(error, category, retryable_type(error, category), delivered, hint.seconds, Halt())
        failure.default = self._default(failure, hint)
        return failure

    @staticmethod
    def is_refusal(failure: Failure) -> bool:
        """Whether it may be what was asked for that is refused, and not who asks, or whom."""
        return failure.category is ErrorCategory.FATAL and status_of(failure.error) not in _WHATEVER_IS_ASKED

    def _default(self, failure: Failure, hint: Hint) -> Decision:
        error, category = failure.error, failure.category
        if isinstance(error, GuardrailViolationError) and error.violation.halts:
            return Halt()
        if isinstance(error, StreamTimeout) and error.timeout_type == "total":
            return Halt()
        if isinstance(error, Error) and error.code is ErrorCode.OUTPUT_LIMIT:
            return Halt()
        if category is ErrorCategory.INTERNAL:
            return Halt()
        if hint.retry is False or (category is ErrorCategory.FATAL and not hint.retry):
            return FallBack()
        retry = self._retry
        if retry.retry_on is not None and failure.reason not in retry.retry_on:
            return FallBack()
        return RetryAfter(self.delay(failure))

    def delay(self, failure: Failure) -> float:
        """The wait that the caller's options ask for; the server's is a floor to it, see `bounded`."""
        retry, state = self._retry, self._state
        base = self._base_delay(failure)
        delay = backoff(retry, self._retries, base)
        if retry.calculate_delay is None:
            return delay
        context = RetryContext(
            attempt=self._retries,
            total_attempts=self._retries + 1,
            error=failure.error,
            category=failure.category,
            reason=failure.reason.value if failure.reason is not None else failure.category.value,
            default_delay=delay,
            is_network=failure.category is ErrorCategory.NETWORK,
            model_retry_count=state.model_retry_count,
            network_retry_count=state.network_retry_count,
            total_retries=state.model_retry_count + state.network_retry_count,
            base_delay=retry.base_delay or 0.0,
            max_delay=retry.max_delay or 0.0,
        )
        try:
            return max(0.0, float(retry.calculate_delay(context)))
        except Exception as broken:
            log_raised("Retry.calculate_delay", broken, f"the wait is {delay:g} s instead")
            return delay

    def _base_delay(self, failure: Failure) -> float | None:
        delays = self._retry.error_type_delays
        if delays is None or failure.category is not ErrorCategory.NETWORK:
            return None
        from l0_core.delays import ERROR_TYPE_DELAY_DEFAULTS
        from l0_core.network import analyze_network_error

        name = analyze_network_error(failure.error).type.value
        chosen: float | None = getattr(delays, name)
        return float(getattr(ERROR_TYPE_DELAY_DEFAULTS, name)) if chosen is None else chosen

    def bounded(self, decision: Decision, failure: Failure, left: float | None) -> Decision:
        """What may be done of what was decided: caps, the server's wait, the deadline and the budget hold for all.

        `left` is how many seconds of waiting the stream has, or None without a bound.
        """
        if isinstance(decision, RetryAfter):
            decision = self._bounded_retry(decision, failure, left)
        if isinstance(decision, FallBack) and not self.has_next:
            return Halt()
        return decision

    def would_retry(self, error: BaseException, left: float | None) -> bool:
        """Whether L0 would try the same source again after a failure, if nobody decides otherwise."""
        failure = self.failure(error, 0)
        wait, source = failure.default, self._sources[self.source]
        if (
            not isinstance(wait, RetryAfter)
            or self.is_exhausted(failure)
            or (left is not None and wait.seconds >= left)
        ):
            return False
        return budget_of(source.provider, self._loop).left >= RETRY_COST

    def is_exhausted(self, failure: Failure) -> bool:
        """Whether the source in use is not to be tried again."""
        retry = self._retry
        if self._sources[self.source].once or self._retries >= (retry.max_retries or 0):
            return True
        return counts_as_model_error(failure.error, failure.category) and self._counted >= (retry.attempts or 0)

    def _bounded_retry(self, decision: RetryAfter, failure: Failure, left: float | None) -> Decision:
        retry, source = self._retry, self._sources[self.source]
        if self.is_exhausted(failure):
            return FallBack()
        seconds = decision.seconds
        if failure.hint is not None:
            if failure.hint > retry.max_retry_after:
                return FallBack()  # Longer than anyone would wait for an answer without being told.
            seconds = max(seconds, failure.hint)
        if left is not None and seconds >= left:
            return FallBack()  # The deadline would pass in the wait. Another source can be asked at once.
        cost = TIMEOUT_COST if isinstance(failure.error, TimeoutError) else RETRY_COST
        if not budget_of(source.provider, self._loop).take(cost):
            logger.warning("the retry budget of %s is exhausted; not retried", source.provider)
            return FallBack()
        self._paid = cost
        return RetryAfter(seconds)

    def retrying(self, failure: Failure) -> None:
        """The same source is tried again."""
        self._retries += 1
        if counts_as_model_error(failure.error, failure.category):
            self._counted += 1
            self._state.model_retry_count += 1
        else:
            self._state.network_retry_count += 1

    def fall_back(self) -> None:
        """The next source is tried, with counters of its own."""
        self.source += 1
        self._retries = self._counted = self._paid = 0
        self._state.fallback_index = self.source

    def succeeded(self) -> None:
        """The stream ended well: the source in use has earned what its last retry cost."""
        budget_of(self._sources[self.source].provider, self._loop).give_back(self._paid or SUCCESS_GAIN)
