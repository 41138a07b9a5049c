"""Runs the tests of distributions alone: each from its wheel, in an empty environment, outside the repository.

`python tests/alone.py FOLDER RUN...` works in FOLDER, and does one run after the other. A run is named by the folder of
the distribution, with `@2` or `@3` after it for that major version of the OpenAI SDK: `l0_core`, `l0_openai@2`. After
each run one line of JSON says `{"run": NAME, "problem": TEXT}`; the text is empty if every test passed.

It is a process of its own, started by `conftest.py`, so that the tests in the tree run beside it and do not see it:
they count threads, children and open files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT = 600
"""Seconds that a run may take."""

APART = ["l0_litellm"]
"""Distributions that are no members of the workspace: they require what excludes what the others are tested with."""

NEEDS = ["pytest", "pytest-timeout", "hypothesis", "l0-testing"]
EXTRAS = {"l0-cli": "demo"}
PYTEST = ["-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib", "-q", "--timeout=120"]

# The random cases are run in full size where they are; here they need only run.
SIZES = {
    "L0_TEST_GUARD_CASES": "500",
    "L0_TEST_JSON_CASES": "2000",
    "L0_TEST_REPLAY_CASES": "50",
    "L0_TEST_SSE_CASES": "50",
    "L0_TEST_STORE_CASES": "5",
    "L0_TEST_WINDOW_CASES": "200",
}
# Without bytecode each of the many processes that tests start compiles the SDK again.
NOT_INHERITED = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


class Failed(Exception):
    """A command failed. The message is the end of what it said."""


def command(*arguments: str | Path, where: Path) -> None:
    """Run a command in a folder.

    Raises:
        Failed: it ended with an error, or took longer than `TIMEOUT`.
    """
    environ = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        try:
            subprocess.run(
                [str(argument) for argument in arguments],
                cwd=where, env={**environ, **SIZES}, stdout=said, stderr=said, check=True, timeout=TIMEOUT,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said.seek(0)
            raise Failed(f"{error}\n{said.read()[-10_000:]}") from None


def uv() -> str:
    """The path of uv.

    Raises:
        Failed: it is nowhere.
    """
    found = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(found).exists():
        raise Failed("uv is needed: run the tests by ./dev test, which gets it")
    return found


def build(folder: Path, *options: str) -> None:
    """Build every distribution into a folder: sdists, and wheels of these; with `--wheel`, wheels of the tree alone.

    Raises:
        Failed: one cannot be built.
    """
    command(uv(), "build", "--quiet", "--all-packages", *options, "-o", folder, where=ROOT)
    for apart in APART:
        command(uv(), "build", "--quiet", *options, "-o", folder, where=ROOT / apart)


def copy(run: str, where: Path) -> None:
    """Copy what a run needs of the tree, which may change before its turn comes."""
    folder, _, major = run.partition("@")
    member = ROOT / folder if (ROOT / folder).exists() else ROOT / "plugins" / folder
    shutil.copytree(member / "tests", where / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(member / file, where)
    if major:
        shutil.copy(ROOT / "tests" / "test_campaign.py", where / "tests")


def alone(run: str, wheels: Path, where: Path) -> None:
    """Install one distribution in an empty environment, and run the copy of its tests there.

    Raises:
        Failed: it cannot be installed, or a test fails.
    """
    metadata = tomllib.loads((where / "pyproject.toml").read_text())
    name = metadata["project"]["name"]
    requirements = [f"{name}[{EXTRAS[name]}]" if name in EXTRAS else name, *NEEDS]
    requirements += metadata.get("dependency-groups", {}).get("test", [])
    if major := run.partition("@")[2]:
        requirements.append(f"openai>={major},<{int(major) + 1}")
    environment = where.with_name(f"{where.name}.env")
    programs = environment / "bin"
    command(uv(), "venv", "--quiet", "--python", sys.executable, environment, where=where)
    command(
        uv(), "pip", "install", "--quiet", "--python", programs / "python", "--find-links", wheels, *requirements,
        where=where,
    )  # fmt: skip
    command(programs / "pytest", *PYTEST, "tests", where=where)
    shutil.rmtree(environment)


def main(folder: Path, runs: list[str]) -> None:
    for run in runs:
        copy(run, folder / run)
    wheels, unbuilt = folder / "wheels", ""
    try:
        build(wheels, "--wheel")
    except Failed as error:
        unbuilt = str(error)
    for run in runs:
        problem = unbuilt
        if not unbuilt:
            try:
                alone(run, wheels, folder / run)
            except Failed as error:
                problem = str(error)
        sys.stdout.write(json.dumps({"run": run, "problem": problem}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
