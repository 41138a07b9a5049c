"""The promises of every monitor, held by this one, with the SDK and without it."""

from __future__ import annotations

from typing import Any

import pytest
from l0_testing import MonitorSuite, PluginSuite

from l0_sentry import SentryMonitor


class TestSentryWithoutTheSDK(PluginSuite):
    kind = "monitor"
    name = "sentry"
    plugin = SentryMonitor
    options = {"tags": {"team": "search"}}


class TestSentry(MonitorSuite):
    name = "sentry"
    plugin = SentryMonitor
    options = {"tags": {"team": "search"}}

    @pytest.fixture(autouse=True)
    def _initialised(self, init: Any) -> None:
        self._begun = 0
        self._sent = init(traces_sampler=self._begins, include_local_variables=True, attach_stacktrace=True)

    def _begins(self, sampling_context: Any) -> float:
        self._begun += 1
        return 1.0

    def told(self) -> bytes:
        return self._sent.bytes

    def open(self) -> int:
        return self._begun - len(self._sent.transactions)

    def forget(self) -> None:
        self._begun -= len(self._sent.transactions)
        self._sent.bytes = b""
        for kept in (self._sent.issues, self._sent.transactions, self._sent.spans):
            kept.clear()
