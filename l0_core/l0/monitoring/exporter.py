"""Telemetry as JSON, CSV, log records and metrics. Of the l0-monitor package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_monitor.exporter import *  # noqa: F403

show(__name__, "l0_monitor.exporter")
