"""What `l0 new` writes is a distribution that works as it stands, and nothing is lost by asking for one."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from l0_cli import main
from l0_cli.new import bounds

import l0_core

README = Path(__file__).parents[1] / "README.md"

NAMES = {
    "guardrail": "sample_words",
    "adapter": "sample",
    "store": "sample-journal",
    "monitor": "sample_log",
    "policy": "sample_patience",
}


def new(kind: str, name: str, where: Path, *more: str) -> Path:
    """Write a package; returns its folder."""
    assert main(["new", kind, name, "--dir", str(where), *more]) == 0
    (folder,) = where.iterdir()
    return folder


def project(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return read


def install(folder: Path) -> None:
    """Make a package known to processes that have its folder on their path."""
    told = project(folder)
    ((group, points),) = told["entry-points"].items()
    info = folder / f"{folder.name}-{told['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {each}\n" for each in told["dependencies"])
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {told['name']}\nVersion: 0.1.0\n{requires}")
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{a} = {b}\n" for a, b in points.items()))


def test_every_kind_can_be_written() -> None:
    assert set(NAMES) == set(l0_core.GROUPS)


@pytest.mark.parametrize("kind", NAMES)
def test_its_tests_pass_as_written(kind: str, tmp_path: Path) -> None:
    folder = new(kind, NAMES[kind], tmp_path)
    install(folder)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("L0_", "PYTEST_"))}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), environ.get("PYTHONPATH")]))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=folder, env=environ, text=True, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    # No file configures an adapter. A monitor of the log begins nothing, and tells nothing of what a model says.
    skipped = {"adapter": ", 1 skipped", "monitor": ", 2 skipped"}.get(kind, "")
    assert re.search(rf"^\d+ passed{skipped} in", ran.stdout, re.MULTILINE), ran.stdout


@pytest.mark.parametrize("kind", NAMES)
def test_it_is_whole(kind: str, tmp_path: Path) -> None:
    folder = new(kind, NAMES[kind], tmp_path)
    stem = "guard" if kind == "guardrail" else kind
    module = f"l0_{stem}_{NAMES[kind].replace('-', '_')}"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert folder.name == module
    assert found == {
        *("pyproject.toml", "README.md", "LICENSE", f"{module}/__init__.py", f"{module}/py.typed"),
        f"tests/test_{NAMES[kind].replace('-', '_')}.py",
    }
    told = project(folder)
    assert told["name"] == module.replace("_", "-")
    assert told["dependencies"] == [f"l0-core{bounds(l0_core.__version__)}"]
    ((group, points),) = told["entry-points"].items()
    assert group == l0_core.GROUPS[kind]
    assert list(points) == [NAMES[kind]]
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "authors" not in told
    for path in found - {"LICENSE"}:
        text = (folder / path).read_text()
        assert not re.search(r"\$|TODO|FIXME|XXX|<[a-z]+>|NotImplemented", text), path


def test_it_suits_the_kernel_that_runs() -> None:
    assert bounds("0.1.0") == ">=0.1,<0.2"
    assert bounds("0.12.3") == ">=0.12,<0.13"
    assert bounds("1.4.2") == ">=1.4,<2"
    assert bounds(version("l0-core")) == bounds(l0_core.__version__)


def test_what_to_type_next_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = new("guardrail", "shouting", tmp_path / "my plugins")
    said = capsys.readouterr().out
    assert "l0-guard-shouting" in said.splitlines()[0]
    assert said.splitlines()[-3:] == [
        f"cd {shlex.quote(str(folder))}",
        "pip install -e . l0-testing pytest",
        "pytest",
    ]


def test_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = new("monitor", "slow_log", tmp_path, "--json", "--prefix", "acme-")
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("kind", "name", "distribution", "module", "class", "folder")} == {
        "kind": "monitor",
        "name": "slow_log",
        "distribution": "acme-slow-log",
        "module": "acme_slow_log",
        "class": "SlowLog",
        "folder": str(folder),
    }
    assert "tests/test_slow_log.py" in told["files"]
    assert told["next"][0] == f"cd {folder}"


def test_where_nothing_is_said_it_is_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "guardrail", "shouting"]) == 0
    assert (tmp_path / "l0_guard_shouting" / "pyproject.toml").is_file()
    assert f"$ l0 new guardrail shouting\n{capsys.readouterr().out}```\n" in README.read_text()


@pytest.mark.parametrize(
    ("author", "written"),
    [
        ("Ada", {"name": "Ada"}),
        ('Ada "the first" Lovelace', {"name": 'Ada "the first" Lovelace'}),
        ("Ádá 🌊 <ada@acme.org>", {"name": "Ádá 🌊", "email": "ada@acme.org"}),
    ],
)
def test_an_author_is_written(author: str, written: dict[str, str], tmp_path: Path) -> None:
    assert project(new("policy", "patience", tmp_path, "--author", author))["authors"] == [written]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_shouting", "NoShouting"),
        ("x2", "X2"),
        # Names that the code or Python has already.
        ("violation", "ViolationGuardrail"),
        ("guardrail_suite", "GuardrailSuiteGuardrail"),
        ("options", "OptionsGuardrail"),
        ("true", "TrueGuardrail"),
        ("exception", "ExceptionGuardrail"),
    ],
)
def test_a_class_takes_no_name_that_is_needed(name: str, expected: str, tmp_path: Path) -> None:
    folder = new("guardrail", name, tmp_path)
    assert project(folder)["entry-points"]["l0.guardrails"] == {name: f"{folder.name}:{expected}"}
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")


REFUSED = [
    (["guardrail", "Shouting"], "'Shouting' is no name of a guardrail: .*; shouting is one"),
    (["guardrail", "NoShouting"], "; no_shouting is one"),
    (["guardrail", "no-shouting"], "single _ between them; no_shouting is one"),
    (["store", "my_journal"], "single - between them; my-journal is one"),
    (["adapter", "9lives"], "'9lives' is no name of an adapter: it begins with a letter"),
    (["guardrail", "a__b"], "; a_b is one"),
    (["guardrail", "../x"], "; x is one"),
    (["guardrail", "schön"], "no name"),
    (["guardrail", "a\nb"], "no name"),
    (["guardrail", ""], "no name"),
    (["guardrail", "shouting", "--prefix", "Acme_"], "--prefix 'Acme_' makes the module 'Acme_shouting'"),
    (["guardrail", "shouting", "--prefix", "../"], "a prefix is lower-case letters"),
    (["guardrail", "json", "--prefix", ""], "another --prefix|installed here already"),
    (["guardrail", "class", "--prefix", ""], "another --prefix"),
    (["adapter", "core", "--prefix", "l0_"], "another --prefix"),
    (["guardrail", "shouting", "--author", " "], "--author is ' '"),
    (["guardrail", "shouting", "--author", "Ada <nowhere>"], "a name and an address"),
    (["guardrail", "shouting", "--author", "<ada@acme.org>"], "a name and an address"),
    (["guard", "shouting"], "'guard' is not one of 'guardrail', 'adapter', 'store', 'monitor', 'policy'"),
    (["guardrail"], "Missing argument 'NAME'"),
]


@pytest.mark.parametrize(("arguments", "reason"), REFUSED, ids=[" ".join(map(repr, given)) for given, _ in REFUSED])
def test_what_cannot_be_meant_is_one_line_and_writes_nothing(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", *arguments, "--dir", str(tmp_path / "here")]) == 2
    said = capsys.readouterr()
    assert re.search(reason, said.err.strip()), said.err
    assert (said.err.count("\n"), said.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(new("guardrail", "shouting", tmp_path / "one"))
    monkeypatch.syspath_prepend(str(tmp_path / "one" / "l0_guard_shouting"))
    registry = l0_core.Registry()
    monkeypatch.setattr(l0_core, "registry", lambda: registry)
    assert main(["new", "guardrail", "shouting", "--dir", str(tmp_path / "two")]) == 2
    assert "installed here already, from l0-guard-shouting 0.1.0" in capsys.readouterr().err
    new("monitor", "shouting", tmp_path / "two")


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_nothing_is_overwritten(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "l0_guard_shouting"
    if what == "folder":
        there.mkdir()
    elif what == "file":
        there.write_text("mine")
    else:
        there.symlink_to("nowhere")
    assert main(["new", "guardrail", "shouting", "--dir", str(tmp_path)]) == 2
    assert "l0_guard_shouting is there already: choose another name" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == [there.name]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["new", "guardrail", "shouting", "--dir", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "file") in said
    assert said.count("\n") == 1
