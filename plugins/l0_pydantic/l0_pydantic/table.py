"""What is derived of what, and what the documentation says of a model that its type does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["HELD", "NAMED", "NARROWED", "PECULIAR", "TYPES", "WRITTEN", "Peculiarity"]

TYPES = {
    "l0": (
        "BackoffStrategy CheckIntervals ContentType DataPayload ErrorCategory ErrorTypeDelays Event EventType Progress "
        "Retry RetryableErrorType State Timeout "
        "ErrorCode ErrorContext FailureType NetworkErrorAnalysis NetworkErrorType RecoveryPolicy RecoveryStrategy "
        "GuardrailRule GuardrailViolation ObservabilityEvent ObservabilityEventType RuntimeState StateTransition"
    ),
    "l0.guardrails": "GuardrailConfig GuardrailContext GuardrailResult GuardrailResultSummary GuardrailState",
    "l0_core": "DriftViolation",
    "l0_guard_json": "JsonAnalysis",
    "l0_guard_latex": "LatexAnalysis",
    "l0_guard_markdown": "MarkdownAnalysis",
    "l0_drift": "DriftConfig DriftResult",
    "l0_eventsourcing": (
        "EventEnvelope RecordedEventType ReplayComparison ReplayedState SerializedError SerializedOptions Snapshot "
        "StreamMetadata"
    ),
    "l0_consensus": (
        "Agreement ConsensusAnalysis ConsensusOutput ConsensusPreset ConsensusResult Disagreement DisagreementValue "
        "FieldAgreement FieldConsensus FieldConsensusInfo"
    ),
    "l0_parallel": "AggregatedTelemetry ParallelOptions ParallelResult PoolOptions PoolStats RaceResult",
    "l0_pipeline": "PipelineOptions PipelineResult PipelineStep StepContext StepResult StreamSummary",
    "l0_window": "ChunkResult ContextRestorationOptions DocumentChunk ProcessingStats WindowConfig WindowStats",
    "l0_monitor": "ContinuationInfo DriftInfo GuardrailInfo MetricsSnapshot NetworkInfo Telemetry",
    "l0_monitor.telemetry": "Metrics",
}
"""The types that have models, by the module where they are found."""

NAMED = {
    ("l0_eventsourcing", "SerializedError"): "EventSourcingSerializedErrorModel",
    ("l0_monitor", "ContinuationInfo"): "TelemetryContinuationModel",
    ("l0_monitor", "DriftInfo"): "TelemetryDriftModel",
    ("l0_monitor", "GuardrailInfo"): "TelemetryGuardrailsModel",
    ("l0_monitor.telemetry", "Metrics"): "TelemetryMetricsModel",
    ("l0_monitor", "NetworkInfo"): "TelemetryNetworkModel",
}
"""The models that are not named for their type with `Model` after it."""

WRITTEN = {
    "RecordedEventModel": ("l0_eventsourcing", "l0_pydantic.recorded_event"),
    "SerializedErrorModel": ("l0", "l0_pydantic.serialized_error"),
}
"""The models of a documented form that is no type of L0: the package that they are about, and the module with them."""

NARROWED = {
    "SessionStartEventModel": "SESSION_START",
    "SessionEndEventModel": "SESSION_END",
    "RetryAttemptEventModel": "RETRY_ATTEMPT",
    "CompleteEventModel": "COMPLETE",
    "ErrorEventModel": "ERROR",
}
"""The models of an `ObservabilityEvent` of one type."""

HELD = {"GuardrailViolationModel": ("DriftViolationModel",)}
"""What a field that is declared to hold the first holds as well: kinds of it that have fields of their own."""


@dataclass(frozen=True)
class Peculiarity:
    """What a model has that its type has not.

    `without` are fields that are left out, `optional` those that may be None, `aliases` second names by the first,
    `fields` the models of fields whose type has none, and `defaults` is the type of L0 that has the defaults. A model
    that is `open` keeps fields that it does not know; any other refuses them.
    """

    open: bool = False
    without: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    defaults: str = ""


PECULIAR = {
    "ErrorTypeDelaysModel": Peculiarity(defaults="ErrorTypeDelayDefaults"),
    "EventEnvelopeModel": Peculiarity(fields={"event": "RecordedEventModel"}),
    "ObservabilityEventModel": Peculiarity(open=True, optional=frozenset({"meta"}), aliases={"ts": "timestamp"}),
    "RetryModel": Peculiarity(without=frozenset({"max_attempts"})),  # an older name of another field
}
