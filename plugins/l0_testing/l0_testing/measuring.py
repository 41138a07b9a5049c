"""How long something takes, and how that grows with what it is given, told apart from what else a machine does."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["growth", "least", "no_collection", "seconds"]

T = TypeVar("T")

ROUNDS = 12

TOO_SHORT = 0.002
"""So many seconds are as good as none, and too few to be compared beside other work."""


def growth(work: Callable[[T], object], small: T, large: T, enough: float) -> float:
    """How many times as long `work` takes with the large value as with the small one, in this thread's processor time.

    Four times the input takes four times as long where the time is linear, and sixteen times where it is quadratic: 8
    lies between. What takes less than 2 ms counts as 2 ms, so the large value is to take well over 16 ms if it matters.

    What else goes on makes single measurements longer, so the least of up to 12 rounds is taken, and the first round
    in which it is `enough` or less is the last. What is slow for a while is so for all of a round. The garbage
    collector is off meanwhile, since a collection takes the longer the more there is, whoever made it.

    Args:
        work: called with the small value, the large one, and the small one again in each round, so it is not to keep
            anything from call to call.
        small: what it is given.
        large: several times as much.
        enough: the growth after which no further round is needed.
    """

    def measured() -> float:
        with no_collection():
            before, long, after = _seconds(work, small), _seconds(work, large), _seconds(work, small)
        # One that is held up, as a first call is by what it has to load, would make any growth look small.
        short = min(before, after)
        return max(long, TOO_SHORT) / max(short, TOO_SHORT)

    return least(measured, enough)


def seconds(work: Callable[[], object], enough: float, rounds: int = ROUNDS) -> float:
    """The seconds that `work` takes, in this thread's processor time, measured as `growth` does.

    It is the least of up to 12 rounds, of which the first that takes `enough` or less is the last.
    """

    def measured() -> float:
        with no_collection():
            return _seconds(lambda _: work(), None)

    return least(measured, enough, rounds)


def least(measure: Callable[[], float], enough: float, rounds: int = ROUNDS) -> float:
    """The least that is measured in up to so many rounds, of which the first with `enough` or less is the last."""
    found = float("inf")
    for _ in range(rounds):
        found = min(found, measure())
        if found <= enough:
            break
    return found


@contextmanager
def no_collection() -> Iterator[None]:
    """Switch the garbage collector off for the duration of a block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _seconds(work: Callable[[T], object], value: T) -> float:
    start = time.thread_time()
    work(value)
    return time.thread_time() - start
