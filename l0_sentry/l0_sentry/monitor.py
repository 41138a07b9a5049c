"""The monitor: tells Sentry of a stream what an engineer asks, and nothing of what was said."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from l0_core import Sink, StreamContext, hookimpl

__all__ = ["SentryMonitor"]


class SentryMonitor:
    """Breadcrumbs for what a stream survived, one issue for what it did not, and spans if the SDK traces."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`tags` are set on issues and are yours; the rest says which failures are issues, and whether spans are made.

        What is no issue for this reason is a breadcrumb of the level `error`.
        """

        capture_network_errors: bool = True
        capture_guardrail_violations: bool = True
        enable_tracing: bool = True
        tags: Mapping[str, str] = field(default_factory=dict)

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()
        self._warned = False

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink | None:
        # Whoever initialised the SDK has imported it: it is slow to import, and a stream is not to wait for that.
        sdk = sys.modules.get("sentry_sdk")
        if sdk is None or not sdk.get_client().is_active():
            self._warn()
            return None
        from l0_sentry.report import Report

        report = Report(ctx, self.options)
        return Sink(report.write, outputs=report.sends_pii, around=report.around if report.spans else None)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            logging.getLogger("l0").warning(
                "the monitor 'sentry' is on, and Sentry is not: call sentry_sdk.init(dsn=...) before a stream is made"
            )
