"""A fault server, a virtual clock and leak checks for whatever handles token streams."""

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
    from l0_testing.virtual import VirtualDeadlock as VirtualDeadlock
    from l0_testing.virtual import VirtualLimit as VirtualLimit
    from l0_testing.virtual import VirtualLoop as VirtualLoop
    from l0_testing.wire import RequestLog as RequestLog

# The pytest plugin imports this package at every start of pytest, so its names load when they are used.
_HOME = {
    "FAULTS": "faults",
    "ContinuingProvider": "provider",
    "FakeProvider": "provider",
    "Fault": "scripts",
    "FaultKind": "faults",
    "FaultServer": "server",
    "LeakCheck": "leaks",
    "Mishap": "provider",
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
    "ContinuingProvider",
    "FakeProvider",
    "Fault",
    "FaultKind",
    "FaultServer",
    "LeakCheck",
    "Mishap",
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
