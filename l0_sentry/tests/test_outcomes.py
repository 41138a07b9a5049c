"""What Sentry gets for every way in which a stream can go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import l0
import pytest
import sentry_sdk
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_sentry import SentryMonitor

TOKENS = ("The quick ", "brown ", "fox")
SLOW = ("The ", "slow ", "fox")
FAST = l0.Retry(base_delay=0)
ONCE = l0.Retry(base_delay=0, max_retries=1)


def one(*mishaps: Mishap, **given: Any) -> list[FakeProvider]:
    return [FakeProvider(TOKENS, mishaps, **given)]


def refused(status: int) -> Mishap:
    error = RuntimeError("no")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


def rule(severity: Any = "error", name: str = "slow") -> l0.GuardrailRule:
    def check(state: l0.State) -> list[l0.Violation]:
        return [l0.Violation(name, "no", severity=severity)] if "slow" in state.content else []

    return l0.GuardrailRule(name, check, streaming=False)


async def play(sources: list[FakeProvider], monitor: Any = "sentry", **options: Any) -> l0.Stream:
    primary, *fallbacks = sources
    chosen = {"retry": FAST, "timeout": l0.Timeout(initial_token=2000, inter_token=1500), **options}
    stream = await l0.run(primary, fallbacks=fallbacks, adapter=primary, plugins=[monitor], **chosen)
    with suppress(Exception):
        await stream.read()
    return stream


SURVIVED: dict[str, tuple[Callable[[], list[FakeProvider]], dict[str, Any], list[str]]] = {
    "nothing": (one, {}, []),
    "an interruption": (lambda: one(Mishap("raise", 2)), {}, ["l0.network", "l0.retry"]),
    "an interruption, and a restart that says something else": (
        lambda: one(Mishap("raise", 2), texts=[("The slow ", "green ", "ox")]),
        {},
        ["l0.network", "l0.retry", "l0.stream"],
    ),
    "an interruption, and a continuation": (
        lambda: [ContinuingProvider(tuple(f"word {n} " for n in range(12)), [Mishap("raise", 8)])],
        {"continue_from_last_good_token": True},
        ["l0.network", "l0.retry", "l0.stream"],
    ),
    "a truncation": (lambda: one(Mishap("truncate", 2)), {}, ["l0.network", "l0.retry"]),
    "zero output": (lambda: one(Mishap("empty")), {}, ["l0.error", "l0.retry"]),
    "no first token": (lambda: one(Mishap("no_answer")), {}, ["l0.timeout", "l0.error", "l0.retry"]),
    "a silence": (lambda: one(Mishap("stall", 1)), {}, ["l0.timeout", "l0.error", "l0.retry"]),
    "a fallback": (
        lambda: [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS)],
        {},
        ["l0.error", "l0.fallback"],
    ),
    "an objection": (
        lambda: one(texts=[SLOW]),
        {"guardrails": [rule()]},
        ["l0.guardrail", "l0.error", "l0.retry", "l0.stream"],
    ),
    "a warning": (lambda: one(texts=[SLOW]), {"guardrails": [rule("warning")]}, ["l0.guardrail"]),
    "an objection to what the provider cut short": (
        lambda: one(texts=[SLOW], finish_reason="length"),
        {"guardrails": [rule()]},
        ["l0.guardrail"],
    ),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_what_is_survived_is_a_breadcrumb_and_no_issue(name: str, init: Any) -> None:
    sources, options, expected = SURVIVED[name]
    sent = init()
    stream = run(play(sources(), **options))
    assert stream.state.outcome == ("incomplete" if "cut short" in name else "complete")
    assert sent.issues == []
    sentry_sdk.capture_event({"message": "the application's own"})
    crumbs = sent.issues[0].get("breadcrumbs", {}).get("values", [])
    assert [crumb["category"] for crumb in crumbs] == expected
    assert "error" not in {crumb["level"] for crumb in crumbs if crumb["category"] != "l0.guardrail"}
    assert {crumb["data"]["stream_id"] for crumb in crumbs} <= {stream._session.stream_id}


FAILED: dict[str, tuple[Callable[[], list[FakeProvider]], dict[str, Any], str, str, dict[str, str]]] = {
    "interrupted too often": (
        lambda: one(*[Mishap("raise", 2)] * 2),
        {"retry": ONCE},
        "ConnectionResetError",
        "network: econnreset",
        {"category": "network", "network_code": "econnreset", "failure_type": "network", "fallback_index": "0"},
    ),
    "truncated too often": (
        lambda: one(*[Mishap("truncate", 2)] * 2),
        {"retry": ONCE},
        "Truncated",
        "network: TRUNCATED",
        {"category": "network", "error_code": "TRUNCATED", "failure_type": "network", "fallback_index": "0"},
    ),
    "refused by every source": (
        lambda: [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS, [refused(404)])],
        {},
        "RuntimeError",
        "fatal: model",
        {"category": "fatal", "failure_type": "model", "fallback_index": "1"},
    ),
    "not acceptable": (
        lambda: one(texts=[SLOW] * 2),
        {"retry": ONCE, "guardrails": [rule()]},
        "GuardrailViolationError",
        "content: GUARDRAIL_VIOLATION (slow)",
        {"category": "content", "error_code": "GUARDRAIL_VIOLATION", "rules": "slow", "failure_type": "model"},
    ),
    "fatal": (
        lambda: one(texts=[SLOW]),
        {"guardrails": [rule("fatal", "b"), rule("warning", "a")]},
        "GuardrailViolationError",
        "fatal: FATAL_GUARDRAIL_VIOLATION (b, a)",
        {"category": "fatal", "error_code": "FATAL_GUARDRAIL_VIOLATION", "rules": "a,b", "failure_type": "model"},
    ),
    "too late": (
        lambda: one(Mishap("stall", 1)),
        {"timeout": l0.Timeout(total=1000)},
        "TimeoutError",
        "transient: timeout",
        {"category": "transient", "failure_type": "timeout"},
    ),
    "too long": (
        one,
        {"limits": l0.Limits(max_output_chars=12)},
        "OutputLimitExceeded",
        "fatal: OUTPUT_LIMIT",
        {"category": "fatal", "error_code": "OUTPUT_LIMIT", "failure_type": "model"},
    ),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failure_is_one_issue(name: str, init: Any) -> None:
    sources, options, kind, said, tags = FAILED[name]
    sent, given = init(), sources()
    stream = run(play(given, **options))
    assert stream.state.outcome == "error"
    (issue,) = sent.issues
    (exception,) = issue["exception"]["values"]
    assert (exception["type"], exception["value"]) == (kind, said)
    assert set(exception) == {"type", "module", "value", "mechanism"}
    assert "threads" not in issue
    assert issue["level"] == "error"
    assert {f"l0.{key}": value for key, value in tags.items()}.items() <= issue["tags"].items()
    context = issue["contexts"]["l0"]
    assert context["outcome"] == "error"
    assert context["token_count"] == stream.state.token_count
    assert context["attempts"] == sum(source.opened for source in given)
    assert context["retries"] == stream.state.model_retry_count + stream.state.network_retry_count
    assert issue["breadcrumbs"]["values"][-1]["level"] == "error"


def test_failures_of_a_kind_have_one_fingerprint_whichever_attempt_they_end(init: Any) -> None:
    sent = init()
    run(play(one(*[Mishap("raise", 2)] * 2), retry=ONCE))
    run(play(one(Mishap("refuse")), retry=l0.Retry(max_retries=0)))
    run(play(one(texts=[SLOW]), guardrails=[rule("fatal")]))
    run(play(one(texts=[SLOW]), guardrails=[rule("fatal", "other")]))
    first, second, third, fourth = (issue["fingerprint"] for issue in sent.issues)
    assert first == second == ["l0", "ConnectionResetError", "network", "econnreset"]
    assert third == ["l0", "GuardrailViolationError", "fatal", "FATAL_GUARDRAIL_VIOLATION", "slow"]
    assert fourth != third


async def abort(stream: l0.Stream) -> None:
    stream.abort()
    await stream.read()


async def cancel(stream: l0.Stream) -> None:
    task = asyncio.ensure_future(stream.read())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])


async def close(stream: l0.Stream) -> None:
    await anext(stream)
    await stream.aclose()


@pytest.mark.parametrize("leave", [abort, cancel, close])
def test_a_stream_that_is_left_is_no_issue(leave: Callable[[l0.Stream], Any], init: Any) -> None:
    sent = init(traces_sample_rate=1.0)

    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("stall", 1)])
        stream = await l0.run(provider, adapter=provider, plugins=["sentry"])
        with suppress(Exception):
            await leave(stream)
        assert stream.state.outcome == "aborted"

    run(main())
    assert sent.issues == []
    (transaction,) = sent.transactions
    assert transaction["contexts"]["trace"]["status"] == "cancelled"


def test_streams_at_the_same_time_do_not_mix(init: Any) -> None:
    sent = init()

    async def one_of_many(number: int) -> None:
        name = f"rule_{number}"
        provider = FakeProvider(TOKENS, [None] * number + [None], pace=0.1 + number / 100, texts=[SLOW] * 9)
        await play([provider], retry=l0.Retry(base_delay=0, max_retries=2), guardrails=[rule("error", name)])

    async def main() -> None:
        await asyncio.gather(*(one_of_many(number) for number in range(8)))

    run(main())
    assert len(sent.issues) == 8
    for issue in sent.issues:
        mine = issue["tags"]["l0.rules"]
        named = [crumb["message"] for crumb in issue["breadcrumbs"]["values"] if crumb["category"] == "l0.guardrail"]
        assert named
        assert set(named) == {f"Guardrail violation: {mine}"}
        assert issue["contexts"]["l0"]["attempts"] == 3


def test_what_the_application_noted_is_in_the_issue_and_its_scopes_are_left_alone(init: Any) -> None:
    sent = init()

    async def main() -> None:
        with sentry_sdk.isolation_scope():
            sentry_sdk.set_tag("tenant", "acme")
            sentry_sdk.add_breadcrumb(category="app", message="before")
            stream = await l0.run(provider, adapter=provider, plugins=["sentry"], retry=ONCE)
        # It is read elsewhere, with other scopes.
        with sentry_sdk.isolation_scope():
            sentry_sdk.set_tag("tenant", "other")
            sentry_sdk.add_breadcrumb(category="app", message="elsewhere")
            with pytest.raises(ConnectionResetError):
                await stream.read()
            sentry_sdk.capture_event({"message": "the application's own"})

    provider = FakeProvider(TOKENS, [Mishap("raise", 2)] * 2)
    run(main())
    issue, own = sent.issues
    assert issue["tags"]["tenant"] == "acme"
    assert [crumb["category"] for crumb in issue["breadcrumbs"]["values"]] == [
        "app",
        "l0.network",
        "l0.retry",
        "l0.network",
    ]
    assert issue["breadcrumbs"]["values"][0]["message"] == "before"
    assert [crumb["message"] for crumb in own["breadcrumbs"]["values"]] == ["elsewhere"]


def test_the_options_say_what_is_an_issue(init: Any) -> None:
    sent = init()
    options = SentryMonitor.Options(
        capture_network_errors=False, capture_guardrail_violations=False, tags={"team": "search"}
    )
    run(play(one(*[Mishap("raise", 2)] * 2), SentryMonitor(options), retry=ONCE))
    run(play(one(texts=[SLOW]), SentryMonitor(options), guardrails=[rule("fatal")]))
    assert sent.issues == []
    run(play(one(refused(401)), SentryMonitor(options)))
    (issue,) = sent.issues
    assert issue["tags"]["team"] == "search"


def test_without_the_sdk_the_stream_is_as_it_is_and_it_is_said_once(caplog: Any) -> None:
    monitor = SentryMonitor()
    with caplog.at_level(logging.WARNING, "l0"):
        for _ in range(2):
            stream = run(play(one(), monitor))
            assert stream.state.content == "".join(TOKENS)
    (record,) = caplog.records
    assert "sentry_sdk.init" in record.message


def test_what_the_application_does_wrong_in_its_hooks_changes_nothing(init: Any) -> None:
    def breaks(*given: Any) -> Any:
        raise ValueError

    init(before_send=breaks, before_breadcrumb=breaks, before_send_transaction=breaks, traces_sample_rate=1.0)
    assert run(play(one(Mishap("raise", 2)))).state.content == "".join(TOKENS)
    assert run(play(one(refused(401)))).state.outcome == "error"


def test_the_sdk_bounds_the_breadcrumbs_of_a_stream(init: Any) -> None:
    sent = init(max_breadcrumbs=3)
    run(play(one(*[Mishap("raise", 2)] * 4), retry=l0.Retry(base_delay=0, max_retries=3)))
    (issue,) = sent.issues
    assert issue["contexts"]["l0"]["attempts"] == 4
    assert [crumb["category"] for crumb in issue["breadcrumbs"]["values"]] == ["l0.network", "l0.retry", "l0.network"]


def test_what_an_earlier_stream_noted_is_not_in_the_issue_of_a_later_one(init: Any) -> None:
    sent = init()
    run(play(one(Mishap("raise", 2))))
    run(play(one(refused(401))))
    (issue,) = sent.issues
    assert [crumb["category"] for crumb in issue["breadcrumbs"]["values"]] == ["l0.error"]
