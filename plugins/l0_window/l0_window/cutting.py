"""Where the chunks of a document begin and end.

A chunk's new text begins where the chunk before it ended, and reaches as far as fits. Its end then moves back to the
last boundary before what would fit into a chunk whole: a paragraph, or else a sentence, or else a word, as the strategy
has it. Its overlap is what is before its new text.

Whatever fits is not cut, so the next chunk holds more new text than was left of this one, and less of the old: none is
ever within another.

What text weighs is asked of pieces of it and of whole chunks, a few times each, and never of all up to some place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from l0_window.boundaries import Boundaries, Places
from l0_window.graphemes import Graphemes

if TYPE_CHECKING:
    from l0_window.documents import WindowConfig

__all__ = ["Cutter", "Span", "Unit"]

_SEARCHES = 12
"""So many guesses are made of where something fits; then what is left is halved each time."""

_WORD = 64
"""So many characters are searched for the end of a word."""

_TOLERANCE = 64
"""A budget counts as spent that is spent to this part, where what pieces weigh is only about what the whole weighs."""


class Unit(NamedTuple):
    """What sizes are measured in: `weigh` weighs a text, and `scale` is the weight of one token or character.

    If a text `adds_up`, it weighs what its parts weigh together.
    """

    weigh: Callable[[str], int]
    scale: int = 1
    adds_up: bool = True


class Span(NamedTuple):
    """Where a chunk is in the document, and what it weighs."""

    start: int
    end: int
    weight: int


class Cutter:
    """Cuts a document into chunks, as a configuration says. It takes the configuration as it is."""

    def __init__(self, document: str, config: WindowConfig, unit: Unit) -> None:
        self._document = document
        self._unit = unit
        self._size = config.size * unit.scale
        self._overlap = config.overlap * unit.scale
        self._graphemes = Graphemes(document)
        self._boundaries = Boundaries(document, self._graphemes)
        self._pace = 1.0
        """Characters for each unit of weight, as they were lately."""

        strategy = config.strategy
        yields = strategy in ("paragraph", "sentence")
        self._room = self._size if yields else self._size - self._overlap
        """What weighs no more is not cut. An overlap that is made of paragraphs or sentences makes room for it."""
        self._ends = _kinds(
            paragraphs=strategy == "paragraph" or config.preserve_paragraphs,
            sentences=yields or config.preserve_sentences,
            words=strategy != "char",
        )
        self._starts = _kinds(strategy == "paragraph", yields, strategy != "char")

    def spans(self) -> Iterator[Span]:
        """The chunks, in order."""
        start = done = 0
        following = self._first(0)
        while done < len(self._document):
            span, after = self._chunk(start, done, following)
            yield span
            start, done, following = self._start(span, after), span.end, after

    def onward(self, place: int) -> int:
        """The last place from `place` on such that no more than an overlap is between them."""
        return self._graphemes.last(place, self._reach(place, self._overlap, len(self._document)))

    def _chunk(self, start: int, done: int, following: int) -> tuple[Span, int]:
        """The chunk whose new text begins at `done`, and the end of what the next one has to begin with.

        It has room for what is up to `following`.
        """
        budget, excess = self._size, 1
        limit = max(self._limit(start, done, budget), following)
        while True:
            end, after = self._end(done, limit)
            weight = self._weight(start, end)
            if weight <= self._size or limit == done == start:
                self._pace = (end - start) / max(weight, 1)
                return Span(start, end, weight), after
            # A text can weigh more than what it is made of: more than its parts, or than a longer one.
            if limit == done:
                start, budget, excess = done, self._size, 0
            budget, excess = budget - excess, 2 * excess or 1
            limit = self._limit(start, done, budget)

    def _limit(self, start: int, done: int, budget: int) -> int:
        """How far a chunk from `start` on can reach; `done` if nothing new fits."""
        return self._graphemes.last(done, self._reach(start, budget, len(self._document)))

    def _end(self, done: int, limit: int) -> tuple[int, int]:
        """Where to end a chunk that could reach to `limit`, and the end of what the next one has to begin with."""
        size = len(self._document)
        if limit == done:  # A single grapheme is larger than a chunk.
            limit = self._graphemes.after(done)
        elif limit < size:
            cut_from = done
            for places in self._places(self._ends):
                place = places.last(cut_from, limit)
                if place is None:
                    continue
                following = places.first(limit + 1, size) or size
                if self._fits(place, following):
                    return place, following
                cut_from = place  # What begins here is cut anyhow, and not what is before it.
        return limit, self._graphemes.after(limit)

    def _first(self, place: int) -> int:
        """The end of what begins at a place and fits into a chunk: a paragraph, or else a sentence, or else a word."""
        size = len(self._document)
        ends = (places.first(place + 1, size) or size for places in self._places(self._ends))
        return next((end for end in ends if self._fits(place, end)), place)

    def _start(self, span: Span, following: int) -> int:
        """Where the chunk after `span` begins, which has to have room for what is up to `following`."""
        budget = min(self._overlap, self._size - self._weight(span.end, following))
        if budget <= 0:
            return span.end
        reached = self._reach(span.end, budget, self._graphemes.after(span.start))
        earliest = self._graphemes.first(reached, span.end)
        for places in self._places(self._starts):
            place = places.first(earliest, span.end)
            if place is not None:
                return place
        return earliest

    def _places(self, kinds: list[str]) -> Iterator[Places]:
        return (getattr(self._boundaries, kind) for kind in kinds)

    def _weight(self, start: int, end: int) -> int:
        return self._unit.weigh(self._document[start:end])

    def _fits(self, start: int, end: int) -> bool:
        """Whether what is between two places is not to be cut."""
        reached = self._reach(start, self._room, end)
        # Only what is not much longer can be found to weigh less than its parts.
        near = not self._unit.adds_up and end - start <= 2 * (reached - start)
        return reached == end or (near and self._weight(start, end) <= self._room)

    def _reach(self, origin: int, budget: int, bound: int) -> int:
        """The place furthest from `origin` towards `bound` such that what is between weighs no more than `budget`.

        Where texts do not add up, it is one about as far, and never further.
        """
        asked, excess = budget, 1
        place, weight = origin, 0
        while asked > 0:
            place, weight = self._walk(origin, place, weight, asked, bound)
            if self._unit.adds_up:
                return place
            whole = self._weight(*sorted((origin, place)))
            if whole > budget:
                place, weight, asked, excess = origin, 0, asked - excess, 2 * excess
            elif place == bound or weight - whole <= budget // _TOLERANCE:
                onward = self._word_after(place, bound)
                return onward if self._weight(*sorted((origin, onward))) <= budget else place
            else:
                weight = whole
        return origin

    def _word_after(self, place: int, bound: int) -> int:
        """Where the word is over that is at a place, towards `bound`: the rest of a word may weigh nothing."""
        words = self._boundaries.words
        if bound >= place:
            end = min(bound, place + _WORD)
            found = words.first(place + 1, end)
        else:
            end = max(bound, place - _WORD)
            found = words.last(end - 1, place - 1)
        return found or (bound if end == bound else place)

    def _walk(self, origin: int, place: int, weight: int, budget: int, bound: int) -> tuple[int, int]:
        """Go on from a place towards `bound` as far as the budget allows, piece by piece: where to, and the weight.

        What is between `origin` and the place weighs `weight` so far.
        """
        way = 1 if bound >= origin else -1
        fits, most = abs(place - origin), abs(bound - origin)
        guess, failed, searches = self._guess(fits, weight, budget), False, 0
        while fits < most and weight < budget:
            searches += 1
            if searches > _SEARCHES:
                guess = (fits + most) // 2 if failed else 2 * fits
            probe = min(max(guess, fits + 1), most)
            piece = self._weight(*sorted((origin + way * fits, origin + way * probe)))
            if weight + piece <= budget:
                fits, weight = probe, weight + piece
                guess = self._guess(fits, weight, budget)
            else:
                most, failed = probe - 1, True
                guess = fits + int((probe - fits) * (budget - weight) / piece)
        return origin + way * fits, weight

    def _guess(self, length: int, weight: int, budget: int) -> int:
        """How many characters weigh the budget, if they weigh like these; or else as they did lately."""
        if weight:
            return int(length * budget / weight)
        return 2 * length or int(self._pace * budget)


def _kinds(paragraphs: bool, sentences: bool, words: bool) -> list[str]:
    asked = {"paragraphs": paragraphs, "sentences": sentences, "words": words}
    return [kind for kind, is_asked in asked.items() if is_asked]
