"""Nothing of what was said leaves, unless the SDK is told to send it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import l0
import pytest
import sentry_sdk
from l0_testing.virtual import run
from sentry_sdk.integrations.logging import LoggingIntegration

from l0_sentry import Sentry, SentryConfig, create_sentry_handler, with_sentry

PROMPT = "canary-of-the-prompt"
SAID = "canary-of-the-completion"
ARGUMENTS = "canary-of-the-arguments"
KEY = "sk-canary-of-the-key"
HEADER = "canary-of-the-header"
URL = "canary-of-the-host.example"
NOTE = "canary-of-the-note"
CANARIES = (PROMPT, SAID, ARGUMENTS, KEY, HEADER, URL, NOTE)


class ProviderError(Exception):
    """As the SDKs of providers have them: with everything in it."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"Refused: {PROMPT} {KEY} {URL}")
        self.status_code = status_code
        self.partial = SAID
        self.request = {"headers": {"authorization": KEY, "x-header": HEADER}, "url": f"https://{URL}", "json": PROMPT}
        self.add_note(NOTE)


def model(status_code: int) -> Callable[[], AsyncIterator[Any]]:
    """Says something, calls a tool, and breaks, with canaries in the frame."""
    calls = 0

    async def answer() -> AsyncIterator[Any]:
        nonlocal calls
        calls += 1
        request = {"prompt": PROMPT, "key": KEY, "headers": {"x-header": HEADER}}
        yield l0.Event(l0.EventType.TOKEN, f"{SAID} {calls}")
        data = {"tool_call": {"index": 0, "id": "a", "name": "pay", "arguments": f'{{"to": "{ARGUMENTS}'}}
        yield l0.Event(l0.EventType.PROGRESS, data=data)
        try:
            raise ValueError(f"{URL} {request}")
        except ValueError as cause:
            raise ProviderError(status_code) from cause

    return answer


def objects(state: l0.State) -> list[l0.Violation]:
    found = l0.Violation("rule", f"Found {SAID}", suggestion=SAID, context={"text": SAID})
    return [found] if SAID in state.content else []


def answers() -> Callable[[], AsyncIterator[Any]]:
    async def answer() -> AsyncIterator[Any]:
        yield l0.Event(l0.EventType.TOKEN, f"{SAID} ")
        yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": "stop"})

    return answer


async def fails_in_every_way(**options: Any) -> None:
    prompt = PROMPT
    shared = {"retry": l0.Retry(base_delay=0, max_retries=2), "context": {"prompt": prompt, "key": KEY}, **options}
    guardrails = [l0.GuardrailRule("rule", objects, streaming=False)]
    for source, more in (
        (model(503), {}),
        (model(401), {"fallbacks": [model(500)]}),
        (answers(), {"guardrails": guardrails}),
        (answers(), {"limits": l0.Limits(max_output_chars=3)}),
    ):
        stream = await l0.run(source, **shared, **more)
        with suppress(Exception):
            await stream.read()
        assert stream.state.outcome == "error"


def found(sent: Any) -> dict[str, int]:
    return {canary: count for canary in CANARIES if (count := sent.bytes.count(canary.encode()))}


WATCHED = {
    "default_integrations": False,
    "integrations": [LoggingIntegration(level=logging.INFO, event_level=logging.WARNING)],
    "attach_stacktrace": True,
    "traces_sample_rate": 1.0,
}


def test_by_default_no_canary_leaves(init: Any) -> None:
    sent = init(**WATCHED)
    run(fails_in_every_way(plugins=["sentry"]))
    assert len([issue for issue in sent.issues if "exception" in issue]) == 4
    assert len(sent.transactions) == 4
    assert found(sent) == {}


def test_what_the_application_captures_afterwards_has_no_canary_in_its_breadcrumbs(init: Any) -> None:
    sent = init()
    run(fails_in_every_way(plugins=["sentry"]))
    sentry_sdk.capture_event({"message": "the application's own"})
    assert len(sent.issues[-1]["breadcrumbs"]["values"]) > 8
    assert found(sent) == {}


@pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")
def test_with_send_default_pii_the_message_and_the_module_are_in_the_issue(init: Any) -> None:
    sent = init(send_default_pii=True)
    run(fails_in_every_way(plugins=["sentry"]))
    (exception,) = sent.issues[0]["exception"]["values"]
    assert exception["value"] == f"Refused: {PROMPT} {KEY} {URL}"
    assert exception["module"] == ProviderError.__module__
    assert set(found(sent)) >= {PROMPT, SAID}
    assert HEADER not in found(sent)


def by_handler(sentry: Any) -> None:
    asyncio.run(fails_in_every_way(on_event=create_sentry_handler(sentry, SentryConfig(breadcrumbs_for_tokens=True))))


def by_hand(sentry: Any) -> None:
    execution, prompt = Sentry(sentry, SentryConfig(breadcrumbs_for_tokens=True)), PROMPT
    execution.start_execution(prompt[:0] or "l0.execution")
    execution.record_token(SAID)
    execution.record_network_error(ProviderError(503), "econnreset", retried=True)
    execution.record_network_error(ProviderError(503), "econnreset", retried=False)
    execution.record_guardrail_violations(objects(l0.State(SAID)))
    telemetry = SimpleNamespace(
        stream_id="s",
        error=SimpleNamespace(occurred=True, message=PROMPT, stack=KEY, category="network", code=None),
        guardrails=SimpleNamespace(rules_checked=1, passed=False, violations=objects(l0.State(SAID))),
        retries=SimpleNamespace(attempt=1, last_error=PROMPT),
        metadata={"prompt": PROMPT},
    )
    try:
        raise ProviderError(503)
    except ProviderError as error:
        execution.record_failure(error, telemetry)


def by_call(sentry: Any) -> None:
    async def fails() -> None:
        raise ProviderError(503)

    with pytest.raises(ProviderError, match=PROMPT):
        asyncio.run(with_sentry(sentry, fails))


@pytest.mark.parametrize("use", [by_handler, by_hand, by_call])
def test_the_documented_classes_send_no_canary_by_default(use: Callable[[Any], None], init: Any) -> None:
    sent = init(**WATCHED)
    use(sentry_sdk)
    assert sent.issues
    assert found(sent) == {}


@pytest.mark.parametrize("use", [by_handler, by_hand, by_call])
def test_other_clients_get_no_canary(use: Callable[[Any], None]) -> None:
    got: list[Any] = []

    class Client:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: got.append((name, args, kwargs, *map(everything, args)))

    use(Client())
    assert "capture_exception" in {name for name, *_ in got}
    assert not [canary for canary in CANARIES if canary in repr(got)]


def everything(value: Any) -> Any:
    if not isinstance(value, BaseException):
        return value
    notes = getattr(value, "__notes__", None)
    return (type(value), value.args, vars(value), notes, value.__cause__, value.__context__, value.__traceback__)


@pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")
def test_with_send_default_pii_the_documented_classes_send_messages(init: Any) -> None:
    sent = init(send_default_pii=True)
    by_hand(sentry_sdk)
    assert set(found(sent)) >= {PROMPT, SAID, KEY}
