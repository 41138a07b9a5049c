"""What is known of one stream's life so far, as its issue and its spans tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from l0_sentry.safe import name_of

__all__ = ["Life"]

GUARDRAIL_CODES = ("GUARDRAIL_VIOLATION", "FATAL_GUARDRAIL_VIOLATION", "DRIFT_DETECTED")


@dataclass
class Life:
    """Names, numbers and no content. `rules` are those that objected to the current attempt, with their severities."""

    stream_id: str
    attempts: int = 0
    source: int = 0
    retries: int = 0
    network_retries: int = 0
    resets: int = 0
    provider: str | None = None
    rules: dict[str, str] = field(default_factory=dict)
    error: str = "Error"
    category: str | None = None
    error_code: str | None = None
    network_code: str | None = None
    failure: str | None = None
    _before: dict[str, str] = field(default_factory=dict)

    def attempt_begins(self, number: int) -> None:
        self.attempts = number
        self._before, self.rules = self.rules or self._before, {}
        self.network_code = None

    def failed(self, meta: Mapping[str, Any]) -> None:
        self.error = name_of(meta.get("error"))
        self.category, self.error_code, self.failure = (
            meta.get(key) for key in ("category", "errorCode", "failureType")
        )
        if self.by_guardrail and not self.rules:
            # What is found again, word for word, is not told again.
            self.rules = self._before

    @property
    def said(self) -> str:
        """What stands in the place of the error's message."""
        what = self.error_code or self.network_code or self.failure
        said = ": ".join(str(part) for part in (self.category, what) if part)
        return f"{said} ({', '.join(self.rules)})" if self.by_guardrail and self.rules else said

    @property
    def by_guardrail(self) -> bool:
        """Whether it was a guardrail that ended the last attempt."""
        return self.error_code in GUARDRAIL_CODES

    @property
    def fingerprint(self) -> list[str]:
        """Failures of a kind are one issue, whichever stream and attempt they end, and wherever it is read."""
        parts = ["l0", self.error, self.category, self.error_code or self.network_code]
        return [str(part) for part in (*parts, *(sorted(self.rules) if self.by_guardrail else ())) if part]

    @property
    def tags(self) -> dict[str, str]:
        tags = {
            "l0.category": self.category,
            "l0.error_code": self.error_code,
            "l0.network_code": self.network_code,
            "l0.failure_type": self.failure,
            "l0.fallback_index": str(self.source),
            "l0.rules": ",".join(sorted(self.rules))[:200],
        }
        return {key: value for key, value in tags.items() if value}

    def context(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """The context `l0` of the issue, from the meta of SESSION_SUMMARY."""
        began, ended = summary.get("startTs"), summary.get("endTs")
        return {
            "stream_id": self.stream_id,
            "outcome": summary.get("outcome"),
            "attempts": self.attempts,
            "retries": self.retries,
            "network_retries": self.network_retries,
            "fallback_index": self.source,
            "resets": self.resets,
            "token_count": summary.get("tokenCount"),
            "guardrail_violations": summary.get("guardrailViolations"),
            "drift_detected": summary.get("driftDetected"),
            "checkpoints": summary.get("checkpointsCreated"),
            "duration_ms": None if began is None or ended is None else round(ended - began, 3),
            "rules": dict(self.rules),
        }
