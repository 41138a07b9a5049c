from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import l0_testing
import pytest
from l0_testing import FAULTS, FaultServer, LeakCheck
from l0_testing.__main__ import main

README = Path(__file__).parents[1] / "README.md"


def python(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-W", "error", *arguments], text=True, **pipes, **more)


def test_every_public_name_resolves() -> None:
    assert all(getattr(l0_testing, name) is not None for name in l0_testing.__all__)
    assert l0_testing._HOME.keys() == set(l0_testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'FautlServer'"):
        l0_testing.FautlServer  # noqa: B018


@pytest.mark.parametrize(
    "module", ["alone", "faults", "leaks", "measuring", "scripts", "server", "suites", "virtual", "wire"]
)
def test_every_module_defines_what_it_exports(module: str) -> None:
    loaded = importlib.import_module(f"l0_testing.{module}")

    assert all(hasattr(loaded, name) for name in loaded.__all__)
    assert list(loaded.__all__) == sorted(loaded.__all__, key=lambda name: (name.islower(), not name.isupper(), name))


def test_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import l0_testing.pytest_plugin;"
        "new = sorted(set(sys.modules) - before); print(new)"
    )
    output, errors = python("-c", code).communicate(timeout=30)

    assert (output.strip(), errors) == ("['l0_testing', 'l0_testing.pytest_plugin']", "")


@pytest.mark.parametrize("module", ["server", "virtual", "leaks"])
def test_it_stands_alone(module: str) -> None:
    code = f"import sys, l0_testing.{module}; print({{'l0', 'l0_core', 'pytest', 'httpx'}} & set(sys.modules))"
    output, errors = python("-c", code).communicate(timeout=30)

    assert (output.strip(), errors) == ("set()", "")


def test_the_fixtures(fault_server: FaultServer, no_leaks: LeakCheck, virtual_run: Callable[..., Any]) -> None:
    async def fine() -> str:
        return "fine"

    assert fault_server.requests == []
    assert isinstance(no_leaks, LeakCheck)
    assert virtual_run(fine()) == "fine"


def test_no_leaks_fails_the_test_that_leaks(tmp_path: Path) -> None:
    test = tmp_path / "test_leak.py"
    test.write_text("import logging\ndef test_leak(no_leaks): logging.getLogger('asyncio').error('Unclosed stream')\n")
    arguments = ["-m", "pytest", "-p", "l0_testing.pytest_plugin", "-p", "no:cacheprovider", "-q", str(test)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    output, _ = python(*arguments, cwd=tmp_path, env=environment).communicate(timeout=60)

    assert "1 passed, 1 error" in output
    assert "1 left behind:" in output
    assert "- asyncio logged: Unclosed stream" in output


def test_the_process_serves_until_stdin_closes(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"m": {"text": "abc"}}')
    with python("-m", "l0_testing", "serve", "--script", str(script)) as process:
        assert process.stdout
        base_url = json.loads(process.stdout.readline())["base_url"]
        with urlopen(base_url + "/models") as response:
            assert [model["id"] for model in json.load(response)["data"]] == ["m"]
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")


def test_the_process_serves_until_sigterm() -> None:
    with python("-m", "l0_testing", "serve") as process:
        assert process.stdout
        base_url = json.loads(process.stdout.readline())["base_url"]
        with urlopen(base_url + "/models") as response:
            models = [model["id"] for model in json.load(response)["data"]]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0

    assert models == ["healthy", *FAULTS]


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(FAULTS)
    assert "S18 stall_mid         text       The stream falls silent in the middle" in lines


@pytest.mark.parametrize(("text", "message"), [("{", "Expecting"), ('{"m": {"tekst": ""}}', "unknown tekst")])
def test_a_wrong_script_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    script = tmp_path / "script.json"
    script.write_text(text)

    with pytest.raises(SystemExit, match="2"):
        main(["serve", "--script", str(script)])
    assert message in capsys.readouterr().err


def code_blocks() -> list[str]:
    before_the_suites = README.read_text("utf-8").partition("## The suites")[0]
    return re.findall(r"```python\n(.*?)```", before_the_suites, re.DOTALL)


@pytest.mark.parametrize("code", code_blocks())
def test_the_readmes_code_runs(code: str, fault_server: FaultServer, virtual_run: Callable[..., Any]) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    given = {"fault_server": fault_server, "virtual_run": virtual_run}

    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test(**{name: given[name] for name in test.__code__.co_varnames[: test.__code__.co_argcount]})
    assert tests
