"""Recording by hand: what the runtime records by itself where it is told to (`l0.run(..., record=store)`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from l0_eventsourcing import types as t
from l0_eventsourcing.codec import written_down
from l0_eventsourcing.redaction import redacted
from l0_eventsourcing.state import Replay
from l0_eventsourcing.store import BaseEventStore, EventStore, EventStoreWithSnapshots
from l0_eventsourcing.types import EventEnvelope, RecordedEvent, RecordOptions, SerializedError, SerializedOptions

__all__ = ["EventRecorder", "create_event_recorder"]


class EventRecorder:
    """Records one stream, event by event: each is kept when its method returns.

    A stream that is recorded in part already goes on after its last event. What the store refuses is raised
    (WrongExpectedVersion, StreamEnded), and is not recorded. With `save_snapshots`, a snapshot follows every
    `snapshot_interval` events. Raises TypeError if they are asked for of a store that keeps none.
    """

    def __init__(
        self, event_store: EventStore, stream_id: str | None = None, options: RecordOptions | None = None
    ) -> None:
        options = options or RecordOptions()
        self._store = event_store
        self._stream_id = stream_id or options.stream_id or t.generate_stream_id()
        self._seq: int | None = None
        self._interval = options.snapshot_interval if options.save_snapshots else 0
        if self._interval and not isinstance(event_store, EventStoreWithSnapshots):
            raise TypeError(f"save_snapshots: a {type(event_store).__name__} keeps no snapshots")
        self._replay = Replay() if self._interval else None

    @property
    def stream_id(self) -> str:
        """The name of the stream."""
        return self._stream_id

    @property
    def seq(self) -> int:
        """The number of the next event."""
        return self._seq or 0

    async def record(self, event: RecordedEvent) -> None:
        """Record an event. One without a time gets the present."""
        if self._seq is None:
            self._seq = await self._begin()
        event.ts = event.ts or t.now_ms()
        await self._store.append(self._stream_id, EventEnvelope(self._stream_id, self._seq, event))
        self._seq += 1
        if self._replay is not None:
            self._replay.apply(event)
            if self._seq % self._interval == 0 and event.type not in t.TERMINAL:
                assert isinstance(self._store, EventStoreWithSnapshots)
                await self._store.save_snapshot(self._replay.snapshot(self._stream_id, self._seq - 1))

    async def _begin(self) -> int:
        """The number of the first event; what is recorded already is taken into account."""
        if isinstance(self._store, BaseEventStore) and self._replay is None:
            return await self._store.next_seq(self._stream_id)
        events = await self._store.get_events(self._stream_id)
        if self._replay is not None:
            for envelope in events:
                self._replay.apply(envelope.event)
        return events[-1].seq + 1 if events else 0

    async def record_start(self, options: SerializedOptions | Mapping[str, Any] | None = None) -> None:
        """The stream begins, with any options. Values under the names of secrets are masked."""
        if isinstance(options, Mapping):
            options = SerializedOptions.of(redacted(written_down(options)))
        await self.record(t.StartEvent(options=SerializedOptions.of(options)))

    async def record_token(self, value: str, index: int) -> None:
        """A piece of the answer, and the number of tokens before it."""
        await self.record(t.TokenEvent(value=value, index=index))

    async def record_checkpoint(self, at: int, content: str) -> None:
        """A checkpoint of the first `at` tokens, whose text is `content`."""
        await self.record(t.CheckpointEvent(at=at, content=content))

    async def record_guardrail(
        self, at: int = 0, result: t.GuardrailEventResult | Mapping[str, Any] | None = None, check_type: str = ""
    ) -> None:
        """A guardrail's verdict, after `at` tokens."""
        made = _made(t.GuardrailEventResult, result, "passed")
        await self.record(t.GuardrailEvent(at=at, result=made, check_type=check_type))

    async def record_drift(self, at: int = 0, result: t.DriftEventResult | Mapping[str, Any] | None = None) -> None:
        """A drift detector's verdict, after `at` tokens."""
        if isinstance(result, Mapping) and "type" in result:
            result = {**result, "types": [result["type"]] if result["type"] else []}
        await self.record(t.DriftEvent(at=at, result=_made(t.DriftEventResult, result, "type")))

    async def record_retry(
        self, reason: str, attempt: int, counts_toward_limit: bool = True, delay: float = 0.0
    ) -> None:
        """A retry follows, in `delay` milliseconds."""
        await self.record(
            t.RetryEvent(reason=reason, attempt=attempt, counts_toward_limit=counts_toward_limit, delay=delay)
        )

    async def record_fallback(
        self, to: int | None = None, *, from_index: int = 0, to_index: int | None = None, reason: str = ""
    ) -> None:
        """The source with the index `to` (or `to_index`) is asked next. Raises TypeError without an index."""
        target = to if to is not None else to_index
        if target is None:
            raise TypeError("record_fallback() needs the index of the source that is asked next: to")
        await self.record(t.FallbackEvent(to=target, from_=from_index, reason=reason))

    async def record_continuation(self, checkpoint: str, at: int) -> None:
        """The text goes on from a checkpoint of `at` tokens."""
        await self.record(t.ContinuationEvent(checkpoint=checkpoint, at=at))

    async def record_reset(self, keep: int, token_count: int) -> None:
        """Text was withdrawn: its first `keep` characters stand, in `token_count` tokens."""
        await self.record(t.ResetEvent(keep=keep, token_count=token_count))

    async def record_complete(self, content: str, token_count: int) -> None:
        """The stream ended well, with this text. Nothing can be recorded after it."""
        await self.record(t.CompleteEvent(content=content, token_count=token_count))

    async def record_error(
        self,
        error: BaseException | SerializedError | Mapping[str, Any],
        failure_type: str = "",
        recovery_strategy: str = "",
        policy: Any = "",
    ) -> None:
        """The stream failed. Nothing can be recorded after it."""
        if isinstance(error, BaseException):
            written = t.serialize_error(error)
        elif isinstance(error, Mapping):
            written = _made(SerializedError, {"name": "Error", "message": "", **error})
        else:
            written = replace(error)
        written.message = redacted(written.message)
        await self.record(
            t.ErrorEvent(error=written, failure_type=failure_type, recovery_strategy=recovery_strategy, policy=policy)
        )


def _made(kind: Any, given: Any, *derived: str) -> Any:
    """A result of the documented type, of a mapping with its fields. `derived` are keys that follow from others.

    Raises TypeError for other keys.
    """
    if given is None:
        return kind()
    if not isinstance(given, Mapping):
        return given
    unknown = given.keys() - kind.__dataclass_fields__.keys() - set(derived)
    if unknown:
        names = ", ".join(kind.__dataclass_fields__)
        raise TypeError(f"{kind.__name__} has no field {min(unknown)!r}; it has {names}")
    return kind(**{name: written_down(value) for name, value in given.items() if name in kind.__dataclass_fields__})


def create_event_recorder(event_store: EventStore, stream_id: str | None = None) -> EventRecorder:
    """A recorder of one stream."""
    return EventRecorder(event_store, stream_id)
