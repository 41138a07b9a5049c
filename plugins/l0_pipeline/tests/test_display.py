"""The display shows steps on a terminal, and nothing anywhere else."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import l0_pipeline
import pytest
from l0_pipeline import PipelineOptions, PipelineStep, StepContext, parallel_pipelines, pipe, progress
from l0_testing import FakeProvider, LeakCheck


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[list[str]]:
        """What is on it at the end, by words."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())
        last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", plain).rpartition("pipeline ")[2]
        return [line.split() for line in last.splitlines() if line.strip()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Makes stderr a terminal. Not by itself: pytest takes stderr again before the test begins."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return lambda: redirect_stderr(Terminal())


def broken(text: Any, ctx: StepContext) -> Any:
    raise ValueError("broken")


STEPS = [
    PipelineStep("write", lambda text, ctx: FakeProvider("abc")),
    PipelineStep("[red]check", lambda text, ctx: text, condition=lambda text, ctx: False),
    PipelineStep("send", broken),
]


def test_steps_are_shown_with_their_state_and_tokens(terminal: Callable[[], Any]) -> None:
    with terminal() as stderr, progress():
        result = asyncio.run(pipe(STEPS, "x", PipelineOptions("letters")))
    assert result.status == "error"
    shown = [(*line[:5], float(line[5]) >= 0) for line in stderr.lines if line[0] == "letters"]
    assert shown == [
        ("letters", "1/3", "write", "success", "3", True),
        ("letters", "2/3", "[red]check", "skipped", "0", True),
        ("letters", "3/3", "send", "error", "0", True),
    ]


def test_a_step_that_was_cancelled_is_shown_so(terminal: Callable[[], Any], virtual_run: Any) -> None:
    async def main() -> None:
        with progress():
            async with asyncio.timeout(2.5):
                await pipe([PipelineStep("write", lambda text, ctx: FakeProvider("abc", pace=1))], "x")

    with terminal() as stderr, pytest.raises(TimeoutError):
        virtual_run(main())
    assert stderr.lines[-1][:4] == ["1/1", "write", "cancelled", "2"]


def test_pipelines_side_by_side_are_shown_together_and_later_ones_not(terminal: Callable[[], Any]) -> None:
    async def main() -> None:
        pipelines = [l0_pipeline.Pipeline(STEPS[:1], PipelineOptions(name)) for name in "pq"]
        with progress():
            await parallel_pipelines(pipelines, "x", len)
        await pipe(STEPS[:1], "x", PipelineOptions("later"))

    with terminal() as stderr, LeakCheck():
        asyncio.run(main())
    assert sorted(line[0] for line in stderr.lines[1:]) == ["p", "q"]


def test_nothing_is_shown_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress():
        result = asyncio.run(pipe(STEPS[:1], "x"))
    assert result.output == "abc"
    assert capsys.readouterr() == ("", "")


def test_what_is_printed_goes_where_it_should(terminal: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    with terminal() as stderr, progress():
        sys.stdout.write("printed\n")
    assert capsys.readouterr().out == "printed\n"
    assert "printed" not in stderr.getvalue()


def test_without_rich_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"pip install l0-pipeline\[rich\]"), progress():
        pass


def test_nobody_loads_rich_who_does_not_ask_for_it() -> None:
    code = "import sys, l0_pipeline; sys.exit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
