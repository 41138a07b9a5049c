"""A fault server, a virtual clock, leak checks, and the tests that every plugin of a kind is to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l0_testing.cassette import Cassette as Cassette
    from l0_testing.cassette import CassetteError as CassetteError
    from l0_testing.cassette import write_cassette as write_cassette
    from l0_testing.cassette_reader import read_cassette as read_cassette
    from l0_testing.cassette_recorder import Recorder as Recorder
    from l0_testing.cassette_server import CassetteServer as CassetteServer
    from l0_testing.consumer import text_of as text_of
    from l0_testing.envelope_receiver import SentryReceiver as SentryReceiver
    from l0_testing.faults import FAULTS as FAULTS
    from l0_testing.faults import FaultKind as FaultKind
    from l0_testing.leaks import LeakCheck as LeakCheck
    from l0_testing.measuring import growth as growth
    from l0_testing.provider import ContinuingProvider as ContinuingProvider
    from l0_testing.provider import FakeProvider as FakeProvider
    from l0_testing.provider import Mishap as Mishap
    from l0_testing.proxy import CuttingProxy as CuttingProxy
    from l0_testing.scripts import Fault as Fault
    from l0_testing.scripts import Script as Script
    from l0_testing.scripts import ToolCall as ToolCall
    from l0_testing.scripts import load_scripts as load_scripts
    from l0_testing.scripts import split_tokens as split_tokens
    from l0_testing.server import FaultServer as FaultServer
    from l0_testing.server import closed_port as closed_port
    from l0_testing.suites import AdapterSuite as AdapterSuite
    from l0_testing.suites import EventStoreSuite as EventStoreSuite
    from l0_testing.suites import GuardrailSuite as GuardrailSuite
    from l0_testing.suites import MonitorSuite as MonitorSuite
    from l0_testing.suites import PluginSuite as PluginSuite
    from l0_testing.suites import PolicySuite as PolicySuite
    from l0_testing.telemetry_collector import OtlpCollector as OtlpCollector
    from l0_testing.virtual import VirtualDeadlock as VirtualDeadlock
    from l0_testing.virtual import VirtualLimit as VirtualLimit
    from l0_testing.virtual import VirtualLoop as VirtualLoop
    from l0_testing.wire import RequestLog as RequestLog

# The pytest plugin imports this package at every start of pytest, so its names load when they are used.
_HOME = {
    "FAULTS": "faults",
    "AdapterSuite": "suites",
    "Cassette": "cassette",
    "CassetteError": "cassette",
    "CassetteServer": "cassette_server",
    "ContinuingProvider": "provider",
    "CuttingProxy": "proxy",
    "EventStoreSuite": "suites",
    "FakeProvider": "provider",
    "Fault": "scripts",
    "FaultKind": "faults",
    "FaultServer": "server",
    "GuardrailSuite": "suites",
    "LeakCheck": "leaks",
    "Mishap": "provider",
    "MonitorSuite": "suites",
    "OtlpCollector": "telemetry_collector",
    "PluginSuite": "suites",
    "PolicySuite": "suites",
    "Recorder": "cassette_recorder",
    "RequestLog": "wire",
    "Script": "scripts",
    "SentryReceiver": "envelope_receiver",
    "ToolCall": "scripts",
    "VirtualDeadlock": "virtual",
    "VirtualLimit": "virtual",
    "VirtualLoop": "virtual",
    "closed_port": "server",
    "growth": "measuring",
    "load_scripts": "scripts",
    "read_cassette": "cassette_reader",
    "split_tokens": "scripts",
    "text_of": "consumer",
    "write_cassette": "cassette",
}

__all__ = [
    "FAULTS",
    "AdapterSuite",
    "Cassette",
    "CassetteError",
    "CassetteServer",
    "ContinuingProvider",
    "CuttingProxy",
    "EventStoreSuite",
    "FakeProvider",
    "Fault",
    "FaultKind",
    "FaultServer",
    "GuardrailSuite",
    "LeakCheck",
    "Mishap",
    "MonitorSuite",
    "OtlpCollector",
    "PluginSuite",
    "PolicySuite",
    "Recorder",
    "RequestLog",
    "Script",
    "SentryReceiver",
    "ToolCall",
    "VirtualDeadlock",
    "VirtualLimit",
    "VirtualLoop",
    "closed_port",
    "growth",
    "load_scripts",
    "read_cassette",
    "split_tokens",
    "text_of",
    "write_cassette",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
