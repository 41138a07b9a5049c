"""Events made by hand, in both spellings, and what is kept of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_monitor import MetricsConfig, Monitor, MonitoringConfig, SamplingConfig, Telemetry
from l0_monitor import monitor as monitor_module
from l0_monitor.telemetry import Metrics, percentile

from l0_core import GuardrailViolation, ObservabilityEvent, ObservabilityEventType, State

E = ObservabilityEventType
RULE = {"rule_id": "json", "violations": [{"rule": "json", "message": "secret", "severity": "error"}]}


def event(kind: E, ts: float = 0.0, stream_id: str = "a", context: Any = None, **meta: Any) -> ObservabilityEvent:
    return ObservabilityEvent(kind, 1_000_000.0 + ts, stream_id, context or {}, meta)


def told(*events: ObservabilityEvent, config: MonitoringConfig | None = None) -> tuple[Monitor, list[Telemetry]]:
    finished: list[Telemetry] = []
    monitor = Monitor(config, on_complete=finished.append)
    for each in events:
        monitor.handle_event(each)
    return monitor, finished


def simple(stream_id: str, ends: E = E.COMPLETE, ms: float = 0.0) -> list[ObservabilityEvent]:
    return [event(E.SESSION_START, stream_id=stream_id), event(ends, ms, stream_id)]


@pytest.mark.parametrize("camel", [False, True])
def test_both_spellings_say_the_same(camel: bool) -> None:
    def meta(**given: Any) -> dict[str, Any]:
        if not camel:
            return given
        words = {name: name.split("_") for name in given}
        return {words[name][0] + "".join(map(str.title, words[name][1:])): value for name, value in given.items()}

    _, finished = told(
        event(E.SESSION_START, context={"session_id": "s", "model": "m"}),
        event(E.STREAM_READY, 250),
        event(E.ERROR, 300, **meta(error="Overloaded", error_code="E1", category="network", recovery_strategy="retry")),
        event(E.RETRY_START, 310, **meta(attempt=1, max_attempts=4)),
        event(E.RETRY_ATTEMPT, 320, **meta(attempt=1, category="network", is_network=True)),
        event(E.FALLBACK_START, 330, **meta(from_index=0, to_index=1)),
        event(E.GUARDRAIL_RULE_RESULT, 340, **meta(**RULE)),
        event(E.COMPLETE, 2000, **meta(token_count=8, content_length=40)),
    )
    (known,) = finished
    assert (known.session_id, known.model, known.metadata) == ("s", "m", {"session_id": "s", "model": "m"})
    assert (known.timing.started_at, known.timing.completed_at, known.timing.duration) == (1000.0, 1002.0, 2.0)
    assert known.timing.time_to_first_token == 0.25
    assert known.retries.model_dump() == {
        "attempt": 3,
        "max_attempts": 4,
        "model_retries": 0,
        "network_retries": 1,
        "total_retries": 1,
        "fallbacks": 1,
        "last_error": "Overloaded",
        "last_error_category": "network",
    }
    assert known.guardrails.rules_checked == 1
    assert known.guardrails.violations == [{"rule": "json", "severity": "error"}]
    assert (known.metrics.token_count, known.metrics.tokens_per_second, known.content_length) == (8, 4.0, 40)
    assert (known.completed, known.aborted, known.error.occurred, known.guardrails.passed) == (
        True,
        False,
        False,
        False,
    )


def test_a_context_of_any_keys_is_kept() -> None:
    _, (known,) = told(event(E.SESSION_START, context={1: "a", "nested": {2: 3}}), event(E.COMPLETE))
    assert known.metadata == {"1": "a", "nested": {2: 3}}


def test_a_state_in_the_last_event_is_read() -> None:
    violation = GuardrailViolation("json", "secret", severity="warning")
    state = State("hello", token_count=3, violations=[violation])
    _, (known,) = told(*simple("a")[:1], event(E.COMPLETE, 10, state=state))
    assert (known.metrics.token_count, known.content_length) == (3, 5)
    assert known.guardrails.violations == [{"rule": "json", "severity": "warning", "recoverable": True}]


def test_an_error_is_known_while_the_stream_runs_and_after_it() -> None:
    monitor, finished = told(
        event(E.SESSION_START),
        event(E.ERROR, 10, error="no", category="fatal", code="E2", recoverable=False),
    )
    running = monitor.get_telemetry("a")
    assert running is not None
    assert (running.error.occurred, running.error.message, running.error.code) == (True, "no", "E2")
    monitor.handle_event(event(E.RETRY_GIVE_UP, 20, attempts=1, last_error="no"))
    monitor.handle_event(event(E.SESSION_END, 30))
    assert [(each.completed, each.aborted, each.error.occurred) for each in finished] == [(False, False, True)]


@pytest.mark.parametrize("strategy", ["retry", "fallback", "continue"])
def test_an_error_that_is_recovered_from_is_among_the_retries_alone(strategy: str) -> None:
    monitor, _ = told(event(E.SESSION_START), event(E.ERROR, error="no", recovery_strategy=strategy))
    known = monitor.get_telemetry("a")
    assert known is not None
    assert (known.error.occurred, known.retries.last_error) == (False, "no")


def test_an_end_that_does_not_say_how_goes_by_what_came_before() -> None:
    start, failed, end = event(E.SESSION_START), event(E.ERROR, error="no"), event(E.SESSION_END)
    done = event(E.COMPLETE, finishReason="stop", tokenCount=2)
    for story, completed, occurred in (
        ([start, end], False, False),
        ([start, failed, end], False, True),
        ([start, failed, done, end], True, False),
    ):
        _, (known,) = told(*story)
        assert (known.completed, known.aborted, known.error.occurred) == (completed, False, occurred)


def test_an_exception_in_an_event_is_told_by_its_type() -> None:
    monitor, _ = told(event(E.ERROR, error=ValueError("secret")))
    known = monitor.get_telemetry()
    assert known is not None
    assert known.error.message == known.retries.last_error == "ValueError"


@pytest.mark.parametrize("ends", [E.COMPLETE, E.ABORT_COMPLETED, E.SESSION_END])
def test_what_comes_after_the_end_changes_nothing(ends: E) -> None:
    later = (E.COMPLETE, E.TOKEN, E.FINALIZATION_END, E.ABORT_COMPLETED, E.SESSION_SUMMARY, E.SESSION_END)
    monitor, finished = told(*simple("a", ends), *(event(kind, 99) for kind in later))
    assert len(finished) == len(monitor.get_all_telemetry()) == 1
    assert finished[0].aborted == (ends is E.ABORT_COMPLETED)
    assert not monitor._running


@pytest.mark.parametrize("kind", [E.FINALIZATION_END, E.SESSION_SUMMARY, E.SESSION_END])
def test_what_can_only_come_after_an_end_begins_no_stream(kind: E) -> None:
    monitor, finished = told(event(kind, outcome="complete"))
    assert (finished, len(monitor._running)) == ([], 0)


def test_a_stream_may_begin_again_under_its_name() -> None:
    assert len(told(*simple("a"), *simple("a"))[1]) == 2


def test_the_latest_are_kept_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "RUNNING", 50)
    monitor, finished = told(
        *(each for number in range(2000) for each in simple(str(number))), config=MonitoringConfig(buffer_size=3)
    )
    assert [each.stream_id for each in monitor.get_all_telemetry()] == ["1997", "1998", "1999"]
    assert len(finished) == 2000
    assert len(monitor._ended) == 1000
    for number in range(200):
        monitor.handle_event(event(E.SESSION_START, stream_id=f"endless {number}"))
    assert len(monitor._running) == 50


def test_errors_and_slow_streams_are_kept_whatever_the_rate() -> None:
    config = MonitoringConfig(sampling=SamplingConfig(rate=0, slow_threshold=2))
    failed = [event(E.SESSION_START, stream_id="f"), event(E.ERROR, stream_id="f", recovery_strategy="retry")]
    monitor, _ = told(
        *simple("fast", ms=1999), *simple("slow", ms=2000), *failed, event(E.COMPLETE, stream_id="f"), config=config
    )
    assert [each.stream_id for each in monitor.get_all_telemetry()] == ["slow", "f"]
    assert monitor.get_telemetry("fast") is None
    config = MonitoringConfig(sampling=SamplingConfig(rate=0, sample_errors=False, sample_slow=False))
    assert not told(*simple("slow", ms=9000), *failed, event(E.SESSION_END, stream_id="f"), config=config)[1]


def test_a_stream_is_sampled_whole() -> None:
    config = MonitoringConfig(sampling=SamplingConfig(rate=0.5), buffer_size=2000)
    streams = [simple(str(number)) for number in range(1000)]
    monitor, finished = told(*(each for step in zip(*streams, strict=True) for each in step), config=config)
    assert 350 < len(finished) < 650
    assert all(each.timing.duration == 0 for each in finished)
    assert not monitor._running


def test_streams_may_come_from_several_threads() -> None:
    finished: list[Telemetry] = []
    monitor = Monitor(MonitoringConfig(buffer_size=1000), on_complete=finished.append)

    def play(name: str) -> None:
        for number in range(200):
            for each in simple(f"{name}{number}"):
                monitor.handle_event(each)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(play, "abcd"))
    assert len({each.stream_id for each in finished}) == len(finished) == len(monitor.get_all_telemetry()) == 800
    assert not monitor._running


def test_short_streams_are_left_out_if_that_is_wanted() -> None:
    config = MonitoringConfig(sampling=SamplingConfig(min_duration=1))
    _, finished = told(*simple("short", ms=999), *simple("long", ms=1000), config=config)
    assert [each.stream_id for each in finished] == ["long"]


def test_what_is_not_collected_stays_at_its_default() -> None:
    nothing = MetricsConfig(
        **{f"collect_{name}": False for name in ("tokens", "timing", "retries", "guardrails", "errors")}
    )
    _, (known,) = told(
        event(E.SESSION_START),
        event(E.TOKEN, 1),
        event(E.ERROR, 2, error="no"),
        event(E.GUARDRAIL_RULE_RESULT, 3, **RULE),
        event(E.RETRY_ATTEMPT, 4, category="network"),
        event(E.SESSION_SUMMARY, 5, outcome="error", token_count=3),
        config=MonitoringConfig(metrics=nothing),
    )
    assert known == Telemetry(stream_id="a")


def test_a_monitor_that_is_off_does_nothing() -> None:
    monitor, finished = told(*simple("a"), config=MonitoringConfig(enabled=False))
    assert (finished, monitor.get_all_telemetry(), monitor.get_telemetry()) == ([], [], None)
    stream: Any = None
    assert monitor.store_event(stream) is None


def test_clear_forgets_what_runs_as_well() -> None:
    monitor, finished = told(*simple("a"), event(E.SESSION_START, stream_id="b"))
    monitor.clear()
    monitor.handle_event(event(E.COMPLETE, stream_id="b"))
    assert monitor.get_all_telemetry() == []
    assert len(finished) == 1
    assert monitor.get_aggregate_metrics() == {}


def test_what_is_given_out_does_not_change() -> None:
    monitor, _ = told(event(E.SESSION_START))
    before = monitor.get_telemetry("a")
    monitor.handle_event(event(E.GUARDRAIL_RULE_RESULT, 3, **RULE))
    assert before is not None
    assert before.guardrails.violations == []


def test_the_aggregate_is_over_what_is_kept() -> None:
    monitor, _ = told(
        *simple("a", ms=1000),
        event(E.SESSION_START, stream_id="b"),
        event(E.ABORT_COMPLETED, 3000, "b", token_count=6),
        event(E.SESSION_START, stream_id="c"),
        event(E.SESSION_SUMMARY, 2000, "c", outcome="error", token_count=2),
        config=MonitoringConfig(metrics=MetricsConfig(percentiles=[50, 99.9])),
    )
    assert monitor.get_aggregate_metrics() == {
        "total_streams": 3,
        "completed": 1,
        "aborted": 1,
        "errors": 1,
        "total_tokens": 8,
        "total_retries": 0,
        "total_violations": 0,
        "success_rate": 1 / 3,
        "error_rate": 1 / 3,
        "avg_duration": 2.0,
        "avg_time_to_first_token": None,
        "avg_tokens_per_second": pytest.approx(1.0),
        "p50_duration": 2.0,
        "p99.9_duration": 3.0,
    }


def test_a_finished_stream_is_a_record_of_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "l0"):
        told(*simple("a"))
        told(*simple("b"), config=MonitoringConfig.production())
    assert [record.getMessage().split()[:2] for record in caplog.records] == [["outcome=complete", "stream=a"]]


def test_presets() -> None:
    assert MonitoringConfig.default() == MonitoringConfig()
    assert MonitoringConfig.production().sampling.rate < 1
    assert MonitoringConfig.development().metrics.inter_token_latency
    assert not MonitoringConfig.minimal().metrics.collect_guardrails


@pytest.mark.parametrize(("count", "p50", "p90", "p99"), [(0, None, None, None), (9, 5, None, None), (10, 5, 9, None)])
def test_percentiles_need_enough_latencies(count: int, p50: Any, p90: Any, p99: Any) -> None:
    figures = Metrics.calculate(4, 2.0, 0.5, [float(number) for number in range(count, 0, -1)])
    found = (figures.p50_inter_token_latency, figures.p90_inter_token_latency, figures.p99_inter_token_latency)
    assert found == (p50, p90, p99)
    assert (figures.tokens_per_second, figures.time_to_first_token) == (2.0, 0.5)


def test_the_figures_of_nothing_are_unknown() -> None:
    assert Metrics.calculate(0, None, None, []) == Metrics()
    assert Metrics.calculate(3, 0.0, None, []).tokens_per_second is None


def test_finalize_without_an_end_ends_now() -> None:
    known = Telemetry(stream_id="a")
    known.timing.started_at = 5.0
    known.finalize()
    assert known.timing.completed_at is not None
    assert known.timing.duration == known.timing.completed_at - 5.0


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values_and_enough_do_not_exceed_it(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9
    assert sum(value < found for value in values) <= len(values) * percent / 100


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([kind for kind in E if kind is not E.SESSION_START]))
)


@given(STEPS)
def test_whatever_comes_a_stream_is_finished_at_most_once(steps: list[tuple[str, E]]) -> None:
    begun = [event(E.SESSION_START, stream_id=stream_id) for stream_id in "abc"]
    monitor, finished = told(*begun, *(event(kind, place, stream_id) for place, (stream_id, kind) in enumerate(steps)))
    ends = {stream_id for stream_id, kind in steps if kind in (E.COMPLETE, E.ABORT_COMPLETED, E.SESSION_END)}
    assert sorted(each.stream_id for each in finished) == sorted(ends)
    assert set(monitor._running) == set("abc") - ends


@given(STEPS)
def test_interleaving_changes_nothing(steps: list[tuple[str, E]]) -> None:
    alone = {}
    for name in "abc":
        monitor, _ = told(*(event(kind, 0, stream_id) for stream_id, kind in steps if stream_id == name))
        alone[name] = monitor.get_telemetry(name)
    together, _ = told(*(event(kind, 0, stream_id) for stream_id, kind in steps))
    assert {name: together.get_telemetry(name) for name in "abc"} == alone
