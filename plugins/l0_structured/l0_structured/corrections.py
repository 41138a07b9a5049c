"""What a repair does to a text: kinds of edits, the edits themselves, and the documented result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

__all__ = ["AutoCorrectResult", "CorrectionType", "Edit", "apply", "kinds_of"]

CorrectionType = Literal[
    "strip_markdown_fence",
    "strip_json_prefix",
    "remove_prefix_text",
    "remove_comments",
    "remove_suffix_text",
    "fix_quotes",
    "remove_trailing_comma",
    "close_brace",
    "close_bracket",
    "escape_control_chars",
    "fill_missing_fields",
    "remove_unknown_fields",
    "coerce_types",
    "open_brace",
    "replace_bracket",
    "add_comma",
    "remove_extra_comma",
    "add_colon",
    "add_null",
    "quote_key",
    "quote_value",
    "close_string",
    "escape_quotes",
    "fix_escape",
    "replace_surrogate",
    "fix_literal",
    "fix_number",
    "fix_whitespace",
    "unescape",
    "remove_ellipsis",
    "remove_stray_text",
    "remove_incomplete",
]
"""The kinds of corrections. `fill_missing_fields`, `remove_unknown_fields` and `coerce_types` need a schema: no repair
of a text alone makes them."""

_ORDER = {kind: place for place, kind in enumerate(get_args(CorrectionType))}


class Edit(NamedTuple):
    """One edit: at `offset` of the text as it was given, `removed` characters make way for `inserted`."""

    kind: CorrectionType
    offset: int
    removed: int
    inserted: str


@dataclass
class AutoCorrectResult:
    """What became of a text that was to be JSON.

    `text` is valid JSON if `success` is true; if not, it is the text as it was given, and `error` says what is wrong.
    `corrected` says whether `text` differs from what was given, blanks around it aside. `corrections` holds each kind
    of correction once, and `edits` every single edit by offset; both only if they were asked for.
    """

    text: str
    corrected: bool
    corrections: list[str] = field(default_factory=list)
    success: bool = True
    error: Exception | None = None
    edits: list[Edit] = field(default_factory=list)


def kinds_of(edits: Iterable[Edit]) -> list[str]:
    """The kinds of `edits`, each once, in the documented order."""
    return sorted({edit.kind for edit in edits}, key=_ORDER.__getitem__)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """`text` with `edits` made. They must be in the order of their offsets, and must not overlap."""
    pieces: list[str] = []
    at = 0
    for edit in edits:
        pieces += text[at : edit.offset], edit.inserted
        at = edit.offset + edit.removed
    pieces.append(text[at:])
    return "".join(pieces)
