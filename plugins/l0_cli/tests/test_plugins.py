"""What is installed is listed without importing any of it."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest
from l0_cli import main
from l0_cli.plugins import listing
from l0_testing.measuring import seconds

import l0_core
from l0_core import Registry

Found = list[EntryPoint]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """Entry points of two distributions. Importing their module would be seen."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "l0_loud.py").write_text("raise AssertionError('imported')\n")
    for name, points in {
        "l0-loud": "[l0.adapters]\nloud = l0_loud:Adapter\n[l0.stores]\nfile = l0_loud:Store\n",
        "l0-gone": "[l0.guardrails]\ngone = l0_gone:Guardrail\n",
    }.items():
        folder = tmp_path / f"{name.replace('-', '_')}-2.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (folder / "entry_points.txt").write_text(points)
    return [point for each in distributions(path=[str(tmp_path)]) for point in each.entry_points]


def listed(registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    monkeypatch.setattr(l0_core, "registry", lambda: registry)
    assert main(["plugins", *more]) == 0
    return capsys.readouterr().out


def test_for_people(found: Found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Registry(found), monkeypatch, capsys) == (
        "adapter:\n"
        "  loud  l0-loud  2.0  installed\n"
        "guardrail:\n"
        "  gone  l0-gone  2.0  broken: there is no module 'l0_gone': reinstall l0-gone\n"
        "store:\n"
        "  file  l0-loud  2.0  installed\n"
    )
    assert "l0_loud" not in sys.modules


def test_for_programs(found: Found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(listed(Registry(found), monkeypatch, capsys, "--json"))
    assert [item["name"] for item in told] == ["loud", "gone", "file"]
    assert told[0] == {
        "kind": "adapter",
        "name": "loud",
        "distribution": "l0-loud",
        "version": "2.0",
        "state": "installed",
        "reason": None,
    }
    assert told[1]["state"] == "broken"


def test_one_that_could_not_be_loaded_keeps_its_reason(
    found: Found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(found)
    with pytest.raises(l0_core.Error, match="imported"):
        registry.load("adapter", "loud")
    assert "broken: AssertionError: imported" in listed(registry, monkeypatch, capsys)


def test_two_of_one_name_are_both_broken(
    found: Found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = [*found, EntryPoint("loud", "sys:path", "l0.adapters")]
    told = json.loads(listed(Registry(twice), monkeypatch, capsys, "--json"))
    assert [item["state"] for item in told if item["name"] == "loud"] == ["broken", "broken"]


def test_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Registry([]), monkeypatch, capsys) == (
        "No plugin is installed. One that most need: pip install l0-openai\n"
    )
    assert json.loads(listed(Registry([]), monkeypatch, capsys, "--json")) == []


def test_a_hundred_plugins_are_listed_within_100_ms_of_work(tmp_path: Path) -> None:
    for number in range(100):
        folder = tmp_path / f"acme_guard_{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: acme-guard-{number}\nVersion: 1.0\nRequires-Dist: l0-core>=0.1,<0.2\n"
        )
        (folder / "entry_points.txt").write_text(f"[l0.guardrails]\nacme_{number} = acme_guard:Guard\n")
    found = [point for each in distributions(path=[str(tmp_path)]) for point in each.entry_points]
    assert len(listing(Registry(found))) == 100
    assert seconds(lambda: listing(Registry(found)), 0.1) <= 0.1
