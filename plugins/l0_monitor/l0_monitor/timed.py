"""Handlers that wait: they hold events back for a time, by a timer of the running event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from l0_core import ObservabilityEvent
from l0_monitor.calling import call, plain, running_loop

__all__ = ["Batched", "Debounced"]


class _Timed:
    """Holds events back. `flush()` hands them on now; `close()` does that too, and holds back no more after it.

    Without a running event loop there is no timer: what is done then, each says itself. It is for one thread.
    """

    def __init__(self, seconds: float, handler: Callable[[Any], object]) -> None:
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"the time must be a number of seconds from 0 on, not {seconds!r}")
        self._seconds = seconds
        self._handler = plain(handler)
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def flush(self) -> None:
        """Hand on what is held back."""
        self._stop()
        self._hand_on()

    def close(self) -> None:
        """Hand on what is held back, and leave no timer. What comes later is handed on at once."""
        self._closed = True
        self.flush()

    def _hand_on(self) -> None:
        raise NotImplementedError

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a timer on this loop: one of another loop, which may never run again, is no use."""
        if self._timer is None or self._loop is not loop:
            self._stop()
            self._loop = loop
            self._timer = loop.call_later(self._seconds, self.flush)


class Debounced(_Timed):
    """Hands on the latest event, once none has come for `seconds`; those before it are dropped, whatever their stream.

    Without a running event loop it hands on each at once.
    """

    _latest: ObservabilityEvent | None = None

    def __call__(self, event: ObservabilityEvent) -> None:
        self._stop()
        self._latest = event
        loop = running_loop()
        if self._closed or loop is None:
            self._hand_on()
        else:
            self._start(loop)

    def _hand_on(self) -> None:
        event, self._latest = self._latest, None
        if event is not None:
            call(self._handler, event)


class Batched(_Timed):
    """Hands on events in lists of `size`, or of fewer, `seconds` after the first of them.

    Without a running event loop it looks at the time when the next event comes.
    """

    def __init__(self, size: int, seconds: float, handler: Callable[[list[ObservabilityEvent]], object]) -> None:
        super().__init__(seconds, handler)
        if size < 1:
            raise ValueError(f"a batch has one event or more, not {size!r}")
        self._size = size
        self._batch: list[ObservabilityEvent] = []
        self._since = 0.0

    def __call__(self, event: ObservabilityEvent) -> None:
        if not self._batch:
            self._since = time.monotonic()
        self._batch.append(event)
        loop = running_loop()
        late = loop is None and time.monotonic() - self._since > self._seconds
        if len(self._batch) >= self._size or late or self._closed:
            self.flush()
        elif loop is not None:
            self._start(loop)

    def _hand_on(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            call(self._handler, batch)
