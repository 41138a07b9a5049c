"""Envelopes as a server gets them, and servers that are down, slow or refuse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import l0
import pytest
import sentry_sdk
from l0_testing import FakeProvider, Fault, FaultServer, Mishap, Script, SentryReceiver, closed_port
from l0_testing.virtual import run

from l0_sentry import SentryExporter, SentryExporterConfig

TOKENS = ("The quick ", "brown ", "fox")


@pytest.fixture
def receiver() -> Iterator[SentryReceiver]:
    with SentryReceiver() as receiver:
        yield receiver


def report_to(dsn: str, init: Any, **options: Any) -> None:
    """Initialise the SDK, with its own transport."""
    quiet = {"send_client_reports": False, "auto_session_tracking": False}
    init(dsn=dsn, transport=None, traces_sample_rate=1.0, **quiet, **options)


async def survive_and_fail() -> None:
    provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
    stream = await l0.run(provider, adapter=provider, plugins=["sentry"], retry=l0.Retry(base_delay=0))
    assert await stream.read() == "".join(TOKENS)
    provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
    stream = await l0.run(provider, adapter=provider, plugins=["sentry"], retry=l0.Retry(max_retries=0))
    with pytest.raises(ConnectionResetError):
        await stream.read()
    assert stream.state.content == "".join(TOKENS[:2])


def test_a_server_gets_the_issue_and_the_transactions(receiver: SentryReceiver, init: Any) -> None:
    report_to(receiver.dsn, init)
    run(survive_and_fail())
    sentry_sdk.flush(10)
    (issue,) = receiver.items("event")
    (exception,) = issue["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("ConnectionResetError", "network: econnreset")
    assert issue["tags"]["l0.category"] == "network"
    survived, failed = receiver.items("transaction")
    assert [each["contexts"]["trace"]["status"] for each in (survived, failed)] == ["ok", "unavailable"]
    assert issue["contexts"]["trace"]["trace_id"] == failed["contexts"]["trace"]["trace_id"]
    assert receiver.refused == []


@pytest.mark.parametrize("with_the_transaction", [True, False])
def test_a_server_gets_the_spans_of_a_stream_that_is_retried(
    receiver: SentryReceiver, init: Any, with_the_transaction: bool
) -> None:
    """Newer SDKs send spans of models by themselves, unless they are told not to."""

    async def main() -> None:
        with sentry_sdk.start_transaction(op="task", name="caller"):
            provider = FakeProvider(TOKENS, [Mishap("raise", 2)], pace=1.0)
            stream = await l0.run(provider, adapter=provider, plugins=["sentry"], retry=l0.Retry(base_delay=0))
            await stream.read()

    report_to(receiver.dsn, init, **({"stream_gen_ai_spans": False} if with_the_transaction else {}))
    run(main())
    sentry_sdk.flush(10)
    (transaction,) = receiver.items("transaction")
    sent = [*transaction["spans"], *(span for item in receiver.items("span") for span in item["items"])]
    spans = {span["description"] if "description" in span else span["name"]: span for span in sent}
    assert sorted(spans) == ["attempt 1", "attempt 2", "chat"]
    operation, first, second = (spans[name] for name in ("chat", "attempt 1", "attempt 2"))
    caller = transaction["contexts"]["trace"]
    assert [span["parent_span_id"] for span in (operation, first, second)] == [
        caller["span_id"],
        operation["span_id"],
        operation["span_id"],
    ]
    assert {span["trace_id"] for span in (operation, first, second)} == {caller["trace_id"]}
    if not with_the_transaction:
        return
    assert [span["op"] for span in (operation, first, second)] == ["gen_ai.chat", "gen_ai.attempt", "gen_ai.attempt"]
    assert [span["tags"]["status"] for span in (operation, first, second)] == ["ok", "unavailable", "ok"]
    names = ("outcome", "attempts", "retries", "token_count")
    assert [operation["data"][f"l0.{name}"] for name in names] == ["complete", 2, 1, 3]


def test_the_provider_is_told_which_attempt_asks(
    receiver: SentryReceiver, init: Any, fault_server: FaultServer
) -> None:
    """`sentry-trace`, as an integration for an HTTP client puts it there, has the id of the attempt's span."""
    fault_server.add("m", Script("The answer.", faults=[Fault("rst_before")]))

    def ask(headers: dict[str, str]) -> bytes:
        body = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
        with urlopen(Request(f"{fault_server.base_url}/chat/completions", body, headers)) as response:
            answer: bytes = response.read()
            return answer

    async def provider() -> AsyncIterator[l0.Event]:
        headers = dict(sentry_sdk.get_current_scope().iter_trace_propagation_headers())
        answer = await asyncio.to_thread(ask, headers)

        async def tell() -> AsyncIterator[l0.Event]:
            yield l0.Event(l0.EventType.TOKEN, answer.decode())
            yield l0.Event(l0.EventType.COMPLETE)

        return tell()

    async def main() -> None:
        stream = await l0.run(provider, adapter="event", retry=l0.Retry(base_delay=0), plugins=["sentry"])
        assert "The answer." in await stream.read()

    report_to(receiver.dsn, init, stream_gen_ai_spans=False)
    asyncio.run(main())
    sentry_sdk.flush(10)
    (transaction,) = receiver.items("transaction")
    told = [request.headers["sentry-trace"].split("-")[:2] for request in fault_server.requests]
    assert told == [[span["trace_id"], span["span_id"]] for span in transaction["spans"]]
    assert len(told) == 2


@pytest.mark.parametrize("how", [{"status": 503}, {"delay": 10.0}, {"silent": True}, None])
def test_a_server_that_fails_changes_nothing_for_a_stream(how: dict[str, Any] | None, init: Any, caplog: Any) -> None:
    """It refuses, is late, never answers, or is not there: streams end as they would, and nobody waits for it."""
    with ExitStack() as stack:
        receiver = None if how is None else stack.enter_context(SentryReceiver(**how))
        nowhere = stack.enter_context(closed_port()).replace("//", "//public@").replace("v1", "1")
        report_to(nowhere if receiver is None else receiver.dsn, init)
        sentry_sdk.capture_event({"message": "before"})
        if receiver is not None:
            receiver.wait(1)
        begun = time.monotonic()
        run(survive_and_fail())
        assert time.monotonic() - begun < 2
    assert not [record for record in caplog.records if record.name == "l0" and "sentry" in record.getMessage()]


def test_the_exporter_has_a_client_of_its_own(receiver: SentryReceiver, init: Any) -> None:
    sent = init()
    exporter = SentryExporter(SentryExporterConfig(dsn=receiver.dsn, tags={"team": "search"}))
    exporter.init()
    exporter.add_breadcrumb("before", data={"count": 1})
    exporter.set_user(user_id="u-1", plan="free")
    assert exporter.capture_error(ValueError("secret"), attempt=2)
    assert exporter.capture_message("hello", level="warning")
    exporter.flush()
    exporter.close()
    error, message = receiver.items("event")
    assert error["exception"]["values"][0]["type"] == "ValueError"
    assert "secret" not in repr(error)
    assert (error["tags"], error["user"], error["extra"]) == (
        {"team": "search"},
        {"id": "u-1", "plan": "free"},
        {"attempt": 2},
    )
    assert error["breadcrumbs"]["values"][0]["message"] == "before"
    assert (message["message"], message["level"]) == ("hello", "warning")
    assert "stacktrace" not in repr(message)
    assert sent.bytes == b""
    assert exporter.capture_error(ValueError()) is None


def test_an_exporter_without_a_dsn_does_nothing() -> None:
    exporter = SentryExporter(SentryExporterConfig())
    exporter.init()
    assert exporter.capture_error(ValueError()) is None
    assert exporter.capture_message("hello") is None
    exporter.add_breadcrumb("before")
    exporter.set_user(user_id="u-1")
    exporter.flush()
    exporter.close()


def test_the_exporter_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DSN", "ENVIRONMENT", "RELEASE"):
        monkeypatch.setenv(f"SENTRY_{name}", name)
    config = SentryExporterConfig.from_env()
    assert (config.dsn, config.environment, config.release) == ("DSN", "ENVIRONMENT", "RELEASE")
