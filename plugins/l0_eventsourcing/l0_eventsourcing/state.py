"""The state that recorded events lead to, one after the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from l0_core import Event, EventType
from l0_eventsourcing import types as t
from l0_eventsourcing.outputs import event_from_dict
from l0_eventsourcing.types import RecordedEvent, ReplayedState, Snapshot

__all__ = ["Replay", "ReplayComparison", "ReplayedState", "compare_replays"]


@dataclass
class ReplayComparison:
    """Whether two replays led to the same, and where they did not."""

    identical: bool
    differences: list[str]


class Replay:
    """Takes in recorded events, one by one, each at the same cost; `state()` is what they lead to."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._state = ReplayedState()
        self._tokens: list[str] = []
        self._read = 0
        self._before = 0
        self._was_drifting = False
        self._checkpoint_at: int | None = None
        if snapshot is not None:
            self._restore(snapshot)

    def apply(self, event: RecordedEvent) -> list[Event]:
        """Take in an event; return what the consumer got with it."""
        state = self._state
        if isinstance(event, t.TokenEvent):
            withdrawn = self._restarted(event.index)
            self._tokens.append(event.value)
            token = Event(EventType.TOKEN, event.value, timestamp=event.ts / 1000)
            return [*withdrawn, token]
        match event:
            case t.StartEvent():
                state.start_ts = event.ts
            case t.CheckpointEvent():
                self._checkpoint_at = event.length
                if event.length is None:
                    state.checkpoint = event.content
            case t.GuardrailEvent():
                state.violations += event.result.violations
            case t.DriftEvent():
                state.drift_detected = state.drift_detected or event.result.detected
            case t.RetryEvent():
                self._fails()
                if event.counts_toward_limit:
                    state.retry_attempts += 1
                else:
                    state.network_retry_count += 1
            case t.FallbackEvent():
                self._fails()
                state.fallback_index = event.to
            case t.ContinuationEvent():
                return self._continues(event)
            case t.ResetEvent():
                return self._resets(event)
            case t.OutputEvent():
                return self._put_out(event_from_dict(event.event))
            case t.CompleteEvent():
                return self._completes(event)
            case t.ErrorEvent():
                state.error, state.outcome, state.end_ts = event.error, "error", event.ts
            case t.AbortedEvent():
                state.outcome, state.end_ts = "aborted", event.ts
        return []

    def state(self) -> ReplayedState:
        """The state so far."""
        self._join()
        self._state.token_count = self._before + len(self._tokens)
        if self._checkpoint_at is not None:
            self._state.checkpoint, self._checkpoint_at = self._state.content[: self._checkpoint_at], None
        return self._state

    def snapshot(self, stream_id: str, seq: int) -> Snapshot:
        """The state after event `seq`, to begin from another time."""
        state = self.state()
        names = Snapshot.__dataclass_fields__.keys() & {each.name for each in fields(state)}
        outputs = {name: getattr(state, name) for name in ("reasoning", "refusal", "choices", "tool_calls")}
        held = asdict(state)
        return Snapshot(
            stream_id, seq, t.now_ms(), outputs={**outputs, "drifted": self._was_drifting},
            **{name: held[name] for name in names},
        )  # fmt: skip

    def _restore(self, snapshot: Snapshot) -> None:
        state, outputs = self._state, dict(snapshot.outputs)
        for each in fields(snapshot):
            if each.name in ReplayedState.__dataclass_fields__:
                setattr(state, each.name, getattr(snapshot, each.name))
        self._was_drifting = outputs.pop("drifted", False)
        outputs["choices"] = {int(index): text for index, text in outputs.get("choices", {}).items()}
        for name, value in outputs.items():
            setattr(state, name, value)
        self._set_text(state.content, state.token_count)

    # The text.

    def _join(self) -> None:
        if self._read < len(self._tokens):
            # With no other name for the text, += grows it in place: reading after every token stays linear.
            text, self._state.content = self._state.content, ""
            text += "".join(self._tokens[self._read :])
            self._state.content, self._read = text, len(self._tokens)

    def _set_text(self, text: str, token_count: int) -> None:
        self._state.content = text
        self._tokens = [text] if text else []
        self._read, self._before = len(self._tokens), token_count - len(self._tokens)

    def _restarted(self, index: int) -> list[Event]:
        """A token that does not stand after all others stands in the place of some: they were withdrawn unsaid."""
        count = self._before + len(self._tokens)
        if index >= count:
            return []
        kept = "".join(self._tokens[: index - self._before]) if index > self._before else ""
        self._set_text(kept, index)
        return [Event(EventType.RESET, data={"keep": len(kept)})]

    def _continues(self, event: t.ContinuationEvent) -> list[Event]:
        self._join()
        self._state.drift_detected = self._was_drifting
        kept = event.checkpoint if event.length is None else self._state.content[: event.length]
        self._state.checkpoint, self._checkpoint_at = kept, None
        if kept == self._state.content:
            return []
        self._set_text(kept, event.at)
        return [Event(EventType.RESET, data={"keep": len(kept)})]

    def _resets(self, event: t.ResetEvent) -> list[Event]:
        state, data = self._state, {"keep": event.keep}
        self._join()
        if event.channel:
            setattr(state, event.channel, getattr(state, event.channel)[: event.keep])
            data = {"keep": len(state.content), event.channel: event.keep}
        elif event.choice:
            state.choices[event.choice] = state.choices.get(event.choice, "")[: event.keep]
        else:
            self._set_text(state.content[: event.keep], event.token_count)
            state.checkpoint, self._checkpoint_at = "", None
        return [Event(EventType.RESET, data=data, choice=event.choice)]

    # Everything else.

    def _fails(self) -> None:
        self._was_drifting, self._state.drift_detected = self._state.drift_detected, False

    def _put_out(self, event: Event) -> list[Event]:
        state = self._state
        if event.is_reasoning:
            state.reasoning += event.text or ""
        elif event.is_refusal:
            state.refusal += event.text or ""
        elif event.is_token:
            state.choices[event.choice] = state.choices.get(event.choice, "") + (event.text or "")
        elif event.is_tool_call and event.data is not None:
            state.tool_calls.append(event.data)
        return [event]

    def _completes(self, event: t.CompleteEvent) -> list[Event]:
        state = self._state
        self._join()
        if event.content != state.content:
            self._set_text(event.content, event.token_count)
        state.outcome = event.outcome
        state.completed = event.outcome == "complete"
        state.finish_reason, state.usage, state.end_ts = event.finish_reason, event.usage, event.ts
        data = {"finish_reason": event.finish_reason} if event.finish_reason else None
        return [Event(EventType.COMPLETE, usage=event.usage, data=data)]


_SHOWN = 40
"""Characters of a text that are shown around the first difference."""


def compare_replays(state1: ReplayedState, state2: ReplayedState) -> ReplayComparison:
    """Compare two states in everything but their times."""
    differences = []
    for each in fields(ReplayedState):
        if each.name not in ("start_ts", "end_ts"):
            one, other = getattr(state1, each.name), getattr(state2, each.name)
            if one != other:
                differences.append(f"{each.name}: {_differing(one, other)}")
    return ReplayComparison(not differences, differences)


def _differing(one: Any, other: Any) -> str:
    if not (isinstance(one, str) and isinstance(other, str)) or max(len(one), len(other)) <= _SHOWN:
        return f"{one!r} vs {other!r}"
    place = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, place - _SHOWN // 2)
    ends = [f"{text[start : start + _SHOWN]!r}{'...' if len(text) > start + _SHOWN else ''}" for text in (one, other)]
    return f"at character {place}, {ends[0]} vs {ends[1]}"
