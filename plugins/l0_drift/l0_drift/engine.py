"""The engine: reads one text as it arrives, once, and finds where it drifts.

Everything is decided over blocks of a fixed size, and over the sentences and lines that are whole at the end of one. So
no verdict depends on how the text was cut into deltas.
"""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

from l0_drift import speech
from l0_drift.config import CONFIDENCE, DriftConfig, DriftType, Finding
from l0_drift.entropy import Entropy
from l0_drift.markup import Markup
from l0_drift.repetition import Repetition
from l0_drift.tone import Tone

__all__ = ["BLOCK", "HOLDBACK", "LONGEST", "Engine"]

BLOCK = 256
"""How many characters are looked at together."""

LONGEST = 512
"""A sentence or line that is longer is cut, so that memory stays bounded."""

HOLDBACK = BLOCK + 2 * LONGEST
"""A finding is at most so many characters behind the text that was read when it was made."""

BEGUN = 100
"""An answer has begun when it has so many characters."""

CONNECTIONS = 3
"""So many announcements of an explanation in one stretch of text explain nothing."""

# What is behind the end of a sentence goes on within its line.
_ON = "\x1f"

_ASIDE = frozenset("#>|-*+•`~0123456789")
"""Headings, quotes, tables, lists and code begin with these. What is said there is not said by the speaker."""

_UNSPOKEN = frozenset(["", "console", "diff", "html", "log", "markdown", "md", "output", "rst", "text", "txt", "xml"])
"""The languages of code blocks in which a line that speaks to the reader has its place."""

_DETAILS: dict[DriftType, str] = {
    "tone_shift": "the tone shifts from one register to another",
    "meta_commentary": "the model speaks of itself instead of answering",
    "format_collapse": "the format of the answer gives way to conversation",
    "repetition": "the text repeats itself",
    "entropy_spike": "the characters become random",
    "markdown_collapse": "the formatting is lost",
    "hedging": "the answer begins anew with an agreement",
}


# What the text is at the moment.
_PROSE, _CODE, _JSON = range(3)


class Engine:
    """Reads one text: `feed` it piece by piece, then `end` it. Each kind of drift is found once, where it is first."""

    __slots__ = (
        "_agreed",
        "_agreements",
        "_at",
        "_carry",
        "_connections",
        "_entropy",
        "_fence",
        "_found",
        "_gap",
        "_introduced",
        "_language",
        "_looked_for",
        "_markup",
        "_mode",
        "_opened",
        "_opening",
        "_plain",
        "_previous",
        "_quotes",
        "_read",
        "_repetition",
        "_tone",
        "_waiting",
        "_window",
    )

    def __init__(self, config: DriftConfig) -> None:
        window = self._window = config.sliding_window_size
        self._looked_for: set[DriftType] = {kind for kind in CONFIDENCE if getattr(config, f"detect_{kind}")}
        self._repetition = Repetition(config.repetition_threshold, window) if config.detect_repetition else None
        self._entropy = (
            Entropy(config.entropy_threshold, config.entropy_window) if config.detect_entropy_spike else None
        )
        self._tone = Tone(window) if config.detect_tone_shift else None
        self._markup = Markup(window) if config.detect_markdown_collapse else None
        self._found: list[Finding] = []
        self._waiting = ""  # Less than a block.
        self._read = 0  # Characters in whole blocks.
        self._carry = ""  # The sentence or line that has not ended.
        self._at = 0  # Where it begins.
        self._mode = _PROSE
        self._fence = self._language = ""
        self._opening = True  # Nothing has been said but that something will be.
        self._opened: DriftType | None = None
        self._plain = True
        self._gap = True
        self._introduced = False
        self._quotes = 0
        self._previous = ""
        self._agreed: int | None = None
        self._agreements = 0
        self._connections: deque[int] = deque(maxlen=CONNECTIONS)

    @property
    def entropies(self) -> list[float]:
        """The latest entropies of the text, in bits per character."""
        return self._entropy.samples if self._entropy is not None else []

    def feed(self, text: str) -> list[Finding]:
        """Read on. Returns what has been found since it was last asked."""
        waiting = self._waiting + text
        at, size = 0, len(waiting)
        while size - at >= BLOCK:
            self._block(waiting[at : at + BLOCK])
            at += BLOCK
        self._waiting = waiting[at:] if at else waiting
        return self._taken()

    def end(self) -> list[Finding]:
        """The text has ended."""
        if self._waiting:
            self._block(self._waiting)
        self._waiting = ""
        self._units([self._carry])
        self._carry = ""
        if self._agreed is not None:
            self._agree(self._agreed, "", inside=False)
        return self._taken()

    def copy(self) -> Engine:
        """An engine that goes on from here by itself."""
        return _copied(self)

    def _taken(self) -> list[Finding]:
        found, self._found = self._found, []
        return found

    def _report(self, kind: DriftType, position: int) -> None:
        if kind in self._looked_for:
            self._looked_for.remove(kind)
            self._found.append(Finding(kind, position, _DETAILS[kind]))

    def _block(self, block: str) -> None:
        read = self._read = self._read + len(block)
        if self._mode == _PROSE and "```" not in block:
            # Code that is not marked as such is indented. It is full of signs.
            if self._entropy is not None and "\n    " not in block and self._entropy.block(block):
                self._entropy = None
                self._report("entropy_spike", read)
            if self._markup is not None and self._markup.block(block):
                self._markup = None
                self._report("markdown_collapse", read)
        elif self._markup is not None:
            self._markup.code()
        text = self._carry + block.replace(_ON, " ")
        if ". " in text or "! " in text or "? " in text:
            text = text.replace(". ", ".\n\x1f").replace("! ", "!\n\x1f").replace("? ", "?\n\x1f")
        if text.isspace() and text[0] != _ON:
            # A model that has lost its way may send line breaks without end. They need not be looked at one by one.
            last = text.rfind("\n") + 1
            if last:
                self._gap, self._quotes = True, 0
            self._at += last
            self._carry = text[last:]
        else:
            units = text.split("\n")
            self._carry = units.pop()
            self._units(units)
        if len(self._carry) > LONGEST:
            self._units([self._carry])
            self._at -= 1  # No character was taken for its end.
            self._carry = _ON
        prose = self._mode == _PROSE and "```" not in block
        if self._repetition is not None and self._repetition.block(block, prose):
            self._repetition = None
            self._report("repetition", read)

    def _units(self, units: list[str]) -> None:
        """Take sentences and lines that are whole."""
        at, mode = self._at, self._mode
        for unit in units:
            start = at
            inside = unit[:1] == _ON
            if inside:
                unit = unit[1:]
            at += len(unit) + 1
            bare = unit.strip()
            if not bare:
                if not inside:
                    self._gap = True
                    self._quotes = 0
            elif mode == _PROSE:
                self._prose(unit, bare, start, inside)
                mode = self._mode
            elif mode == _CODE:
                self._code(unit, bare, start, inside)
                mode = self._mode
            else:
                self._json(bare, start, inside)
                mode = self._mode
        self._at = at

    def _prose(self, unit: str, bare: str, start: int, inside: bool) -> None:
        if not inside:
            if bare[0] in _ASIDE or unit[0] in " \t":
                if bare.startswith(("```", "~~~")):
                    self._open_fence(bare)
                    return
                self._plain = False
            else:
                self._plain = True
            if self._previous[-1:] == ":":
                self._introduced = True
            elif self._gap:
                self._introduced = False
        plain = self._plain
        if self._opening and self._begins_as_json(bare, start):
            self._previous = bare
            return
        if self._repetition is not None and self._repetition.sentence(bare, start, plain):
            self._repetition = None
            self._report("repetition", start)
        if plain:
            if self._agreed is not None:
                self._agree(self._agreed, bare, inside)
            spoken = not self._quotes & 1
            if spoken and bare[:4] in speech.HEADS:
                self._speech(bare, start, inside)
            if '"' in bare or "“" in bare or "”" in bare:
                self._quotes += bare.count('"') + bare.count("“") + bare.count("”")
            if spoken and self._tone is not None:
                shifted = self._tone.sentence(bare, start)
                if shifted is not None:
                    self._tone = None
                    self._report("tone_shift", shifted)
        self._previous = bare
        self._gap = False

    def _speech(self, bare: str, start: int, inside: bool) -> None:
        """A sentence that may be said of the answer. What is introduced with a colon is an example of something."""
        begins = inside or self._gap or self._previous[-1:] in (".", "!", "?", "…", '"', "”", ")", "")
        if not begins or self._introduced:
            return
        if speech.comments(bare):
            self._report("meta_commentary", start)
        elif speech.connects(bare):
            connections = self._connections
            connections.append(start)
            if len(connections) == CONNECTIONS and start - connections[0] <= self._window:
                self._report("meta_commentary", start)
        elif speech.agrees(bare) and not inside and self._previous[-1:] != "?":
            self._agreed = start

    def _agree(self, agreed: int, following: str, inside: bool) -> None:
        """After a sentence that only agrees: whether the answer begins anew with it, or agrees a second time."""
        self._agreed = None
        if not inside:
            self._agreements += 1
        if (agreed >= BEGUN and speech.begins(following)) or (not inside and self._agreements > 1):
            self._report("hedging", agreed)

    def _begins_as_json(self, bare: str, start: int) -> bool:
        """Whether the answer is JSON from here on. If all that came before announced it, it should not have."""
        at, opened = 0, self._opened
        if (colon := max(bare.find(": {"), bare.find(": ["))) > 0 and speech.opens(bare[: colon + 1]):
            at, opened = colon + 2, "format_collapse"
        if speech.begins_json(bare[at:]):
            self._opening = False
            self._mode = _JSON
            if opened is not None:
                self._report(opened, start + at)
            return True
        if speech.opens(bare):
            self._opened = "format_collapse"
        elif speech.agrees(bare):
            self._opened = opened or "hedging"
        else:
            self._opening = False
        return False

    def _json(self, bare: str, start: int, inside: bool) -> None:
        if not inside and bare[0].isalpha() and not self._breaks_json(bare, start):
            # The JSON is over, and what follows is about it.
            self._mode = _PROSE
            self._gap, self._introduced = True, False
        self._previous = bare

    def _breaks_json(self, bare: str, start: int) -> bool:
        if not self._previous.endswith((",", ":", "{", "[")):
            return False
        if speech.breaks_json(bare, self._previous):
            self._report("format_collapse", start)
        return True

    def _open_fence(self, bare: str) -> None:
        mark = bare[0]
        info = bare.lstrip(mark)
        self._fence = bare[: len(bare) - len(info)]
        self._language = info.strip().partition(" ")[0].lower()
        self._mode = _CODE
        self._opening = False
        self._agreed = None
        self._quotes = 0
        self._previous = ""

    def _code(self, unit: str, bare: str, start: int, inside: bool) -> None:
        if not inside:
            if bare[0] == self._fence[0] and bare.startswith(self._fence) and not bare.strip(bare[0]):
                self._mode = _PROSE
                self._gap, self._introduced, self._quotes = True, False, 0
                self._previous = ""
                return
            if unit[0].isalpha():
                self._code_speaks(bare, start)
        if '"""' in bare or "'''" in bare:
            self._quotes += bare.count('"""') + bare.count("'''")
        self._previous = bare

    def _code_speaks(self, bare: str, start: int) -> None:
        """A line of code that begins at the margin. Inside a string of several lines it may say anything."""
        if self._language.startswith("json"):
            speaks = speech.breaks_json(bare, self._previous)
        else:
            speaks = (
                bare[:4] in speech.HEADS
                and self._language not in _UNSPOKEN
                and not self._quotes & 1
                and speech.chats(bare)
            )
        if speaks:
            self._report("format_collapse", start)


_Part = TypeVar("_Part")


def _copied(part: _Part) -> _Part:
    new: Any = object.__new__(type(part))
    for name in type(part).__slots__:  # type: ignore[attr-defined]
        value = getattr(part, name)
        if hasattr(value, "__slots__"):
            value = _copied(value)
        elif isinstance(value, list | dict | set | deque):
            value = value.copy()
        setattr(new, name, value)
    return new  # type: ignore[no-any-return]
