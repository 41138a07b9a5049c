"""What finds the matches of one pattern, in a time that is bounded whatever the text."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from l0_guard_pattern import safety
from l0_guard_pattern.literals import needed
from l0_guard_pattern.syntax import (
    Anchor,
    Back,
    Chars,
    Look,
    Sequence,
    Unsupported,
    clamped,
    in_python,
    in_re2,
    parse,
    reach,
    unfinished,
    walk,
    width,
)

__all__ = ["FLAGS", "WIDEST", "Matcher", "bounded", "matcher"]

FLAGS = re.IGNORECASE | re.MULTILINE
"""The flags of a pattern that is given as a string."""
TIMES = (128, 64, 32, 16)
"""How often at most something is repeated that a pattern puts no limit to: the first of these that is cheap enough."""
WIDEST = 1024
"""The most characters that a match may have."""
DEAREST = 350.0
"""The most nanoseconds that a character of the worst text may cost."""
DEAREST_END = 2e6
"""The most nanoseconds that it may cost to ask about the end of a text, as far back as a match may begin."""
MANY_NODES = 500
BLOCK = 256
"""With RE2, a match that begins in one block of so many characters may reach to the end of the next one."""
LARGEST = 4000
"""The most instructions of a pattern in RE2."""

Search: TypeAlias = Callable[[str, int, int], tuple[int, int] | None]
"""`search(text, start, end)`: where the first match that begins at `start` or later begins and ends, or None."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One pattern, ready to be searched for.

    A match has at most `width` characters. It depends on `before` characters before it, and on `after` after it. With
    `blocks`, it also depends on the end of the next block, by which it ends. `times` is how often at most it repeats
    what has no limit. `ending` finds the beginning of a match at the end of a text.
    """

    source: str
    search: Search
    width: int
    before: int
    after: int
    words: tuple[str, ...]
    blocks: int = 0
    times: int = 0
    compiled: Compiled | None = None
    ending: Ending | None = None

    def undecided(self, text: str, start: int) -> int:
        """The first place, from `start` on, where what follows the text may make or change a match."""
        pattern = self.ending.pattern if self.ending is not None else None
        if pattern is None:
            return start
        alive = pattern.search(text, start)
        return len(text) if alive is None else alive.start()

    @property
    def reach(self) -> int:
        """How much text from the start of a match on decides about it."""
        return self.width + self.after


def matcher(pattern: str | re.Pattern[str]) -> Matcher:
    """What finds a pattern: Python's `re` if that is safe, else RE2 if it is installed.

    RE2 also has a pattern that is safe in `re` only if it repeats less often than the first of TIMES.

    Raises ValueError for a pattern that is none, that matches the empty text, or that can take too long.
    """
    source, tree, safe = _considered(pattern)
    if isinstance(safe, Matcher) and safe.times == TIMES[0]:
        return safe
    try:
        return _in_re2(source, tree)
    except ModuleNotFoundError:
        remedy = "Make it simpler, or install what runs it in linear time: pip install 'l0-guard-pattern[re2]'"
    except Unsupported as error:
        remedy = f"Make it simpler; RE2 cannot run it: {error}"
    if isinstance(safe, Matcher):
        return safe
    raise ValueError(f"The pattern {source!r} is refused: {safe}. {remedy}")


@lru_cache(256)
def bounded(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """A pattern for Python's `re` that matches the same, in bounded time. Raises ValueError like `matcher`."""
    source, _, safe = _considered(pattern)
    if isinstance(safe, Matcher) and safe.compiled is not None:
        return safe.compiled.pattern
    raise ValueError(f"The pattern {source!r} is refused: {safe}. Make it simpler")


def _considered(pattern: str | re.Pattern[str]) -> tuple[str, Sequence, Matcher | str]:
    """A pattern, its tree, and what finds it with Python's `re`, or why that cannot be."""
    try:
        source, tree = _read(pattern)
        return source, tree, _in_python(source, tree)
    except RecursionError as error:
        raise ValueError(f"The pattern {str(pattern)[:40]!r}... is refused: it is nested too deeply") from error


def _read(pattern: str | re.Pattern[str]) -> tuple[str, Sequence]:
    if isinstance(pattern, re.Pattern):
        source, flags = pattern.pattern, pattern.flags
    else:
        source, flags = pattern, int(FLAGS)
    if not isinstance(source, str):
        raise ValueError(f"A pattern must be a string, or what re.compile makes of one, not {pattern!r}")
    try:
        tree = parse(source, flags)
    except (re.error, OverflowError) as error:
        raise ValueError(f"The pattern {source!r} is not a regular expression: {error}") from error
    except Unsupported as error:
        raise ValueError(f"The pattern {source!r} is refused: {error}, so what it costs is not known") from error
    if width(tree)[0] == 0:
        raise ValueError(
            f"The pattern {source!r} is refused: it matches the empty text, which is everywhere. "
            "Let it need a character, such as + in the place of *"
        )
    return source, tree


def _in_python(source: str, tree: Sequence) -> Matcher | str:
    """The pattern with Python's `re`, or why not."""
    leading = safety.leading_repeat(tree)
    cost, fits = 0.0, False
    for times in TIMES:
        cut = clamped(tree, times)
        tight = safety.tightened(cut)
        whole = cost = safety.cost_of_a_character(tight, times)
        if leading is not None:
            rest = safety.tightened(clamped(leading.rest, times))
            cost = min(whole, safety.cost_of_leading(leading, rest, times))
        widest = width(cut)[1]
        before, after = reach(cut)
        fits = widest is not None and widest + before + after <= WIDEST
        if cost <= DEAREST and fits:
            break
    else:
        return _too_dear(cost) if fits else f"it matches, or looks at, more than {WIDEST} characters"
    assert widest is not None
    if any(isinstance(node, Look) and not node.ahead and not _is_fixed(node.item) for node in walk(tree)):
        raise ValueError(f"The pattern {source!r} is not a regular expression: a look-behind must have a fixed width")
    compiled = Compiled(tight)
    search: Search = _Whole(compiled)
    if leading is not None and whole > DEAREST / 4:
        search = _Backwards(leading, compiled, times)
        before = max(before, leading.least)
    return Matcher(source, search, widest, before, after, needed(tree), 0, times, compiled, Ending(cut, times, widest))


def _is_fixed(sequence: Sequence) -> bool:
    least, most = width(sequence)
    return least == most


class Compiled:
    """A pattern of Python's `re` that is compiled when it is first needed: most of them never are."""

    def __init__(self, tree: Sequence) -> None:
        self._tree = tree

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        flags = next((node.flags for node in walk(self._tree) if isinstance(node, Chars)), 0)
        return re.compile(in_python(self._tree, flags), flags)


class Ending:
    """Finds the beginning of a match at the end of a text: what may become one, or another one, when more follows."""

    def __init__(self, tree: Sequence, times: int, widest: int) -> None:
        self._tree, self._times, self._widest = tree, times, widest

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """None if that is hard to tell, or nothing can be."""
        nodes = list(walk(self._tree))
        if len(nodes) > MANY_NODES or any(isinstance(node, Back) for node in nodes):
            return None
        found = unfinished(self._tree)
        if found is None:
            return None
        found = (*found, Anchor("text_end", 0))
        if safety.cost_of_a_character(found, self._times) * self._widest > DEAREST_END:
            return None
        return Compiled(found).pattern


def _too_dear(cost: float) -> str:
    if cost > 1e6:
        return "it has repeats that can match the same text in very many ways, and all of them are tried"
    return f"it has repeats that overlap, so that a text may cost {cost / 1000:.1f} us a character"


class _Whole:
    """Searches for a pattern as it is."""

    __slots__ = ("_compiled",)

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def __call__(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        found = self._compiled.pattern.search(text, start, end)
        return None if found is None else found.span()


class _Backwards:
    """Searches for a pattern that begins with a repeat: for what follows the repeat, and from there backwards.

    So a run of what is repeated is gone through once, and not once from each of its characters.
    """

    __slots__ = ("_apart", "_least", "_rest", "_run", "_starts", "_times", "_whole")

    def __init__(self, leading: safety.Leading, whole: Compiled, times: int) -> None:
        flags = leading.chars.flags
        one = in_python((leading.chars,), flags)
        rest = in_python(safety.tightened(clamped(leading.rest, times)), flags)
        behind = f"(?<={f'(?:{one})' * leading.least})" if leading.least else ""
        self._least, self._times, self._apart = leading.least, times, leading.apart
        self._whole = whole
        self._rest = re.compile(behind + rest, flags).search
        self._run = re.compile(f"(?:{one})+", flags).findall
        boundary = in_python(leading.boundary, flags)
        self._starts = re.compile(f"{boundary}(?:{one}){{{leading.least}}}", flags).search if boundary else None

    def __call__(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        floor, after = start, start + self._least
        while after <= end and (rest := self._rest(text, after, end)) is not None:
            at = rest.start()
            first = self._first(text, max(floor, at - self._times), at)
            if first is not None and (found := self._whole.pattern.match(text, first, end)) is not None:
                return found.span()
            after = at + 1
            if self._apart:
                floor = after
        return None

    def _first(self, text: str, floor: int, at: int) -> int | None:
        """The first place from which the repeat reaches to `at`."""
        runs = self._run(text, floor, at)
        if not runs or not text.endswith(runs[-1], floor, at):
            return at if self._least == 0 else None
        first = at - len(runs[-1])
        if self._starts is None:
            return first
        begun = self._starts(text, first, at)
        return None if begun is None else begun.start()


def _in_re2(source: str, tree: Sequence) -> Matcher:
    """The pattern with RE2. Raises ModuleNotFoundError if that is not installed, Unsupported if it cannot run it."""
    written = in_re2(tree)
    re2: Any = importlib.import_module("re2")
    if not hasattr(re2, "Options"):
        raise ModuleNotFoundError("another package is called re2")
    options = re2.Options()
    options.never_capture, options.log_errors = True, False
    try:
        compiled = re2.compile(written, options)
    except re2.error as error:
        raise Unsupported(str(error)) from error
    if compiled.programsize > LARGEST:
        raise Unsupported(f"it is too large there, {compiled.programsize} instructions")
    before, after = reach(tree)
    widest = width(tree)[1]
    blocks = BLOCK if widest is None or widest > WIDEST else 0
    return Matcher(source, _Re2(compiled), 2 * BLOCK if blocks else widest or 0, before, after, needed(tree), blocks)


_SURROGATE = re.compile("[\ud800-\udfff]")


class _Re2:
    """Searches with RE2, in no more text than is asked for and a character at each side of it."""

    __slots__ = ("_search",)

    def __init__(self, compiled: Any) -> None:
        self._search = compiled.search

    def __call__(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        begin = max(0, start - 1)
        piece = text[begin : end + 1]
        try:
            found = self._search(piece, start - begin, end - begin)
        except UnicodeEncodeError:
            found = self._search(_SURROGATE.sub("\ufffd", piece), start - begin, end - begin)
        return None if found is None else (found.start() + begin, found.end() + begin)
