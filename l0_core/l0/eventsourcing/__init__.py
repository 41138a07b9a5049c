"""Recording streams and replaying them. Of the l0-eventsourcing package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_eventsourcing import *  # noqa: F403
    from l0_store_file import FileEventStore as FileEventStore

    from l0.eventsourcing import adapters as adapters
    from l0.eventsourcing import recorder as recorder
    from l0.eventsourcing import replayer as replayer
    from l0.eventsourcing import sourcing as sourcing
    from l0.eventsourcing import store as store
    from l0.eventsourcing import types as types

show(__name__, "l0_eventsourcing", rooms="adapters recorder replayer sourcing store types")
