"""One stream, as it is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from l0_core import AttemptContext, Envelope, StreamContext
from l0_core import ObservabilityEvent as Event
from l0_core import ObservabilityEventType as E
from l0_sentry.life import Life
from l0_sentry.safe import exception_event
from l0_sentry.scopes import Scopes, at
from l0_sentry.spans import Spans, traces

__all__ = ["Report"]

STATUS = {"complete": "ok", "incomplete": "ok", "aborted": "cancelled"}
"""The status of a span by the outcome of its stream."""


class Options(Protocol):
    """What of the monitor's options matters here."""

    @property
    def capture_network_errors(self) -> bool: ...

    @property
    def capture_guardrail_violations(self) -> bool: ...

    @property
    def enable_tracing(self) -> bool: ...

    @property
    def tags(self) -> Mapping[str, str]: ...


class Report:
    """One stream's."""

    def __init__(self, ctx: StreamContext, options: Options) -> None:
        self._state = ctx.state
        self._options = options
        self._scopes = Scopes(ctx.stream_id)
        self.sends_pii = self._scopes.sends_pii
        self.spans = Spans(self._scopes) if options.enable_tracing and traces(self._scopes) else None
        self._life = Life(ctx.stream_id)
        self._error: BaseException | None = None

    def around(self, attempt: AttemptContext) -> AbstractContextManager[None]:
        assert self.spans is not None
        return self.spans.around(attempt.number)

    def write(self, batch: Sequence[Envelope]) -> None:
        for envelope in batch:
            tell = _TOLD.get(envelope.event.type)
            if tell is not None:
                tell(self, envelope.event)

    def _crumb(self, event: Event, category: str, message: str, level: str = "info", /, **data: Any) -> None:
        told = {"category": category, "message": message, "level": level, "timestamp": at(event.ts)}
        self._scopes.breadcrumb({**told, "data": data})

    def _begins(self, event: Event) -> None:
        if self.spans is not None:
            self.spans.began(event.ts)

    def _attempt_begins(self, event: Event) -> None:
        self._life.attempt_begins(event.meta.get("attempt", self._life.attempts + 1))
        if self.spans is not None:
            self.spans.attempt_began(self._life.attempts, event.ts, self._life.source)

    def _detected(self, event: Event) -> None:
        self._life.provider = event.meta.get("adapterId")

    def _resumes(self, event: Event) -> None:
        self._crumb(event, "l0.stream", "Resumed", token_count=event.meta.get("tokenCount"))

    def _reset(self, event: Event) -> None:
        self._life.resets += 1
        self._crumb(event, "l0.stream", "Reset: text was withdrawn", "warning", keep=event.meta.get("keep"))

    def _timed_out(self, event: Event) -> None:
        data = {"timeout_type": event.meta.get("timeoutType"), "limit_ms": event.meta.get("configuredMs")}
        self._crumb(event, "l0.timeout", "Timeout", "warning", **data)

    def _network_failed(self, event: Event) -> None:
        self._life.network_code = event.meta.get("code")

    def _raised(self, event: Event) -> None:
        self._error = event.meta.get("error", self._error)

    def _failed(self, event: Event) -> None:
        life, meta = self._life, event.meta
        life.failed(meta)
        follows = meta.get("recoveryStrategy")
        self._crumb(
            event,
            "l0.network" if life.category == "network" else "l0.error",
            f"Attempt {life.attempts} failed",
            "error" if follows == "halt" else "warning",
            error=life.error,
            category=life.category,
            error_code=life.error_code,
            network_code=life.network_code,
            follows=follows,
        )
        if self.spans is not None:
            self.spans.attempt_ended(life.attempts, event.ts, self._failure)

    def _retries(self, event: Event) -> None:
        life, meta = self._life, event.meta
        life.retries += 1
        life.network_retries += bool(meta.get("isNetwork"))
        data = {"attempt": meta.get("attempt"), "reason": meta.get("reason"), "delay_s": meta.get("delay")}
        self._crumb(event, "l0.retry", "Retry", "warning", **data)

    def _falls_back(self, event: Event) -> None:
        self._life.source = event.meta.get("toIndex", self._life.source + 1)
        data = {"from_index": event.meta.get("fromIndex"), "to_index": self._life.source}
        self._crumb(event, "l0.fallback", "Fallback", "warning", **data)

    def _judged(self, event: Event) -> None:
        if event.meta.get("passed") is not False:
            return
        rule = event.meta.get("ruleId", "unknown")
        severity = (event.meta.get("violation") or {}).get("severity", "error")
        self._life.rules[rule] = severity
        # The severities of violations are levels of Sentry's.
        self._crumb(event, "l0.guardrail", f"Guardrail violation: {rule}", severity, severity=severity)

    def _drifts(self, event: Event) -> None:
        if event.meta.get("detected"):
            self._crumb(event, "l0.drift", "Drift", "warning", types=sorted(event.meta.get("metrics", ())))

    def _accepted(self, event: Event) -> None:
        if self.spans is not None:
            self.spans.attempt_ended(self._life.attempts, event.ts, "ok")

    def _summary(self, event: Event) -> None:
        outcome = str(event.meta.get("outcome", self._state.outcome))
        if outcome == "error" and self._is_issue:
            self._capture(event)
        if self.spans is not None:
            self.spans.ended(event.ts, STATUS.get(outcome, self._failure), self._span_data(outcome, event))

    @property
    def _is_issue(self) -> bool:
        if self._life.category == "network":
            return self._options.capture_network_errors
        return self._options.capture_guardrail_violations or not self._life.by_guardrail

    def _capture(self, event: Event) -> None:
        life = self._life
        self._scopes.capture(
            exception_event(
                life.error,
                life.said,
                self._error,
                timestamp=at(event.ts),
                fingerprint=life.fingerprint,
                tags={**self._options.tags, **life.tags},
                contexts={"l0": life.context(event.meta)},
            )
        )

    @property
    def _failure(self) -> str:
        """The status of a span of what failed."""
        if self._life.failure == "timeout":
            return "deadline_exceeded"
        return "unavailable" if self._life.category in ("network", "transient") else "internal_error"

    def _span_data(self, outcome: str, event: Event) -> dict[str, Any]:
        life, state, summary = self._life, self._state, event.meta
        first, usage = state.first_token_at, state.usage or {}
        reason = state.finish_reason
        begun = summary.get("startTs")
        waited = None if first is None or begun is None else max(0.0, first - begun / 1000)
        return {
            "gen_ai.system": life.provider,
            "gen_ai.response.finish_reasons": None if reason is None else [reason],
            "gen_ai.response.time_to_first_token": waited,
            "gen_ai.usage.input_tokens": usage.get("input_tokens"),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
            "gen_ai.usage.total_tokens": usage.get("total_tokens"),
            "l0.outcome": outcome,
            "l0.attempts": life.attempts,
            "l0.retries": life.retries,
            "l0.fallback_index": life.source,
            "l0.token_count": summary.get("tokenCount"),
            "l0.resets": life.resets,
            "l0.guardrail_violations": summary.get("guardrailViolations"),
        }


_TOLD: dict[E, Callable[[Report, Event], None]] = {
    E.SESSION_START: Report._begins,
    E.ATTEMPT_START: Report._attempt_begins,
    E.ADAPTER_DETECTED: Report._detected,
    E.RESUME_START: Report._resumes,
    E.RESET: Report._reset,
    E.TIMEOUT_TRIGGERED: Report._timed_out,
    E.NETWORK_ERROR: Report._network_failed,
    E.OUTPUT: Report._raised,
    E.ERROR: Report._failed,
    E.RETRY_ATTEMPT: Report._retries,
    E.FALLBACK_START: Report._falls_back,
    E.GUARDRAIL_RULE_RESULT: Report._judged,
    E.DRIFT_CHECK_RESULT: Report._drifts,
    E.FINALIZATION_START: Report._accepted,
    E.SESSION_SUMMARY: Report._summary,
}
