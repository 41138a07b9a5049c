"""A JSON reader that is fed piece by piece, and touches nothing but the piece: its value grows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from l0_structured.json_text import MAX_DEPTH

if TYPE_CHECKING:
    from l0_structured.growing_types import Plan, Shape

__all__ = ["Growing"]


class Growing:
    """A value of JSON that grows as its text comes in.

        growing = Growing(User)
        for delta in deltas:
            if growing.feed(delta):
                show(growing.value)

    `schema` is a pydantic model, or a type that holds models (`list[User]`, `dict[str, User] | None`); of any other
    type, and without one, the value is made of plain dicts and lists. What stands before the first `{` or `[` (before
    that of the two which the type allows), and what follows the value, is passed over.

    `value` is one object that grows, not a copy: read it, do not change it. It is None before it begins. Strings are
    there as far as they have come, objects and arrays from their bracket on, numbers and literals when they are
    complete. Strings grow by appending, objects and arrays at their end; nothing else changes, with one exception:
    when a string, number or literal is complete, it becomes what its type makes of it (a `date`, a `Decimal`), unless
    its type refuses it. An object of a model is an instance of it that is not validated: a field that has not come has
    its default, or None, and is not in `model_fields_set`.

    `done` says that the whole value is there. `stopped` is None, or why the text cannot be followed, and from which
    offset on: it is not JSON, nested deeper than 200 levels, or has a key twice. The value stays as it is then. Beyond
    JSON, a comma behind the last item and control characters within strings are taken.

    The cost of a delta depends on its length alone. (A string that the caller holds on to is copied when it grows.)
    """

    __slots__ = (
        "_box", "_changed", "_frames", "_held", "_opener", "_pieces", "_plain", "_read", "_shape", "_shown", "_slot",
        "_state", "done", "stopped", "value",
    )  # fmt: skip

    def __init__(self, schema: Any = None) -> None:
        self.value: Any = None
        self.done = False
        self.stopped: str | None = None
        self._shape = None if schema is None else _shape_of(schema)
        self._opener = _OPENERS["[{" if self._shape is None else self._shape.openers]
        self._frames: list[_Frame] = []
        self._state: _State = Growing._seek
        # How much has been fed; what of it has yet to be understood; the pieces of the open key or number.
        self._read = 0
        self._held = ""
        self._pieces: list[str] = []
        # The open string is the one in the slot of the box; plain means that no escape of it is open. Shown means that
        # what is read belongs to the value, and is not of a key that is dropped.
        self._box: Any = None
        self._slot: Any = None
        self._plain = False
        self._shown = True
        self._changed = False

    def feed(self, delta: str) -> bool:
        """Read on; whether the value has changed. Nothing is raised, whatever the text is."""
        self._read += len(delta)
        if self._plain and delta and _SPECIAL(delta) is None:
            self._append(delta)
            return self._shown
        text = self._held + delta
        self._held = ""
        self._plain = self._changed = False
        at = 0
        while at < len(text):
            at = self._state(self, text, at)
        return self._changed

    def is_done(self, *path: str | int) -> bool:
        """Whether the value at a path is there and complete, such as `"items", 0, "name"`; without a path, the whole.

        A path is made of keys of dicts, names of fields, and indexes of lists. In a model that is complete, so are the
        fields that have not come.
        """
        if self.value is None:
            return False
        value, growing = self.value, not self.done
        for depth, step in enumerate(path):
            child = _child(value, step, growing)
            if child is None:
                return False
            slot, value = child
            growing = growing and depth < len(self._frames) and self._frames[depth].slot == slot
        return not growing

    # One method for each state: each reads one token from `at` on, and returns where it ends.

    def _seek(self, text: str, at: int) -> int:
        found = self._opener.search(text, at)
        return len(text) if found is None else self._open(text, found.start(), self._shape)

    def _key(self, text: str, at: int) -> int:
        at, char = _token(text, at)
        if char == '"':
            self._state = Growing._key_text
        elif char == "}":
            self._close()
        elif char:
            return self._stop("a key is due", text, at)
        return at + len(char)

    def _key_text(self, text: str, at: int) -> int:
        characters, at = self._characters(text, at)
        self._pieces.append(characters)
        if at == len(text):
            return at
        key = "".join(self._pieces)
        self._pieces.clear()
        self._state = Growing._colon
        if not self._frames[-1].name(key):
            return self._stop("a key comes twice", text, at)
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        at, char = _token(text, at)
        if char == ":":
            self._state = Growing._value
        elif char:
            return self._stop("a colon is due", text, at)
        return at + len(char)

    def _value(self, text: str, at: int) -> int:
        at, char = _token(text, at)
        if not char:
            return at
        if char == '"':
            self._put("")
            frame = self._frames[-1]
            self._box, self._slot, self._shown, self._state = frame.box, frame.slot, frame.shown, Growing._string
            return at + 1
        if char in "{[":
            return self._open(text, at, self._frames[-1].shape)
        if char in "-0123456789":
            self._state = Growing._number
            return at
        if char in _LITERALS:
            return self._literal(text, at, *_LITERALS[char])
        if char == "]" and self._frames[-1].closer == "]":
            self._close()
            return at + 1
        return self._stop("a value is due", text, at)

    def _string(self, text: str, at: int) -> int:
        characters, at = self._characters(text, at)
        if characters:
            self._append(characters)
            self._changed = self._changed or self._shown
        if at == len(text):
            self._plain = not (self._held or self.stopped)
            return at
        frame = self._frames[-1]
        if frame.shape is not None:
            string = self._box[self._slot]
            value = frame.shape.converted(string)
            if value is not string:
                self._box[self._slot] = value
                self._changed = self._changed or self._shown
        self._end_value()
        return at + 1

    def _number(self, text: str, at: int) -> int:
        other = _NO_NUMBER(text, at)
        end = len(text) if other is None else other.start()
        self._pieces.append(text[at:end])
        if other is None:
            return end
        token = "".join(self._pieces)
        self._pieces.clear()
        if _NUMBER(token) is None:
            return self._stop(f"{token[:40]!r} is no number", text, end)
        try:
            number = int(token) if _INTEGER(token) else float(token)
        except ValueError:
            return self._stop("the number has more digits than Python converts", text, end)
        self._put_leaf(number, token)
        return end

    def _comma(self, text: str, at: int) -> int:
        at, char = _token(text, at)
        closer = self._frames[-1].closer
        if char == ",":
            self._state = Growing._key if closer == "}" else Growing._value
        elif char == closer:
            self._close()
        elif char:
            return self._stop(f"a comma or {closer!r} is due", text, at)
        return at + len(char)

    def _ignore(self, text: str, at: int) -> int:
        return len(text)

    # What the states do.

    def _open(self, text: str, at: int, shape: Shape | None) -> int:
        if len(self._frames) == MAX_DEPTH:
            return self._stop(f"nested deeper than {MAX_DEPTH} levels", text, at)
        shown = self._frames[-1].shown if self._frames else True
        value: Any
        frame: _Frame
        if text[at] == "[":
            value, self._state = [], Growing._value
            frame = _ArrayFrame(value, shape and shape.items, shown)
        elif shape is not None and shape.plan is not None:
            value, self._state = shape.plan.new(), Growing._key
            frame = _ModelFrame(value, shape.plan, shown)
        else:
            value, self._state = {}, Growing._key
            frame = _Frame(value, shape and shape.values, shown)
        self._put(value)
        self._frames.append(frame)
        return at + 1

    def _close(self) -> None:
        self._frames.pop()
        if self._frames:
            self._end_value()
        else:
            self.done, self._state = True, Growing._ignore

    def _append(self, characters: str) -> None:
        # Out of its box, the string has one reference, and is extended in place.
        box, slot = self._box, self._slot
        text = box[slot]
        box[slot] = ""
        text += characters
        box[slot] = text

    def _literal(self, text: str, at: int, literal: str, value: bool | None) -> int:
        found = text[at : at + len(literal)]
        if found == literal:
            self._put_leaf(value, literal)
        elif literal.startswith(found):
            self._held = found
        else:
            return self._stop("a value is due", text, at)
        return at + len(found)

    def _put_leaf(self, value: Any, token: str) -> None:
        shape = self._frames[-1].shape
        self._put(value if shape is None else shape.converted(value, token))
        self._end_value()

    def _put(self, value: Any) -> None:
        if not self._frames:
            self.value, self._changed = value, True
            return
        frame = self._frames[-1]
        frame.put(value)
        self._changed = self._changed or frame.shown

    def _end_value(self) -> None:
        self._frames[-1].slot = None
        self._state = Growing._comma

    def _stop(self, reason: str, text: str, at: int) -> int:
        self.stopped = f"{reason} at offset {self._read - len(text) + at}"
        self._state = Growing._ignore
        return len(text)

    def _characters(self, text: str, at: int) -> tuple[str, int]:
        """What a string holds from `at` on, and where its quote is: at the end of the text if it is not there yet."""
        pieces: list[str] = []
        while (special := _SPECIAL(text, at)) is not None:
            pieces.append(text[at : special.start()])
            at = special.start()
            if text[at] == '"':
                return "".join(pieces), at
            char, at = self._escape(text, at) if text[at] == "\\" else (_LONE, at + 1)
            pieces.append(char)
        pieces.append(text[at:])
        return "".join(pieces), len(text)

    def _escape(self, text: str, at: int) -> tuple[str, int]:
        """The character of an escape, and where it ends; of an escape that may go on, nothing: it is held back."""
        if (short := _SHORT_ESCAPE(text, at)) is not None:
            return _SHORT[short[1]], short.end()
        if (code := _CODE_ESCAPE(text, at)) is not None:
            high, at_low = code[1], code.end()
            if _IS_SURROGATE(high) is None:
                return chr(int(high, 16)), at_low
            if (pair := _PAIR_ESCAPE(text, at)) is not None:
                return chr(0x10000 + (int(pair[1], 16) - 0xD800) * 0x400 + int(pair[2], 16) - 0xDC00), pair.end()
            if _OPEN_PAIR(text, at) is None:
                return _LONE, at_low
        elif _OPEN_ESCAPE(text, at) is None:
            return "", self._stop("there is no such escape", text, at)
        self._held = text[at:]
        return "", len(text)


_State = Callable[[Growing, str, int], int]


class _Frame:
    """An object that is open, and the one of its values that is.

    `shape` and `slot` are those of the value that is due or open; between values the slot is None. `name()` says which
    is due, and is False if its key has come before.
    """

    __slots__ = ("box", "shape", "shown", "slot")
    closer = "}"

    def __init__(self, box: Any, shape: Shape | None, shown: bool) -> None:
        self.box, self.shape, self.shown = box, shape, shown
        self.slot: Any = None

    def name(self, key: str) -> bool:
        self.slot = key
        return key not in self.box

    def put(self, value: Any) -> None:
        self.box[self.slot] = value


class _ArrayFrame(_Frame):
    __slots__ = ()
    closer = "]"

    def put(self, value: Any) -> None:
        self.slot = len(self.box)
        self.box.append(value)


class _ModelFrame(_Frame):
    """An object of a model. Its values go past what guards its attributes: it may be frozen."""

    __slots__ = ("_model", "_plan", "_shown")

    def __init__(self, model: Any, plan: Plan, shown: bool) -> None:
        super().__init__(None, None, shown)
        self._model, self._plan, self._shown = model, plan, shown

    def name(self, key: str) -> bool:
        model, field = self._model, self._plan.fields.get(key)
        if field is not None:
            self.box, self.slot, self.shape, self.shown = model.__dict__, field.name, field.shape, self._shown
            return field.name not in model.__pydantic_fields_set__
        extra = model.__pydantic_extra__
        self.shape, self.slot = None, key
        # The value of a key that the model has no place for is read, and dropped.
        self.box, self.shown = ({}, False) if extra is None else (extra, self._shown)
        return key not in self.box

    def put(self, value: Any) -> None:
        self.box[self.slot] = value
        if self.shown:
            self._model.__pydantic_fields_set__.add(self.slot)


def _shape_of(schema: Any) -> Shape:
    # pydantic is imported only where there is a type.
    from l0_structured.growing_types import Shape

    return Shape(schema)


def _token(text: str, at: int) -> tuple[int, str]:
    """Where the next character is that is no blank, and which; an empty one at the end."""
    found = _NO_BLANK(text, at)
    return (len(text), "") if found is None else (found.start(), found[0])


def _child(value: Any, step: str | int, growing: bool) -> tuple[str | int, Any] | None:
    """Where a step of a path leads to in a value, and what is there; None if nothing is."""
    if isinstance(value, list):
        size = len(value)
        return (step % size, value[step]) if isinstance(step, int) and -size <= step < size else None
    if not isinstance(value, dict):
        begun = getattr(value, "__pydantic_fields_set__", None)
        if begun is None or (growing and step not in begun):
            return None
        value = vars(value) if step in vars(value) else getattr(value, "__pydantic_extra__", None) or {}
    return (step, value[step]) if step in value else None


_OPENERS = {openers: re.compile(f"[{re.escape(openers)}]") for openers in ("{", "[", "[{")}
_NO_BLANK = re.compile(r"[^ \t\n\r]").search
_LITERALS: dict[str, tuple[str, bool | None]] = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_NO_NUMBER = re.compile(r"[^0-9.eE+-]").search
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_INTEGER = re.compile(r"-?[0-9]+").fullmatch

_SPECIAL = re.compile('["\\\\\ud800-\udfff]').search
_LONE = "\ufffd"
"""What half a surrogate pair is, which no encoding can hold."""
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SHORT_ESCAPE = re.compile(r'\\(["\\/bfnrt])').match
_CODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})").match
_PAIR_ESCAPE = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})").match
_IS_SURROGATE = re.compile("[dD][89a-fA-F]").match
_OPEN_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z").match
_OPEN_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?\Z").match
