"""All of event sourcing under one name. Of the l0-eventsourcing package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_eventsourcing.sourcing import *  # noqa: F403

show(__name__, "l0_eventsourcing.sourcing")
