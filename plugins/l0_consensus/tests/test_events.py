"""What an observer is told of a vote: what happens, and nothing of what is said."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from l0_consensus import NoConsensus, consensus
from l0_testing.virtual import run

from l0_core import ObservabilityEvent

SECRET = "xyzzy"

META = {
    "CONSENSUS_START": set(),
    "CONSENSUS_STREAM_START": {"stream_index"},
    "CONSENSUS_STREAM_END": {"stream_index", "duration_ms", "status"},
    "CONSENSUS_OUTPUT_COLLECTED": {"stream_index", "length", "has_errors"},
    "CONSENSUS_ANALYSIS": {
        "agreement_ratio", "strategy", "unique_results", "total_results", "similarity_matrix", "average_similarity",
    },
    "CONSENSUS_RESOLUTION": {"method", "confidence"},
    "CONSENSUS_END": {"status", "confidence", "duration_ms"},
}  # fmt: skip


def fails() -> Any:
    raise ValueError(SECRET)


async def told(*tasks: Any, **options: Any) -> list[ObservabilityEvent]:
    events: list[ObservabilityEvent] = []
    try:
        await consensus(tasks, on_event=events.append, **options)
    except NoConsensus:
        pass
    return events


def names(events: list[ObservabilityEvent]) -> list[str]:
    return [event.type.value for event in events]


def test_events_come_in_order_with_what_is_documented() -> None:
    events = run(told(lambda: SECRET, lambda: SECRET.upper(), fails))
    assert names(events)[0] == "CONSENSUS_START"
    assert names(events)[-3:] == ["CONSENSUS_ANALYSIS", "CONSENSUS_RESOLUTION", "CONSENSUS_END"]
    counted = {name: names(events).count(name) for name in META}
    assert list(counted.values()) == [1, 3, 3, 3, 1, 1, 1]
    for event in events:
        assert event.meta.keys() - {"error"} == META[event.type.value]
    by_type = {event.type.value: event.meta for event in events}
    assert by_type["CONSENSUS_STREAM_END"]["status"] == "error"
    assert by_type["CONSENSUS_STREAM_END"]["error"] == "ValueError"
    assert by_type["CONSENSUS_OUTPUT_COLLECTED"] == {"stream_index": 2, "length": 0, "has_errors": True}
    analysis = by_type["CONSENSUS_ANALYSIS"]
    assert (analysis["unique_results"], analysis["total_results"], analysis["agreement_ratio"]) == (1, 3, 2 / 3)
    assert by_type["CONSENSUS_RESOLUTION"] == {"method": "majority", "confidence": 2 / 3}
    assert by_type["CONSENSUS_END"]["status"] == "success"


def test_events_of_a_vote_have_one_stream_id_and_the_time_in_milliseconds() -> None:
    first, second = run(told(lambda: 1, lambda: 1)), run(told(lambda: 1, lambda: 1))
    assert len({event.stream_id for event in first}) == 1
    assert first[0].stream_id != second[0].stream_id
    times = [event.ts for event in first]
    assert times == sorted(times)
    assert times[0] > 1_600_000_000_000


@pytest.mark.parametrize("resolve_conflicts", ["vote", "merge", "best", "fail"])
def test_events_hold_nothing_of_what_is_said(resolve_conflicts: Any) -> None:
    for strategy in ("unanimous", "majority", "weighted", "best"):
        tasks = (lambda: SECRET, lambda: {SECRET: SECRET}, lambda: f"not {SECRET}", fails)
        events = run(told(*tasks, strategy=strategy, resolve_conflicts=resolve_conflicts))
        assert SECRET not in repr(events)
        assert names(events)[-1] == "CONSENSUS_END"


def test_a_vote_without_an_answer_ends_as_failed() -> None:
    events = run(told(lambda: 1, lambda: 2, strategy="unanimous", resolve_conflicts="fail"))
    assert events[-1].meta["status"] == "failed"
    assert events[-1].meta["confidence"] == 0.0
    assert events[-2].meta == {"method": "fail", "confidence": 0.0}


def test_tasks_that_are_not_waited_for_end_as_cancelled() -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    events = run(told(lambda: 1, lambda: 1, slow))
    ends = {event.meta["stream_index"]: event.meta for event in events if event.type == "CONSENSUS_STREAM_END"}
    assert [ends[index]["status"] for index in range(3)] == ["success", "success", "cancelled"]
    assert names(events).count("CONSENSUS_OUTPUT_COLLECTED") == 2


def test_an_observer_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: ObservabilityEvent) -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.WARNING, "l0"):
        result = run(consensus([lambda: 1, lambda: 1], on_event=broken))
    assert result.consensus == 1
    assert "broken" not in caplog.text
    assert "RuntimeError" in caplog.text
