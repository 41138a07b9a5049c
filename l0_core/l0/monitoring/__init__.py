"""Telemetry of streams. Of the l0-monitor package.

OpenTelemetry is in `l0.monitoring.otel`, of the l0-otel package, and Sentry in `l0.monitoring.sentry`, of l0-sentry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_monitor import *  # noqa: F403

    from l0.monitoring import config as config
    from l0.monitoring import dispatcher as dispatcher
    from l0.monitoring import exporter as exporter
    from l0.monitoring import handlers as handlers
    from l0.monitoring import monitor as monitor
    from l0.monitoring import normalize as normalize
    from l0.monitoring import otel as otel
    from l0.monitoring import sentry as sentry
    from l0.monitoring import telemetry as telemetry

show(
    __name__,
    "l0_monitor",
    rooms="config dispatcher exporter handlers monitor normalize telemetry",
    rooms_of_others="otel sentry",
)
