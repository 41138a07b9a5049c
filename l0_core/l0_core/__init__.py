"""The kernel of L0. Users write `import l0`; whoever writes a plugin imports the names below from here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l0_core.adapters import AdaptedEvent as AdaptedEvent
    from l0_core.adapters import Adapter as Adapter
    from l0_core.checks import rule_of as rule_of
    from l0_core.client import run as run
    from l0_core.client import take_up as take_up
    from l0_core.config import ConfigError as ConfigError
    from l0_core.config import Setting as Setting
    from l0_core.config import reload as reload
    from l0_core.errors import AdapterNotFound as AdapterNotFound
    from l0_core.errors import Error as Error
    from l0_core.errors import ErrorCategory as ErrorCategory
    from l0_core.errors import GuardrailViolationError as GuardrailViolationError
    from l0_core.errors import PluginError as PluginError
    from l0_core.errors import StoreError as StoreError
    from l0_core.events import ContentType as ContentType
    from l0_core.events import DataPayload as DataPayload
    from l0_core.events import Event as Event
    from l0_core.events import EventType as EventType
    from l0_core.events import Progress as Progress
    from l0_core.guardrails import DriftViolation as DriftViolation
    from l0_core.guardrails import GuardrailContext as GuardrailContext
    from l0_core.guardrails import GuardrailRule as GuardrailRule
    from l0_core.guardrails import GuardrailViolation as GuardrailViolation
    from l0_core.guardrails import Violation as Violation
    from l0_core.hookspecs import AttemptContext as AttemptContext
    from l0_core.hookspecs import Check as Check
    from l0_core.hookspecs import ClientAdapter as ClientAdapter
    from l0_core.hookspecs import Continued as Continued
    from l0_core.hookspecs import Decision as Decision
    from l0_core.hookspecs import Envelope as Envelope
    from l0_core.hookspecs import Failure as Failure
    from l0_core.hookspecs import FallBack as FallBack
    from l0_core.hookspecs import Halt as Halt
    from l0_core.hookspecs import Judge as Judge
    from l0_core.hookspecs import RetryAfter as RetryAfter
    from l0_core.hookspecs import Sink as Sink
    from l0_core.hookspecs import StreamAdapter as StreamAdapter
    from l0_core.hookspecs import StreamContext as StreamContext
    from l0_core.hookspecs import hookimpl as hookimpl
    from l0_core.lifecycle import EventBus as EventBus
    from l0_core.lifecycle import ObservabilityEvent as ObservabilityEvent
    from l0_core.lifecycle import ObservabilityEventType as ObservabilityEventType
    from l0_core.options import Retry as Retry
    from l0_core.options import Timeout as Timeout
    from l0_core.plugins import GROUPS as GROUPS
    from l0_core.plugins import Bound as Bound
    from l0_core.plugins import Installed as Installed
    from l0_core.plugins import Registry as Registry
    from l0_core.plugins import bind as bind
    from l0_core.plugins import bind_store as bind_store
    from l0_core.plugins import registry as registry
    from l0_core.run_options import RunOptions as RunOptions
    from l0_core.settings import guardrails_or_configured as guardrails_or_configured
    from l0_core.state import State as State
    from l0_core.stream import Stream as Stream

__version__ = "0.1.0"

_NAMES = {
    "adapters": "AdaptedEvent Adapter",
    "checks": "rule_of",
    "config": "ConfigError Setting reload",
    "errors": "AdapterNotFound Error ErrorCategory GuardrailViolationError PluginError StoreError",
    "client": "run take_up",
    "events": "ContentType DataPayload Event EventType Progress",
    "guardrails": "DriftViolation GuardrailContext GuardrailRule GuardrailViolation Violation",
    "hookspecs": "AttemptContext Check ClientAdapter Continued Decision Envelope Failure FallBack Halt Judge "
    "RetryAfter Sink StreamAdapter StreamContext hookimpl",
    "lifecycle": "EventBus ObservabilityEvent ObservabilityEventType",
    "options": "Retry Timeout",
    "plugins": "GROUPS Bound Installed Registry bind bind_store registry",
    "run_options": "RunOptions",
    "settings": "guardrails_or_configured",
    "state": "State",
    "stream": "Stream",
}
_ROOM = {name: room for room, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:
    # A list that is not written out is an empty one to type checkers: they go by the imports above.
    __all__ = [*sorted(_ROOM)]

    def __getattr__(name: str) -> Any:
        room = _ROOM.get(name)
        if room is None:
            raise AttributeError(f"module 'l0_core' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"l0_core.{room}"), name)
        return value
