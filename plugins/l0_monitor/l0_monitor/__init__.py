"""Monitoring for L0: telemetry of each stream, exporters, event handlers and counters.

Names load when they are used: the counters need nothing but the standard library, the telemetry needs pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l0_monitor.config import MetricsConfig as MetricsConfig
    from l0_monitor.config import MonitoringConfig as MonitoringConfig
    from l0_monitor.config import SamplingConfig as SamplingConfig
    from l0_monitor.counters import Metrics as Metrics
    from l0_monitor.counters import MetricsSnapshot as MetricsSnapshot
    from l0_monitor.counters import create_metrics as create_metrics
    from l0_monitor.counters import get_global_metrics as get_global_metrics
    from l0_monitor.counters import reset_global_metrics as reset_global_metrics
    from l0_monitor.dispatcher import EventDispatcher as EventDispatcher
    from l0_monitor.dispatcher import create_event_dispatcher as create_event_dispatcher
    from l0_monitor.exporter import TelemetryExporter as TelemetryExporter
    from l0_monitor.handlers import BatchEventHandler as BatchEventHandler
    from l0_monitor.handlers import EventHandler as EventHandler
    from l0_monitor.handlers import Monitoring as Monitoring
    from l0_monitor.handlers import batch_events as batch_events
    from l0_monitor.handlers import combine_events as combine_events
    from l0_monitor.handlers import debounce_events as debounce_events
    from l0_monitor.handlers import exclude_events as exclude_events
    from l0_monitor.handlers import filter_events as filter_events
    from l0_monitor.handlers import sample_events as sample_events
    from l0_monitor.handlers import tap_events as tap_events
    from l0_monitor.monitor import Monitor as Monitor
    from l0_monitor.normalize import L0Event as L0Event
    from l0_monitor.normalize import L0EventType as L0EventType
    from l0_monitor.plugins import MetricsMonitor as MetricsMonitor
    from l0_monitor.plugins import TelemetryMonitor as TelemetryMonitor
    from l0_monitor.telemetry import ContinuationInfo as ContinuationInfo
    from l0_monitor.telemetry import DriftInfo as DriftInfo
    from l0_monitor.telemetry import ErrorInfo as ErrorInfo
    from l0_monitor.telemetry import GuardrailInfo as GuardrailInfo
    from l0_monitor.telemetry import NetworkInfo as NetworkInfo
    from l0_monitor.telemetry import RetryInfo as RetryInfo
    from l0_monitor.telemetry import Telemetry as Telemetry
    from l0_monitor.telemetry import TimingInfo as TimingInfo

_NAMES = {
    "config": "MetricsConfig MonitoringConfig SamplingConfig",
    "counters": "Metrics MetricsSnapshot create_metrics get_global_metrics reset_global_metrics",
    "dispatcher": "EventDispatcher create_event_dispatcher",
    "exporter": "TelemetryExporter",
    "handlers": "BatchEventHandler EventHandler Monitoring batch_events combine_events debounce_events exclude_events "
    "filter_events sample_events tap_events",
    "monitor": "Monitor",
    "normalize": "L0Event L0EventType",
    "plugins": "MetricsMonitor TelemetryMonitor",
    "telemetry": "ContinuationInfo DriftInfo ErrorInfo GuardrailInfo NetworkInfo RetryInfo Telemetry TimingInfo",
}
_ROOM = {name: room for room, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:
    # A list that is not written out is an empty one to type checkers: they go by the imports above.
    __all__ = [*sorted(_ROOM)]

    def __getattr__(name: str) -> Any:
        room = _ROOM.get(name)
        if room is None:
            raise AttributeError(f"module 'l0_monitor' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"l0_monitor.{room}"), name)
        return value
