"""Recording streams and replaying them. Of the l0-eventsourcing package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_eventsourcing")
