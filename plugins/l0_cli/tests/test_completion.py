"""A shell completes commands, options and the ids of streams, and waits for nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from l0_cli import completion, main
from l0_eventsourcing import EventEnvelope, InMemoryEventStore, StartEvent, open_store

from l0_core import config

Complete = Callable[..., list[str]]

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    config.reload()
    yield
    config.reload()


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """What bash is told when the last of the words is to be completed."""

    def complete(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", " ".join(("l0", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_L0_COMPLETE", "complete_bash")
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.split()

    return complete


def keep(url: str = "") -> str:
    """A store with streams; its URL."""
    url = url or f"memory://completion-{next(_numbers)}"

    async def fill() -> None:
        store = open_store(url)
        for stream_id in ("chat/1", "chat/2", "job-7", "two words"):
            await store.append(stream_id, EventEnvelope(stream_id, 0, StartEvent(ts=1.0)))

    asyncio.run(fill())
    return url


def test_commands_options_and_choices(complete: Complete) -> None:
    assert complete("s") == ["streams", "show"]
    assert complete("config", "--sch") == ["--schema"]
    assert complete("new", "g") == ["guardrail"]
    assert complete("completion", "") == ["bash", "zsh", "fish"]


def test_ids_are_those_of_the_store_that_is_given(complete: Complete) -> None:
    url = keep()
    assert complete("show", "--store", url, "ch") == ["chat/1", "chat/2"]
    assert complete("diff", "--store", url, "chat/1", "") == ["chat/1", "chat/2", "job-7"]
    assert complete("export", "--store", url, "chat/1", "job") == ["job-7"]
    assert complete("replay", "--store", url, "none") == []


def test_ids_are_those_of_the_configured_store(complete: Complete) -> None:
    Path("l0.toml").write_text('store = "memory://completion"')
    keep("memory://completion")
    assert complete("replay", "job") == ["job-7"]


@pytest.mark.parametrize("configured", ["", "sqlite:///none.db", "file:///none", "none://x", "no url"])
def test_what_cannot_be_told_is_silence_and_makes_nothing(
    configured: str, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    if configured:
        monkeypatch.setenv("L0_STORE", configured)
    assert complete("show", "") == []
    assert list(Path().iterdir()) == []


def test_a_store_that_does_not_answer_at_once_is_not_waited_for(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, over, is_over = keep(), threading.Event(), threading.Event()

    async def hang(store: InMemoryEventStore, prefix: str) -> list[str]:
        await asyncio.to_thread(over.wait)
        is_over.set()
        return ["chat/1"]

    monkeypatch.setattr(completion, "PATIENCE", 0.1)
    monkeypatch.setattr(InMemoryEventStore, "list_streams", hang)
    assert complete("show", "--store", url, "") == []
    over.set()
    assert is_over.wait(10)


def test_a_server_that_is_not_there_is_silence(complete: Complete) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert complete("show", "--store", f"redis://127.0.0.1:{closed.getsockname()[1]}/0", "") == []


def test_urls_of_stores_that_are_installed(complete: Complete) -> None:
    assert complete("show", "--store", "mem") == ["memory:///"]


def test_no_sdk_and_no_other_distribution_is_imported(tmp_path: Path) -> None:
    (tmp_path / "l0_added.py").write_text("raise AssertionError('imported')\n")
    folder = tmp_path / "l0_added-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: l0-added\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[l0.commands]\nstroll = l0_added:app\n")
    code = (
        "import sys, l0_cli\n"
        "try: l0_cli.main([])\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({'openai', 'l0_openai', 'l0_testing', 'asyncio', 'l0_added'} & set(sys.modules)) or 0)"
    )
    environ = {"PYTHONPATH": str(tmp_path), "COMP_WORDS": "l0 st", "COMP_CWORD": "1", "_L0_COMPLETE": "complete_bash"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environ})
    assert (run.returncode, run.stdout, run.stderr) == (0, "streams\nstroll\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_understands_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_L0_COMPLETE=complete_{shell}" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_it(tmp_path: Path) -> None:
    command = tmp_path / "l0"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m l0_cli "$@"\n')
    command.chmod(0o755)
    lines = 'source <(l0 completion bash); COMP_WORDS=(l0 s); COMP_CWORD=1; _l0_completion l0; echo "${COMPREPLY[@]}"'
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, env=environ, check=True)
    assert run.stdout == "streams show\n"


def test_a_shell_that_there_is_no_script_for_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    said = capsys.readouterr().err
    assert "'bash', 'zsh', 'fish'" in said
    assert said.count("\n") == 1
