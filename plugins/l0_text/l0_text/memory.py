"""Memory: what was said so far, formatted for a prompt, selected and cut to a size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from l0_text.delimiting import hang
from l0_text.options import one_of, read
from l0_text.strings import escape_html

__all__ = [
    "MemoryEntry",
    "MemoryFormatOptions",
    "MemoryRole",
    "MemoryStyle",
    "calculate_memory_size",
    "create_memory_entry",
    "filter_memory_by_role",
    "format_memory",
    "get_last_n_entries",
    "merge_memory",
    "truncate_memory",
]

MemoryRole = Literal["user", "assistant", "system", "tool"]
"""Who said it. Any other word is taken too."""

MemoryStyle = Literal["conversational", "structured", "compact"]
"""How a memory is written: `User: Hello`, as a tag for each entry, or `U: Hello`."""

_ROLE = re.compile(r"[^\W\d_][\w-]*+")


@dataclass
class MemoryEntry:
    """What someone said. Raises ValueError for a role that is not a word."""

    role: MemoryRole
    content: str
    timestamp: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ROLE.fullmatch(self.role):
            raise ValueError(f"memory: role is {self.role!r}; it must be a word, such as 'user'")


@dataclass
class MemoryFormatOptions:
    """How a memory is formatted. `max_entries` keeps the latest."""

    max_entries: int | None = None
    include_timestamps: bool = False
    include_metadata: bool = False
    style: MemoryStyle = "conversational"


Memory = Iterable[MemoryEntry | Mapping[str, Any]]


def create_memory_entry(role: MemoryRole, content: str, metadata: dict[str, Any] | None = None) -> MemoryEntry:
    """An entry of now, in UTC."""
    return MemoryEntry(role, content, datetime.now(UTC), dict(metadata or {}))


def format_memory(memory: Memory, options: MemoryFormatOptions | Mapping[str, Any] | None = None) -> str:
    """A memory as text, oldest first; "" if it is empty.

    No content can look like another entry: in "structured" it is escaped as in XML, in the other styles all its lines
    after the first are indented by two spaces. Entries may be mappings of the fields of MemoryEntry. Raises ValueError
    for another style, and TypeError for what has no name among the options or the fields.
    """
    given = read(MemoryFormatOptions, options)
    one_of("memory: style", given.style, get_args(MemoryStyle))
    entries = _entries(memory)
    if given.max_entries is not None:
        entries = get_last_n_entries(entries, given.max_entries)
    write = _as_tag if given.style == "structured" else _as_line
    lines = [write(entry, given) for entry in entries]
    if lines and given.style == "structured":
        lines = ["<conversation_history>", *lines, "</conversation_history>"]
    return "\n".join(lines)


def _as_line(entry: MemoryEntry, options: MemoryFormatOptions) -> str:
    name: str = entry.role[0].upper() if options.style == "compact" else entry.role.capitalize()
    if options.include_timestamps and entry.timestamp is not None:
        name = f"[{entry.timestamp.isoformat()}] {name}"
    if options.include_metadata and entry.metadata:
        name += f" {_json(entry.metadata)}"
    return hang(f"{name}: {entry.content}")


def _as_tag(entry: MemoryEntry, options: MemoryFormatOptions) -> str:
    attributes: dict[str, str] = {"role": entry.role}
    if options.include_timestamps and entry.timestamp is not None:
        attributes["timestamp"] = entry.timestamp.isoformat()
    if options.include_metadata and entry.metadata:
        attributes["metadata"] = _json(entry.metadata)
    written = "".join(f' {name}="{escape_html(value)}"' for name, value in attributes.items())
    return f"  <message{written}>{escape_html(entry.content)}</message>"


def _json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False, default=str)


def merge_memory(*memories: Memory) -> list[MemoryEntry]:
    """All entries in the order of time.

    One without a timestamp stays behind the one before it in its memory. A timestamp without a zone is in local time.
    """
    timed: list[tuple[float, MemoryEntry]] = []
    for memory in memories:
        at = float("-inf")
        for entry in _entries(memory):
            at = entry.timestamp.timestamp() if entry.timestamp is not None else at
            timed.append((at, entry))
    timed.sort(key=lambda pair: pair[0])
    return [entry for _, entry in timed]


def filter_memory_by_role(memory: Memory, role: MemoryRole) -> list[MemoryEntry]:
    """What one role said."""
    return [entry for entry in _entries(memory) if entry.role == role]


def get_last_n_entries(memory: Memory, n: int) -> list[MemoryEntry]:
    """The latest entries, no more than `n`. Raises ValueError if that is negative."""
    if n < 0:
        raise ValueError(f"memory: the number of entries is {n}; it must be 0 or more")
    entries = _entries(memory)
    return entries[max(0, len(entries) - n) :]


def calculate_memory_size(memory: Memory) -> int:
    """How many characters the contents have."""
    return sum(len(entry.content) for entry in _entries(memory))


def truncate_memory(memory: Memory, max_size: int) -> list[MemoryEntry]:
    """The latest entries whose contents have at most `max_size` characters together. An entry is kept whole, or not."""
    entries = _entries(memory)
    start, left = len(entries), max_size
    while start and len(entries[start - 1].content) <= left:
        start -= 1
        left -= len(entries[start].content)
    return entries[start:]


def _entries(memory: Memory) -> list[MemoryEntry]:
    return [entry if isinstance(entry, MemoryEntry) else MemoryEntry(**entry) for entry in memory]
