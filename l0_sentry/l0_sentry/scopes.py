"""The scopes that one stream's reports are bound to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import sentry_sdk

if TYPE_CHECKING:
    from sentry_sdk import Scope
    from sentry_sdk.client import BaseClient

__all__ = ["Scopes", "at"]


class Scopes:
    """A fork of the scopes that are current when it is made, or two scopes of one's own.

    What the application set in them is in what is reported, and nothing is set in the application's. What is noted is
    in the application's as well, for its own reports, but in none of another stream.
    """

    def __init__(
        self, stream_id: str | None = None, isolation: Scope | None = None, current: Scope | None = None
    ) -> None:
        self._stream_id = stream_id
        self._origin = None if isolation else sentry_sdk.Scope.get_isolation_scope()
        self.isolation = isolation or sentry_sdk.Scope.get_isolation_scope().fork()
        self.current = current or sentry_sdk.Scope.get_current_scope().fork()
        self.isolation.add_event_processor(partial(_cleaned, stream_id))

    @contextmanager
    def entered(self) -> Iterator[Scope]:
        """Make them current. It must be left in the context in which it was entered: nothing is awaited in it."""
        # `sentry_sdk.use_isolation_scope` would fork the current scope first, each time, and no one would see the fork.
        kind = sentry_sdk.Scope
        isolation, current = kind.get_isolation_scope(), kind.get_current_scope()
        kind.set_isolation_scope(self.isolation)
        kind.set_current_scope(self.current)
        try:
            yield self.current
        finally:
            kind.set_isolation_scope(isolation)
            kind.set_current_scope(current)

    @property
    def client(self) -> BaseClient:
        with self.entered():
            return sentry_sdk.get_client()

    @property
    def sends_pii(self) -> bool:
        """Whether the application has told the SDK to send what may be personal: texts and messages are."""
        return bool(self.client.should_send_default_pii())

    def breadcrumb(self, crumb: dict[str, Any]) -> None:
        """Note something, with the stream's id. Data that is None is left out."""
        data = {key: value for key, value in crumb.get("data", {}).items() if value is not None}
        if self._stream_id is not None:
            data["stream_id"] = self._stream_id
        with self.entered():
            for scope in (self.isolation, self._origin):
                if scope is not None:
                    scope.add_breadcrumb({**crumb, "data": dict(data)})

    def capture(self, event: dict[str, Any]) -> str | None:
        """Send an event, with what the scopes hold. Returns its id if it is sent."""
        with self.entered() as scope:
            return scope.capture_event(event)  # type: ignore[arg-type]


def at(ts: float) -> datetime:
    """Milliseconds since the epoch as a time."""
    return datetime.fromtimestamp(ts / 1000, UTC)


def _cleaned(stream_id: str | None, event: Any, hint: Any) -> Any:
    """Leave out what other streams noted in the application's scope before this one was made, and all frames."""
    crumbs = event.get("breadcrumbs")
    values = crumbs.get("values") if isinstance(crumbs, dict) else None
    if isinstance(values, list):
        crumbs["values"] = [crumb for crumb in values if _is_of(stream_id, crumb)]
    if "exception" not in event and sentry_sdk.get_client().options["attach_stacktrace"]:
        # Otherwise the SDK puts the frames of now into it, with their local variables: prompts and keys.
        event["threads"] = {"values": []}
    return event


def _is_of(stream_id: str | None, crumb: dict[str, Any]) -> bool:
    if not str(crumb.get("category")).startswith("l0"):
        return True
    return bool((crumb.get("data") or {}).get("stream_id", stream_id) == stream_id)
