"""What a plugin promises, as classes of tests for pytest: an author derives one, and gives it samples."""

from __future__ import annotations

from l0_testing.suites.adapter import AdapterSuite
from l0_testing.suites.base import PluginSuite
from l0_testing.suites.guardrail import GuardrailSuite
from l0_testing.suites.monitor import MonitorSuite
from l0_testing.suites.policy import PolicySuite
from l0_testing.suites.store import EventStoreSuite

__all__ = ["AdapterSuite", "EventStoreSuite", "GuardrailSuite", "MonitorSuite", "PluginSuite", "PolicySuite"]
