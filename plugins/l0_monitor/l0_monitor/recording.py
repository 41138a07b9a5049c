"""One stream's telemetry, made of its events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from l0_core import ObservabilityEvent, ObservabilityEventType
from l0_monitor.config import MetricsConfig
from l0_monitor.metas import counts_as_network, first, named, number
from l0_monitor.telemetry import (
    ContinuationInfo,
    DriftInfo,
    ErrorInfo,
    GuardrailInfo,
    Metrics,
    NetworkInfo,
    RetryInfo,
    Telemetry,
    TimingInfo,
)

__all__ = ["Recording"]

E = ObservabilityEventType

LATENCIES = 10_000
"""Waits between tokens that are kept of one stream, the latest."""

VIOLATIONS = 1_000
"""Violations that are kept of one stream, the first."""

KINDS = 100
"""Kinds of network errors, and of drift, that are kept apart in one stream."""

RECOVERED = ("retry", "fallback", "continue")

PROMPT = "gen_ai.input.messages"
"""The key of a context by which `l0-otel` is given the prompt, for traces. It is no metadata."""


class Recording:
    """What is known so far of one stream. `ended` once it has its outcome."""

    def __init__(self, event: ObservabilityEvent, sampled: bool, config: MetricsConfig) -> None:
        self._config = config
        self.sampled = sampled
        self.failed = False
        """Whether an attempt failed, if only to be made again."""
        self.ended = False
        context = {str(key): value for key, value in event.context.items() if key != PROMPT}
        self._telemetry = Telemetry(stream_id=event.stream_id, metadata=context)
        self._telemetry.session_id = named(first(event.context, "session_id"))
        self._telemetry.timing.started_at = event.ts / 1000
        self._by_runtime = False
        self._rules: set[str] = set()
        self._nameless = 0
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._last_token: float | None = None
        self._closed: float | None = None
        self._completed = False

    def add(self, event: ObservabilityEvent) -> None:
        """Take down an event of this stream."""
        model = first(event.meta, "model") or first(event.context, "model")
        if isinstance(model, str):
            self._telemetry.model = model
        handle = _HANDLERS.get(event.type)
        if handle is not None:
            handle(self, event, event.meta)
        if self.ended:
            timing = self._telemetry.timing
            timing.completed_at, timing.inter_token_latencies = event.ts / 1000, list(self._latencies)
            self._telemetry.finalize()

    def telemetry(self) -> Telemetry:
        """A copy of what is known, without what is not to be collected."""
        known = self._telemetry.model_copy()
        for name in ("timing", "retries", "guardrails", "network", "drift", "continuation", "error", "metrics"):
            setattr(known, name, getattr(known, name).model_copy())
        known.guardrails.violations = list(known.guardrails.violations)
        known.network.errors_by_type = dict(known.network.errors_by_type)
        known.drift.types = list(known.drift.types)
        known.timing.inter_token_latencies = list(self._latencies)
        self._leave_out(known)
        return known

    @property
    def duration(self) -> float:
        """In seconds; 0 while it runs."""
        return self._telemetry.timing.duration or 0.0

    def _leave_out(self, known: Telemetry) -> None:
        config = self._config
        if not config.collect_tokens:
            known.content_length = 0
            known.metrics.token_count = 0
            known.metrics.tokens_per_second = None
        if not config.collect_timing:
            known.timing = TimingInfo()
            known.metrics = Metrics(token_count=known.metrics.token_count)
        if not config.collect_retries:
            known.retries, known.continuation = RetryInfo(), ContinuationInfo()
        if not config.collect_guardrails:
            known.guardrails, known.drift = GuardrailInfo(), DriftInfo()
        if not config.collect_errors:
            known.error, known.network = ErrorInfo(), NetworkInfo()
            known.retries.last_error = known.retries.last_error_category = None

    # What the events say, by their type.

    def _attempt(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._by_runtime = self._by_runtime or "isRetry" in meta
        self._last_token = None  # The wait for a new attempt is no wait between tokens.
        attempt = number(meta, "attempt")
        if attempt is not None:
            self._telemetry.retries.attempt = max(self._telemetry.retries.attempt, attempt)

    def _ready(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        # The runtime's STREAM_READY comes before its first token; those who make events by hand know no other sign.
        if not self._by_runtime:
            self._first_token(event.ts)

    def _speaks(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        if number(meta, "token_index") == 0:
            self._first_token(event.ts)

    def _first_token(self, ts: float) -> None:
        timing = self._telemetry.timing
        if timing.time_to_first_token is None and timing.started_at is not None:
            timing.time_to_first_token = max(0.0, ts / 1000 - timing.started_at)

    def _token(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        arrivals = _arrivals(event)
        self._telemetry.metrics.token_count += len(arrivals)
        self._first_token(arrivals[0])
        if not self._config.inter_token_latency:
            return
        for ts in arrivals:
            if self._last_token is not None:
                self._latencies.append(max(0.0, ts - self._last_token) / 1000)
            self._last_token = ts

    def _retry_begins(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        allowed = number(meta, "max_attempts")
        if allowed is not None:
            self._telemetry.retries.max_attempts = allowed

    def _retry(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        retries = self._telemetry.retries
        if counts_as_network(meta):
            retries.network_retries += 1
        else:
            retries.model_retries += 1
        retries.total_retries += 1
        retries.attempt = max(retries.attempt, retries.total_retries + retries.fallbacks + 1)
        self._last_error(meta, "error", "last_error")

    def _fallback(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        retries = self._telemetry.retries
        retries.fallbacks += 1
        retries.attempt = max(retries.attempt, retries.total_retries + retries.fallbacks + 1)

    def _last_error(self, meta: Mapping[str, Any], *names: str) -> None:
        retries = self._telemetry.retries
        retries.last_error = named(first(meta, *names)) or retries.last_error
        retries.last_error_category = named(first(meta, "category")) or retries.last_error_category

    def _error(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self.failed = True
        self._last_error(meta, "error", "message")
        strategy = named(first(meta, "recovery_strategy"))
        if strategy in RECOVERED:
            return
        self._telemetry.error = ErrorInfo(
            occurred=True,
            message=named(first(meta, "error", "message")),
            category=named(first(meta, "category")),
            code=named(first(meta, "error_code", "code")),
            stack=named(first(meta, "stack")),
            recoverable=first(meta, "recoverable") is True,
        )

    def _gave_up(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self.failed = True
        self._last_error(meta, "last_error", "error")

    def _rule(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        guardrails = self._telemetry.guardrails
        rule = named(first(meta, "rule_id", "rule"))
        found = _violations(meta, rule)
        if rule is None:
            self._nameless += 1
        elif len(self._rules) < VIOLATIONS:
            self._rules.add(rule)
        guardrails.rules_checked = max(guardrails.rules_checked, len(self._rules) + self._nameless)
        guardrails.violations += found[: max(0, VIOLATIONS - len(guardrails.violations))]
        if found or meta.get("passed") is False:
            guardrails.passed = False

    def _phase(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        guardrails = self._telemetry.guardrails
        guardrails.rules_checked = max(guardrails.rules_checked, number(meta, "rule_count") or 0)

    def _network(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        network = self._telemetry.network
        network.error_count += 1
        kind = named(first(meta, "code", "error_type"))
        if kind is not None and (kind in network.errors_by_type or len(network.errors_by_type) < KINDS):
            network.errors_by_type[kind] = network.errors_by_type.get(kind, 0) + 1

    def _drift(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        if meta.get("detected") is not True:
            return
        drift, found = self._telemetry.drift, first(meta, "metrics", "types")
        drift.detected = True
        for kind in map(named, found if isinstance(found, list | tuple | dict) else ()):
            if kind is not None and kind not in drift.types and len(drift.types) < KINDS:
                drift.types.append(kind)

    def _continues(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        continuation = self._telemetry.continuation
        continuation.used, continuation.count = True, continuation.count + 1
        continuation.checkpoint_length = number(meta, "checkpoint_length") or 0
        continuation.overlap_length = 0

    def _sewn(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._telemetry.continuation.overlap_length = number(meta, "overlap_length") or 0

    # The end.

    def _counts(self, meta: Mapping[str, Any]) -> None:
        """What a stream's last events say of the whole of it."""
        known = self._telemetry
        state = meta.get("state")
        tokens = number(meta, "token_count")
        length = number(meta, "content_length")
        if state is not None:
            tokens = getattr(state, "token_count", 0) if tokens is None else tokens
            length = len(getattr(state, "content", "")) if length is None else length
            if not known.guardrails.violations:
                self._of_state(state)
        known.metrics.token_count = known.metrics.token_count if tokens is None else tokens
        known.content_length = known.content_length if length is None else length
        at = first(meta, "first_token_ts")
        if isinstance(at, int | float):
            known.timing.time_to_first_token = None
            self._first_token(at)

    def _of_state(self, state: Any) -> None:
        found = [_shown(violation, None) for violation in getattr(state, "violations", ())]
        self._telemetry.guardrails.violations = found[:VIOLATIONS]
        self._telemetry.guardrails.passed = self._telemetry.guardrails.passed and not found

    def _finalizing(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._closed = event.ts

    def _complete(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._counts(meta)
        self._completed = True
        between = meta.get("duration")
        if self._by_runtime and between is not None:
            # If nothing else says when the first token came: so long before the source had proved that it was done.
            self._first_token((event.ts if self._closed is None else self._closed) - between * 1000)
        # Of the runtime's, whether the provider cut the answer short is known from the summary that follows.
        if "finishReason" not in meta:
            self._end("complete")

    def _aborted(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._counts(meta)
        self._end("aborted")

    def _summary(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        self._counts(meta)
        outcome = first(meta, "outcome")
        if outcome is not None:
            self._end(outcome)

    def _session_end(self, event: ObservabilityEvent, meta: Mapping[str, Any]) -> None:
        untold = "complete" if self._completed else "error" if self.failed else "incomplete"
        self._end(first(meta, "outcome") or untold)

    def _end(self, outcome: str) -> None:
        self.ended = True
        self._telemetry.completed = outcome == "complete"
        self._telemetry.aborted = outcome == "aborted"
        error, retries = self._telemetry.error, self._telemetry.retries
        if outcome == "error":
            self.failed = error.occurred = True
            error.message = error.message or retries.last_error
            error.category = error.category or retries.last_error_category
        else:
            self._telemetry.error = ErrorInfo()


def _arrivals(event: ObservabilityEvent) -> list[float]:
    """When the tokens of a TOKEN event arrived, in milliseconds since the epoch: one token, or a run of them."""
    tokens, pairs = event.meta.get("tokens"), event.meta.get("arrivals")
    if not isinstance(tokens, tuple | list) or not tokens:
        return [event.ts]
    places: dict[int, float] = dict(pairs or ())
    at = event.ts
    arrivals = []
    for place in range(len(tokens)):
        at = places.get(place, at)
        arrivals.append(at)
    return arrivals


def _violations(meta: Mapping[str, Any], rule: str | None) -> list[dict[str, Any]]:
    several, one = meta.get("violations"), meta.get("violation")
    found = several if isinstance(several, list | tuple) else [] if one is None else [one]
    return [_shown(violation, rule) for violation in found]


def _shown(violation: object, rule: str | None) -> dict[str, Any]:
    """A violation without its message, which may quote the answer."""
    if isinstance(violation, str):
        violation = {"rule": violation}
    names = ("rule", "severity", "recoverable", "position")
    given = violation if isinstance(violation, Mapping) else {name: getattr(violation, name, None) for name in names}
    shown = {name: given[name] for name in names if given.get(name) is not None}
    return shown if rule is None else {"rule": rule, **shown}


_HANDLERS: dict[ObservabilityEventType, Callable[[Recording, ObservabilityEvent, Mapping[str, Any]], None]] = {
    E.ATTEMPT_START: Recording._attempt,
    E.STREAM_READY: Recording._ready,
    E.TIMEOUT_RESET: Recording._speaks,
    E.TOKEN: Recording._token,
    E.RETRY_START: Recording._retry_begins,
    E.RETRY_ATTEMPT: Recording._retry,
    E.FALLBACK_START: Recording._fallback,
    E.ERROR: Recording._error,
    E.RETRY_GIVE_UP: Recording._gave_up,
    E.CONTINUATION_START: Recording._continues,
    E.CONTINUATION_END: Recording._sewn,
    E.NETWORK_ERROR: Recording._network,
    E.DRIFT_CHECK_RESULT: Recording._drift,
    E.GUARDRAIL_RULE_RESULT: Recording._rule,
    E.GUARDRAIL_PHASE_START: Recording._phase,
    E.FINALIZATION_START: Recording._finalizing,
    E.COMPLETE: Recording._complete,
    E.ABORT_COMPLETED: Recording._aborted,
    E.SESSION_SUMMARY: Recording._summary,
    E.SESSION_END: Recording._session_end,
}
