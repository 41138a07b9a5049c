"""A document in chunks, and the document made of chunks again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from l0_window.cutting import Cutter, Unit
from l0_window.tokens import QUARTERS, TokenEstimator, estimate_tokens, quarters, vocabulary_count

__all__ = [
    "ChunkingStrategy",
    "DocumentChunk",
    "WindowConfig",
    "chunk_document",
    "cutter_of",
    "merge_chunks",
    "token_counter",
]

ChunkingStrategy = Literal["token", "char", "paragraph", "sentence"]
"""What chunks and overlaps are measured in, and where they may end: see `WindowConfig`."""


@dataclass
class DocumentChunk:
    """A part of a document: `content` is `document[start_pos:end_pos]`.

    Positions and `char_count` are in characters. `token_count` is what the window's estimator says of the content.
    """

    index: int
    content: str
    start_pos: int
    end_pos: int
    token_count: int
    char_count: int
    is_first: bool
    is_last: bool
    total_chunks: int
    metadata: dict[str, Any] | None = None


@dataclass
class WindowConfig:
    """How a document is cut. No chunk is larger than `size`, and `overlap` is how much of it the next one has as well.

    | strategy | measured in | a chunk ends after | an overlap begins at |
    |---|---|---|---|
    | `token` | tokens | a word | a word |
    | `char` | characters | any character | any character |
    | `paragraph` | tokens | a paragraph, or else a sentence, or else a word | the same |
    | `sentence` | tokens | a sentence, or else a word | the same |

    What does not fit is cut at the next smaller thing, and a word at any character, which is a grapheme: that alone is
    never cut, and is a chunk by itself if it is larger than one. An overlap is as large as fits into `overlap`.

    `preserve_paragraphs` keeps paragraphs whole that fit, `preserve_sentences` sentences: a chunk ends before one
    rather than within it. In the strategies `token` and `char` it has to fit beside an overlap; in the other two the
    overlap makes room for it. The strategy `paragraph` does both anyhow, and `sentence` the second.

    `estimate_tokens` counts the tokens of a text; without it `l0_window.estimate_tokens` does. A text must not have
    fewer tokens than a part of it. `metadata` is copied to every chunk.
    """

    size: int = 2000
    overlap: int = 200
    strategy: ChunkingStrategy = "token"
    estimate_tokens: TokenEstimator | None = None
    preserve_paragraphs: bool = True
    preserve_sentences: bool = False
    metadata: dict[str, Any] | None = None


def chunk_document(document: str, config: WindowConfig) -> list[DocumentChunk]:
    """The chunks of a document, in order; none of an empty one. Takes time in proportion to its length.

    Raises ValueError for a size, an overlap or a strategy that cannot be meant.
    """
    spans = list(cutter_of(document, config).spans())
    count, unit = token_counter(config), _unit(config)
    total = len(spans)
    chunks = []
    for index, (start, end, weight) in enumerate(spans):
        content = document[start:end]
        chunks.append(
            DocumentChunk(
                index=index,
                content=content,
                start_pos=start,
                end_pos=end,
                token_count=count(content) if config.strategy == "char" else -(-weight // unit.scale),
                char_count=len(content),
                is_first=index == 0,
                is_last=index == total - 1,
                total_chunks=total,
                metadata=None if config.metadata is None else dict(config.metadata),
            )
        )
    return chunks


def merge_chunks(chunks: Iterable[DocumentChunk], preserve_overlap: bool = False) -> str:
    """The text that chunks of one document cover, by their positions and whatever their order.

    All chunks make the document again. What lies between chunks and is in none of them is missing. With
    `preserve_overlap` the contents are joined as they are.
    """
    ordered = sorted(chunks, key=lambda chunk: (chunk.start_pos, chunk.end_pos))
    if preserve_overlap:
        return "".join(chunk.content for chunk in ordered)
    pieces, done = [], 0
    for chunk in ordered:
        pieces.append(chunk.content[max(0, done - chunk.start_pos) :])
        done = max(done, chunk.end_pos)
    return "".join(pieces)


def cutter_of(document: str, config: WindowConfig) -> Cutter:
    """What cuts a document. Raises ValueError for what cannot be meant."""
    if config.strategy not in get_args(ChunkingStrategy):
        known = ", ".join(get_args(ChunkingStrategy))
        raise ValueError(f"strategy is {config.strategy!r}; it must be one of {known}")
    if config.size < 1:
        raise ValueError(f"size is {config.size!r}; a chunk must have room for 1 or more")
    if config.overlap < 0:
        raise ValueError(f"overlap is {config.overlap!r}; it must be 0, for no overlap, or more")
    if config.overlap >= config.size:
        raise ValueError(
            f"overlap is {config.overlap} and size is {config.size}; each chunk must bring something new, "
            f"so pass an overlap below the size, such as overlap={config.size // 10}"
        )
    return Cutter(document, config, _unit(config))


def token_counter(config: WindowConfig) -> TokenEstimator:
    """What counts the tokens of a text."""
    return config.estimate_tokens or estimate_tokens


def _unit(config: WindowConfig) -> Unit:
    if config.strategy == "char":
        return Unit(len)
    count = config.estimate_tokens or vocabulary_count()
    return Unit(quarters, QUARTERS) if count is None else Unit(count, adds_up=False)
