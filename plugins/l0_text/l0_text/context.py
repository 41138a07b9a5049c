"""Contexts: pieces of text between delimiters that what is in them cannot end.

Whatever the content is, it comes back from what was made of it: take off the delimiters and the line break within each,
and undo the escaping. (`dedent` and `normalize` change it before.) The rules, by delimiter:

- "xml": `&`, `<` and `>` become `&amp;`, `&lt;` and `&gt;`.
- "markdown": a backslash comes before what begins a line and would begin a heading, a block of code or of HTML, or
  underline a heading: `#`, three backticks or tildes, `<!`, `<?`, `<pre` and its like, a line of `=` or of `-`. So
  CommonMark has it; four spaces or more make it a part of the text.
- "brackets": a backslash comes before a line of `=`, and a line that is all in brackets.
- "none": nothing is escaped, since nothing is there to be ended.
- Delimiters of one's own: a backslash comes after the first character of the end delimiter, wherever it occurs.

Where there are backslashes already, there is one more of them, so that each can be told from what was there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from l0_text.delimiting import BREAKS, enclose, one_line
from l0_text.normalize import dedent as dedent_text
from l0_text.normalize import normalize_newlines
from l0_text.options import one_of, read

__all__ = [
    "ContextItem",
    "ContextOptions",
    "DelimiterType",
    "DocumentMetadata",
    "escape_delimiters",
    "format_context",
    "format_document",
    "format_instructions",
    "format_multiple_contexts",
    "unescape_delimiters",
]

DelimiterType = Literal["xml", "markdown", "brackets", "none"]
"""What stands around a context: a tag, a heading, a label with a rule below it and one at the end, or nothing."""

_LINE = rf"(?:\A|(?<=[{BREAKS}]))"
_END = rf"[ \t]*+(?=[{BREAKS}]|\Z)"
_MARKDOWN = re.compile(
    rf"({_LINE} {{0,3}}+)(\\*+)(?=#|```|~~~|<[!?]|<(?:pre|script|style|textarea)\b|(?:=++|-++){_END})", re.IGNORECASE
)
_BRACKETS = re.compile(rf"({_LINE}[ \t]*+)(\\*+)(?=(?:=++|\[[^\]{BREAKS}]*+\]){_END})")
_NO_NAME = re.compile(r"[^\w.-]+")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass
class ContextOptions:
    """The keywords of `format_context`."""

    label: str = "Context"
    delimiter: DelimiterType = "xml"
    dedent: bool = True
    normalize: bool = True
    custom_delimiter_start: str | None = None
    custom_delimiter_end: str | None = None


@dataclass
class DocumentMetadata:
    """What is known of a document. It comes before its content, one line each."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    source: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class ContextItem:
    """One of several contexts."""

    content: str
    label: str = "context"


def escape_delimiters(content: str, delimiter: DelimiterType = "xml") -> str:
    """A content that cannot end the delimiters. Raises ValueError for another delimiter."""
    one_of("delimiter", delimiter, get_args(DelimiterType))
    if delimiter == "xml":
        return content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if delimiter == "none":
        return content
    return (_MARKDOWN if delimiter == "markdown" else _BRACKETS).sub(r"\1\2\\", content)


def unescape_delimiters(content: str, delimiter: DelimiterType = "xml") -> str:
    """What `escape_delimiters` was given. Raises ValueError for another delimiter."""
    one_of("delimiter", delimiter, get_args(DelimiterType))
    if delimiter == "xml":
        return content.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    if delimiter == "none":
        return content
    return (_MARKDOWN if delimiter == "markdown" else _BRACKETS).sub(lambda found: found[1] + found[2][1:], content)


def format_context(
    content: str,
    options: ContextOptions | None = None,
    *,
    label: str = "Context",
    delimiter: DelimiterType = "xml",
    dedent: bool = True,
    normalize: bool = True,
    custom_delimiter_start: str | None = None,
    custom_delimiter_end: str | None = None,
) -> str:
    """Put a content between delimiters; "" if it is blank.

    `dedent` takes off the indentation that its lines have in common; `normalize` makes its line breaks `\\n`, no more
    than two in a row, and strips both ends. `options`, if given, stand for the keywords. Raises ValueError for a
    delimiter of one's own without the other, or one that content could not be kept from ending.
    """
    given = options or ContextOptions(
        label, delimiter, dedent, normalize, custom_delimiter_start, custom_delimiter_end
    )  # fmt: skip
    start, end, name = given.custom_delimiter_start, given.custom_delimiter_end, one_line(given.label)
    one_of("delimiter", given.delimiter, get_args(DelimiterType))
    if (start is None) != (end is None):
        raise ValueError("context: custom_delimiter_start and custom_delimiter_end belong together; give both")
    if given.dedent:
        content = dedent_text(content)
    if given.normalize:
        content = _BLANK_LINES.sub("\n\n", normalize_newlines(content)).strip()
    if not content.strip():
        return ""
    if start is not None and end is not None:
        return enclose(start, content, end)
    escaped = escape_delimiters(content, given.delimiter)
    if given.delimiter == "xml":
        return f"<{_tag(name)}>\n{escaped}\n</{_tag(name)}>"
    if given.delimiter == "markdown":
        return f"# {name}\n\n{escaped}"
    if given.delimiter == "brackets":
        rule = "=" * max(20, len(name) + 10)
        return f"[{name.upper()}]\n{rule}\n{escaped}\n{rule}"
    return escaped


def format_multiple_contexts(
    items: Iterable[ContextItem | Mapping[str, Any]], *, delimiter: DelimiterType = "xml"
) -> str:
    """Several contexts, with a blank line between them. Blank ones are left out.

    Raises TypeError for an item that is no ContextItem, nor a mapping of its fields.
    """
    contexts = (item if isinstance(item, ContextItem) else ContextItem(**item) for item in items)
    formatted = (format_context(item.content, label=item.label, delimiter=delimiter) for item in contexts)
    return "\n\n".join(filter(None, formatted))


def format_document(
    content: str,
    metadata: DocumentMetadata | Mapping[str, Any] | None = None,
    *,
    delimiter: DelimiterType = "xml",
) -> str:
    """A document, labelled with its title, and what is known of it in the lines before its content.

    What a mapping has beside the fields of DocumentMetadata is put with `extra`.
    """
    known = _metadata(metadata)
    named = {"Title": known.title, "Author": known.author, "Date": known.date, "Source": known.source, **known.extra}
    lines = [f"{one_line(name)}: {one_line(value)}" for name, value in named.items() if value is not None]
    parts = ("\n".join(lines), dedent_text(content).strip())
    return format_context("\n\n".join(filter(None, parts)), label=known.title or "Document", delimiter=delimiter)


def _metadata(given: DocumentMetadata | Mapping[str, Any] | None) -> DocumentMetadata:
    if not isinstance(given, Mapping):
        return read(DocumentMetadata, given)
    names = [known.name for known in fields(DocumentMetadata)]
    extra = {**given.get("extra", {}), **{name: value for name, value in given.items() if name not in names}}
    return DocumentMetadata(**{**{name: given[name] for name in names if name in given}, "extra": extra})


def format_instructions(instructions: str, *, delimiter: DelimiterType = "xml") -> str:
    """Instructions, labelled as such."""
    return format_context(instructions, label="Instructions", delimiter=delimiter)


def _tag(label: str) -> str:
    """A label as the name of a tag: in lower case, what no name can have as underscores."""
    name = _NO_NAME.sub("_", label.lower()).strip("_")
    return name if name[:1].isalpha() else f"extra{name}"
