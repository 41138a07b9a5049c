"""An event loop whose clock jumps: a test of an hour's timeouts takes a millisecond, and never sleeps."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

__all__ = ["VirtualDeadlock", "VirtualLimit", "VirtualLoop", "run"]

T = TypeVar("T")

THREAD_GRACE = 0.2
"""Real seconds that a loop with nothing to do waits for other threads, if there are any, before it calls that a
deadlock."""


class VirtualDeadlock(RuntimeError):
    """Nothing is ready, no timer is set, and no thread is at work: the loop would wait for ever."""


class VirtualLimit(TimeoutError):
    """The virtual time limit of a run was reached."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop with virtual time.

    `time()` starts at 0.0. When nothing is ready the clock jumps to the next timer; while callbacks are ready, each
    iteration takes `quantum` seconds, so that a busy loop meets its deadline. While an executor is at work, or a file
    descriptor is watched, the loop really waits: as long as the next timer allows, in real seconds. `time.monotonic()`
    and `time.time()` are not virtual.

    Args:
        quantum: virtual seconds per iteration.
        limit: virtual seconds after which the run ends with `VirtualLimit`; None is no limit.

    Raises (out of `run_until_complete` and `run_forever`):
        VirtualDeadlock: nothing can ever happen again; the message names the tasks that wait.
        VirtualLimit: the limit was reached.
    """

    def __init__(self, quantum: float = 1e-6, limit: float | None = None) -> None:
        self.limit = limit
        self._quantum = quantum
        self._now = 0.0
        self._outside = 0
        self._scheduled: list[asyncio.TimerHandle]
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def run_in_executor(  # type: ignore[override]  # the stub's type variables cannot be named here
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a function in a thread; the clock waits for it."""
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the executor's threads to end."""
        with self._waits_really():
            await super().shutdown_default_executor(*args)

    def _came_back(self, _: asyncio.Future[Any]) -> None:
        self._outside -= 1

    @contextlib.contextmanager
    def _waits_really(self) -> Iterator[None]:
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def _advance(self, to: float) -> None:
        self._now = max(self._now, to)
        if self.limit is not None and self._now > self.limit:
            limit, self.limit = self.limit, None  # what cleans up afterwards may take its time
            raise VirtualLimit(f"the run took more than {limit:g} virtual seconds{self._waiting()}")

    def _waiting(self) -> str:
        lines = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack(limit=1)
            where = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
            lines.append(f"\n - {task.get_name()}: {getattr(task.get_coro(), '__qualname__', task.get_coro())}{where}")
        return f"; waiting:{''.join(sorted(lines))}" if lines else ""


class _JumpingSelector(selectors.BaseSelector):
    """Asks the system what is ready, and moves the loop's clock instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        ready = self._real.select(0)
        if ready or timeout == 0:
            loop._advance(loop._now + loop._quantum)
            return ready
        # The loop's own wake-up socket is always watched; anything more is the world outside.
        if loop._outside or len(self._real.get_map()) > 1:
            ready = self._real.select(timeout)
        elif timeout is None and threading.active_count() > 1:
            ready = self._real.select(THREAD_GRACE)
        if ready:
            loop._advance(loop._now + loop._quantum)
        elif loop._scheduled:
            loop._advance(loop._scheduled[0].when())
        else:
            raise VirtualDeadlock(f"nothing is ready and no timer is set{loop._waiting()}")
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run(
    main: Coroutine[Any, Any, T], *, limit: float | None = None, quantum: float = 1e-6, debug: bool | None = None
) -> T:
    """Run a coroutine like `asyncio.run`, on a `VirtualLoop`.

    Tasks that are left are cancelled, asynchronous generators and the executor are shut down.

    Args:
        main: the coroutine.
        limit: virtual seconds after which the run ends; None is no limit.
        quantum: virtual seconds per iteration of the loop.
        debug: asyncio's debug mode; None is asyncio's own default.

    Raises:
        VirtualDeadlock: nothing can ever happen again.
        VirtualLimit: the limit was reached.
    """
    loop: VirtualLoop | None = None

    def factory() -> VirtualLoop:
        nonlocal loop
        loop = VirtualLoop(quantum, limit)
        return loop

    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        try:
            return runner.run(main)
        finally:
            if loop is not None:
                loop.limit = None
