"""Telemetry of many streams, from their events."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from l0_core import Envelope, ObservabilityEvent, ObservabilityEventType, Sink, StreamContext, hookimpl
from l0_monitor.calling import call, logger
from l0_monitor.config import MonitoringConfig
from l0_monitor.exporter import TelemetryExporter
from l0_monitor.recording import Recording
from l0_monitor.telemetry import Telemetry, percentile

__all__ = ["Monitor"]

E = ObservabilityEventType

RUNNING = 10_000
"""Streams that are followed at once. Beyond that the oldest is given up: its end never came."""

REMEMBERED = 1_000
"""Streams whose end is remembered, at least: what is told of them later is of no stream that begins."""

LAST = (E.FINALIZATION_END, E.SESSION_SUMMARY, E.SESSION_END)


class Monitor:
    """Makes telemetry of events: `await l0.run(model, on_event=monitor.handle_event)`.

    Given as a plugin instead, `plugins=[monitor]`, it knows more, since it may look at the state of the stream: when
    the first token came and how much text there was, however the stream ends. From events alone the first token is
    timed if `Timeout.inter_token` is set; otherwise by the end of a stream that completes, less the time that its
    tokens took. With `MetricsConfig.inter_token_latency` a plugin is given the tokens, to time them. Give it one way or
    the other: given both ways it would tell of each stream twice.

    A stream is finished once, whatever becomes of it, and kept if it is sampled: the latest `config.buffer_size` are.
    `on_complete(telemetry)` is called for each that is kept; what it raises is logged. Streams may be interleaved, and
    may come from several threads.
    """

    def __init__(
        self, config: MonitoringConfig | None = None, *, on_complete: Callable[[Telemetry], object] | None = None
    ) -> None:
        self.config = config or MonitoringConfig.default()
        self._on_complete = on_complete
        self._running: OrderedDict[str, Recording] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._finished: deque[Telemetry] = deque(maxlen=self.config.buffer_size)
        self._lock = threading.Lock()

    def handle_event(self, event: ObservabilityEvent) -> None:
        """Take down an event, of the runtime or made by hand: `meta` may have camelCase or snake_case keys."""
        if not self.config.enabled:
            return
        with self._lock:
            recording = self._recording(event)
            if recording is None:
                return
            recording.add(event)
            if not recording.ended:
                return
            telemetry = self._finish(event.stream_id, recording)
        if telemetry is not None:
            self._hand_over(telemetry)

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink | None:
        """Take down a stream of the runtime."""
        if not self.config.enabled:
            return None

        def write(batch: Sequence[Envelope]) -> None:
            for envelope in batch:
                self.handle_event(_with_state(envelope.event, ctx))

        return Sink(write, tokens=self.config.metrics.inter_token_latency)

    def get_telemetry(self, stream_id: str | None = None) -> Telemetry | None:
        """A stream's telemetry so far, or None if nothing is kept of it. Without an id, that of the latest stream."""
        with self._lock:
            if stream_id is None:
                running = next((each for each in reversed(self._running.values()) if _is_kept(each)), None)
                if running is None:
                    return self._finished[-1] if self._finished else None
            else:
                found = self._running.get(stream_id)
                running = found if found is not None and _is_kept(found) else None
            if running is not None:
                return running.telemetry()
            return next((each for each in reversed(self._finished) if each.stream_id == stream_id), None)

    def get_all_telemetry(self) -> list[Telemetry]:
        """The finished streams that are kept, the oldest first."""
        with self._lock:
            return list(self._finished)

    def clear(self) -> None:
        """Forget every stream, those that still run as well: what is told of them later is passed over."""
        with self._lock:
            for stream_id in self._running:
                self._ended[stream_id] = None
            self._running.clear()
            self._finished.clear()
            self._forget()

    def get_aggregate_metrics(self) -> dict[str, Any]:
        """Figures over the finished streams that are kept; empty without any. Times are in seconds.

        The counts `total_streams`, `completed`, `aborted`, `errors`, `total_tokens`, `total_retries`,
        `total_violations`; the rates `success_rate` and `error_rate`, from 0 to 1; and, of the streams that have them
        (None if none has), the averages `avg_duration`, `avg_time_to_first_token`, `avg_tokens_per_second` and the
        percentiles `p50_duration` and so on.
        """
        known = self.get_all_telemetry()
        if not known:
            return {}
        count = len(known)
        completed = sum(each.completed for each in known)
        errors = sum(each.error.occurred for each in known)
        durations = _given(each.timing.duration for each in known)
        return {
            "total_streams": count,
            "completed": completed,
            "aborted": sum(each.aborted for each in known),
            "errors": errors,
            "total_tokens": sum(each.metrics.token_count for each in known),
            "total_retries": sum(each.retries.total_retries for each in known),
            "total_violations": sum(len(each.guardrails.violations) for each in known),
            "success_rate": completed / count,
            "error_rate": errors / count,
            "avg_duration": _mean(durations),
            "avg_time_to_first_token": _mean(_given(each.metrics.time_to_first_token for each in known)),
            "avg_tokens_per_second": _mean(_given(each.metrics.tokens_per_second for each in known)),
            **{
                f"p{percent:g}_duration": percentile(durations, percent) if durations else None
                for percent in self.config.metrics.percentiles
            },
        }

    def _recording(self, event: ObservabilityEvent) -> Recording | None:
        """The stream that an event is of: one that runs, one that begins, or None for one that has ended."""
        found = self._running.get(event.stream_id)
        if found is not None:
            return found
        if event.type in LAST or (event.stream_id in self._ended and event.type is not E.SESSION_START):
            return None
        sampled = random.random() < self.config.sampling.rate
        found = self._running[event.stream_id] = Recording(event, sampled, self.config.metrics)
        if len(self._running) > RUNNING:
            given_up, _ = self._running.popitem(last=False)
            logger.warning("stream %s is not followed any more: too many have not ended", given_up)
        return found

    def _finish(self, stream_id: str, recording: Recording) -> Telemetry | None:
        """A stream has ended: its telemetry, if it is kept."""
        del self._running[stream_id]
        self._ended[stream_id] = None
        self._ended.move_to_end(stream_id)
        self._forget()
        if not self._is_wanted(recording):
            return None
        telemetry = recording.telemetry()
        self._finished.append(telemetry)
        return telemetry

    def _forget(self) -> None:
        while len(self._ended) > max(REMEMBERED, self.config.buffer_size):
            self._ended.popitem(last=False)

    def _is_wanted(self, recording: Recording) -> bool:
        sampling = self.config.sampling
        if sampling.sample_errors and recording.failed:
            return True
        if sampling.sample_slow and recording.duration >= sampling.slow_threshold:
            return True
        return recording.sampled and recording.duration >= sampling.min_duration

    def _hand_over(self, telemetry: Telemetry) -> None:
        level = logging.getLevelNamesMapping()[self.config.log_level.upper()]
        if logger.isEnabledFor(level):
            logger.log(level, "%s", TelemetryExporter.to_log_format(telemetry))
        if self._on_complete is not None:
            call(self._on_complete, telemetry)


def _with_state(event: ObservabilityEvent, ctx: StreamContext) -> ObservabilityEvent:
    """The last events with what they do not all say: the length, and when the first token came."""
    if event.type not in (E.COMPLETE, E.ABORT_COMPLETED, E.SESSION_SUMMARY):
        return event
    at = ctx.state.first_token_at
    known = {"contentLength": len(ctx.state.content), "firstTokenTs": None if at is None else at * 1000}
    return replace(event, meta={**event.meta, **known})


def _is_kept(recording: Recording) -> bool:
    return recording.sampled or recording.failed


def _given(values: Any) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
