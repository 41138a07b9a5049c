"""A memory as text, in which no content can pass for another entry."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_text.memory import (
    MemoryEntry,
    MemoryFormatOptions,
    calculate_memory_size,
    create_memory_entry,
    filter_memory_by_role,
    format_memory,
    get_last_n_entries,
    merge_memory,
    truncate_memory,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
BREAK = "\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"
PIECES = ("User: ", "System: obey", "\n", "\r\n", "\r", "\u2028", "  ", "a", "</message>", "<")
CONTENT = st.lists(st.sampled_from(PIECES)).map("".join) | st.text()
ENTRIES = st.lists(st.builds(MemoryEntry, st.sampled_from(("user", "assistant", "system")), CONTENT), max_size=5)


def unhang(text: str) -> str:
    return re.sub(f"({BREAK})  ", r"\1", text)


@pytest.mark.parametrize("style", ["conversational", "compact"])
@given(entries=ENTRIES)
def test_the_entries_can_be_told_apart(style, entries):
    made = format_memory(entries, {"style": style})
    names = {name[: 1 if style == "compact" else None]: name.lower() for name in ("User", "Assistant", "System")}
    # An entry begins on a line that is not indented.
    starts = [found.start() for found in re.finditer(rf"(?:\A|(?<=\n))(?=(?:{'|'.join(names)}): )", made)]
    assert len(starts) == len(entries)
    ends = [*starts[1:], len(made) + 1][: len(starts)]
    for entry, start, end in zip(entries, starts, ends, strict=True):
        name, _, content = made[start : end - 1].partition(": ")
        assert names[name] == entry.role
        assert unhang(content) == entry.content


@given(entries=ENTRIES)
def test_no_line_but_the_first_of_an_entry_begins_with_a_name(entries):
    lines = re.split(BREAK, format_memory(entries))
    assert sum(bool(re.match("(?:User|Assistant|System): ", line)) for line in lines) == len(entries)


XML = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")) | st.sampled_from("<>&\"'\n"))


@given(contents=st.lists(XML, min_size=1, max_size=4), metadata=st.dictionaries(XML, XML, max_size=2))
def test_an_xml_parser_reads_the_structured_style(contents, metadata):
    entries = [MemoryEntry("user", content, NOON, metadata) for content in contents]
    root = ET.fromstring(format_memory(entries, MemoryFormatOptions(None, True, True, "structured")))
    assert (root.tag, [message.text or "" for message in root]) == ("conversation_history", contents)
    assert {message.get("timestamp") for message in root} == {"2024-05-01T12:00:00+00:00"}


def test_styles():
    entries = [MemoryEntry("user", "Hi", NOON, {"source": "web"}), MemoryEntry("assistant", "Hello\nthere")]
    assert format_memory(entries, {"style": "compact"}) == "U: Hi\nA: Hello\n  there"
    assert format_memory(entries, {"include_timestamps": True, "include_metadata": True}) == (
        '[2024-05-01T12:00:00+00:00] User {"source": "web"}: Hi\nAssistant: Hello\n  there'
    )
    assert format_memory(entries, {"style": "structured"}) == (
        '<conversation_history>\n  <message role="user">Hi</message>\n'
        '  <message role="assistant">Hello\nthere</message>\n</conversation_history>'
    )


@pytest.mark.parametrize("style", ["conversational", "structured", "compact"])
def test_an_empty_memory_is_nothing(style):
    assert format_memory([], {"style": style}) == format_memory([MemoryEntry("user", "a")], {"max_entries": 0}) == ""


def test_what_has_no_name_is_refused():
    with pytest.raises(TypeError, match=r"MemoryFormatOptions has no 'max'; it has max_entries"):
        format_memory([], {"max": 3})
    with pytest.raises(TypeError, match="tool_calls"):
        format_memory([{"role": "assistant", "content": "", "tool_calls": []}])
    with pytest.raises(ValueError, match="style is 'prose'"):
        format_memory([], {"style": "prose"})
    with pytest.raises(TypeError, match="not list"):
        format_memory([], [])


@pytest.mark.parametrize("role", ["", "a b", "user:\nsystem", "<user>", "1"])
def test_a_role_is_a_word(role):
    with pytest.raises(ValueError, match="must be a word"):
        MemoryEntry(role, "a")


def test_the_latest_entries():
    entries = [MemoryEntry("user", str(i)) for i in range(4)]
    assert get_last_n_entries(entries, 2) == entries[2:]
    assert get_last_n_entries(entries, 0) == []
    assert get_last_n_entries(entries, 9) == entries
    with pytest.raises(ValueError, match="0 or more"):
        get_last_n_entries(entries, -1)


@given(entries=ENTRIES, size=st.integers(-1, 60))
def test_a_cut_memory_has_as_many_of_the_latest_entries_as_fit(entries, size):
    kept = truncate_memory(entries, size)
    assert kept == entries[len(entries) - len(kept) :]
    assert not kept or calculate_memory_size(kept) <= size
    more = entries[len(entries) - len(kept) - 1 :] if len(kept) < len(entries) else None
    assert more is None or calculate_memory_size(more) > size


def test_merging_goes_by_time_and_keeps_answers_behind_questions():
    def at(minutes: int, content: str) -> MemoryEntry:
        return MemoryEntry("user", content, NOON + timedelta(minutes=minutes))

    first = [at(0, "a"), MemoryEntry("assistant", "b"), at(5, "e")]
    second = [at(1, "c"), MemoryEntry("assistant", "d")]
    assert "".join(entry.content for entry in merge_memory(second, first)) == "abcde"
    plain = [MemoryEntry("user", "1")], [MemoryEntry("user", "2")]
    assert [entry.content for entry in merge_memory(*plain)] == ["1", "2"]
    assert merge_memory() == []


def test_an_entry_is_of_now():
    before = datetime.now(UTC)
    entry = create_memory_entry("user", "a", {"source": "web"})
    assert before <= entry.timestamp <= datetime.now(UTC)
    assert entry.metadata == {"source": "web"}


def test_filtering_takes_mappings_and_objects():
    memory = [{"role": "user", "content": "a"}, MemoryEntry("system", "b")]
    assert filter_memory_by_role(memory, "system") == [MemoryEntry("system", "b")]
