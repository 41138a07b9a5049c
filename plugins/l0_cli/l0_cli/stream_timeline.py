"""What happened in a recorded stream, moment by moment, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import l0_eventsourcing as recorded

from l0_cli.stream_received import Received, channel_of
from l0_cli.streams import UNFINISHED

if TYPE_CHECKING:
    from l0_eventsourcing import EventEnvelope, ReplayedState, SerializedError

    from l0_core import Event

__all__ = ["Moment", "Timeline"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: `seconds` after the start, at event `seq`, of a kind, and what is to be said of it."""

    seq: int
    seconds: float
    kind: str
    said: str


@dataclass(slots=True)
class Timeline:
    """One stream. Times are in milliseconds since the epoch; `options` are those that were given."""

    stream_id: str
    start_ts: float
    end_ts: float
    event_count: int
    options: dict[str, Any] = field(default_factory=dict)
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    """From the first token to the last, waits and withdrawn tokens included."""
    moments: list[Moment] = field(default_factory=list)
    state: ReplayedState = field(default_factory=recorded.ReplayedState)

    @classmethod
    def of(cls, events: Sequence[EventEnvelope]) -> Timeline:
        """The timeline of a stream that has events."""
        first = events[0]
        line = cls(first.stream_id, first.event.ts, first.event.ts, len(events))
        fold, received, told = recorded.Replay(), Received(), set[str]()
        tokens, first_ts, last_ts = 0, 0.0, 0.0
        for envelope in events:
            event = envelope.event
            # A clock may go back. Time does not.
            line.end_ts = max(line.end_ts, event.ts)
            before = fold.state().token_count
            if isinstance(event, recorded.StartEvent) and not line.options:
                line.options = {name: value for name, value in asdict(event.options).items() if value}
            for got in fold.apply(event):
                withdrawn, channel = received.take(got), channel_of(got)
                if withdrawn is not None:
                    line._add(envelope, "reset", str(withdrawn))
                elif channel is None:
                    line._put_out(envelope, got)
                elif got.text and channel not in told:
                    told.add(channel)
                    line._add(envelope, f"first {'token' if channel == 'answer' else channel}", "")
            if isinstance(event, recorded.TokenEvent):
                first_ts, last_ts, tokens = first_ts if tokens else line.end_ts, line.end_ts, tokens + 1
            for kind, said in _said(event, before):
                line._add(envelope, kind, said)
        if tokens:
            line.first_token_seconds = (first_ts - line.start_ts) / 1000
        if last_ts > first_ts:
            line.tokens_per_second = (tokens - 1) / (last_ts - first_ts) * 1000
        line.state = fold.state()
        return line

    @property
    def outcome(self) -> str:
        """The stream's outcome, or "unfinished"."""
        return self.state.outcome or UNFINISHED

    def as_object(self) -> dict[str, Any]:
        """The timeline for programs."""
        return {**asdict(self), "outcome": self.outcome}

    def _add(self, envelope: EventEnvelope, kind: str, said: str) -> None:
        self.moments.append(Moment(envelope.seq, (self.end_ts - self.start_ts) / 1000, kind, said))

    def _put_out(self, envelope: EventEnvelope, event: Event) -> None:
        """Note what the consumer got that is no text. Progress is not worth a line, and the end has one of its own."""
        if event.is_tool_call:
            data = event.data or {}
            self._add(envelope, "tool call", f"{data.get('name')} {data.get('arguments', '')}")
        elif event.is_message:
            self._add(envelope, "message", event.text or _written(event.data))
        elif event.is_data and event.payload is not None:
            self._add(envelope, "data", f"{event.payload.content_type.value} {event.payload.mime_type or ''}".rstrip())


def _said(event: Any, tokens: int) -> Iterator[tuple[str, str]]:
    """What is to be said of a recorded event, with the kind of each thing; `tokens` stood before it."""
    match event:
        case recorded.StartEvent():
            yield "start", ""
        case recorded.RetryEvent():
            counts = "" if event.counts_toward_limit else ", which does not count towards the limit"
            after = f"retry {event.attempt} in {event.delay / 1000:.2f} s{counts}"
            yield "retry", f"{event.reason} after {tokens} tokens, {after}{_error(event.error)}"
        case recorded.FallbackEvent():
            reason = f"{event.reason} " if event.reason else ""
            sources = f"from source {event.from_} to source {event.to}"
            yield "fallback", f"{reason}after {tokens} tokens, {sources}{_error(event.error)}"
        case recorded.ContinuationEvent():
            length = len(event.checkpoint) if event.length is None else event.length
            yield "continuation", f"of the first {length} characters in {event.at} tokens"
        case recorded.GuardrailEvent():
            follows = ", halts" if event.result.should_halt else ", retries" if event.result.should_retry else ""
            for each in event.result.violations:
                where = "" if each.get("position") is None else f" at character {each['position']}"
                yield (
                    "guardrail",
                    f"{each.get('rule')}: {each.get('severity')}, {each.get('message')}{where}{follows}",
                )
            if not event.result.violations:
                yield "guardrail", f"{event.check_type} passed after {event.at} tokens".lstrip()
        case recorded.DriftEvent():
            kinds = ", ".join(map(str, event.result.types)) or "drift"
            found = f"{kinds}, confidence {event.result.confidence:g}" if event.result.detected else "none"
            yield "drift", f"{found}, after {event.at} tokens"
        case recorded.ErrorEvent():
            reasons = (("failure", event.failure_type), ("recovery", event.recovery_strategy))
            why = "".join(f", {name} {value}" for name, value in reasons if value)
            yield "error", f"{_error(event.error).removeprefix(': ')}{why}"
        case recorded.AbortedEvent():
            yield "aborted", "the consumer left before the end"
        case recorded.CompleteEvent():
            reason = "" if event.finish_reason is None else f"finish reason {event.finish_reason!r}"
            usage = ", ".join(f"{count} {name}" for name, count in (event.usage or {}).items())
            yield event.outcome, ", ".join(filter(None, (reason, usage)))
        case recorded.UnknownEvent():
            yield event.type, f"of a later version: {_written(event.extra)}"


def _error(error: SerializedError | None) -> str:
    if error is None:
        return ""
    code = f" [{error.code}]" if error.code else ""
    return f": {error.name}{code}: {error.message}"


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
