"""Random schedules in virtual time: what a stream promises holds whatever goes wrong, and whatever its consumer does.

Each schedule is drawn from a seed: one to six faults, a consumer that reads, stalls, breaks, aborts, raises or is
cancelled, observers and guardrails that raise, and options of every kind. `./dev schedules N` runs N of them and prints
the seed of the first that breaks a promise; `./dev schedules 1 SEED` runs that one again.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import l0
import pytest
from l0_testing import ContinuingProvider, FakeProvider, Mishap, text_of
from l0_testing.virtual import run

from l0_core import Check, hookimpl

WORDS = "the quick brown fox jumps over a lazy dog and goes home again".split()
KINDS = ("refuse", "no_answer", "raise", "stall", "ping", "truncate", "late", "empty")
PACE = 0.05
TIMEOUT = l0.Timeout(initial_token=3000, inter_token=1000)
MAX_RETRIES = 8


class Broken(Exception):
    """What plugins and consumers of a schedule raise."""


class Raising:
    """A plugin each of whose hooks and handlers raises."""

    @hookimpl
    def on_token(self) -> Any:
        def handle(text: str) -> None:
            raise Broken

        return handle

    @hookimpl
    def decide_retry(self) -> Any:
        raise Broken

    @hookimpl
    def store_event(self) -> Any:
        raise Broken

    @hookimpl
    def check(self) -> Check:
        def judge(delta: str, final: bool) -> None:
            raise Broken

        return Check(judge)


@dataclass
class Schedule:
    """One drawn schedule: the provider's part, the consumer's and the options."""

    rng: random.Random
    tokens: list[str] = field(default_factory=list)
    action: str = "read"
    at: int = 0

    def __post_init__(self) -> None:
        rng = self.rng
        # Numbered, so that no end of a text is like another: what a seam does with those is told by the tests of seams.
        self.tokens = [f"{rng.choice(WORDS)}{i}{rng.choice((' ', ' ', ''))}" for i in range(rng.randrange(1, 14))]
        self.action = rng.choice(("read",) * 6 + ("stall", "break", "raise", "abort", "cancel", "aclose", "drop"))
        self.at = rng.randrange(0, len(self.tokens) + 2)

    def provider(self) -> FakeProvider:
        rng = self.rng
        mishaps = [
            None
            if rng.random() < 0.1
            else Mishap(rng.choice(KINDS), rng.randrange(0, len(self.tokens) + 1), seconds=rng.choice((0.1, 5.0)))
            for _ in range(rng.randrange(1, 7))
        ]
        options: dict[str, Any] = {"pace": rng.choice((0.0, 0.0, PACE)), "steps": rng.choice((0, 0, 1, 3))}
        if rng.random() < 0.4:
            return ContinuingProvider(
                self.tokens, mishaps, overlap=rng.choice((0, 0, 12, 30)), width=rng.randrange(1, 20), **options
            )
        if rng.random() < 0.3:
            # A model that says something else each time, though it may begin alike.
            texts = [[*self.tokens[: rng.randrange(0, 4)], rng.choice(WORDS) + "!"] for _ in range(rng.randrange(1, 4))]
            return FakeProvider(self.tokens, mishaps, texts=texts, **options)
        return FakeProvider(self.tokens, mishaps, **options)

    def options(self) -> dict[str, Any]:
        rng = self.rng
        options: dict[str, Any] = {
            "timeout": TIMEOUT,
            "retry": l0.Retry(attempts=MAX_RETRIES, max_retries=MAX_RETRIES, base_delay=rng.choice((0, 0, 0.5))),
            "on_interrupt": rng.choice(("verify", "verify", "verify", "reset", "fail")),
            "release": rng.choice(("live", "live", "live", "checked", "complete")),
            "continue_from_last_good_token": rng.random() < 0.5,
            "keep_raw": rng.random() < 0.2,
        }
        if rng.random() < 0.3:
            options["plugins"] = [Raising]
        if rng.random() < 0.3:
            options["guardrails"] = [l0.GuardrailRule("fine", lambda state: [])]
            options["check_intervals"] = {"guardrails": rng.randrange(1, 5)}
        return options


async def play(schedule: Schedule) -> None:
    """Run one schedule, and hold every promise to it."""
    provider, options = schedule.provider(), schedule.options()
    loop = asyncio.get_running_loop()
    stream: l0.Stream | None = await l0.run(provider, adapter=provider, **options)
    state, errors = stream.state, stream.errors
    seen: list[l0.Event] = []
    deterministic = not provider.texts
    raised: BaseException | None = None

    async def consume(stream: l0.Stream) -> None:
        async for event in stream:
            seen.append(event)
            # What the state holds is what the consumer has, at every moment.
            assert text_of(seen) == state.content or event.is_complete
            if deterministic and options["on_interrupt"] != "reset":
                assert provider.text.startswith(state.content)
            if len(seen) <= schedule.at:
                continue
            match schedule.action:
                case "stall":
                    await asyncio.sleep(20)
                case "break" | "drop":
                    return
                case "raise":
                    raise Broken
                case "abort":
                    stream.abort()

    async def within(stream: l0.Stream) -> None:
        async with stream:
            await consume(stream)

    task = asyncio.ensure_future((consume if schedule.action == "drop" else within)(stream))
    if schedule.action in ("cancel", "aclose"):
        await asyncio.sleep(schedule.rng.choice((0, 0, 0.01, 0.5, 1.1, 3.2)))
        if schedule.action == "cancel":
            task.cancel()
        else:
            await stream.aclose()
    del stream
    await asyncio.wait([task])
    cancelled = task.cancelled()
    if not cancelled:
        raised = task.exception()
    del task
    for _ in range(12):
        await asyncio.sleep(0)

    # Nothing is left, and there was never more than one stream open.
    assert provider.open == 0
    assert provider.most_open <= 1
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]
    assert provider.opened <= 1 + MAX_RETRIES
    assert loop.time() < 2000

    # One end, and the right one.
    ends = [event for event in seen if event.is_complete]
    assert len(ends) <= 1
    assert not ends or seen[-1] is ends[0]
    assert text_of(seen) == state.content
    left = schedule.action in ("break", "drop", "raise", "abort", "cancel", "aclose")
    if state.outcome == "complete":
        last = provider.texts[provider.opened - 1] if provider.opened <= len(provider.texts) else provider.tokens
        assert ends or left
        if deterministic or not options["continue_from_last_good_token"] or not state.continuation_used:
            assert state.content == "".join(last)
        if deterministic and options["on_interrupt"] != "reset":
            assert not any(event.is_reset for event in seen)
    elif state.outcome == "error":
        assert raised is not None
        assert not ends
        assert type(errors[-1]) is type(raised)
        assert raised.partial == state.content  # type: ignore[attr-defined]
        assert raised.attempts == provider.opened  # type: ignore[attr-defined]
    elif state.outcome is None:
        assert cancelled
        assert provider.opened == 0
    else:
        assert state.outcome == "aborted"
        assert left
        assert not ends
    if schedule.action == "cancel" and state.outcome in ("aborted", None):
        assert cancelled


def one(seed: int) -> None:
    run(play(Schedule(random.Random(seed))))


def test_random_schedules() -> None:
    start = random.randrange(2**40)
    for seed in range(start, start + 20_000):
        try:
            one(seed)
        except BaseException as error:
            pytest.fail(f"./dev schedules 1 {seed}: {type(error).__name__}: {error}")


def main(count: int, start: int) -> None:
    began = time.monotonic()
    for done, seed in enumerate(range(start, start + count), 1):
        try:
            one(seed)
        except BaseException:
            sys.stderr.write(f"./dev schedules 1 {seed}\n")
            raise
        if done % 10_000 == 0:
            sys.stdout.write(f"{done} schedules, {done / (time.monotonic() - began):.0f} a second\n")
            sys.stdout.flush()
    sys.stdout.write(f"{count} schedules from seed {start}: 0 violations\n")


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**40))
