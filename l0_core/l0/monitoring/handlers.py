"""Event handlers made of other handlers. Of the l0-monitor package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_monitor.handlers import *  # noqa: F403

show(__name__, "l0_monitor.handlers")
