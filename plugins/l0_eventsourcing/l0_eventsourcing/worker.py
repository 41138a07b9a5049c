"""A thread that does a store's blocking work: what has gathered meanwhile is done together."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Job", "Outcome", "Worker"]


class Outcome:
    """What becomes of a job: settled once, in the thread. Whoever waits in the event loop is told afterwards."""

    __slots__ = ("_error", "_result", "is_settled", "loop", "waiter")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[Any] = self.loop.create_future()
        self._result: Any = None
        self._error: BaseException | None = None
        self.is_settled = False

    def set_result(self, result: Any) -> None:
        self._result, self.is_settled = result, True

    def set_exception(self, error: BaseException) -> None:
        self._error, self.is_settled = error, True

    def tell(self) -> None:
        """Wake whoever waits, in the event loop, unless it has given up."""
        if self.waiter.done():
            return
        if self._error is not None:
            self.waiter.set_exception(self._error)
        else:
            self.waiter.set_result(self._result)


@dataclass(slots=True)
class Job:
    """Something to be done, and where its result goes."""

    do: Callable[[], Any]
    future: Outcome = field(default_factory=Outcome)
    writes: bool = False


class Worker:
    """One thread. `perform` is given the jobs that have gathered, in order, and settles the future of each.

    The event loop waits for nothing but the results. A process that forks has a thread of its own on each side.
    """

    def __init__(self, name: str, perform: Callable[[Sequence[Job]], None]) -> None:
        self._name, self._perform = name, perform
        self._queue = _Queue(name, perform)

    async def run(self, do: Callable[[], Any], *, writes: bool = False) -> Any:
        """Do something in the thread, after what was asked for before; return or raise what it does.

        Who is cancelled while it waits does not know whether it was done.
        """
        if self._queue.pid != os.getpid():
            self._queue = _Queue(self._name, self._perform)
        job = Job(do, writes=writes)
        self._queue.put(job)
        return await job.future.waiter

    async def aclose(self) -> None:
        """Do what is left, and end the thread. What is asked for afterwards has a new one."""
        queue, self._queue = self._queue, _Queue(self._name, self._perform)
        if queue.pid == os.getpid():
            await asyncio.get_running_loop().run_in_executor(None, queue.close)


class _Queue:
    """Jobs that wait for a thread, and the thread, which is started with the first of them."""

    def __init__(self, name: str, perform: Callable[[Sequence[Job]], None]) -> None:
        self.pid = os.getpid()
        self._perform = perform
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._is_busy = False
        self._pool = ThreadPoolExecutor(1, name)
        self.close = self._pool.shutdown

    def put(self, job: Job) -> None:
        with self._lock:
            self._jobs.append(job)
            starts, self._is_busy = not self._is_busy, True
        if starts:
            self._pool.submit(self._work)

    def _work(self) -> None:
        while True:
            with self._lock:
                jobs = [job for job in self._jobs if not job.future.waiter.cancelled()]
                self._jobs.clear()
                if not jobs:
                    self._is_busy = False
                    return
            try:
                self._perform(jobs)
            except BaseException as error:
                for job in jobs:
                    if not job.future.is_settled:
                        job.future.set_exception(error)
            _tell([job.future for job in jobs])


def _tell(outcomes: Iterable[Outcome]) -> None:
    """Wake those who wait: once for each event loop, for that is what waking one costs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.loop, []).append(outcome)
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # The loop is closed, and nobody waits in it.
            loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()
