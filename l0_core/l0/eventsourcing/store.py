"""Event stores. Of the l0-eventsourcing package; the store in files is of l0-store-file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_eventsourcing.stores import *  # noqa: F403
    from l0_store_file import FileEventStore as FileEventStore

show(__name__, "l0_eventsourcing.stores")
