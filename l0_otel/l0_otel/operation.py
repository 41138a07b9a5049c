"""The spans of one stream: one for the operation, and below it one for each attempt.

A span of an attempt is begun where its request is made, so that the request's own spans lie below it and the trace goes
on at the provider. All else is known from the stream's events, which come in batches, and is told with their times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from l0_core import AttemptContext, Envelope, ObservabilityEvent, StreamContext
from l0_core import ObservabilityEventType as E
from l0_otel.attributes import SemanticAttributes as A
from l0_otel.content import input_messages, output_messages
from l0_otel.instruments import Instruments
from l0_otel.semconv import Names
from l0_otel.span_events import SPAN_EVENTS

__all__ = ["Operation"]

CHAT = "chat"
"""The name of the operation: what L0 reads is the answer of a model to messages."""

PROVIDERS = {"openai": "openai"}
"""What an adapter says of the provider, where the caller says nothing."""

ATTEMPT_OUTCOMES = {"complete": "succeeded", "incomplete": "succeeded", "error": "failed", "aborted": "aborted"}

SUMMARY: Mapping[str, tuple[str, type]] = {
    "tokenCount": (A.L0_TOKEN_COUNT, int),
    "retryCount": (A.L0_RETRY_COUNT, int),
    "fallbackDepth": (A.L0_FALLBACK_INDEX, int),
    "guardrailViolations": (A.L0_GUARDRAIL_VIOLATION_COUNT, int),
    "driftDetected": (A.L0_DRIFT_DETECTED, bool),
}


@dataclass(slots=True)
class _Begun:
    """A span that has not ended. `at` is when it began, in nanoseconds since the epoch."""

    span: Span
    at: int

    def end(self, at: int) -> int:
        """End it, not before it began. Returns when."""
        at = max(at, self.at)
        self.span.end(at)
        return at


class Operation:
    """What is told of one stream. Made when the stream is, in the context of whoever makes it."""

    def __init__(
        self, ctx: StreamContext, tracer: Tracer, instruments: Instruments, names: Names, captures: bool
    ) -> None:
        self._ctx, self._tracer, self._instruments, self._names = ctx, tracer, instruments, names
        self._captures = captures
        self._made = time.time_ns()
        self._caller: Context = otel_context.get_current()
        self._epoch: float | None = None
        self._whole: _Begun | None = None
        self._attempts: dict[int, _Begun] = {}
        self._latest: tuple[int, SpanContext] | None = None
        self._number = self._ended = 0
        self._first_attempt: float | None = None
        self._error: str | None = None
        self._provider = _text(ctx.context.get("provider"))
        self._taken_up = ctx.state.first_token_at is not None

    # Beginning.

    @contextmanager
    def around(self, attempt: AttemptContext) -> Iterator[None]:
        """The span of an attempt, current while its source is opened."""
        if self._epoch is None:
            self._epoch = time.time() - attempt.clock()
        at = int((self._epoch + attempt.clock()) * 1e9)
        span = self._begin(attempt.number, at, {A.L0_SOURCE: attempt.source, A.L0_CONTINUES: len(attempt.kept)}).span
        token = otel_context.attach(set_span_in_context(span))
        try:
            yield
        finally:
            otel_context.detach(token)

    def _begin(self, number: int, at: int, attributes: Mapping[str, Any]) -> _Begun:
        at = max(at, self._made)
        if self._whole is None:
            self._whole = _Begun(self._begin_whole(), self._made)
        links = [Link(self._latest[1])] if self._latest is not None and self._latest[0] < number else None
        span = self._tracer.start_span(
            f"attempt {number}",
            set_span_in_context(self._whole.span, self._caller),
            SpanKind.INTERNAL,
            {A.L0_ATTEMPT: number, **attributes},
            links,
            at,
        )
        self._latest = number, span.get_span_context()
        begun = self._attempts[number] = _Begun(span, at)
        return begun

    def _begin_whole(self) -> Span:
        names, model = self._names, _text(self._ctx.context.get("model"))
        attributes: dict[str, Any] = {**self._labels(), A.L0_SESSION_ID: self._ctx.stream_id}
        if names.stream is not None:
            attributes[names.stream] = True
        if self._captures and (prompt := input_messages(self._ctx.context, names.input_messages)) is not None:
            attributes[names.input_messages] = prompt
        name = f"{CHAT} {model}" if model else CHAT
        return self._tracer.start_span(name, self._caller, SpanKind.CLIENT, attributes, None, self._made)

    def _labels(self) -> dict[str, Any]:
        """What tells operations apart, on spans and metrics."""
        names, model = self._names, _text(self._ctx.context.get("model"))
        labels: dict[str, Any] = {names.operation: CHAT}
        if model:
            labels[names.model] = model
        if self._provider:
            labels[names.provider] = self._provider
        return labels

    # What happens.

    def write(self, batch: Sequence[Envelope]) -> None:
        """Take down what happened, in order. The last batch ends the spans, whatever becomes of the rest of it."""
        try:
            for envelope in batch:
                self._take(envelope.event)
        finally:
            last = batch[-1].event
            if last.type is E.SESSION_END:
                self._close(_nanoseconds(last))

    def _take(self, event: ObservabilityEvent) -> None:
        kind, meta, at = event.type, event.meta, _nanoseconds(event)
        if kind is E.ATTEMPT_START:
            self._attempt_began(meta, at)
            return
        if self._whole is None:
            return  # Nobody read the stream: there is nothing to tell of.
        if (described := SPAN_EVENTS.get(kind)) is not None:
            span = self._whole.span if described.whole else self._span()
            span.add_event(described.name, described.attributes(meta), at)
        if kind is E.ADAPTER_DETECTED:
            self._adapter_found(_text(meta.get("adapterId")))
        elif kind is E.OUTPUT and isinstance(error := meta.get("error"), BaseException):
            said = {"exception.type": type(error).__name__, "exception.message": str(error)}
            self._span().add_event("exception", said, at)
        elif kind is E.ERROR:
            self._attempt_failed(meta, at)
        elif kind is E.RETRY_GIVE_UP:
            self._error = _text(meta.get("lastError")) or self._error
        elif kind is E.FINALIZATION_START:
            self._end_attempt(self._number, at, "succeeded")
        elif kind is E.SESSION_SUMMARY:
            told = {name: meta.get(key) for key, (name, type_) in SUMMARY.items() if isinstance(meta.get(key), type_)}
            self._whole.span.set_attributes(told)
        elif kind is E.SESSION_END:
            self._end(str(meta.get("outcome")), at)

    def _span(self) -> Span:
        """The span of the attempt that events belong to; the operation's between two attempts."""
        assert self._whole is not None
        return self._attempts.get(self._number, self._whole).span

    def _attempt_began(self, meta: Mapping[str, Any], at: int) -> None:
        number = meta.get("attempt")
        if not isinstance(number, int):
            return
        for earlier in [earlier for earlier in self._attempts if earlier < number]:
            self._end_attempt(earlier, at, "abandoned")
        self._number = number
        if self._first_attempt is None:
            self._first_attempt = at / 1e9
        begun = self._attempts.get(number) or self._begin(number, at, {})
        for key, name in (("isRetry", A.L0_IS_RETRY), ("isFallback", A.L0_IS_FALLBACK)):
            begun.span.set_attribute(name, bool(meta.get(key)))

    def _adapter_found(self, adapter: str | None) -> None:
        if adapter is None:
            return
        self._span().set_attribute(A.L0_ADAPTER, adapter)
        if self._provider is None and adapter in PROVIDERS:
            assert self._whole is not None
            self._provider = PROVIDERS[adapter]
            self._whole.span.set_attribute(self._names.provider, self._provider)

    def _attempt_failed(self, meta: Mapping[str, Any], at: int) -> None:
        self._error = _text(meta.get("error")) or "_OTHER"
        usage = meta.get("usage")
        if isinstance(usage, Mapping):
            self._instruments.usage(usage, self._labels(), "failed", self._here())
        self._end_attempt(self._number, at, "failed")

    def _end_attempt(self, number: int, at: int, outcome: str) -> None:
        begun = self._attempts.pop(number, None)
        if begun is None:
            return
        begun.span.set_attribute(A.L0_ATTEMPT_OUTCOME, outcome)
        if outcome == "failed":
            begun.span.set_attribute(self._names.error, self._error or "_OTHER")
            begun.span.set_status(Status(StatusCode.ERROR))
        self._ended = max(self._ended, begun.end(at))

    # The end.

    def _end(self, outcome: str, at: int) -> None:
        whole, attempt = self._whole, ATTEMPT_OUTCOMES.get(outcome, "abandoned")
        assert whole is not None
        for number in list(self._attempts):
            self._end_attempt(number, at, attempt)
        labels = {**self._labels(), A.L0_OUTCOME: outcome}
        if outcome == "error":
            labels[self._names.error] = self._error or "_OTHER"
            whole.span.set_status(Status(StatusCode.ERROR))
        whole.span.set_attributes({**labels, **self._answer()})
        self._measure(labels, attempt, (at - whole.at) / 1e9)

    def _close(self, at: int) -> None:
        ends = [self._ended, at, *(begun.end(at) for begun in self._attempts.values())]
        if self._whole is not None:
            self._whole.end(max(ends))
        self._attempts, self._whole = {}, None

    def _answer(self) -> dict[str, Any]:
        """What is known of the answer at the end."""
        state, names = self._ctx.state, self._names
        told: dict[str, Any] = {
            attribute: count
            for key, attribute in names.usage.items()
            if isinstance(count := (state.usage or {}).get(key), int)
        }
        if state.finish_reason:
            told[names.finish_reasons] = (state.finish_reason,)
        if names.first_chunk is not None and (first := self._until_first_output()) is not None:
            told[names.first_chunk] = first
        if state.deduplication_applied:
            told[A.L0_OVERLAP] = len(state.overlap_removed or "")
        if self._captures:
            told[names.output_messages] = output_messages(state)
        return told

    def _measure(self, labels: Mapping[str, Any], attempt: str, seconds: float) -> None:
        state, measured, here = self._ctx.state, self._instruments, self._here()
        measured.duration(seconds, labels, here)
        if (first := self._until_first_output()) is not None:
            measured.first_chunk(first, labels, here)
        if state.duration is not None and state.token_count > 1 and not self._taken_up:
            measured.output_chunk(state.duration / (state.token_count - 1), labels, here)
        kept = {name: value for name, value in labels.items() if name not in (self._names.error, A.L0_OUTCOME)}
        measured.usage(state.usage or {}, kept, attempt, here)

    def _until_first_output(self) -> float | None:
        """Seconds from the beginning of the first attempt to what the stream said first."""
        first = self._ctx.state.first_token_at
        if first is None or self._first_attempt is None or self._taken_up:
            return None
        return max(0.0, first - self._first_attempt)

    def _here(self) -> Context:
        assert self._whole is not None
        return set_span_in_context(self._whole.span, self._caller)


def _nanoseconds(event: ObservabilityEvent) -> int:
    """When it happened, since the epoch."""
    return int(event.ts * 1_000_000)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
