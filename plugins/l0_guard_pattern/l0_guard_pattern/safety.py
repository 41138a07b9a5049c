"""What a pattern can cost at worst in Python's `re`, which tries one way after the other until one matches.

The worst case is estimated from the tree: how often each part may be entered from one start of a match, and what that
costs. A repeat that is followed by something of which no character is its own has one way to end, and is made
possessive, which changes no match and spares the tries. Sets are compared by their ASCII characters, and all others
are taken for one, so what is found to be different is different.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from l0_guard_pattern.literals import prefixes
from l0_guard_pattern.syntax import (
    ASCII,
    BEYOND,
    Anchor,
    Atomic,
    Back,
    Chars,
    Choice,
    Group,
    Look,
    Node,
    Repeat,
    Sequence,
    flat,
    walk,
    width,
)

__all__ = ["Leading", "cost_of_a_character", "cost_of_leading", "leading_repeat", "tightened"]

TRY = 18.0
"""Nanoseconds to go back by one character and to try there what follows."""
LAZY_TRY = 25.0
"""The same, for a lazy repeat, and forwards."""
ENTER = 35.0
"""Nanoseconds to repeat what is more than one set of characters."""
CHOOSE = 20.0
"""Nanoseconds to take an alternative."""
OPTION = 4.0
"""Nanoseconds to pass over an alternative that begins with something else."""
HOPELESS = 1e12
CHEAP = 100.0
"""What costs less nanoseconds a character is not looked into."""


@dataclass(frozen=True, slots=True)
class _First:
    """The characters that a text may begin with; `empty` if it may be none, so that it says nothing."""

    members: int
    empty: bool

    def __or__(self, other: _First) -> _First:
        return _First(self.members | other.members, self.empty or other.empty)

    def differs(self, other: _First) -> bool:
        """Whether no text begins both ways."""
        return not (self.empty or other.empty or self.members & other.members)


_NOTHING = _First(0, True)
_ANYTHING = _First(ASCII | BEYOND, True)
_END = _First(ASCII | BEYOND, True)
"""What follows a whole pattern: by then it has matched."""


def _first(sequence: Sequence, after: _First = _NOTHING) -> _First:
    found = _First(0, True)
    for node in sequence:
        one = _first_of(node)
        found = _First(found.members | one.members, one.empty)
        if not one.empty:
            return found
    return _First(found.members | after.members, after.empty)


def _first_of(node: Node) -> _First:
    if isinstance(node, Chars):
        return _First(node.members, False)
    if isinstance(node, Anchor | Look):
        return _NOTHING
    if isinstance(node, Back):
        return _ANYTHING
    if isinstance(node, Choice):
        found = _First(0, False)
        for option in node.options:
            found = found | _first(option)
        return found
    found = _first(node.item)
    return replace(found, empty=True) if isinstance(node, Repeat) and node.least == 0 else found


def tightened(sequence: Sequence, after: _First = _ANYTHING) -> Sequence:
    """The same tree, with every repeat of a set possessive that can be. `after` is what may follow it."""
    made: list[Node] = []
    for node in reversed(sequence):
        made.append(_tighten(node, after))
        after = _first((node,), after)
    return tuple(reversed(made))


def _tighten(node: Node, after: _First) -> Node:
    if isinstance(node, Choice):
        return replace(node, options=tuple(tightened(option, after) for option in node.options))
    if isinstance(node, Repeat):
        one = node.single
        if one is None:
            again = _first(node.item)
            return replace(node, item=tightened(node.item, replace(again | after, empty=again.empty or after.empty)))
        if node.mode == "" and _first_of(one).differs(after):
            return replace(node, mode="+")
        return node
    if isinstance(node, Group):
        return replace(node, item=tightened(node.item, after))
    if isinstance(node, Atomic):
        item = tightened(node.item)
        last = item[-1] if item else None
        if isinstance(last, Repeat) and last.single is not None and last.mode == "":
            item = (*item[:-1], replace(last, mode="+"))
        return replace(node, item=item)
    if isinstance(node, Look):
        return replace(node, item=tightened(node.item))
    return node


@dataclass(frozen=True, slots=True)
class _Cost:
    """Nanoseconds to fail at worst, entered once, and how often what follows is entered then."""

    time: float
    ways: float


def _cost(sequence: Sequence, after: _First) -> _Cost:
    time, ways = 0.0, 1.0
    position = len(sequence)
    while position:
        start, word = _word_before(sequence, position)
        position = start if word else position - 1
        following = sequence[position + 1 :]
        # Entered at one place after the other, a word is passed to its end only as often as it fits in there.
        one = _Cost(5 + 4 * len(word) / _period(word), 1) if word else _cost_of(sequence[position], after, following)
        time = min(HOPELESS, one.time + one.ways * time)
        ways = min(HOPELESS, ways * one.ways)
        after = _first((sequence[position],), after)
    return _Cost(time, ways)


def _word_before(sequence: Sequence, end: int) -> tuple[int, str]:
    word = ""
    for node in reversed(sequence[:end]):
        if not isinstance(node, Chars) or not node.letter:
            break
        word = node.letter + word
    return end - len(word), word


def _cost_of(node: Node, after: _First, following: Sequence) -> _Cost:
    if isinstance(node, Chars):
        return _Cost(node.cost + 2, 1)
    if isinstance(node, Anchor):
        return _Cost(5, 1)
    if isinstance(node, Back):
        return _Cost(100, 1)
    if isinstance(node, Group):
        return _cost(node.item, after)
    if isinstance(node, Atomic | Look):
        return _Cost(TRY + _cost(node.item, _ANYTHING).time, 1)
    if isinstance(node, Choice):
        return _cost_of_choice(node, after)
    if node.single is not None:
        return _cost_of_run(node, node.single, after, following)
    return _cost_of_loop(node, after)


def _cost_of_run(node: Repeat, one: Chars, after: _First, following: Sequence) -> _Cost:
    if after is _END:
        return _Cost(node.least * one.cost, 1)
    most = float(node.most or 0)
    ends = most - node.least + 1
    alone = _first_of(one).differs(after)
    if node.mode == "+":
        return _Cost(most * one.cost, 1)
    if node.mode == "" and not alone and following and isinstance(following[0], Chars) and following[0].exact:
        # Python looks for a known character without trying what follows it.
        return _Cost(most * (one.cost + 1.5), 1 if len(following) == 1 else ends)
    again = TRY if node.mode == "" else LAZY_TRY
    return _Cost(most * one.cost + ends * again, 1 if alone else ends)


def _cost_of_loop(node: Repeat, after: _First) -> _Cost:
    most, first = node.most or 0, _first(node.item)
    if most > 1 and width(node.item)[0] == 0:
        return _Cost(HOPELESS, HOPELESS)
    if after is _END:
        most = max(1, node.least)
    body = _cost(node.item, replace(first | after, empty=first.empty or after.empty) if most > 1 else after)
    alone = first.differs(after)
    if body.ways <= 1:
        ends = 1.0 if alone or node.mode == "+" else float(most - node.least + 1)
        return _Cost(most * (body.time + ENTER), ends)
    total = 1.0
    for _ in range(min(most, 50)):  # By then it is hopeless.
        total = min(HOPELESS, total * body.ways + 1)
    return _Cost(min(HOPELESS, total * (body.time + ENTER)), 1 if node.mode == "+" else total)


def _cost_of_choice(node: Choice, after: _First) -> _Cost:
    words = {_word(option) for option in node.options if option}
    if all(words):
        # Of plain words, those match at one place that begin one another.
        ways = max((sum(word[:end] in words for end in range(1, len(word) + 1)) for word in words), default=0)
        ways += sum(not option for option in node.options)
        passed = max((len(word) / _period(word) for word in words), default=0)
        return _Cost(CHOOSE + OPTION * len(node.options) + 4 * passed, float(ways))
    costs = [_cost(option, after) for option in node.options]
    if len(costs) > MANY_OPTIONS:
        return _Cost(sum(cost.time + OPTION for cost in costs), min(HOPELESS, sum(cost.ways for cost in costs)))
    beginnings = [(_first(option, after), _word_after(tuple(flat(option)))) for option in node.options]
    together = [
        [cost for cost, other in zip(costs, beginnings, strict=True) if not _apart(one, other)] for one in beginnings
    ]
    return _Cost(
        CHOOSE + OPTION * len(costs) + max(sum(cost.time for cost in group) for group in together),
        min(HOPELESS, max(sum(cost.ways for cost in group) for group in together)),
    )


MANY_OPTIONS = 200


def _apart(one: tuple[_First, str], other: tuple[_First, str]) -> bool:
    """Whether no text goes on, after the words that they begin with, in both of two options."""
    if one[0].differs(other[0]):
        return True
    words = sorted((one[1], other[1]))
    return bool(words[0]) and not words[1].startswith(words[0])


def _word(sequence: Sequence) -> str:
    letters = [node.letter if isinstance(node, Chars) else "" for node in sequence]
    return "".join(letters) if all(letters) else ""


@dataclass(frozen=True, slots=True)
class Leading:
    """What a pattern begins with, if that is any number of one set: it is `least` times `chars`, then `rest`.

    `boundary` is the `\\b` before it, if there is one. `apart` says that `rest` cannot begin with one of `chars`.
    """

    boundary: Sequence
    chars: Chars
    least: int
    rest: Sequence
    apart: bool


def leading_repeat(sequence: Sequence) -> Leading | None:
    """The beginning of a pattern that need not be tried at each of its characters. The tree is not clamped."""
    if any(isinstance(node, Back | Atomic) for node in walk(sequence)):
        return None
    head = sequence[:1]
    boundary = head if head and isinstance(head[0], Anchor) and head[0].kind == "boundary" else ()
    sequence = sequence[len(boundary) :]
    first, rest = sequence[0] if sequence else None, sequence[1:]
    if isinstance(first, Group) and len(first.item) == 1:
        first = first.item[0]
    if not isinstance(first, Repeat) or first.single is None or first.most is not None or first.mode == "+":
        return None
    if not rest or first.least > MOST_LEADING or (boundary and not first.least):
        return None
    apart = _first_of(first.single).differs(_first(rest))
    return Leading(boundary, first.single, first.least, rest, apart)


MOST_LEADING = 64


def cost_of_leading(leading: Leading, rest: Sequence, most: int) -> float:
    """Like `cost_of_a_character`, where `rest` is searched for and the repeat found from there, backwards."""
    back = 0.0
    if leading.boundary and not leading.apart:
        back = (1500 + 12.0 * most) / _period(_word_after(rest))
    return 20 + leading.least * leading.chars.cost + back + cost_of_a_character(rest, most)


def cost_of_a_character(sequence: Sequence, most: int) -> float:
    """Nanoseconds that a character of the worst text costs, where matches are looked for at each start.

    `most` is how often what is repeated without an end may be repeated. The tree is clamped and tightened.
    """
    time = _cost(sequence, _END).time
    places = (place for place, node in enumerate(sequence) if not isinstance(node, Anchor | Look))
    consuming = next(places, len(sequence))
    kinds = {node.kind for node in sequence[:consuming] if isinstance(node, Anchor)}
    if "text" in kinds:
        return time / 10_000  # There is one start.
    begins, after = 0, sequence[consuming:]
    if "line" in kinds:
        begins = 1 << 10
    elif after and isinstance(after[0], Chars):
        begins, after = after[0].members, after[1:]
    if begins and not any(_may_match(node, begins) for node in walk(after)):
        # No start is within reach of another, so what a start costs is shared by the characters that it looks at.
        return 5 + time / most
    if time < CHEAP:
        return time
    words = prefixes(sequence[consuming:])
    return (5 if len(words) == 1 else 2 * CHOOSE) + time / _distance(words)


def _may_match(node: Node, members: int) -> bool:
    return isinstance(node, Back | Look) or (isinstance(node, Chars) and bool(node.members & members))


def _word_after(sequence: Sequence) -> str:
    word = ""
    for node in sequence:
        if not isinstance(node, Chars) or not node.letter:
            break
        word += node.letter
    return word


def _distance(words: set[str]) -> int:
    """How far apart two places are at least at which some of the words begin."""
    shortest = max(1, min(map(len, words)))
    for shift in range(1, shortest):
        for one in words:
            tail = one[shift:]
            if any(other.startswith(tail) or tail.startswith(other) for other in words):
                return shift
    return shortest


@lru_cache(4096)
def _period(word: str) -> int:
    return _distance({word})
