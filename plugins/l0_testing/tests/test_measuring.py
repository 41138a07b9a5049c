from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
from l0_testing import growth
from l0_testing.measuring import least, no_collection, seconds


def spend(milliseconds: float) -> None:
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


class Clock:
    """A thread's time, of which `work` takes what the test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[float] = []

    def spend(self, milliseconds: float) -> None:
        self.calls.append(milliseconds)
        self.now += milliseconds / 1000

    def rounds(self, *rounds: tuple[float, float, float]) -> Callable[[str], None]:
        """A work that takes these times: for the small value, the large one, and the small one again."""
        times = chain.from_iterable(rounds)
        return lambda value: self.spend(next(times))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "thread_time", lambda: clock.now)
    return clock


@pytest.fixture
def collecting() -> Iterator[None]:
    assert gc.isenabled()
    yield
    assert gc.isenabled()


def test_linear_work_grows_as_its_input_does() -> None:
    assert growth(spend, 10, 40, 4.4) == pytest.approx(4, rel=0.1)


def test_quadratic_work_grows_as_the_square() -> None:
    assert growth(lambda size: spend(size * size), 1.5, 6, 8) > 12


def test_time_that_is_slept_does_not_count() -> None:
    assert seconds(lambda: time.sleep(0.05), 0) < 0.01


def test_the_first_good_round_is_the_last(clock: Clock) -> None:
    assert growth(clock.spend, 10, 40, 8) == pytest.approx(4)
    assert clock.calls == [10, 40, 10]


def test_what_is_never_good_is_measured_in_twelve_rounds(clock: Clock) -> None:
    assert growth(clock.spend, 10, 160, 8) == pytest.approx(16)
    assert clock.calls == [10, 160, 10] * 12


def test_a_long_time_of_the_large_value_is_measured_again(clock: Clock) -> None:
    assert growth(clock.rounds((10, 99, 10), (10, 40, 10)), "small", "large", 8) == pytest.approx(4)


@pytest.mark.parametrize("held_up", [(50, 160, 10), (10, 160, 50)])
def test_one_long_time_of_the_small_value_does_not_hide_growth(clock: Clock, held_up: Any) -> None:
    assert growth(clock.rounds(held_up, *[(10, 160, 10)] * 11), "small", "large", 8) == pytest.approx(16)


def test_a_machine_that_is_slow_for_a_while_is_slow_for_both(clock: Clock) -> None:
    assert growth(clock.rounds((10, 99, 10), (20, 80, 20)), "small", "large", 5) == pytest.approx(4)


@pytest.mark.parametrize(("small", "large", "times"), [(0.01, 1, 1), (0.1, 8, 4), (4, 0, 0.5)])
def test_next_to_no_time_is_not_compared(clock: Clock, small: float, large: float, times: float) -> None:
    assert growth(clock.spend, small, large, 8) == pytest.approx(times)


def test_seconds_are_the_least_of_up_to_twelve_rounds(clock: Clock) -> None:
    times = iter([50, 30, 20, 10])
    assert seconds(lambda: clock.spend(next(times)), 0.025) == pytest.approx(0.02)
    assert seconds(lambda: clock.spend(next(times)), 0.025) == pytest.approx(0.01)
    assert seconds(lambda: clock.spend(30), 0.025) == pytest.approx(0.03)
    assert clock.calls == [50, 30, 20, 10, *[30] * 12]


def test_the_least_of_so_many_rounds() -> None:
    found = iter([5.0, 3.0, 4.0, 1.0])
    assert least(lambda: next(found), 2, 3) == 3
    assert least(lambda: next(found), 2, 3) == 1


@pytest.mark.usefixtures("collecting")
def test_nothing_is_collected_meanwhile() -> None:
    seen: list[bool] = []
    growth(lambda value: seen.append(gc.isenabled()), 1, 4, 8)
    seconds(lambda: seen.append(gc.isenabled()), 1)
    assert seen == [False] * 4


@pytest.mark.usefixtures("collecting")
def test_collection_goes_on_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        growth(lambda value: 1 / value, 1, 0, 8)
    with pytest.raises(ZeroDivisionError):
        seconds(lambda: 1 / 0, 1)


@pytest.mark.usefixtures("collecting")
def test_what_was_off_before_stays_off() -> None:
    gc.disable()
    try:
        with no_collection():
            assert not gc.isenabled()
        growth(spend, 0, 0, 8)
        assert not gc.isenabled()
    finally:
        gc.enable()
