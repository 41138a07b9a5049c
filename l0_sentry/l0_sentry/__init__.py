"""Sentry for L0: a monitor, and the documented classes that report to a client of Sentry's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from l0_sentry.monitor import SentryMonitor

if TYPE_CHECKING:
    from l0_sentry.client import SentryClient, SeverityLevel
    from l0_sentry.execution import Sentry, SentryConfig, with_sentry
    from l0_sentry.exporter import SentryExporter, SentryExporterConfig
    from l0_sentry.handler import create_sentry_handler

__all__ = [
    "Sentry",
    "SentryClient",
    "SentryConfig",
    "SentryExporter",
    "SentryExporterConfig",
    "SentryMonitor",
    "SeverityLevel",
    "create_sentry_handler",
    "with_sentry",
]

_ROOM = {
    "Sentry": "execution",
    "SentryClient": "client",
    "SentryConfig": "execution",
    "SentryExporter": "exporter",
    "SentryExporterConfig": "exporter",
    "SeverityLevel": "client",
    "create_sentry_handler": "handler",
    "with_sentry": "execution",
}


def __getattr__(name: str) -> Any:
    # The monitor needs no pydantic, of which the documented configurations are made.
    if name not in _ROOM:
        raise AttributeError(f"module 'l0_sentry' has no attribute {name!r}")
    return getattr(import_module(f"l0_sentry.{_ROOM[name]}"), name)
