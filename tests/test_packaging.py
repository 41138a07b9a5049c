"""Each distribution stands by itself: it names what it needs, and passes its tests from a copy in an empty place."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
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
    assert listed == sorted(str(member.relative_to(ROOT)) for member in MEMBERS)
    names = {project(member)["project"]["name"] for member in MEMBERS}
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
            assert top not in SDKS or top in declared, where


def test_nothing_of_this_machine_or_of_an_index_is_recorded() -> None:
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    assert "uv.lock" not in tracked
    words = ["pypi" + r"\.org", "python" + "hosted", "registry\\.npm" + "js"]
    for name in tracked:
        text = (ROOT / name).read_text(errors="replace") if (ROOT / name).is_file() else ""
        for word in words:
            assert not re.search(word, text), f"{name} names a package index"


def uv() -> str:
    found = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.fail("uv is needed: run the tests by ./dev test, which gets it")
    return found


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheels")
    subprocess.run([uv(), "build", "--quiet", "--all-packages", "--wheel", "-o", str(out)], cwd=ROOT, check=True)
    return out


def alone(member: Path, wheels: Path, where: Path, *requirements: str) -> None:
    """Install one distribution in an empty environment, and run a copy of its tests there."""
    environment = where / "env"
    python = environment / "bin" / "python"
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    name = project(member)["project"]["name"]
    test_needs = ["pytest", "pytest-timeout", "hypothesis"]
    if name != "l0-testing":
        test_needs.append("l0-testing")
    if name == "l0-cli":
        name = "l0-cli[demo]"
    subprocess.run(
        [uv(), "pip", "install", "--quiet", "--python", str(python), "--find-links", str(wheels), name, *test_needs,
         *requirements],
        check=True, cwd=where,
    )  # fmt: skip
    shutil.copytree(member / "tests", where / "copy" / "tests")
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(member / name, where / "copy" / name)
    settings = ["-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib", "-q", "--timeout=120"]
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    # The random cases of guardrails are run in full size where they are; here they need only run.
    environ.setdefault("L0_TEST_GUARD_CASES", "500")
    done = subprocess.run(
        [str(environment / "bin" / "pytest"), *settings, "tests"],
        cwd=where / "copy",
        env=environ,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "member", [m for m in MEMBERS if m.name != "l0_openai"], ids=[n for n in NAMES if n != "l0_openai"]
)
def test_a_distribution_passes_its_tests_alone(member: Path, wheels: Path, tmp_path: Path) -> None:
    alone(member, wheels, tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("major", [2, 3])
def test_openai_passes_on_both_majors_and_so_does_the_campaign(major: int, wheels: Path, tmp_path: Path) -> None:
    member = tmp_path / "l0_openai"
    shutil.copytree(ROOT / "l0_openai", member)
    shutil.copy(ROOT / "tests" / "test_campaign.py", member / "tests")
    alone(member, wheels, tmp_path, f"openai>={major},<{major + 1}")
