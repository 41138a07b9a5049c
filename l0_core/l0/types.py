"""What streams are made of, what they are asked for, and what they can be made of."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, Union

from l0_core.delays import (
    ERROR_TYPE_DELAY_DEFAULTS,
    EXPONENTIAL_RETRY,
    MINIMAL_RETRY,
    RECOMMENDED_RETRY,
    STRICT_RETRY,
    ErrorTypeDelayDefaults,
    ErrorTypeDelays,
)
from l0_core.errors import ErrorCategory
from l0_core.events import ContentType, DataPayload, Event, EventType, Progress
from l0_core.options import (
    RETRY_DEFAULTS,
    BackoffStrategy,
    CheckIntervals,
    Retry,
    RetryableErrorType,
    RetryDefaults,
    Timeout,
)
from l0_core.state import State

from l0._lazy import find

if TYPE_CHECKING:
    from l0_core.stream import LazyStream as LazyStream
    from l0_core.stream import Stream as Stream

__all__ = [
    "DEFAULT_RETRY_ON",
    "ERROR_TYPE_DELAY_DEFAULTS",
    "EXPONENTIAL_RETRY",
    "MINIMAL_RETRY",
    "RECOMMENDED_RETRY",
    "RETRY_DEFAULTS",
    "STRICT_RETRY",
    "AwaitableStream",
    "AwaitableStreamFactory",
    "AwaitableStreamSource",
    "BackoffStrategy",
    "CheckIntervals",
    "ContentType",
    "DataPayload",
    "ErrorCategory",
    "ErrorTypeDelayDefaults",
    "ErrorTypeDelays",
    "Event",
    "EventType",
    "LazyStream",
    "Progress",
    "RawStream",
    "RawStreamOf",
    "Retry",
    "RetryDefaults",
    "RetryableErrorType",
    "State",
    "Stream",
    "StreamFactory",
    "StreamFactoryOf",
    "StreamSource",
    "Timeout",
]

T = TypeVar("T")

RawStreamOf = AsyncIterable[T]
RawStream = RawStreamOf[Any]
"""A provider's stream, as its SDK returns it."""
AwaitableStream = Union[RawStream, Awaitable[RawStream]]
"""One that may have to be awaited first."""

StreamFactoryOf = Callable[[], RawStreamOf[T]]
StreamFactory = StreamFactoryOf[Any]
"""What opens a stream, anew for each attempt."""
AwaitableStreamFactory = Callable[[], AwaitableStream]

StreamSource = Union[RawStream, StreamFactory]
AwaitableStreamSource = Union[AwaitableStream, AwaitableStreamFactory]
"""What a stream can be made of: the stream itself, which is read once, or its factory."""

DEFAULT_RETRY_ON = RETRY_DEFAULTS.retry_on
"""What is retried where `Retry.retry_on` does not say: everything that it can name."""

if not TYPE_CHECKING:

    def __getattr__(name):
        # To hold a stream takes all that runs one; the rest here is light.
        return find(name, globals(), {"l0_core.stream": "LazyStream Stream"})
