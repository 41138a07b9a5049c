"""A window: moving, searching, looking around, numbers, and the presets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_window import DocumentWindow, Window, WindowConfig, WindowStats

TEN = "0123456789"


def window(size: int = 4, overlap: int = 1, document: str = TEN) -> DocumentWindow:
    return Window.create(document, size=size, overlap=overlap, strategy="char")


def test_moving():
    moved = window()
    assert [chunk.content for chunk in moved] == ["0123", "3456", "6789"]
    assert moved.current() is moved[0]
    assert (moved.has_prev(), moved.has_next()) == (False, True)
    assert moved.prev() is None
    assert moved.next() is moved[1]
    assert moved.next() is moved[2]
    assert moved.next() is None
    assert moved.current_index == 2
    assert (moved.has_prev(), moved.has_next()) == (True, False)
    assert moved.prev() is moved[1]
    assert moved.jump(0) is moved[0]
    assert moved.jump(3) is None
    assert moved.jump(-1) is None
    assert moved.current_index == 0
    moved.jump(2)
    assert moved.reset() is moved[0]


def test_looking_up():
    found = window()
    assert (len(found), found.total_chunks, found.document) == (3, 3, TEN)
    assert found.config.size == 4
    assert found.get(1) is found[1]
    assert found.get(3) is None
    assert found.get(-1) is None
    assert found[-1] is found[2]
    assert found[1:] == found.get_all_chunks()[1:]
    with pytest.raises(IndexError):
        found[3]
    assert [chunk.index for chunk in found.get_range(1, 9)] == [1, 2]
    assert found.get_range(-5, 1) == [found[0]]
    assert found.get_range(2, 1) == []
    found.get_all_chunks().clear()
    assert len(found) == 3


def test_a_text_is_found_in_the_chunks_that_hold_it():
    found = Window.create("Red fox. Red hen. red cow. ", size=9, overlap=0, strategy="char")
    assert [chunk.index for chunk in found.find_chunks("red")] == [0, 1, 2]
    assert [chunk.index for chunk in found.find_chunks("red", case_sensitive=True)] == [2]
    assert found.find_chunks("blue") == []
    assert found.find_chunks("") == []
    assert found.find_chunks(".") == found.get_all_chunks()


def test_a_text_that_no_chunk_holds_whole_is_found_in_those_that_it_crosses():
    assert [chunk.index for chunk in window(overlap=0).find_chunks("2345")] == [0, 1]
    assert [chunk.index for chunk in window(2, 0).find_chunks("123456")] == [0, 1, 2, 3]
    # One that a chunk holds whole is not found in the next one as well, which has a part of it as overlap.
    assert [chunk.index for chunk in window(4, 2).find_chunks("123")] == [0]
    assert [chunk.index for chunk in window(4, 2).find_chunks("23")] == [0, 1]


@given(
    document=st.text("ab", max_size=40),
    wanted=st.text("ab", min_size=1, max_size=5),
    size=st.integers(1, 8),
    overlap=st.integers(0, 7),
)
def test_whatever_is_in_the_document_is_found(document, wanted, size, overlap):
    searched = window(size, min(overlap, size - 1), document)
    found = searched.find_chunks(wanted)
    assert bool(found) == (wanted in document)
    assert {chunk.index for chunk in searched if wanted in chunk.content} <= {chunk.index for chunk in found}


def test_context_has_no_overlap_twice():
    looked = window()
    assert looked.get_context(1) == "3456"
    assert looked.get_context(1, before=1) == "0123456"
    assert looked.get_context(1, after=1) == "3456789"
    assert looked.get_context(1, before=9, after=9) == TEN
    with pytest.raises(IndexError, match="there is no chunk 3, only 3 from 0 on"):
        looked.get_context(3)
    with pytest.raises(ValueError, match="before is -1"):
        looked.get_context(0, before=-1)


def test_chunks_by_position():
    placed = window()
    assert [chunk.index for chunk in placed.get_chunks_in_range(0, 1)] == [0]
    assert [chunk.index for chunk in placed.get_chunks_in_range(3, 4)] == [0, 1]
    assert [chunk.index for chunk in placed.get_chunks_in_range(4, 7)] == [1, 2]
    assert [chunk.index for chunk in placed.get_chunks_in_range(-5, 99)] == [0, 1, 2]
    assert placed.get_chunks_in_range(10, 20) == []
    assert placed.get_chunks_in_range(5, 5) == []


def test_numbers():
    assert window().get_stats() == WindowStats(3, 10, 3, 4, 1, 1, "char")
    stats = Window.create("word " * 200, size=50, overlap=10).get_stats()
    assert stats == WindowStats(6, 1000, 250, 200, 50, 10, "token")


def test_an_empty_document():
    empty = Window.create("")
    assert (len(empty), empty.current(), empty.next(), empty.reset()) == (0, None, None, None)
    assert empty.get_stats() == WindowStats(0, 0, 0, 0, 0, 200, "token")
    assert empty.find_chunks("a") == []
    assert not empty.has_next()


@pytest.mark.parametrize(
    ("preset", "size", "overlap", "strategy"),
    [
        ("small", 1000, 100, "token"),
        ("medium", 2000, 200, "token"),
        ("large", 4000, 400, "token"),
        ("paragraph", 2000, 200, "paragraph"),
        ("sentence", 1500, 150, "sentence"),
    ],
)
def test_presets(preset, size, overlap, strategy):
    assert getattr(Window, preset)("text").config == WindowConfig(size, overlap, strategy)


def test_a_config_goes_before_everything_else():
    config = WindowConfig(3, 0, "char")
    assert [chunk.content for chunk in Window.create(TEN, config, size=5)] == ["012", "345", "678", "9"]
    assert Window.chunk(TEN, config) == Window.create(TEN, config).get_all_chunks()


def test_an_overlap_that_is_no_smaller_than_the_size_is_refused():
    with pytest.raises(ValueError, match="overlap is 60 and size is 50"):
        Window.create("x" * 2000, overlap=60, size=50)
    with pytest.raises(ValueError, match=r"overlap is 200 and size is 100; .* such as overlap=10"):
        Window.create("x" * 2000, size=100)
