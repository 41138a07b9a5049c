"""What the documentation says of `l0.pydantic` is so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import l0
import l0_pydantic
import pytest
from l0_pydantic import (
    DataPayloadModel,
    ErrorCategoryModel,
    ErrorCodeModel,
    ErrorTypeDelaysModel,
    EventModel,
    EventTypeModel,
    GuardrailConfigModel,
    ObservabilityEventModel,
    ObservabilityEventTypeModel,
    RetryModel,
    SerializedErrorModel,
    StateModel,
)
from l0_pydantic.table import TYPES
from pydantic import BaseModel, ValidationError

from l0_core import AttemptContext, Check

DOCUMENTED = """
BackoffStrategy CheckIntervals ContentType DataPayload ErrorCategory ErrorTypeDelays Event EventType Progress
RetryableErrorType Retry State Timeout Telemetry TelemetryContinuation TelemetryDrift TelemetryGuardrails
TelemetryMetrics TelemetryNetwork
ErrorCode ErrorContext FailureType NetworkErrorAnalysis NetworkErrorType RecoveryPolicy RecoveryStrategy SerializedError
GuardrailConfig GuardrailContext GuardrailResult GuardrailResultSummary GuardrailState GuardrailViolation JsonAnalysis
LatexAnalysis MarkdownAnalysis
ObservabilityEvent ObservabilityEventType SessionStartEvent SessionEndEvent RetryAttemptEvent CompleteEvent ErrorEvent
Agreement ConsensusAnalysis ConsensusOutput ConsensusPreset ConsensusResult Disagreement DisagreementValue
FieldAgreement FieldConsensus FieldConsensusInfo
AggregatedTelemetry ParallelOptions ParallelResult RaceResult PipelineOptions PipelineResult PipelineStep StepContext
StepResult PoolOptions PoolStats ChunkResult ContextRestorationOptions DocumentChunk ProcessingStats WindowConfig
WindowStats DriftConfig DriftResult RuntimeState StateTransition
EventEnvelope RecordedEvent RecordedEventType ReplayComparison ReplayedState Snapshot StreamMetadata
EventSourcingSerializedError MetricsSnapshot
""".split()
OTHER_NAMES = {
    "FieldConsensusInfo": "FieldAgreementModel",
    # Types that are models as they are.
    "Telemetry": "Telemetry",
    "TelemetryContinuation": "ContinuationInfo",
    "TelemetryDrift": "DriftInfo",
    "TelemetryGuardrails": "GuardrailInfo",
    "TelemetryMetrics": "Metrics",
    "TelemetryNetwork": "NetworkInfo",
}
"""Models that are not named for what they are found by."""
HOMES = {
    **dict.fromkeys((name for name in OTHER_NAMES if name.startswith("Telemetry")), "l0_monitor"),
    "SerializedError": "l0",
    "EventSourcingSerializedError": "l0_eventsourcing",
    "RecordedEvent": "l0_eventsourcing",
}
"""What models are about that are not named for their type."""


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_model_is_there_or_says_what_to_install(name: str) -> None:
    package = HOMES.get(name) or next((home for home, names in TYPES.items() if name in names.split()), "l0")
    if find_spec(package.partition(".")[0]) is not None:
        assert getattr(l0_pydantic, f"{name}Model").__name__ == OTHER_NAMES.get(name, f"{name}Model")
        return
    distribution = package.replace("_", "-")
    wanted = f"^l0.pydantic.{name}Model needs the {distribution} package: pip install {distribution}$"
    with pytest.raises(ImportError, match=wanted):
        getattr(l0_pydantic, f"{name}Model")


def test_external_data_is_validated_written_and_described() -> None:
    state = StateModel(content="Hello", token_count=5, completed=True)
    assert StateModel.model_validate_json(state.model_dump_json()) == state
    schema = StateModel.model_json_schema()
    assert schema["properties"]["token_count"] == {"default": 0, "title": "Token Count", "type": "integer"}
    with pytest.raises(ValidationError, match="token_count"):
        StateModel(content="Hello", token_count="many")  # type: ignore[arg-type]


def test_the_state_of_a_stream_is_validated_as_it_stands() -> None:
    async def open_stream() -> AsyncIterator[l0.Event]:
        for word in ("Hello ", "there"):
            yield l0.Event(l0.EventType.TOKEN, word)

    async def main() -> l0.State:
        stream = await l0.run(open_stream)
        assert await stream.read() == "Hello there"
        return stream.state

    state = asyncio.run(main())
    mirrored = StateModel.model_validate(state)
    assert (mirrored.content, mirrored.completed, mirrored.aborted) == ("Hello there", True, False)
    assert (mirrored.token_count, mirrored.duration, mirrored.outcome) == (2, state.duration, "complete")
    assert not [name for name in mirrored.model_dump() if name.startswith("_")]


@pytest.mark.parametrize(
    "name",
    [
        *("RetryModel", "StateModel", "TimeoutModel", "CheckIntervalsModel"),
        pytest.param("DriftConfigModel", marks=needs("l0_drift")),
    ],
)
def test_a_model_has_the_defaults_of_its_type(name: str) -> None:
    model: Any = getattr(l0_pydantic, name)
    type_ = getattr(l0, name.removesuffix("Model"))
    assert model() == model.model_validate(type_())


def test_a_retry_has_its_concrete_defaults_and_no_callbacks() -> None:
    retry = RetryModel()
    assert (retry.attempts, retry.max_retries, retry.base_delay, retry.max_delay) == (3, 6, 1.0, 10.0)
    assert retry.strategy is l0_pydantic.BackoffStrategyModel.FIXED_JITTER
    assert not {"should_retry", "calculate_delay"} & RetryModel.model_fields.keys()
    with pytest.raises(ValidationError, match="calculate_delay\n  Extra inputs are not permitted"):
        RetryModel(calculate_delay=lambda context: 1.0)  # type: ignore[call-arg]
    assert l0.Retry(**retry.model_dump()) == l0.Retry()


def test_delays_by_the_kind_of_error_have_the_default_delays() -> None:
    defaults = l0.ERROR_TYPE_DELAY_DEFAULTS
    assert ErrorTypeDelaysModel().model_dump() == {
        name: getattr(defaults, name) for name in ErrorTypeDelaysModel.model_fields
    }
    assert set(ErrorTypeDelaysModel.model_validate(l0.ErrorTypeDelays()).model_dump().values()) == {None}


def test_an_exception_is_text() -> None:
    event = l0.Event(l0.EventType.ERROR, error=ValueError("no such model"))
    assert EventModel.model_validate(event).error == "no such model"
    assert EventModel(type=EventTypeModel.ERROR, error="x").error == "x"
    assert EventModel.model_validate(l0.Event(l0.EventType.ERROR, error=KeyError())).error == "KeyError"
    assert EventModel.model_json_schema()["properties"]["error"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    state = l0.State(network_errors=[ConnectionResetError("gone")])
    assert StateModel.model_validate(state).network_errors == ["gone"]


def test_the_json_of_a_payload_has_another_name_because_models_have_a_method_of_that_one() -> None:
    payload = DataPayloadModel.model_validate(l0.DataPayload(l0.ContentType.JSON, json={"a": 1}))
    assert payload.json_data == {"a": 1}
    assert payload.model_dump(by_alias=True)["json"] == {"a": 1}
    for given in ({"json": 1}, {"json_data": 1}):
        assert DataPayloadModel.model_validate({"content_type": "json", **given}).json_data == 1


def test_bytes_are_base64_in_json() -> None:
    payload = DataPayloadModel.model_validate(l0.DataPayload(l0.ContentType.BINARY, data=b"\xff\x00"))
    assert payload.data == b"\xff\x00"
    assert json.loads(payload.model_dump_json())["data"] == "/wA="


def test_an_event_for_observers_is_open_and_has_two_names_for_its_time() -> None:
    for time in ("ts", "timestamp"):
        given = {"type": "TOKEN", time: 1.0, "stream_id": "s", "attempt": 2}
        event = ObservabilityEventModel.model_validate(given)
        assert (event.ts, event.meta, event.model_extra) == (1.0, {}, {"attempt": 2})
    assert event.model_dump(by_alias=True)["timestamp"] == 1.0
    assert ObservabilityEventModel.model_validate({**given, "meta": None}).meta is None
    live = l0.ObservabilityEvent(l0.ObservabilityEventType.TOKEN, 2.0, "s", meta={"text": "hi"})
    assert ObservabilityEventModel.model_validate(live).model_dump() == {
        "type": ObservabilityEventTypeModel.TOKEN, "ts": 2.0, "stream_id": "s", "context": {}, "meta": {"text": "hi"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SessionStart", "SESSION_START"),
        ("SessionEnd", "SESSION_END"),
        ("RetryAttempt", "RETRY_ATTEMPT"),
        ("Complete", "COMPLETE"),
        ("Error", "ERROR"),
    ],
)
def test_an_event_of_one_type_is_that_event_and_no_other(name: str, kind: str) -> None:
    model: Any = getattr(l0_pydantic, f"{name}EventModel")
    assert model(ts=1.0, stream_id="s").type is ObservabilityEventTypeModel[kind]
    live = l0.ObservabilityEvent(l0.ObservabilityEventType[kind], 1.0, "s", meta={"a": 1})
    event = model.model_validate(live)
    assert isinstance(event, ObservabilityEventModel)
    assert model.model_validate_json(event.model_dump_json()) == event
    with pytest.raises(ValidationError):
        model(type="TOKEN", ts=1.0, stream_id="s")


def test_whatever_a_caller_put_into_a_context_is_written_as_json() -> None:
    context = {"request": object(), "when": {1, 2}, "raised": ValueError("no"), "deep": {"raised": ValueError("no")}}
    live = l0.ObservabilityEvent(l0.ObservabilityEventType.TOKEN, 1.0, "s", context=context)
    event = ObservabilityEventModel.model_validate(live)
    assert event.context["request"] is context["request"]
    written = json.loads(event.model_dump_json())["context"]
    assert (written["when"], written["raised"], written["deep"]) == ([1, 2], "no", {"raised": "no"})
    assert written["request"].startswith("<object object")


@pytest.mark.parametrize("code", list(l0.ErrorCode))
def test_a_serialized_error_is_what_an_error_says_of_itself(code: l0.ErrorCode) -> None:
    context = l0.ErrorContext(code, checkpoint="abc", token_count=3, fallback_index=1, metadata={"a": 1})
    for error in (l0.Error("no", context), l0.Error("no", code), l0.Truncated("no")):
        said = error.to_json()
        model = SerializedErrorModel.model_validate(said)
        assert model.model_dump(mode="json", by_alias=True) == said
        assert SerializedErrorModel.model_validate_json(model.model_dump_json()) == model
    by_name = SerializedErrorModel(
        name="Error", code=ErrorCodeModel.NETWORK_ERROR, category=ErrorCategoryModel.NETWORK, message="", timestamp=1.0,
        has_checkpoint=True,
    )  # fmt: skip
    assert by_name.has_checkpoint


def test_a_rule_is_described_without_what_it_calls() -> None:
    def opens(ctx: AttemptContext) -> Check | None:
        return None

    rule = l0.GuardrailRule("polite", check=lambda state: [], severity="warning", open=opens)
    config = GuardrailConfigModel.model_validate(l0.guardrails.GuardrailConfig(rules=[rule]))
    assert config.rules[0].model_dump() == {
        "name": "polite", "description": None, "streaming": True, "severity": "warning", "recoverable": True,
    }  # fmt: skip
    with pytest.raises(ValidationError, match="check\n  Extra inputs are not permitted"):
        l0_pydantic.GuardrailRuleModel(name="polite", check=rule.check)  # type: ignore[call-arg]


def test_the_models_are_those_of_the_face() -> None:
    from l0.pydantic import GuardrailRuleModel, StateModel

    assert StateModel is l0_pydantic.StateModel
    assert GuardrailRuleModel is l0_pydantic.GuardrailRuleModel
    assert issubclass(StateModel, BaseModel)
