"""The spans of one stream: one for the operation, and one below it for each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.tracing_utils import has_tracing_enabled

from l0_sentry.scopes import Scopes, at

if TYPE_CHECKING:
    from sentry_sdk.tracing import Span

__all__ = ["Spans", "traces"]

OPERATION = "gen_ai.chat"
ATTEMPT = "gen_ai.attempt"


def traces(scopes: Scopes) -> bool:
    """Whether spans can be made. With `trace_lifecycle="stream"` they are of another kind, which is not made here."""
    options = scopes.client.options
    lifecycle = options.get("trace_lifecycle") or (options.get("_experiments") or {}).get("trace_lifecycle")
    return has_tracing_enabled(options) and lifecycle != "stream"


class Spans:
    """Live spans of a stream, below the span that is current when they are made; without one, a transaction.

    Times are in milliseconds since the epoch. The operation is set in the scopes, so that what is reported from them
    is found with the trace.
    """

    def __init__(self, scopes: Scopes, name: str = "chat") -> None:
        self._scopes, self._name = scopes, name
        self._attempts: dict[int, Span] = {}
        self._parent = scopes.current.span or scopes.isolation.span
        self._began: float | None = None

    @cached_property
    def operation(self) -> Span:
        """Made when it is first needed: a stream that nobody reads has none."""
        with self._scopes.entered() as scope:
            if self._parent is None:
                span: Span = scope.start_transaction(op=OPERATION, name=self._name)
            else:
                span = self._parent.start_child(op=OPERATION)
                span.description = self._name
            scope.span = span
        span.set_data("gen_ai.operation.name", "chat")
        span.set_data("gen_ai.response.streaming", True)
        return span

    def began(self, ts: float) -> None:
        """The stream began: events come later than what they tell of."""
        self._began = ts

    def attempt_began(self, number: int, ts: float, source: int) -> None:
        span = self._attempt(number)
        span.start_timestamp = at(ts)
        span.set_data("l0.attempt", number)
        span.set_data("l0.fallback_index", source)

    def attempt_ended(self, number: int, ts: float, status: str) -> None:
        span = self._attempts.pop(number, None)
        if span is not None:
            self._finish(span, ts, status)

    def ended(self, ts: float, status: str, data: Mapping[str, Any]) -> None:
        """The stream is over, and so is whatever attempt is not."""
        for number in list(self._attempts):
            self.attempt_ended(number, ts, status)
        for key, value in data.items():
            if value is not None:
                self.operation.set_data(key, value)
        if self._began is not None:
            self.operation.start_timestamp = at(self._began)
        self._finish(self.operation, ts, status)

    @contextmanager
    def around(self, number: int) -> Iterator[None]:
        """Make an attempt's span current, so that the trace goes on into the requests that are made."""
        with sentry_sdk.new_scope() as scope:
            scope.span = self._attempt(number)
            yield

    def _attempt(self, number: int) -> Span:
        span = self._attempts.get(number)
        if span is None:
            # The span may be asked for before its event has come, or after.
            span = self._attempts[number] = self.operation.start_child(op=ATTEMPT)
            span.description = f"attempt {number}"
        return span

    def _finish(self, span: Span, ts: float, status: str) -> None:
        span.set_status(status)
        with self._scopes.entered() as scope:
            span.finish(scope, at(ts))
