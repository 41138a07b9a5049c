"""The state machine: by itself, and as a stream drives it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import l0
import pytest
from l0_core.log import enable_debug, logger, placed
from l0_core.state_machine import RuntimeState, RuntimeStates, StateMachine, create_state_machine
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

TEXT = ("The quick ", "brown fox ", "jumps over ", "the dog")
FAST = l0.Retry(base_delay=0)


def test_the_machine_as_documented() -> None:
    machine, seen = create_state_machine(), []
    assert (machine.get(), machine.is_terminal()) == (RuntimeState.INIT, False)
    unsubscribe = machine.subscribe(seen.append)
    machine.transition(RuntimeState.STREAMING)
    machine.transition(RuntimeStates.STREAMING)
    assert machine.is_(RuntimeState.STREAMING, RuntimeState.ERROR)
    assert not machine.is_state(RuntimeState.COMPLETE)
    unsubscribe()
    unsubscribe()
    machine.transition(RuntimeState.COMPLETE)
    assert (seen, machine.is_terminal()) == ([RuntimeState.STREAMING], True)
    history = machine.get_history()
    assert [(change.from_state.value, change.to_state.value) for change in history] == [
        ("init", "streaming"),
        ("streaming", "complete"),
    ]
    assert history[0].timestamp <= history[1].timestamp
    machine.reset()
    assert (machine.get(), machine.get_history()) == (RuntimeState.INIT, [])
    assert isinstance(StateMachine.create(), StateMachine)


def test_a_listener_that_raises_does_not_keep_the_others_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    machine, seen = StateMachine(), []

    def broken(state: RuntimeState) -> None:
        raise ValueError("secret")

    machine.subscribe(broken)
    machine.subscribe(seen.append)
    machine.transition(RuntimeState.RETRYING)
    assert seen == [RuntimeState.RETRYING]
    assert "a listener of a state machine raised ValueError at test_state_machine.py" in caplog.text


def states(machine: StateMachine) -> list[str]:
    return [change.to_state.value for change in machine.get_history()]


async def played(provider: FakeProvider, **options: Any) -> list[str]:
    stream = await l0.run(provider, adapter=provider, retry=FAST, **options)
    machine = stream.state_machine
    try:
        await stream.read()
    except Exception:
        assert machine.get() is RuntimeState.ERROR
    return states(machine)


def refused() -> Exception:
    error = RuntimeError("no")
    error.status_code = 401  # type: ignore[attr-defined]
    return error


LIVE = ["waiting_for_token", "streaming"]
DONE = ["finalizing", "complete"]
MATCHED = ["waiting_for_token", "continuation_matching", "streaming"]
CASES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "normal": (lambda: FakeProvider(TEXT), {}, [*LIVE, *DONE]),
    "retry before any text": (
        lambda: FakeProvider(TEXT, [Mishap("raise")]),
        {},
        ["waiting_for_token", "retrying", *LIVE, *DONE],
    ),
    "verified restart": (
        lambda: FakeProvider(TEXT, [Mishap("raise", at=2)]),
        {},
        [*LIVE, "retrying", *MATCHED, *DONE],
    ),
    "resume": (
        lambda: ContinuingProvider(TEXT, [Mishap("raise", at=2)]),
        {"continue_from_last_good_token": True, "guardrails": [l0.GuardrailRule("none", lambda state: [])]},
        [*LIVE, "retrying", "checkpoint_verifying", *MATCHED, *DONE],
    ),
    "fallback": (
        lambda: FakeProvider(TEXT, [Mishap("refuse", error=refused())]),
        {"fallbacks": [FakeProvider(TEXT)]},
        ["waiting_for_token", "fallback", *LIVE, *DONE],
    ),
    "the end of all": (
        lambda: FakeProvider(TEXT, [Mishap("raise", at=1)]),
        {"on_interrupt": "fail"},
        [*LIVE, "error"],
    ),
}


@pytest.mark.parametrize(("make", "options", "expected"), CASES.values(), ids=CASES)
def test_a_stream_drives_the_machine(make: Any, options: dict[str, Any], expected: list[str]) -> None:
    assert run(played(make(), **options)) == expected


def test_a_stream_that_is_left_ends_in_error_and_says_aborted() -> None:
    async def main() -> None:
        provider = FakeProvider(TEXT)
        async with await l0.run(provider, adapter=provider) as stream:
            machine = stream.state_machine
            async for _ in stream:
                break
        assert machine.get() is RuntimeState.ERROR
        assert stream.state.outcome == "aborted"

    run(main())


def test_a_machine_that_would_have_missed_the_beginning_is_refused() -> None:
    async def main() -> None:
        provider = FakeProvider(TEXT)
        stream = await l0.run(provider, adapter=provider)
        await stream.read()
        with pytest.raises(RuntimeError, match="ask for state_machine before reading it"):
            _ = stream.state_machine

    run(main())


def test_debug_logs_every_event_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        provider = FakeProvider(
            ("a secret ", "answer"), [Mishap("refuse", error=ConnectionResetError("a secret prompt"))]
        )
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        assert await stream.read() == "a secret answer"

    with caplog.at_level(logging.DEBUG, "l0"):
        run(main())
    assert "SESSION_START" in caplog.text
    assert "NETWORK_ERROR {'error': 'ConnectionResetError'" in caplog.text
    assert "SESSION_END {'outcome': 'complete'}" in caplog.text
    assert "secret" not in caplog.text


def test_debug_is_enabled_once(capsys: pytest.CaptureFixture[str]) -> None:
    level, handlers = logger.level, list(logger.handlers)
    try:
        enable_debug()
        enable_debug()
        logger.debug("Starting")
        assert capsys.readouterr().err == "[l0] DEBUG: Starting\n"
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_what_an_observer_raises_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        def told(text: str) -> None:
            raise ValueError(f"cannot handle {text}")

        provider = FakeProvider(TEXT)
        stream = await l0.run(provider, adapter=provider, on_token=told)
        await stream.read()

    with caplog.at_level(logging.INFO, "l0"):
        asyncio.run(main())
    assert "quick" not in caplog.text


def test_a_machine_that_has_not_begun_is_reset_without_telling_anybody() -> None:
    machine = l0.StateMachine()
    told: list[object] = []
    machine.subscribe(told.append)
    machine.reset()
    assert told == []


def test_an_error_that_nobody_raised_is_placed_by_its_name() -> None:
    assert placed(ValueError("secret")) == "ValueError"
