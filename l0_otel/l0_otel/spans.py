"""What is asked of a span, and a span that does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["NoOpSpan", "SpanProtocol"]


@runtime_checkable
class SpanProtocol(Protocol):
    """What is asked of a span. OpenTelemetry's spans have it."""

    def set_attribute(self, key: str, value: Any) -> Any: ...

    def set_attributes(self, attributes: Mapping[str, Any]) -> Any: ...

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> Any: ...

    def set_status(self, status: Any, description: str | None = None) -> Any: ...

    def record_exception(self, exception: BaseException) -> Any: ...

    def end(self) -> Any: ...

    def is_recording(self) -> bool: ...


class NoOpSpan:
    """A span that takes everything and keeps nothing."""

    def span_context(self) -> None:
        """None: it is in no trace."""

    def set_attribute(self, key: str, value: Any) -> NoOpSpan:
        return self

    def set_attributes(self, attributes: Mapping[str, Any]) -> NoOpSpan:
        return self

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> NoOpSpan:
        return self

    def add_link(self, link: Any) -> NoOpSpan:
        return self

    def set_status(self, status: Any, description: str | None = None) -> NoOpSpan:
        return self

    def update_name(self, name: str) -> NoOpSpan:
        return self

    def record_exception(self, exception: BaseException) -> None:
        """Nothing is recorded."""

    def end(self, end_time: int | None = None) -> None:
        """Nothing was begun."""

    def is_recording(self) -> bool:
        return False

    def __enter__(self) -> NoOpSpan:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()
