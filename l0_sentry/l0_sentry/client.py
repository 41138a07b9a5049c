"""The client that the documented classes report to, and the SDK as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import sentry_sdk

from l0_sentry.safe import exception_event
from l0_sentry.scopes import Scopes

if TYPE_CHECKING:
    from sentry_sdk.tracing import Span

__all__ = ["SDK", "SentryClient", "SeverityLevel", "client_of"]

SeverityLevel = Literal["fatal", "error", "warning", "info", "debug"]


@runtime_checkable
class SentryClient(Protocol):
    """What can be reported to: the module `sentry_sdk`, or any object with its methods."""

    def capture_exception(self, error: BaseException | None = None, **kwargs: Any) -> Any:
        """Report an exception as an issue."""
        ...

    def capture_message(self, message: str, level: str | None = None, **kwargs: Any) -> Any:
        """Report a text. `level` is a SeverityLevel."""
        ...

    def add_breadcrumb(self, **kwargs: Any) -> Any:
        """Note something that goes with reports that follow: `category`, `message`, `level`, `data`."""
        ...

    def set_tag(self, key: str, value: Any) -> Any:
        """Set a tag of reports that follow. Reports can be searched by tags."""
        ...

    def set_extra(self, key: str, value: Any) -> Any:
        """Set a value that is shown with reports that follow."""
        ...

    def set_context(self, name: str, context: dict[str, Any]) -> Any:
        """Set named values that are shown together with reports that follow."""
        ...


class SDK:
    """The SDK as a client, bound to a fork of the scopes that are current when it is made.

    Events are built here, so that no frame with its local variables, and nothing attached to an exception, is in them.
    """

    def __init__(self, scopes: Scopes | None = None) -> None:
        self.scopes = scopes or Scopes()

    def capture_exception(self, error: BaseException | None = None, **kwargs: Any) -> str | None:
        if error is None:
            return None
        return self.scopes.capture(exception_event(type(error).__name__, "", error, **kwargs))

    def capture_message(self, message: str, level: str | None = None, **kwargs: Any) -> str | None:
        return self.scopes.capture({"message": message, "level": level or "info", "logger": "l0", **kwargs})

    def add_breadcrumb(self, **kwargs: Any) -> None:
        self.scopes.breadcrumb(kwargs)

    def set_tag(self, key: str, value: Any) -> None:
        self.scopes.isolation.set_tag(key, value)

    def set_extra(self, key: str, value: Any) -> None:
        self.scopes.isolation.set_extra(key, value)

    def set_context(self, name: str, context: dict[str, Any]) -> None:
        self.scopes.isolation.set_context(name, context)

    def start_span(self, name: str) -> Span | None:
        """A span of the operation, if the SDK traces."""
        from l0_sentry.spans import Spans, traces

        return Spans(self.scopes, name).operation if traces(self.scopes) else None

    def finish_span(self, span: Span, status: str) -> None:
        span.set_status(status)
        with self.scopes.entered() as scope:
            span.finish(scope)


def client_of(sentry: Any, stream_id: str | None = None) -> SentryClient:
    """A client to report to. The SDK itself is bound to the scopes that are current now, for the stream of that id."""
    return SDK(Scopes(stream_id)) if sentry is sentry_sdk else sentry
