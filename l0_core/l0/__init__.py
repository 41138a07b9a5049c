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
    from l0_core.classification import categorize_error as categorize_error
    from l0_core.classification import is_retryable as is_retryable
    from l0_core.client import WrappedClient as WrappedClient
    from l0_core.client import run as l0
    from l0_core.client import run as run
    from l0_core.client import wrap as wrap
    from l0_core.client import wrap_client as wrap_client
    from l0_core.config import ConfigError as ConfigError
    from l0_core.continuation import Continuation as Continuation
    from l0_core.continuation import ContinuationConfig as ContinuationConfig
    from l0_core.continuation import DeduplicationOptions as DeduplicationOptions
    from l0_core.continuation import OverlapResult as OverlapResult
    from l0_core.delays import ERROR_TYPE_DELAY_DEFAULTS as ERROR_TYPE_DELAY_DEFAULTS
    from l0_core.delays import EXPONENTIAL_RETRY as EXPONENTIAL_RETRY
    from l0_core.delays import MINIMAL_RETRY as MINIMAL_RETRY
    from l0_core.delays import RECOMMENDED_RETRY as RECOMMENDED_RETRY
    from l0_core.delays import STRICT_RETRY as STRICT_RETRY
    from l0_core.delays import ErrorTypeDelayDefaults as ErrorTypeDelayDefaults
    from l0_core.delays import ErrorTypeDelays as ErrorTypeDelays
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
    from l0_core.errors import is_error as is_error
    from l0_core.errors import is_l0_error as is_l0_error
    from l0_core.events import ContentType as ContentType
    from l0_core.events import DataPayload as DataPayload
    from l0_core.events import Event as Event
    from l0_core.events import EventType as EventType
    from l0_core.events import Progress as Progress
    from l0_core.guardrails import GuardrailRule as GuardrailRule
    from l0_core.guardrails import GuardrailViolation as GuardrailViolation
    from l0_core.guardrails import Violation as Violation
    from l0_core.hookspecs import AttemptContext as AttemptContext
    from l0_core.hookspecs import Check as Check
    from l0_core.hookspecs import Envelope as Envelope
    from l0_core.hookspecs import Failure as Failure
    from l0_core.hookspecs import FallBack as FallBack
    from l0_core.hookspecs import Halt as Halt
    from l0_core.hookspecs import RetryAfter as RetryAfter
    from l0_core.hookspecs import Sink as Sink
    from l0_core.hookspecs import hookimpl as hookimpl
    from l0_core.lifecycle import EventBus as EventBus
    from l0_core.lifecycle import FailureType as FailureType
    from l0_core.lifecycle import ObservabilityEvent as ObservabilityEvent
    from l0_core.lifecycle import ObservabilityEventType as ObservabilityEventType
    from l0_core.lifecycle import RecoveryPolicy as RecoveryPolicy
    from l0_core.lifecycle import RecoveryStrategy as RecoveryStrategy
    from l0_core.network import NetworkError as NetworkError
    from l0_core.network import NetworkErrorAnalysis as NetworkErrorAnalysis
    from l0_core.network import NetworkErrorType as NetworkErrorType
    from l0_core.network import analyze_network_error as analyze_network_error
    from l0_core.network import create_network_error as create_network_error
    from l0_core.network import describe_network_error as describe_network_error
    from l0_core.network import is_background_throttle as is_background_throttle
    from l0_core.network import is_connection_dropped as is_connection_dropped
    from l0_core.network import is_dns_error as is_dns_error
    from l0_core.network import is_econnrefused as is_econnrefused
    from l0_core.network import is_econnreset as is_econnreset
    from l0_core.network import is_fetch_error as is_fetch_error
    from l0_core.network import is_network_error as is_network_error
    from l0_core.network import is_no_bytes as is_no_bytes
    from l0_core.network import is_partial_chunks as is_partial_chunks
    from l0_core.network import is_runtime_killed as is_runtime_killed
    from l0_core.network import is_sse_aborted as is_sse_aborted
    from l0_core.network import is_ssl_error as is_ssl_error
    from l0_core.network import is_stream_interrupted as is_stream_interrupted
    from l0_core.network import is_timeout_error as is_timeout_error
    from l0_core.network import suggest_retry_delay as suggest_retry_delay
    from l0_core.options import RETRY_DEFAULTS as RETRY_DEFAULTS
    from l0_core.options import BackoffStrategy as BackoffStrategy
    from l0_core.options import CheckIntervals as CheckIntervals
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
    "l0_core.classification": "categorize_error is_retryable",
    "l0_core.client": "run wrap WrappedClient wrap_client",
    "l0_core.stream": "Stream LazyStream consume_stream get_text",
    "l0_core.events": "Event EventType ContentType DataPayload Progress",
    "l0_core.state": "State",
    "l0_core.delays": (
        "ERROR_TYPE_DELAY_DEFAULTS EXPONENTIAL_RETRY ErrorTypeDelayDefaults ErrorTypeDelays MINIMAL_RETRY "
        "RECOMMENDED_RETRY STRICT_RETRY"
    ),
    "l0_core.network": (
        "NetworkError NetworkErrorAnalysis NetworkErrorType analyze_network_error create_network_error "
        "describe_network_error is_background_throttle is_connection_dropped is_dns_error is_econnrefused "
        "is_econnreset is_fetch_error is_network_error is_no_bytes is_partial_chunks is_runtime_killed "
        "is_sse_aborted is_ssl_error is_stream_interrupted is_timeout_error suggest_retry_delay"
    ),
    "l0_core.options": (
        "Retry RetryDefaults RETRY_DEFAULTS RetryableErrorType Timeout Limits CheckIntervals BackoffStrategy"
    ),
    "l0_core.errors": (
        "Error ErrorCode ErrorContext ErrorCategory TimeoutError Truncated ZeroOutput InvalidToolCall "
        "GuardrailViolationError OutputLimitExceeded AdapterNotFound PluginError "
        "is_error is_l0_error"
    ),
    "l0_core.guardrails": "GuardrailRule GuardrailViolation Violation",
    "l0_core.presets": "Guardrails",
    "l0_core.lifecycle": (
        "ObservabilityEvent ObservabilityEventType EventBus FailureType RecoveryPolicy RecoveryStrategy"
    ),
    "l0_core.adapters": "Adapters Adapter AdaptedEvent",
    "l0_core.config": "ConfigError",
    "l0_core.continuation": "Continuation ContinuationConfig DeduplicationOptions OverlapResult",
    "l0_core.hookspecs": "hookimpl AttemptContext Check Sink Envelope Failure RetryAfter FallBack Halt",
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
