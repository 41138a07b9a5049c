"""L0: a reliability layer between an application and the token streams of language models.

Names are loaded when they are first used, from the distribution that provides them. Nothing is imported before that.
"""

TYPE_CHECKING = False  # type checkers take it for true; importing typing would double the cost of this import

if TYPE_CHECKING:
    from l0_consensus import Agreement as Agreement
    from l0_consensus import Consensus as Consensus
    from l0_consensus import ConsensusAnalysis as ConsensusAnalysis
    from l0_consensus import ConsensusOutput as ConsensusOutput
    from l0_consensus import ConsensusPreset as ConsensusPreset
    from l0_consensus import ConsensusResult as ConsensusResult
    from l0_consensus import Disagreement as Disagreement
    from l0_consensus import DisagreementValue as DisagreementValue
    from l0_consensus import FieldAgreement as FieldAgreement
    from l0_consensus import FieldConsensus as FieldConsensus
    from l0_consensus import FieldConsensusInfo as FieldConsensusInfo
    from l0_consensus import consensus as consensus
    from l0_core.adapters import AdaptedEvent as AdaptedEvent
    from l0_core.adapters import Adapter as Adapter
    from l0_core.adapters import Adapters as Adapters
    from l0_core.classification import categorize_error as categorize_error
    from l0_core.classification import is_retryable as is_retryable
    from l0_core.client import WrappedClient as WrappedClient
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
    from l0_core.errors import StoreError as StoreError
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
    from l0_core.lifecycle_callbacks import LifecycleCallbacks as LifecycleCallbacks
    from l0_core.log import enable_debug as enable_debug
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
    from l0_core.state import State as State
    from l0_core.state_machine import RuntimeState as RuntimeState
    from l0_core.state_machine import RuntimeStates as RuntimeStates
    from l0_core.state_machine import StateMachine as StateMachine
    from l0_core.state_machine import StateTransition as StateTransition
    from l0_core.state_machine import create_state_machine as create_state_machine
    from l0_core.stream import LazyStream as LazyStream
    from l0_core.stream import Stream as Stream
    from l0_core.stream import consume_stream as consume_stream
    from l0_core.stream import get_text as get_text
    from l0_drift import Drift as Drift
    from l0_drift import DriftConfig as DriftConfig
    from l0_drift import DriftDetector as DriftDetector
    from l0_drift import DriftResult as DriftResult
    from l0_eventsourcing import EventEnvelope as EventEnvelope
    from l0_eventsourcing import EventRecorder as EventRecorder
    from l0_eventsourcing import EventReplayer as EventReplayer
    from l0_eventsourcing import EventSourcing as EventSourcing
    from l0_eventsourcing import EventStore as EventStore
    from l0_eventsourcing import EventStoreWithSnapshots as EventStoreWithSnapshots
    from l0_eventsourcing import InMemoryEventStore as InMemoryEventStore
    from l0_eventsourcing import RecordedEvent as RecordedEvent
    from l0_eventsourcing import RecordedEventType as RecordedEventType
    from l0_eventsourcing import ReplayCallbacks as ReplayCallbacks
    from l0_eventsourcing import ReplayComparison as ReplayComparison
    from l0_eventsourcing import ReplayedState as ReplayedState
    from l0_eventsourcing import ReplayResult as ReplayResult
    from l0_eventsourcing import SerializedError as SerializedError
    from l0_eventsourcing import Snapshot as Snapshot
    from l0_eventsourcing import StreamMetadata as StreamMetadata
    from l0_eventsourcing import resume as resume
    from l0_guard_json import JsonAnalysis as JsonAnalysis
    from l0_guard_latex import LatexAnalysis as LatexAnalysis
    from l0_guard_markdown import MarkdownAnalysis as MarkdownAnalysis
    from l0_monitor import Metrics as Metrics
    from l0_monitor import MetricsSnapshot as MetricsSnapshot
    from l0_monitor import Monitoring as Monitoring
    from l0_monitor import create_metrics as create_metrics
    from l0_monitor import get_global_metrics as get_global_metrics
    from l0_monitor import reset_global_metrics as reset_global_metrics
    from l0_multimodal import Multimodal as Multimodal
    from l0_parallel import AggregatedTelemetry as AggregatedTelemetry
    from l0_parallel import HedgeBudget as HedgeBudget
    from l0_parallel import OperationPool as OperationPool
    from l0_parallel import Parallel as Parallel
    from l0_parallel import ParallelOptions as ParallelOptions
    from l0_parallel import ParallelResult as ParallelResult
    from l0_parallel import PoolOptions as PoolOptions
    from l0_parallel import PoolStats as PoolStats
    from l0_parallel import RaceResult as RaceResult
    from l0_parallel import batched as batched
    from l0_parallel import create_pool as create_pool
    from l0_parallel import hedge as hedge
    from l0_parallel import parallel as parallel
    from l0_parallel import race as race
    from l0_parallel import sequential as sequential
    from l0_pipeline import FAST_PIPELINE as FAST_PIPELINE
    from l0_pipeline import PRODUCTION_PIPELINE as PRODUCTION_PIPELINE
    from l0_pipeline import RELIABLE_PIPELINE as RELIABLE_PIPELINE
    from l0_pipeline import Pipeline as Pipeline
    from l0_pipeline import PipelineOptions as PipelineOptions
    from l0_pipeline import PipelineResult as PipelineResult
    from l0_pipeline import PipelineStep as PipelineStep
    from l0_pipeline import StepContext as StepContext
    from l0_pipeline import StepResult as StepResult
    from l0_pipeline import chain_pipelines as chain_pipelines
    from l0_pipeline import create_branch_step as create_branch_step
    from l0_pipeline import create_pipeline as create_pipeline
    from l0_pipeline import create_step as create_step
    from l0_pipeline import parallel_pipelines as parallel_pipelines
    from l0_pipeline import pipe as pipe
    from l0_structured import JSON as JSON
    from l0_structured import MINIMAL_STRUCTURED as MINIMAL_STRUCTURED
    from l0_structured import RECOMMENDED_STRUCTURED as RECOMMENDED_STRUCTURED
    from l0_structured import STRICT_STRUCTURED as STRICT_STRUCTURED
    from l0_structured import AutoCorrectInfo as AutoCorrectInfo
    from l0_structured import AutoCorrectResult as AutoCorrectResult
    from l0_structured import CorrectionType as CorrectionType
    from l0_structured import JSONSchema as JSONSchema
    from l0_structured import JSONSchemaAdapter as JSONSchemaAdapter
    from l0_structured import JSONSchemaDefinition as JSONSchemaDefinition
    from l0_structured import JSONSchemaValidationError as JSONSchemaValidationError
    from l0_structured import JSONSchemaValidationFailure as JSONSchemaValidationFailure
    from l0_structured import JSONSchemaValidationSuccess as JSONSchemaValidationSuccess
    from l0_structured import SimpleJSONSchemaAdapter as SimpleJSONSchemaAdapter
    from l0_structured import StructuredConfig as StructuredConfig
    from l0_structured import StructuredResult as StructuredResult
    from l0_structured import StructuredState as StructuredState
    from l0_structured import StructuredStreamResult as StructuredStreamResult
    from l0_structured import StructuredTelemetry as StructuredTelemetry
    from l0_structured import UnifiedSchema as UnifiedSchema
    from l0_structured import structured as structured
    from l0_structured import structured_array as structured_array
    from l0_structured import structured_object as structured_object
    from l0_structured import structured_stream as structured_stream
    from l0_text import Compare as Compare
    from l0_text import Difference as Difference
    from l0_text import DifferenceSeverity as DifferenceSeverity
    from l0_text import DifferenceType as DifferenceType
    from l0_text import Format as Format
    from l0_text import NormalizeOptions as NormalizeOptions
    from l0_text import ObjectComparisonOptions as ObjectComparisonOptions
    from l0_text import StringComparisonOptions as StringComparisonOptions
    from l0_text import Text as Text
    from l0_text import WhitespaceOptions as WhitespaceOptions
    from l0_window import ChunkingStrategy as ChunkingStrategy
    from l0_window import ChunkProcessConfig as ChunkProcessConfig
    from l0_window import ChunkResult as ChunkResult
    from l0_window import ContextRestorationOptions as ContextRestorationOptions
    from l0_window import ContextRestorationStrategy as ContextRestorationStrategy
    from l0_window import DocumentChunk as DocumentChunk
    from l0_window import DocumentWindow as DocumentWindow
    from l0_window import ProcessingStats as ProcessingStats
    from l0_window import Window as Window
    from l0_window import WindowConfig as WindowConfig
    from l0_window import WindowStats as WindowStats

    from l0 import _structured as _structured
    from l0 import _utils as _utils
    from l0 import adapters as adapters
    from l0 import client as client
    from l0 import comparison as comparison
    from l0 import continuation as continuation
    from l0 import drift as drift
    from l0 import errors as errors
    from l0 import event_sourcing as event_sourcing
    from l0 import events as events
    from l0 import eventsourcing as eventsourcing
    from l0 import formatting as formatting
    from l0 import guardrails as guardrails
    from l0 import json_schema as json_schema
    from l0 import logging as logging
    from l0 import metrics as metrics
    from l0 import monitoring as monitoring
    from l0 import multimodal as multimodal
    from l0 import normalize as normalize
    from l0 import pipeline as pipeline
    from l0 import pool as pool
    from l0 import pydantic as pydantic
    from l0 import retry as retry
    from l0 import runtime as runtime
    from l0 import state as state
    from l0 import state_machine as state_machine
    from l0 import stream as stream
    from l0 import types as types
    from l0 import window as window
    from l0.guardrails import JSON_ONLY_GUARDRAILS as JSON_ONLY_GUARDRAILS
    from l0.guardrails import LATEX_ONLY_GUARDRAILS as LATEX_ONLY_GUARDRAILS
    from l0.guardrails import MARKDOWN_ONLY_GUARDRAILS as MARKDOWN_ONLY_GUARDRAILS
    from l0.guardrails import MINIMAL_GUARDRAILS as MINIMAL_GUARDRAILS
    from l0.guardrails import RECOMMENDED_GUARDRAILS as RECOMMENDED_GUARDRAILS
    from l0.guardrails import STRICT_GUARDRAILS as STRICT_GUARDRAILS
    from l0.guardrails import Guardrails as Guardrails
    from l0.guardrails import custom_pattern_rule as custom_pattern_rule
    from l0.guardrails import json_rule as json_rule
    from l0.guardrails import latex_rule as latex_rule
    from l0.guardrails import markdown_rule as markdown_rule
    from l0.guardrails import pattern_rule as pattern_rule
    from l0.guardrails import repetition_rule as repetition_rule
    from l0.guardrails import stall_rule as stall_rule
    from l0.guardrails import strict_json_rule as strict_json_rule
    from l0.guardrails import zero_output_rule as zero_output_rule
    from l0.types import AwaitableStream as AwaitableStream
    from l0.types import AwaitableStreamFactory as AwaitableStreamFactory
    from l0.types import AwaitableStreamSource as AwaitableStreamSource
    from l0.types import RawStream as RawStream
    from l0.types import StreamFactory as StreamFactory
    from l0.types import StreamSource as StreamSource
    from l0_litellm import LiteLLMAdapter as LiteLLMAdapter
    from l0_openai import OpenAIAdapter as OpenAIAdapter
    from l0_openai import OpenAIAdapterOptions as OpenAIAdapterOptions
    from l0_otel import OpenTelemetry as OpenTelemetry
    from l0_otel import OpenTelemetryConfig as OpenTelemetryConfig
    from l0_otel import OpenTelemetryExporter as OpenTelemetryExporter
    from l0_otel import OpenTelemetryExporterConfig as OpenTelemetryExporterConfig
    from l0_otel import SemanticAttributes as SemanticAttributes
    from l0_sentry import Sentry as Sentry
    from l0_sentry import SentryConfig as SentryConfig
    from l0_sentry import SentryExporter as SentryExporter
    from l0_sentry import SentryExporterConfig as SentryExporterConfig

    l0 = run  # another name of it

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
        "GuardrailViolationError OutputLimitExceeded AdapterNotFound PluginError StoreError "
        "is_error is_l0_error"
    ),
    "l0_core.guardrails": "GuardrailRule GuardrailViolation Violation",
    "l0_core.lifecycle": (
        "ObservabilityEvent ObservabilityEventType EventBus FailureType RecoveryPolicy RecoveryStrategy"
    ),
    "l0_core.adapters": "Adapters Adapter AdaptedEvent",
    "l0_core.config": "ConfigError",
    "l0_core.continuation": "Continuation ContinuationConfig DeduplicationOptions OverlapResult",
    "l0_core.state_machine": "RuntimeState RuntimeStates StateMachine StateTransition create_state_machine",
    "l0_core.lifecycle_callbacks": "LifecycleCallbacks",
    "l0_core.log": "enable_debug",
    "l0_core.hookspecs": "hookimpl AttemptContext Check Sink Envelope Failure RetryAfter FallBack Halt",
    "l0.guardrails": (
        "Guardrails JSON_ONLY_GUARDRAILS LATEX_ONLY_GUARDRAILS MARKDOWN_ONLY_GUARDRAILS MINIMAL_GUARDRAILS "
        "RECOMMENDED_GUARDRAILS STRICT_GUARDRAILS custom_pattern_rule json_rule latex_rule markdown_rule "
        "pattern_rule repetition_rule stall_rule strict_json_rule zero_output_rule"
    ),
    "l0.types": "AwaitableStream AwaitableStreamFactory AwaitableStreamSource RawStream StreamFactory StreamSource",
    "l0_openai": "OpenAIAdapter OpenAIAdapterOptions",
    "l0_litellm": "LiteLLMAdapter",
    "l0_guard_json": "JsonAnalysis",
    "l0_guard_markdown": "MarkdownAnalysis",
    "l0_guard_latex": "LatexAnalysis",
    "l0_structured": (
        "structured structured_stream structured_object structured_array StructuredResult "
        "StructuredStreamResult StructuredState StructuredTelemetry StructuredConfig AutoCorrectInfo "
        "MINIMAL_STRUCTURED RECOMMENDED_STRUCTURED STRICT_STRUCTURED JSON AutoCorrectResult CorrectionType "
        "JSONSchema JSONSchemaAdapter JSONSchemaDefinition JSONSchemaValidationError "
        "JSONSchemaValidationFailure JSONSchemaValidationSuccess SimpleJSONSchemaAdapter UnifiedSchema"
    ),
    "l0_parallel": (
        "Parallel ParallelResult ParallelOptions RaceResult AggregatedTelemetry parallel race sequential "
        "batched hedge HedgeBudget OperationPool PoolOptions PoolStats create_pool"
    ),
    "l0_pipeline": (
        "pipe Pipeline PipelineStep PipelineOptions PipelineResult StepContext StepResult create_pipeline "
        "create_step chain_pipelines parallel_pipelines create_branch_step FAST_PIPELINE RELIABLE_PIPELINE "
        "PRODUCTION_PIPELINE"
    ),
    "l0_consensus": (
        "Consensus consensus ConsensusResult ConsensusOutput ConsensusAnalysis ConsensusPreset Agreement "
        "Disagreement DisagreementValue FieldAgreement FieldConsensus FieldConsensusInfo"
    ),
    "l0_window": (
        "Window DocumentWindow DocumentChunk WindowConfig WindowStats ChunkProcessConfig ChunkResult "
        "ChunkingStrategy ProcessingStats ContextRestorationOptions ContextRestorationStrategy"
    ),
    "l0_monitor": "Monitoring Metrics MetricsSnapshot create_metrics get_global_metrics reset_global_metrics",
    "l0_otel": (
        "OpenTelemetry OpenTelemetryConfig OpenTelemetryExporter OpenTelemetryExporterConfig SemanticAttributes"
    ),
    "l0_sentry": "Sentry SentryConfig SentryExporter SentryExporterConfig",
    "l0_text": (
        "Format Text NormalizeOptions WhitespaceOptions Compare Difference DifferenceSeverity DifferenceType "
        "StringComparisonOptions ObjectComparisonOptions"
    ),
    "l0_multimodal": "Multimodal",
    "l0_drift": "Drift DriftDetector DriftConfig DriftResult",
    "l0_eventsourcing": (
        "EventSourcing EventStore EventStoreWithSnapshots InMemoryEventStore EventRecorder EventReplayer "
        "EventEnvelope RecordedEvent RecordedEventType Snapshot SerializedError ReplayResult ReplayCallbacks "
        "ReplayedState ReplayComparison StreamMetadata resume"
    ),
}
"""What the face shows, by the module that provides it."""

_MODULES = (
    "adapters client comparison consensus continuation drift errors event_sourcing events eventsourcing "
    "formatting guardrails json_schema logging metrics monitoring multimodal normalize parallel pipeline pool "
    "pydantic retry runtime state state_machine stream types window _structured _utils"
)
"""The modules of the face. `parallel` and `consensus` are the functions of that name as well."""

if not TYPE_CHECKING:

    def __getattr__(name):
        from l0._lazy import find, installed

        if name == "__all__":
            return ["__version__", "l0", *installed(_TABLE)]
        return find("run" if name == "l0" else name, globals(), _TABLE, _MODULES)

    def __dir__():
        return sorted(__getattr__("__all__"))
