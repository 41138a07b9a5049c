"""Going on from text that was delivered: overlaps, seams, and what a caller may choose about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "Continuation",
    "ContinuationConfig",
    "DeduplicationOptions",
    "OverlapResult",
    "Seam",
    "deduplicate_continuation",
    "detect_overlap",
]


@dataclass(frozen=True)
class DeduplicationOptions:
    """How an overlap is looked for. Lengths are in characters.

    Raises ValueError for a minimum below 1, and for a maximum below the minimum.
    """

    min_overlap: int = 2
    max_overlap: int = 500
    case_sensitive: bool = True
    normalize_whitespace: bool = False

    def __post_init__(self) -> None:
        if self.min_overlap < 1 or self.max_overlap < self.min_overlap:
            raise ValueError(
                f"min_overlap is {self.min_overlap} and max_overlap {self.max_overlap}; "
                "they must be 1 or more, and the maximum no less than the minimum"
            )


@dataclass(frozen=True)
class ContinuationConfig:
    """How a stream goes on after an interruption.

    `checkpoint_interval` is in tokens. `deduplicate=False` takes continuations as they are: right for a target that
    continues a given text exactly. `validate_checkpoint` lets the guardrails judge what is to be continued.
    `strategy` names how a wrapped client is to be asked, one of its adapter's `strategies`; None leaves it to the
    adapter.
    """

    enabled: bool = True
    checkpoint_interval: int = 5
    deduplicate: bool = True
    deduplication_options: DeduplicationOptions = field(default_factory=DeduplicationOptions)
    validate_checkpoint: bool = True
    strategy: str | None = None

    @classmethod
    def default(cls) -> ContinuationConfig:
        """A stream goes on from a checkpoint every 5 tokens, and overlaps are removed."""
        return cls()

    @classmethod
    def disabled(cls) -> ContinuationConfig:
        """A stream does not go on from a checkpoint."""
        return cls(enabled=False)


@dataclass(frozen=True)
class OverlapResult:
    """What `detect_overlap` found: `deduplicated` is the continuation without its overlap."""

    has_overlap: bool
    overlap_length: int
    overlap_text: str
    deduplicated: str


class _Normalizer:
    """Makes text comparable, character by character, as the options ask for."""

    __slots__ = ("_fold", "_options", "_spaced")

    def __init__(self, options: DeduplicationOptions) -> None:
        self._options = options
        self._spaced = False

    def __call__(self, char: str) -> str:
        """What `char` counts as: itself, its like, or nothing."""
        if self._options.normalize_whitespace:
            spaced, self._spaced = self._spaced, char.isspace()
            if self._spaced:
                return "" if spaced else " "
        if not self._options.case_sensitive and len(lower := char.lower()) == 1:
            return lower
        return char

    def whole(self, text: str) -> str:
        if self._options.case_sensitive and not self._options.normalize_whitespace:
            return text
        return "".join(map(self, text))


def detect_overlap(checkpoint: str, continuation: str, options: DeduplicationOptions | None = None) -> OverlapResult:
    """The longest end of the checkpoint that the continuation begins with, within the lengths of the options.

    A utility: it takes every overlap for a repetition. What a stream does at a seam is more careful, see `Seam`.
    """
    options = options or DeduplicationOptions()
    tail = _Normalizer(options).whole(checkpoint)[-options.max_overlap :]
    normalize = _Normalizer(options)
    head, ends = "", [0]
    for position, char in enumerate(continuation):
        if len(head) >= len(tail):
            break
        counted = normalize(char)
        head += counted
        if counted:
            ends.append(position + 1)
        else:
            ends[-1] = position + 1
    for length in range(min(len(head), len(tail)), options.min_overlap - 1, -1):
        if tail.endswith(head[:length]):
            end = ends[length]
            return OverlapResult(True, end, continuation[:end], continuation[end:])
    return OverlapResult(False, 0, "", continuation)


def deduplicate_continuation(checkpoint: str, continuation: str, options: DeduplicationOptions | None = None) -> str:
    """The continuation without what it repeats of the checkpoint."""
    return detect_overlap(checkpoint, continuation, options).deduplicated


class Continuation:
    """The documented scope of these utilities."""

    detect_overlap = staticmethod(detect_overlap)
    deduplicate = staticmethod(deduplicate_continuation)


SURE = 12
"""Characters from which on an overlap is taken for a repetition, whatever it looks like."""

SHORTEST = 4
"""Characters of the shortest overlap that can be told from text that goes on."""


def _period(text: str) -> int:
    """The length of the shortest text that this one is made of, repeated, the last time perhaps in part."""
    borders = [0] * len(text)
    length = 0
    for i in range(1, len(text)):
        while length and text[i] != text[length]:
            length = borders[length - 1]
        if text[i] == text[length]:
            length += 1
        borders[i] = length
    return len(text) - length


class _Match(NamedTuple):
    length: int
    end: int
    """Where it ends in the new text, in characters."""


class Seam:
    """Where a continuation that may repeat the end of what it continues is joined to it.

    New text is withheld until it is decided, character by character, how much of it is a repetition: however it is cut
    into deltas, the result is the same. It is cut where it repeats at least `SURE` characters, or whole words that
    would otherwise be glued to themselves ("Hello world" + "world is"). An end that repeats itself ("ha ha ha ") leaves
    open what is a repetition and what goes on: nothing is cut there.
    """

    __slots__ = ("_matches", "_normalize", "_open", "_options", "_seen", "_tail", "_text", "removed")

    def __init__(self, kept: str, options: DeduplicationOptions) -> None:
        self._options = options
        # Twice the length, and one, to see whether an overlap is a part of something that repeats.
        self._tail = _Normalizer(options).whole(kept[-4 * options.max_overlap :])[-2 * options.max_overlap - 1 :]
        self._normalize = _Normalizer(options)
        self._open: list[int] = list(range(1, min(options.max_overlap, len(self._tail)) + 1))
        self._matches: list[_Match] = []
        self._seen = 0
        self._text = ""
        self.removed = ""
        """What was cut, once it is decided."""

    def feed(self, text: str) -> str | None:
        """New text: what of it goes on, or None while that is not decided."""
        tail, size = self._tail, len(self._tail)
        start = len(self._text) + 1
        self._text += text
        for position, char in enumerate(text, start):
            if not self._open:
                break
            counted = self._normalize(char)
            if not counted:
                continue
            at = self._seen
            self._seen += 1
            self._open = [length for length in self._open if tail[size - length + at] == counted]
            if self._open and self._open[0] == self._seen:
                self._matches.append(_Match(self._open.pop(0), position))
        if self._open or (self._matches and self._is_short(self._matches[-1]) and self._ends_text(self._matches[-1])):
            return None
        return self._decide()

    def end(self) -> str:
        """The new text has ended: what of it goes on."""
        return self._decide()

    def _is_short(self, match: _Match) -> bool:
        return match.length < SURE

    def _ends_text(self, match: _Match) -> bool:
        return match.end == len(self._text)

    def _decide(self) -> str:
        for match in reversed(self._matches):
            if self._is_repetition(match):
                self.removed = self._text[: match.end]
                return self._text[match.end :]
            if match.length >= SURE:
                break  # The end repeats itself: shorter overlaps are parts of the same.
        return self._text

    def _is_repetition(self, match: _Match) -> bool:
        tail, length = self._tail, match.length
        if length < self._options.min_overlap:
            return False
        overlap = tail[-length:]
        if 2 * _period(overlap) <= length or self._goes_on(overlap):
            return False
        return length >= SURE or (length >= SHORTEST and self._would_be_glued(overlap, match))

    def _goes_on(self, overlap: str) -> bool:
        """Whether the end repeats itself, and the overlap is what would come next if it went on."""
        tail, length = self._tail, len(overlap)
        if tail.rfind(overlap, max(0, len(tail) - 2 * length), len(tail) - 1) >= 0:
            return True
        start = tail.find(overlap)
        while 0 <= start < len(tail) - length:
            period = len(tail) - start
            if tail[-period:] == tail[-2 * period : -period]:
                return True
            start = tail.find(overlap, start + 1)
        return False

    def _would_be_glued(self, overlap: str, match: _Match) -> bool:
        """Whether the overlap is of whole words, and stands there a second time without anything between."""
        before = self._tail[-match.length - 1 : -match.length]
        after = self._text[match.end : match.end + 1]
        return overlap[0].isalnum() and overlap[-1].isalnum() and not before.isalnum() and not after.isalnum()
