"""`l0 streams`: the recorded streams, the newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from l0_cli.streams import UNFINISHED, line_of, moment, progress, told, with_store
from l0_core import StoreError

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore

__all__ = ["OUTCOMES", "Summary", "command", "summaries"]

DAMAGED = "damaged"
"""What is said in the place of an outcome where the store cannot read a stream."""

OUTCOMES = {"complete": "green", "incomplete": "yellow", "error": "bold red", DAMAGED: "bold red"}
"""The colours of outcomes; all others are yellow."""

NOTHING = "No stream is recorded there."


@dataclass(frozen=True, slots=True)
class Summary:
    """What one stream is like. Times are in milliseconds since the epoch; `end_ts` is that of the last event.

    `problem` says what is wrong with a stream that the store cannot read.
    """

    stream_id: str
    start_ts: float = 0.0
    end_ts: float = 0.0
    event_count: int = 0
    token_count: int = 0
    outcome: str = UNFINISHED
    retries: int = 0
    fallbacks: int = 0
    problem: str | None = None


def command(url: str | None, prefix: str, limit: int | None, unfinished: bool, as_json: bool) -> int:
    """List streams; returns the exit code."""
    with told():
        found = with_store(url, partial(summaries, prefix=prefix, limit=limit, unfinished=unfinished))
        if as_json:
            typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        else:
            console = Console(highlight=False)
            for line in _lines(found) if found else [Text(NOTHING)]:
                console.print(line, soft_wrap=True)
    return 0


async def summaries(
    store: EventStore, *, prefix: str = "", limit: int | None = None, unfinished: bool = False
) -> list[Summary]:
    """What the streams are like, the newest first. Only those that are listed are read whole."""
    ids = await store.list_streams(prefix)
    found: list[Summary] = []
    with progress("reading streams", 2 * len(ids)) as advance:
        begun = []
        for stream_id in ids:
            begun.append((await _start(store, stream_id), stream_id))
            advance(1)
        for start, stream_id in sorted(begun, reverse=True):
            if len(found) == limit:
                break
            summary = await _summary(store, stream_id, start, unfinished)
            if summary is not None:
                found.append(summary)
            advance(1)
    return found


async def _start(store: EventStore, stream_id: str) -> float:
    """When a stream began. 0 where that cannot be read: it is told when the stream is."""
    from l0_eventsourcing import RecordStore, StoreUnavailable

    try:
        if not isinstance(store, RecordStore):
            events = await store.get_events(stream_id)
            return float(events[0].event.ts) if events else 0.0
        records = await store.get_records(stream_id, 0, 1)
        body = json.loads(records[0].body) if records else {}
        return float(body["ts"] if "ts" in body else body["times"][0][1])
    except StoreUnavailable:
        raise
    except (StoreError, ValueError, TypeError, LookupError):
        return 0.0


async def _summary(store: EventStore, stream_id: str, start: float, unfinished: bool) -> Summary | None:
    """What a stream is like; None if it is gone, or has ended and only the unfinished are wanted."""
    import l0_eventsourcing as recorded

    try:
        if unfinished:
            last = await store.get_last_event(stream_id)
            if last is not None and isinstance(
                last.event, recorded.CompleteEvent | recorded.ErrorEvent | recorded.AbortedEvent
            ):
                return None
        events = await store.get_events(stream_id)
    except recorded.StoreUnavailable:
        raise
    except StoreError as error:
        return Summary(stream_id, start, start, outcome=DAMAGED, problem=str(error))
    if not events:
        return None
    fold, retries, fallbacks = recorded.Replay(), 0, 0
    for envelope in events:
        fold.apply(envelope.event)
        retries += isinstance(envelope.event, recorded.RetryEvent)
        fallbacks += isinstance(envelope.event, recorded.FallbackEvent)
    state = fold.state()
    return Summary(
        stream_id,
        events[0].event.ts,
        events[-1].event.ts,
        len(events),
        state.token_count,
        state.outcome or UNFINISHED,
        retries,
        fallbacks,
    )


_HEADINGS = ("id", "started", "duration", "events", "tokens", "outcome", "retries", "fallbacks")
_NUMBERS = frozenset((2, 3, 4, 6, 7))


def _lines(found: list[Summary]) -> Iterator[Text]:
    """A table for people."""
    rows = [_cells(each) for each in found]
    widths = [max(cell_len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    yield Text("  ".join(_padded(_HEADINGS, widths)).rstrip(), "bold")
    for each, row in zip(found, rows, strict=True):
        line = Text()
        for column, cell in enumerate(_padded(row, widths)):
            line.append(cell, OUTCOMES.get(each.outcome, "yellow") if column == 5 else "")
            line.append("  ")
        if each.problem is not None:
            line.append(line_of(each.problem), "red")
        line.rstrip()
        yield line


def _cells(each: Summary) -> tuple[str, ...]:
    # What cannot be read must not be told as a time or a number.
    known = each.event_count > 0
    return (
        line_of(each.stream_id, 60),
        moment(each.start_ts)[:19] if each.start_ts else "-",
        f"{(each.end_ts - each.start_ts) / 1000:.1f} s" if known else "-",
        *(str(number) if known else "-" for number in (each.event_count, each.token_count)),
        line_of(each.outcome, 20),
        *(str(number) if known else "-" for number in (each.retries, each.fallbacks)),
    )


def _padded(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blank = " " * (width - cell_len(cell))
        yield blank + cell if column in _NUMBERS else cell + blank
