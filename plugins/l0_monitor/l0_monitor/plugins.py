"""The monitors `metrics` and `telemetry`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from l0_core import Envelope, ObservabilityEventType, Sink, StreamContext, hookimpl
from l0_monitor.counters import Metrics, get_global_metrics
from l0_monitor.metas import counts_as_network

if TYPE_CHECKING:
    from l0_monitor.telemetry import Telemetry

__all__ = ["MetricsMonitor", "TelemetryMonitor"]

E = ObservabilityEventType


class MetricsMonitor:
    """Counts what streams do, in the counters of the process unless others are given."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = get_global_metrics() if metrics is None else metrics
        self._lock = threading.Lock()

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink:
        """Each stream's events, counted."""
        is_read = False

        def write(batch: Sequence[Envelope]) -> None:
            nonlocal is_read
            with self._lock:
                for envelope in batch:
                    if envelope.event.type is E.ATTEMPT_START and not is_read:
                        # A stream that is closed unread has a beginning and an end as well.
                        is_read = True
                        self.metrics.requests += 1
                    self._count(envelope.event.type, envelope.event.meta)

        return Sink(write)

    def _count(self, kind: ObservabilityEventType, meta: Mapping[str, Any]) -> None:
        counts = self.metrics
        if kind is E.RETRY_ATTEMPT:
            counts.retries += 1
            counts.network_retry_count += counts_as_network(meta)
        elif kind is E.ERROR:
            counts.errors += 1
        elif kind is E.GUARDRAIL_RULE_RESULT:
            counts.violations += meta.get("passed") is False
        elif kind is E.DRIFT_CHECK_RESULT:
            counts.drift_detections += bool(meta.get("detected"))
        elif kind is E.FALLBACK_START:
            counts.fallbacks += 1
        elif kind is E.TIMEOUT_TRIGGERED:
            counts.timeouts += meta.get("timeoutType") in ("initial", "inter")
        elif kind is E.SESSION_SUMMARY:
            counts.tokens += meta.get("tokenCount", 0)
            counts.completions += meta.get("outcome") == "complete"


class TelemetryMonitor:
    """Makes telemetry of each stream. `monitor` is the `Monitor` that keeps it.

    The finished telemetry is a record of the logger `l0`, is given to `on_complete` if there is one, and goes to the
    file `path` as a line of JSON if one is configured.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`path` is a file to append to, or none if empty; the rest is as in `MonitoringConfig`."""

        path: str = ""
        log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
        rate: float = 1.0
        slow_threshold: float = 5.0
        buffer_size: int = 100
        inter_token_latency: bool = False

        def __post_init__(self) -> None:
            if not 0 <= self.rate <= 1:
                raise ValueError(f"rate is from 0 to 1, not {self.rate!r}")
            if self.slow_threshold < 0 or self.buffer_size < 0:
                raise ValueError("slow_threshold and buffer_size are not negative")

    def __init__(
        self, options: Options | None = None, *, on_complete: Callable[[Telemetry], object] | None = None
    ) -> None:
        # pydantic takes its time to be imported, and is only needed where telemetry is made.
        from l0_monitor.config import MetricsConfig, MonitoringConfig, SamplingConfig
        from l0_monitor.monitor import Monitor

        self.options = options or self.Options()
        self._on_complete = on_complete
        self._lines: deque[str] = deque()
        self._lock = threading.Lock()
        self.monitor = Monitor(
            MonitoringConfig(
                sampling=SamplingConfig(rate=self.options.rate, slow_threshold=self.options.slow_threshold),
                metrics=MetricsConfig(inter_token_latency=self.options.inter_token_latency),
                buffer_size=self.options.buffer_size,
                log_level=self.options.log_level,
            ),
            on_complete=self._finished,
        )

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink:
        """A stream's events, to the monitor; its text only if the times between tokens are asked for."""
        sink = self.monitor.store_event(ctx)
        assert sink is not None

        def write(batch: Sequence[Envelope]) -> Awaitable[None] | None:
            sink.write(batch)
            return asyncio.to_thread(self._append) if self._lines else None

        return Sink(write, tokens=sink.tokens)

    def _finished(self, telemetry: Telemetry) -> None:
        from l0_monitor.exporter import TelemetryExporter

        if self.options.path:
            self._lines.append(TelemetryExporter.to_jsonl([telemetry]))
        if self._on_complete is not None:
            self._on_complete(telemetry)

    def _append(self) -> None:
        """Write what has gathered, in one piece: other processes may write to the file as well."""
        with self._lock:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if not lines:
                return
            path = Path(self.options.path).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(file, "ab", buffering=0) as opened:
                opened.write("".join(lines).encode("ascii"))
