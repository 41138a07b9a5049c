"""`l0 doctor`: what is wrong is found, said on one line, and comes with what mends it."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from l0_cli import doctor, doctor_configured, doctor_installed, doctor_outside, findings, main
from l0_cli.findings import Finding, bounded
from rich.console import Console

from l0_core import config

Dist = Callable[..., None]

MODULES = {
    "l0_fine": "class Fine:\n    from l0_core import hookimpl\n    @hookimpl\n    def on_token(self, ctx): ...\n",
    "l0_chatty": "print('hello')\n",
    "l0_loud": "raise RuntimeError('too\\nloud')\n",
    "l0_gone": "import sys\nsys.exit(3)\n",
    "l0_unmarked": "class Unmarked:\n    def check(self, ctx): ...\n",
    "l0_asked": (
        "import asyncio, threading\n"
        "over = threading.Event()\n"
        "class Kept:\n"
        "    async def exists(self, stream_id):\n"
        "        while 'silent' in self.url and not over.is_set(): await asyncio.sleep(0.01)\n"
        "        if 'broken' in self.url: raise OSError('no disk at ' + self.url)\n"
        "        return False\n"
        "class Asked:\n"
        "    from dataclasses import dataclass\n"
        "    from l0_core import hookimpl\n"
        "    @dataclass(frozen=True, kw_only=True)\n"
        "    class Options:\n"
        "        url: str = ''\n"
        "    def __init__(self, options=None):\n"
        "        self.store = Kept()\n"
        "        self.store.url = options.url\n"
        "    @hookimpl\n"
        "    def store_event(self, ctx): ...\n"
    ),
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration but the test's own, and a folder of packages before all others."""
    for name in [name for name in os.environ if name.startswith(("L0_", "OTEL_", "SENTRY_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    for folder in ("here", "site"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    config.reload()
    yield
    config.reload()


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dist:
    """Make a distribution known, with what it requires, its files, and its entry points by group."""
    for module, code in MODULES.items():
        (tmp_path / "site" / f"{module}.py").write_text(code)
        monkeypatch.delitem(sys.modules, module, raising=False)

    def dist(name: str, version: str, *requires: str, record: str = "", **groups: dict[str, str]) -> None:
        folder = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        needed = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        (folder / "RECORD").write_text(record)
        points = (
            f"[l0.{group}]\n" + "".join(f"{key} = {to}\n" for key, to in at.items()) for group, at in groups.items()
        )
        (folder / "entry_points.txt").write_text("".join(points))
        config.reload()

    return dist


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def open_port() -> Iterator[int]:
    """A port that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def wrong(found: Iterator[Finding]) -> list[Finding]:
    """What is not well. Each has a line that says so, and one that mends it."""
    bad = [each for each in found if each.status != "ok"]
    assert all(each.fix and "\n" not in each.message + each.fix for each in bad)
    return bad


def only(found: Iterator[Finding]) -> Finding:
    (each,) = found
    return each


# The command.


def test_as_json_it_is_a_list_of_findings_and_no_key_is_in_it() -> None:
    environ = {**os.environ, "OPENAI_API_KEY": "sk-hush"}
    run = subprocess.run(
        [sys.executable, "-m", "l0_cli", "doctor", "--json"], capture_output=True, text=True, env=environ
    )
    told = json.loads(run.stdout)
    assert [each for each in told if each["status"] == "problem"] == []
    assert (run.returncode, run.stderr) == (0, "")
    assert all(list(each) == ["check", "status", "message", "fix"] for each in told)
    assert {each["check"] for each in told} == set(doctor.CHECKS)
    assert "OPENAI_API_KEY is set" in run.stdout
    assert "hush" not in run.stdout


def test_what_an_import_prints_is_not_among_the_json(
    dist: Dist, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"plugins": doctor_configured.plugins})
    monkeypatch.setattr(doctor_configured, "OTHER_GROUPS", ())
    dist("acme-chatty", "1.0", stores={"chatty": "l0_chatty:Store"})
    assert main(["doctor", "--json"]) == 1
    said = capsys.readouterr()
    assert "AttributeError" in json.loads(said.out)[0]["message"]
    assert said.err == "hello\n"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the checks by one that finds what it is given."""

    def made(*found: Finding) -> None:
        monkeypatch.setattr(doctor, "CHECKS", {"store": lambda: found})

    return made


OK = Finding("store", "ok", "all is well")
WARNING = Finding("store", "warning", "so so", "see to it")
PROBLEM = Finding("store", "problem", "all is lost", "begin anew")


@pytest.mark.parametrize(
    ("found", "code", "verdict"),
    [
        ([OK], 0, "Nothing is wrong."),
        ([OK, WARNING], 0, "1 warning."),
        ([PROBLEM, OK, WARNING, WARNING], 1, "1 problem and 2 warnings."),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_code_is_1_if_there_is_a_problem(
    found: list[Finding], code: int, verdict: str, form: list[str], made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made(*found)
    assert main(["doctor", *form]) == code
    said = capsys.readouterr().out
    if form:
        assert json.loads(said) == [asdict(each) for each in found]
    else:
        assert said.splitlines()[-1] == verdict


def test_for_people_each_finding_is_a_line_with_the_fix_below(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made(OK, PROBLEM)
    main(["doctor"])
    assert capsys.readouterr().out == (
        "ok       store  all is well\nproblem  store  all is lost\n                -> begin anew\n1 problem.\n"
    )


def test_a_terminal_gets_lines_that_fit_and_nothing_that_steers_it() -> None:
    out = io.StringIO()
    console = Console(file=out, width=50, force_terminal=True, no_color=True, highlight=False)
    doctor._show([Finding("store", "problem", "\x1b[2J" + "many words " * 20, "do this " * 20)], console)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert max(map(len, shown.splitlines())) <= 50
    assert "\x1b" not in shown
    assert shown.count("many") == shown.count("words") == 20


@pytest.mark.parametrize("error", [ValueError("so it\nis"), SystemExit("so it is")])
def test_a_check_that_raises_is_a_problem_of_that_check(error: BaseException) -> None:
    def check() -> Iterator[Finding]:
        yield OK
        raise error

    found = list(doctor.examine({"first": check, "second": lambda: [OK]}))
    assert [each.status for each in found] == ["ok", "problem", "ok"]
    assert found[1].check == "first"
    assert found[1].message == f"this check failed: {type(error).__name__}: so it is"


def test_a_ctrl_c_ends_it() -> None:
    def check() -> Iterator[Finding]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(doctor.examine({"first": check}))


# What is installed.


def test_a_python_that_is_too_old_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong(doctor_installed.python()) == []
    monkeypatch.setattr("platform.python_version", lambda: "3.10.4")
    found = only(doctor_installed.python())
    assert found.status == "problem"
    assert "3.10.4" in found.message
    assert "L0 needs >=3.11" in found.message


def test_what_is_required_and_not_there_is_told_and_nothing_else(dist: Dist) -> None:
    assert wrong(doctor_installed.distributions()) == []
    dist(
        "l0-odd",
        "9.0",
        "l0-core>=7",
        "not-there-at-all>=1",
        "l0-core>=0.1",
        "elsewhere; python_version < '3'",
        "more; extra == 'more'",
    )
    found = list(doctor_installed.distributions())
    assert any(each.status == "ok" and each.message == "9.0: l0-odd" for each in found)
    core, missing = wrong(iter(found))
    assert re.fullmatch(r"l0-odd 9\.0 requires l0-core>=7, and l0-core \S+ is installed", core.message)
    assert core.fix == "pip install --upgrade l0-odd 'l0-core>=7'"
    assert missing.message == "l0-odd 9.0 requires not-there-at-all>=1, and that is not installed"


def test_the_distribution_of_a_plugin_is_looked_at_whatever_it_is_called(dist: Dist) -> None:
    dist("acme-other", "1.0", "not-there>=1")
    dist("acme-fine", "1.0", "not-there>=1", monitors={"fine": "l0_fine:Fine"})
    assert ["acme-fine" in each.message for each in wrong(doctor_installed.distributions())] == [True]


def test_another_package_l0_is_found_without_importing_it(tmp_path: Path, dist: Dist) -> None:
    dist("ai2070-l0", "0.9", record="l0/__init__.py,,\nai2070_l0-0.9.dist-info/METADATA,,\n")
    package = tmp_path / "site" / "l0"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')\n")
    code = (
        "import json; from dataclasses import asdict; from l0_cli.doctor_installed import face;"
        "print(json.dumps([asdict(each) for each in face()]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    rival, found_first = json.loads(run.stdout)
    assert rival["status"] == found_first["status"] == "problem"
    assert rival["message"].startswith("ai2070-l0 0.9 writes the package l0 too")
    assert rival["fix"] == "pip uninstall ai2070-l0, and then pip install --force-reinstall --no-deps l0-core"
    assert found_first["message"].startswith(f"{package / '__init__.py'} is found first")


def test_files_of_l0_that_were_overwritten_or_removed_are_told(tmp_path: Path, dist: Dist) -> None:
    import_module("l0")  # It is found as it was imported, whatever comes into its way now.
    assert wrong(doctor_installed.face()) == []
    package = tmp_path / "site" / "l0"
    package.mkdir()
    (package / "__init__.py").write_text("another's")
    dist("l0-core", "0.1.0", record="l0/__init__.py,sha256=abc,9\nl0/gone.py,sha256=abc,9\nl0/__pycache__/x.pyc,,\n")
    found = only(doctor_installed.face())
    assert found.status == "problem"
    assert found.message == "not as l0-core has installed them: l0/__init__.py, l0/gone.py"
    assert found.fix == "pip install --force-reinstall --no-deps l0-core"


def test_each_plugin_that_cannot_be_loaded_says_why(dist: Dist, monkeypatch: pytest.MonkeyPatch) -> None:
    dist(
        "acme-many",
        "1.2",
        monitors={"fine": "l0_fine:Fine", "loud": "l0_loud:Loud", "off": "l0_loud:Off"},
        guardrails={"unmarked": "l0_unmarked:Unmarked", "missing": "l0_missing:Missing"},
        stores={"gone": "l0_gone:Store"},
        policies={"absent": "l0_fine:Absent"},
    )
    dist("acme-command", "1.0", commands={"greet": "l0_loud:greet", "fine": "l0_fine:Fine"})
    # An executor imports the whole of what it executes on.
    monkeypatch.setattr(doctor_configured, "OTHER_GROUPS", ("l0.commands",))
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "off")
    config.reload()
    found = [each for each in doctor_configured.plugins() if "acme" in each.message]
    assert [each.message for each in found if each.status == "ok"] == [
        "the monitor 'off' of acme-many 1.2 is not loaded: L0_DISABLE_PLUGINS names it"
    ]
    told = {re.findall(r"'(\w+)'", each.message)[0]: each for each in wrong(iter(found))}
    assert set(told) == {"loud", "unmarked", "missing", "gone", "absent", "greet"}
    assert told["loud"].message.startswith("the monitor 'loud' of acme-many 1.2 cannot be used: RuntimeError: too loud")
    assert told["loud"].fix == "upgrade or uninstall acme-many; L0_DISABLE_PLUGINS=loud leaves it out"
    assert "is not marked as a hook" in told["unmarked"].message
    assert "there is no module 'l0_missing'" in told["missing"].message
    assert "SystemExit: 3" in told["gone"].message
    assert "AttributeError" in told["absent"].message
    assert told["greet"].message.startswith("the command 'greet' of acme-command 1.0 cannot be used: RuntimeError")


def test_a_key_is_looked_for_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    said = {}
    for key in ("", "sk-hush", " sk-hush\n"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        said[key] = [each for each in doctor_installed.sdks() if "OPENAI_API_KEY" in each.message]
    assert [(each[0].status, each[0].message) for each in said.values()] == [
        ("warning", "OPENAI_API_KEY is not set"),
        ("ok", "OPENAI_API_KEY is set"),
        ("warning", "OPENAI_API_KEY has white space before or after the key"),
    ]
    assert "hush" not in repr(said.values())


def test_versions_of_sdks_that_do_not_fit_are_told(dist: Dist, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert wrong(doctor_installed.sdks()) == []
    dist("openai", "1.99")
    dist("litellm", "1.50", "openai>=1,<1.60", "tokenizers")
    adapter, litellm, bound = wrong(doctor_installed.sdks())
    assert re.fullmatch(r"l0-openai \S+ requires openai<4,>=2, and openai 1\.99 is installed", adapter.message)
    assert adapter.fix == "pip install 'openai<4,>=2'"
    assert litellm.status == "warning"
    assert litellm.fix == "pip install l0-litellm"
    assert bound.message == "litellm 1.50 requires openai<1.60,>=1, and openai 1.99 is installed"
    assert [each.status for each in (adapter, bound)] == ["problem", "problem"]


# What is configured.


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("l0.toml").absolute()
    path.write_text('relase = "live"\n')
    monkeypatch.setenv("L0_TIMEOT_TOTAL", "5s")
    monkeypatch.setenv("L0_RELEASE", "never")
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "nobody")
    config.reload()
    told = [each.message for each in wrong(doctor_configured.configuration())]
    assert len(told) == 4
    assert told[0].startswith("L0_DISABLE_PLUGINS names 'nobody'")
    assert told[1].startswith(f"{path}: unknown key 'relase'; did you mean 'release'?")
    assert {each.split(";")[0].split(" = ")[0] for each in told[2:]} == {
        "unknown variable L0_TIMEOT_TOTAL",
        "L0_RELEASE",
    }


def test_what_only_the_plugin_knows_is_told(dist: Dist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_configured, "OTHER_GROUPS", ())
    dist("acme-fine", "1.0", monitors={"fine": "l0_fine:Fine"})
    Path("l0.toml").write_text('monitors = ["fine"]\n[monitor.fine]\nsize = 3\n')
    config.reload()
    assert "takes no Options" in only(doctor_configured.configuration()).message
    assert wrong(each for each in doctor_configured.plugins() if "acme" in each.message) == []


def test_what_is_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(doctor_configured.configuration()).message == "nothing is configured"
    path = Path("l0.toml").absolute()
    path.write_text("")
    monkeypatch.setenv("L0_RELEASE", "checked")
    config.reload()
    assert only(doctor_configured.configuration()).message == f"read from {path}, L0_RELEASE; l0 config shows it"


# What is outside of the process.


def asked(url: str, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setenv("L0_STORE", url)
    config.reload()
    return only(doctor_outside.store())


def test_a_store_at_which_nobody_listens_is_a_problem(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("redis", "postgresql"):
        found = asked(f"{scheme}://me:hush@127.0.0.1:{closed_port}/0", monkeypatch)
        assert found.status == "problem"
        assert found.message == f"{scheme}:// at 127.0.0.1:{closed_port} cannot be used: Connection refused"
        assert found.fix == "start it, or correct the URL"


def test_a_store_whose_package_is_missing_says_what_to_install(open_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "l0_store_redis", None)
    monkeypatch.setenv("L0_PLUGINS", "")
    monkeypatch.setattr("l0_cli.streams.registry", lambda: type("Empty", (), {"installed": lambda self, kind: ()})())
    found = asked(f"redis://127.0.0.1:{open_port}/0", monkeypatch)
    assert found.status == "problem"
    assert found.message.endswith("not installed here: pip install l0-store-redis")


def test_a_store_that_is_asked_and_answers(dist: Dist, monkeypatch: pytest.MonkeyPatch) -> None:
    dist("acme-asked", "1.0", stores={"asked": "l0_asked:Asked"})
    found = asked("asked://me:hush@somewhere/x", monkeypatch)
    assert (found.status, found.message) == ("ok", "asked:// answers")
    broken = asked("asked://me:hush@broken/x", monkeypatch)
    assert broken.status == "problem"
    assert broken.message == "asked:// cannot be used: no disk at asked://me:***@broken/x"


def test_a_store_that_never_answers_is_not_waited_for(dist: Dist, monkeypatch: pytest.MonkeyPatch) -> None:
    dist("acme-asked", "1.0", stores={"asked": "l0_asked:Asked"})
    monkeypatch.setattr(findings, "WAIT", 0.2)
    found = asked("asked://silent", monkeypatch)
    sys.modules["l0_asked"].over.set()
    assert (found.status, found.message) == ("problem", "asked:// cannot be used: no answer within 0.2 s")


def test_no_store_and_one_that_keeps_nothing_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(doctor_outside.store()).message.startswith("none is configured")
    found = asked("memory://", monkeypatch)
    assert found.status == "ok"
    assert "gone with the process" in found.message


def test_without_a_configuration_that_can_be_read_the_store_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L0_RELEASE", "never")
    found = asked("memory://", monkeypatch)
    assert (found.status, found.fix) == ("warning", "correct that first")


def test_a_database_is_looked_at_and_neither_made_nor_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("l0_store_sqlite")
    import sqlite3

    found = asked("sqlite:///new/runs.db", monkeypatch)
    assert found.status == "ok"
    assert found.message.endswith("new/runs.db is made with the first stream")
    assert list(Path().iterdir()) == []
    for name, statement in {
        "runs.db": "CREATE TABLE streams(a); CREATE TABLE records(a)",
        "o.db": "CREATE TABLE o(a)",
    }.items():
        connection = sqlite3.connect(name)
        connection.executescript(f"PRAGMA journal_mode = WAL; {statement}")
        connection.close()
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert asked("sqlite:///runs.db", monkeypatch).message.endswith("runs.db can be read and written")
    assert "another application" in asked("sqlite:///o.db", monkeypatch).message
    Path("text.db").write_text("no database" * 100)
    assert "not a database" in asked("sqlite:///text.db", monkeypatch).message
    assert "is a folder" in asked(f"sqlite:///{tmp_path}", monkeypatch).message
    assert "is no folder" in asked("sqlite:///text.db/runs.db", monkeypatch).message
    Path("text.db").unlink()
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_a_folder_is_looked_at_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("l0_store_file")
    assert asked("file:///runs", monkeypatch).message.endswith("runs is made with the first stream")
    assert list(Path().iterdir()) == []
    Path("runs").mkdir()
    assert asked("file:///runs", monkeypatch).status == "ok"
    Path("text").write_text("")
    assert "is no folder" in asked("file:///text", monkeypatch).message


def test_exporters_are_connected_to_and_no_secret_is_shown(
    closed_port: int, open_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only(doctor_outside.exporters()).status == "ok"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://me:hush@127.0.0.1:{closed_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"127.0.0.1:{open_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:nine")
    monkeypatch.setenv("SENTRY_DSN", f"http://hush@127.0.0.1:{open_port}/3")
    found = list(doctor_outside.exporters())
    assert [each.status for each in found] == ["warning", "ok", "warning", "ok"]
    assert found[0].message == (
        f"127.0.0.1:{closed_port}, of OTEL_EXPORTER_OTLP_ENDPOINT, takes no connection: Connection refused"
    )
    assert found[2].message.startswith("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is no address")
    assert "hush" not in repr(found)


def test_what_takes_too_long_is_left_behind() -> None:
    from threading import Event

    over = Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        bounded(over.wait, 0.05)
    over.set()
    assert bounded(lambda: 3, 5) == 3
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, 5)
