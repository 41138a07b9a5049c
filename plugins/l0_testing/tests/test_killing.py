"""Processes that are killed: what they said is heard, and one that dies by itself is never taken for one that was."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from l0_testing.killing import killed_at


def _count_for_ever(first: int, connection: Connection) -> None:
    for number in range(first, 1_000_000_000):
        connection.send(number)
    time.sleep(60)


def _break(connection: Connection) -> None:
    connection.send("begun")
    raise SystemExit(3)


def test_what_a_killed_process_said_is_heard() -> None:
    with killed_at(_count_for_ever, 7) as (signs, kill):
        assert [next(signs), next(signs)] == [7, 8]
        kill()
        rest = list(signs)
    assert rest == list(range(9, 9 + len(rest)))


def test_a_process_that_ended_by_itself_is_told() -> None:
    with killed_at(_break) as (signs, _):
        assert next(signs) == "begun"
        with pytest.raises(AssertionError, match=r"ended by itself, with exit code 3"):
            next(signs)


def test_a_function_of_a_file_that_no_name_finds_is_found(tmp_path: Path) -> None:
    """Test runners import modules under names that mean nothing to another process."""
    path = tmp_path / "speaker.py"
    path.write_text("def speak(connection):\n    connection.send(__file__)\n    __import__('time').sleep(60)\n")
    scope: dict[str, object] = {"__name__": "a.name.that.only.we.know"}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    with killed_at(scope["speak"]) as (signs, _):  # type: ignore[arg-type]
        assert next(signs) == str(path)
