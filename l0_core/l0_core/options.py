"""What a caller may choose: retries, timeouts, limits and intervals, with the documented presets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l0_core.delays import ErrorTypeDelays

__all__ = [
    "BackoffStrategy",
    "CheckIntervals",
    "Limits",
    "Retry",
    "RetryDefaults",
    "RetryableErrorType",
    "Timeout",
]


class BackoffStrategy(str, Enum):
    """How the wait grows from retry to retry. `n` is 0 at the first retry."""

    EXPONENTIAL = "exponential"
    """`base * 2**n`"""
    LINEAR = "linear"
    """`base * (n + 1)`"""
    FIXED = "fixed"
    """`base`"""
    FULL_JITTER = "full-jitter"
    """anything from 0 to the exponential wait"""
    FIXED_JITTER = "fixed-jitter"
    """half of the exponential wait, and anything up to its other half"""


class RetryableErrorType(str, Enum):
    """What `Retry.retry_on` can name."""

    ZERO_OUTPUT = "zero_output"
    GUARDRAIL_VIOLATION = "guardrail_violation"
    DRIFT = "drift"
    INCOMPLETE = "incomplete"
    NETWORK_ERROR = "network_error"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, eq=False)
class RetryDefaults:
    """The values that `Retry` takes where none is given. Delays are in seconds."""

    attempts: int = 3
    max_retries: int = 6
    base_delay: float = 1.0
    max_delay: float = 10.0
    network_max_delay: float = 30.0
    backoff: BackoffStrategy = BackoffStrategy.FIXED_JITTER
    retry_on: tuple[RetryableErrorType, ...] = tuple(RetryableErrorType)


RETRY_DEFAULTS = RetryDefaults()


@dataclass
class Retry:
    """How often and how soon a failed attempt is made again. Delays are in seconds.

    `attempts` is how many retries may be for what is the model's fault, `max_retries` how many there may be in all:
    `attempts=3` makes four requests at most of a model that answers nonsense. Both are per source, and a fallback
    starts with both afresh. `should_retry(error, state, attempt, category)`, sync or async, can veto a retry and never
    force one. `calculate_delay(context)` returns the delay in seconds.

    Raises ValueError for a number below 0, and for a strategy that there is not.
    """

    attempts: int | None = None
    max_retries: int | None = None
    base_delay: float | None = None
    max_delay: float | None = None
    strategy: BackoffStrategy | None = None
    error_type_delays: ErrorTypeDelays | None = None
    retry_on: list[RetryableErrorType] | None = None
    should_retry: Callable[..., Any] | None = None
    calculate_delay: Callable[..., float] | None = None
    max_attempts: int | None = field(default=None, repr=False)
    """An older name of `attempts`."""
    max_retry_after: float = 60.0
    """The longest wait that a server may ask for, in seconds; a longer one is as good as a refusal."""

    def __post_init__(self) -> None:
        if self.attempts is None:
            self.attempts = RETRY_DEFAULTS.attempts if self.max_attempts is None else self.max_attempts
        self.max_attempts = None
        if self.max_retries is None:
            self.max_retries = RETRY_DEFAULTS.max_retries
        if self.base_delay is None:
            self.base_delay = RETRY_DEFAULTS.base_delay
        if self.max_delay is None:
            self.max_delay = RETRY_DEFAULTS.max_delay
        if self.strategy is None:
            self.strategy = RETRY_DEFAULTS.backoff
        for name in ("attempts", "max_retries", "base_delay", "max_delay"):
            if getattr(self, name) < 0:
                raise ValueError(f"Retry.{name} is {getattr(self, name)!r}; it must be 0 or more")
        self.strategy = BackoffStrategy(self.strategy)

    @classmethod
    def minimal(cls) -> Retry:
        """Two retries for faults of the model, four in all; linear waits."""
        from l0_core.delays import ErrorTypeDelays

        return cls(attempts=2, max_retries=4, strategy=BackoffStrategy.LINEAR, error_type_delays=ErrorTypeDelays())

    @classmethod
    def recommended(cls) -> Retry:
        """Three retries for faults of the model, six in all; fixed jitter."""
        from l0_core.delays import ErrorTypeDelays

        return cls(error_type_delays=ErrorTypeDelays())

    @classmethod
    def strict(cls) -> Retry:
        """Three retries for faults of the model, six in all; full jitter."""
        from l0_core.delays import ErrorTypeDelays

        return cls(strategy=BackoffStrategy.FULL_JITTER, error_type_delays=ErrorTypeDelays())

    @classmethod
    def exponential(cls) -> Retry:
        """Four retries for faults of the model, eight in all; exponential waits."""
        from l0_core.delays import ErrorTypeDelays

        return cls(attempts=4, max_retries=8, strategy=BackoffStrategy.EXPONENTIAL, error_type_delays=ErrorTypeDelays())

    @classmethod
    def mobile(cls) -> Retry:
        """For links that come and go: longer waits, full jitter."""
        from l0_core.delays import ErrorTypeDelays

        delays = ErrorTypeDelays(background_throttle=15.0, timeout=3.0, connection_dropped=2.5)
        return cls(max_delay=15.0, strategy=BackoffStrategy.FULL_JITTER, error_type_delays=delays)

    @classmethod
    def edge(cls) -> Retry:
        """For runtimes that live briefly: shorter waits."""
        from l0_core.delays import ErrorTypeDelays

        delays = ErrorTypeDelays(runtime_killed=2.0, timeout=1.5)
        return cls(base_delay=0.5, max_delay=5.0, error_type_delays=delays)


_warned_of_seconds = False


@dataclass
class Timeout:
    """How long the provider may keep the stream waiting, in milliseconds. None is no limit.

    `initial_token` runs from the call to the first piece of output: connecting and headers are in it. `inter_token`
    runs between pieces of output. `total` bounds all waiting of the stream, over every attempt, pauses between attempts
    included. Time that the consumer takes is never charged. What counts as output is text, reasoning or a tool call:
    keep-alives and empty deltas do not.

    Raises ValueError for a time that is not more than 0.
    """

    initial_token: float | None = 5000
    inter_token: float | None = 10000
    total: float | None = None

    def __post_init__(self) -> None:
        global _warned_of_seconds
        for name in ("initial_token", "inter_token", "total"):
            value = getattr(self, name)
            if value is None:
                continue
            if value <= 0:
                raise ValueError(
                    f"Timeout.{name} is {value!r}; it must be more than 0 milliseconds, or None for no limit"
                )
            if value < 50 and not _warned_of_seconds:
                _warned_of_seconds = True
                warnings.warn(
                    f"Timeout.{name} is {value!r} milliseconds; for {value:g} seconds write {value * 1000:g}",
                    stacklevel=3,
                )


@dataclass(frozen=True)
class Limits:
    """What a stream may produce before it is stopped as a runaway. None is no limit.

    `max_output_chars` counts characters of text and reasoning in one attempt; `max_event_bytes` is the size of one
    event as UTF-8; `max_duration` is in seconds from the first iteration, consumer included.
    """

    max_output_chars: int | None = None
    max_event_bytes: int | None = None
    max_duration: float | None = None


@dataclass(frozen=True)
class CheckIntervals:
    """How many tokens lie between two looks of the guardrails, of drift detection, and between two checkpoints.

    A `ContinuationConfig` has a `checkpoint_interval` of its own, which goes before `checkpoint`.

    Raises ValueError for an interval below 1.
    """

    guardrails: int = 15
    drift: int = 25
    checkpoint: int = 20

    def __post_init__(self) -> None:
        for name in ("guardrails", "drift", "checkpoint"):
            if getattr(self, name) < 1:
                raise ValueError(f"CheckIntervals.{name} is {getattr(self, name)!r}; it must be 1 or more tokens")

    @classmethod
    def of(cls, given: CheckIntervals | Mapping[str, int]) -> CheckIntervals:
        """Take the object, or the older form as a mapping."""
        return given if isinstance(given, cls) else cls(**dict(given))  # type: ignore[arg-type]


DEFAULT_CHECK_INTERVALS = CheckIntervals()
NO_LIMITS = Limits()
