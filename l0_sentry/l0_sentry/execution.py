"""`Sentry`: one execution, reported to a client of Sentry's."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from l0_sentry.client import SDK, client_of
from l0_sentry.safe import name_of, stand_in
from l0_sentry.telemetry import contexts_of, violation_of

__all__ = ["Sentry", "SentryConfig", "with_sentry"]

_SEVERITIES = ("warning", "error", "fatal")


class SentryConfig(BaseModel):
    """What is reported. `tags` and `environment` are set with each execution.

    `breadcrumbs_for_tokens` notes that a token came, and what it says only if the SDK may send what is personal.
    """

    model_config = ConfigDict(extra="forbid")

    capture_network_errors: bool = True
    capture_guardrail_violations: bool = True
    min_guardrail_severity: Literal["warning", "error", "fatal"] = "error"
    breadcrumbs_for_tokens: bool = False
    enable_tracing: bool = True
    tags: dict[str, str] = Field(default_factory=dict)
    environment: str | None = None


class Sentry:
    """Reports one execution. `sentry` is the module `sentry_sdk`, or any object with the methods of `SentryClient`.

    With `sentry_sdk`, it is bound to the scopes that are current when it is made. An exception is reported by its name,
    without its message, frames, notes, causes and attributes, unless `sentry_sdk` is told to send what is personal.
    Other clients, which may hand on what they get, never get more than the name.
    """

    def __init__(self, sentry: Any, config: SentryConfig | None = None) -> None:
        self.config = config or SentryConfig()
        self._client = client_of(sentry)
        self._sdk = self._client if isinstance(self._client, SDK) else None
        self._span: Any = None
        self.objected = False
        """Whether a violation was reported as an issue."""

    @property
    def _pii(self) -> bool:
        return self._sdk is not None and self._sdk.scopes.sends_pii

    def start_execution(self, name: str = "l0.execution", metadata: Mapping[str, Any] | None = None) -> Any:
        """Set the tags, and begin. Returns the span of the execution, or None if nothing is traced.

        `metadata` is reported as it is.
        """
        for key, value in self.config.tags.items():
            self._client.set_tag(key, value)
        if self.config.environment is not None:
            self._client.set_tag("environment", self.config.environment)
        if self._sdk is not None and self.config.enable_tracing:
            self._span = self._sdk.start_span(name)
        self.note("l0", "Execution started", "info", **{"name": name, **(metadata or {})})
        return self._span

    def start_stream(self) -> None:
        """A breadcrumb: a stream begins."""
        self.note("l0.stream", "Stream started")

    def record_token(self, token: str | None = None) -> None:
        """A breadcrumb with the length in characters, if `breadcrumbs_for_tokens` is set.

        The token itself is in it where `sentry_sdk` is told to send what is personal.
        """
        if self.config.breadcrumbs_for_tokens:
            said = {} if token is None else {"length": len(token)}
            self.note("l0.token", "Token", **(said | {"token": token} if self._pii else said))

    def record_first_token(self, ttft_ms: float) -> None:
        """`ttft_ms` is the time to the first token, in milliseconds."""
        self.note("l0.stream", "First token", ttft_ms=ttft_ms)

    def record_network_error(self, error: object, error_type: str, retried: bool) -> None:
        """A breadcrumb; an issue as well if nothing more is tried."""
        level = "warning" if retried else "error"
        self.note("l0.network", "Network error", level, error=name_of(error), error_type=error_type, retried=retried)
        if not retried and self.config.capture_network_errors:
            self._capture(error)

    def record_retry(self, attempt: int, reason: str, is_network_error: bool = False) -> None:
        """A breadcrumb. `attempt` is the number of the attempt; `reason` is reported as it is."""
        self.note("l0.retry", "Retry", "warning", attempt=attempt, reason=reason, is_network_error=is_network_error)

    def record_guardrail_violations(self, violations: Iterable[Any]) -> None:
        """A breadcrumb for each, and a message for those of `min_guardrail_severity` and above."""
        least = _SEVERITIES.index(self.config.min_guardrail_severity)
        for violation in violations:
            said = violation_of(violation, self._pii)
            severity = said.get("severity")
            level = severity if severity in _SEVERITIES else "error"
            self.note("l0.guardrail", f"Guardrail violation: {said.get('rule')}", level, **said)
            if self.config.capture_guardrail_violations and _SEVERITIES.index(level) >= least:
                self.objected = True
                self._client.capture_message(f"Guardrail violation: {said.get('rule')}", level=level)

    def record_drift(self, detected: bool, types: Iterable[str]) -> None:
        """A breadcrumb with the types of drift, if any was detected."""
        if detected:
            self.note("l0.drift", "Drift", "warning", types=list(types))

    def complete_stream(self, token_count: int) -> None:
        """A breadcrumb: the stream ended well, after so many tokens."""
        self.note("l0.stream", "Stream complete", token_count=token_count)

    def complete_execution(self, telemetry: Any) -> None:
        """The execution is over. `telemetry` is a Telemetry, or has some of its fields; None if there is none."""
        self._tell(telemetry)
        self.note("l0", "Execution complete")
        self.finish("ok")

    def record_failure(self, error: object, telemetry: Any = None) -> None:
        """One issue, for the exception that ended the execution, and the end of it."""
        self._tell(telemetry)
        self._capture(error)
        self.finish("internal_error")

    def note(self, category: str, message: str, level: str = "info", /, **data: Any) -> None:
        """A breadcrumb."""
        self._client.add_breadcrumb(category=category, message=message, level=level, data=data)

    def finish(self, status: str) -> None:
        """End the span of the execution, if there is one and it has not ended."""
        span, self._span = self._span, None
        if span is not None and self._sdk is not None:
            self._sdk.finish_span(span, status)

    def _tell(self, telemetry: Any) -> None:
        for name, context in contexts_of(telemetry, self._pii).items():
            self._client.set_context(name, context)

    def _capture(self, error: object) -> None:
        if isinstance(error, BaseException):
            raised = error
        else:
            raised = type(name_of(error), (Exception,), {"__module__": None})(str(error) if self._pii else "")
        self._client.capture_exception(raised if self._pii else stand_in(raised))


async def with_sentry(sentry: Any, fn: Callable[[], Awaitable[Any] | Any], config: SentryConfig | None = None) -> Any:
    """Call `fn` and await what it returns, as one execution. What it raises is reported once, and raised."""
    execution = Sentry(sentry, config)
    execution.start_execution()
    try:
        result = fn()
        if inspect.isawaitable(result):
            result = await result
    except Exception as error:
        execution.record_failure(error)
        raise
    except BaseException:
        execution.finish("cancelled")
        raise
    execution.complete_execution(None)
    return result
