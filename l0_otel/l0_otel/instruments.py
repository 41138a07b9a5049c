"""What is measured of operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Meter

from l0_otel.attributes import SemanticAttributes
from l0_otel.semconv import DURATION_BUCKETS, TOKEN_BUCKETS, Names

__all__ = ["Instruments"]

TOKEN_TIME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5)
"""Bounds in seconds for the time of one token."""


class Instruments:
    """The instruments of one meter. Durations are in seconds."""

    def __init__(self, meter: Meter, names: Names) -> None:
        self._names = names
        self._duration = meter.create_histogram(
            names.duration_metric,
            "s",
            "Time from the beginning of an operation to its end, with all attempts and the waits between them.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self._first_chunk = meter.create_histogram(
            names.first_chunk_metric,
            "s",
            "Time from the beginning of the first attempt to the first output, of whichever attempt.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self._output_chunk = meter.create_histogram(
            names.output_chunk_metric,
            "s",
            "Mean time of a token after the first one, measured once per operation.",
            explicit_bucket_boundaries_advisory=TOKEN_TIME_BUCKETS,
        )
        self._usage = {name: _usage(meter, name, names) for name in names.usage_metrics.values()}

    def duration(self, seconds: float, attributes: Mapping[str, Any], context: Context | None) -> None:
        self._duration.record(max(0.0, seconds), attributes, context)

    def first_chunk(self, seconds: float, attributes: Mapping[str, Any], context: Context | None) -> None:
        self._first_chunk.record(max(0.0, seconds), attributes, context)

    def output_chunk(self, seconds: float, attributes: Mapping[str, Any], context: Context | None) -> None:
        self._output_chunk.record(max(0.0, seconds), attributes, context)

    def usage(
        self, usage: Mapping[str, int], attributes: Mapping[str, Any], attempt: str, context: Context | None
    ) -> None:
        """Count the tokens of an attempt that has `succeeded` or `failed`.

        A counter is told of none where the provider said nothing, as the conventions ask; a histogram is told nothing.
        """
        for key, name in self._names.usage_metrics.items():
            count = usage.get(key, 0 if self._names.usage_is_counted else None)
            if not isinstance(count, int) or count < 0:
                continue
            said = {
                **attributes,
                **self._names.usage_attributes[key],
                SemanticAttributes.L0_ATTEMPT_OUTCOME: attempt,
            }
            instrument = self._usage[name]
            if isinstance(instrument, Counter):
                instrument.add(count, said, context)
            else:
                instrument.record(count, said, context)


def _usage(meter: Meter, name: str, names: Names) -> Any:
    described = "Tokens as the provider counted them."
    if names.usage_is_counted:
        return meter.create_counter(name, "{token}", described)
    return meter.create_histogram(name, "{token}", described, explicit_bucket_boundaries_advisory=TOKEN_BUCKETS)
