"""Events of one's own, handed to several handlers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from l0_core import EventBus, ObservabilityEvent, ObservabilityEventType
from l0_monitor.calling import call, plain, running_loop
from l0_monitor.handlers import EventHandler

__all__ = ["EventDispatcher", "EventHandler", "create_event_dispatcher"]


class EventDispatcher:
    """Hands events to its handlers, in the order in which these were added. `meta` becomes each event's `context`.

    What a handler raises is logged, and the others get the event all the same.
    """

    def __init__(self, meta: Mapping[str, Any] | None = None) -> None:
        self._meta = dict(meta or {})
        self._handlers: list[EventHandler] = []
        self._stream_id = EventBus().stream_id

    @property
    def stream_id(self) -> str:
        """A UUIDv7: the `stream_id` of each event."""
        return self._stream_id

    @property
    def meta(self) -> dict[str, Any]:
        """A copy of what each event has as its `context`."""
        return dict(self._meta)

    @property
    def handler_count(self) -> int:
        """How many handlers each event is handed to. One that was added twice counts twice."""
        return len(self._handlers)

    def on_event(self, handler: EventHandler) -> None:
        """Add a handler, a plain function. Raises TypeError for anything else."""
        self._handlers.append(plain(handler))

    def off_event(self, handler: EventHandler) -> None:
        """Take a handler away, if it is there."""
        if handler in self._handlers:
            self._handlers.remove(handler)

    def emit(self, event_type: ObservabilityEventType | str, **payload: Any) -> None:
        """Hand out an event with `payload` as its `meta`, on the next turn of the event loop: the caller goes on first.

        Without a running event loop it is handed out at once. Raises ValueError for a type that there is not.
        """
        self._emit(event_type, payload, at_once=False)

    def emit_sync(self, event_type: ObservabilityEventType | str, **payload: Any) -> None:
        """Hand out an event at once. Raises ValueError for a type that there is not."""
        self._emit(event_type, payload, at_once=True)

    def _emit(self, event_type: ObservabilityEventType | str, payload: dict[str, Any], *, at_once: bool) -> None:
        event = ObservabilityEvent(
            ObservabilityEventType(event_type), time.time() * 1000, self.stream_id, self.meta, payload
        )
        loop = None if at_once else running_loop()
        if loop is None:
            self._hand_out(event)
        else:
            loop.call_soon(self._hand_out, event)

    def _hand_out(self, event: ObservabilityEvent) -> None:
        for handler in tuple(self._handlers):
            call(handler, event)


def create_event_dispatcher(meta: Mapping[str, Any] | None = None) -> EventDispatcher:
    """An `EventDispatcher`."""
    return EventDispatcher(meta)
