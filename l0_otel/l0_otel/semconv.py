"""The names of the GenAI semantic conventions, as they stood in two versions. L0's own names begin with `l0.`.

`latest` is `docs/gen-ai/client-inference.md` of open-telemetry/semantic-conventions-genai at commit
024a4f944a1291fcb627c9c47da69e79868dd15e; `v1_36` is v1.36.0 of open-telemetry/semantic-conventions, which much that
reads traces still expects. Names in neither version that are needed are L0's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["DURATION_BUCKETS", "LATEST", "TOKEN_BUCKETS", "V1_36", "VERSIONS", "Names", "Version"]

Version = Literal["latest", "v1_36"]

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bounds in seconds that the conventions ask for, for durations and first chunks."""

TOKEN_BUCKETS = tuple(4**power for power in range(14))
"""Bounds in tokens, for histograms of usage."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one version. None is what a version has no name for, and what is then not told."""

    provider: str
    stream: str | None
    """Span attribute: whether the request asked for a stream."""
    first_chunk: str | None
    """Span attribute: seconds until the first chunk."""
    duration_metric: str
    first_chunk_metric: str
    usage_metrics: dict[str, str]
    """The metric of each kind of token that `state.usage` may count, by its key there."""
    usage_attributes: dict[str, dict[str, str]]
    """What its measurements say besides, by the same key."""
    usage_is_counted: bool
    """Whether usage is a counter; a histogram otherwise."""

    operation: str = "gen_ai.operation.name"
    model: str = "gen_ai.request.model"
    finish_reasons: str = "gen_ai.response.finish_reasons"
    usage: dict[str, str] = field(
        default_factory=lambda: {
            "input_tokens": "gen_ai.usage.input_tokens",
            "output_tokens": "gen_ai.usage.output_tokens",
        }
    )
    """Span attributes of usage, by the keys of `state.usage`."""
    input_messages: str = "gen_ai.input.messages"
    output_messages: str = "gen_ai.output.messages"
    error: str = "error.type"
    output_chunk_metric: str = "l0.time_per_output_token"
    """L0's own: the conventions' is measured at every chunk, this once per operation."""


LATEST = Names(
    provider="gen_ai.provider.name",
    stream="gen_ai.request.stream",
    first_chunk="gen_ai.response.time_to_first_chunk",
    duration_metric="gen_ai.client.inference.duration",
    first_chunk_metric="gen_ai.client.inference.time_to_first_chunk",
    usage_metrics={
        "input_tokens": "gen_ai.client.inference.usage.input_tokens",
        "output_tokens": "gen_ai.client.inference.usage.output_tokens",
    },
    usage_attributes={
        "input_tokens": {"gen_ai.token.modality": "unknown"},
        "output_tokens": {"gen_ai.token.modality": "unknown"},
    },
    usage_is_counted=True,
)

V1_36 = Names(
    provider="gen_ai.system",
    stream=None,
    first_chunk=None,
    duration_metric="gen_ai.client.operation.duration",
    first_chunk_metric="l0.time_to_first_token",
    usage_metrics={
        "input_tokens": "gen_ai.client.token.usage",
        "output_tokens": "gen_ai.client.token.usage",
    },
    usage_attributes={
        "input_tokens": {"gen_ai.token.type": "input"},
        "output_tokens": {"gen_ai.token.type": "output"},
    },
    usage_is_counted=False,
)

VERSIONS: dict[str, Names] = {"latest": LATEST, "v1_36": V1_36}
