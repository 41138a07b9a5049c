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
from types import ModuleType
from typing import Any

import pytest


def program(name: str) -> ModuleType:
    """A program of this folder as a module, which others import by its name."""
    specification = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


alone = program("alone")
wheels = program("wheels")

ROOT: Path = alone.ROOT
MEMBERS: list[Path] = wheels.MEMBERS
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
    assert metadata["version"] == wheels.VERSION
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


@pytest.mark.parametrize(("after", "why"), [("sys.exit(3)", "exit status 3"), ("time.sleep(60)", "timed out")])
def test_what_a_command_said_is_told_when_it_fails(
    after: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "TIMEOUT", 2)
    code = f"import sys, time; print('so it was', flush=True); {after}"
    with pytest.raises(alone.Failed, match=rf"{why}.*\nso it was\n$"):
        alone.command(sys.executable, "-c", code, where=tmp_path)


JSON = ROOT / "plugins" / "l0_guard_json"
INFO = f"l0_guard_json-{wheels.VERSION}.dist-info"
METADATA = f"""\
Metadata-Version: 2.4
Name: l0-guard-json
Version: {wheels.VERSION}
Summary: A guardrail.
License-Expression: Apache-2.0
License-File: LICENSE
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
Requires-Python: >=3.11
Requires-Dist: l0-core>=0.1,<0.2
Description-Content-Type: text/markdown

"""


def built(top: str) -> dict[str, bytes]:
    """The files of a wheel (`top` is empty), or those of an sdist, as they should be."""
    names = {name for name in wheels.tracked(JSON) if top or name.startswith("l0_guard_json/")}
    files = {top + name: (JSON / name).read_bytes() for name in names}
    if top:
        return {**files, f"{top}PKG-INFO": b"", f"{top}.gitignore": b""}
    metadata = (METADATA + (JSON / "README.md").read_text()).encode()
    more = {"METADATA": metadata, "WHEEL": b"", "RECORD": b"", "licenses/LICENSE": (ROOT / "LICENSE").read_bytes()}
    return files | {f"{INFO}/{name}": data for name, data in more.items()}


def wrong_with_wheel(files: dict[str, bytes]) -> list[str]:
    return list(wheels.wrong_with_wheel(JSON, files, wheels.tracked(JSON)))


def test_nothing_is_found_in_a_wheel_and_an_sdist_that_are_right() -> None:
    top = f"l0_guard_json-{wheels.VERSION}/"
    assert wrong_with_wheel(built("")) == []
    assert list(wheels.wrong_with_sdist(JSON, built(top), wheels.tracked(JSON))) == []


@pytest.mark.parametrize("name", ["l0_guard_json/py.typed", f"{INFO}/licenses/LICENSE", "l0_guard_json/structure.py"])
def test_what_a_wheel_lacks_is_found(name: str) -> None:
    files = built("")
    del files[name]
    assert f"the wheel lacks {name}" in wrong_with_wheel(files)


@pytest.mark.parametrize("name", ["tests/test_json.py", "l0/__init__.py", "l0_guard_json/old.py", f"{INFO}/notes"])
def test_what_does_not_belong_in_a_wheel_is_found(name: str) -> None:
    (problem,) = wrong_with_wheel({**built(""), name: b""})
    assert problem.startswith(f"the wheel holds {name}")


@pytest.mark.parametrize(
    ("line", "instead", "problem"),
    [
        ("Name: l0-guard-json", "Name: l0-json", "name is l0-json"),
        (f"Version: {wheels.VERSION}", "Version: 9.9", "version is 9.9"),
        ("License-Expression: Apache-2.0", "License-Expression: MIT", "license_expression is MIT"),
        ("License-File: LICENSE\n", "", "license_files is None"),
        ("Requires-Python: >=3.11\n", "", "requires_python is None"),
        ("Summary: A guardrail.\n", "", "no summary"),
        ("Classifier: Typing :: Typed\n", "", "no classifier Typing :: Typed"),
        ("text/markdown", "text/plain", "description_content_type is text/plain"),
        ("\n\n# ", "\n\nAbout this:\n# ", "the description is not the README"),
        ("<0.2", "<0.1", f"l0-core<0.1,>=0.1 excludes version {wheels.VERSION}"),
        ("l0-core>=", "l0-cor>=", "there is no l0-cor"),
        ("Summary:", "Project-URL: Home, https://l0.example/\nSummary:", "the URL Home leads nowhere"),
        ("Summary:", "Project-URL: Home, https://www.example.com\nSummary:", "the URL Home leads nowhere"),
        ("Summary:", "Project-URL: Home, http://localhost:80/\nSummary:", "the URL Home leads nowhere"),
        ("Summary:", "Nonsense: 1\nSummary:", "nonsense"),
    ],
)
def test_what_is_wrong_with_metadata_is_found(line: str, instead: str, problem: str) -> None:
    files = built("")
    metadata = files[f"{INFO}/METADATA"].decode()
    assert line in metadata
    files[f"{INFO}/METADATA"] = metadata.replace(line, instead, 1).encode()
    (found,) = wrong_with_wheel(files)
    assert found.startswith("METADATA: ")
    assert problem in found


def test_an_sdist_is_the_folder_of_its_distribution() -> None:
    top = f"l0_guard_json-{wheels.VERSION}/"
    files = built(top)
    del files[f"{top}tests/test_json.py"]
    files[f"{top}notes.txt"] = b""
    files[f"{top}README.md"] += b"more"
    lacks, holds, differs = wheels.wrong_with_sdist(JSON, files, wheels.tracked(JSON))
    assert lacks == "the sdist lacks tests/test_json.py"
    assert holds.startswith("the sdist holds notes.txt")
    assert differs == "the README.md of the sdist is not that of the repository"


def test_the_line_that_a_readme_installs_by_is_its_first(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("With `pip install x[more]`:\n\n```sh\npip install 'x[demo]' y  # both\npip install z\n```\n")
    assert wheels.install_line(tmp_path) == "pip install 'x[demo]' y  # both"
    readme.write_text("pipe install x\n")
    assert wheels.install_line(tmp_path) is None


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
