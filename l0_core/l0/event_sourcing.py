"""Recording streams and replaying them. Of the l0-eventsourcing package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_eventsourcing import *  # noqa: F403
    from l0_store_file import FileEventStore as FileEventStore

show(__name__, "l0_eventsourcing")
