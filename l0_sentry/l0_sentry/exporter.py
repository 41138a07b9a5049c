"""`SentryExporter`: a client of Sentry's of its own, for telemetry."""

from __future__ import annotations

import os
from typing import Any

import sentry_sdk
from pydantic import BaseModel, ConfigDict, Field

from l0_sentry.client import SDK, SeverityLevel
from l0_sentry.safe import name_of, stand_in
from l0_sentry.scopes import Scopes
from l0_sentry.telemetry import contexts_of

__all__ = ["SentryExporter", "SentryExporterConfig"]


class SentryExporterConfig(BaseModel):
    """Where to, and what. Without `dsn`, or with `enabled=False`, nothing is sent."""

    model_config = ConfigDict(extra="forbid")

    dsn: str | None = None
    environment: str | None = None
    release: str | None = None
    server_name: str | None = None
    sample_rate: float = 1.0
    traces_sample_rate: float = 0.0
    profiles_sample_rate: float = 0.0
    enabled: bool = True
    debug: bool = False
    attach_stacktrace: bool = True
    send_default_pii: bool = False
    max_breadcrumbs: int = 100
    tags: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def from_env(cls) -> SentryExporterConfig:
        """With what SENTRY_DSN, SENTRY_ENVIRONMENT and SENTRY_RELEASE say."""
        named = {"dsn": "SENTRY_DSN", "environment": "SENTRY_ENVIRONMENT", "release": "SENTRY_RELEASE"}
        return cls.model_validate({name: os.environ[key] for name, key in named.items() if key in os.environ})


class SentryExporter:
    """Sends to a project of its own: the application's SDK, initialised or not, is left as it is.

    Nothing is sent before `init()`. An exception is reported by its name, without its message, frames and attributes,
    unless `send_default_pii`.
    """

    def __init__(self, config: SentryExporterConfig) -> None:
        self.config = config
        self._client: sentry_sdk.Client | None = None
        self._sdk: SDK | None = None

    def init(self) -> None:
        """Make the client. Raises `sentry_sdk.utils.BadDsn` for a DSN that is none."""
        if self._client is not None or not self.config.enabled or not self.config.dsn:
            return
        options = self.config.model_dump(exclude={"enabled", "tags", "send_default_pii"})
        if self.config.send_default_pii:
            options["send_default_pii"] = True  # Newer SDKs warn of this option, whatever its value.
        # Integrations patch the process: those are the application's to choose.
        self._client = sentry_sdk.Client(**options, default_integrations=False, auto_enabling_integrations=False)
        isolation, current = sentry_sdk.Scope(), sentry_sdk.Scope(client=self._client)
        self._sdk = SDK(Scopes(isolation=isolation, current=current))
        for key, value in self.config.tags.items():
            self._sdk.set_tag(key, value)

    def capture_error(self, error: BaseException, telemetry: Any = None, **extra: Any) -> str | None:
        """Report an exception. `extra` is sent as it is. Returns the id of the event if it is sent."""
        if self._sdk is None:
            return None
        shown = error if self.config.send_default_pii else stand_in(error)
        return self._sdk.capture_exception(shown, **self._with(telemetry, extra))

    def capture_telemetry_error(self, telemetry: Any) -> str | None:
        """Report the error that a Telemetry tells of; None if it tells of none."""
        error = getattr(telemetry, "error", None)
        if self._sdk is None or not getattr(error, "occurred", False):
            return None
        code, category = (getattr(error, name, None) for name in ("code", "category"))
        said = getattr(error, "message", None) if self.config.send_default_pii else None
        kind = type(name_of(code or category), (Exception,), {"__module__": None})
        return self._sdk.capture_exception(kind(said or str(category or "")), **self._with(telemetry, {}))

    def capture_message(
        self, message: str, level: SeverityLevel = "info", telemetry: Any = None, **extra: Any
    ) -> str | None:
        """Report what the caller says, as it is. Returns the id of the event if it is sent."""
        if self._sdk is None:
            return None
        return self._sdk.capture_message(message, level, **self._with(telemetry, extra))

    def add_breadcrumb(
        self, message: str, category: str = "l0", level: SeverityLevel = "info", data: dict[str, Any] | None = None
    ) -> None:
        """Note something that goes with what is captured later, as it is."""
        if self._sdk is not None:
            self._sdk.add_breadcrumb(message=message, category=category, level=level, data=data or {})

    def set_user(
        self, user_id: str | None = None, email: str | None = None, username: str | None = None, **extra: Any
    ) -> None:
        """Say whose the later captures are, in the place of what was said before. What is None is left out."""
        if self._sdk is not None:
            user = {"id": user_id, "email": email, "username": username, **extra}
            self._sdk.scopes.isolation.set_user({key: value for key, value in user.items() if value is not None})

    def flush(self, timeout: float = 2.0) -> None:
        """Wait until what was captured is sent, for `timeout` seconds at most."""
        if self._client is not None:
            self._client.flush(timeout=timeout)

    def close(self) -> None:
        """Send what is left, and stop."""
        client, self._client, self._sdk = self._client, None, None
        if client is not None:
            client.close()

    def _with(self, telemetry: Any, extra: dict[str, Any]) -> dict[str, Any]:
        contexts = contexts_of(telemetry, self.config.send_default_pii)
        return {**({"contexts": contexts} if contexts else {}), **({"extra": extra} if extra else {})}
