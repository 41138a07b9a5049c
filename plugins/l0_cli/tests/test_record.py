"""`l0 record` and `l0 replay` of a cassette: an incident goes into a file, and comes out of it as a provider."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import openai
import pytest
from l0_cli import main
from l0_testing import Fault, FaultServer, Script, closed_port, read_cassette

TEXT = "One two 流 three 🌊 four."
ASK = """
import openai, os, sys
assert os.environ["OPENAI_API_BASE"] == os.environ["OPENAI_BASE_URL"]
with openai.OpenAI(max_retries=0) as client:
    messages = [{"role": "user", "content": "a question"}]
    for chunk in client.chat.completions.create(model="m", messages=messages, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
sys.exit(7)
"""
WAIT = """
import signal, sys, time
def interrupted(*_):
    print("interrupted", flush=True)
    sys.exit(5)
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incident.cassette"


@contextmanager
def l0(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, which is ended if a test fails."""
    with subprocess.Popen(
        [sys.executable, "-m", "l0_cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def ask(base_url: str) -> str:
    with openai.OpenAI(api_key="sk-canary", base_url=base_url, max_retries=0) as client:
        text = ""
        messages: Any = [{"role": "user", "content": "a question"}]
        for chunk in client.chat.completions.create(model="m", messages=messages, stream=True):
            text += chunk.choices[0].delta.content or ""
        return text


def test_a_command_is_recorded_and_its_exit_code_is_the_exit_code(
    fault_server: FaultServer, path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given the proxy as its provider, and has the output to itself."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    fault_server.add("m", Script(TEXT))
    upstream = fault_server.base_url.removesuffix("/v1")

    assert main(["record", "--upstream", upstream, "-o", str(path), "--", sys.executable, "-c", ASK]) == 7

    said = capfd.readouterr()
    assert said.out == TEXT
    assert said.err.splitlines()[-1].endswith("incident.cassette: 1 recorded, 1 clean")
    assert "canary" not in path.read_text()
    [exchange] = read_cassette(path).exchanges
    assert (exchange.request.path, exchange.request.body) == ("/v1/chat/completions", None)
    assert fault_server.requests[0].headers["authorization"] == "Bearer sk-canary"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_recorded_until_a_signal_is_replayed(
    number: signal.Signals, fault_server: FaultServer, path: Path
) -> None:
    fault_server.add("m", Script(TEXT, faults=[None, Fault("rst_mid", at=3)]))
    more = ["--with-bodies"] if number == signal.SIGINT else []
    with l0("record", "--upstream", fault_server.base_url, "-o", str(path), *more) as process:
        base_url = line(process)
        assert ask(base_url) == TEXT
        with pytest.raises(openai.APIError):
            ask(base_url)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "")
    assert "Ctrl-C ends" in errors
    assert errors.splitlines()[-1].endswith("2 recorded, 1 clean, 1 reset")
    first, _ = read_cassette(path).exchanges
    assert first.end is not None
    assert (b"a question" in (first.request.body or b"")) == bool(more)

    with l0("replay", str(path), "--speed", "0", *(["--json"] if more else [])) as process:
        told = line(process)
        base_url = json.loads(told)["base_url"] if more else told
        assert not more or json.loads(told)["exchanges"] == ["POST /v1/chat/completions"] * 2
        assert ask(base_url) == TEXT
        with pytest.raises(openai.APIError):
            ask(base_url)
        with pytest.raises(openai.NotFoundError, match="0 of 2 left"):
            ask(base_url)
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_ctrl_c_is_the_commands(path: Path) -> None:
    """A terminal sends it to both: the command decides, and the file is whole."""
    with (
        closed_port() as upstream,
        l0("record", "--upstream", upstream, "-o", str(path), "--", sys.executable, "-c", WAIT) as process,
    ):
        assert line(process) == "ready"
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert (output, process.returncode) == ("interrupted\n", 5)
    assert read_cassette(path).exchanges == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143)])
def test_the_end_of_the_recorder_is_the_end_of_the_command(number: signal.Signals, code: int, path: Path) -> None:
    with (
        closed_port() as upstream,
        l0("record", "--upstream", upstream, "-o", str(path), "--", sys.executable, "-c", WAIT) as process,
    ):
        assert line(process) == "ready"
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == code


def test_a_port_can_be_chosen(fault_server: FaultServer, path: Path) -> None:
    fault_server.add("m", Script(TEXT))
    with closed_port() as url:
        port = url.removesuffix("/v1").rpartition(":")[2]
    with l0("record", "--upstream", fault_server.base_url, "-o", str(path), "--port", port) as process:
        assert line(process) == f"http://127.0.0.1:{port}/v1"
        with urlopen(f"http://127.0.0.1:{port}/v1/models") as response:
            assert response.status == 200
        with pytest.raises(URLError):
            urlopen(f"http://127.0.0.2:{port}/v1/models")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.parametrize("command", [[], [sys.executable, "-c", ASK]])
def test_as_json_what_is_told_is_an_object_on_a_line(
    command: list[str], fault_server: FaultServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr where stdout is the command's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    fault_server.add("m", Script(TEXT))
    after = ["--", *command] if command else []
    with l0("record", "--upstream", fault_server.base_url, "-o", str(path), "--json", *after) as process:
        told = []
        if not command:
            told.append(line(process))
            assert ask(json.loads(told[0])["base_url"]) == TEXT
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    told += (errors if command else output).splitlines()
    assert (errors, output)[bool(command)] == (TEXT if command else "")
    begin, end = map(json.loads, told)
    assert set(begin) == {"file", "base_url"}
    code = 7 if command else 0
    assert end == {"file": str(path), "recorded": 1, "ends": {"clean": 1}, "exit_code": code}
    assert process.returncode == code


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.out == ""
    return said.err


def test_a_recording_is_not_overwritten(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("precious")
    said = refusal(capsys, "record", "--upstream", "http://127.0.0.1:9", "-o", str(path))
    assert "is there already" in said
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--upstream", "api.openai.com"], "must be like https://api.openai.com"),
        (["--upstream", "http://127.0.0.1:9", "--", "no-such-command-at-all"], "there is no command"),
        (["--upstream", "http://127.0.0.1:9", "--port", "70000"], "less than or equal to 65535"),
        ([], "--upstream"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_leaves_no_file(
    arguments: list[str], said: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, "record", "-o", str(path), *arguments)
    assert not path.exists()


def test_a_damaged_cassette_is_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text('{"format": "l0-cassette", "version": 1}\n{"exchange": 1, "at": 1}\n')
    assert f"{path}, line 2: exchange 1 has no request before this line" in refusal(capsys, "replay", str(path))


def test_a_missing_package_is_named_with_what_installs_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("")
    monkeypatch.setitem(sys.modules, "l0_testing", None)
    monkeypatch.setattr("l0_cli.record.find_spec", lambda name: None)
    for arguments in (["record", "--upstream", "http://127.0.0.1:9", "-o", "x"], ["replay", str(path)]):
        assert "pip install l0-testing" in refusal(capsys, *arguments)
