"""What is asked of a span, and a span that does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["NoOpSpan", "SpanProtocol"]


@runtime_checkable
class SpanProtocol(Protocol):
    """What is asked of a span. OpenTelemetry's spans have it."""

    def set_attribute(self, key: str, value: Any) -> Any:
        """Set an attribute, in the place of one with the same key."""
        ...

    def set_attributes(self, attributes: Mapping[str, Any]) -> Any:
        """Set several attributes."""
        ...

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> Any:
        """Add something that happened now."""
        ...

    def set_status(self, status: Any, description: str | None = None) -> Any:
        """Say how it went. `status` is OpenTelemetry's `Status` or `StatusCode`."""
        ...

    def record_exception(self, exception: BaseException) -> Any:
        """Add an exception, as an event."""
        ...

    def end(self) -> Any:
        """End the span now. Nothing can be set afterwards."""
        ...

    def is_recording(self) -> bool:
        """Whether what is set is kept: False for a span that is not sampled, or has ended."""
        ...


class NoOpSpan:
    """A span that takes everything and keeps nothing."""

    def span_context(self) -> None:
        """None: it is in no trace."""

    def set_attribute(self, key: str, value: Any) -> NoOpSpan:
        """Nothing is set. Returns the span."""
        return self

    def set_attributes(self, attributes: Mapping[str, Any]) -> NoOpSpan:
        """Nothing is set. Returns the span."""
        return self

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> NoOpSpan:
        """Nothing is added. Returns the span."""
        return self

    def add_link(self, link: Any) -> NoOpSpan:
        """Nothing is linked. Returns the span."""
        return self

    def set_status(self, status: Any, description: str | None = None) -> NoOpSpan:
        """Nothing is set. Returns the span."""
        return self

    def update_name(self, name: str) -> NoOpSpan:
        """Nothing is named. Returns the span."""
        return self

    def record_exception(self, exception: BaseException) -> None:
        """Nothing is recorded."""

    def end(self, end_time: int | None = None) -> None:
        """Nothing was begun."""

    def is_recording(self) -> bool:
        """False, so that nobody gathers what is thrown away."""
        return False

    def __enter__(self) -> NoOpSpan:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()
