"""The tutorial (`docs/tutorial-guardrail.md`) is followed to the letter, and what `l0 new` writes is clean."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from l0_cli import main
from l0_testing import FaultServer, Script

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial-guardrail.md"

LOUD = "All is well! Everybody is fine! Nobody is missing! And so on, and so forth, to the end of a long answer."
CALM = "All is well, and everybody is fine."

PROGRAM = """
import asyncio, json, sys
import l0, openai

async def main():
    request = {"model": "loud", "messages": [{"role": "user", "content": "Well?"}], "stream": True}
    async with openai.AsyncOpenAI(api_key="sk-test", base_url=sys.argv[1]) as client:
        stream = await l0.wrap(client, retry=l0.Retry(base_delay=0)).chat.completions.create(**request)
        text = await stream.read()
    return [text, stream.state.outcome, [violation.message for violation in stream.state.violations]]

print(json.dumps(asyncio.run(main())))
"""
"""It names no guardrail."""


def blocks(language: str) -> list[str]:
    """The blocks of a language on the page, in order; of none, what is shown as it is printed."""
    pairs = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [text for each, text in pairs if each == language]


def printed(code: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, names)
    return out.getvalue()


def test_the_script_does_the_same_at_each_step() -> None:
    script, incremental, plugin, *_ = blocks("python")
    shown, *_ = blocks("")
    names: dict[str, Any] = {}
    assert printed(script, names) == shown
    rule = names["no_shouting"]
    for step in (incremental, plugin):
        exec(step, names)
        assert names["no_shouting"] is not rule
        assert printed("asyncio.run(main())", names) == shown
    with_options = names["NoShouting"]
    names["no_shouting"] = with_options(with_options.Options(most=2))
    assert "More than 2 exclamation marks" in printed("asyncio.run(main())", names)


# What is typed.


def uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.fail("uv is needed: run the tests by ./dev test, which gets it")
    return found


class Place:
    """A folder to work in, an environment with `pip`, and our distributions as wheels."""

    def __init__(self, where: Path) -> None:
        self.work, self.wheels, self.env = where / "work", where / "wheels", where / "env"
        self.work.mkdir()
        for name in ("l0-core", "l0-openai", "l0-testing", "l0-cli"):
            subprocess.run(
                [uv(), "build", "--quiet", "--wheel", "-o", str(self.wheels), "--package", name], cwd=ROOT, check=True
            )
        # What is not on an index is in the environment already, and pip looks for nothing of it.
        self.make(self.env, "l0-core", "l0-cli", "l0-testing", "pip")

    def make(self, environment: Path, *requirements: str) -> None:
        subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        subprocess.run(
            [uv(), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"),
             "--find-links", str(self.wheels), *requirements],
            check=True, cwd=self.work,
        )  # fmt: skip

    def run(self, *command: str, environment: Path | None = None) -> str:
        """What a command prints in the folder. It fails as the command does."""
        path = (environment or self.env) / "bin"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("L0_", "PYTHON", "PYTEST_"))}
        kept |= {"PATH": f"{path}{os.pathsep}{kept['PATH']}", "VIRTUAL_ENV": str(path.parent)}
        done = subprocess.run(command, cwd=self.work, env=kept, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.mark.timeout(600)
def test_what_is_typed_leads_to_a_package_that_stops_a_real_stream(tmp_path: Path, fault_server: FaultServer) -> None:
    place = Place(tmp_path)
    install, new, test, listed, build = blocks("sh")
    *_, suite, program = blocks("python")
    entry_point, configured = blocks("toml")
    _, tree, lists, stopped, refused = blocks("")

    place.run("sh", "-e", "-c", install + new)
    folder = place.work / "l0_guard_shouting"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert tree == "\n    ".join(["l0_guard_shouting/", *files]) + "\n"
    assert entry_point in (folder / "pyproject.toml").read_text()
    assert suite.partition("\n\n\n")[2] in (folder / "tests" / "test_shouting.py").read_text()

    assert " passed in " in place.run("sh", "-e", "-c", test)

    (place.work / "l0.toml").write_text(configured)
    assert place.run("sh", "-e", "-c", listed) == lists.replace("/home/me", str(place.work))
    assert place.run("python", "-W", "error", "-c", program) == stopped
    (place.work / "l0.toml").write_text(configured.replace("most = 2", 'most = "two"'))
    told = "try:\n    main()\nexcept l0.Error as error:\n    print(error)\n"
    failing = program.replace("asyncio.run(main())", told.replace("main()", "asyncio.run(main())"))
    assert place.run("python", "-c", failing) == refused.replace("/home/me", str(place.work))

    (place.work / "l0.toml").write_text(configured)
    place.run("sh", "-e", "-c", build)
    (wheel,) = (folder / "dist").glob("*.whl")
    assert len(list((folder / "dist").iterdir())) == 2
    users = tmp_path / "users"
    place.make(users, "l0-core", "l0-openai", str(wheel))
    fault_server.add("loud", Script(CALM, texts=[LOUD]))
    answer = json.loads(place.run("python", "-W", "error", "-c", PROGRAM, fault_server.base_url, environment=users))
    assert answer == [CALM, "complete", ["More than 2 exclamation marks"]]
    assert len(fault_server.requests) == 2


# What is written.


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A package of each kind, in a folder of its own."""
    where = tmp_path_factory.mktemp("packages")
    with contextlib.redirect_stdout(io.StringIO()):
        for kind in ("guardrail", "adapter", "monitor", "policy"):
            assert main(["new", kind, f"no_long_{kind}", "--dir", str(where), "--author", "Ada"]) == 0
        assert main(["new", "store", "x", "--dir", str(where)]) == 0
    return sorted(where.iterdir())


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_what_is_written_is_formatted_and_linted(command: list[str], packages: list[Path]) -> None:
    for package in packages:
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
        done = subprocess.run(ruff, cwd=package, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_types_of_what_is_written_are_right(packages: list[Path], tmp_path: Path) -> None:
    settings = ["--strict", "--python-version", "3.11", "--cache-dir", str(tmp_path)]
    paths = [str(path) for package in packages for path in (package / package.name, *(package / "tests").iterdir())]
    environ = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, packages))}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, *paths], cwd=tmp_path, env=environ, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_license_is_ours(packages: list[Path]) -> None:
    for package in packages:
        assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
