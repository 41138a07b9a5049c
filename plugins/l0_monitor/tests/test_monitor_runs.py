"""What the telemetry says of real runs, for every way in which a stream can go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_monitor import (
    MetricsMonitor,
    Monitor,
    MonitoringConfig,
    SamplingConfig,
    Telemetry,
    TelemetryExporter,
    TelemetryMonitor,
)
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import DriftViolation

TOKENS = ("The quick ", "brown ", "fox")
TEXT = "".join(TOKENS)
FAST = l0.Retry(base_delay=0)


def refused(status: int) -> Mishap:
    error = RuntimeError("the secret of the prompt")
    error.status_code = status  # type: ignore[attr-defined]
    return Mishap("refuse", error=error)


async def play(
    *sources: FakeProvider, reading: Callable[[l0.Stream], Any] | None = None, **options: Any
) -> tuple[Telemetry, Telemetry, l0.Stream]:
    """The telemetry of a stream by `on_event` and by the plugin."""
    finished: list[Telemetry] = []
    monitor = Monitor(on_complete=finished.append)
    plugin = TelemetryMonitor(on_complete=finished.append)
    primary, *fallbacks = sources
    stream = await l0.run(
        primary,
        fallbacks=fallbacks,
        adapter=primary,
        on_event=monitor.handle_event,
        plugins=[plugin],
        **{"retry": FAST, **options},
    )
    try:
        await (reading(stream) if reading is not None else stream.read())
    except Exception:
        assert stream.state.outcome == "error"
    assert len(finished) == 2
    assert [monitor.get_all_telemetry(), plugin.monitor.get_all_telemetry()] == [finished[:1], finished[1:]]
    assert finished[0] is monitor.get_telemetry(stream.stream_id)
    return finished[0], finished[1], stream


async def abort(stream: l0.Stream) -> None:
    await anext(stream)
    stream.abort()
    await stream.read()


async def close(stream: l0.Stream) -> None:
    await anext(stream)
    await stream.aclose()


async def cancel(stream: l0.Stream) -> None:
    task = asyncio.ensure_future(stream.read())
    await asyncio.sleep(2.5)
    task.cancel()
    await asyncio.wait([task])


def one(*mishaps: Mishap, **given: Any) -> list[FakeProvider]:
    return [FakeProvider(TOKENS, mishaps, pace=1.0, **given)]


ONCE = l0.Retry(base_delay=0, max_retries=1)
WARNS = l0.GuardrailRule("warns", lambda state: [l0.Violation("warns", TEXT, severity="warning")], streaming=False)
REFUSES = l0.GuardrailRule("refuses", lambda state: [l0.Violation("refuses", TEXT, severity="fatal")], streaming=False)

CASES: dict[str, tuple[list[FakeProvider], dict[str, Any], dict[str, Any]]] = {
    "complete": (one(), {}, {"completed": True, "attempt": 1}),
    "no timeouts": (one(), {"timeout": None}, {"completed": True, "attempt": 1}),
    "retry": (
        one(Mishap("raise", 1)),
        {},
        {"completed": True, "attempt": 2, "network": 1, "last": "ConnectionResetError", "kind": "network"},
    ),
    "zero output": (one(Mishap("empty")), {}, {"completed": True, "attempt": 2, "network": 1, "last": "ZeroOutput"}),
    "fallback": (
        [FakeProvider(TOKENS, [refused(401)]), FakeProvider(TOKENS, pace=1.0)],
        {},
        {"completed": True, "attempt": 2, "fallbacks": 1, "last": "RuntimeError"},
    ),
    "retries, and then a fallback": (
        [FakeProvider(TOKENS, [Mishap("refuse")] * 2), FakeProvider(TOKENS, pace=1.0)],
        {"retry": ONCE},
        {"completed": True, "attempt": 3, "network": 1, "fallbacks": 1, "last": "ConnectionResetError"},
    ),
    "cut short by the provider": (one(finish_reason="length"), {}, {"outcome": "incomplete", "attempt": 1}),
    "exhausted": (
        one(*[Mishap("raise", 2)] * 2),
        {"retry": ONCE},
        {"outcome": "error", "attempt": 2, "network": 1, "last": "ConnectionResetError", "kind": "network"},
    ),
    "fatal": (one(refused(401)), {}, {"outcome": "error", "attempt": 1, "last": "RuntimeError", "kind": "fatal"}),
    "a deadline": (
        one(Mishap("stall", 1)),
        {"timeout": l0.Timeout(total=3000)},
        {"outcome": "error", "attempt": 1, "last": "TimeoutError"},
    ),
    "a warning": (one(), {"guardrails": [WARNS]}, {"completed": True, "attempt": 1, "violations": 1}),
    "a fatal violation": (
        one(),
        {"guardrails": [REFUSES]},
        {"outcome": "error", "attempt": 1, "violations": 1, "last": "GuardrailViolationError"},
    ),
    "aborted": (one(), {"reading": abort}, {"outcome": "aborted", "attempt": 1}),
    "closed": (one(), {"reading": close}, {"outcome": "aborted", "attempt": 1}),
    "cancelled": (one(), {"reading": cancel}, {"outcome": "aborted", "attempt": 1}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_outcome_is_finished_once_and_told_as_the_state_has_it(name: str) -> None:
    sources, options, expected = CASES[name]
    fresh = [
        FakeProvider(each.tokens, each.mishaps, pace=each.pace, finish_reason=each.finish_reason, texts=each.texts)
        for each in sources
    ]
    by_events, by_plugin, stream = run(play(*fresh, **options))
    state = stream.state
    for known in (by_events, by_plugin):
        assert known.network.error_count == len(state.network_errors)
        assert known.stream_id == stream.stream_id
        assert known.completed == (state.outcome == "complete") == expected.get("completed", False)
        assert known.aborted == (state.outcome == "aborted") == (expected.get("outcome") == "aborted")
        assert known.error.occurred == (state.outcome == "error") == (expected.get("outcome") == "error")
        assert known.metrics.token_count == state.token_count
        assert known.retries.attempt == expected["attempt"]
        assert known.retries.network_retries == state.network_retry_count == expected.get("network", 0)
        assert known.retries.model_retries == state.model_retry_count
        assert known.retries.fallbacks == expected.get("fallbacks", 0)
        assert known.retries.last_error == expected.get("last")
        if "kind" in expected:
            assert known.retries.last_error_category == expected["kind"]
        if known.error.occurred:
            assert (known.error.message, known.error.recoverable) == (expected["last"], False)
        assert len(known.guardrails.violations) == len(state.violations) == expected.get("violations", 0)
        assert known.guardrails.passed == (not state.violations)
        assert known.timing.duration is not None
        assert "secret" not in TelemetryExporter.to_json(known)
        assert TEXT not in TelemetryExporter.to_json(known)
    assert by_plugin.content_length == len(state.content)
    if state.outcome != "error":
        assert by_events.content_length == len(state.content)


def test_faults_of_the_network_and_what_was_gone_on_from_are_counted() -> None:
    words = [f"word{number} " for number in range(40)]
    mishaps = [Mishap("raise", 20), Mishap("refuse", error=ConnectionRefusedError()), Mishap("raise", 10)]
    provider = ContinuingProvider(words, mishaps, overlap=14)
    by_events, by_plugin, stream = run(
        play(provider, continue_from_last_good_token=True, check_intervals={"checkpoint": 5})
    )
    assert stream.state.content == "".join(words)
    for known in (by_events, by_plugin):
        assert known.network.error_count == 3
        assert known.network.errors_by_type == {"econnreset": 2, "econnrefused": 1}
        assert known.continuation.used
        assert known.continuation.count == 3
        assert known.continuation.checkpoint_length == stream.state.resume_from
        assert known.continuation.overlap_length == len(stream.state.overlap_removed or "") > 0
        assert not known.drift.detected


def test_drift_is_told_by_its_types() -> None:
    def drifts(state: l0.State) -> list[l0.Violation]:
        found = DriftViolation("drift", TEXT, types=("tone_shift", "tone_shift", "repetition"), confidence=0.9)
        return [] if state.content != TEXT else [found]

    rule = l0.GuardrailRule("drift", drifts, streaming=False)
    for known in run(play(*one(), guardrails=[rule]))[:2]:
        assert known.drift.detected
        assert known.drift.types == ["tone_shift", "repetition"]


@pytest.mark.parametrize("options", [{}, {"timeout": l0.Timeout(initial_token=2000, inter_token=1500)}])
def test_the_first_token_is_timed_and_not_the_opening(options: Any) -> None:
    by_events, by_plugin, _ = run(play(*one(), **options))
    for known in (by_events, by_plugin):
        assert known.timing.time_to_first_token == pytest.approx(1.0, abs=0.01)
        assert known.timing.duration == pytest.approx(4.0, abs=0.01)
        assert known.metrics.tokens_per_second == pytest.approx(0.75, abs=0.01)


def test_a_stream_without_a_token_has_no_first_token() -> None:
    by_events, by_plugin, _ = run(play(*one(refused(401))))
    assert by_events.timing.time_to_first_token is by_plugin.timing.time_to_first_token is None


def test_times_between_tokens_are_taken_if_asked_for() -> None:
    async def main() -> None:
        plugin = TelemetryMonitor(TelemetryMonitor.Options(inter_token_latency=True))
        provider = FakeProvider(TOKENS, [Mishap("late", 2, seconds=0.5)], pace=0.25)
        await (await l0.run(provider, adapter=provider, plugins=[plugin])).read()
        known = plugin.monitor.get_all_telemetry()[0]
        assert known.timing.inter_token_latencies == pytest.approx([0.25, 0.75], abs=0.01)
        assert known.metrics.p50_inter_token_latency == pytest.approx(0.25, abs=0.01)
        assert known.metrics.avg_inter_token_latency == pytest.approx(0.5, abs=0.01)
        assert known.metrics.p90_inter_token_latency is None

    run(main())


def test_the_wait_for_a_new_attempt_is_no_time_between_tokens() -> None:
    async def main() -> None:
        plugin = TelemetryMonitor(TelemetryMonitor.Options(inter_token_latency=True))
        provider = FakeProvider(TOKENS, [Mishap("raise", 2)], pace=0.25)
        options = {"retry": l0.Retry(base_delay=5000, max_delay=5000, strategy="fixed")}
        await (await l0.run(provider, adapter=provider, plugins=[plugin], **options)).read()
        assert max(plugin.monitor.get_all_telemetry()[0].timing.inter_token_latencies) < 1

    run(main())


@pytest.mark.parametrize("plugin", [TelemetryMonitor(), Monitor(), MetricsMonitor()])
def test_the_text_is_not_asked_for_by_default(plugin: Any) -> None:
    sink = plugin.store_event(None)
    assert (sink.tokens, sink.outputs) == (False, False)


def test_a_monitor_is_a_plugin_itself() -> None:
    async def main() -> None:
        monitor = Monitor()
        provider = FakeProvider(TOKENS, pace=1.0)
        await (await l0.run(provider, adapter=provider, plugins=[monitor])).read()
        (known,) = monitor.get_all_telemetry()
        assert known.timing.time_to_first_token == pytest.approx(1.0, abs=0.01)
        assert known.content_length == len(TEXT)

    run(main())


def test_interleaved_streams_share_nothing() -> None:
    async def main() -> None:
        plugin = TelemetryMonitor()
        monitor = Monitor()

        async def one(number: int) -> tuple[str, int]:
            mishaps = [Mishap("raise", 1)] * (number % 3)
            provider = FakeProvider(TOKENS[:2] * (number + 1), mishaps, pace=0.1 + number / 100)
            stream = await l0.run(
                provider, adapter=provider, retry=FAST, on_event=monitor.handle_event, plugins=[plugin]
            )
            await stream.read()
            return stream.stream_id, number

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(12)]
        for task in tasks:
            stream_id, number = task.result()
            for known in (monitor.get_telemetry(stream_id), plugin.monitor.get_telemetry(stream_id)):
                assert known is not None
                assert known.metrics.token_count == 2 * (number + 1)
                assert known.retries.attempt == number % 3 + 1
        assert not monitor._running
        assert not plugin.monitor._running

    run(main())


def test_memory_is_bounded_however_many_streams_fail() -> None:
    async def main() -> None:
        monitor = Monitor(MonitoringConfig(buffer_size=5, sampling=SamplingConfig(rate=0)))
        for _ in range(20):
            provider = FakeProvider(TOKENS, [refused(401)])
            stream = await l0.run(provider, adapter=provider, on_event=monitor.handle_event)
            with pytest.raises(RuntimeError):
                await stream.read()
        assert len(monitor.get_all_telemetry()) == 5
        assert monitor.get_aggregate_metrics()["errors"] == 5
        assert not monitor._running

    run(main())


def test_the_plugin_appends_a_line_of_json_for_each_stream(tmp_path: Any) -> None:
    path = tmp_path / "new" / "telemetry.jsonl"
    plugin = TelemetryMonitor(TelemetryMonitor.Options(path=str(path)))

    async def main() -> list[str]:
        ids = []
        for _ in range(3):
            provider = FakeProvider(TOKENS)
            stream = await l0.run(provider, adapter=provider, plugins=[plugin], context={"request_id": "r-1"})
            await stream.read()
            ids.append(stream.stream_id)
        return ids

    ids = asyncio.run(main())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["stream_id"] for line in lines] == ids
    assert {line["metadata"]["request_id"] for line in lines} == {"r-1"}
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_does_not_reach_the_stream(tmp_path: Any, caplog: Any) -> None:
    plugin = TelemetryMonitor(TelemetryMonitor.Options(path=str(tmp_path)))

    async def main() -> str:
        provider = FakeProvider(TOKENS)
        return await (await l0.run(provider, adapter=provider, plugins=[plugin])).read()

    assert asyncio.run(main()) == TEXT
    assert "IsADirectoryError" in caplog.text


def test_what_on_complete_raises_is_logged_and_nothing_more(caplog: Any) -> None:
    def on_complete(telemetry: Telemetry) -> None:
        raise ValueError("the secret")

    async def main() -> str:
        provider = FakeProvider(TOKENS)
        monitor = Monitor(on_complete=on_complete)
        text = await (await l0.run(provider, adapter=provider, on_event=monitor.handle_event)).read()
        assert len(monitor.get_all_telemetry()) == 1
        return text

    assert run(main()) == TEXT
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "ValueError at test_monitor_runs.py" in warnings[0]
    assert "secret" not in warnings[0]
