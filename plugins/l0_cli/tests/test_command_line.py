"""The command line itself, and what other distributions add to it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from l0_cli import main

Install = Callable[..., None]

ADDED = """\
import sys
import typer

app = typer.Typer()


@app.command()
def one(word: str) -> None:
    "First."
    typer.echo(f"one {word}")


@app.command()
def two() -> None:
    "Second."


def greet(name: str = "you") -> None:
    "Say hello."
    typer.echo(f"hello {name}")


THING = 3
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a distribution with the given entry points known to this process."""
    (tmp_path / "l0_added.py").write_text(ADDED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "l0_added", raising=False)

    def install(name: str, **commands: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        points = "".join(f"{command} = {target}\n" for command, target in commands.items())
        (folder / "entry_points.txt").write_text(f"[l0.commands]\n{points}")

    return install


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    helped = capsys.readouterr().out
    assert "demo " in helped
    assert "plugins " in helped
    assert main([]) == 0
    assert capsys.readouterr().out == helped


COMMANDS = "demo new doctor plugins config completion streams show replay diff export import record".split()


def test_help_is_whole_on_80_columns_and_names_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    helped = capsys.readouterr().out
    assert "..." not in helped.replace("[ARGS]...", "")
    assert max(map(len, helped.splitlines())) <= 80
    assert re.findall(r"^  ([a-z]+) +\S", helped, re.MULTILINE)[:-1] == COMMANDS
    for title in ("See it, and begin:", "What is here:", "Recorded streams:", "A provider's answers:"):
        assert f"\n{title}\n" in helped


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    _, _, examples = capsys.readouterr().out.partition("\n  Example:\n")
    assert examples
    assert all(re.match(rf"    (source <\()?l0 ({command}|replay)", line) for line in examples.splitlines())


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "completion"])
def test_every_command_can_print_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "--help"])
    assert "  --json " in capsys.readouterr().out


def test_the_page_of_the_command_line_has_each_command_and_no_option_that_there_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Path(__file__).parents[3] / "docs" / "command-line.md"
    if not page.exists():
        pytest.skip("the page is beside L0's source")
    sections = dict(re.findall(r"^## `l0 (\w+)`\n(.*?)(?=^## )", page.read_text(), re.MULTILINE | re.DOTALL))
    assert list(sections) == COMMANDS
    for line in re.findall(r"^l0 .*", page.read_text(), re.MULTILINE):
        command, *arguments = line.split("#")[0].split("|")[0].split(" -- ")[0].split()[1:]
        main([command, "--help"])
        helped = capsys.readouterr().out
        assert all(each in helped for each in arguments if each.startswith("-")), line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"l0-cli {version('l0-cli')}, l0-core {version('l0-core')}\n"


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dmeo"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("l0: No such command 'dmeo'")
    assert "l0 --help" in said
    assert said.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, l0_cli; l0_cli.main(['--help']);"
        "sys.exit(', '.join({'rich', 'openai', 'l0_testing', 'pydantic', 'asyncio'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_python_m_and_the_script_are_the_same() -> None:
    run = subprocess.run([sys.executable, "-m", "l0_cli", "--version"], capture_output=True, text=True)
    assert run.stdout.startswith("l0-cli ")


def test_another_distribution_adds_an_app_and_a_function(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("l0-added", greet="l0_added:greet", added="l0_added:app")
    assert main(["greet", "--name", "L0"]) == 0
    assert main(["added", "one", "word"]) == 0
    assert capsys.readouterr().out == "hello L0\none word\n"
    main(["--help"])
    assert "Say hello." in capsys.readouterr().out


def test_what_is_not_called_is_not_imported(install: Install) -> None:
    install("l0-added", greet="l0_added:greet")
    assert main(["plugins"]) == 0
    assert "l0_added" not in sys.modules


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("l0_not_there:app", "ModuleNotFoundError: No module named 'l0_not_there'"),
        ("l0_added:missing", "AttributeError"),
        ("l0_added:THING", "neither a typer app nor a function"),
    ],
)
def test_a_broken_one_breaks_nothing_else(
    target: str, reason: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("l0-added", bad=target, greet="l0_added:greet")
    assert main(["--help"]) == 0
    helped = capsys.readouterr().out
    assert "cannot be used" in helped
    assert "Say hello." in helped
    assert main(["bad", "--any", "thing"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("l0: the command 'bad' cannot be used: l0-added 1.2: ")
    assert reason in said
    assert said.count("\n") == 1


def test_two_of_one_name_are_refused_and_both_named(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("l0-added", greet="l0_added:greet")
    install("l0-other", greet="l0_added:greet")
    assert main(["greet"]) == 2
    said = capsys.readouterr().err
    assert "l0-added 1.2" in said
    assert "l0-other 1.2" in said


def test_its_own_commands_cannot_be_replaced(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("l0-added", plugins="l0_added:greet")
    assert main(["plugins"]) == 0
    assert "hello" not in capsys.readouterr().out
