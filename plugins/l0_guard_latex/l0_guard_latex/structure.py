"""The structure of LaTeX, followed as its text arrives: environments and math, and no more of the language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from l0_guard_latex.math import Math

__all__ = ["Fault", "LatexAnalysis", "Reader", "analyze_latex_structure", "looks_like_latex"]

MAX_DEPTH = 1000
"""How many open environments are remembered by name. Deeper ones are only counted, so that memory stays bounded."""

MAX_CODE = 1000
"""Characters. A code span that is longer is none, nor is a line that opens a fence, nor what `\\verb` encloses."""

UNBALANCED_DISPLAY = "Unbalanced display math ($$)"
UNBALANCED_BRACKETS = r"Unbalanced bracket math (\[ \], \( \))"
UNBALANCED_INLINE = "Unbalanced inline math ($)"

_VERBATIM = frozenset(
    name + star
    for name in ("verbatim", "Verbatim", "BVerbatim", "LVerbatim", "lstlisting", "minted", "comment")
    for star in ("", "*")
)
_TRIGGERS = frozenset({"frac", "sum", "int", "alpha", "beta", "gamma", "usepackage", "documentclass"})

# What stands before the content of a line of Markdown.
_PREFIX = r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t]){0,200}+"
_PART_OF_PREFIX = r"(?:[-*+]|\d{1,9}[.)]?|`{1,2}|~{1,2}|\r)?\Z"
_NEW_LINE = rf"\n(?={_PREFIX}(?:\r?\n|```|~~~|%|{_PART_OF_PREFIX}))"
_NEW_RAW_LINE = r"\n(?=[ \t]{0,200}(?:\r?\n|\r?\Z))"
# A command at the end of the text may be the beginning of one of these names.
_COMMAND = r"begin|end|verb|documentclass|[a-zA-Z]{0,13}\Z"
# Where something may be. What it is, is decided when it is found; most of a text is passed over without that.
_RAW = re.compile(rf"\\\\*(?:[()\[\]$%]|{_COMMAND})|\$|%|{_NEW_RAW_LINE}")
_MIXED = re.compile(rf"\\\\*(?:[()\[\]$`]|{_COMMAND})|\$|`|{_NEW_LINE}")
_SEEKING = re.compile(rf"\\\\*(?:[()\[\]$`]|{'|'.join(sorted(_TRIGGERS))}|{_COMMAND})|\$|`|{_NEW_LINE}")

_RUN = {mark: re.compile(re.escape(mark) + "+") for mark in "\\$`\n"}
_WORD = re.compile(r"[a-zA-Z]{0,14}")
_ENVIRONMENT = re.compile(r"(begin|end)[ \t]{0,9}\{([^{}\n]{1,100})\}")
_PART_OF_ENVIRONMENT = re.compile(r"(?:begin|end)[ \t]{0,9}(?:\{[^{}\n]{0,100})?\Z")
_ESCAPED_TEXT = re.compile(r"\[[\w #.,'!?-]{0,80}\]")  # Markdown: \[1] is no math.
_PART_OF_ESCAPED_TEXT = re.compile(r"\[[\w #.,'!?-]{0,80}\Z")
_VERB = re.compile(r"verb\*?([^a-zA-Z\s*])")
_LINE = re.compile(rf"\n{_PREFIX}(?:(?P<fence>`{{3,}}|~{{3,}})|(?P<comment>%)|(?P<blank>\r?(?=\n)))")
_RAW_BLANK_LINE = re.compile(r"\n[ \t]{0,200}\r?\n")
_CLOSING_FENCE = re.compile(r"\n[ \t>]{0,200}(`{3,200}|~{3,200})[ \t]{0,200}\r?(?=\n)")
_PART_OF_CLOSING_FENCE = re.compile(r"\n[ \t>]{0,200}(?:`{0,200}|~{0,200})[ \t]{0,200}\r?\Z")
# A code span does not go on behind the end of its paragraph.
_BACKTICKS_OR_BLOCK = re.compile(r"`+|\n(?=[ \t>]{0,200}(?:\r?\n|```|~~~|#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]))")


class Fault(NamedTuple):
    """What is wrong with a text, and where: an offset in characters."""

    message: str
    position: int


class Reader:
    """Reads one answer as it arrives.

    Markdown around the LaTeX is known: fences and code spans are passed over. There is none inside an environment, nor
    between `\\documentclass` and `\\end{document}`: there a backtick is a quotation mark, and % begins a comment.
    """

    __slots__ = (
        "_before",
        "_beyond",
        "_carry",
        "_in_document",
        "_open",
        "_seen",
        "_shift",
        "_tokens",
        "_until",
        "looks_like_latex",
        "math",
    )

    def __init__(self) -> None:
        self.math = Math()
        self.looks_like_latex = False
        self._seen = self._shift = 0
        self._carry, self._before = "\n", "\n"  # What was not decided yet, and the character before it.
        self._until = ""  # What ends the code, the comment or the verbatim text that is passed over.
        self._open: list[tuple[str, int]] = []
        self._beyond = 0
        self._in_document = False
        self._tokens = _SEEKING

    @property
    def open_environments(self) -> list[str]:
        """The names of the environments that are open, outermost first."""
        return [name for name, _ in self._open]

    def feed(self, delta: str) -> Sequence[Fault]:
        """Read on. Environments that do not match are faults at once."""
        self._seen += len(delta)
        if not (
            self._carry or "\\" in delta or "$" in delta or "\n" in delta or "`" in delta or "%" in delta or not delta
        ):
            self._before = delta[-1]
            return ()
        return self._read(self._carry + delta)

    def end(self) -> list[Fault]:
        """The text has ended: environments that are open are a fault, and so is math that is out of balance.

        The latter only if the text looks like LaTeX.
        """
        faults = list(self.feed("\n\n"))
        self.math.end()
        if self._open:
            faults.append(Fault(f"Unclosed environments: {', '.join(self.open_environments)}", self._open[0][1]))
        if self.looks_like_latex:
            for message, position in (
                (UNBALANCED_DISPLAY, self.math.display),
                (UNBALANCED_BRACKETS, self.math.bracket),
                (UNBALANCED_INLINE, self.math.inline),
            ):
                if position is not None:
                    faults.append(Fault(message, position))
        return faults

    def _read(self, text: str) -> Sequence[Fault]:
        faults: list[Fault] = []
        self._shift = self._seen - len(text)
        self._carry = ""
        at, end = 0, len(text)
        while at < end:
            if self._until:
                at = self._pass_over(text, at)
                continue
            found = self._tokens.search(text, at)
            if found is None:
                break
            at = found.start()
            mark = text[at]
            if mark == "\\":
                after = self._command(text, at, faults)
            elif mark == "$":
                after = self._dollars(text, at)
            elif mark == "`":
                after = self._code_span(text, at)
            elif mark == "%":
                self._until, after = "\n", at + 1
            else:
                after = self._new_line(text, at)
            if after < 0:
                # The character before is known already if the text begins with the mark.
                self._before = text[at - 1] if at else self._before
                return faults
            at = after
        self._before = text[-1:] or self._before
        return faults

    # Each of these reads one token, and returns where the next one may begin: or -1 if the token is not whole. Then it
    # has set `_carry` to what is to be read again with the next piece of text.

    def _command(self, text: str, at: int, faults: list[Fault]) -> int:
        behind = _end_of_run(text, at)
        if behind == len(text):
            return self._wait("\\" * (2 - (behind - at) % 2))
        if (behind - at) % 2 == 0:
            return behind  # Escaped backslashes.
        mark = text[behind]
        if mark in "[]()":
            return self._bracket(text, behind)
        found = _WORD.match(text, behind)
        assert found is not None
        word = found[0]
        if not word:
            return behind + 1  # An escaped character.
        if word in ("begin", "end"):
            return self._environment(text, behind, faults)
        if found.end() == len(text):
            return self._wait(text[behind - 1 :]) if len(word) < 14 else found.end()
        if word.startswith("verb"):
            return self._verb(text, behind)
        if word in _TRIGGERS:
            if word == "documentclass" and (text[at - 1] if at else self._before) == "\n":
                self._in_document = True  # Elsewhere in a line it is only spoken of.
            self._is_latex()
        return found.end()

    def _environment(self, text: str, at: int, faults: list[Fault]) -> int:
        found = _ENVIRONMENT.match(text, at)
        if found is None:
            if _PART_OF_ENVIRONMENT.match(text, at):
                return self._wait(text[at - 1 :])
            return at + 1
        verb, name = found.groups()
        position = self._shift + at - 1
        if verb == "begin":
            if len(self._open) < MAX_DEPTH:
                self._open.append((name, position))
            else:
                self._beyond += 1
            if name in _VERBATIM:
                self._until = f"\\end{{{name}}}"
        elif self._beyond:
            self._beyond -= 1
        elif not self._open:
            faults.append(Fault(f"Unexpected \\end{{{name}}}: no environment is open", position))
        else:
            opened = self._open.pop()[0]
            if opened != name:
                faults.append(Fault(f"Mismatched environment: \\begin{{{opened}}} ends with \\end{{{name}}}", position))
        if verb == "end" and name == "document":
            self._in_document = False
        self._is_latex()
        return found.end()

    def _bracket(self, text: str, at: int) -> int:
        bracket = text[at]
        if bracket == "[" and self._tokens is not _RAW:
            escaped = _ESCAPED_TEXT.match(text, at)
            if escaped is not None:
                return escaped.end()
            if _PART_OF_ESCAPED_TEXT.match(text, at):
                return self._wait(text[at - 1 :])
        if bracket in "[]":
            self._is_latex()
        if bracket in "[(":
            self.math.bracket_opens(self._shift + at - 1, f"\\{bracket}")
        else:
            self.math.bracket_closes(self._shift + at - 1, f"\\{bracket}")
        return at + 1

    def _verb(self, text: str, at: int) -> int:
        """`\\verb|...|`: what is inside is text as it stands."""
        found = _VERB.match(text, at)
        if found is None:
            return at + 4 if text[at + 4 :] != "*" else self._wait(text[at - 1 :])
        limit = found.end() + MAX_CODE
        line_end, closing = (text.find(mark, found.end(), limit) for mark in ("\n", found[1]))
        if closing >= 0 and not 0 <= line_end < closing:
            return closing + 1
        if line_end < 0 and len(text) < limit:
            return self._wait(text[at - 1 :])
        return found.end()

    def _dollars(self, text: str, at: int) -> int:
        behind = _end_of_run(text, at)
        if behind + 2 > len(text):
            return self._wait("$" * min(behind - at, 3) + text[behind:])
        before, after, position = text[at - 1] if at else self._before, text[behind : behind + 2], self._shift + at
        if behind - at == 1:
            self.math.dollar(position, before, after)
        elif behind - at == 2:
            self._is_latex()
            self.math.double_dollar(position, before, after)
        return behind  # More dollars are no math.

    def _code_span(self, text: str, at: int) -> int:
        behind = _end_of_run(text, at)
        marks = behind - at
        if behind == len(text):
            return self._wait("`" * min(marks, MAX_CODE))
        limit = behind + MAX_CODE
        if marks >= MAX_CODE:
            return behind
        for found in _BACKTICKS_OR_BLOCK.finditer(text, behind):
            if found.end() >= limit or text[found.start()] == "\n":
                return behind
            if found.end() == len(text):
                break
            if found.end() - found.start() == marks:
                return found.end()
        return behind if len(text) > limit else self._wait(text[at:])

    def _new_line(self, text: str, at: int) -> int:
        if self._tokens is _RAW:
            if _RAW_BLANK_LINE.match(text, at):
                self.math.end_paragraph()
                return _end_of_run(text, at + 1) - 1 if text[at + 1] == "\n" else at + 1
            return self._wait(text[at:])
        found = _LINE.match(text, at)
        if found is None:
            return self._wait(text[at:])
        if found["comment"]:
            self._until = "\n"
            return found.end()
        if found["fence"]:
            return self._fence(text, at, found)
        self.math.end_paragraph()
        return _end_of_run(text, found.end()) - 1  # Of many blank lines only the last break matters.

    def _fence(self, text: str, at: int, found: re.Match[str]) -> int:
        line_end = text.find("\n", found.end(), at + MAX_CODE)
        if line_end < 0 and len(text) < at + MAX_CODE:
            return self._wait(text[at:])
        marks = found["fence"]
        if line_end < 0 or (marks[0] == "`" and "`" in text[found.end() : line_end]):
            return found.start("fence")
        self.math.end_paragraph()
        self._until = marks
        return line_end

    def _wait(self, rest: str) -> int:
        self._carry = rest
        return -1

    def _pass_over(self, text: str, at: int) -> int:
        """Where what is passed over ends; the end of the text if it goes on."""
        until = self._until
        if until[0] in "`~":
            return self._pass_over_fence(text, at, until)
        found = text.find(until, at)
        if found < 0:
            # Of the end of a verbatim environment a part may be there.
            start = text.rfind("\\", max(at, len(text) - len(until) + 1))
            if start >= 0 and until.startswith(text[start:]):
                self._carry = text[start:]
            return len(text)
        self._until = ""
        return found

    def _pass_over_fence(self, text: str, at: int, opening: str) -> int:
        for found in _CLOSING_FENCE.finditer(text, at):
            if found[1][0] == opening[0] and len(found[1]) >= len(opening):
                self._until = ""
                return found.end()
        start = text.rfind("\n", at)
        if start >= 0 and _PART_OF_CLOSING_FENCE.match(text, start):
            self._carry = text[start:]
        return len(text)

    def _is_latex(self) -> None:
        self.looks_like_latex = True
        self._tokens = _RAW if self._open or self._in_document else _MIXED


def _end_of_run(text: str, at: int) -> int:
    if text[at + 1 : at + 2] != text[at]:
        return at + 1
    run = _RUN[text[at]].match(text, at)
    assert run is not None
    return run.end()


def looks_like_latex(content: str) -> bool:
    r"""Whether a text, outside of Markdown code, has one of the signs of LaTeX.

    They are `\begin{`, `\end{`, `$$`, `\[`, `\]`, `\frac`, `\sum`, `\int`, `\alpha`, `\beta`, `\gamma`,
    `\documentclass` and `\usepackage`.
    """
    reader = Reader()
    reader.feed(content)
    reader.end()
    return reader.looks_like_latex


@dataclass(slots=True)
class LatexAnalysis:
    """The structure of a whole text. `open_environments` are those that are not closed, outermost first."""

    is_balanced: bool
    open_environments: list[str]
    display_math_balanced: bool
    inline_math_balanced: bool
    bracket_math_balanced: bool
    issues: list[str] = field(default_factory=list)


def analyze_latex_structure(content: str) -> LatexAnalysis:
    """Analyse a whole text as LaTeX, whether it looks like it or not."""
    reader = Reader()
    reader.looks_like_latex = True
    faults = [*reader.feed(content), *reader.end()]
    return LatexAnalysis(
        is_balanced=not faults,
        open_environments=reader.open_environments,
        display_math_balanced=reader.math.display is None,
        inline_math_balanced=reader.math.inline is None,
        bracket_math_balanced=reader.math.bracket is None,
        issues=[fault.message for fault in faults],
    )
