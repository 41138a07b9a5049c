"""What is configured, and where each value comes from."""

from __future__ import annotations

import io
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from l0_cli import main
from l0_cli.config import show
from l0_core.config import reload
from l0_core.config_values import KEYS
from rich.console import Console

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration but the test's own, and one plugin more."""
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "l0_cli_watcher.py").write_text(
        "from dataclasses import dataclass\n"
        "from l0_core import hookimpl\n"
        "class Watcher:\n"
        "    'Watches.'\n"
        "    @dataclass(frozen=True, kw_only=True)\n"
        "    class Options:\n"
        "        dsn: str = ''\n"
        "        every: float = float('inf')\n"
        "    def __init__(self, options=None): pass\n"
        "    @hookimpl\n"
        "    def on_token(self, ctx): return None\n"
    )
    folder = tmp_path / "acme_watcher-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-watcher\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text("[l0.monitors]\nacme.watcher = l0_cli_watcher:Watcher\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    reload()
    yield
    reload()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "l0.toml"
        path.write_text(text)
        reload()
        return path

    return write


TEXT = """\
monitors = ["acme.watcher"]

[timeout]
initial_token = "1500ms"
total = "none"

[monitor."acme.watcher"]
dsn = "hush"
"""


def test_each_value_is_shown_with_its_origin(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(TEXT)
    monkeypatch.setenv("L0_RETRY_BASE_DELAY", "0.25")
    assert main(["config"]) == 0
    assert capsys.readouterr().out == (
        f"# {path}\n"
        "\n"
        'monitors = ["acme.watcher"]  # l0.toml\n'
        "\n"
        "[timeout]\n"
        'initial_token = "1500ms"     # l0.toml [timeout]\n'
        "total = none                 # l0.toml [timeout]\n"
        "\n"
        "[retry]\n"
        'base_delay = "250ms"         # L0_RETRY_BASE_DELAY\n'
        "\n"
        '[monitor."acme.watcher"]\n'
        'dsn = "***"                  # l0.toml [monitor.acme.watcher]\n'
    )


def test_all_shows_every_key_and_the_options_of_what_is_named(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(TEXT)
    assert main(["config", "--all"]) == 0
    shown = capsys.readouterr().out
    for key in KEYS:
        assert f"\n{key.rpartition('.')[2]} = " in shown
    assert '\ninter_token = "10s"' in shown
    assert '\nevery = "inf"' in shown
    valid = "\n".join(line for line in shown.splitlines() if " = none " not in line)
    told = tomllib.loads(valid)
    assert told["monitor"] == {"acme.watcher": {"dsn": "***", "every": "inf"}}
    assert told["retry"]["error_type_delays"]["dns_error"] == "3s"


def test_for_programs(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(TEXT)
    assert main(["config", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["searched_from"]) == (str(path), os.getcwd())
    assert told["settings"] == [
        {"key": "monitors", "value": ["acme.watcher"], "source": str(path)},
        {"key": "timeout.initial_token", "value": 1500, "source": f"{path} [timeout]"},
        {"key": "timeout.total", "value": None, "source": f"{path} [timeout]"},
        {"key": "monitor.acme.watcher.dsn", "value": "***", "source": f"{path} [monitor.acme.watcher]"},
    ]
    assert main(["config", "--json", "--all"]) == 0
    keys = [setting["key"] for setting in json.loads(capsys.readouterr().out)["settings"]]
    assert keys == [*KEYS, "monitor.acme.watcher.dsn", "monitor.acme.watcher.every"]


def test_without_a_file_it_says_where_one_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = "# Nothing is configured, and so everything is at its default: l0 config --all shows it.\n"
    assert main(["config"]) == 0
    looked_for = "there is no l0.toml, and no pyproject.toml with [tool.l0]"
    assert capsys.readouterr().out == f"# No file: {looked_for}, in {os.getcwd()} and above it\n{nothing}"
    monkeypatch.setenv("L0_CONFIG", "")
    reload()
    assert main(["config"]) == 0
    assert capsys.readouterr().out == f"# No file is read: L0_CONFIG is empty\n{nothing}"


def test_a_file_that_a_variable_names_is_told_as_such(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("")
    monkeypatch.setenv("L0_CONFIG", str(path))
    assert main(["config"]) == 0
    assert capsys.readouterr().out.startswith(f"# {path}, which L0_CONFIG names\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[timeout", "is not TOML"),
        ("relase = 1", "unknown key 'relase'; did you mean 'release'?"),
        ("monitors = ['acme.wacher']", "monitors: no monitor named 'acme.wacher' is installed; did you mean"),
        ("store = 'pg://me:hush@host/x'", "no store named 'pg' is installed"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"], ["--all"]])
def test_an_error_is_one_line(
    text: str, says: str, form: list[str], write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(text)
    assert main(["config", *form]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"l0: ConfigError: {path}")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert "hush" not in said.err


def test_all_checks_the_options(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("[monitor.'acme.watcher']\nevry = 1")
    assert main(["config", "--all"]) == 2
    assert "unknown key 'evry'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["plugins"], ["plugins", "--json"], ["config"]])
def test_a_choice_of_what_is_not_installed_is_told(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "acme-wacher")
    reload()
    assert main(command) == 2
    said = capsys.readouterr()
    assert "L0_DISABLE_PLUGINS names 'acme-wacher'" in said.err
    assert "did you mean 'acme-watcher'?" in said.err
    assert said.err.count("\n") == 1
    assert ("acme-watcher" in said.out) == (command[0] == "plugins")
    if "--json" in command:
        assert json.loads(said.out)


def test_a_disabled_plugin_is_listed_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "acme-watcher")
    reload()
    assert main(["plugins"]) == 0
    assert "disabled: L0_DISABLE_PLUGINS names it" in capsys.readouterr().out


def test_a_value_cannot_steer_the_terminal(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write('adapter = "\\u001b[31mred\\nnext"')
    assert main(["config"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert 'adapter = "\\u001b[31mred\\nnext"' in shown


def test_defaults_are_dim_on_a_terminal(write: Write) -> None:
    write("keep_raw = true")
    file = io.StringIO()
    show(True, Console(file=file, force_terminal=True, width=40, highlight=False, _environ={"TERM": "xterm"}))
    lines = file.getvalue().splitlines()
    (default,) = [line for line in lines if "buffer_tool_calls" in line]
    (configured,) = [line for line in lines if "keep_raw" in line]
    assert default.startswith("\x1b[2mbuffer_tool_calls")
    assert configured.startswith("keep_raw = true")


def test_the_schema_is_of_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "release" in schema["properties"]
    assert schema["properties"]["monitor"]["properties"]["acme.watcher"]["description"] == "Watches."
    assert main(["config", "--schema", "--tool"]) == 0
    wrapped = json.loads(capsys.readouterr().out)
    assert wrapped["properties"]["tool"]["properties"]["l0"]["properties"] == schema["properties"]


@pytest.mark.parametrize("options", [["--tool"], ["--schema", "--json"], ["--schema", "--all"]])
def test_options_that_do_not_fit_are_told(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", *options]) == 2
    assert "--schema" in capsys.readouterr().err
