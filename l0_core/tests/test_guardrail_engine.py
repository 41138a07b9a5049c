"""Guardrails outside a stream: an engine judges a text by documented rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from l0_core.guardrail_engine import (
    GuardrailEngine,
    GuardrailResult,
    check_guardrails,
    check_guardrails_full,
    create_guardrail_engine,
    run_async_guardrail_check,
    run_guardrail_check_async,
)

from l0_core import GuardrailContext, GuardrailRule, GuardrailViolation, State


def rule(name: str, word: str, **violation: Any) -> GuardrailRule:
    def check(state: State) -> list[GuardrailViolation]:
        return [GuardrailViolation(name, f"said {word}", **violation)] if word in state.content else []

    return GuardrailRule(name, check)


BAD, WORSE, MILD = rule("bad", "x"), rule("worse", "y", severity="fatal"), rule("mild", "z", severity="warning")
WHOLE = GuardrailRule("whole", lambda state: [GuardrailViolation("whole", "no")], streaming=False)


@pytest.mark.parametrize(
    ("content", "found", "retry", "halt"),
    [
        ("", [], False, False),
        ("z", ["mild"], False, False),
        ("xz", ["bad", "mild"], True, False),
        ("xyz", ["bad", "worse"], True, True),
    ],
)
def test_a_verdict(content: str, found: list[str], retry: bool, halt: bool) -> None:
    result = check_guardrails_full(GuardrailContext(content), [BAD, WORSE, MILD])
    assert [violation.rule for violation in result.violations] == found
    assert (result.passed, result.should_retry, result.should_halt) == (not found, retry, halt)
    assert result.summary.total == len(found) == result.summary.fatal + result.summary.errors + result.summary.warnings
    assert all(violation.timestamp for violation in result.violations)


def test_a_rule_about_whole_texts_waits_for_the_end() -> None:
    engine = create_guardrail_engine([WHOLE])
    assert engine.check(GuardrailContext("...")).passed
    assert not engine.check(GuardrailContext("...", completed=True)).passed
    late = create_guardrail_engine([BAD], enable_streaming=False)
    assert late.check(GuardrailContext("x")).passed
    assert not late.check(GuardrailContext("x", completed=True)).passed


def test_an_engine_remembers_each_violation_once() -> None:
    told: list[str] = []
    engine = create_guardrail_engine([BAD, MILD], on_violation=lambda violation: told.append(violation.rule))
    for content in ("x", "xx", "xxz"):
        engine.check(GuardrailContext(content))
    assert told == ["bad", "mild"]
    assert (engine.has_violations(), engine.has_error_violations(), engine.has_fatal_violations()) == (
        True,
        True,
        False,
    )
    assert len(engine.get_violations_by_rule("bad")) == 1
    assert len(engine.get_all_violations()) == engine.get_state().violation_count == 2
    engine.reset()
    assert not engine.has_violations()


def test_rules_come_and_go() -> None:
    engine = GuardrailEngine()
    engine.add_rule(BAD)
    assert not engine.check(GuardrailContext("x")).passed
    assert engine.remove_rule("bad")
    assert not engine.remove_rule("bad")
    assert engine.check(GuardrailContext("x")).passed


def test_a_rule_that_raises_is_a_warning_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    def broken(state: State) -> list[GuardrailViolation]:
        raise ValueError(state.content)

    result = check_guardrails_full(GuardrailContext("secret"), [GuardrailRule("broken", broken), BAD])
    assert [(found.severity, found.message) for found in result.violations] == [
        ("warning", "Rule execution failed: ValueError")
    ]
    assert "secret" not in caplog.text


def test_a_state_is_judged_by_rules() -> None:
    assert [found.rule for found in check_guardrails(State("xz"), [BAD, WORSE, MILD])] == ["bad", "mild"]


def test_a_short_text_is_judged_at_once_and_a_long_one_later() -> None:
    async def main() -> None:
        engine, told = create_guardrail_engine([BAD]), asyncio.get_running_loop().create_future()
        done: Any = told.set_result
        short = run_async_guardrail_check(engine, GuardrailContext("x"), done)
        assert isinstance(short, GuardrailResult)
        assert not short.passed
        assert run_async_guardrail_check(engine, GuardrailContext("x" * 5001), done) is None
        assert not told.done()
        assert not (await told).passed
        assert not (await run_guardrail_check_async(engine, GuardrailContext("x"))).passed

    asyncio.run(main())


def test_a_listener_that_raises_loses_alone(caplog: pytest.LogCaptureFixture) -> None:
    def listener(violation: GuardrailViolation) -> None:
        raise ValueError(violation.message)

    engine = create_guardrail_engine([BAD, WORSE], on_violation=listener)
    result = engine.check(GuardrailContext(content="xy", completed=True))
    assert [violation.rule for violation in result.violations] == ["bad", "worse"]
    assert caplog.text.count("on_violation of a guardrail engine raised ValueError") == 2
    assert "said" not in caplog.text
