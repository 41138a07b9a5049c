"""Long documents in chunks for L0: `Window` cuts them, and each chunk is processed as a dependable stream."""

from __future__ import annotations

from l0_window.documents import ChunkingStrategy, DocumentChunk, WindowConfig, chunk_document, merge_chunks
from l0_window.face import Window, process_with_window
from l0_window.processing import (
    ChunkProcessConfig,
    ChunkResult,
    ProcessingStats,
    Processor,
    get_processing_stats,
    merge_results,
)
from l0_window.restoration import ContextRestorationOptions, ContextRestorationStrategy, l0_with_window
from l0_window.restoration import get_restoration_chunk as _get_restoration_chunk  # noqa: F401  # its documented name
from l0_window.tokens import TokenEstimator, estimate_chars_for_tokens, estimate_tokens
from l0_window.window import DocumentWindow, WindowStats

__all__ = [
    "ChunkProcessConfig",
    "ChunkResult",
    "ChunkingStrategy",
    "ContextRestorationOptions",
    "ContextRestorationStrategy",
    "DocumentChunk",
    "DocumentWindow",
    "ProcessingStats",
    "Processor",
    "TokenEstimator",
    "Window",
    "WindowConfig",
    "WindowStats",
    "chunk_document",
    "estimate_chars_for_tokens",
    "estimate_tokens",
    "get_processing_stats",
    "l0_with_window",
    "merge_chunks",
    "merge_results",
    "process_with_window",
]
