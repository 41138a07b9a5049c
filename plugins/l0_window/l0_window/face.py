"""`Window`: documents in chunks under one name, with presets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from l0_parallel import Executor

from l0_window.documents import ChunkingStrategy, DocumentChunk, WindowConfig, chunk_document, merge_chunks
from l0_window.processing import ChunkResult, ProcessingStats, Processor, get_processing_stats, merge_results
from l0_window.tokens import TokenEstimator, estimate_tokens
from l0_window.window import DocumentWindow

__all__ = ["Window", "process_with_window"]


async def process_with_window(
    document: str,
    processor: Processor,
    config: WindowConfig | None = None,
    *,
    size: int = 2000,
    overlap: int = 200,
    strategy: ChunkingStrategy = "token",
    concurrency: int = 5,
    executor: str | Executor = "asyncio",
) -> list[ChunkResult[Any]]:
    """Cut a document and process all of its chunks: `Window.create` and `DocumentWindow.process_all`."""
    window = Window.create(document, config, size=size, overlap=overlap, strategy=strategy)
    return await window.process_all(processor, concurrency=concurrency, executor=executor)


class Window:
    """Documents in chunks: making windows, processing, and merging what comes of it."""

    @staticmethod
    def create(
        document: str,
        config: WindowConfig | None = None,
        *,
        size: int = 2000,
        overlap: int = 200,
        strategy: ChunkingStrategy = "token",
        estimate_tokens: TokenEstimator | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> DocumentWindow:
        """A window over a document. A `config` goes before all else; the rest is what `WindowConfig` says.

        Raises ValueError for a size, an overlap or a strategy that cannot be meant.
        """
        asked = WindowConfig(size, overlap, strategy, estimate_tokens, metadata=metadata)
        return DocumentWindow(document, config or asked)

    @staticmethod
    def small(document: str) -> DocumentWindow:
        """Chunks of 1000 tokens, 100 of them overlap."""
        return DocumentWindow(document, WindowConfig(1000, 100))

    @staticmethod
    def medium(document: str) -> DocumentWindow:
        """Chunks of 2000 tokens, 200 of them overlap: the default."""
        return DocumentWindow(document, WindowConfig(2000, 200))

    @staticmethod
    def large(document: str) -> DocumentWindow:
        """Chunks of 4000 tokens, 400 of them overlap."""
        return DocumentWindow(document, WindowConfig(4000, 400))

    @staticmethod
    def paragraph(document: str) -> DocumentWindow:
        """Chunks of paragraphs, up to 2000 tokens, and up to 200 of them overlap."""
        return DocumentWindow(document, WindowConfig(2000, 200, "paragraph"))

    @staticmethod
    def sentence(document: str) -> DocumentWindow:
        """Chunks of sentences, up to 1500 tokens, and up to 150 of them overlap."""
        return DocumentWindow(document, WindowConfig(1500, 150, "sentence"))

    @staticmethod
    def chunk(document: str, config: WindowConfig) -> list[DocumentChunk]:
        """`chunk_document`."""
        return chunk_document(document, config)

    @staticmethod
    def estimate_tokens(text: str) -> int:
        """How many tokens a text has, as a window counts them that is given no estimator."""
        return estimate_tokens(text)

    @staticmethod
    async def process(
        document: str,
        processor: Processor,
        config: WindowConfig | None = None,
        *,
        size: int = 2000,
        overlap: int = 200,
        strategy: ChunkingStrategy = "token",
        concurrency: int = 3,
        executor: str | Executor = "asyncio",
    ) -> list[ChunkResult[Any]]:
        """`process_with_window`, three chunks at a time."""
        return await process_with_window(
            document,
            processor,
            config,
            size=size,
            overlap=overlap,
            strategy=strategy,
            concurrency=concurrency,
            executor=executor,
        )

    @staticmethod
    def merge_results(results: Iterable[ChunkResult[Any]], separator: str = "\n\n") -> str:
        """The answers, joined; errors are left out."""
        return merge_results(results, separator)

    @staticmethod
    def merge_chunks(chunks: Iterable[DocumentChunk], preserve_overlap: bool = False) -> str:
        """The text that chunks cover: the document, if they are all of its chunks."""
        return merge_chunks(chunks, preserve_overlap)

    @staticmethod
    def get_stats(results: Iterable[ChunkResult[Any]]) -> ProcessingStats:
        """How processing went, in numbers."""
        return get_processing_stats(results)
