"""Recording a stream as it runs: the sink that turns what happens into records, and hands them to a store.

The stream never waits for the store. What the store has not taken yet waits here, in order, and goes with the next
write; at its end a stream waits a second at most. A store that fails is tried again with what comes next, which writes
nothing twice. `on_store_error` says what becomes of a stream that its store has failed: `"degrade"` goes on, with one
warning; `"fail"` ends it with a StoreError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from l0_core import ObservabilityEventType, Sink, StoreError, hookimpl
from l0_eventsourcing import types as t
from l0_eventsourcing.codec import Record, pack, pack_run, written_down
from l0_eventsourcing.outputs import event_as_dict
from l0_eventsourcing.redaction import redacted
from l0_eventsourcing.store import BaseEventStore, EventStore, StoreUnavailable, append_records
from l0_eventsourcing.types import RecordedEvent

if TYPE_CHECKING:
    from l0_core import Envelope, Event, StreamContext

__all__ = ["Recording", "StoreOptions", "StorePlugin"]

E = ObservabilityEventType

OnStoreError = Literal["degrade", "fail"]

LAST_PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds between attempts to write the end of a stream. Together they are less than a stream waits for it."""

LONGEST_RUN = 2_000
"""Tokens of a record, at most: what is written down in one turn of the event loop."""

logger = logging.getLogger("l0")


class Recording:
    """A plugin that records streams in a store: `l0.run(..., record=Recording(store))`.

    Stores of ours are such plugins themselves; this is for a choice of `on_store_error`, and for stores of any kind.
    `next_seq` is the number of the first event, where a stream goes on that is recorded in part already.

    Raises ValueError for an `on_store_error` other than "degrade" and "fail".
    """

    def __init__(self, store: EventStore, *, on_store_error: OnStoreError = "degrade", next_seq: int = 0) -> None:
        if on_store_error not in ("degrade", "fail"):
            raise ValueError(f"on_store_error is {on_store_error!r}; it must be 'degrade' or 'fail'")
        self.store, self._on_store_error, self._next_seq = store, on_store_error, next_seq

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink | None:
        fails = self._on_store_error == "fail"
        write = _Writer(self.store, ctx, fails, self._next_seq).write
        return Sink(write, tokens=True, outputs=True, required=fails)


class _Writer:
    """Records one stream."""

    def __init__(self, store: EventStore, ctx: StreamContext, fails: bool, next_seq: int) -> None:
        self._store, self._stream_id, self._fails = store, ctx.stream_id, fails
        self._script = _Script(ctx, next_seq)
        self._told: list[Envelope] = []
        self._waiting: list[Record] = []
        self._is_writing = self._is_lost = self._is_late = False

    def write(self, batch: Sequence[Envelope]) -> Awaitable[None] | None:
        if self._is_lost:
            return None
        self._told += batch
        if self._is_writing:
            return None
        self._is_writing = True
        return self._write_all()

    async def _write_all(self) -> None:
        try:
            while self._told or self._waiting:
                told, self._told = self._told, []
                for envelope in told:
                    for records in self._script.records(envelope):
                        self._waiting += records
                        await asyncio.sleep(0)
                if self._waiting:
                    await self._write()
        except StoreUnavailable as error:
            if self._fails or self._script.is_over:
                self._lose(error)
            elif not self._is_late:
                self._is_late = True
                logger.warning("%s; the stream goes on, and what happens in it is kept until the store is back", error)
        except Exception as error:
            self._lose(error)
        finally:
            self._is_writing = False

    async def _write(self) -> None:
        """Write what waits. At the end there is no next time: a store that is away is asked until time is up."""
        for pause in LAST_PAUSES if self._script.is_over and not self._fails else ():
            try:
                await append_records(self._store, self._stream_id, self._waiting)
                break
            except StoreUnavailable:
                await asyncio.sleep(pause)
        else:
            await append_records(self._store, self._stream_id, self._waiting)
        self._waiting = []

    def _lose(self, error: Exception) -> None:
        """What comes is not recorded any more."""
        self._is_lost, unwritten = True, self._waiting[0].seq if self._waiting else self._script.seq
        self._waiting = []
        if self._fails:
            raise error
        said = str(error) if isinstance(error, StoreError) else type(error).__name__
        logger.warning(
            "the record of the stream %s ends before event %d: %s; the stream goes on", self._stream_id, unwritten, said
        )


class _Script:
    """What is written of a stream: what happens, as recorded events."""

    def __init__(self, ctx: StreamContext, next_seq: int) -> None:
        self._ctx, self.seq = ctx, next_seq
        self._is_resumed = next_seq > 0
        self._kept(ctx.state.content, ctx.state.token_count)
        self._error: BaseException | None = None
        self._end: dict[str, Any] = {}
        self.is_over = False

    def records(self, envelope: Envelope) -> Iterator[list[Record]]:
        """The records of something that happened: a long run of tokens as several, so that the loop turns between."""
        event = envelope.event
        if event.type is not E.TOKEN:
            found = self._event(event.type, event.ts, event.meta)
            if found is not None:
                yield pack(self.seq, [found])
                self.seq += 1
            return
        tokens, arrivals = event.meta["tokens"], event.meta["arrivals"]
        if len(tokens) <= LONGEST_RUN:
            yield [self._run(tokens, arrivals)]
            return
        for start in range(0, len(tokens), LONGEST_RUN):
            run = tokens[start : start + LONGEST_RUN]
            before = [at for place, at in arrivals if place <= start]
            within = [(place - start, at) for place, at in arrivals if start < place < start + len(run)]
            yield [self._run(run, [(0, before[-1]), *within])]

    def _run(self, tokens: Sequence[str], arrivals: Sequence[Sequence[float]]) -> Record:
        record = pack_run(self.seq, self._index, tokens, arrivals)
        self._pieces += tokens
        self._index += len(tokens)
        self.seq = record.end
        return record

    def _kept(self, text: str, token_count: int) -> None:
        """So many tokens have this text."""
        self._index, self._pieces = token_count, [text] if text else []
        self._before = token_count - len(self._pieces)
        self._measured = self._length = 0

    def _length_of(self, pieces: int) -> int:
        """How many characters the first so many pieces have. Asked for in order, it costs what is new."""
        if pieces < self._measured:
            self._measured = self._length = 0
        self._length += sum(map(len, self._pieces[self._measured : pieces]))
        self._measured = max(self._measured, pieces)
        return self._length

    def _event(self, kind: ObservabilityEventType, ts: float, meta: dict[str, Any]) -> RecordedEvent | None:
        """What is recorded of an event, if anything is."""
        match kind:
            case E.SESSION_START:
                if self._is_resumed:
                    return None
                context = redacted(written_down(self._ctx.context))
                return t.StartEvent(ts=ts, options=t.SerializedOptions(metadata=context or None))
            case E.OUTPUT:
                return self._output(ts, meta)
            case E.CHECKPOINT_SAVED:
                at = meta["tokenCount"]
                return t.CheckpointEvent(ts=ts, at=at + self._before, length=self._length_of(at))
            case E.DRIFT_CHECK_RESULT:
                found = t.DriftEventResult(meta["detected"], list(meta["metrics"]), meta["score"] or 0.0)
                return t.DriftEvent(ts=ts, at=self._index, result=found)
            case E.RETRY_ATTEMPT:
                return t.RetryEvent(
                    ts=ts,
                    reason=meta["reason"],
                    attempt=meta["attempt"],
                    counts_toward_limit=meta["countsTowardLimit"],
                    delay=meta["delay"] * 1000,
                    error=self._failure(),
                )
            case E.FALLBACK_START:
                return t.FallbackEvent(
                    ts=ts, to=meta["toIndex"], from_=meta["fromIndex"], reason=meta["reason"], error=self._failure()
                )
            case E.CONTINUATION_START:
                return t.ContinuationEvent(ts=ts, at=self._index, length=meta["checkpointLength"])
            case E.ERROR:
                self._end = meta
            case E.SESSION_END:
                self.is_over = True
                return self._last(ts, meta["outcome"])
        return None

    def _output(self, ts: float, meta: dict[str, Any]) -> RecordedEvent | None:
        if "error" in meta:
            self._error = meta["error"]
            return None
        if "violation" in meta:
            violation = meta["violation"]
            found = {each.name: written_down(getattr(violation, each.name)) for each in fields(violation)}
            result = t.GuardrailEventResult([found], violation.severity == "error" and violation.recoverable)
            result.should_halt = violation.halts
            return t.GuardrailEvent(ts=ts, at=self._index, result=result)
        event: Event = meta["event"]
        if event.is_complete:
            self._end = {"finish_reason": (event.data or {}).get("finish_reason"), "usage": event.usage}
            return None
        if event.is_reset:
            return self._reset(ts, event, meta["token_count"])
        return t.OutputEvent(ts=ts, event=event_as_dict(event))

    def _reset(self, ts: float, event: Event, token_count: int) -> t.ResetEvent:
        data = event.data or {}
        for channel in ("reasoning", "refusal"):
            if channel in data:
                return t.ResetEvent(ts=ts, keep=data[channel], token_count=token_count, channel=channel)
        if event.choice:
            return t.ResetEvent(ts=ts, keep=data["keep"], token_count=token_count, choice=event.choice)
        self._kept("".join(self._pieces)[: data["keep"]], token_count)
        return t.ResetEvent(ts=ts, keep=data["keep"], token_count=token_count)

    def _failure(self) -> t.SerializedError | None:
        """What the attempt failed of. Secrets of a provider's message are masked."""
        error, self._error = self._error, None
        if error is None:
            return None
        written = t.serialize_error(error)
        written.message = redacted(written.message)
        return written

    def _last(self, ts: float, outcome: str) -> RecordedEvent:
        state = self._ctx.state
        if outcome == "error":
            meta = self._end
            return t.ErrorEvent(
                ts=ts,
                error=self._failure() or t.SerializedError("Error", "the stream ended in an error"),
                failure_type=meta.get("failureType", ""),
                recovery_strategy=meta.get("recoveryStrategy", ""),
                policy=meta.get("policy", ""),
            )
        if outcome == "aborted":
            return t.AbortedEvent(ts=ts)
        return t.CompleteEvent(
            ts=ts,
            content=state.content,
            token_count=state.token_count,
            outcome=outcome,
            finish_reason=self._end.get("finish_reason"),
            usage=self._end.get("usage"),
        )


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """What any store can be told in a configuration. `ttl` is in milliseconds, 0 for ever."""

    url: str = ""
    ttl: int = 0
    on_store_error: OnStoreError = "degrade"


class StorePlugin:
    """What an entry point of `l0.stores` names: derive from it, and open the store that a URL means."""

    Options: ClassVar[type[StoreOptions]] = StoreOptions

    def __init__(self, options: Any = None) -> None:
        options = options or self.Options()
        self.store = self.open(options)
        self._recording = Recording(self.store, on_store_error=options.on_store_error)

    def open(self, options: Any) -> BaseEventStore:
        """The store of `options.url`."""
        raise NotImplementedError

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink | None:
        return self._recording.store_event(ctx)
