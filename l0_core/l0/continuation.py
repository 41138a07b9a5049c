"""Going on from text that was delivered: overlaps, and what a caller may choose about them."""

from __future__ import annotations

from l0_core.continuation import (
    Continuation,
    ContinuationConfig,
    DeduplicationOptions,
    OverlapResult,
    deduplicate_continuation,
    detect_overlap,
)

__all__ = [
    "Continuation",
    "ContinuationConfig",
    "DeduplicationOptions",
    "OverlapResult",
    "deduplicate_continuation",
    "detect_overlap",
]
