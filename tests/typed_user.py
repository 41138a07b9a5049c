"""A user's program, which nobody runs: type checkers read it, and it holds if they find nothing to say.

The first part uses L0 as its documentation does, and asserts the types of what comes of it. The second imports every
documented name from its documented path; l0_core/tests/test_face.py says which those are.
"""

# ruff: noqa: F401, I001 - the names are there to be found.

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any, assert_type

import l0
from l0 import EventSourcing, l0 as l0_function
from openai import AsyncOpenAI
from pydantic import BaseModel

MODULES: list[ModuleType] = [
    *(l0._structured, l0._utils, l0.adapters, l0.client, l0.comparison, l0.continuation, l0.drift, l0.errors),
    *(l0.event_sourcing, l0.events, l0.eventsourcing, l0.formatting, l0.guardrails, l0.json_schema, l0.logging),
    *(l0.metrics, l0.monitoring, l0.multimodal, l0.normalize, l0.pipeline, l0.pool, l0.pydantic, l0.retry, l0.runtime),
    *(l0.state, l0.state_machine, l0.stream, l0.types, l0.window),
    *(l0.eventsourcing.adapters, l0.eventsourcing.recorder, l0.eventsourcing.replayer, l0.eventsourcing.sourcing),
    *(l0.eventsourcing.store, l0.eventsourcing.types),
    *(l0.formatting.context, l0.formatting.memory, l0.formatting.output, l0.formatting.strings, l0.formatting.tools),
    *(l0.monitoring.config, l0.monitoring.dispatcher, l0.monitoring.exporter, l0.monitoring.handlers),
    *(l0.monitoring.monitor, l0.monitoring.normalize, l0.monitoring.otel, l0.monitoring.sentry),
    *(l0.monitoring.telemetry,),
]


def use(*values: object) -> None:
    """What has no type to be asserted."""


class Profile(BaseModel):
    name: str


class Documented:
    """An adapter, as it is documented."""

    name = "documented"

    def detect(self, stream: Any) -> bool:
        return False

    async def wrap(self, stream: Any, options: Any = None) -> AsyncIterator[l0.Event]:
        yield l0.Event(l0.EventType.COMPLETE)


class Plain:
    """One that takes no options, and calls the stream what it likes."""

    name = "plain"

    def detect(self, response: Any) -> bool:
        return False

    async def wrap(self, response: Any) -> AsyncIterator[l0.AdaptedEvent[Any]]:
        yield l0.AdaptedEvent(l0.Event(l0.EventType.COMPLETE))


class Named:
    """One whose name is found out."""

    @property
    def name(self) -> str:
        return "named"

    def detect(self, stream: Any) -> bool:
        return False

    def wrap(self, stream: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def adapters() -> None:
    documented: l0.Adapter = Documented()
    l0.Adapters.register(documented)
    l0.Adapters.register(Plain(), silent=True)
    l0.adapters.register_adapter(Named())
    l0.Adapters.register(l0.OpenAIAdapter(l0.OpenAIAdapterOptions(choice_index=1)))
    l0.Adapters.register(l0.LiteLLMAdapter())


def rule(limit: int) -> l0.GuardrailRule:
    def check(state: l0.State) -> list[l0.GuardrailViolation]:
        assert_type(state.content, str)
        return [l0.GuardrailViolation("limit", "too long", "error")] if len(state.content) > limit else []

    return l0.GuardrailRule(name="limit", check=check, streaming=True, severity="error")


def note(event: l0.ObservabilityEvent) -> None:
    if event.type is l0.ObservabilityEventType.SESSION_START:
        assert_type(event.stream_id, str)


async def clients(raw: AsyncOpenAI) -> None:
    client: l0.WrappedClient = l0.wrap(
        raw,
        guardrails=[*l0.Guardrails.recommended(), l0.json_rule(), rule(100)],
        retry=l0.Retry(attempts=5),
        timeout=l0.Timeout(initial_token=10_000),
        continue_from_last_good_token=True,
        on_event=note,
    )
    # Whatever the client has is there to be used.
    stream: l0.Stream = await client.chat.completions.create(model="m", messages=[], stream=True)
    async for event in stream:
        assert_type(event, l0.Event)
        assert_type(event.text, str | None)
    use(client.base_url, await client.models.list(), client.unwrapped)
    assert_type(client.with_options(retry=l0.Retry()), l0.WrappedClient)
    async with client as entered:
        assert_type(entered, l0.WrappedClient)


async def streams(raw: AsyncOpenAI, unknown: Any) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"

    # A wrapped client goes wherever its client goes.
    as_what_it_wraps: AsyncOpenAI = l0.wrap(raw)
    as_client: l0.WrappedClient = l0.wrap(unknown)
    as_stream: l0.LazyStream = l0.wrap(pieces())
    use(as_what_it_wraps, as_client, as_stream)

    stream = await l0.run(pieces, fallbacks=[pieces], check_intervals={"checkpoint": 10}, adapter="openai")
    assert_type(stream, l0.Stream)
    assert_type(await l0_function(pieces), l0.Stream)
    assert_type(await l0.l0(pieces), l0.Stream)
    assert_type(await stream.read(), str)
    assert_type(stream.state, l0.State)
    assert_type(stream.errors, list[BaseException])


async def one(text: str) -> str:
    return text


async def fan_out(tasks: list[Callable[[], Any]]) -> None:
    def opening() -> Any:
        return l0.run(tasks[0])

    results = await l0.parallel([lambda: one("a"), lambda: one("b")], concurrency=2, on_complete=lambda v, i: use(v))
    assert_type(results, l0.ParallelResult[str])
    assert_type(results.results, list[str | None])
    assert_type(results.successful_results(), list[str])
    assert_type(await l0.Parallel.run([lambda: one("a")]), l0.ParallelResult[str])
    assert_type(await l0.race([lambda: one("a")]), l0.RaceResult[str])
    assert_type(await l0.Parallel.race([lambda: one("a")]), l0.RaceResult[str])
    assert_type(await l0.hedge(lambda: one("a"), lambda: one("b"), after=1), l0.RaceResult[str])
    assert_type(await l0.sequential([lambda: one("a")]), list[str])
    assert_type(await l0.race([lambda: l0.run(opening)]), l0.RaceResult[l0.Stream])
    # What is not awaitable is a task as well; so is what is said of none.
    assert_type(await l0.parallel([lambda: 1]), l0.ParallelResult[Any])
    assert_type(await l0.race(tasks), l0.RaceResult[Any])
    # As it is written in a loop.
    looped = await l0.parallel([lambda text=text: one(text) for text in "ab"], concurrency=3)
    use(looped.results, await l0.race([lambda text=text: one(text) for text in "ab"]))
    use(await l0.hedge(lambda text="a": one(text), lambda text="b": one(text), after=1))
    use(await l0.sequential([lambda text=text: one(text) for text in "ab"]))
    assert_type(await l0.batched(["a"], one, batch_size=50), list[str])


async def structured(opening: Callable[[], Any]) -> None:
    result = await l0.structured(Profile, opening, auto_correct=True)
    assert_type(result, l0.StructuredResult[Profile])
    assert_type(result.data, Profile)
    assert_type((await l0.structured_array(Profile, opening)).data, list[Profile])
    assert_type(l0._utils.auto_correct_json("{"), l0.AutoCorrectResult)


async def recorded() -> None:
    store = EventSourcing.memory(prefix="a", ttl=1)
    assert_type(store, l0.InMemoryEventStore)
    recorder = EventSourcing.recorder(store, "a")
    assert_type(recorder, l0.EventRecorder)
    replayed = await EventSourcing.replay("a", store)
    assert_type(replayed, l0.ReplayResult)
    event: EventSourcing.Event = l0.eventsourcing.types.TokenEvent(value="a")
    kind: EventSourcing.EventType = l0.RecordedEventType.TOKEN
    envelope: EventSourcing.Envelope = l0.EventEnvelope("a", 0, event)
    state: EventSourcing.State = l0.ReplayedState()
    config: EventSourcing.Config = l0.eventsourcing.StorageAdapterConfig("memory")
    snapshot: EventSourcing.Snapshot | None = await store.get_snapshot("a")
    metadata: EventSourcing.Metadata | None = await EventSourcing.metadata("a", store)
    comparison: EventSourcing.Comparison = EventSourcing.compare(state, EventSourcing.State())
    use(kind, envelope, snapshot, metadata, comparison)
    assert_type(await EventSourcing.create(config), l0.EventStore)
    assert_type(l0.eventsourcing.store.FileEventStore("./events"), l0.eventsourcing.FileEventStore)


async def rest(opening: Callable[[], Any]) -> None:
    window = l0.Window.create("text", size=2000, overlap=200, strategy="paragraph")
    assert_type(window, l0.DocumentWindow)
    assert_type(await window.process_all(lambda chunk: l0.ChunkProcessConfig(opening)), list[l0.ChunkResult[Any]])

    async def step(text: str, ctx: l0.StepContext) -> Any:
        return opening

    assert_type(await l0.pipe([l0.PipelineStep(name="first", fn=step)], "text"), l0.PipelineResult[Any])
    assert_type(await l0.consensus([lambda: one("a")], strategy="majority"), l0.ConsensusResult[Any])
    assert_type(l0.Guardrails.analyze_json("{}"), l0.JsonAnalysis)
    assert_type(l0.Guardrails.stall(max_gap=2.0), l0.GuardrailRule)
    assert_type(l0.drift.DriftDetector().check("a"), l0.DriftResult)
    assert_type(l0.metrics.create_metrics(), l0.Metrics)
    assert_type(l0.monitoring.otel.OpenTelemetry(), l0.OpenTelemetry)
    assert_type(l0.monitoring.Monitor(), l0.monitoring.monitor.Monitor)
    assert_type(l0.Format.context("a", label="b"), str)
    assert_type(l0.formatting.format_context("a"), str)


# fmt: off
# Every documented name.

def names_of_l0() -> None:
    from l0 import (
        __version__, AdaptedEvent, Adapter, AdapterNotFound, Adapters, AggregatedTelemetry, Agreement,
        analyze_network_error, AttemptContext, AutoCorrectInfo, AutoCorrectResult, AwaitableStream,
        AwaitableStreamFactory, AwaitableStreamSource, BackoffStrategy, batched, categorize_error, chain_pipelines,
        Check, CheckIntervals, ChunkingStrategy, ChunkProcessConfig, ChunkResult, Compare, ConfigError, Consensus,
        consensus, ConsensusAnalysis, ConsensusOutput, ConsensusPreset, ConsensusResult, consume_stream, ContentType,
        ContextRestorationOptions, ContextRestorationStrategy, Continuation, ContinuationConfig, CorrectionType,
        create_branch_step, create_metrics, create_network_error, create_pipeline, create_pool, create_state_machine,
        create_step, custom_pattern_rule, DataPayload, DeduplicationOptions, describe_network_error, Difference,
        DifferenceSeverity, DifferenceType, Disagreement, DisagreementValue, DocumentChunk, DocumentWindow, Drift,
        DriftConfig, DriftDetector, DriftResult, enable_debug, Envelope, Error, ERROR_TYPE_DELAY_DEFAULTS,
        ErrorCategory, ErrorCode, ErrorContext, ErrorTypeDelayDefaults, ErrorTypeDelays, Event, EventBus, EventEnvelope,
        EventRecorder, EventReplayer, EventSourcing, EventStore, EventStoreWithSnapshots, EventType, EXPONENTIAL_RETRY,
        Failure, FailureType, FallBack, FAST_PIPELINE, FieldAgreement, FieldConsensus, FieldConsensusInfo, Format,
        get_global_metrics, get_text, GuardrailRule, Guardrails, GuardrailViolation, GuardrailViolationError, Halt,
        hedge, HedgeBudget, hookimpl, InMemoryEventStore, InvalidToolCall, is_background_throttle,
        is_connection_dropped, is_dns_error, is_econnrefused, is_econnreset, is_error, is_fetch_error, is_l0_error,
        is_network_error, is_no_bytes, is_partial_chunks, is_retryable, is_runtime_killed, is_sse_aborted, is_ssl_error,
        is_stream_interrupted, is_timeout_error, JSON, JSON_ONLY_GUARDRAILS, json_rule, JsonAnalysis, JSONSchema,
        JSONSchemaAdapter, JSONSchemaDefinition, JSONSchemaValidationError, JSONSchemaValidationFailure,
        JSONSchemaValidationSuccess, l0, LATEX_ONLY_GUARDRAILS, latex_rule, LatexAnalysis, LazyStream,
        LifecycleCallbacks, Limits, LiteLLMAdapter, MARKDOWN_ONLY_GUARDRAILS, markdown_rule, MarkdownAnalysis, Metrics,
        MetricsSnapshot, MINIMAL_GUARDRAILS, MINIMAL_RETRY, MINIMAL_STRUCTURED, Monitoring, Multimodal, NetworkError,
        NetworkErrorAnalysis, NetworkErrorType, NormalizeOptions, ObjectComparisonOptions, ObservabilityEvent,
        ObservabilityEventType, OpenAIAdapter, OpenAIAdapterOptions, OpenTelemetry, OpenTelemetryConfig,
        OpenTelemetryExporter, OpenTelemetryExporterConfig, OperationPool, OutputLimitExceeded, OverlapResult, Parallel,
        parallel, parallel_pipelines, ParallelOptions, ParallelResult, pattern_rule, pipe, Pipeline, PipelineOptions,
        PipelineResult, PipelineStep, PluginError, PoolOptions, PoolStats, ProcessingStats, PRODUCTION_PIPELINE,
        Progress, race, RaceResult, RawStream, RECOMMENDED_GUARDRAILS, RECOMMENDED_RETRY, RECOMMENDED_STRUCTURED,
        RecordedEvent, RecordedEventType, RecoveryPolicy, RecoveryStrategy, RELIABLE_PIPELINE, repetition_rule,
        ReplayCallbacks, ReplayComparison, ReplayedState, ReplayResult, reset_global_metrics, resume, Retry,
        RETRY_DEFAULTS, RetryableErrorType, RetryAfter, RetryDefaults, run, RuntimeState, RuntimeStates,
        SemanticAttributes, Sentry, SentryConfig, SentryExporter, SentryExporterConfig, sequential, SerializedError,
        SimpleJSONSchemaAdapter, Sink, Snapshot, stall_rule, State, StateMachine, StateTransition, StepContext,
        StepResult, StoreError, Stream, StreamFactory, StreamMetadata, StreamSource, STRICT_GUARDRAILS,
        strict_json_rule, STRICT_RETRY, STRICT_STRUCTURED, StringComparisonOptions, structured, structured_array,
        structured_object, structured_stream, StructuredConfig, StructuredResult, StructuredState,
        StructuredStreamResult, StructuredTelemetry, suggest_retry_delay, Text, Timeout, TimeoutError, Truncated,
        UnifiedSchema, Violation, WhitespaceOptions, Window, WindowConfig, WindowStats, wrap, wrap_client,
        WrappedClient, zero_output_rule, ZeroOutput
    )
def names_of_l0_structured() -> None:
    from l0._structured import (
        AutoCorrectInfo, MINIMAL_STRUCTURED, RECOMMENDED_STRUCTURED, STRICT_STRUCTURED, structured, structured_array,
        structured_object, structured_stream, StructuredConfig, StructuredResult, StructuredState,
        StructuredStreamResult, StructuredTelemetry
    )
def names_of_l0_utils() -> None:
    from l0._utils import (
        auto_correct_json, AutoCorrectResult, CorrectionType, extract_json, extract_json_from_markdown, is_valid_json,
        JSON, safe_json_parse
    )
def names_of_l0_adapters() -> None:
    from l0.adapters import (
        AdaptedEvent, Adapter, Adapters, clear_adapters, create_audio_event, create_complete_event, create_data_event,
        create_error_event, create_image_event, create_progress_event, create_token_event, detect_adapter,
        EventPassthroughAdapter, get_adapter, get_registered_adapters, has_matching_adapter, LiteLLMAdapter,
        OpenAIAdapter, OpenAIAdapterOptions, register_adapter, to_l0_events, to_l0_events_with_messages,
        to_multimodal_l0_events, unregister_adapter, unregister_all_except
    )
def names_of_l0_client() -> None:
    from l0.client import wrap_client, WrappedClient
def names_of_l0_comparison() -> None:
    from l0.comparison import (
        calculate_similarity_score, Compare, compare_arrays, compare_numbers, compare_objects, compare_strings,
        compare_values, cosine_similarity, count_fields, deep_equal, Difference, DifferenceSeverity, DifferenceType,
        get_type, jaro_winkler_similarity, levenshtein_distance, levenshtein_similarity, ObjectComparisonOptions,
        StringComparisonOptions
    )
def names_of_l0_consensus() -> None:
    from l0.consensus import (
        Agreement, AgreementType, best_consensus, calculate_field_consensus, calculate_output_similarity,
        calculate_similarity_matrix, calculate_structural_similarity, ConflictResolution, Consensus, consensus,
        ConsensusAnalysis, ConsensusOutput, ConsensusPreset, ConsensusResult, Disagreement, DisagreementSeverity,
        DisagreementValue, FieldAgreement, FieldConsensus, FieldConsensusInfo, find_agreements, find_disagreements,
        get_consensus_value, lenient_consensus, meets_minimum_agreement, quick_consensus, resolve_best,
        resolve_majority, resolve_merge, standard_consensus, Strategy, strict_consensus, validate_consensus
    )
def names_of_l0_continuation() -> None:
    from l0.continuation import (
        Continuation, ContinuationConfig, deduplicate_continuation, DeduplicationOptions, detect_overlap, OverlapResult
    )
def names_of_l0_drift() -> None:
    from l0.drift import check_drift, create_drift_detector, Drift, DriftConfig, DriftDetector, DriftResult, DriftType
def names_of_l0_errors() -> None:
    from l0.errors import (
        analyze_network_error, categorize_error, create_network_error, describe_network_error, Error, ErrorCode,
        ErrorContext, FailureType, get_error_category, is_background_throttle, is_connection_dropped, is_dns_error,
        is_econnrefused, is_econnreset, is_error, is_fetch_error, is_l0_error, is_network_error, is_no_bytes,
        is_partial_chunks, is_retryable, is_runtime_killed, is_sse_aborted, is_ssl_error, is_stream_interrupted,
        is_timeout_error, NetworkError, NetworkErrorAnalysis, NetworkErrorType, RecoveryPolicy, RecoveryStrategy,
        suggest_retry_delay
    )
def names_of_l0_event_sourcing() -> None:
    from l0.event_sourcing import (
        compare_replays, create_event_recorder, create_event_replayer, create_in_memory_event_store, EventEnvelope,
        EventRecorder, EventReplayer, EventSourcing, EventStore, EventStoreWithSnapshots, FileEventStore,
        generate_stream_id, get_stream_metadata, InMemoryEventStore, RecordedEvent, RecordedEventType, replay,
        ReplayCallbacks, ReplayComparison, ReplayedState, ReplayOptions, ReplayResult, SerializedError, Snapshot,
        StreamMetadata
    )
def names_of_l0_events() -> None:
    from l0.events import EventBus, ObservabilityEvent, ObservabilityEventType
def names_of_l0_eventsourcing() -> None:
    from l0.eventsourcing import (
        AbortedEvent, BaseEventStore, BaseEventStoreWithSnapshots, CheckpointEvent, compare_replays, CompleteEvent,
        CompositeEventStore, CompositeStoreError, ContinuationEvent, create_event_recorder, create_event_replayer,
        create_event_store, create_in_memory_event_store, deserialize_error, DriftEvent, DriftEventResult, ErrorEvent,
        EventEnvelope, EventRecorder, EventReplayer, EventSourcing, EventStore, EventStoreWithSnapshots, FallbackEvent,
        FileEventStore, generate_stream_id, get_registered_adapters, get_stream_metadata, GuardrailEvent,
        GuardrailEventResult, Head, InMemoryEventStore, Job, now_ms, open_store, OutputEvent, pack, Record,
        RecordedEvent, RecordedEventType, Recording, RecordOptions, RecordStore, register_storage_adapter, Replay,
        replay, ReplayCallbacks, ReplayComparison, ReplayedState, ReplayOptions, ReplayResult, ResetEvent, resume,
        RetryEvent, serialize_error, SerializedError, SerializedOptions, Snapshot, StartEvent, StorageAdapterConfig,
        StorageAdapterFactory, StoreOptions, StorePlugin, StoreUnavailable, StreamEnded, StreamMetadata, TokenEvent,
        TTLEventStore, UnknownEvent, unpack, unregister_storage_adapter, Worker, WrongExpectedVersion
    )
def names_of_l0_eventsourcing_adapters() -> None:
    from l0.eventsourcing.adapters import (
        create_event_store, get_registered_adapters, register_storage_adapter, StorageAdapterConfig,
        StorageAdapterFactory, unregister_storage_adapter
    )
def names_of_l0_eventsourcing_recorder() -> None:
    from l0.eventsourcing.recorder import EventRecorder
def names_of_l0_eventsourcing_replayer() -> None:
    from l0.eventsourcing.replayer import (
        compare_replays, EventReplayer, get_stream_metadata, replay, ReplayComparison, ReplayResult, StreamMetadata
    )
def names_of_l0_eventsourcing_sourcing() -> None:
    from l0.eventsourcing.sourcing import EventSourcing
def names_of_l0_eventsourcing_store() -> None:
    from l0.eventsourcing.store import (
        BaseEventStore, BaseEventStoreWithSnapshots, CompositeEventStore, CompositeStoreError, EventStore,
        EventStoreWithSnapshots, FileEventStore, InMemoryEventStore, TTLEventStore
    )
def names_of_l0_eventsourcing_types() -> None:
    from l0.eventsourcing.types import (
        CheckpointEvent, CompleteEvent, ContinuationEvent, deserialize_error, DriftEvent, DriftEventResult, ErrorEvent,
        EventEnvelope, FallbackEvent, generate_stream_id, GuardrailEvent, GuardrailEventResult, now_ms, RecordedEvent,
        RecordedEventType, RecordOptions, ReplayedState, ReplayOptions, RetryEvent, serialize_error, SerializedError,
        SerializedOptions, Snapshot, StartEvent, TokenEvent
    )
def names_of_l0_formatting() -> None:
    from l0.formatting import (
        Alignment, calculate_memory_size, clean_output, ContextItem, ContextOptions, create_memory_entry,
        create_output_format_section, create_parameter, create_tool, DelimiterType, DocumentMetadata, escape,
        escape_delimiters, escape_html, escape_regex, extract_json_from_output, filter_memory_by_role, Format,
        format_context, format_document, format_function_arguments, format_instructions, format_json_output,
        format_memory, format_multiple_contexts, format_output_constraints, format_structured_output, format_tool,
        format_tools, FunctionCall, get_last_n_entries, JsonOutputOptions, MemoryEntry, MemoryFormatOptions, MemoryRole,
        MemoryStyle, merge_memory, OutputConstraints, OutputFormat, OutputFormatSectionOptions, pad, ParameterType,
        parse_function_call, remove_ansi, sanitize, StructuredOutputOptions, Tool, ToolFormatOptions, ToolFormatStyle,
        ToolParameter, trim, truncate, truncate_memory, truncate_words, unescape, unescape_delimiters, unescape_html,
        validate_json_output, validate_tool, wrap, wrap_output_instruction
    )
def names_of_l0_formatting_context() -> None:
    from l0.formatting.context import (
        ContextItem, ContextOptions, DelimiterType, DocumentMetadata, escape_delimiters, format_context,
        format_document, format_instructions, format_multiple_contexts, unescape_delimiters
    )
def names_of_l0_formatting_memory() -> None:
    from l0.formatting.memory import (
        calculate_memory_size, create_memory_entry, filter_memory_by_role, format_memory, get_last_n_entries,
        MemoryEntry, MemoryFormatOptions, MemoryRole, MemoryStyle, merge_memory, truncate_memory
    )
def names_of_l0_formatting_output() -> None:
    from l0.formatting.output import (
        clean_output, create_output_format_section, extract_json_from_output, format_json_output,
        format_output_constraints, format_structured_output, JsonOutputOptions, OutputConstraints, OutputFormat,
        OutputFormatSectionOptions, StructuredOutputOptions, validate_json_output, wrap_output_instruction
    )
def names_of_l0_formatting_strings() -> None:
    from l0.formatting.strings import (
        Alignment, escape, escape_html, escape_regex, pad, remove_ansi, sanitize, trim, truncate, truncate_words,
        unescape, unescape_html, wrap
    )
def names_of_l0_formatting_tools() -> None:
    from l0.formatting.tools import (
        create_parameter, create_tool, format_function_arguments, format_tool, format_tools, FunctionCall,
        ParameterType, parse_function_call, Tool, ToolFormatOptions, ToolFormatStyle, ToolParameter, validate_tool
    )
def names_of_l0_guardrails() -> None:
    from l0.guardrails import (
        analyze_json_structure, analyze_latex_structure, analyze_markdown_structure, BAD_PATTERNS, BadPatterns,
        check_guardrails, check_guardrails_full, create_guardrail_engine, custom_pattern_rule, detect_excessive_hedging,
        detect_first_last_duplicate, detect_format_collapse, detect_instruction_leakage, detect_meta_commentary,
        detect_placeholders, detect_refusal, detect_repetition, find_bad_patterns, GuardrailConfig, GuardrailContext,
        GuardrailEngine, GuardrailResult, GuardrailResultSummary, GuardrailRule, Guardrails, GuardrailState,
        GuardrailViolation, IncrementalJsonState, is_noise_only, is_zero_output, JSON_ONLY_GUARDRAILS, json_rule,
        JsonAnalysis, LATEX_ONLY_GUARDRAILS, latex_rule, LatexAnalysis, looks_like_json, looks_like_latex,
        looks_like_markdown, MARKDOWN_ONLY_GUARDRAILS, markdown_rule, MarkdownAnalysis, MINIMAL_GUARDRAILS,
        minimal_guardrails, pattern_rule, RECOMMENDED_GUARDRAILS, recommended_guardrails, repetition_rule,
        run_async_guardrail_check, run_guardrail_check_async, Severity, stall_rule, STRICT_GUARDRAILS,
        strict_guardrails, strict_json_rule, update_json_state_incremental, zero_output_rule
    )
def names_of_l0_json_schema() -> None:
    from l0.json_schema import (
        create_simple_json_schema_adapter, get_json_schema_adapter, has_json_schema_adapter, is_json_schema, JSONSchema,
        JSONSchemaAdapter, JSONSchemaDefinition, JSONSchemaValidationError, JSONSchemaValidationFailure,
        JSONSchemaValidationResult, JSONSchemaValidationSuccess, register_json_schema_adapter, SimpleJSONSchemaAdapter,
        UnifiedSchema, unregister_json_schema_adapter, validate_json_schema, wrap_json_schema
    )
def names_of_l0_logging() -> None:
    from l0.logging import enable_debug, logger
def names_of_l0_metrics() -> None:
    from l0.metrics import create_metrics, get_global_metrics, Metrics, MetricsSnapshot, reset_global_metrics
def names_of_l0_monitoring() -> None:
    from l0.monitoring import (
        batch_events, BatchEventHandler, combine_events, ContinuationInfo, create_event_dispatcher, create_metrics,
        debounce_events, DriftInfo, ErrorInfo, EventDispatcher, EventHandler, exclude_events, filter_events,
        get_global_metrics, GuardrailInfo, L0Event, L0EventType, Metrics, MetricsConfig, MetricsMonitor,
        MetricsSnapshot, Monitor, Monitoring, MonitoringConfig, NetworkInfo, reset_global_metrics, RetryInfo,
        sample_events, SamplingConfig, tap_events, Telemetry, TelemetryExporter, TelemetryMonitor, TimingInfo
    )
def names_of_l0_monitoring_config() -> None:
    from l0.monitoring.config import MetricsConfig, MonitoringConfig, SamplingConfig
def names_of_l0_monitoring_dispatcher() -> None:
    from l0.monitoring.dispatcher import create_event_dispatcher, EventDispatcher, EventHandler
def names_of_l0_monitoring_exporter() -> None:
    from l0.monitoring.exporter import TelemetryExporter
def names_of_l0_monitoring_handlers() -> None:
    from l0.monitoring.handlers import (
        batch_events, BatchEventHandler, combine_events, debounce_events, EventHandler, exclude_events, filter_events,
        Monitoring, sample_events, tap_events
    )
def names_of_l0_monitoring_monitor() -> None:
    from l0.monitoring.monitor import Monitor
def names_of_l0_monitoring_normalize() -> None:
    from l0.monitoring.normalize import (
        create_complete_event, create_error_event, create_message_event, create_token_event, extract_tokens,
        filter_events_by_type, get_first_error, is_complete_event, is_error_event, is_token_event, L0Event, L0EventType,
        normalize_error, normalize_stream_event, normalize_stream_events, reconstruct_text
    )
def names_of_l0_monitoring_otel() -> None:
    from l0.monitoring.otel import (
        create_opentelemetry_handler, NoOpSpan, OpenTelemetry, OpenTelemetryConfig, OpenTelemetryExporter,
        OpenTelemetryExporterConfig, SemanticAttributes, SpanProtocol, with_opentelemetry
    )
def names_of_l0_monitoring_sentry() -> None:
    from l0.monitoring.sentry import (
        create_sentry_handler, Sentry, SentryClient, SentryConfig, SentryExporter, SentryExporterConfig, SeverityLevel,
        with_sentry
    )
def names_of_l0_monitoring_telemetry() -> None:
    from l0.monitoring.telemetry import ErrorInfo, GuardrailInfo, Metrics, RetryInfo, Telemetry, TimingInfo
def names_of_l0_multimodal() -> None:
    from l0.multimodal import (
        create_audio_event, create_complete_event, create_data_event, create_error_event, create_image_event,
        create_json_event, create_message_event, create_progress_event, create_token_event, create_video_event,
        Multimodal, to_events, to_events_with_messages, to_multimodal_events
    )
def names_of_l0_normalize() -> None:
    from l0.normalize import (
        count_lines, dedent, ensure_trailing_newline, get_line, indent, is_whitespace_only, normalize_for_model,
        normalize_indentation, normalize_newlines, normalize_text, normalize_whitespace, NormalizeOptions,
        remove_trailing_whitespace, replace_line, Text, trim_text, WhitespaceOptions
    )
def names_of_l0_parallel() -> None:
    from l0.parallel import (
        AggregatedTelemetry, batched, Parallel, parallel, ParallelOptions, ParallelResult, race, RaceResult, sequential
    )
def names_of_l0_pipeline() -> None:
    from l0.pipeline import (
        chain_pipelines, create_branch_step, create_pipeline, create_step, FAST_PIPELINE, parallel_pipelines, pipe,
        Pipeline, PipelineOptions, PipelineResult, PipelineStep, PRODUCTION_PIPELINE, RELIABLE_PIPELINE, StepContext,
        StepResult
    )
def names_of_l0_pool() -> None:
    from l0.pool import create_pool, OperationPool, PooledOperation, PoolOptions, PoolStats
def names_of_l0_pydantic() -> None:
    from l0.pydantic import DriftResultModel, EventModel, RetryModel, StateModel, TimeoutModel
def names_of_l0_retry() -> None:
    from l0.retry import RetryContext, RetryManager
def names_of_l0_runtime() -> None:
    from l0.runtime import LifecycleCallbacks, TimeoutError
def names_of_l0_state() -> None:
    from l0.state import append_token, create_state, mark_completed, update_checkpoint
def names_of_l0_state_machine() -> None:
    from l0.state_machine import create_state_machine, RuntimeState, RuntimeStates, StateMachine, StateTransition
def names_of_l0_stream() -> None:
    from l0.stream import consume_stream, get_text
def names_of_l0_types() -> None:
    from l0.types import (
        AwaitableStream, AwaitableStreamFactory, AwaitableStreamSource, BackoffStrategy, CheckIntervals, ContentType,
        DataPayload, DEFAULT_RETRY_ON, ERROR_TYPE_DELAY_DEFAULTS, ErrorCategory, ErrorTypeDelayDefaults,
        ErrorTypeDelays, Event, EventType, EXPONENTIAL_RETRY, LazyStream, MINIMAL_RETRY, Progress, RawStream,
        RawStreamOf, RECOMMENDED_RETRY, Retry, RETRY_DEFAULTS, RetryableErrorType, RetryDefaults, State, Stream,
        StreamFactory, StreamFactoryOf, StreamSource, STRICT_RETRY, Timeout
    )
def names_of_l0_window() -> None:
    from l0.window import (
        _get_restoration_chunk, chunk_document, ChunkingStrategy, ChunkProcessConfig, ChunkResult,
        ContextRestorationOptions, ContextRestorationStrategy, DocumentChunk, DocumentWindow, estimate_chars_for_tokens,
        estimate_tokens, get_processing_stats, l0_with_window, merge_chunks, merge_results, process_with_window,
        ProcessingStats, TokenEstimator, Window, WindowConfig, WindowStats
    )
