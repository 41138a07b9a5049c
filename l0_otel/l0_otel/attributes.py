"""The names of attributes: the documented ones, and those that L0 adds to them."""

from __future__ import annotations

__all__ = ["SemanticAttributes"]


class SemanticAttributes:
    """Names of span attributes as constants. Times are in milliseconds where the name says so."""

    GEN_AI_SYSTEM = "gen_ai.system"
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"
    GEN_AI_OPERATION_NAME = "gen_ai.operation.name"
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
    GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
    GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
    GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    ERROR_TYPE = "error.type"

    L0_SESSION_ID = "l0.session_id"
    L0_STREAM_COMPLETED = "l0.stream.completed"
    L0_FALLBACK_INDEX = "l0.fallback.index"
    L0_RETRY_COUNT = "l0.retry.count"
    L0_NETWORK_ERROR_COUNT = "l0.network.error_count"
    L0_GUARDRAIL_VIOLATION_COUNT = "l0.guardrail.violation_count"
    L0_DRIFT_DETECTED = "l0.drift.detected"
    L0_TIME_TO_FIRST_TOKEN_MS = "l0.time_to_first_token_ms"
    L0_TOKENS_PER_SECOND = "l0.tokens_per_second"

    L0_ATTEMPT = "l0.attempt"
    L0_IS_RETRY = "l0.is_retry"
    L0_IS_FALLBACK = "l0.is_fallback"
    L0_TOKEN_COUNT = "l0.token_count"
    L0_CONTENT_LENGTH = "l0.content_length"
    L0_DURATION_MS = "l0.duration_ms"

    L0_OUTCOME = "l0.outcome"
    L0_ATTEMPT_OUTCOME = "l0.attempt.outcome"
    L0_SOURCE = "l0.source"
    L0_CONTINUES = "l0.continuation.length"
    L0_OVERLAP = "l0.continuation.overlap_length"
    L0_ADAPTER = "l0.adapter"
