"""Each distribution stands by itself: it names what it needs, and passes its tests from a copy in an empty place."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
MEMBERS = sorted(path.parent for path in [*ROOT.glob("l0_*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")])
NAMES = [member.name for member in MEMBERS]


def project(member: Path) -> dict[str, Any]:
    return tomllib.loads((member / "pyproject.toml").read_text())


def requirement_name(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower()


def test_the_workspace_names_every_member() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = sorted(root["tool"]["uv"]["workspace"]["members"])
    members = [member for member in MEMBERS if member.name not in alone.APART]
    assert listed == sorted(str(member.relative_to(ROOT)) for member in members)
    names = {project(member)["project"]["name"] for member in members}
    assert set(root["project"]["dependencies"]) == names == set(root["tool"]["uv"]["sources"])


@pytest.mark.parametrize("member", MEMBERS, ids=NAMES)
def test_a_distribution_is_whole(member: Path) -> None:
    metadata = project(member)["project"]
    assert metadata["name"] == member.name.replace("_", "-")
    assert metadata["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert metadata["requires-python"] == ">=3.11"
    assert (member / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert not (member / "LICENSE").is_symlink()
    assert len((member / "README.md").read_text()) > 300
    assert (member / member.name / "py.typed").exists()
    assert list((member / "tests").glob("test_*.py"))


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, [alias.name for alias in node.names]


OURS = {*NAMES, "l0"}
SDKS = {"openai", "litellm", "httpx", "httpx2", "aiohttp", "anthropic", "sentry_sdk", "opentelemetry"}


@pytest.mark.parametrize("member", MEMBERS, ids=NAMES)
def test_the_rules_of_the_house(member: Path) -> None:
    """The kernel imports no plugin and no SDK; a plugin imports the kernel's public names, and what it declares."""
    metadata = project(member)["project"]
    extras = metadata.get("optional-dependencies", {}).values()
    required = itertools.chain(metadata["dependencies"], *extras)
    declared = {requirement_name(requirement).replace("-", "_") for requirement in required}
    for path in (member / member.name).rglob("*.py"):
        for module, names in imports(path):
            top = module.partition(".")[0]
            where = f"{path.relative_to(ROOT)} imports {module}"
            if member.name == "l0_core":
                assert top not in (OURS | SDKS) - {"l0_core"}, where
                continue
            if top in OURS and top != member.name:
                assert top in declared or (top == "l0" and "l0_core" in declared), where
                assert "." not in module, f"{where}: only public names"
                assert not any(name.startswith("_") and name != "__version__" for name in names), where
            assert top not in SDKS or any(name == top or name.startswith(f"{top}_") for name in declared), where


def test_nothing_of_this_machine_or_of_an_index_is_recorded() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    assert "uv.lock" not in tracked
    words = ["pypi" + r"\.org", "python" + "hosted", "registry\\.npm" + "js"]
    for name in tracked:
        text = (ROOT / name).read_text(errors="replace") if (ROOT / name).is_file() else ""
        for word in words:
            assert not re.search(word, text), f"{name} names a package index"


specification = importlib.util.spec_from_file_location("alone", ROOT / "tests" / "alone.py")
assert specification is not None
assert specification.loader is not None
alone = importlib.util.module_from_spec(specification)
specification.loader.exec_module(alone)


@pytest.mark.parametrize(("after", "why"), [("sys.exit(3)", "exit status 3"), ("time.sleep(60)", "timed out")])
def test_what_a_command_said_is_told_when_it_fails(
    after: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "TIMEOUT", 2)
    code = f"import sys, time; print('so it was', flush=True); {after}"
    with pytest.raises(alone.Failed, match=rf"{why}.*\nso it was\n$"):
        alone.command(sys.executable, "-c", code, where=tmp_path)


def waiting(*runs: str) -> list[Any]:
    return [pytest.param(run, marks=pytest.mark.waits_for_run(run)) for run in runs]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", waiting(*(name for name in NAMES if name != "l0_openai")))
def test_a_distribution_passes_its_tests_alone(run: str, wait_for_run: Callable[[str], None]) -> None:
    wait_for_run(run)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", waiting("l0_openai@2", "l0_openai@3"))
def test_openai_passes_on_both_majors_and_so_does_the_campaign(run: str, wait_for_run: Callable[[str], None]) -> None:
    wait_for_run(run)
