"""The documented classes, with a client of any kind and with the SDK."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import l0
import pytest
import sentry_sdk
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

import l0_sentry
from l0_core import EventBus, ObservabilityEvent
from l0_core import ObservabilityEventType as E
from l0_sentry import Sentry, SentryClient, SentryConfig, SentryExporter, create_sentry_handler, with_sentry

TOKENS = ("The quick ", "brown ", "fox")
SLOW = ("The ", "slow ", "fox")


class Client:
    """A client that keeps what it is told."""

    def __init__(self) -> None:
        self.exceptions: list[str] = []
        self.messages: list[tuple[str, str | None]] = []
        self.crumbs: list[dict[str, Any]] = []
        self.tags: dict[str, Any] = {}
        self.contexts: dict[str, Any] = {}

    def capture_exception(self, error: BaseException | None = None, **kwargs: Any) -> None:
        self.exceptions.append(type(error).__name__)

    def capture_message(self, message: str, level: str | None = None, **kwargs: Any) -> None:
        self.messages.append((message, level))

    def add_breadcrumb(self, **kwargs: Any) -> None:
        self.crumbs.append(kwargs)

    def set_tag(self, key: str, value: Any) -> None:
        self.tags[key] = value

    def set_extra(self, key: str, value: Any) -> None:
        raise AssertionError("nothing is sent as an extra")

    def set_context(self, name: str, context: dict[str, Any]) -> None:
        self.contexts[name] = context

    @property
    def categories(self) -> list[str]:
        return [crumb["category"] for crumb in self.crumbs]


SURFACE = {
    "Sentry": "sentry, config=None",
    "Sentry.start_execution": "name='l0.execution', metadata=None",
    "Sentry.start_stream": "",
    "Sentry.record_token": "token=None",
    "Sentry.record_first_token": "ttft_ms",
    "Sentry.record_network_error": "error, error_type, retried",
    "Sentry.record_retry": "attempt, reason, is_network_error=False",
    "Sentry.record_guardrail_violations": "violations",
    "Sentry.record_drift": "detected, types",
    "Sentry.complete_stream": "token_count",
    "Sentry.complete_execution": "telemetry",
    "Sentry.record_failure": "error, telemetry=None",
    "SentryClient.capture_exception": "error=None, **kwargs",
    "SentryClient.capture_message": "message, level=None, **kwargs",
    "SentryClient.add_breadcrumb": "**kwargs",
    "SentryClient.set_tag": "key, value",
    "SentryClient.set_extra": "key, value",
    "SentryClient.set_context": "name, context",
    "SentryExporter": "config",
    "SentryExporter.init": "",
    "SentryExporter.capture_error": "error, telemetry=None, **extra",
    "SentryExporter.capture_telemetry_error": "telemetry",
    "SentryExporter.capture_message": "message, level='info', telemetry=None, **extra",
    "SentryExporter.add_breadcrumb": "message, category='l0', level='info', data=None",
    "SentryExporter.set_user": "user_id=None, email=None, username=None, **extra",
    "SentryExporter.flush": "timeout=2.0",
    "SentryExporter.close": "",
    "create_sentry_handler": "sentry, config=None",
    "with_sentry": "sentry, fn, config=None",
}


@pytest.mark.parametrize("name", SURFACE)
def test_names_take_what_is_documented(name: str) -> None:
    owner, _, method = name.partition(".")
    value = getattr(l0_sentry, owner)
    signature = inspect.signature(getattr(value, method) if method else value)
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    assert ", ".join(str(each) for each in plain if each.name != "self") == SURFACE[name]


def test_the_configurations_have_the_documented_defaults() -> None:
    assert SentryConfig().model_dump() == {
        "capture_network_errors": True,
        "capture_guardrail_violations": True,
        "min_guardrail_severity": "error",
        "breadcrumbs_for_tokens": False,
        "enable_tracing": True,
        "tags": {},
        "environment": None,
    }
    assert l0_sentry.SentryExporterConfig().model_dump() == {
        "dsn": None,
        "environment": None,
        "release": None,
        "server_name": None,
        "sample_rate": 1.0,
        "traces_sample_rate": 0.0,
        "profiles_sample_rate": 0.0,
        "enabled": True,
        "debug": False,
        "attach_stacktrace": True,
        "send_default_pii": False,
        "max_breadcrumbs": 100,
        "tags": {},
    }


def test_the_sdk_and_objects_like_it_are_clients() -> None:
    assert isinstance(Client(), SentryClient)
    assert isinstance(sentry_sdk, SentryClient)


def test_an_execution_is_reported_by_hand() -> None:
    client = Client()
    execution = Sentry(client, SentryConfig(tags={"team": "search"}, environment="test", breadcrumbs_for_tokens=True))
    assert execution.start_execution("answer", {"model": "m", "name": "n", "level": "l"}) is None
    execution.start_stream()
    execution.record_first_token(12.5)
    execution.record_token("The ")
    execution.record_network_error(ConnectionResetError(), "econnreset", True)
    execution.record_retry(1, "network", is_network_error=True)
    execution.record_drift(False, [])
    execution.record_drift(True, ["tone_shift"])
    execution.complete_stream(3)
    telemetry = SimpleNamespace(stream_id="s", metrics=SimpleNamespace(token_count=3))
    execution.complete_execution(telemetry)
    categories = "l0 l0.stream l0.stream l0.token l0.network l0.retry l0.drift l0.stream l0"
    assert client.categories == categories.split()
    assert client.crumbs[5]["level"] == "warning"
    assert client.tags == {"team": "search", "environment": "test"}
    assert client.contexts == {"l0_telemetry": {"stream_id": "s"}, "l0_metrics": {"token_count": 3}}
    assert (client.exceptions, client.messages) == ([], [])


def test_an_error_is_captured_only_if_nothing_more_is_tried() -> None:
    client = Client()
    Sentry(client).record_network_error(ConnectionResetError(), "econnreset", False)
    Sentry(client, SentryConfig(capture_network_errors=False)).record_network_error(OSError(), "econnreset", False)
    Sentry(client).record_failure(ValueError())
    assert client.exceptions == ["ConnectionResetError", "ValueError"]


def test_violations_of_the_least_severity_and_above_are_messages() -> None:
    violations = [l0.Violation(name, "no", severity=name) for name in ("warning", "error", "fatal")]  # type: ignore
    for config, expected in (
        (SentryConfig(), ["error", "fatal"]),
        (SentryConfig(min_guardrail_severity="fatal"), ["fatal"]),
        (SentryConfig(min_guardrail_severity="warning"), ["warning", "error", "fatal"]),
        (SentryConfig(capture_guardrail_violations=False), []),
    ):
        client = Client()
        Sentry(client, config).record_guardrail_violations(violations)
        assert client.messages == [(f"Guardrail violation: {name}", name) for name in expected]
        assert client.categories == ["l0.guardrail"] * 3


async def play(provider: FakeProvider, handler: Any, **options: Any) -> l0.Stream:
    options = {"retry": l0.Retry(base_delay=0, max_retries=1), **options}
    stream = await l0.run(provider, adapter=provider, on_event=handler, **options)
    await asyncio.gather(stream.read(), return_exceptions=True)
    return stream


def test_the_handler_captures_what_ends_a_stream_and_nothing_that_it_survives() -> None:
    client = Client()
    handler = create_sentry_handler(client)
    run(play(FakeProvider(TOKENS, [Mishap("raise", 2)]), handler))
    assert client.exceptions == []
    assert {"l0.network", "l0.retry"} <= set(client.categories)
    run(play(FakeProvider(TOKENS, [Mishap("raise", 2)] * 2), handler))
    assert client.exceptions == ["ConnectionResetError"]


@pytest.mark.parametrize("severity", ["warning", "error", "fatal"])
def test_the_handler_reports_violations_once(severity: Any) -> None:
    def check(state: l0.State) -> list[l0.Violation]:
        return [l0.Violation("slow", "no", severity=severity)] if "slow" in state.content else []

    client = Client()
    rule = l0.GuardrailRule("slow", check, streaming=False)
    run(play(FakeProvider(TOKENS, texts=[SLOW]), create_sentry_handler(client), guardrails=[rule]))
    assert client.messages == ([] if severity == "warning" else [("Guardrail violation: slow", severity)])
    assert client.exceptions == []


CAMEL = [
    (E.SESSION_START, {}),
    (E.NETWORK_ERROR, {"error": "ConnectionResetError", "code": "econnreset", "willRetry": True}),
    (E.ERROR, {"error": "ConnectionResetError", "category": "network", "recoveryStrategy": "retry"}),
    (E.RETRY_ATTEMPT, {"attempt": 1, "reason": "network", "isNetwork": True}),
    (E.GUARDRAIL_RULE_RESULT, {"ruleId": "r", "passed": False, "violation": {"severity": "error"}}),
    (E.DRIFT_CHECK_RESULT, {"detected": True, "metrics": {"tone_shift": True}}),
    (E.FALLBACK_START, {"fromIndex": 0, "toIndex": 1}),
    (E.COMPLETE, {"tokenCount": 3}),
    (E.SESSION_END, {}),
]
SNAKE = [
    (E.SESSION_START, {}),
    (E.NETWORK_ERROR, {"error": ConnectionResetError(), "error_type": "econnreset", "will_retry": True}),
    (E.ERROR, {"error": ConnectionResetError(), "category": l0.ErrorCategory.NETWORK, "recovery_strategy": "retry"}),
    (E.RETRY_ATTEMPT, {"attempt": 1, "reason": "network", "is_network": True}),
    (E.GUARDRAIL_RULE_RESULT, {"violations": [l0.Violation("r", "no")]}),
    (E.DRIFT_CHECK_RESULT, {"detected": True, "types": ["tone_shift"]}),
    (E.FALLBACK_START, {"from_index": 0, "to_index": 1}),
    (E.COMPLETE, {"token_count": 3}),
    (E.SESSION_END, {}),
]


def test_the_handler_reads_keys_of_both_styles_alike() -> None:
    told = []
    for events in (CAMEL, SNAKE):
        client = Client()
        bus = EventBus(create_sentry_handler(client))
        for kind, meta in events:
            bus.emit(kind, **meta)
        found = [
            (crumb["category"], crumb["message"], {k: v for k, v in crumb["data"].items() if k != "recoverable"})
            for crumb in client.crumbs
        ]
        told.append((found, client.messages, client.exceptions))
    assert told[0] == told[1]
    assert told[0][1:] == ([("Guardrail violation: r", "error")], [])


@pytest.mark.parametrize("meta", [{"error": ValueError("x")}, {"error": "a message", "recovery_strategy": "halt"}])
def test_a_hand_made_error_that_nothing_follows_is_captured(meta: dict[str, Any]) -> None:
    client = Client()
    create_sentry_handler(client)(ObservabilityEvent(E.ERROR, 0.0, "s", {}, meta))
    assert client.exceptions == [type(meta["error"]).__name__ if isinstance(meta["error"], Exception) else "Error"]


def test_streams_at_the_same_time_on_one_handler_do_not_mix(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)
    handler = create_sentry_handler(sentry_sdk)

    async def main() -> None:
        await asyncio.gather(
            *(play(FakeProvider(TOKENS, [Mishap("raise", 2)] * 2, pace=0.1), handler) for _ in range(5))
        )

    run(main())
    assert len(sent.issues) == 5
    ids = [{crumb["data"]["stream_id"] for crumb in issue["breadcrumbs"]["values"]} for issue in sent.issues]
    assert all(len(each) == 1 for each in ids)
    assert len(set.union(*ids)) == 5
    assert [transaction["contexts"]["trace"]["status"] for transaction in sent.transactions] == ["internal_error"] * 5


def test_a_handler_forgets_streams_that_never_end() -> None:
    handler = create_sentry_handler(Client())
    for number in range(1500):
        handler(ObservabilityEvent(E.SESSION_START, 0.0, str(number)))
    (streams,) = [cell.cell_contents for cell in handler.__closure__ or () if isinstance(cell.cell_contents, dict)]
    assert len(streams) == 1000


def test_a_call_is_one_execution(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)

    async def answers() -> str:
        return "yes"

    async def fails() -> None:
        raise ValueError("secret")

    assert asyncio.run(with_sentry(sentry_sdk, answers)) == "yes"
    assert sent.issues == []
    with pytest.raises(ValueError, match="secret"):
        asyncio.run(with_sentry(sentry_sdk, fails))
    (issue,) = sent.issues
    assert issue["exception"]["values"][0]["type"] == "ValueError"
    assert [each["transaction"] for each in sent.transactions] == ["l0.execution"] * 2
    assert [each["contexts"]["trace"]["status"] for each in sent.transactions] == ["ok", "internal_error"]


def test_tracing_is_the_configurations_to_switch_off(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)

    async def answers() -> str:
        return "yes"

    asyncio.run(with_sentry(sentry_sdk, answers, SentryConfig(enable_tracing=False)))
    assert sent.transactions == []


def test_the_error_of_a_telemetry_is_reported_with_its_contexts(init: Any) -> None:
    sent = init()
    exporter = SentryExporter(l0_sentry.SentryExporterConfig(dsn="http://public@127.0.0.1:9/1"))
    exporter.init()
    assert exporter._client is not None
    exporter._client.transport = sent
    assert exporter.capture_telemetry_error(SimpleNamespace(error=None)) is None
    error = SimpleNamespace(occurred=True, message="secret", category="network", code="ECONNRESET", stack="secret")
    assert exporter.capture_telemetry_error(SimpleNamespace(stream_id="s", error=error))
    (issue,) = sent.issues
    assert issue["exception"]["values"][0]["type"] == "ECONNRESET"
    assert issue["contexts"]["l0_error"] == {"occurred": True, "category": "network", "code": "ECONNRESET"}
    assert b"secret" not in sent.bytes
    exporter.close()
