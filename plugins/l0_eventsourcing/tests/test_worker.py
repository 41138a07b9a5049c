"""The thread of a store."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from l0_eventsourcing import Job, Worker


class Recording:
    """What a worker was given, batch by batch; `hold` keeps it at work."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def perform(self, jobs: Sequence[Job]) -> None:
        self.batches.append(len(jobs))
        self.has_begun.set()
        self.threads.add(threading.get_ident())
        self.may_go_on.wait(10)
        for job in jobs:
            try:
                job.future.set_result(job.do())
            except Exception as error:
                job.future.set_exception(error)

    @contextmanager
    def held(self) -> Iterator[None]:
        self.may_go_on.clear()
        try:
            yield
        finally:
            self.may_go_on.set()


def worker() -> tuple[Worker, Recording]:
    recording = Recording()
    return Worker("l0-test", recording.perform), recording


def test_what_gathers_while_it_works_is_done_together_and_in_order() -> None:
    async def main() -> None:
        made, recording = worker()
        done: list[int] = []

        def job(number: int) -> Callable[[], Any]:
            return lambda: done.append(number)

        with recording.held():
            first = asyncio.create_task(made.run(job(0)))
            await asyncio.to_thread(recording.has_begun.wait, 10)
            rest = [asyncio.create_task(made.run(job(number))) for number in range(1, 100)]
            await asyncio.sleep(0)
        await asyncio.gather(first, *rest)
        assert done == list(range(100))
        assert recording.batches == [1, 99]
        assert len(recording.threads) == 1
        await made.aclose()

    asyncio.run(main())


def test_what_is_queued_is_done_before_it_closes_and_it_opens_again() -> None:
    async def main() -> None:
        made, recording = worker()
        with recording.held():
            waiting = [asyncio.create_task(made.run(lambda number=number: number)) for number in range(50)]  # type: ignore[misc]
            await asyncio.sleep(0)
            closing = asyncio.create_task(made.aclose())
            await asyncio.sleep(0)
            after = asyncio.create_task(made.run(lambda: "after"))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await asyncio.gather(*waiting) == list(range(50))
            await closing
            assert await after == "after"
        await made.aclose()

    asyncio.run(main())


def test_an_error_is_raised_where_it_was_asked_for() -> None:
    async def main() -> None:
        made, _ = worker()

        def fail() -> None:
            raise ValueError("no")

        good, bad = await asyncio.gather(made.run(lambda: 1), made.run(fail), return_exceptions=True)
        assert good == 1
        assert isinstance(bad, ValueError)

        def broken(jobs: Sequence[Job]) -> None:
            raise OSError("the whole thread")

        other = Worker("l0-test", broken)
        with pytest.raises(OSError, match="the whole thread"):
            await other.run(lambda: 1)
        await made.aclose()
        await other.aclose()

    asyncio.run(main())


def test_who_was_cancelled_is_not_waited_for() -> None:
    """What had not begun is not done; what had begun is, and nobody is told."""

    async def main() -> None:
        made, recording = worker()
        done: list[str] = []
        with recording.held():
            begun = asyncio.create_task(made.run(lambda: done.append("begun")))
            await asyncio.to_thread(recording.has_begun.wait, 10)
            queued = asyncio.create_task(made.run(lambda: done.append("queued")))
            await asyncio.sleep(0)
            for task in (begun, queued):
                task.cancel()
            await asyncio.gather(begun, queued, return_exceptions=True)
        assert await made.run(lambda: "next") == "next"
        assert done == ["begun"]
        await made.aclose()

    asyncio.run(main())


def test_two_event_loops_may_use_it_one_after_the_other() -> None:
    made, _ = worker()
    for number in range(3):
        assert asyncio.run(made.run(lambda number=number: number)) == number  # type: ignore[misc]
    asyncio.run(made.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_fork_has_a_thread_of_its_own() -> None:
    made, _ = worker()
    assert asyncio.run(made.run(lambda: 1)) == 1
    child = os.fork()
    if not child:
        try:
            answer = asyncio.run(asyncio.wait_for(made.run(lambda: 7), 5))
        except BaseException:
            answer = 0
        os._exit(answer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    asyncio.run(made.aclose())


def test_what_was_done_before_something_broke_is_done() -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def perform(jobs: Sequence[Job]) -> None:
        begun.set()
        may_go_on.wait(10)
        jobs[0].future.set_result(jobs[0].do())
        if len(jobs) > 1:
            raise OSError("the disk is gone")

    async def main() -> None:
        made = Worker("l0-test", perform)
        held = asyncio.ensure_future(made.run(lambda: 0))
        await asyncio.to_thread(begun.wait, 10)
        together = [asyncio.ensure_future(made.run(lambda number=number: number)) for number in (1, 2)]
        await asyncio.sleep(0)
        may_go_on.set()
        assert await held == 0
        assert await together[0] == 1
        with pytest.raises(OSError, match="the disk is gone"):
            await together[1]
        await made.aclose()

    asyncio.run(main())
