"""What a person sees."""

from __future__ import annotations

import io
import os

import pytest
from l0_cli import demo
from l0_cli.demo import Story, play_endpoint, play_script
from l0_cli.show import render, watch
from l0_cli.terminal import clean, one_line
from l0_testing import FaultServer, Script
from rich.console import Console


@pytest.fixture(scope="module")
def story() -> Story:
    story = Story()
    play_script(story, 0.0)
    return story


def shown(story: Story, width: int, *, live: bool = False) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(render(story, width, live=live))
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_every_fault_and_how_it_was_survived_is_shown(story: Story, width: int) -> None:
    picture = shown(story, width)
    for fault in (
        "the connection broke",
        "429 Too Many Requests, wait 0.5 s",
        "fell silent for 0.4 s",
        "ended without proof of being whole",
        "said in the stream: Overloaded",
        "404 Not Found",
        "complete, finish reason 'stop'",
    ):
        assert fault in picture
    for error, after in (
        ("RateLimitError", "in 0.5 s"),
        ("TimeoutError", "in 0.2 s"),
        ("Truncated", "in 0.2 s"),
        ("APIError", "in 0.2 s"),
    ):
        assert f"{error}, again {after}" in picture
    assert "NotFoundError, on to another model" in picture
    assert "6 to demo-large, 1 to demo-small, as the server counted them" in " ".join(picture.split())
    assert "delivered twice    0 characters" in picture
    assert "withdrawn          0 characters" in picture
    assert "0 responses, 0 connections" in picture
    assert "Proven: what you received is the model's text, once." in picture
    assert all(len(line) <= width for line in picture.splitlines())


def column(picture: str, *, left: bool) -> str:
    """The words of one half of a picture, where two stand beside each other."""
    rows = []
    for line in picture.splitlines():
        cells = line.strip("│").split("│")
        if left and line.startswith("│"):
            rows.append(cells[0])
        elif not left and line.endswith("│"):
            rows.append(cells[-1])
    return " ".join(" ".join(rows).split())


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_each_resumption_and_the_fallback_are_shown(story: Story, width: int, live: bool) -> None:
    picture = shown(story, width, live=live)
    said = " ".join(picture.split()) if width < 80 else column(picture, left=False)
    resumed = [attempt for attempt in story.attempts if attempt.overlap_cut]
    assert len(resumed) == 3
    for attempt in resumed:
        start, new = attempt.resumed_from, attempt.new
        if live:
            assert f"from character {start}, 40 cut, {new} new" in said
        else:
            assert f"continued from character {start}, 40 characters of overlap cut, {new} new" in said
    assert "demo-small complete" in said


def test_nothing_is_said_to_be_cut_before_that_is_decided() -> None:
    story = Story(_sent=lambda number: 30)
    story.begin()
    story.on_resume("x" * 50, 9)
    assert "looking for the seam from character 50 " in f"{column(shown(story, 80, live=True), left=False)} "
    story.on_error(ConnectionResetError(), True, False)
    assert "asked to continue from character 50" in column(shown(story, 100), left=False)


def test_the_text_is_shown_whole(story: Story) -> None:
    assert " ".join(shown(story, 60).split()).find(" ".join(demo.TEXT.split())) > 0
    for width in range(80, 161):
        assert column(shown(story, width), left=True) == " ".join(demo.TEXT.split()), width


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_display_fits_a_terminal_of_24_lines(story: Story, width: int) -> None:
    assert len(shown(story, width, live=True).splitlines()) <= 24


def test_a_terminal_sees_it_live_and_keeps_the_end(story: Story) -> None:
    played: list[bool] = []
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, height=40, _environ={"TERM": "xterm"})
    watch(story, lambda: played.append(True), console)
    assert played == [True]
    assert "Proven" in file.getvalue().rpartition("what your code receives")[2]


def test_no_color_is_respected(story: Story) -> None:
    file = io.StringIO()
    environ = {"TERM": "xterm-256color", "NO_COLOR": "1"}
    Console(file=file, force_terminal=True, width=100, _environ=environ).print(render(story, 100))
    assert "\x1b[3" not in file.getvalue()


HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J\x00bell\x7f \ud800 [bold]kept[/bold]\r\nend"


def test_a_model_cannot_steer_the_terminal(fault_server: FaultServer) -> None:
    fault_server.add("m", Script([HOSTILE[:3], HOSTILE[3:], "\x1b", "[2J"]))
    story = Story()
    play_endpoint(story, fault_server.base_url, "m", "hi", "key")
    assert story.text.startswith("\x1b[31mred")
    picture = shown(story, 100) + shown(story, 60)
    assert "[31mred]0;title 2Jbell \N{REPLACEMENT CHARACTER} [bold]kept[/bold]" in picture
    assert not [character for character in picture if character != "\n" and not character.isprintable()]


def test_an_error_cannot_steer_the_terminal() -> None:
    story = Story(scripted=False, failure=f"openai.APIError: {HOSTILE}", endpoint=HOSTILE)
    story.begin()
    story.on_error(ValueError(HOSTILE), False, False)
    picture = shown(story, 100) + shown(story, 60)
    assert not [character for character in picture if character != "\n" and not character.isprintable()]


def test_cleaning_keeps_text_as_it_is() -> None:
    assert clean("流 🌊\n\ttwo") == "流 🌊\n two"
    assert one_line("a\n b\x1b" + "c" * 200, 10) == "a bcccccc…"


def test_a_terminal_without_unicode_gets_the_text(story: Story) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", errors="replace")
    Console(file=file, width=100).print(render(story, 100))
    file.flush()
    assert b"Proven" in raw.getvalue()
    assert os.linesep.encode() in raw.getvalue()
