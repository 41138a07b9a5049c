"""Delays by the kind of network error, and the documented presets of `Retry`. Imported when they are first needed."""

from __future__ import annotations

from dataclasses import dataclass

from l0_core.options import Retry

__all__ = [
    "ERROR_TYPE_DELAY_DEFAULTS",
    "EXPONENTIAL_RETRY",
    "MINIMAL_RETRY",
    "RECOMMENDED_RETRY",
    "STRICT_RETRY",
    "ErrorTypeDelayDefaults",
    "ErrorTypeDelays",
]


@dataclass(frozen=True, eq=False)
class ErrorTypeDelayDefaults:
    """Base delays by the kind of network error, in seconds."""

    connection_dropped: float = 1.0
    fetch_error: float = 0.5
    econnreset: float = 1.0
    econnrefused: float = 2.0
    sse_aborted: float = 0.5
    no_bytes: float = 0.5
    partial_chunks: float = 0.5
    runtime_killed: float = 2.0
    background_throttle: float = 5.0
    dns_error: float = 3.0
    ssl_error: float = 0.0
    timeout: float = 1.0
    unknown: float = 1.0


ERROR_TYPE_DELAY_DEFAULTS = ErrorTypeDelayDefaults()


@dataclass
class ErrorTypeDelays:
    """Base delays of one's own by the kind of network error, in seconds. None takes the default."""

    connection_dropped: float | None = None
    fetch_error: float | None = None
    econnreset: float | None = None
    econnrefused: float | None = None
    sse_aborted: float | None = None
    no_bytes: float | None = None
    partial_chunks: float | None = None
    runtime_killed: float | None = None
    background_throttle: float | None = None
    dns_error: float | None = None
    ssl_error: float | None = None
    timeout: float | None = None
    unknown: float | None = None


MINIMAL_RETRY = Retry.minimal()
RECOMMENDED_RETRY = Retry.recommended()
STRICT_RETRY = Retry.strict()
EXPONENTIAL_RETRY = Retry.exponential()
