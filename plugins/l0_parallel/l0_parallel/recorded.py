"""Streams of a worker: recorded there in a store that both sides reach, and replayed here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

from l0_eventsourcing import EventEnvelope, OutputEvent, ReplayedState, TokenEvent, open_store, replay

from l0_core import DriftViolation, Event, GuardrailViolation, State, StoreError, Stream, reload, take_up

__all__ = ["recorded_in", "replayed"]


class _Recording:
    """Where the streams of this process are recorded.

    That is configuration, which threads share: who asks for another store waits until nobody needs the last.
    """

    def __init__(self) -> None:
        self._is_free = threading.Condition()
        self._store: str | None = None
        self._before: str | None = None
        self._users = 0

    @contextmanager
    def in_store(self, store: str | None) -> Iterator[None]:
        """Record in a store all streams that are run within; None leaves it as it is configured."""
        if store is None:
            yield
            return
        with self._is_free:
            self._is_free.wait_for(lambda: not self._users or self._store == store)
            if not self._users:
                self._before, self._store = os.environ.get("L0_STORE"), store
                _configure(store)
            self._users += 1
        try:
            yield
        finally:
            with self._is_free:
                self._users -= 1
                if not self._users:
                    _configure(self._before)
                    self._is_free.notify_all()


def _configure(store: str | None) -> None:
    if store is None:
        os.environ.pop("L0_STORE", None)
    else:
        os.environ["L0_STORE"] = store
    reload()


recorded_in = _Recording().in_store


async def replayed(stream_id: str, url: str) -> Stream:
    """A stream that has ended in a worker, as one that has ended here: with its state and its text.

    Raises StoreError if its record is not in the store, or not whole.
    """
    times: list[float] = []

    def note(envelope: EventEnvelope) -> None:
        if isinstance(envelope.event, TokenEvent | OutputEvent):
            times.append(envelope.event.ts / 1000)

    replaying = await replay(stream_id, open_store(url), fire_callbacks=True)
    replaying.set_callbacks(on_event=note)
    events = [event async for event in replaying.stream]
    recorded = replaying.state
    if recorded.outcome is None:
        raise StoreError(
            f"the end of the stream {stream_id!r} is not recorded in the executor's store: a worker cannot reach it, "
            "or the stream has a record= or plugins= of its own, or its client was wrapped before the task began"
        )
    state = _as_state(recorded, events)
    if times:
        state.first_token_at, state.last_token_at = times[0], times[-1]
    stream = take_up(state, _ended, stream_id=stream_id, guardrails=(), plugins=(), continue_from_last_good_token=False)
    state.fallback_index = recorded.fallback_index
    return stream


def _as_state(recorded: ReplayedState, events: Sequence[Event]) -> State:
    same = (
        *("content", "token_count", "checkpoint", "network_retry_count", "drift_detected", "outcome", "finish_reason"),
        *("usage", "tool_calls", "reasoning", "refusal", "choices"),
    )
    progress = [event.progress for event in events if event.is_progress]
    return State(
        model_retry_count=recorded.retry_attempts,
        violations=[_violation(written) for written in recorded.violations],
        data_outputs=[event.payload for event in events if event.payload is not None],
        last_progress=progress[-1] if progress else None,
        **{name: getattr(recorded, name) for name in same},
    )


def _violation(written: dict[str, Any]) -> GuardrailViolation:
    kind: Any = DriftViolation if "types" in written else GuardrailViolation
    known = {each.name: written[each.name] for each in fields(kind) if each.name in written}
    if "types" in known:
        known["types"] = tuple(known["types"])
    violation: GuardrailViolation = kind(**known)
    return violation


def _ended() -> NoReturn:
    raise AssertionError("a stream that has ended is not opened")
