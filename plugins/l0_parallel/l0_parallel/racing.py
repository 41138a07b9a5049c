"""The first answer wins: all at once (`race`), or the second only when the first keeps silent (`hedge`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload
from weakref import WeakKeyDictionary

from l0_core import Stream
from l0_parallel.fan_out import Typed
from l0_parallel.outcomes import Outcome, Task, call, driven, gone, outcome_of

__all__ = ["HedgeBudget", "RaceResult", "hedge", "race"]

T = TypeVar("T")

logger = logging.getLogger("l0")


@dataclass
class RaceResult(Generic[T]):
    """The value that came first, and the place of the task that it came from."""

    value: T
    winner_index: int


@dataclass
class HedgeBudget:
    """What a second request may cost: `share` of the calls on the whole (0.1 is one in ten), `burst` at once.

    Raises ValueError for a share that is not from 0 to 1, and for a burst below 1.
    """

    share: float = 0.1
    burst: float = 10.0
    left: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and self.burst >= 1):
            raise ValueError(f"a hedge budget has a share from 0 to 1 and a burst of 1 or more, not {self!r}")
        self.left = self.burst

    def earn(self) -> None:
        """A call was made."""
        self.left = min(self.burst, self.left + self.share)

    def take(self) -> bool:
        """Pay for a second request; False if that is not to be had."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


_budgets: WeakKeyDictionary[asyncio.AbstractEventLoop, HedgeBudget] = WeakKeyDictionary()
"""What a process pays for: all calls of an event loop share it, unless they bring their own."""


@overload
async def race(
    tasks: Sequence[Typed[T]], *, on_error: Callable[[Exception, int], None] | None = None
) -> RaceResult[T]: ...
@overload
async def race(
    tasks: Sequence[Task | Typed[Any]], *, on_error: Callable[[Exception, int], None] | None = None
) -> RaceResult[Any]: ...
async def race(tasks: Sequence[Task], *, on_error: Callable[[Exception, int], None] | None = None) -> RaceResult[Any]:
    """Run tasks side by side and return the first value; the others are cancelled, and gone when it returns.

    A task that returns a stream wins with the first thing that its stream says, and the stream is its value, to be
    iterated from its beginning, or read. `on_error(error, index)` is told of those that fail before there is a winner.

    Raises what the last task raised if all fail; RuntimeError without tasks.
    """
    return await _first(tasks, on_error)


@overload
async def hedge(
    primary: Typed[T],
    *backups: Typed[T],
    after: float,
    budget: HedgeBudget | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
) -> RaceResult[T]: ...
@overload
async def hedge(
    primary: Task | Typed[Any],
    *backups: Task | Typed[Any],
    after: float,
    budget: HedgeBudget | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
) -> RaceResult[Any]: ...
async def hedge(
    primary: Task,
    *backups: Task,
    after: float,
    budget: HedgeBudget | None = None,
    on_error: Callable[[Exception, int], None] | None = None,
) -> RaceResult[Any]:
    """Run a task, and a backup as well if it has said nothing after so many seconds; the first of them wins.

    Each further backup waits as long again. One that fails is followed at once. A backup that is begun because of
    silence is paid from `budget`, by default one of the event loop's that lets a tenth of all calls be doubled; without
    means there is no backup, unless the primary fails. Do not hedge what has effects: both may come to pass.

    Raises what the last task raised if all fail; ValueError for a time that is not above 0, or without a backup.
    """
    if not after > 0:
        raise ValueError(f"after is {after!r}; it is the seconds of silence before a backup begins, more than 0")
    if not backups:
        raise ValueError("hedge() takes a primary and at least one backup")
    loop = asyncio.get_running_loop()
    means = budget or _budgets.setdefault(loop, HedgeBudget())
    means.earn()

    async def silence(failed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(after):
                await failed.wait()
        except TimeoutError:
            if not means.take():
                logger.info("the hedge budget is exhausted: no backup is begun unless a task fails")
                await failed.wait()

    return await _first((primary, *backups), on_error, silence)


async def _first(
    tasks: Sequence[Task],
    on_error: Callable[[Exception, int], None] | None,
    before_next: Callable[[asyncio.Event], Awaitable[None]] | None = None,
) -> RaceResult[Any]:
    """The first value. Each task but the first is begun after `before_next`, which is given what tells of a failure."""
    if not tasks:
        raise RuntimeError("No tasks provided")
    loop, failed = asyncio.get_running_loop(), asyncio.Event()
    ready: asyncio.Queue[Outcome] = asyncio.Queue()
    running: list[asyncio.Task[None]] = []

    async def run(index: int) -> None:
        outcome = await outcome_of(index, tasks[index], _begun)
        ready.put_nowait(outcome)
        if outcome.error is not None:
            failed.set()

    async def begin() -> None:
        for index in range(len(tasks)):
            if index and before_next is not None:
                await before_next(failed)
                failed.clear()
            running.append(loop.create_task(run(index)))

    running.append(loop.create_task(begin()))
    winner: Outcome | None = None
    error: Exception | None = None
    try:
        try:
            for _ in tasks:
                index, _, error = outcome = await ready.get()
                if error is None:
                    winner = outcome
                    break
                call(on_error, error, index)
        finally:
            try:
                await gone(running)
            finally:
                while not ready.empty():
                    await _close(ready.get_nowait())
    except BaseException:
        await _close(winner)
        raise
    if winner is None:
        assert error is not None
        raise error
    return RaceResult(winner.value, winner.place)


async def _begun(task: Task) -> Any:
    return await driven(task, Stream.started)


async def _close(outcome: Outcome | None) -> None:
    """Close the stream of a task that came too late."""
    if outcome is not None and isinstance(outcome.value, Stream):
        await outcome.value.aclose()
