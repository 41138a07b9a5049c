"""A document as a window over its chunks: moving, searching, looking around, processing."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from l0_parallel import Executor

from l0_window.documents import ChunkingStrategy, DocumentChunk, WindowConfig, chunk_document, token_counter
from l0_window.processing import ChunkResult, Processor, process_chunks

__all__ = ["DocumentWindow", "WindowStats"]


@dataclass
class WindowStats:
    """A window in numbers. `total_chars` and `total_tokens` are those of the document: no overlap counts twice.

    `avg_chunk_size` is in characters. `overlap_size` is the configured overlap, in what the strategy measures.
    """

    total_chunks: int
    total_chars: int
    total_tokens: int
    avg_chunk_size: int
    avg_chunk_tokens: int
    overlap_size: int
    strategy: ChunkingStrategy


class DocumentWindow(Sequence[DocumentChunk]):
    """A document in chunks, one of which is the current one; as a sequence it is its chunks.

    Raises ValueError for a configuration that cannot be meant.
    """

    def __init__(self, document: str, config: WindowConfig) -> None:
        self._document = document
        self._config = config
        self._chunks = chunk_document(document, config)
        self._current = 0

    @property
    def total_chunks(self) -> int:
        """How many chunks there are; 0 for an empty document."""
        return len(self._chunks)

    @property
    def current_index(self) -> int:
        """The index of the current chunk, from 0 on."""
        return self._current

    @property
    def document(self) -> str:
        """The whole text, as it was given."""
        return self._document

    @property
    def config(self) -> WindowConfig:
        """How the document was cut. It is not cut again when this changes."""
        return self._config

    def current(self) -> DocumentChunk | None:
        """The current chunk; None if the document is empty."""
        return self.get(self._current)

    def get(self, index: int) -> DocumentChunk | None:
        """The chunk of an index; None if there is none."""
        return self._chunks[index] if 0 <= index < len(self._chunks) else None

    def get_all_chunks(self) -> list[DocumentChunk]:
        """The chunks, as a list of the caller's own."""
        return list(self._chunks)

    def get_range(self, start: int, end: int) -> list[DocumentChunk]:
        """The chunks from index `start` on and before `end`, as far as there are any."""
        return self._chunks[max(0, start) : max(0, end)]

    def next(self) -> DocumentChunk | None:
        """Move to the next chunk and return it; at the last one stay there, and return None."""
        return self.jump(self._current + 1)

    def prev(self) -> DocumentChunk | None:
        """Move to the chunk before and return it; at the first one stay there, and return None."""
        return self.jump(self._current - 1)

    def jump(self, index: int) -> DocumentChunk | None:
        """Move to a chunk and return it. If there is none of that index, stay, and return None."""
        chunk = self.get(index)
        if chunk is not None:
            self._current = index
        return chunk

    def reset(self) -> DocumentChunk | None:
        """Move to the first chunk and return it."""
        self._current = 0
        return self.current()

    def has_next(self) -> bool:
        """Whether `next()` would move."""
        return self._current + 1 < len(self._chunks)

    def has_prev(self) -> bool:
        """Whether `prev()` would move."""
        return self._current > 0

    def find_chunks(self, search_text: str, case_sensitive: bool = False) -> list[DocumentChunk]:
        """The chunks that hold a text, in order; none for an empty text.

        The document is searched, so a text is also found where a chunk ends within it: then all chunks that hold a
        part of it are meant.
        """
        if not search_text:
            return []
        pattern = re.compile(f"(?={re.escape(search_text)})", re.NOFLAG if case_sensitive else re.IGNORECASE)
        starts = [chunk.start_pos for chunk in self._chunks]
        ends = [chunk.end_pos for chunk in self._chunks]
        found: set[int] = set()
        for match in pattern.finditer(self._document):
            begin, end = match.start(), match.start() + len(search_text)
            whole = range(bisect_left(ends, end), bisect_right(starts, begin))
            found.update(whole or range(bisect_right(ends, begin), bisect_left(starts, end)))
        return [self._chunks[index] for index in sorted(found)]

    def get_context(self, index: int, *, before: int = 0, after: int = 0) -> str:
        """The text of a chunk and of so many chunks before and after it, in which no overlap is twice.

        Raises IndexError for a chunk that is not there, and ValueError for a negative number of chunks.
        """
        if before < 0 or after < 0:
            raise ValueError(f"before is {before} and after is {after}; both must be 0 or more chunks")
        if self.get(index) is None:
            raise IndexError(f"there is no chunk {index}, only {len(self._chunks)} from 0 on")
        first = self._chunks[max(0, index - before)]
        last = self._chunks[min(index + after, len(self._chunks) - 1)]
        return self._document[first.start_pos : last.end_pos]

    def get_chunks_in_range(self, start_pos: int, end_pos: int) -> list[DocumentChunk]:
        """The chunks that hold any of the characters from `start_pos` on and before `end_pos`."""
        if start_pos >= end_pos:
            return []
        begin = bisect_right(self._chunks, start_pos, key=lambda chunk: chunk.end_pos)
        return self._chunks[begin : bisect_left(self._chunks, end_pos, key=lambda chunk: chunk.start_pos)]

    def get_stats(self) -> WindowStats:
        """The window in numbers. Averages are rounded; of an empty document all numbers are 0."""
        chunks, count = self._chunks, token_counter(self._config)
        total = len(chunks)
        return WindowStats(
            total_chunks=total,
            total_chars=len(self._document),
            total_tokens=count(self._document),
            avg_chunk_size=round(sum(chunk.char_count for chunk in chunks) / total) if total else 0,
            avg_chunk_tokens=round(sum(chunk.token_count for chunk in chunks) / total) if total else 0,
            overlap_size=self._config.overlap,
            strategy=self._config.strategy,
        )

    async def process_all(
        self, processor: Processor, *, concurrency: int = 5, executor: str | Executor = "asyncio"
    ) -> list[ChunkResult[Any]]:
        """Process all chunks, `concurrency` at a time, and return what came of each, in their order.

        `processor(chunk)` says how, and is called when the chunk's turn comes. What fails is a result with the status
        "error", never an exception; cancellation is raised, when no stream is open any more. `executor` says where:
        anywhere but in this event loop results have no stream, and processor and factories have to be picklable.

        Raises ValueError for a concurrency below 1, and what `executor` is refused with.
        """
        return await process_chunks(self._chunks, processor, concurrency, executor)

    async def process_sequential(self, processor: Processor) -> list[ChunkResult[Any]]:
        """`process_all`, one chunk after the other."""
        return await process_chunks(self._chunks, processor, 1)

    def __iter__(self) -> Iterator[DocumentChunk]:
        return iter(self._chunks)

    def __len__(self) -> int:
        return len(self._chunks)

    @overload
    def __getitem__(self, index: int) -> DocumentChunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[DocumentChunk]: ...
    def __getitem__(self, index: int | slice) -> DocumentChunk | list[DocumentChunk]:
        return self._chunks[index]

    def __repr__(self) -> str:
        return f"<DocumentWindow: {len(self._chunks)} chunks, {len(self._document)} characters>"
