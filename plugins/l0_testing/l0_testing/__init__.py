"""A fault server, a virtual clock, leak checks, and the tests that every plugin of a kind is to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l0_testing.consumer import text_of as text_of
    from l0_testing.faults import FAULTS as FAULTS
    from l0_testing.faults import FaultKind as FaultKind
    from l0_testing.leaks import LeakCheck as LeakCheck
    from l0_testing.provider import ContinuingProvider as ContinuingProvider
    from l0_testing.provider import FakeProvider as FakeProvider
    from l0_testing.provider import Mishap as Mishap
    from l0_testing.scripts import Fault as Fault
    from l0_testing.scripts import Script as Script
    from l0_testing.scripts import ToolCall as ToolCall
    from l0_testing.scripts import load_scripts as load_scripts
    from l0_testing.scripts import split_tokens as split_tokens
    from l0_testing.server import FaultServer as FaultServer
    from l0_testing.server import closed_port as closed_port
    from l0_testing.suites import AdapterSuite as AdapterSuite
    from l0_testing.suites import GuardrailSuite as GuardrailSuite
    from l0_testing.suites import PluginSuite as PluginSuite
    from l0_testing.suites import PolicySuite as PolicySuite
    from l0_testing.virtual import VirtualDeadlock as VirtualDeadlock
    from l0_testing.virtual import VirtualLimit as VirtualLimit
    from l0_testing.virtual import VirtualLoop as VirtualLoop
    from l0_testing.wire import RequestLog as RequestLog

# The pytest plugin imports this package at every start of pytest, so its names load when they are used.
_HOME = {
    "FAULTS": "faults",
    "AdapterSuite": "suites",
    "ContinuingProvider": "provider",
    "FakeProvider": "provider",
    "Fault": "scripts",
    "FaultKind": "faults",
    "FaultServer": "server",
    "GuardrailSuite": "suites",
    "LeakCheck": "leaks",
    "Mishap": "provider",
    "PluginSuite": "suites",
    "PolicySuite": "suites",
    "RequestLog": "wire",
    "Script": "scripts",
    "ToolCall": "scripts",
    "VirtualDeadlock": "virtual",
    "VirtualLimit": "virtual",
    "VirtualLoop": "virtual",
    "closed_port": "server",
    "load_scripts": "scripts",
    "split_tokens": "scripts",
    "text_of": "consumer",
}

__all__ = [
    "FAULTS",
    "AdapterSuite",
    "ContinuingProvider",
    "FakeProvider",
    "Fault",
    "FaultKind",
    "FaultServer",
    "GuardrailSuite",
    "LeakCheck",
    "Mishap",
    "PluginSuite",
    "PolicySuite",
    "RequestLog",
    "Script",
    "ToolCall",
    "VirtualDeadlock",
    "VirtualLimit",
    "VirtualLoop",
    "closed_port",
    "load_scripts",
    "split_tokens",
    "text_of",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
