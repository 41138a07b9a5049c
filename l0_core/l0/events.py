"""What an observer is told."""

from __future__ import annotations

from l0_core.lifecycle import EventBus, ObservabilityEvent, ObservabilityEventType

__all__ = [
    "EventBus",
    "ObservabilityEvent",
    "ObservabilityEventType",
]
