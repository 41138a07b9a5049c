"""The runs of `alone.py` begin with the session and go on beside it; the tests that wait for them are the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("alone.py")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "waits_for_run(name): waits for that run of alone.py")


def awaited(items: list[pytest.Item]) -> list[str]:
    """The runs that these tests wait for, in the order of the tests."""
    marks = (item.get_closest_marker("waits_for_run") for item in items)
    return [mark.args[0] for mark in marks if mark]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: bool(awaited([item])))


@pytest.fixture(scope="session", autouse=True)
def begun(request: pytest.FixtureRequest) -> None:
    if awaited(request.session.items):
        request.getfixturevalue("wait_for_run")


@pytest.fixture(scope="session")
def wait_for_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], None]]:
    """Waits for the end of a run, and fails with what it said if it failed."""
    runs = awaited(request.session.items)
    folder = tmp_path_factory.mktemp("alone")
    with (folder / "stderr").open("w") as complaints:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), *runs],
            stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True,
        )  # fmt: skip
    problems: dict[str, str] = {}

    def wait(name: str) -> None:
        assert process.stdout is not None
        while name not in problems:
            line = process.stdout.readline()
            assert line, f"{PROGRAM.name} ended before {name} did:\n{(folder / 'stderr').read_text()}"
            said = json.loads(line)
            problems[said["run"]] = said["problem"]
        if problems[name]:
            pytest.fail(problems[name], pytrace=False)

    with process:
        yield wait
        if set(runs) - set(problems):
            # The session ends early, and with it all that the process started.
            os.killpg(process.pid, signal.SIGTERM)
