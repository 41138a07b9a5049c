"""`l0 replay`: a recorded stream as its consumer saw it, in time."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from l0_cli.stream_list import OUTCOMES
from l0_cli.stream_received import ANSWER, Received, channel_of
from l0_cli.streams import UNFINISHED, find, line_of, told, visible, with_store

if TYPE_CHECKING:
    from l0_eventsourcing import EventEnvelope, EventStore, ReplayedState

    from l0_core import Event

__all__ = ["command", "ending"]


def command(url: str | None, given: str, speed: float, as_json: bool) -> int:
    """Replay a stream; returns the exit code."""
    with told():
        with_store(url, partial(_play, given=given, speed=speed, player=_Lines() if as_json else _Screen()))
    return 0


async def _play(store: EventStore, *, given: str, speed: float, player: _Lines | _Screen) -> None:
    from l0_eventsourcing import EventReplayer, Replay

    fold = Replay()
    async for envelope in EventReplayer(store).replay(await find(store, given), speed=speed):
        for event in fold.apply(envelope.event):
            player.take(event, envelope)
        if speed:
            sys.stdout.flush()
    player.end(fold.state())


def ending(state: ReplayedState) -> str:
    """How a stream ended, in words."""
    said = [state.outcome or UNFINISHED]
    if state.error is not None:
        said.append(f"{state.error.name}: {state.error.message}")
    if state.finish_reason is not None:
        said.append(f"finish reason {state.finish_reason!r}")
    said.append(f"{len(state.content)} characters in {state.token_count} tokens")
    if state.usage:
        said.append("usage " + ", ".join(f"{name} {count}" for name, count in state.usage.items()))
    return ", ".join(said)


class _Screen:
    """For people: the text, and on lines of their own whatever else the consumer got."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._received = Received()
        self._channel = ANSWER
        self._is_inside = False
        """Whether the line that is written to has something on it."""

    def take(self, event: Event, envelope: EventEnvelope) -> None:
        withdrawn = self._received.take(event)
        channel = channel_of(event)
        if withdrawn is not None:
            self._tell(str(withdrawn))
        elif channel is not None:
            if channel != self._channel:
                self._tell(channel)
                self._channel = channel
            self._write(event.text or "")
        elif not event.is_complete and not event.is_progress:
            self._tell(f"{event.type.value} {line_of(_content(event, envelope))}")

    def end(self, state: ReplayedState) -> None:
        self._tell(line_of(ending(state), 1000), OUTCOMES.get(state.outcome or "", "yellow"))

    def _write(self, text: str) -> None:
        # Not by rich, which takes a hundred times as long for a token.
        if text:
            sys.stdout.write(visible(text))
            self._is_inside = not text.endswith("\n")

    def _tell(self, said: str, style: str = "dim") -> None:
        if self._is_inside:
            sys.stdout.write("\n")
        self._console.print(Text(f"[{said}]", style), soft_wrap=True)
        self._is_inside = False


def _content(event: Event, envelope: EventEnvelope) -> str:
    if event.text:
        return event.text
    told = {name: value for name, value in _as_object(event, envelope).items() if name not in ("type", "timestamp")}
    return json.dumps(told, ensure_ascii=False)


class _Lines:
    """For programs: a JSON object for each event, and at the end one for the outcome."""

    def take(self, event: Event, envelope: EventEnvelope) -> None:
        sys.stdout.write(f"{json.dumps(_as_object(event, envelope))}\n")

    def end(self, state: ReplayedState) -> None:
        error = None if state.error is None else {"name": state.error.name, "message": state.error.message}
        sys.stdout.write(f"{json.dumps({'type': 'outcome', 'outcome': state.outcome or UNFINISHED, 'error': error})}\n")


def _as_object(event: Event, envelope: EventEnvelope) -> dict[str, Any]:
    """An event as JSON has it; `timestamp` is in seconds since the epoch."""
    from l0_eventsourcing import OutputEvent

    timestamp = envelope.event.ts / 1000
    if isinstance(envelope.event, OutputEvent):
        return {**envelope.event.event, "timestamp": timestamp}
    said: dict[str, Any] = {
        "type": event.type.value,
        "text": event.text,
        "data": event.data,
        "usage": event.usage,
        "choice": event.choice or None,
    }
    return {**{name: value for name, value in said.items() if value is not None}, "timestamp": timestamp}
