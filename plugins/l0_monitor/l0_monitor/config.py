"""What a `Monitor` collects, and of which streams it is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["MetricsConfig", "MonitoringConfig", "SamplingConfig"]


class SamplingConfig(BaseModel):
    """Which streams are kept.

    `rate` is the share of streams, from 0 to 1; of those, the ones shorter than `min_duration` seconds are left out.
    With `sample_errors`, streams in which an attempt failed are kept whatever the rate, and with `sample_slow` those
    that take `slow_threshold` seconds or more.
    """

    rate: float = Field(default=1.0, ge=0, le=1)
    min_duration: float = Field(default=0.0, ge=0)
    sample_errors: bool = True
    sample_slow: bool = True
    slow_threshold: float = Field(default=5.0, ge=0)


class MetricsConfig(BaseModel):
    """What is collected. What is not stays at its default in the telemetry.

    `inter_token_latency` needs TOKEN events, which the `telemetry` plugin asks the runtime for if it is set.
    `percentiles`, from 0 to 100, are those of the durations in `Monitor.get_aggregate_metrics()`.
    """

    collect_tokens: bool = True
    collect_timing: bool = True
    collect_retries: bool = True
    collect_guardrails: bool = True
    collect_errors: bool = True
    inter_token_latency: bool = False
    percentiles: list[float] = Field(default_factory=lambda: [50.0, 90.0, 99.0])


class MonitoringConfig(BaseModel):
    """How a `Monitor` works.

    `buffer_size` is the number of finished streams that are kept, the latest. Each finished stream is a record of the
    logger `l0` at `log_level`. `flush_interval` is accepted and changes nothing: telemetry is handed over when its
    stream ends, so nothing is ever held back.
    """

    enabled: bool = True
    sampling: SamplingConfig = Field(default_factory=SamplingConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    buffer_size: int = Field(default=100, ge=0)
    flush_interval: float = Field(default=0.0, ge=0)
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"

    @classmethod
    def default(cls) -> MonitoringConfig:
        """Every stream, and everything but the times between tokens."""
        return cls()

    @classmethod
    def production(cls) -> MonitoringConfig:
        """A tenth of the streams, and all that failed or were slow; the log is told at DEBUG."""
        return cls(sampling=SamplingConfig(rate=0.1), buffer_size=1000, log_level="debug")

    @classmethod
    def development(cls) -> MonitoringConfig:
        """Every stream, and everything."""
        return cls(metrics=MetricsConfig(inter_token_latency=True))

    @classmethod
    def minimal(cls) -> MonitoringConfig:
        """A hundredth of the streams, and all that failed: tokens, timing and errors."""
        return cls(
            sampling=SamplingConfig(rate=0.01, sample_slow=False),
            metrics=MetricsConfig(collect_retries=False, collect_guardrails=False),
            buffer_size=10,
            log_level="debug",
        )
