"""Observers at random: whatever set of them raises, the stream is the one that it would be without them.

Each set is drawn from a seed: callbacks, token handlers and sinks, plain and asynchronous, that raise at once, later or
now and then. `L0_TEST_OBSERVERS=SEED` in the environment draws that one set again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, fields
from typing import Any

import l0
import pytest
from l0_core.settings import CALLBACKS
from l0_testing import ContinuingProvider, FakeProvider, Mishap, text_of
from l0_testing.virtual import run

from l0_core import Sink, hookimpl

SETS = 500
TOKENS = ("The quick ", "brown ", "fox ", "jumps over ", "the lazy ", "dog")
RAISED = (ValueError, AssertionError, asyncio.CancelledError, StopIteration, StopAsyncIteration, GeneratorExit)
TIMES = frozenset(("first_token_at", "last_token_at", "duration"))
STATE = tuple(field.name for field in fields(l0.State) if field.name not in TIMES)


def refused(status: int) -> Mishap:
    error = RuntimeError("no")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


class CallsATool(FakeProvider):
    """Answers with text and a tool call, after one attempt that breaks off in the middle of the call's arguments."""

    async def __call__(self) -> AsyncIterator[Any]:
        self.opened += 1
        return self._answer(self.opened > 1)

    async def _answer(self, whole: bool) -> AsyncIterator[Any]:
        yield l0.Event(l0.EventType.TOKEN, "Paying. ")
        for name, arguments in (("pay", '{"amount"'), (None, ": 100}")):
            fragment = {"index": 0, "id": "a", "name": name, "arguments": arguments}
            yield l0.Event(l0.EventType.PROGRESS, data={"tool_call": fragment})
            if not whole:
                raise ConnectionResetError("scripted")
        yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": "tool_calls"})


def objects_to_short(state: l0.State) -> list[l0.Violation]:
    return [] if len(state.content) > 12 else [l0.Violation("long", "too short")]


def warns(state: l0.State) -> list[l0.Violation]:
    return [l0.Violation("warns", "fox", severity="warning")] if "fox" in state.content else []


@dataclass
class Scenario:
    """The sources of one stream, and what it is told. `abort_after` is a number of events."""

    sources: list[FakeProvider]
    options: dict[str, Any] = field(default_factory=dict)
    abort_after: int | None = None


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "normal": lambda: Scenario([FakeProvider(TOKENS)]),
    "slow": lambda: Scenario([FakeProvider(TOKENS, pace=0.2)]),
    "long": lambda: Scenario([FakeProvider([f"{i} " for i in range(150)])]),
    "retry": lambda: Scenario([FakeProvider(TOKENS, [Mishap("raise", 3), Mishap("truncate", 2), Mishap("refuse")])]),
    "reset": lambda: Scenario([FakeProvider(TOKENS, [Mishap("raise", 2)], texts=[("The slow ", "green ", "ox")])]),
    "fallback": lambda: Scenario([FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS[::-1])]),
    "resume": lambda: Scenario(
        [ContinuingProvider(TOKENS, [Mishap("raise", 4), Mishap("raise", 3)], overlap=4)],
        {"continue_from_last_good_token": True},
    ),
    "guardrail retry": lambda: Scenario(
        [FakeProvider(TOKENS, texts=[("short",)])],
        {"guardrails": [l0.GuardrailRule("long", objects_to_short, streaming=False), l0.GuardrailRule("warns", warns)]},
    ),
    "timeout": lambda: Scenario([FakeProvider(TOKENS, [Mishap("no_answer"), Mishap("stall", 2), Mishap("ping", 1)])]),
    "fatal": lambda: Scenario([FakeProvider(TOKENS, [Mishap("raise", 3), refused(400)])]),
    "tool call": lambda: Scenario([CallsATool(())], {"adapter": None}),
    "held": lambda: Scenario([FakeProvider(TOKENS, [Mishap("raise", 3)])], {"release": "complete"}),
    "abort": lambda: Scenario([FakeProvider(TOKENS, pace=0.1)], abort_after=3),
}


class Broken:
    """An observer that raises: always, from its n-th call on, or now and then."""

    def __init__(self, rng: random.Random) -> None:
        self._error = rng.choice(RAISED)
        self._from = rng.choice((0, 0, 1, 4))
        self._chance = rng.choice((1.0, 1.0, 0.5))
        self._rng = random.Random(rng.random())
        self._calls = 0
        self._pauses = rng.randrange(3)

    def handler(self, is_async: bool) -> Callable[..., Any]:
        def plain(*given: Any) -> None:
            self._calls += 1
            if self._calls > self._from and self._rng.random() < self._chance:
                raise self._error

        async def later(*given: Any) -> None:
            for _ in range(self._pauses):
                await asyncio.sleep(0)
            plain()

        return later if is_async else plain


class BrokenPlugin:
    """A plugin whose hooks, token handlers and sinks raise."""

    def __init__(self, rng: random.Random) -> None:
        self._open = Broken(rng).handler(False) if rng.random() < 0.2 else lambda: None
        self._handler = Broken(rng).handler(rng.random() < 0.4)
        self._sink = Sink(Broken(rng).handler(rng.random() < 0.4), tokens=rng.random() < 0.5)
        self._hooks = rng.choice(("token", "sink", "both"))

    @hookimpl
    def on_token(self) -> Callable[[str], Any] | None:
        self._open()
        return None if self._hooks == "sink" else self._handler

    @hookimpl
    def store_event(self) -> Sink | None:
        self._open()
        return None if self._hooks == "token" else self._sink


class Faithful:
    """An observer that does as it should, among those that do not."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.events: list[Any] = []

    @hookimpl
    def on_token(self) -> Callable[[str], None]:
        return self.text.append

    @hookimpl
    def store_event(self) -> Sink:
        def write(batch: Any) -> None:
            for envelope in batch:
                meta = {key: _plain(value) for key, value in envelope.event.meta.items() if not _is_time(key)}
                self.events.append((envelope.seq, envelope.event.type.value, meta))

        return Sink(write, tokens=True)


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, Exception) else value


def _is_time(key: str) -> bool:
    return key in ("arrivals", "duration", "durationMs", "startTs", "endTs")


def broken_observers(rng: random.Random) -> dict[str, Any]:
    names = rng.sample(sorted(CALLBACKS), rng.randrange(len(CALLBACKS) + 1))
    callbacks = {name: Broken(rng).handler(rng.random() < 0.4) for name in names}
    return {**callbacks, "plugins": [BrokenPlugin(rng) for _ in range(rng.randrange(4))]}


def seen(event: l0.Event) -> tuple[Any, ...]:
    return (event.type, event.text, event.data, event.usage, event.choice, repr(event.error))


@dataclass
class Outcome:
    """What anybody but an observer can know of a stream: to be compared."""

    text: str
    events: list[tuple[Any, ...]]
    state: dict[str, Any]
    raised: str
    requests: list[tuple[Any, ...]]
    took: float


async def play(make: Callable[[], Scenario], observers: dict[str, Any]) -> Outcome:
    scenario = make()
    primary, *others = scenario.sources
    chosen: dict[str, Any] = {
        "adapter": primary,
        "retry": l0.Retry(base_delay=0.5, strategy=l0.BackoffStrategy.FIXED),
        "timeout": l0.Timeout(initial_token=2000, inter_token=1000),
    }
    loop = asyncio.get_running_loop()
    unhandled: list[Any] = []
    loop.set_exception_handler(lambda loop, context: unhandled.append(context))
    began = loop.time()
    stream = await l0.run(primary, fallbacks=others, **{**chosen, **scenario.options, **observers})
    got: list[l0.Event] = []
    raised: BaseException | None = None
    try:
        async for event in stream:
            got.append(event)
            if len(got) == scenario.abort_after:
                stream.abort()
    except BaseException as error:
        raised = error
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    for _ in range(12):
        await asyncio.sleep(0)
    assert unhandled == []
    assert asyncio.all_tasks() == {task}
    assert all(source.open == 0 for source in scenario.sources)
    return Outcome(
        text=text_of(got),
        events=[seen(event) for event in got],
        state={
            name: repr(value) if name == "network_errors" else value
            for name in STATE
            for value in [getattr(stream.state, name)]
        },
        raised=repr(raised),
        requests=[(source.opened, source.most_open, getattr(source, "kept", None)) for source in scenario.sources],
        took=round(loop.time() - began, 2),
    )


def check(seed: int) -> None:
    rng = random.Random(seed)
    make = SCENARIOS[rng.choice(sorted(SCENARIOS))]
    observers = broken_observers(rng)
    undisturbed, faithful = Faithful(), Faithful()
    observers["plugins"].insert(rng.randrange(len(observers["plugins"]) + 1), faithful)

    expected = run(play(make, {}))
    assert run(play(make, {"plugins": [undisturbed]})) == expected
    assert run(play(make, observers)) == expected
    assert faithful.text == undisturbed.text
    assert faithful.events == undisturbed.events


def test_what_observers_raise_reaches_nobody_else() -> None:
    given = os.environ.get("L0_TEST_OBSERVERS")
    start = int(given) if given else random.randrange(2**40)
    for seed in range(start, start + (1 if given else SETS)):
        try:
            check(seed)
        except BaseException as error:
            pytest.fail(f"L0_TEST_OBSERVERS={seed}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_what_its_name_says(name: str) -> None:
    """The sets are of use only where the streams under them go their different ways."""
    faithful = Faithful()
    outcome = run(play(SCENARIOS[name], {"plugins": [faithful]}))
    told = {kind for _, kind, _ in faithful.events}
    telling = {
        "retry": "RETRY_ATTEMPT",
        "reset": "RESET",
        "fallback": "FALLBACK_START",
        "resume": "RESUME_START",
        "guardrail retry": "GUARDRAIL_RULE_RESULT",
        "timeout": "TIMEOUT_TRIGGERED",
        "fatal": "RETRY_GIVE_UP",
        "tool call": "TOOL_REQUESTED",
        "abort": "ABORT_COMPLETED",
    }
    assert telling.get(name, "COMPLETE") in told
    assert outcome.state["outcome"] == {"fatal": "error", "abort": "aborted"}.get(name, "complete")
    assert outcome.text == outcome.state["content"]


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("place", [*sorted(CALLBACKS), "handler", "sink", "sink of tokens", "opening"])
def test_one_observer_that_raises(place: str, is_async: bool, error: type[BaseException]) -> None:
    """The same, one by one, so that what fails has a name."""

    class Always(Broken):
        def __init__(self) -> None:
            self._error, self._from, self._chance = error, 0, 1.0
            self._rng, self._calls, self._pauses = random.Random(0), 0, 1

    class Plugin(BrokenPlugin):
        def __init__(self) -> None:
            self._open = Always().handler(False) if place == "opening" else lambda: None
            self._handler = Always().handler(is_async)
            self._sink = Sink(Always().handler(is_async), tokens=place == "sink of tokens")
            self._hooks = {"handler": "token", "opening": "both"}.get(place, "sink")

    observers = {place: Always().handler(is_async)} if place in CALLBACKS else {"plugins": [Plugin()]}
    for name in ("retry", "guardrail retry", "resume", "timeout", "fallback", "tool call", "abort"):
        assert run(play(SCENARIOS[name], observers)) == run(play(SCENARIOS[name], {})), name


@pytest.mark.parametrize("severity", ["fatal", "error"])
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_sink_is_told_the_text_that_was_delivered_and_no_token_that_was_refused(
    is_async: bool, severity: Any
) -> None:
    """A guardrail objects at the newest token, which then does not reach the consumer."""

    class Objects:
        @hookimpl
        def check(self) -> Any:
            def judge(delta: str, final: bool) -> Any:
                return l0.Violation("lazy", "no", severity=severity, recoverable=False) if "lazy" in delta else None

            async def later(delta: str, final: bool) -> Any:
                return judge(delta, final)

            return later if is_async else judge

    async def main() -> None:
        provider, faithful = FakeProvider(TOKENS), Faithful()
        guarded = {"guardrails": [Objects()], "check_intervals": {"guardrails": 1}}
        stream = await l0.run(provider, adapter=provider, plugins=[faithful], **guarded)  # type: ignore[arg-type]
        with pytest.raises(l0.GuardrailViolationError):
            await stream.read()
        told = [token for _, kind, meta in faithful.events if kind == "TOKEN" for token in meta["tokens"]]
        assert "".join(told) == "".join(faithful.text) == stream.state.content == "".join(TOKENS[:4])

    run(main())
