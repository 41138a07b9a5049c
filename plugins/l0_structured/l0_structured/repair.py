"""Repair of one JSON object or array: one pass over the text, of which the result is edits and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

from l0_structured.bare import bare_end, bare_value, incomplete
from l0_structured.corrections import CorrectionType, Edit
from l0_structured.frames import COLON, COMMA, KEY, VALUE, Frame
from l0_structured.json_text import MAX_DEPTH, too_deep
from l0_structured.lookahead import QUOTES, blank_end
from l0_structured.strings import Ending, escaped, read_string

__all__ = ["Repair", "repair"]


class Repair(NamedTuple):
    """The edits of an object or array, by offset, and where it ends."""

    edits: list[Edit]
    end: int


def repair(text: str, at: int, *, opened: bool = True) -> Repair:
    """Repair the object or array that begins at `at`; with `opened=False`, the object whose brace is missing there.

    With the edits made the text is JSON up to `end`, whatever it was. What is complete stays; where the text ends in
    the midst of a string, that stays as far as it goes; half a key, number or escape goes. Raises
    `json.JSONDecodeError` for what is nested deeper than `MAX_DEPTH`.
    """
    return _Repairer(text, at).run(opened)


_OPENERS = "{[("
_CLOSERS = "}])"
_FENCES = ("```", "~~~")

_JSON_BLANKS = re.compile(r"[ \t\n\r]*+")
_OTHER_BLANKS = re.compile(r"(?:[^\S \t\n\r]|[\x00-\x08\x0b\x0c\x0e-\x1f\u200b\u2060\ufeff])++")
_LINE_COMMENT = re.compile(r"(?://|#)[^\n\r]*+")
_COLOR = re.compile(r"#\w")
_ELLIPSIS = re.compile(r"\.\.\.+|…")
_COLON_SIGN = re.compile(r":=|=>|->|=")
_BARE_KEY = re.compile(r"([^\s:,;{}\[\]()=\"'][^:,;{}\[\]()=\n\"]{0,64}?)([\"'”’]?)\s*+(?=[:=])")
_BARE_ITEM = re.compile(r"[^\s:,;{}\[\]()\"'`]{1,64}+\s*+[,}]")
_STRAY = re.compile(r"[^,;{}\[\]()\"\n]*+")
_SPILLED_KEY = re.compile(r"([\w$.-]{1,64}+)\s*+:")


class _Repairer:
    """Edits are only ever added, or taken back from the end of the list; they are sorted when all are there."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.edits: list[Edit] = []
        self.stack: list[Frame] = []
        self.cut = False

    def run(self, opened: bool) -> Repair:
        if opened:
            self.open()
        else:
            self.edit("open_brace", self.at, 0, "{")
            self.stack.append(Frame("{", self.at, self.at, 1))
        while self.stack:
            self.skip()
            char = self.text[self.at : self.at + 1]
            if not char or self.text.startswith(_FENCES, self.at):
                self.finish()
                break
            frame = self.stack[-1]
            if char in _CLOSERS:
                self.close(char)
            elif char in ",;":
                self.comma(frame)
            elif frame.expects == COLON:
                self.colon(frame, char)
            elif frame.is_object and frame.expects != VALUE:
                self.key(frame, char)
            else:
                self.value(frame, char)
        # At one offset, what is inserted precedes what is removed.
        self.edits.sort(key=lambda edit: (edit.offset, edit.removed > 0))
        return Repair(self.edits, self.at)

    def edit(self, kind: CorrectionType, at: int, removed: int, inserted: str = "") -> None:
        self.edits.append(Edit(kind, at, removed, inserted))

    def remove(self, kind: CorrectionType, end: int) -> None:
        """Remove the text up to `end`, and go on there."""
        self.edit(kind, self.at, end - self.at)
        self.at = end

    def next_char(self, at: int) -> str:
        """The first character at or after `at` that is not blank."""
        at = blank_end(self.text, at)
        return self.text[at : at + 1]

    def skip(self) -> None:
        """Go on to the next token, and remove what lies before it."""
        text = self.text
        while True:
            blanks = _JSON_BLANKS.match(text, self.at)
            assert blanks is not None
            self.at = at = blanks.end()
            if text[at : at + 1] in '"{}[],:':
                return  # Here is a token, or the end of the text: no need to look for anything else.
            frame = self.stack[-1]
            if found := _OTHER_BLANKS.match(text, at):
                self.remove("fix_whitespace", found.end())
            elif (found := _LINE_COMMENT.match(text, at)) and not (frame.holds_key and _COLOR.match(text, at)):
                self.remove("remove_comments", found.end())
            elif text.startswith("/*", at):
                end = text.find("*/", at + 2)
                self.remove("remove_comments", len(text) if end < 0 else end + 2)
            elif (found := _ELLIPSIS.match(text, at)) and not frame.holds_key:
                self.remove("remove_ellipsis", found.end())
            else:
                return

    # What opens and closes.

    def open(self) -> None:
        if len(self.stack) == MAX_DEPTH:
            raise too_deep(self.text, self.at)
        self.stack.append(Frame(self.text[self.at], self.at, self.at + 1, len(self.edits)))
        self.at += 1

    def close(self, char: str) -> None:
        frame = self.stack[-1]
        if frame.holds_key:
            self.no_value(frame)
        last = len(self.stack) - 1
        match = next((place for place in range(last, -1, -1) if self.stack[place].source_closer == char), None)
        follows = self.next_char(self.at + 1)
        if match is None and follows and follows in ",;:}])":
            self.remove("remove_stray_text", self.at + 1)
            return
        # A comma cannot follow the root: the bracket is a wrong one, like one that closes nothing.
        if match is None or (match == 0 and follows == ","):
            match = last
        while len(self.stack) - 1 > match:
            self.close_unclosed()
        frame = self.pop()
        if char != frame.closer:
            self.edit("replace_bracket", self.at, 1, frame.closer)
        self.at += 1
        while frame.doubled and self.text.startswith("}", self.at):
            self.remove("remove_stray_text", self.at + 1)
            frame.doubled -= 1
        self.done(self.at)

    def close_unclosed(self) -> None:
        """Close the innermost object or array where its last item ends."""
        frame = self.pop()
        self.edit("close_brace" if frame.is_object else "close_bracket", frame.end, 0, frame.closer)
        self.done(frame.end)

    def hand_over(self, frame: Frame) -> None:
        """Close an object or array whose last comma is that of its parent."""
        comma, frame.comma = frame.comma, -1
        self.close_unclosed()
        self.stack[-1].comma = comma

    def pop(self) -> Frame:
        frame = self.stack.pop()
        if frame.comma >= 0:
            self.edit("remove_trailing_comma", frame.comma, 1)
        if frame.is_object != (frame.opener == "{") or frame.opener == "(":
            self.edit("replace_bracket", frame.at, 1, "{" if frame.is_object else "[")
        return frame

    def finish(self) -> None:
        """The text ends: close what is open, without the item that is incomplete."""
        frame = self.stack[-1]
        end = frame.end
        if self.cut or frame.holds_key:
            self.edits = [edit for edit in self.edits[: frame.mark] if edit.offset + (edit.removed > 0) <= end]
            self.edit("remove_incomplete", end, self.at - end)
            frame.comma = -1
        while self.stack:
            frame = self.pop()
            self.edit("close_brace" if frame.is_object else "close_bracket", end, 0, frame.closer)

    # What stands between values.

    def comma(self, frame: Frame) -> None:
        if frame.holds_key:
            self.no_value(frame)
        frame.expects = KEY if frame.is_object else VALUE
        if frame.comma >= 0 or not frame.count:
            self.remove("remove_extra_comma", self.at + 1)
        else:
            frame.comma = self.at
            self.at += 1

    def colon(self, frame: Frame, char: str) -> None:
        if found := _COLON_SIGN.match(self.text, self.at):
            self.edit("add_colon", self.at, len(found[0]), ":")
            self.at = frame.key_end = found.end()
        elif char == ":":
            self.at = frame.key_end = self.at + 1
        else:
            self.edit("add_colon", frame.key_end, 0, ":")
        frame.expects = VALUE

    def begin(self, frame: Frame) -> None:
        """An item begins. If it is not the first, there is a comma before it."""
        if frame.count and frame.comma < 0:
            self.edit("add_comma", frame.end, 0, ",")
        elif frame.count and self.text[frame.comma] == ";":
            self.edit("add_comma", frame.comma, 1, ",")
        frame.comma = -1

    def done(self, end: int) -> None:
        """An item of the innermost object or array ended."""
        if self.stack:
            frame = self.stack[-1]
            frame.count += 1
            frame.expects, frame.end, frame.mark = COMMA, end, len(self.edits)

    # Items.

    def key(self, frame: Frame, char: str) -> None:
        if char in QUOTES:
            self.begin(frame)
            self.quoted_key(frame)
        elif char in _OPENERS:
            self.bracket_for_key(frame, char)
        elif found := _BARE_KEY.match(self.text, self.at):
            self.begin(frame)
            self.edit("quote_key", self.at, found.end(2) - self.at, f'"{escaped(found[1].rstrip())}"')
            self.at = frame.key_end = found.end(2)
            frame.expects = COLON
        elif not frame.count and _BARE_ITEM.match(self.text, self.at):
            frame.is_object, frame.expects = False, VALUE
        else:
            found = _STRAY.match(self.text, self.at)
            assert found is not None
            self.remove("remove_stray_text", max(found.end(), self.at + 1))

    def quoted_key(self, frame: Frame) -> None:
        text, start, mark = self.text, self.at, len(self.edits)
        end, ending = read_string(text, start, self.edits, key=True, in_object=True, depth=len(self.stack))
        # If its own quote is missing, the one that was found is that of a value.
        spilled = None
        if ending is Ending.CUT or self.next_char(end).isalnum():
            spilled = _SPILLED_KEY.match(text, start + 1, end)
        # A text without any fault so far is one that is cut, whatever the key looks like.
        if ending is Ending.CUT and not (spilled and self.edits and (self.due_start() or 0) > spilled.end()):
            end = len(text)
        elif spilled is not None:
            self.edits[mark:] = [edit for edit in self.edits[mark:] if edit.offset <= start]
            end = spilled.end(1)
            self.edit("close_string", end, 0, '"')
        self.at = frame.key_end = end
        frame.expects = COLON

    def bracket_for_key(self, frame: Frame, char: str) -> None:
        if not frame.count and char != "{":
            frame.is_object, frame.expects = False, VALUE
        elif frame.count and len(self.stack) > 1 and not self.stack[-2].is_object:
            self.hand_over(frame)
        else:
            self.remove("remove_stray_text", self.at + 1)
            frame.doubled += char == "{"

    def no_value(self, frame: Frame) -> None:
        """A key stands alone: its value is null. The first one, without a colon, is the first value of a set."""
        if frame.expects == COLON and not frame.count:
            frame.is_object = False
        else:
            self.edit("add_null", frame.key_end, 0, ": null" if frame.expects == COLON else " null")
        self.done(frame.key_end)

    def value(self, frame: Frame, char: str) -> None:
        if char == ":":
            self.remove("remove_stray_text", self.at + 1)
        elif char in QUOTES:
            self.quoted(frame)
        elif char in _OPENERS:
            self.begin_value(frame)
            self.open()
        else:
            self.bare(frame)

    def begin_value(self, frame: Frame) -> None:
        if not frame.is_object:
            self.begin(frame)

    def quoted(self, frame: Frame) -> None:
        text, start, mark = self.text, self.at, len(self.edits)
        end, ending = read_string(text, start, self.edits, key=False, in_object=frame.is_object, depth=len(self.stack))
        if ending is Ending.CUT:
            end = self.end_cut_string(start, end, mark)
        elif not frame.is_object and self.next_char(end) == ":" and self.becomes_key(frame, end):
            return
        self.begin_value(frame)
        self.at = end
        self.done(end)

    def becomes_key(self, frame: Frame, end: int) -> bool:
        """Whether an element of an array, which a colon follows, is a key: of that array, or of the object around."""
        if not frame.count:
            frame.is_object = True
        elif len(self.stack) > 1 and self.stack[-2].is_object:
            self.hand_over(frame)
            frame = self.stack[-1]
            self.begin(frame)
        else:
            return False
        self.at = frame.key_end = end
        frame.expects = COLON
        return True

    def end_cut_string(self, start: int, cut: int, mark: int) -> int:
        """End a string that has no closing quote: before the brackets that close all, before a fence, or at `cut`.

        Returns where the text goes on.
        """
        text, due, fence = self.text, self.due_start(), self.last_fence()
        opening = self.edits[mark : mark + 1]
        inside = start + (opening[0].removed if opening and opening[0].offset == start else 1)
        if due is not None and due >= inside:
            content = text[inside:due]
            end = inside + len(content.rstrip(", \t\n\r") if "\n" in content else content)
        else:
            end = fence if fence >= inside else cut
        kept = [edit for edit in self.edits[mark:] if edit.offset <= start or edit.offset < end]
        if kept and kept[-1].offset + kept[-1].removed > end > inside:
            end = kept.pop().offset
        self.edits[mark:] = kept
        self.edit("close_string", end, 0, '"')
        if end == cut < len(text):
            self.edit("remove_incomplete", cut, len(text) - cut)
            return len(text)
        return end

    def last_fence(self) -> int:
        return max(self.text.rfind("\n" + fence, self.at) for fence in _FENCES)

    def due_start(self) -> int | None:
        """Where the brackets begin that the text ends with, if they close all that is open."""
        fence = self.last_fence()
        text, at = self.text, len(self.text) if fence < 0 else fence
        for frame in self.stack:
            while at and text[at - 1] in " \t\n\r":
                at -= 1
            if not at or text[at - 1] != frame.source_closer:
                return None
            at -= 1
        return at

    def bare(self, frame: Frame) -> None:
        text, start = self.text, self.at
        end = bare_end(text, start, frame.is_object)
        token = text[start:end].rstrip()
        after = blank_end(text, end)
        ends = after == len(text) or text.startswith(_FENCES, after)
        kind, value = (incomplete(token) if ends else None) or bare_value(token)
        if not value:
            self.cut = True
            self.at = end
            return
        if kind == "quote_value" and not token.strip(".…"):
            kind, value = "remove_ellipsis", "null"
        elif kind == "quote_value" and frame.count and frame.comma < 0 and " " in token and not frame.is_object:
            self.remove("remove_stray_text", end)
            return
        self.begin_value(frame)
        self.at = start + len(token)
        if kind is not None:
            self.edit(kind, start, len(token), value)
        self.done(self.at)
