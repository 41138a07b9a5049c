"""A regular expression as a tree, read by Python's own parser and written again for an engine."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

__all__ = [
    "Anchor",
    "Atomic",
    "Back",
    "Chars",
    "Choice",
    "Group",
    "Look",
    "Node",
    "Repeat",
    "Sequence",
    "Unsupported",
    "clamped",
    "flat",
    "in_python",
    "in_re2",
    "parse",
    "reach",
    "unfinished",
    "walk",
    "width",
]

ASCII = (1 << 128) - 1
SPACE, DIGIT, LETTER, OTHER = (1 << bit for bit in range(128, 132))
"""Beyond ASCII: what `\\s` matches, what `\\d` does, what else `\\w` does, and the rest."""
BEYOND = SPACE | DIGIT | LETTER | OTHER
IGNORECASE, MULTILINE, DOTALL, ASCII_ONLY, UNICODE = map(
    int, (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII, re.UNICODE)
)  # As numbers they are much faster than as flags of re.
SCOPED = IGNORECASE | ASCII_ONLY
"""The flags that are written where they count; the others are resolved when the pattern is read."""


class Unsupported(Exception):
    """What an engine cannot do, or this module cannot read."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set. `members` has a bit for each ASCII character, and one for each kind of others."""

    members: int
    python: str
    re2: str | None
    flags: int
    chars: str = ""
    """Its characters, in lower case, if they are a few. Beyond ASCII those that have no case."""
    exact: bool = False
    """It is one character, whatever the case of letters."""
    cost: float = 3
    """Nanoseconds to step over one of them."""

    @property
    def letter(self) -> str:
        """The character, if there is only one."""
        return self.chars if len(self.chars) == 1 else ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An assertion about a position: `\\A`, `^`, `\\b`, `\\B`, `$`, `\\Z`."""

    kind: Literal["text", "line", "boundary", "inside", "end", "line_end", "text_end"]
    flags: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times (None: any number). `mode` is greedy "", lazy "?" or possessive "+"."""

    item: Sequence
    least: int
    most: int | None
    mode: str = ""

    @property
    def single(self) -> Chars | None:
        """The set that is repeated, if nothing else is."""
        return self.item[0] if len(self.item) == 1 and isinstance(self.item[0], Chars) else None


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Group:
    item: Sequence
    number: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Atomic:
    item: Sequence


@dataclass(frozen=True, slots=True)
class Look:
    item: Sequence
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Back:
    number: int
    flags: int


Node: TypeAlias = Chars | Anchor | Repeat | Choice | Group | Atomic | Look | Back
Sequence: TypeAlias = "tuple[Node, ...]"


def parse(pattern: str, flags: int) -> Sequence:
    """Read a pattern. Raises re.error if it is none, Unsupported for what no tree is made of."""
    parser: Any = importlib.import_module("re._parser")
    tree = parser.parse(pattern, flags)
    flags = int(tree.state.flags)
    return _Reader(tree.state.groupdict).sequence(tree, flags)


@dataclass(slots=True)
class _Reader:
    groups: dict[str, int]
    names: dict[int, str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = {number: name for name, number in self.groups.items()}

    def sequence(self, items: Any, flags: int) -> Sequence:
        return tuple(self.node(str(op), value, flags) for op, value in items)

    def node(self, op: str, value: Any, flags: int) -> Node:
        if op == "LITERAL":
            return _literal(value, flags)
        if op in ("NOT_LITERAL", "ANY", "IN"):
            return _set(op, value, flags)
        if op == "AT":
            return Anchor(_anchor(str(value), flags), flags)
        if op == "BRANCH":
            return Choice(tuple(self.sequence(option, flags) for option in value[1]))
        if op == "SUBPATTERN":
            number, added, removed, item = value
            inner = (flags | added) & ~removed
            if added & ASCII_ONLY:
                inner &= ~UNICODE
            return Group(self.sequence(item, inner), number, self.names.get(number))
        if op in _MODES:
            least, most, item = value
            unbounded = str(most) == "MAXREPEAT"
            return Repeat(self.sequence(item, flags), int(least), None if unbounded else int(most), _MODES[op])
        if op == "ATOMIC_GROUP":
            return Atomic(self.sequence(value, flags))
        if op in ("ASSERT", "ASSERT_NOT"):
            direction, item = value
            return Look(self.sequence(item, flags), direction > 0, op == "ASSERT_NOT")
        if op == "FAILURE":
            return Look((), True, True)
        if op == "GROUPREF":
            return Back(int(value), flags)
        raise Unsupported("it has a conditional group" if op == "GROUPREF_EXISTS" else f"it has {op}")


_MODES = {"MAX_REPEAT": "", "MIN_REPEAT": "?", "POSSESSIVE_REPEAT": "+"}


def _anchor(kind: str, flags: int) -> Literal["text", "line", "boundary", "inside", "end", "line_end", "text_end"]:
    multiline = bool(flags & MULTILINE)
    if kind == "AT_BEGINNING":
        return "line" if multiline else "text"
    if kind == "AT_BEGINNING_STRING":
        return "text"
    if kind == "AT_END":
        return "line_end" if multiline else "end"
    if kind == "AT_END_STRING":
        return "text_end"
    if kind == "AT_BOUNDARY":
        return "boundary"
    if kind == "AT_NON_BOUNDARY":
        return "inside"
    raise Unsupported(f"it has {kind}")


_ODD_CASES = frozenset("kKsSiI")
"""ASCII letters that have a lower-case or upper-case form beyond ASCII: the Kelvin sign, the long s, the dotless i."""
_ODD_MEMBERS = sum(1 << ord(char) for char in _ODD_CASES)


@lru_cache(512)
def _literal(code: int, flags: int) -> Chars:
    char = chr(code)
    folds = bool(flags & IGNORECASE) and (char.lower() != char or char.upper() != char)
    if folds and code < 128:
        # As a set of its forms it is faster: of several alternatives, Python skips those that begin with another set.
        made = _Set(True, bool(flags & ASCII_ONLY))
        made.add_range(code, code)
        return made.chars(False, flags & SCOPED)
    return Chars(
        _members(code, code, folds),
        re.escape(char) if char.isprintable() or char in "\n\t" else f"\\U{code:08x}",
        _re2_code(code),
        flags & SCOPED,
        chars=_listed(code, code, folds),
        exact=not folds,
        cost=2 if not folds else 20,
    )


def _members(first: int, last: int, ignores: bool) -> int:
    """The members of a range. In doubt there are more of them."""
    ascii_chars = map(chr, range(first, min(last, 127) + 1))
    forms = {form for char in ascii_chars for form in ((char, char.lower(), char.upper()) if ignores else (char,))}
    members = sum(1 << ord(form) for form in forms)
    if ignores and not _ODD_CASES.isdisjoint(forms):
        members |= LETTER
    if last >= 128:
        members |= _kind(chr(first)) if first == last else BEYOND
        members |= _ODD_MEMBERS | BEYOND if ignores else 0
    return members


FEW = 4


def _listed(first: int, last: int, ignores: bool) -> str:
    """The characters of a range, folded; none if they are many, or others are taken for the same."""
    chars = "".join(map(chr, range(first, last + 1))) if last - first < FEW else ""
    if chars.isascii() or not ignores or chars.lower() == chars.upper():
        return "".join(char.lower() if char.isascii() else char for char in chars)
    return ""


def _kind(char: str) -> int:
    return SPACE if char.isspace() else DIGIT if char.isdecimal() else LETTER if char.isalnum() else OTHER


def _re2_code(code: int) -> str:
    if 0xD800 <= code < 0xE000:
        return "\\x{fffd}"  # RE2 reads UTF-8; the text has the same in the place of a surrogate.
    return f"\\x{{{code:x}}}"


_SPACES = r"\t-\r\x1c-\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
# How RE2 writes what Python's categories hold; in RE2 itself they know ASCII only.
_RE2_CATEGORY = {
    ("DIGIT", False): r"\p{Nd}",
    ("DIGIT", True): "0-9",
    ("SPACE", False): _SPACES,
    ("SPACE", True): r"\t-\r\x20",
    ("WORD", False): r"\p{L}\p{N}_",
    ("WORD", True): "0-9A-Za-z_",
}
_PYTHON_CATEGORY = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
_BEYOND_CATEGORY = {"DIGIT": DIGIT, "SPACE": SPACE, "WORD": DIGIT | LETTER}
# Beyond ASCII, what matches an ASCII letter in any case.
_ODD_FORMS = {"k": "\u212a", "s": "\u017f", "i": "\u0130\u0131"}


def _category(name: str, ascii_only: bool) -> int:
    shorthand = _PYTHON_CATEGORY[name]
    members = sum(1 << code for code in range(128) if re.match(shorthand, chr(code), re.ASCII if ascii_only else 0))
    return members if ascii_only else members | _BEYOND_CATEGORY[name]


def _set(op: str, value: Any, flags: int) -> Chars:
    if op == "ANY":
        if flags & DOTALL:
            return Chars(ASCII | BEYOND, r"[\s\S]", r"[\x{0}-\x{10ffff}]", flags & SCOPED, cost=1)
        return Chars((ASCII | BEYOND) & ~(1 << 10), r"[^\n]", r"[^\n]", flags & SCOPED, cost=1)
    made = _Set(bool(flags & IGNORECASE), bool(flags & ASCII_ONLY))
    items = [("NEGATE", None), ("LITERAL", value)] if op == "NOT_LITERAL" else [(str(kind), arg) for kind, arg in value]
    negated = items[0][0] == "NEGATE"
    for kind, arg in items[negated:]:
        if kind == "CATEGORY":
            made.add_category(str(arg).removeprefix("CATEGORY_"))
        else:
            made.add_range(*((arg, arg) if kind == "LITERAL" else arg))
    if op == "NOT_LITERAL" and not chr(value).isalpha():
        made.cost = 1
    return made.chars(negated, flags & SCOPED)


@dataclass(slots=True)
class _Set:
    """A set in brackets, in the making."""

    ignores: bool
    ascii_only: bool
    python: str = ""
    re2: str = ""
    inverse: list[str] = field(default_factory=list)
    members: int = 0
    certain: int = 0
    """Members that are in the set as a whole."""
    listed: str | None = ""
    expanded: bool = True
    """Whether all that ignoring case adds is written out, which is faster than to have Python ignore case."""
    cost: float = 3

    def add_category(self, name: str) -> None:
        inverse, name = name.startswith("NOT_"), name.removeprefix("NOT_")
        self.python += _PYTHON_CATEGORY[name].upper() if inverse else _PYTHON_CATEGORY[name]
        members = _category(name, self.ascii_only)
        if inverse:
            self.inverse.append(f"[^{_RE2_CATEGORY[name, self.ascii_only]}]")
            members ^= ASCII | BEYOND
        else:
            self.re2 += _RE2_CATEGORY[name, self.ascii_only]
        self.members |= members
        self.certain |= members
        self.listed = None
        self.cost += 1 if name == "SPACE" else 15 if inverse or self.cost > 3 else 5

    def add_range(self, first: int, last: int) -> None:
        self._write(first, last)
        letters = (
            [char for char in map(chr, range(first, min(last, 127) + 1)) if char.isalpha()] if self.ignores else []
        )
        if last >= 128 and self.ignores and not (first == last and chr(first).lower() == chr(first).upper()):
            self.expanded = False
        else:
            for letter in letters:
                odd = "" if self.ascii_only else _ODD_FORMS.get(letter.lower(), "")
                for form in {*letter.lower(), *letter.upper(), *odd} - {letter}:
                    self._write(ord(form), ord(form))
        chars = _listed(first, last, self.ignores)
        self.listed = self.listed + chars if chars and self.listed is not None else None
        self.members |= _members(first, last, self.ignores)
        self.certain |= sum(1 << code for code in range(first, min(last, 127) + 1))
        self.cost = max(self.cost + 1, 19 if self.cost > 8 else 4)

    def _write(self, first: int, last: int) -> None:
        self.python += _python_range(first, last)
        self.re2 += f"{_re2_code(first)}-{_re2_code(last)}"

    def chars(self, negated: bool, flags: int) -> Chars:
        alternatives = [*self.inverse, f"[{self.re2}]"] if self.re2 else self.inverse
        if negated:
            written = f"[^{self.re2}]" if self.re2 and not self.inverse else None
            # Beyond ASCII a range is not all of a kind, so that what is not in it may be of the kind.
            self.members, self.listed = (ASCII | BEYOND) & ~self.certain, None
        else:
            written = alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
        return Chars(
            self.members,
            f"[{'^' if negated else ''}{self.python}]",
            written,
            flags & ~IGNORECASE if self.expanded else flags,
            "".join(sorted(set(self.listed))) if self.listed and len(self.listed) <= FEW else "",
            cost=self.cost if self.expanded else self.cost + 15,
        )


def _python_range(first: int, last: int) -> str:
    return _python_code(first) if first == last else f"{_python_code(first)}-{_python_code(last)}"


def _python_code(code: int) -> str:
    return chr(code) if code < 128 and chr(code).isalnum() else f"\\U{code:08x}"


def walk(sequence: Sequence) -> Iterator[Node]:
    """Every node of a tree."""
    for node in sequence:
        yield node
        if isinstance(node, Choice):
            for option in node.options:
                yield from walk(option)
        elif isinstance(node, Repeat | Group | Atomic | Look):
            yield from walk(node.item)


def flat(sequence: Sequence) -> Iterator[Node]:
    """What is matched one after the other, out of groups that do nothing else."""
    for node in sequence:
        if isinstance(node, Group):
            yield from flat(node.item)
        else:
            yield node


def clamped(sequence: Sequence, times: int) -> Sequence:
    """The same tree, where nothing is repeated without an end but at most `times`."""

    def clamp(node: Node) -> Node:
        if isinstance(node, Choice):
            return replace(node, options=tuple(clamped(option, times) for option in node.options))
        if isinstance(node, Repeat):
            most = max(node.least, times) if node.most is None else node.most
            return replace(node, item=clamped(node.item, times), most=most)
        if isinstance(node, Group | Atomic | Look):
            return replace(node, item=clamped(node.item, times))
        return node

    return tuple(clamp(node) for node in sequence)


def width(sequence: Sequence, groups: dict[int, int] | None = None) -> tuple[int, int | None]:
    """The fewest and the most characters that a tree matches; None where there is no most."""
    groups = {} if groups is None else groups
    least, most = 0, 0
    endless = False
    for node in sequence:
        fewest, farthest = _width(node, groups)
        least += fewest
        endless = endless or farthest is None
        most += farthest or 0
    return least, None if endless else most


def _width(node: Node, groups: dict[int, int]) -> tuple[int, int | None]:
    if isinstance(node, Chars):
        return 1, 1
    if isinstance(node, Back):
        return 0, groups.get(node.number)
    if isinstance(node, Anchor):
        return 0, 0
    if isinstance(node, Look):
        width(node.item, groups)
        return 0, 0
    if isinstance(node, Choice):
        widths = [width(option, groups) for option in node.options]
        lasts = [last for _, last in widths if last is not None]
        return min(first for first, _ in widths), max(lasts) if len(lasts) == len(widths) else None
    least, most = width(node.item, groups)
    if isinstance(node, Repeat):
        endless = most is None or (node.most is None and most > 0)
        return least * node.least, None if endless else (most or 0) * (node.most or 0)
    if isinstance(node, Group) and node.number is not None and most is not None:
        groups[node.number] = most
    return least, most


def reach(sequence: Sequence) -> tuple[int, int]:
    """How many characters before its start, and after its end, a match may depend on. The tree is clamped."""
    before = after = 0
    for node in walk(sequence):
        if isinstance(node, Anchor):
            before = max(before, 1)
            after = max(after, 2 if node.kind == "end" else 1)
        elif isinstance(node, Look):
            inner = width(node.item)[1] or 0
            inside = reach(node.item)
            if node.ahead:
                after = max(after, inner + inside[1])
            before = max(before, inside[0], 0 if node.ahead else inner + inside[0])
            after = max(after, inside[1])
    return before, after


def unfinished(sequence: Sequence) -> Sequence | None:
    """What matches the beginnings of matches, where more may follow, or has to be looked at. None if there is none.

    It matches more than that, as it asserts nothing but what it consumes.
    """
    rest: Sequence | None = None
    for node in reversed(sequence):
        begun = _unfinished(node)
        if rest is not None:
            taken: Sequence = rest if isinstance(node, Anchor | Look) else (_plain(node), *rest)
            rest = taken if begun is None else (Choice((taken, begun)),)
        else:
            rest = begun
    return rest


def _unfinished(node: Node) -> Sequence | None:
    if isinstance(node, Chars):
        return ()
    if isinstance(node, Anchor):
        if node.kind == "end":
            return (Repeat((_literal(ord("\n"), 0),), 0, 1),)
        return None if node.kind in ("text", "line") else ()
    if isinstance(node, Look) and not node.ahead:
        return None
    if isinstance(node, Choice):
        options = tuple(begun for option in node.options if (begun := unfinished(option)) is not None)
        return (Choice(options),) if options else None
    if isinstance(node, Back):
        return ()
    # What looks ahead has to be looked at where it reaches the end of the text.
    begun = unfinished(node.item)
    if begun is None or not isinstance(node, Repeat):
        return begun
    before = Repeat(_plain_all(node.item), 0, None if node.most is None else max(0, node.most - 1))
    return (before, *begun)


def _plain(node: Node) -> Node:
    """The same without assertions, and with every way to match open."""
    if isinstance(node, Choice):
        return Choice(tuple(_plain_all(option) for option in node.options))
    if isinstance(node, Repeat):
        return Repeat(_plain_all(node.item), node.least, node.most)
    if isinstance(node, Group | Atomic):
        return Group(_plain_all(node.item))
    return node


def _plain_all(sequence: Sequence) -> Sequence:
    return tuple(_plain(node) for node in sequence if not isinstance(node, Anchor | Look))


def in_python(sequence: Sequence, flags: int) -> str:
    """The pattern as Python's `re` reads it, when it is compiled with `flags`, of which only SCOPED count."""
    return "".join(_python(node, flags & SCOPED) for node in sequence)


def _python(node: Node, flags: int) -> str:
    if isinstance(node, Chars):
        return _scoped(node.python, node.flags, flags)
    if isinstance(node, Anchor):
        return _scoped(_PYTHON_ANCHOR[node.kind], node.flags & SCOPED, flags)
    if isinstance(node, Repeat):
        item = in_python(node.item, flags)
        return f"(?:{item}){{{node.least},{'' if node.most is None else node.most}}}{node.mode}"
    if isinstance(node, Choice):
        return f"(?:{'|'.join(in_python(option, flags) for option in node.options)})"
    if isinstance(node, Group):
        opening = "(?:" if node.number is None else "(" if node.name is None else f"(?P<{node.name}>"
        return f"{opening}{in_python(node.item, flags)})"
    if isinstance(node, Atomic):
        return f"(?>{in_python(node.item, flags)})"
    if isinstance(node, Look):
        opening = ("(?" if node.ahead else "(?<") + ("!" if node.negative else "=")
        return f"{opening}{in_python(node.item, flags)})"
    return _scoped(f"(?:\\{node.number})", node.flags & SCOPED, flags)


_PYTHON_ANCHOR = {
    "text": r"\A",
    "line": "(?m:^)",
    "boundary": r"\b",
    "inside": r"\B",
    "end": "$",
    "line_end": "(?m:$)",
    "text_end": r"\Z",
}


def _scoped(text: str, wanted: int, given: int) -> str:
    """A piece of a pattern under flags that may not be those of the whole."""
    if (wanted ^ given) & ASCII_ONLY:
        text = f"(?{'a' if wanted & ASCII_ONLY else 'u'}:{text})"
    if (wanted ^ given) & IGNORECASE:
        text = f"(?{'i' if wanted & IGNORECASE else '-i'}:{text})"
    return text


def in_re2(sequence: Sequence) -> str:
    """The pattern as RE2 reads it, without flags. Raises Unsupported for what it cannot do."""
    return "".join(_re2(node) for node in sequence)


def _re2(node: Node) -> str:
    if isinstance(node, Chars):
        if node.re2 is None:
            raise Unsupported(f"RE2 cannot write {node.python}")
        return f"(?i:{node.re2})" if node.flags & IGNORECASE else node.re2
    if isinstance(node, Anchor):
        if node.kind == "end":
            raise Unsupported(r"RE2 has no $ that stands before a last line break: use \Z, or MULTILINE")
        return _RE2_ANCHOR[node.kind]
    if isinstance(node, Choice):
        return f"(?:{'|'.join(in_re2(option) for option in node.options)})"
    if isinstance(node, Group):
        return f"(?:{in_re2(node.item)})"
    if isinstance(node, Repeat) and node.mode != "+":
        if max(node.least, node.most or 0) > _MOST_OF_RE2:
            raise Unsupported(f"RE2 repeats nothing more than {_MOST_OF_RE2} times")
        return f"(?:{in_re2(node.item)}){{{node.least},{'' if node.most is None else node.most}}}{node.mode}"
    what = "lookaround" if isinstance(node, Look) else "backreferences" if isinstance(node, Back) else "atomic groups"
    raise Unsupported(f"RE2 has no {what}")


_MOST_OF_RE2 = 1000
_RE2_ANCHOR = {
    "text": r"\A",
    "line": "(?m:^)",
    "boundary": r"\b",
    "inside": r"\B",
    "line_end": "(?m:$)",
    "text_end": r"\z",
}
