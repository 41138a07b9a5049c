"""The spans of a stream: the operation, and its attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import l0
import pytest
import sentry_sdk
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run
from sentry_sdk.consts import DEFAULT_OPTIONS, VERSION

from l0_sentry import SentryMonitor

TOKENS = ("The quick ", "brown ", "fox")


async def play(provider: Any, monitor: Any = "sentry", **options: Any) -> l0.Stream:
    options = {"retry": l0.Retry(base_delay=5, strategy="fixed"), "adapter": provider, **options}
    stream = await l0.run(provider, plugins=[monitor], **options)
    await stream.read()
    return stream


def test_a_stream_by_itself_is_a_transaction_of_its_attempts(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)
    stream = run(play(FakeProvider(TOKENS, [Mishap("refuse")], pace=1.0)))
    (transaction,) = sent.transactions
    trace = transaction["contexts"]["trace"]
    assert (transaction["transaction"], trace["op"], trace["status"]) == ("chat", "gen_ai.chat", "ok")
    data = data_of(transaction)
    assert data["gen_ai.operation.name"] == "chat"
    assert data["gen_ai.system"] == "fake"
    assert data["gen_ai.response.finish_reasons"] in (["stop"], '["stop"]')
    assert data["gen_ai.response.time_to_first_token"] == pytest.approx(6.0, abs=0.01)
    assert (data["l0.outcome"], data["l0.attempts"], data["l0.retries"]) == ("complete", 2, 1)
    assert data["l0.token_count"] == stream.state.token_count
    assert len(sent.spans) == 2


def test_the_times_are_those_of_the_events(init: Any) -> None:
    sent = init(traces_sample_rate=1.0, stream_gen_ai_spans=False)
    run(play(FakeProvider(TOKENS, [Mishap("refuse")], pace=1.0)))
    (transaction,) = sent.transactions
    first, second = transaction["spans"]
    assert [span["op"] for span in (first, second)] == ["gen_ai.attempt"] * 2
    assert [span["description"] for span in (first, second)] == ["attempt 1", "attempt 2"]
    assert [span["tags"]["status"] for span in (first, second)] == ["unavailable", "ok"]
    assert lasted(first) == pytest.approx(0.0, abs=0.01)
    assert lasted(second) == pytest.approx(4.0, abs=1.01)
    assert seconds(second["start_timestamp"]) - seconds(first["timestamp"]) == pytest.approx(5.0, abs=0.01)
    assert lasted(transaction) == pytest.approx(5.0 + lasted(second), abs=0.01)


def data_of(transaction: dict[str, Any]) -> dict[str, Any]:
    if "data" not in transaction["contexts"]["trace"] and VERSION.startswith("2.0."):
        pytest.skip("this SDK sends no data of transactions")
    return transaction["contexts"]["trace"]["data"]  # type: ignore[no-any-return]


def seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def lasted(span: dict[str, Any]) -> float:
    return seconds(span["timestamp"]) - seconds(span["start_timestamp"])


def test_the_operation_is_below_the_span_that_is_current_when_the_stream_is_made(init: Any) -> None:
    sent = init(traces_sample_rate=1.0, stream_gen_ai_spans=False)

    async def main() -> None:
        with sentry_sdk.start_transaction(name="request"):
            with sentry_sdk.start_span(op="view") as view:
                provider = FakeProvider(TOKENS)
                stream = await l0.run(provider, adapter=provider, plugins=["sentry"])
            # The span is over before the stream is read.
            await stream.read()
            assert sentry_sdk.get_current_span() is not view

    run(main())
    (transaction,) = sent.transactions
    view, operation, attempt = transaction["spans"]
    assert (view["op"], operation["op"], attempt["op"]) == ("view", "gen_ai.chat", "gen_ai.attempt")
    assert operation["parent_span_id"] == view["span_id"]
    assert attempt["parent_span_id"] == operation["span_id"]


def test_the_attempts_span_is_current_while_its_request_is_made_and_no_longer(init: Any) -> None:
    sent = init(traces_sample_rate=1.0, stream_gen_ai_spans=False)
    inside: list[str] = []

    class Provider(FakeProvider):
        async def __call__(self) -> AsyncIterator[Any]:
            inside.append(str(sentry_sdk.get_traceparent()).split("-")[1])
            return await super().__call__()

    async def main() -> None:
        before = sentry_sdk.get_traceparent()
        await play(Provider(TOKENS, [Mishap("raise", 2)]))
        assert sentry_sdk.get_traceparent() == before

    run(main())
    (transaction,) = sent.transactions
    assert inside == [span["span_id"] for span in transaction["spans"]]


def test_an_issue_is_found_with_its_trace(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)
    with pytest.raises(ConnectionResetError):
        run(play(FakeProvider(TOKENS, [Mishap("refuse")]), retry=l0.Retry(max_retries=0)))
    (issue,), (transaction,) = sent.issues, sent.transactions
    for key in ("trace_id", "span_id"):
        assert issue["contexts"]["trace"][key] == transaction["contexts"]["trace"][key]
    assert transaction["contexts"]["trace"]["status"] == "unavailable"


@pytest.mark.parametrize(
    "options",
    [{}, {"traces_sample_rate": 0.0}, {"traces_sample_rate": 1.0, "trace_lifecycle": "stream"}],
    ids=["not traced", "not sampled", "another kind of spans"],
)
def test_there_are_no_spans_where_there_are_to_be_none(options: dict[str, Any], init: Any) -> None:
    if not options.keys() <= DEFAULT_OPTIONS.keys():
        pytest.skip("this SDK has one kind of spans")
    sent = init(**options)
    assert run(play(FakeProvider(TOKENS))).state.outcome == "complete"
    assert (sent.transactions, sent.spans) == ([], [])


def test_tracing_can_be_switched_off_for_the_monitor(init: Any) -> None:
    sent = init(traces_sample_rate=1.0)
    run(play(FakeProvider(TOKENS), SentryMonitor(SentryMonitor.Options(enable_tracing=False))))
    assert sent.bytes == b""


def test_usage_is_on_the_operation_alone(init: Any) -> None:
    sent = init(traces_sample_rate=1.0, stream_gen_ai_spans=False)

    async def model() -> AsyncIterator[l0.Event]:
        yield l0.Event(l0.EventType.TOKEN, "Hello")
        yield l0.Event(l0.EventType.COMPLETE, usage={"input_tokens": 7, "output_tokens": 2})

    run(play(model, adapter=None))
    (transaction,) = sent.transactions
    data = data_of(transaction)
    assert (data["gen_ai.usage.input_tokens"], data["gen_ai.usage.output_tokens"]) == (7, 2)
    assert not any("usage" in key for span in transaction["spans"] for key in span["data"])
