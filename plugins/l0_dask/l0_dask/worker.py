"""What runs in a worker process of Dask, in a thread for each task; and what cancels it, for Dask itself does not."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future

from l0_parallel import Parcel, perform

__all__ = ["stop", "work"]

_lock = threading.Lock()
_runs: dict[str, _Run] = {}
_never: deque[str] = deque(maxlen=1_000)
"""Keys of tasks that were stopped before they had begun, and might yet begin."""


def work(key: str, task: bytes, store: str | None) -> Parcel | None:
    """Run a packed task in an event loop of its own, and return what came of it; None if it was stopped."""
    run = _Run()
    with _lock:
        if key in _never:
            return None
        _runs[key] = run
    try:
        return asyncio.run(run.whole(task, store))
    except asyncio.CancelledError:
        return None
    finally:
        with _lock:
            del _runs[key]
        run.over.set_result(None)


async def stop(key: str) -> None:
    """Cancel a task that runs in this process, and wait until it is over. One that does not run yet never will."""
    with _lock:
        run = _runs.get(key)
        if run is None:
            _never.append(key)
            return
        run.cancel()
    await asyncio.wrap_future(run.over)


class _Run:
    """One run of a task. `over` is done when its event loop is closed."""

    def __init__(self) -> None:
        self.over: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._is_cancelled = False

    async def whole(self, task: bytes, store: str | None) -> Parcel:
        with _lock:
            if self._is_cancelled:
                raise asyncio.CancelledError
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            return await perform(task, store)
        finally:
            with _lock:
                self._loop = None

    def cancel(self) -> None:
        """Cancel it, from another thread, which holds the lock."""
        self._is_cancelled = True
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
