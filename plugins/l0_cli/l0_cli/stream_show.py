"""`l0 show`: what happened in one recorded stream, and its text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from l0_cli.stream_list import OUTCOMES
from l0_cli.streams import UNFINISHED, find, line_of, moment, told, visible, with_store
from l0_cli.terminal import CommandError

if TYPE_CHECKING:
    from l0_eventsourcing import EventEnvelope, EventStore

    from l0_cli.stream_timeline import Timeline

__all__ = ["command", "events_of"]

_STYLES = {**OUTCOMES, "retry": "yellow", "fallback": "magenta", "reset": "yellow", "guardrail": "red", "drift": "red"}


def command(url: str | None, given: str, every: bool, as_json: bool) -> int:
    """Show a stream; returns the exit code."""
    with told():
        events = with_store(url, partial(events_of, given=given))
        if every:
            _show_events(events, as_json)
            return 0
        from l0_cli.stream_timeline import Timeline

        timeline = Timeline.of(events)
        if as_json:
            typer.echo(json.dumps(timeline.as_object(), indent=2))
        else:
            console = Console(highlight=False)
            for line in _lines(timeline):
                console.print(line, soft_wrap=True)
    return 0


async def events_of(store: EventStore, *, given: str) -> list[EventEnvelope]:
    """All events of the stream that is meant."""
    stream_id = await find(store, given)
    events = await store.get_events(stream_id)
    if not events:
        raise CommandError(f"the stream {stream_id!r} was deleted just now")
    return events


def _lines(timeline: Timeline) -> Iterator[Text]:
    yield _fact("stream", line_of(timeline.stream_id, 1000))
    yield _fact("started", moment(timeline.start_ts))
    for name, value in _flat("", timeline.options):
        yield _fact("option", f"{line_of(name)} = {line_of(json.dumps(value, ensure_ascii=False))}")
    yield Text()
    for each in timeline.moments:
        yield _moment(each.seconds, each.kind, each.said)
    if timeline.outcome == UNFINISHED:
        ago = time.time() - timeline.end_ts / 1000
        said = f"the last event came {_span(ago)} ago: it runs still, or its process is gone"
        yield _moment((timeline.end_ts - timeline.start_ts) / 1000, UNFINISHED, said)
    yield Text()
    yield from _sums(timeline)
    yield from _texts(timeline)


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<8} ", "dim"), value)


def _flat(before: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{before}{name}.", value)
        else:
            yield f"{before}{name}", value


def _moment(seconds: float, kind: str, said: str) -> Text:
    kind = line_of(kind, 30)
    style = _STYLES.get(kind, "yellow" if kind in ("aborted", UNFINISHED) else "")
    line = Text.assemble((f"{seconds:>9.3f} s  ", "dim"), (f"{kind:<15}", style), line_of(said, 1000))
    line.rstrip()
    return line


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _sums(timeline: Timeline) -> Iterator[Text]:
    state = timeline.state
    seconds = (timeline.end_ts - timeline.start_ts) / 1000
    said = (
        f"{len(state.content)} characters in {state.token_count} tokens, {timeline.event_count} events, {seconds:.1f} s"
    )
    if timeline.first_token_seconds is not None:
        said += f"; the first token after {timeline.first_token_seconds:.3f} s"
    if timeline.tokens_per_second is not None:
        said += f", then {timeline.tokens_per_second:.1f} tokens/s"
    yield Text(said)


def _texts(timeline: Timeline) -> Iterator[Text]:
    state = timeline.state
    others = [("reasoning", state.reasoning), ("refusal", state.refusal)]
    others += [(f"choice {index}", text) for index, text in state.choices.items()]
    for name, text in others:
        if text:
            yield Text(f"\n{name}:", "dim")
            yield Text(visible(text))
    yield Text()
    yield Text(visible(state.content)) if state.content else Text("no text", "dim")


def _show_events(events: Sequence[EventEnvelope], as_json: bool) -> None:
    console, start = Console(highlight=False), events[0].event.ts
    for envelope in events:
        event = _as_object(envelope)
        if as_json:
            typer.echo(json.dumps(event))
            continue
        seq, kind, ts = event.pop("seq"), line_of(event.pop("type"), 30), event.pop("ts")
        line = Text.assemble(f"{seq:>6}", (f"  {(ts - start) / 1000:>9.3f} s  ", "dim"), (f"{kind:<13}", "bold"))
        console.print(line.append(visible(json.dumps(event, ensure_ascii=False))), soft_wrap=True)


def _as_object(envelope: EventEnvelope) -> dict[str, Any]:
    """An event as it was recorded: fields that a later version has written stand beside the others."""
    event = asdict(envelope.event)
    extra = event.pop("extra")
    return {"seq": envelope.seq, "type": str(getattr(event["type"], "value", event["type"])), **extra, **event}
