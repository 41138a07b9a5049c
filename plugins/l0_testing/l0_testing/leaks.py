"""What a block of code left behind: tasks, timers, file descriptors, and complaints nobody read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

__all__ = ["LeakCheck"]

FD_DIRECTORY = Path("/proc/self/fd")


class LeakCheck:
    """Fail if a block leaves anything behind that was not there before it.

    Looked for: tasks and pending timers of the running event loop (if there is one), open file descriptors (where
    /proc/self/fd exists), errors on the "asyncio" logger ("exception was never retrieved" and its like),
    ResourceWarnings, and coroutines that were never awaited.

    `with` looks at once, so what asyncio closes on its loop's next iteration still counts; `async with` lets the loop
    run on first. A block that raises is not checked, so that its own error is seen.

    Args:
        settle: seconds in which file descriptors (and, with `async with`, tasks and timers) may still go away.

    Raises:
        AssertionError: at the end of the block; the message names each thing that was left.
    """

    def __init__(self, *, settle: float = 0.1) -> None:
        self.settle = settle
        self._complaints: list[str] = []
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Remember what is there."""
        gc.collect()  # what was dropped before the block is not its fault
        self._loop = _running_loop()
        self._tasks = _tasks(self._loop)
        self._timers = _timers(self._loop)
        self._fds = _fds()
        self._exit.enter_context(_asyncio_errors(self._complaints))
        self._exit.enter_context(_warnings(self._complaints))
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Compare with what is there now."""
        with self._exit:
            if exc_type is not None:
                return
            deadline = time.monotonic() + self.settle
            while self._fds_left() and time.monotonic() < deadline:
                time.sleep(0.001)
            self._check()

    async def __aenter__(self) -> Self:
        """Remember what is there."""
        return self.__enter__()

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Let the loop run on, then compare with what is there now."""
        with self._exit:
            if exc_type is not None:
                return
            for _iteration in range(3):
                await asyncio.sleep(0)
            deadline = time.monotonic() + self.settle
            while self._left() and time.monotonic() < deadline:
                time.sleep(0.001)  # noqa: ASYNC251 - the real time that other threads need, whatever the loop's clock
                await asyncio.sleep(0)
            self._check()

    def _fds_left(self) -> list[str]:
        return [f"fd {fd} -> {target}" for fd, target in sorted(_fds() - self._fds)]

    def _left(self) -> list[str]:
        tasks = [f"task {task!r}" for task in _tasks(self._loop) - self._tasks]
        timers = [f"timer {timer!r}" for timer in _timers(self._loop) - self._timers]
        return [*sorted(tasks), *sorted(timers), *self._fds_left()]

    def _check(self) -> None:
        # Looked at before the collection: what only the garbage collector closes is left behind.
        left = self._left()
        gc.collect()  # what is dropped unread complains when it is collected
        left += self._complaints
        if left:
            raise AssertionError("\n - ".join([f"{len(left)} left behind:", *left]))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _tasks(loop: asyncio.AbstractEventLoop | None) -> set[asyncio.Task[Any]]:
    return set() if loop is None else asyncio.all_tasks(loop)


def _timers(loop: asyncio.AbstractEventLoop | None) -> set[_Timer]:
    scheduled: list[asyncio.TimerHandle] = getattr(loop, "_scheduled", [])
    return {_Timer(handle) for handle in scheduled if not handle.cancelled()}


class _Timer:
    """A timer handle by its identity: handles themselves are equal when they fire at the same time."""

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self.handle = handle

    def __hash__(self) -> int:
        return id(self.handle)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Timer) and self.handle is other.handle

    def __repr__(self) -> str:
        return repr(self.handle)


def _fds() -> set[tuple[int, str]]:
    if not FD_DIRECTORY.exists():
        return set()
    fds = set()
    for name in os.listdir(FD_DIRECTORY):
        # The descriptor of this very listing is closed by now.
        with contextlib.suppress(FileNotFoundError):
            fds.add((int(name), os.readlink(FD_DIRECTORY / name)))
    return fds


class _Collector(logging.Handler):
    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        cause = f": {record.exc_info[1]!r}" if record.exc_info else ""
        self._complaints.append(f"asyncio logged: {record.getMessage()}{cause}")


@contextlib.contextmanager
def _asyncio_errors(complaints: list[str]) -> Iterator[None]:
    logger = logging.getLogger("asyncio")
    handler = _Collector(complaints)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _warnings(complaints: list[str]) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.filterwarnings("always", ".*was never awaited", RuntimeWarning)
        show: Callable[..., None] = warnings.showwarning

        def record(message: Warning | str, category: type[Warning], *args: Any, **more: Any) -> None:
            if issubclass(category, ResourceWarning) or "was never awaited" in str(message):
                complaints.append(f"{category.__name__}: {message}")
            else:
                show(message, category, *args, **more)

        warnings.showwarning = record
        yield
