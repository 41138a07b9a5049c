"""Events as bytes: nothing is lost, nothing raises, and what earlier versions wrote can be read."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_eventsourcing import (
    EventEnvelope,
    InMemoryEventStore,
    Record,
    Replay,
    TokenEvent,
    UnknownEvent,
    deserialize_error,
    serialize_error,
)
from l0_eventsourcing import types as t
from l0_eventsourcing.codec import from_dict, load_snapshot, pack, unpack, written_down
from l0_eventsourcing.outputs import event_as_dict, event_from_dict
from l0_eventsourcing.redaction import redacted

from l0_core import ContentType, DataPayload, Event, EventType, StoreError

GOLDEN = Path(__file__).parent / "golden"

TEXT = st.text(st.characters(), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TIME = st.floats(1.0, 1e15)
EXTRA = st.dictionaries(TEXT.filter(lambda name: name not in NAMES), JSON, max_size=2)
NAMES = {each.name for kind in vars(t).values() if hasattr(kind, "__dataclass_fields__") for each in fields(kind)}
NAMES |= {"values", "times"}

OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
ERRORS = st.builds(t.SerializedError, name=TEXT, message=TEXT, metadata=st.none() | OBJECTS)
OPTIONS = st.builds(t.SerializedOptions, metadata=OBJECTS)
LATER = TEXT.filter(lambda name: name not in t.RecordedEventType.__members__)

EVENTS = st.one_of(
    st.builds(TokenEvent, ts=TIME, value=TEXT, index=st.integers(0, 5)),
    st.builds(TokenEvent, ts=TIME, value=TEXT, index=st.integers(0, 5), extra=EXTRA),
    st.builds(t.StartEvent, ts=TIME, options=OPTIONS, extra=EXTRA),
    st.builds(t.CheckpointEvent, ts=TIME, at=st.integers(0), content=TEXT, length=st.none() | st.integers(0)),
    st.builds(t.RetryEvent, ts=TIME, reason=TEXT, error=st.none() | ERRORS),
    st.builds(t.ResetEvent, ts=TIME, keep=st.integers(0), token_count=st.integers(0), channel=TEXT),
    st.builds(t.OutputEvent, ts=TIME, event=OBJECTS),
    st.builds(t.CompleteEvent, ts=TIME, content=TEXT, usage=st.none() | st.dictionaries(TEXT, st.integers())),
    st.builds(t.ErrorEvent, ts=TIME, error=ERRORS),
    st.builds(UnknownEvent, type=LATER, ts=TIME, extra=EXTRA),
)


@given(st.lists(EVENTS, max_size=20), st.integers(0, 1000))
def test_events_come_back_as_they_were(events: list[Any], seq: int) -> None:
    records = pack(seq, events)
    found = [envelope for record in records for envelope in unpack("one", record)]
    assert [envelope.event for envelope in found] == events
    assert [envelope.seq for envelope in found] == list(range(seq, seq + len(events)))
    assert all(b"\n" not in record.body for record in records)
    assert [record.is_terminal for record in records] == [
        unpack("one", record)[-1].event.type in t.TERMINAL for record in records
    ]


def test_integers_of_any_size_come_back() -> None:
    for number in (2**63, -(2**63) - 1, 2**64, 10**40):
        (record,) = pack(0, [t.CompleteEvent(ts=1.0, usage={"tokens": number})])
        (envelope,) = unpack("one", record)
        assert envelope.event.usage == {"tokens": number}  # type: ignore[union-attr]


def test_tokens_in_order_are_one_record() -> None:
    tokens = [TokenEvent(ts=5.0 + index // 10, value=str(index), index=index) for index in range(100)]
    (record,) = pack(7, tokens)
    assert (record.seq, record.count, record.end) == (7, 100, 107)
    assert len(pack(0, [tokens[0], tokens[0]])) == 2
    assert len(pack(0, [tokens[0], tokens[2]])) == 2


@given(st.binary(max_size=40) | st.builds(lambda found: json.dumps(found).encode(), JSON))
def test_what_is_no_record_is_a_store_error(body: bytes) -> None:
    """Whatever stands in its place: damage is told as damage."""
    with contextlib.suppress(StoreError):
        unpack("one", Record(0, 1, body))
    assert load_snapshot(body) is None or b"stream_id" in body


def test_a_record_that_is_too_deep_is_a_store_error() -> None:
    with pytest.raises(StoreError):
        unpack("one", Record(0, 1, b'{"type":"OUTPUT","event":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001))


def test_anything_can_be_written_down() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    odd = {1: {2, 3}, "x": Odd(), "e": ValueError("no"), "b": b"\x00", "n": float("nan"), "t": (1,), "p": Path("a")}
    written: Any = written_down(odd)
    assert json.loads(json.dumps(written)) == written
    assert written["x"] == "<Odd>"
    assert (written["n"], written["b"], written["e"]["name"]) == (None, {"base64": "AA=="}, "ValueError")


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnopqrstuvwx", "sk-proj-abcdefghijklmnop1234", "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "xoxb-1234567890-abc", "Bearer abcdefghijklmnop1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_d", "hf_abcdefghijklmnopqrstuvwxyz0123456789",
    ],
)  # fmt: skip
def test_secrets_are_masked_and_words_are_not(secret: str) -> None:
    assert secret not in redacted(f"refused for {secret}, said the server")
    assert redacted({"x-api-key": secret, "Password": "x", "password": ""}) == {
        "x-api-key": "***", "Password": "***", "password": "",
    }  # fmt: skip
    plain = {"token_count": 3, "max_tokens": 9, "author": "me", "skill": "sk-1", "text": "the bearer of good news"}
    assert redacted(plain) == plain


def test_an_error_survives_as_what_it_said() -> None:
    for error in (ValueError("no"), ConnectionResetError("gone"), TimeoutError("late")):
        again = deserialize_error(serialize_error(error))
        assert (type(again), str(again)) == (type(error), str(error))
    assert str(deserialize_error(t.SerializedError("BadRequestError", "no"))) == "BadRequestError: no"
    assert type(deserialize_error(t.SerializedError("SystemExit", "no"))) is Exception
    assert type(deserialize_error(t.SerializedError("UnicodeDecodeError", "no"))) is Exception


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_a_released_version_has_written_is_read_as_it_was_then(path: Path) -> None:
    """Each file: a line for each record, and last the state that they lead to."""
    import asyncio

    *lines, expected = path.read_text().splitlines()
    records, seq = [], 0
    for line in lines:
        kept = json.loads(line)
        records.append(Record(seq, kept["count"], kept["body"].encode(), kept["terminal"]))
        seq += kept["count"]

    async def main() -> list[EventEnvelope]:
        store = InMemoryEventStore()
        await store.append_records("one", records)
        return await store.get_events("one")

    replay = Replay()
    for envelope in asyncio.run(main()):
        replay.apply(envelope.event)
    state = written_down(replay.state())
    assert {name: state[name] for name in json.loads(expected)} == json.loads(expected)


def test_an_unknown_field_is_kept_and_passed_over() -> None:
    written = {"type": "RETRY", "ts": 1.0, "reason": "x", "of_a_later_version": [1]}
    event = from_dict(written)
    assert event.extra == {"of_a_later_version": [1]}
    (record,) = pack(0, [event])
    assert json.loads(record.body) == written


def test_outputs_come_back_as_they_were_and_those_of_a_later_version_as_what_they_say() -> None:
    image = DataPayload(ContentType.IMAGE, url="u")
    for event in (Event(EventType.DATA, payload=image), Event(EventType.MESSAGE, data={"n": 1}, choice=1)):
        assert event_from_dict(json.loads(json.dumps(event_as_dict(event)))) == event
    failed = event_from_dict(event_as_dict(Event(EventType.ERROR, error=ConnectionResetError("gone"))))
    assert str(failed.error) == "ConnectionResetError: gone"
    later = {"type": "of_a_later_version", "text": "x", "more": [1]}
    assert event_from_dict(later) == Event(EventType.MESSAGE, data=later)


def test_an_event_of_a_later_version_changes_nothing_that_is_known() -> None:
    replay = Replay()
    replay.apply(t.TokenEvent(ts=1.0, value="a", index=0))
    before = written_down(replay.state())
    assert replay.apply(from_dict({"type": "OF_A_LATER_VERSION", "ts": 2.0, "x": 1})) == []
    assert written_down(replay.state()) == before


@pytest.mark.parametrize(
    "written",
    [
        {"type": "GUARDRAIL", "ts": 1.0, "at": 1, "result": {"later": [1]}},
        {"type": "ERROR", "ts": 1.0, "error": {"name": "E", "message": "no", "later": 1}},
    ],
)
def test_an_unknown_field_of_a_part_is_kept_and_passed_over(written: dict[str, Any]) -> None:
    (record,) = pack(0, [from_dict(written)])
    again = json.loads(record.body)
    part = "result" if "result" in written else "error"
    assert again[part]["later"] == written[part]["later"]
