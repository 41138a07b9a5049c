from __future__ import annotations

import asyncio
import importlib
import os
import random
import re
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0_core.checks import rule_of
from l0_guard_stall import Stall
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import State

HERE = Path(__file__).parents[1]
CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))
WORDS = [f"{number} " for number in range(60)]


class Attempt:
    """One attempt of one stream through a plugin."""

    def __init__(self, plugin: Stall | None = None) -> None:
        self.context: Any = SimpleNamespace(state=State(), silence=0.0)
        self.judge: Any = (plugin or Stall()).check(self.context)
        self.found: list[str] = []

    def hear(self, silence: float, delta: str = "word ", final: bool = False) -> Attempt:
        """The kernel has measured a longest silence, and feeds a delta."""
        self.context.silence = silence
        violation = self.judge(delta, final)
        if violation is not None:
            assert (violation.rule, violation.severity) == ("stall", "warning")
            self.found.append(violation.message)
        return self


def stream_of(provider: FakeProvider, pause: float = 0.0, **options: Any) -> State:
    """What is known of a stream through the guardrail, in virtual time, with a consumer that takes its time."""

    async def main() -> State:
        retry = l0.Retry(base_delay=0)
        stream = await l0.run(
            provider,
            adapter=provider.stream_adapter(),
            guardrails=[Stall(Stall.Options(**options))],
            retry=retry,
        )
        async for event in stream:
            if event.text and pause:
                await asyncio.sleep(pause)
        return stream.state

    state: State = run(main())
    return state


def warnings_of(state: State) -> list[str]:
    assert all((found.rule, found.severity) == ("stall", "warning") for found in state.violations)
    return [found.message for found in state.violations]


def late(at: int, seconds: float) -> FakeProvider:
    return FakeProvider(WORDS, [Mishap("late", at=at, seconds=seconds)])


@pytest.mark.parametrize("at", [1, 7, 30, 59, 60])
def test_a_pause_is_warned_of_and_the_stream_goes_on(at: int) -> None:
    state = stream_of(late(at, 7.3))

    assert warnings_of(state) == ["Token stall: 7.3s since last token"]
    assert state.drift_detected
    assert state.outcome == "complete"
    assert state.content == "".join(WORDS)


@pytest.mark.parametrize(("seconds", "stalls"), [(4.9, False), (5.1, True)])
def test_up_to_the_gap_a_pause_is_no_stall(seconds: float, stalls: bool) -> None:
    state = stream_of(late(20, seconds))

    assert bool(warnings_of(state)) is stalls
    assert state.drift_detected is stalls


def test_the_gap_is_for_the_user_to_say() -> None:
    assert warnings_of(stream_of(late(20, 0.3), max_gap=0.25)) == ["Token stall: 0.3s since last token"]
    assert warnings_of(stream_of(late(20, 60.0), max_gap=61.0)) == []


def test_the_wait_for_the_first_token_is_no_stall() -> None:
    assert warnings_of(stream_of(late(0, 60.0))) == []


def test_nor_is_the_time_that_the_consumer_takes() -> None:
    assert warnings_of(stream_of(FakeProvider(WORDS), pause=20.0)) == []


def test_nor_is_a_slow_but_steady_stream() -> None:
    assert warnings_of(stream_of(FakeProvider(WORDS, pace=4.0))) == []


def test_an_attempt_that_is_made_again_begins_anew() -> None:
    opened = 0

    async def model() -> AsyncIterator[str]:
        nonlocal opened
        opened += 1
        for index, word in enumerate(WORDS):
            if opened == 1 and index == 5:
                await asyncio.sleep(9.0)
            if opened == 1 and index == 40:
                raise ConnectionResetError
            yield word

    async def main() -> State:
        stream = await l0.run(model, guardrails=[Stall()], retry=l0.Retry(base_delay=0))
        await stream.read()
        return stream.state

    state = run(main())

    assert (opened, state.content) == (2, "".join(WORDS))
    assert warnings_of(state) == ["Token stall: 9.0s since last token"]


def test_a_stall_is_told_of_once_and_again_only_if_it_was_twice_as_long() -> None:
    attempt = Attempt()
    for silence in (1.0, 5.0, 6.0, 6.0, 9.0, 12.0, 12.1, 20.0, 25.0):
        attempt.hear(silence)
    attempt.hear(25.0, "", final=True)

    assert attempt.found == [
        "Token stall: 6.0s since last token",
        "Token stall: 12.1s since last token",
        "Token stall: 25.0s since last token",
    ]


def test_the_verdict_does_not_depend_on_the_cuts() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)
    for _ in range(CASES):
        # However the text after the longest silence is cut, it is told of once.
        silence = rng.uniform(0, 12)
        attempt = Attempt()
        for _ in range(rng.randrange(1, 20)):
            attempt.hear(silence, "x" * rng.randrange(100))
        attempt.hear(silence, "", final=True)
        assert attempt.found == ([f"Token stall: {silence:.1f}s since last token"] if silence > 5.0 else []), seed


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Stall()
    first, second = Attempt(plugin), Attempt(plugin)

    assert first.hear(9.0).found
    assert second.hear(1.0).found == []
    assert second.hear(6.0).found
    assert first.context.state.drift_detected


def test_as_a_documented_rule_it_looks_at_when_the_last_token_came() -> None:
    rule = rule_of(Stall(), "stall")
    now = time.time()

    assert rule.check(State("text")) == []
    assert rule.check(State("text", last_token_at=now - 1)) == []
    state = State("text", last_token_at=now - 8)
    (found,) = rule.check(state)
    assert re.fullmatch(r"Token stall: 8\.\ds since last token", found.message)
    assert state.drift_detected


@pytest.mark.parametrize("gap", [0, -1.0, float("nan")])
def test_a_gap_that_is_none_is_refused(gap: float) -> None:
    with pytest.raises(ValueError, match=f"max_gap is {gap!r}, and must be a positive number of seconds"):
        Stall.Options(max_gap=gap)


def test_its_entry_point_is_the_plugin() -> None:
    points = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["l0.guardrails"]
    module, _, name = points["stall"].partition(":")

    assert getattr(importlib.import_module(module), name) is Stall


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (HERE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
