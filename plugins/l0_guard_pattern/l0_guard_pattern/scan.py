"""Patterns at work on one text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from l0_core import Check, Violation
from l0_guard_pattern.literals import KEY, LONGEST, fold, keys_of, search_for
from l0_guard_pattern.matchers import Matcher

__all__ = ["MOST_FOUND", "Found", "Plan"]

MOST_FOUND = 1000
"""After so many matches a text is not looked at any more."""
MOST_WAITING = 64
MOST_MET = 32
PIECE = 8192
"""A longer delta is gone through in pieces of so many characters."""


class Found(NamedTuple):
    """A match, and which of the patterns it is one of. They sort in the order of the text."""

    position: int
    pattern: int
    end: int
    text: str


class Plan:
    """What is known of several patterns before there is any text. It serves every stream."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self.matchers = tuple(matchers)
        words = {word for matcher in matchers for word in matcher.words}
        self.keys = keys_of(words)
        self.search = search_for(self.keys).search
        self.of_word: dict[str, list[int]] = {word: [] for word in words}
        for index, matcher in enumerate(matchers):
            for word in matcher.words:
                self.of_word[word].append(index)
        self.overlap = max(map(len, words), default=1) - 1
        self.reach = max((matcher.reach for matcher in matchers), default=1)
        self.keep = self.overlap + max((2 * matcher.reach + matcher.before for matcher in matchers), default=0) + 2
        self.always = frozenset(index for index, matcher in enumerate(matchers) if not matcher.words)

    def open(self, violation: Callable[[Found], Violation]) -> Check:
        """A guardrail for one text, that makes a violation of each match."""
        if not self.matchers:
            return Check(lambda delta, final: None)
        scan = _Scan(self)
        search, waiting = self.search, scan.waiting
        tail = ""

        def judge(delta: str, final: bool) -> list[Violation] | None:
            nonlocal tail
            if scan.quiet and not final and len(delta) <= PIECE:
                # This is what happens nearly always: no word, and so no pattern, is in what is new.
                lowered = tail + (delta.lower() if delta.isascii() else fold(delta))
                if search(lowered) is None:
                    tail = lowered[1 - KEY :]
                    waiting.append(delta)
                    if len(waiting) > MOST_WAITING:
                        scan.gather()
                    return None
            found = scan.feed(delta, final)
            tail = fold(scan.latest(KEY - 1))
            return [violation(one) for one in found] if found else None

        return Check(judge, holdback=self.reach - 1)


@dataclass(slots=True)
class _Region:
    """The places, from `first` to `last`, where a match of a pattern may begin and that are not decided."""

    first: int
    last: int


class _Scan:
    """One text: the end of it, and what is undecided."""

    __slots__ = ("_decided", "_plan", "_regions", "_reported", "_watch", "quiet", "text", "total", "waiting")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._regions: dict[int, _Region] = {}
        self._decided = [0] * len(plan.matchers)
        self._reported = 0
        self._watch = 0
        self.text = ""
        self.total = 0
        self.waiting: list[str] = []
        """What came after `text`, in which there is no word."""
        self.quiet = False
        """Whether there is nothing that only the next piece decides."""

    def latest(self, size: int) -> str:
        """The last characters, and before the first of all the line break that is needed by patterns with ^."""
        return self.text[-size:] if size <= self.total else "\n" + self.text

    def gather(self) -> None:
        """Move what is waiting into the text."""
        pieces = "".join(self.waiting)
        self.waiting.clear()
        self.total += len(pieces)
        self.text = (self.text + pieces)[-self._plan.keep :]

    def feed(self, delta: str, final: bool) -> list[Found]:
        self.gather()
        found: list[Found] = []
        for start in range(0, len(delta), PIECE):
            if self._reported >= MOST_FOUND:
                break
            found += self._piece(delta[start : start + PIECE])
        if final and self._reported < MOST_FOUND:
            found += self._decide(final=True)
        return found

    def _piece(self, piece: str) -> list[Found]:
        plan = self._plan
        new = len(piece) + plan.overlap
        self.text += piece
        self.total += len(piece)
        recent = fold(self.latest(new))
        if plan.keys:
            self._look(recent)
        for index in plan.always:
            self._regions[index] = _Region(self._decided[index], self.total - 1)
        found = self._decide(final=False)
        self.quiet = not (self._regions or plan.always) and self.total >= self._watch
        self.text = self.text[-plan.keep :]
        return found

    def _look(self, recent: str) -> None:
        """Look for words in the folded text that is new."""
        keys, search = self._plan.keys, self._plan.search
        seen: set[str] = set()
        met = search(recent, 0)
        for _ in range(MOST_MET):
            if met is None:
                break
            seen.add(met[0])
            met = search(recent, met.start() + 1)
        else:  # There are so many that it is faster to ask for each.
            seen = {key for key in keys if key in recent}
        if seen:
            # A word may be there of which only a piece is.
            self._watch = self.total + LONGEST
        for key in seen:
            self._mark(recent, keys[key])

    def _mark(self, recent: str, words: list[str]) -> None:
        """Mark where patterns may begin that need one of the words, if it is in the folded text that is new."""
        offset = self.total - len(recent)
        for word in words:
            at = recent.find(word)
            if at < 0:
                continue
            last = offset + recent.rfind(word) + 1
            for index in self._plan.of_word[word]:
                first = max(self._decided[index], offset + at + len(word) - self._plan.matchers[index].width)
                known = self._regions.get(index)
                if known is None:
                    self._regions[index] = _Region(first, last)
                else:
                    known.first, known.last = min(known.first, first), max(known.last, last)

    def _decide(self, final: bool) -> list[Found]:
        """Search what is undecided, and return what is certain, in the order of the text."""
        found: list[Found] = []
        for index, region in list(self._regions.items()):
            found += self._search(index, region, final)
            if region.first > region.last or final:
                del self._regions[index]
        found.sort()
        found = found[: MOST_FOUND - self._reported]
        self._reported += len(found)
        return found

    def _search(self, index: int, region: _Region, final: bool) -> list[Found]:
        matcher = self._plan.matchers[index]
        text, offset = self.text, self.total - len(self.text)
        # Up to here there is all the text that a match may depend on.
        certain = self.total if final else self.total - matcher.reach
        undecided, asked = certain + 1, final
        start, found = region.first, list[Found]()
        while start <= region.last and len(found) < MOST_FOUND:
            stop, end = region.last, region.last + matcher.reach
            if matcher.blocks:
                stop = start - start % matcher.blocks + matcher.blocks - 1
                end = stop + 1 + matcher.blocks
                if stop > certain and not final:
                    break
            span = matcher.search(text, start - offset, min(len(text), end - offset))
            begin = stop + 1 if span is None else span[0] + offset
            if span is None or begin > stop:
                start = max(start, min(stop, certain) + 1)
                if stop > certain:
                    break
                continue
            if begin >= undecided:
                # Most of what ends before the end of the text is certain, too.
                if not asked:
                    asked = True
                    undecided = matcher.undecided(text, max(start, certain + 1) - offset) + offset
                if begin >= undecided:
                    start = max(start, certain + 1)
                    break
            found.append(Found(begin, index, span[1] + offset, text[span[0] : span[1]]))
            start = span[1] + offset
        region.first = self._decided[index] = start
        return found
