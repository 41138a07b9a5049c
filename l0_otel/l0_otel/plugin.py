"""The monitor `otel`: traces and metrics of streams."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from l0_core import Sink, StreamContext, hookimpl
from l0_otel.content import captures_content
from l0_otel.semconv import VERSIONS, Version

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["OtelMonitor"]

SCOPE = "l0_otel"
VERSION = "0.1.0"

logger = logging.getLogger("l0")


class OtelMonitor:
    """Tells OpenTelemetry of every stream: a span of the operation, one of each attempt, and metrics.

    The providers are those of the application, which are looked up when they are first needed, unless some are given.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`semconv` is the version of the GenAI conventions whose names are written: "latest" or "v1_36".

        `capture_content` writes the answer, and the prompt if the caller gives it, on the operation's span, and the
        messages of errors; None leaves it to OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT.
        """

        semconv: Version = "latest"
        capture_content: bool | None = None

        def __post_init__(self) -> None:
            if self.semconv not in VERSIONS:
                raise ValueError(f"otel: semconv is {self.semconv!r}, and must be one of {', '.join(VERSIONS)}")

    def __init__(
        self,
        options: Options | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        from opentelemetry import metrics, trace

        from l0_otel.instruments import Instruments

        self.options = options or self.Options()
        self._names = VERSIONS[self.options.semconv]
        self._uses_global = tracer_provider is None
        self._tracer = trace.get_tracer(SCOPE, VERSION, tracer_provider)
        self._instruments = Instruments(metrics.get_meter(SCOPE, VERSION, meter_provider), self._names)

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink:
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        from l0_otel.operation import Operation

        if self._uses_global and isinstance(get_tracer_provider(), ProxyTracerProvider):
            _say_that_nothing_is_traced()
        captures = self.options.capture_content
        if captures is None:
            captures = captures_content()
        operation = Operation(ctx, self._tracer, self._instruments, self._names, captures)
        return Sink(operation.write, outputs=captures, around=operation.around)


@cache
def _say_that_nothing_is_traced() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        logger.warning(
            "otel: no tracer provider is set, so no span is exported; "
            "set one with opentelemetry.trace.set_tracer_provider()"
        )
