"""Recorded events, whose distribution need not be installed, as models."""

from __future__ import annotations

import asyncio
from typing import Any

import l0_pydantic
import pytest

recording: Any = pytest.importorskip("l0_eventsourcing")


def test_a_recorded_event_is_its_type_its_time_and_its_data() -> None:
    event = recording.TokenEvent(ts=1.0, value="Hello", index=2, extra={"later": 3})
    documented = l0_pydantic.RecordedEventModel.model_validate(
        {"type": "TOKEN", "ts": 1.0, "data": {"value": "Hello", "index": 2, "later": 3}}
    )
    assert documented.type is l0_pydantic.RecordedEventTypeModel.TOKEN
    assert l0_pydantic.RecordedEventModel.model_validate(event) == documented
    envelope = l0_pydantic.EventEnvelopeModel.model_validate(recording.EventEnvelope("s", 0, event))
    assert envelope.event == documented


def test_every_recorded_event_of_a_stream_is_validated() -> None:
    async def main() -> list[Any]:
        store = recording.EventSourcing.memory()
        recorder = recording.EventSourcing.recorder(store)
        await recorder.record_start({"model": "gpt-4"})
        await recorder.record_token("Hello", 0)
        await recorder.record_error(error={"name": "TimeoutError", "message": "Stream timed out"})
        return list(await store.get_events(recorder.stream_id))

    recorded = asyncio.run(main())
    mirrored = [l0_pydantic.EventEnvelopeModel.model_validate(each) for each in recorded]
    assert [each.event.type for each in mirrored] == ["START", "TOKEN", "ERROR"]
    assert mirrored[0].event.data["options"]["model"] == "gpt-4"
    assert mirrored[2].event.data["error"]["message"] == "Stream timed out"
    assert [l0_pydantic.EventEnvelopeModel.model_validate_json(each.model_dump_json()) for each in mirrored] == mirrored
