"""L0: a reliability layer between an application and the token streams of language models.

Names are loaded when they are first used, from the distribution that provides them.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; importing typing would double the cost of this import

if TYPE_CHECKING:
    from l0_core.adapters import AdaptedEvent as AdaptedEvent
    from l0_core.adapters import Adapter as Adapter
    from l0_core.adapters import Adapters as Adapters
    from l0_core.client import WrappedClient as WrappedClient
    from l0_core.client import run as l0
    from l0_core.client import run as run
    from l0_core.client import wrap as wrap
    from l0_core.client import wrap_client as wrap_client
    from l0_core.continuation import Continuation as Continuation
    from l0_core.continuation import ContinuationConfig as ContinuationConfig
    from l0_core.continuation import DeduplicationOptions as DeduplicationOptions
    from l0_core.continuation import OverlapResult as OverlapResult
    from l0_core.errors import AdapterNotFound as AdapterNotFound
    from l0_core.errors import Error as Error
    from l0_core.errors import ErrorCategory as ErrorCategory
    from l0_core.errors import ErrorCode as ErrorCode
    from l0_core.errors import ErrorContext as ErrorContext
    from l0_core.errors import GuardrailViolationError as GuardrailViolationError
    from l0_core.errors import InvalidToolCall as InvalidToolCall
    from l0_core.errors import OutputLimitExceeded as OutputLimitExceeded
    from l0_core.errors import PluginError as PluginError
    from l0_core.errors import TimeoutError as TimeoutError
    from l0_core.errors import Truncated as Truncated
    from l0_core.errors import ZeroOutput as ZeroOutput
    from l0_core.errors import categorize_error as categorize_error
    from l0_core.errors import is_error as is_error
    from l0_core.errors import is_l0_error as is_l0_error
    from l0_core.errors import is_retryable as is_retryable
    from l0_core.events import ContentType as ContentType
    from l0_core.events import DataPayload as DataPayload
    from l0_core.events import Event as Event
    from l0_core.events import EventType as EventType
    from l0_core.events import Progress as Progress
    from l0_core.guardrails import GuardrailRule as GuardrailRule
    from l0_core.guardrails import GuardrailViolation as GuardrailViolation
    from l0_core.guardrails import Violation as Violation
    from l0_core.hookspecs import Check as Check
    from l0_core.hookspecs import Envelope as Envelope
    from l0_core.hookspecs import Failure as Failure
    from l0_core.hookspecs import FallBack as FallBack
    from l0_core.hookspecs import Halt as Halt
    from l0_core.hookspecs import RetryAfter as RetryAfter
    from l0_core.hookspecs import Sink as Sink
    from l0_core.hookspecs import hookimpl as hookimpl
    from l0_core.lifecycle import EventBus as EventBus
    from l0_core.lifecycle import ObservabilityEvent as ObservabilityEvent
    from l0_core.lifecycle import ObservabilityEventType as ObservabilityEventType
    from l0_core.options import ERROR_TYPE_DELAY_DEFAULTS as ERROR_TYPE_DELAY_DEFAULTS
    from l0_core.options import EXPONENTIAL_RETRY as EXPONENTIAL_RETRY
    from l0_core.options import MINIMAL_RETRY as MINIMAL_RETRY
    from l0_core.options import RECOMMENDED_RETRY as RECOMMENDED_RETRY
    from l0_core.options import RETRY_DEFAULTS as RETRY_DEFAULTS
    from l0_core.options import STRICT_RETRY as STRICT_RETRY
    from l0_core.options import BackoffStrategy as BackoffStrategy
    from l0_core.options import CheckIntervals as CheckIntervals
    from l0_core.options import ErrorTypeDelayDefaults as ErrorTypeDelayDefaults
    from l0_core.options import ErrorTypeDelays as ErrorTypeDelays
    from l0_core.options import Limits as Limits
    from l0_core.options import Retry as Retry
    from l0_core.options import RetryableErrorType as RetryableErrorType
    from l0_core.options import RetryDefaults as RetryDefaults
    from l0_core.options import Timeout as Timeout
    from l0_core.presets import Guardrails as Guardrails
    from l0_core.state import State as State
    from l0_core.stream import LazyStream as LazyStream
    from l0_core.stream import Stream as Stream
    from l0_core.stream import consume_stream as consume_stream
    from l0_core.stream import get_text as get_text

    from l0_openai import OpenAIAdapter as OpenAIAdapter
    from l0_openai import OpenAIAdapterOptions as OpenAIAdapterOptions

__version__ = "0.1.0"

_TABLE = {
    "l0_core.client": "run wrap WrappedClient wrap_client",
    "l0_core.stream": "Stream LazyStream consume_stream get_text",
    "l0_core.events": "Event EventType ContentType DataPayload Progress",
    "l0_core.state": "State",
    "l0_core.options": (
        "Retry RetryDefaults RETRY_DEFAULTS MINIMAL_RETRY RECOMMENDED_RETRY STRICT_RETRY "
        "EXPONENTIAL_RETRY RetryableErrorType Timeout Limits CheckIntervals BackoffStrategy "
        "ErrorTypeDelays ErrorTypeDelayDefaults ERROR_TYPE_DELAY_DEFAULTS"
    ),
    "l0_core.errors": (
        "Error ErrorCode ErrorContext ErrorCategory TimeoutError Truncated ZeroOutput InvalidToolCall "
        "GuardrailViolationError OutputLimitExceeded AdapterNotFound PluginError categorize_error "
        "is_error is_l0_error is_retryable"
    ),
    "l0_core.guardrails": "GuardrailRule GuardrailViolation Violation",
    "l0_core.presets": "Guardrails",
    "l0_core.lifecycle": "ObservabilityEvent ObservabilityEventType EventBus",
    "l0_core.adapters": "Adapters Adapter AdaptedEvent",
    "l0_core.continuation": "Continuation ContinuationConfig DeduplicationOptions OverlapResult",
    "l0_core.hookspecs": "hookimpl Check Sink Envelope Failure RetryAfter FallBack Halt",
    "l0_openai": "OpenAIAdapter OpenAIAdapterOptions",
}
_HOME = {name: module for module, names in _TABLE.items() for name in names.split()}

_DISTRIBUTION = {"l0_core": "l0-core", "l0_openai": "l0-openai"}

__all__ = ["__version__", "l0", *_HOME]


if not TYPE_CHECKING:

    def __getattr__(name):
        module = "l0_core.client" if name == "l0" else _HOME.get(name)
        if module is None:
            raise AttributeError(f"module 'l0' has no attribute {name!r}")
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            top = module.partition(".")[0]
            if error.name != top:
                raise
            package = _DISTRIBUTION[top]
            raise ImportError(f"l0.{name} needs the {package} package: pip install {package}") from None
        value = globals()[name] = getattr(found, "run" if name == "l0" else name)
        return value

    def __dir__():
        return sorted(__all__)
