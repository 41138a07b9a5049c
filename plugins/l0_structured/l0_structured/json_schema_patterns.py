"""Regular expressions of JSON Schemas, searched for in linear time.

Python's `re` tries one way to match after the other, and the text is a model's: `^(\\w+\\s?)*$` takes for ever on forty
letters. Here all ways are followed at once, one step for each character, and steps that were made are remembered. The
price is that what cannot be done so is refused: backreferences, lookbehind, lookahead anywhere but at the beginning.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["MAX_SIZE", "Pattern", "PatternRefused", "pattern"]

MAX_SIZE = 10_000
"""How many states a pattern may have: about two for each character, with what is repeated counted as often."""
REMEMBERED = 200_000
"""How much is remembered of a pattern, one for each step and each state that it leads to. Then all is forgotten."""

IGNORECASE, MULTILINE, DOTALL = int(re.IGNORECASE), int(re.MULTILINE), int(re.DOTALL)
KNOWN_FLAGS = IGNORECASE | MULTILINE | DOTALL | int(re.UNICODE) | int(re.VERBOSE)


class PatternRefused(ValueError):
    """What is not a regular expression, or not one that can be searched for in linear time."""


@lru_cache(256)
def pattern(source: str) -> Pattern:
    """Read a regular expression as Python has it, but for `$`, which is the end of the text and not the last newline.

    So has ECMA-262 it, which JSON Schema follows. Raises PatternRefused.
    """
    parser: Any = importlib.import_module("re._parser")
    try:
        tree = parser.parse(source)
        return _read(tree, int(tree.state.flags))
    except re.error as error:
        raise PatternRefused(f"is not a regular expression: {error}") from None
    except (RecursionError, OverflowError):
        raise PatternRefused("is too large for a pattern") from None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression. It may begin with lookaheads, each of which is a search of its own from the beginning."""

    machine: _Machine
    ahead: tuple[tuple[bool, _Machine], ...]

    def search(self, text: str) -> bool:
        """Whether there is a match anywhere in `text`."""
        return all(machine.search(text) is wanted for wanted, machine in self.ahead) and self.machine.search(text)


def _read(tree: Any, flags: int) -> Pattern:
    items = list(tree)
    anchors = 0
    while anchors < len(items) and _is_start(items[anchors], flags):
        anchors += 1
    start, rest = items[:anchors], items[anchors:]
    ahead = []
    while start and rest and _is_ahead(*rest[0]):
        op, value = rest.pop(0)
        wanted = str(op) != "ASSERT_NOT"
        # An empty (?!) is FAILURE in later versions of Python.
        item = [(op, value)] if str(op) == "FAILURE" else value[1]
        ahead.append((wanted, _Machine.of([*start, *item], flags)))
    return Pattern(_Machine.of([*start, *rest], flags), tuple(ahead))


def _is_start(item: tuple[Any, Any], flags: int) -> bool:
    op, value = item
    return str(op) == "AT" and (
        str(value) == "AT_BEGINNING_STRING" or (str(value) == "AT_BEGINNING" and not flags & MULTILINE)
    )


def _is_ahead(op: Any, value: Any) -> bool:
    return str(op) == "FAILURE" or (str(op) in ("ASSERT", "ASSERT_NOT") and value[0] > 0)


Test: TypeAlias = Callable[[str], bool]


@dataclass(slots=True)
class _State:
    """A place in a pattern: it takes one character (`test`), or none, if what is `at` the place holds."""

    next: list[int]
    test: Test | None = None
    at: str | None = None


@dataclass(slots=True, eq=False)
class _Position:
    """All the places that a search has come to at once, what the last character was, and the steps made from here."""

    places: frozenset[int]
    previous: str
    steps: dict[str, _Position] = field(default_factory=dict)


_MATCHED = _Position(frozenset(), "")
_FINAL = 0


@dataclass(slots=True, eq=False)
class _Machine:
    states: list[_State] = field(default_factory=lambda: [_State([])])
    start: int = _FINAL
    positions: dict[tuple[frozenset[int], str], _Position] = field(default_factory=dict)
    remembered: int = 0
    looks_around: bool = False

    @classmethod
    def of(cls, items: Sequence[Any], flags: int) -> _Machine:
        made = cls()
        made.start = made._sequence(items, _FINAL, flags)
        made.looks_around = any(state.at for state in made.states)
        return made

    def search(self, text: str) -> bool:
        position = self._position(frozenset((self.start,)), "")
        for char in text:
            following = position.steps.get(char) or self._step(position, char)
            if following is _MATCHED:
                return True
            position = following
        return self._reached(position, "") is None

    def _step(self, position: _Position, char: str) -> _Position:
        reached = self._reached(position, char)
        if reached is None:
            following = _MATCHED
        else:
            places = {state.next[0] for state in reached if state.test and state.test(char)}
            # Where a match may begin anywhere, it may begin here.
            following = self._position(frozenset(places | {self.start}), self._seen(char))
        if self.remembered >= REMEMBERED:
            self.remembered = 0
            self.positions.clear()
            return _Position(following.places, following.previous) if following is not _MATCHED else _MATCHED
        self.remembered += 1 + len(following.places)
        position.steps[char] = following
        return following

    def _position(self, places: frozenset[int], previous: str) -> _Position:
        return self.positions.setdefault((places, previous), _Position(places, previous))

    def _seen(self, char: str) -> str:
        """What matters of a character to what looks back at it."""
        if not self.looks_around:
            return " "
        return char if char == "\n" else ("a" if _is_word(char) else " ")

    def _reached(self, position: _Position, following: str) -> list[_State] | None:
        """The states that take a character next; None if the pattern has matched. `following` is "" at the end."""
        pending, seen, reached = list(position.places), set(position.places), []
        while pending:
            place = pending.pop()
            if place == _FINAL:
                return None
            state = self.states[place]
            if state.test:
                reached.append(state)
            elif state.at is None or _holds(state.at, position.previous, following):
                new = [one for one in state.next if one not in seen]
                seen.update(new)
                pending.extend(new)
        return reached

    # A pattern is read from its end: each part is told what comes then.

    def _add(self, state: _State) -> int:
        if len(self.states) >= MAX_SIZE:
            raise PatternRefused("is too large for a pattern: it repeats too much too often")
        self.states.append(state)
        return len(self.states) - 1

    def _sequence(self, items: Sequence[Any], then: int, flags: int) -> int:
        for op, value in reversed(items):
            then = self._node(str(op), value, then, flags)
        return then

    def _node(self, op: str, value: Any, then: int, flags: int) -> int:
        if op in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._add(_State([then], test=_test(op, value, flags)))
        if op == "AT":
            return self._add(_State([then], at=_anchor(str(value), flags)))
        if op == "BRANCH":
            return self._add(_State([self._sequence(option, then, flags) for option in value[1]]))
        if op == "SUBPATTERN":
            _, added, removed, item = value
            return self._sequence(item, then, _known(flags | added) & ~removed)
        if op in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, item = value
            return self._repeat(int(least), None if str(most) == "MAXREPEAT" else int(most), item, then, flags)
        if op == "FAILURE":
            return self._add(_State([]))
        raise PatternRefused(f"has {_REFUSED.get(op, 'something')} that cannot be searched for in linear time")

    def _repeat(self, least: int, most: int | None, item: Sequence[Any], then: int, flags: int) -> int:
        after = then
        if most is None:
            then = self._add(_State([after]))
            self.states[then].next.append(self._sequence(item, then, flags))
        else:
            for _ in range(most - least):
                then = self._add(_State([after, self._sequence(item, then, flags)]))
        for _ in range(least):
            again = self._sequence(item, then, flags)
            if again == then:
                break  # There is nothing to repeat.
            then = again
        return then


_REFUSED = {
    "ASSERT": "a lookaround",
    "ASSERT_NOT": "a lookaround",
    "GROUPREF": "a backreference",
    "GROUPREF_EXISTS": "a condition",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}

_ANCHORS = {
    "AT_BEGINNING_STRING": "start",
    "AT_END_STRING": "end",
    "AT_BOUNDARY": "boundary",
    "AT_NON_BOUNDARY": "inside",
}


def _known(flags: int) -> int:
    if flags & ~KNOWN_FLAGS:
        raise PatternRefused("has a flag other than i, m, s, u and x")
    return flags


def _anchor(kind: str, flags: int) -> str:
    if kind == "AT_BEGINNING":
        return "line start" if flags & MULTILINE else "start"
    if kind == "AT_END":
        return "line end" if flags & MULTILINE else "end"
    return _ANCHORS[kind]


def _holds(at: str, previous: str, following: str) -> bool:
    if at == "start":
        return previous == ""
    if at == "end":
        return following == ""
    if at == "line start":
        return previous in ("", "\n")
    if at == "line end":
        return following in ("", "\n")
    return (_is_word(previous) != _is_word(following)) == (at == "boundary")


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CATEGORIES: dict[str, Test] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": _is_word,
}


def _test(op: str, value: Any, flags: int) -> Test:
    _known(flags)
    if op == "ANY":
        return (lambda char: True) if flags & DOTALL else (lambda char: char != "\n")
    members = list(value) if op == "IN" else [("LITERAL", value)]
    negative = op == "NOT_LITERAL" or str(members[0][0]) == "NEGATE"
    tests = [_member(str(kind), what) for kind, what in members if str(kind) != "NEGATE"]
    ignore_case = bool(flags & IGNORECASE)

    def test(char: str) -> bool:
        variants = {char, *_other_cases(char)} if ignore_case else (char,)
        return any(one(variant) for variant in variants for one in tests) is not negative

    return test


def _other_cases(char: str) -> list[str]:
    return [other for other in (char.lower(), char.upper(), char.upper().lower()) if len(other) == 1]


def _member(kind: str, what: Any) -> Test:
    if kind == "LITERAL":
        letter = chr(what)
        return lambda char: char == letter
    if kind == "RANGE":
        first, last = map(chr, what)
        return lambda char: first <= char <= last
    *negated, name = str(what).removeprefix("CATEGORY_").split("_")
    category = _CATEGORIES[name]
    return (lambda char: not category(char)) if negated else category
