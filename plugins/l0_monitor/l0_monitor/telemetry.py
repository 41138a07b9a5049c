"""What is known of one stream when it has ended. Times are in seconds; points in time are since the epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

__all__ = [
    "ContinuationInfo",
    "DriftInfo",
    "ErrorInfo",
    "GuardrailInfo",
    "Metrics",
    "NetworkInfo",
    "RetryInfo",
    "Telemetry",
    "TimingInfo",
]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that `percent` per cent of them do not exceed. Raises ValueError if there is none."""
    if not values:
        raise ValueError("there is no percentile of no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


class TimingInfo(BaseModel):
    """When a stream was read. `inter_token_latencies` are the latest waits from one token to the next."""

    started_at: float | None = None
    completed_at: float | None = None
    duration: float | None = None
    time_to_first_token: float | None = None
    inter_token_latencies: list[float] = Field(default_factory=list)


class RetryInfo(BaseModel):
    """How often it was tried. `attempt` counts from 1 over all sources; `last_error` is the type of an exception."""

    attempt: int = 1
    max_attempts: int = 1
    model_retries: int = 0
    network_retries: int = 0
    total_retries: int = 0
    fallbacks: int = 0
    last_error: str | None = None
    last_error_category: str | None = None


class GuardrailInfo(BaseModel):
    """What guardrails found. A violation has `rule`, `severity`, `recoverable` and `position`, as far as known."""

    rules_checked: int = 0
    violations: list[dict[str, Any]] = Field(default_factory=list)
    passed: bool = True


class NetworkInfo(BaseModel):
    """Faults of the network that it met. `errors_by_type` counts them by their `NetworkErrorType`."""

    error_count: int = 0
    errors_by_type: dict[str, int] = Field(default_factory=dict)


class DriftInfo(BaseModel):
    """How it drifted. `types` are those that were found in any attempt."""

    detected: bool = False
    types: list[str] = Field(default_factory=list)


class ContinuationInfo(BaseModel):
    """How often an attempt went on from what had been said. Of the last one, in characters: `checkpoint_length` is what
    it was to go on from, `overlap_length` what it repeated of that."""

    used: bool = False
    count: int = 0
    checkpoint_length: int = 0
    overlap_length: int = 0


class ErrorInfo(BaseModel):
    """How the stream failed, if it did: an error that was recovered from is in `RetryInfo` alone.

    `message` and `stack` are what the events say. Those of the runtime give the type of the exception, and no stack.
    """

    occurred: bool = False
    message: str | None = None
    category: str | None = None
    code: str | None = None
    stack: str | None = None
    recoverable: bool = False


class Metrics(BaseModel):
    """Figures of one stream."""

    token_count: int = 0
    tokens_per_second: float | None = None
    time_to_first_token: float | None = None
    avg_inter_token_latency: float | None = None
    p50_inter_token_latency: float | None = None
    p90_inter_token_latency: float | None = None
    p99_inter_token_latency: float | None = None

    @classmethod
    def calculate(
        cls,
        token_count: int,
        duration: float | None,
        time_to_first_token: float | None,
        inter_token_latencies: Sequence[float],
    ) -> Metrics:
        """The figures of a stream. p90 is known from 10 latencies on, p99 from 100 on."""
        latencies = sorted(inter_token_latencies)
        count = len(latencies)
        return cls(
            token_count=token_count,
            tokens_per_second=token_count / duration if duration and duration > 0 else None,
            time_to_first_token=time_to_first_token,
            avg_inter_token_latency=math.fsum(latencies) / count if count else None,
            p50_inter_token_latency=percentile(latencies, 50) if count else None,
            p90_inter_token_latency=percentile(latencies, 90) if count >= 10 else None,
            p99_inter_token_latency=percentile(latencies, 99) if count >= 100 else None,
        )


class Telemetry(BaseModel):
    """One stream. `metadata` is what the caller passed as `context`, without `gen_ai.input.messages`, the prompt.

    A stream that ended well is `completed`; one that the provider cut short, and one that failed, is neither
    `completed` nor `aborted`. It holds nothing of what was asked or answered.
    """

    stream_id: str
    session_id: str | None = None
    model: str | None = None
    timing: TimingInfo = Field(default_factory=TimingInfo)
    retries: RetryInfo = Field(default_factory=RetryInfo)
    guardrails: GuardrailInfo = Field(default_factory=GuardrailInfo)
    network: NetworkInfo = Field(default_factory=NetworkInfo)
    drift: DriftInfo = Field(default_factory=DriftInfo)
    continuation: ContinuationInfo = Field(default_factory=ContinuationInfo)
    error: ErrorInfo = Field(default_factory=ErrorInfo)
    metrics: Metrics = Field(default_factory=Metrics)
    metadata: dict[str, Any] = Field(default_factory=dict)
    content_length: int = 0
    completed: bool = False
    aborted: bool = False

    def finalize(self) -> None:
        """Work out what follows from the rest: the duration and the metrics. The end is now, if it is not known."""
        timing = self.timing
        if timing.completed_at is None:
            timing.completed_at = time.time()
        if timing.started_at is not None:
            timing.duration = max(0.0, timing.completed_at - timing.started_at)
        self.metrics = Metrics.calculate(
            self.metrics.token_count, timing.duration, timing.time_to_first_token, timing.inter_token_latencies
        )
