"""The counters, by hand and by the plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import l0
import pytest
from l0_monitor import (
    Metrics,
    MetricsMonitor,
    MetricsSnapshot,
    create_metrics,
    get_global_metrics,
    reset_global_metrics,
)
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

NAMES = "requests tokens retries network_retry_count errors violations drift_detections fallbacks completions timeouts"
FAST = l0.Retry(base_delay=0, max_retries=1)


@pytest.fixture(autouse=True)
def _zero() -> Iterator[None]:
    reset_global_metrics()
    yield
    reset_global_metrics()


async def counted(*sources: FakeProvider, **options: Any) -> dict[str, int]:
    """The counters that are not zero after a stream."""
    metrics = Metrics()
    primary, *fallbacks = sources
    plugin = MetricsMonitor(metrics)
    options = {"retry": FAST, **options}
    stream = await l0.run(primary, fallbacks=fallbacks, adapter=primary, plugins=[plugin], **options)
    try:
        await stream.read()
    except Exception:
        assert stream.state.outcome == "error"
    return {name: count for name, count in metrics.to_dict().items() if count}


def test_counters_begin_at_zero_and_go_back_to_it() -> None:
    metrics = create_metrics()
    assert metrics.to_dict() == dict.fromkeys(NAMES.split(), 0)
    metrics.requests += 2
    metrics.tokens += 150
    assert metrics.to_dict() == dict.fromkeys(NAMES.split(), 0) | {"requests": 2, "tokens": 150}
    metrics.reset()
    assert metrics.snapshot() == MetricsSnapshot(*[0] * 10)


def test_a_snapshot_does_not_change() -> None:
    metrics = Metrics.create()
    snapshot = metrics.snapshot()
    metrics.errors += 1
    assert (snapshot.errors, metrics.snapshot().errors) == (0, 1)
    with pytest.raises(FrozenInstanceError):
        snapshot.errors = 3  # type: ignore[misc]


def test_the_global_counters_are_one_object_for_ever() -> None:
    held = get_global_metrics()
    held.requests += 1
    assert Metrics.get_global() is held
    Metrics.reset_global()
    assert (get_global_metrics() is held, held.requests) == (True, 0)


def test_the_plugin_counts_in_the_counters_of_the_process() -> None:
    async def main() -> None:
        async def one() -> None:
            provider = FakeProvider(["a", "b"], pace=0.1)
            await (await l0.run(provider, adapter=provider, plugins=[MetricsMonitor])).read()

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(one())

    run(main())
    found = get_global_metrics().snapshot()
    assert (found.requests, found.tokens, found.completions, found.errors) == (5, 10, 5, 0)


def test_retries_and_errors_are_counted() -> None:
    found = run(counted(FakeProvider(["a", "b"], [Mishap("raise", 1)])))
    assert found == {"requests": 1, "tokens": 2, "retries": 1, "network_retry_count": 1, "errors": 1, "completions": 1}


def test_fallbacks_are_counted() -> None:
    sources = FakeProvider(["a"], [Mishap("refuse")] * 2), FakeProvider(["a"])
    found = run(counted(*sources))
    assert (found["fallbacks"], found["errors"], found["retries"], found["completions"]) == (1, 2, 1, 1)


def test_a_failure_is_no_completion() -> None:
    found = run(counted(FakeProvider(["a", "b"], [Mishap("stall", 1)] * 2), timeout=l0.Timeout(inter_token=1000)))
    assert found["timeouts"] == found["errors"] == 2
    assert "completions" not in found


def test_violations_are_counted_and_what_passes_is_not() -> None:
    warns = l0.GuardrailRule("warns", lambda state: [l0.Violation("warns", "", severity="warning")], streaming=False)
    passes = l0.GuardrailRule("passes", lambda state: [], streaming=False)
    also = l0.GuardrailRule("also", lambda state: [], streaming=False)
    found = run(counted(FakeProvider(["a"]), guardrails=[warns, passes, also]))
    assert found == {"requests": 1, "tokens": 1, "violations": 1, "completions": 1}


def test_a_short_answer_is_no_completion() -> None:
    assert "completions" not in run(counted(FakeProvider(["a"], finish_reason="length")))
