"""Recorded events as bytes: JSON, one record for each event, and one for each run of tokens.

What a later version wrote is kept: unknown fields in `extra`, unknown types as `UnknownEvent`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from itertools import takewhile
from math import isfinite
from typing import Any

import orjson

from l0_core import StoreError
from l0_eventsourcing import types as t
from l0_eventsourcing.types import EventEnvelope, RecordedEvent, RecordedEventType, TokenEvent

__all__ = [
    "Record",
    "as_dict",
    "dump_snapshot",
    "from_dict",
    "load_snapshot",
    "pack",
    "pack_run",
    "unpack",
    "written_down",
]


@dataclass(frozen=True, slots=True)
class Record:
    """What a store keeps: `count` events, the first of which has the number `seq`, as `body`.

    `body` is JSON in UTF-8, without a newline. `is_terminal` says that nothing may follow.
    """

    seq: int
    count: int
    body: bytes
    is_terminal: bool = False

    @property
    def end(self) -> int:
        """The number of the event after it."""
        return self.seq + self.count


_KINDS: tuple[Any, ...] = (
    *(t.StartEvent, t.TokenEvent, t.CheckpointEvent, t.GuardrailEvent, t.DriftEvent, t.RetryEvent, t.FallbackEvent),
    *(t.ContinuationEvent, t.ResetEvent, t.OutputEvent, t.CompleteEvent, t.ErrorEvent, t.AbortedEvent),
)
_CLASSES: dict[str, Any] = {kind().type.value: kind for kind in _KINDS}
_NESTED: dict[str, Any] = {"options": t.SerializedOptions, "error": t.SerializedError}
_RESULTS: dict[type, Any] = {t.GuardrailEvent: t.GuardrailEventResult, t.DriftEvent: t.DriftEventResult}


def written_down(value: Any) -> Any:
    """A value as JSON can hold it. What JSON has no form for is described, and nothing raises."""
    if isinstance(value, Enum):
        return written_down(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): written_down(each) for name, each in value.items()}
    if isinstance(value, bytes | bytearray):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: written_down(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, BaseException):
        return written_down(asdict(t.serialize_error(value)))
    if isinstance(value, Iterable) and isinstance(value, Sequence | set | frozenset):
        return [written_down(each) for each in value]
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def as_dict(event: RecordedEvent) -> dict[str, Any]:
    """An event as a dict for JSON: what has its default is left out."""
    kind: Any = event.type
    found: dict[str, Any] = {"type": kind.value if isinstance(kind, Enum) else kind, "ts": event.ts}
    blank = type(event)()
    for each in fields(event):
        value, default = getattr(event, each.name), getattr(blank, each.name)
        if is_dataclass(value) and is_dataclass(default) and not isinstance(value, type):
            # With the fields of a later version, which equality knows nothing of.
            value, default = vars(value), vars(default)
        if each.name not in ("type", "ts", "extra") and value != default:
            if isinstance(value, dict) and is_dataclass(getattr(event, each.name)):
                value = {name: inner for name, inner in value.items() if inner is not None}
            found[each.name] = written_down(value)
    return {**written_down(event.extra), **found}


def from_dict(data: dict[str, Any]) -> RecordedEvent:
    """The event that `as_dict` made a dict of."""
    name = data.get("type", "")
    kind = _CLASSES.get(name)
    if kind is None:
        return t.UnknownEvent(name, data.get("ts", 0.0), {key: data[key] for key in data if key not in ("type", "ts")})
    names = {each.name for each in fields(kind)}
    known: dict[str, Any] = {"type": RecordedEventType(name)}
    extra: dict[str, Any] = {}
    for key, value in data.items():
        if key == "type":
            continue
        if key not in names or key == "extra":
            extra[key] = value
        elif key in _NESTED and isinstance(value, dict):
            known[key] = _made(_NESTED[key], value)
        elif key == "result" and kind in _RESULTS and isinstance(value, dict):
            known[key] = _made(_RESULTS[kind], value)
        else:
            known[key] = value
    event: RecordedEvent = kind(**known, extra=extra)
    return event


def _made(kind: Any, data: dict[str, Any]) -> Any:
    names = {each.name for each in fields(kind)}
    known = {name: value for name, value in data.items() if name in names}
    made = kind(**known)
    for name, value in data.items():
        if name not in known:
            setattr(made, name, value)  # A field of a later version: readable, and not lost with the event.
    return made


def _dumped(data: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(data)
    except TypeError:
        # A lone surrogate, which has no UTF-8, or an integer of more than 64 bits.
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def _loaded(body: bytes) -> Any:
    if _LONG_NUMBER.search(body):
        return json.loads(body)  # orjson makes a float of an integer of more than 64 bits.
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


_LONG_NUMBER = re.compile(rb"\d{19}")


def pack(seq: int, events: Iterable[RecordedEvent]) -> list[Record]:
    """Events as records, numbered from `seq`. Tokens that follow each other make one record."""
    left, records = list(events), []
    while left:
        first = left[0]
        if type(first) is TokenEvent and not first.extra:
            run = list(takewhile(_continues(first), left))
            record = pack_run(seq, first.index, [token.value for token in run], _times(run))  # type: ignore[union-attr]
        else:
            run = [first]
            record = Record(seq, 1, _dumped(as_dict(first)), first.type in t.TERMINAL)
        del left[: len(run)]
        records.append(record)
        seq = record.end
    return records


def _continues(first: TokenEvent) -> Any:
    """Whether events belong to the run that begins with a token."""
    place = iter(range(first.index, 1 << 62))
    return lambda event: type(event) is TokenEvent and not event.extra and event.index == next(place)


def _times(run: Sequence[Any]) -> list[list[float]]:
    times: list[list[float]] = []
    for place, token in enumerate(run):
        if not times or times[-1][1] != token.ts:
            times.append([place, token.ts])
    return times


def pack_run(seq: int, index: int, values: Sequence[str], times: Sequence[Sequence[float]]) -> Record:
    """A run of tokens as one record. `times` holds places in the run and the `ts` of the tokens from there on."""
    body = {"type": "TOKEN", "index": index, "values": values, "times": times}
    return Record(seq, len(values), _dumped(body))


def unpack(stream_id: str, record: Record) -> list[EventEnvelope]:
    """The events of a record. Raises StoreError for one that is none."""
    try:
        data = _loaded(record.body)
        if data.get("type") != "TOKEN" or "values" not in data:
            return [EventEnvelope(stream_id, record.seq, from_dict(data))]
        values, index, times = data["values"], data["index"], dict(data["times"])
        envelopes, ts = [], 0.0
        for place, value in enumerate(values):
            ts = times.get(place, ts)
            event = TokenEvent(ts=ts, value=value, index=index + place)
            envelopes.append(EventEnvelope(stream_id, record.seq + place, event))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"the record of event {record.seq} of the stream {stream_id!r} cannot be read: {type(error).__name__}"
        ) from error
    return envelopes


def dump_snapshot(fields_of_it: dict[str, Any]) -> bytes:
    """A snapshot's fields as bytes."""
    return _dumped(written_down(fields_of_it))


def load_snapshot(body: bytes) -> t.Snapshot | None:
    """The snapshot of `dump_snapshot`; None for what is none: a replay can begin at the beginning."""
    try:
        data = _loaded(body)
        return t.Snapshot(**{name: data[name] for name in t.Snapshot.__dataclass_fields__ if name in data})
    except (ValueError, TypeError, KeyError):
        return None
