"""The page of every key (`docs/configuration-reference.md`) is what the code says, and it is whole."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from l0_core.config_values import KEYS

from l0_core import ConfigError, config_read, registry

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration-reference.md"
GENERATOR = ROOT / "docs" / "generate_configuration.py"

specification = importlib.util.spec_from_file_location("generate_configuration", GENERATOR)
assert specification is not None
assert specification.loader is not None
generate = importlib.util.module_from_spec(specification)
specification.loader.exec_module(generate)


def rows() -> dict[str, list[str]]:
    """The cells of each row by its key: what it accepts, unit, default, variable, meaning."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            key, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found[key.strip("`")] = cells
    return found


def test_the_page_is_what_the_generator_makes() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_check_says_what_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generate, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(PAGE.read_text().replace('"fixed-jitter"', '"linear"'))
    with pytest.raises(SystemExit, match=r'(?s)-.*"linear".*\+.*"fixed-jitter".*generate_configuration\.py'):
        generate.main(["--check"])
    generate.main([])
    generate.main(["--check"])


def test_what_is_disabled_here_is_on_the_page_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "json")
    assert generate.page() == PAGE.read_text()


def test_every_key_and_every_option_is_there_and_each_has_a_meaning() -> None:
    found = rows()
    assert set(KEYS) <= set(found)
    for kind in ("guardrail", "monitor", "store", "policy"):
        for item in registry().installed(kind):
            options = getattr(item.entry_point.load(), "Options", None)
            if item.distribution.startswith("l0-") and options is not None:
                names = {field for field, value in options.__dataclass_fields__.items() if value.init}
                assert {f"{kind}.{item.name}.{name}" for name in names} <= set(found)
    assert [key for key, cells in found.items() if not cells[0] or not cells[2] or not cells[4]] == []


def test_times_have_a_unit() -> None:
    found = rows()
    for key, kind in KEYS.items():
        assert found[key][1] == kind.unit
    assert found["store.sqlite.ttl"][1] == "ms"


def test_every_variable_is_one() -> None:
    for key, cells in rows().items():
        variable = cells[3].strip("`")
        if not variable:
            assert cells[0] == "a table"
            continue
        said = ""
        try:
            config_read.read(None, {variable: "x"})
        except ConfigError as error:
            said = str(error)
        # It is known, and "x" is no value of it.
        assert not said or "it must be" in said, key


def test_nothing_is_said_of_a_key_that_there_is_not() -> None:
    for said in (generate.MEANINGS, generate.UNITS):
        for key in said:
            assert any(generate.known({key: "x"}, each) for each in rows()), key
