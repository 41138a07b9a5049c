"""The examples do what their readers are told: run as users run them, with the SDK, against a provider on loopback."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import east_asian_width

import httpx
import pytest
from l0_testing import Fault, FaultServer, LeakCheck, Script, read_cassette

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TEXT = "流 flows, 🌊 breaks, and whoever reads must know\nwhich of these it was: all of it is here."


def environment(server: FaultServer, **more: str) -> dict[str, str]:
    """Warnings are errors, so that what is left open is told on stderr. What is retried is retried at once."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("L0_")}
    provider = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test", "PYTHONWARNINGS": "error"}
    return {**kept, **provider, "L0_RETRY_BASE_DELAY": "1ms", "L0_RETRY_MAX_DELAY": "1ms", **more}


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come to this: {what}"
        time.sleep(0.005)


def left(server: FaultServer) -> None:
    """The last request was ended by the client, and nothing is in progress."""
    assert server.wait_idle(5) < 0.5
    assert server.requests[-1].ended_by == "client"


# In a terminal.


def screen(output: str, columns: int, lines: int) -> list[str]:
    """The rows that a terminal of this size shows, and above them those that have scrolled away."""
    rows: list[list[str]] = [[]]
    row = column = top = 0
    for ups, erase, char in re.findall(r"\x1b\[(\d+)A|(\x1b\[J)|(.)", output, re.DOTALL):
        cells = 2 if char and east_asian_width(char) in "WF" else 1
        if ups:
            row = max(row - int(ups), top)
        elif erase:
            del rows[row][column:], rows[row + 1 :]
        elif char == "\r":
            column = 0
        elif char == "\n":
            row += 1
        else:
            if column + cells > columns:
                row, column = row + 1, 0
            rows += [[] for _ in range(row + 1 - len(rows))]
            rows[row][column : column + cells] = [char, ""][:cells]
            column += cells
        rows += [[] for _ in range(row + 1 - len(rows))]
        top = max(top, row + 1 - lines)
    return ["".join(each) for each in rows]


class Terminal:
    """The chat in a pseudo-terminal."""

    def __init__(self, model: str, env: dict[str, str], columns: int = 20, lines: int = 12) -> None:
        import pty

        self.size = (columns, lines)
        self.output = b""
        self.master, slave = pty.openpty()
        command = [sys.executable, str(EXAMPLES / "chat.py"), model]
        # What is ignored here would be ignored there.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.process = subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=slave,
                env={**env, "COLUMNS": str(columns), "LINES": str(lines)},
            )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)
            os.close(slave)

    @property
    def text(self) -> str:
        return self.output.decode(errors="ignore")

    @property
    def shown(self) -> list[str]:
        return screen(self.text, *self.size)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not is_so():
            assert select.select([self.master], [], [], deadline - time.monotonic())[0], self.text
            self.output += os.read(self.master, 65536)

    def wait_for_prompt(self, number: int) -> None:
        self.wait_for(lambda: self.text.count("> ") == number)

    def leave(self) -> None:
        self.type("\x04")
        assert self.process.wait(30) == 0
        os.close(self.master)


@pytest.fixture
def open_chat(fault_server: FaultServer) -> Iterator[Callable[..., Terminal]]:
    pytest.importorskip("pty", reason="there are pseudo-terminals on Unix only")
    opened: list[Terminal] = []

    def open_terminal(**size: int) -> Terminal:
        opened.append(Terminal("m", environment(fault_server), **size))
        return opened[-1]

    yield open_terminal
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()


WITHDRAWN = (
    "流 flows, 🌊 breaks, and whoever drowns is told about it at such length that many rows of a terminal are full"
)


@pytest.mark.parametrize(("lines", "is_in_reach"), [(12, True), (4, False)])
def test_chat_erases_what_is_withdrawn(
    lines: int, is_in_reach: bool, open_chat: Callable[..., Terminal], fault_server: FaultServer
) -> None:
    fault_server.add("m", Script(TEXT, texts=[WITHDRAWN], faults=[Fault("rst_mid", at=28)]))
    terminal = open_chat(lines=lines)
    terminal.wait_for_prompt(1)
    terminal.type("Hi\n")
    terminal.wait_for_prompt(2)
    assert "drowns" in terminal.text
    wanted = screen(f"> Hi\r\n{TEXT}\r\n> ".replace("\n", "\r\n"), *terminal.size)
    if is_in_reach:
        assert terminal.shown == wanted
    else:
        assert terminal.shown[-len(wanted) + 1 :] == wanted[1:]
        assert "[withdrawn; what has" in terminal.shown
    terminal.leave()


def test_chat_stops_an_answer_and_keeps_what_was_said(
    open_chat: Callable[..., Terminal], fault_server: FaultServer
) -> None:
    fault_server.add("m", Script("One two three four five.", faults=[Fault("stall_mid", at=3), None, Fault("401")]))
    terminal = open_chat(columns=80)
    terminal.wait_for_prompt(1)
    terminal.type("Count.\n")
    terminal.wait_for(lambda: "One two three" in terminal.text)
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for_prompt(2)
    left(fault_server)

    terminal.type("Again.\n")
    terminal.wait_for_prompt(3)
    said = [message["content"] for message in fault_server.requests[1].body["messages"]]
    assert said == ["Count.", "One two three", "Again."]

    terminal.type("And?\n")
    terminal.wait_for_prompt(4)
    assert "[AuthenticationError: " in terminal.text
    terminal.type("Well?\n")
    terminal.wait_for_prompt(5)
    said = [message["content"] for message in fault_server.requests[3].body["messages"]]
    assert said[2:] == ["Again.", "One two three four five.", "Well?"]
    terminal.leave()
    assert fault_server.wait_idle(connections=True) < 0.5


def test_chat_without_a_terminal_says_nothing_that_it_would_take_back(fault_server: FaultServer) -> None:
    faults = [Fault("rst_mid", at=28), Fault("503"), Fault("trunc_clean", at=9)]
    fault_server.add("m", Script(TEXT, texts=[WITHDRAWN], faults=faults))
    ran = run("chat.py", "m", env=environment(fault_server), given="Hi\n")
    assert (ran.stdout, ran.stderr) == (f"> {TEXT}\n> ", "")
    assert len(fault_server.requests) == 4


def run(*command: str, env: dict[str, str], given: str | None = None) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    return subprocess.run(
        [sys.executable, str(EXAMPLES / program), *arguments],
        env=env, input=given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


# In a browser.


Event = tuple[str, Any]


class Endpoint(NamedTuple):
    """The example in a process of its own, and whom it asks."""

    url: str
    provider: FaultServer


@pytest.fixture(scope="module")
def running() -> Iterator[Endpoint]:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "uvicorn", "fastapi_stream:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    with FaultServer.in_thread() as provider, tempfile.TemporaryFile("w+") as log:
        env = environment(provider, MODEL="m", PYTHONWARNINGS="default")
        with subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:

            def said() -> str:
                log.seek(0)
                return log.read()

            try:
                until(lambda: "Uvicorn running on" in said() or process.poll() is not None, "uvicorn runs")
                assert process.poll() is None, said()
                yield Endpoint(re.findall(r"Uvicorn running on (\S+)", said())[0], provider)
            finally:
                process.terminate()
            assert process.wait(30) in (0, -signal.SIGTERM)
            assert "ResourceWarning" not in said()


@pytest.fixture
def endpoint(running: Endpoint) -> Endpoint:
    running.provider.reset()
    return running


def events_of(response: httpx.Response) -> Iterator[Event]:
    lines = response.iter_lines()
    for line in lines:
        if name := line.removeprefix("event: "):
            yield name, json.loads(next(lines).removeprefix("data: "))


@contextmanager
def asked(endpoint: Endpoint) -> Iterator[Iterator[Event]]:
    with httpx.stream("GET", f"{endpoint.url}/answer", params={"question": "Well?"}, timeout=30) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events_of(response)


def shown_of(events: list[Event]) -> str:
    """What the page shows."""
    text = ""
    for name, data in events:
        text = text + data if name == "token" else text[:data] if name == "reset" else text
    return text


@pytest.mark.parametrize("kind", [None, "rst_mid", "trunc_clean", "err_data", "503", "utf8_split"])
def test_the_browser_has_the_whole_text(kind: str | None, endpoint: Endpoint) -> None:
    endpoint.provider.add("m", Script(TEXT, faults=[Fault(kind, at=9) if kind else None]))
    with asked(endpoint) as stream:
        events = list(stream)
    assert shown_of(events) == TEXT
    assert events[-1] == ("end", "complete")
    assert "reset" not in dict(events)
    assert endpoint.provider.requests[0].body["messages"] == [{"role": "user", "content": "Well?"}]


def test_the_browser_is_told_what_is_withdrawn(endpoint: Endpoint) -> None:
    endpoint.provider.add("m", Script(TEXT, texts=[WITHDRAWN], faults=[Fault("rst_mid", at=28)]))
    with asked(endpoint) as stream:
        events = list(stream)
    assert shown_of(events) == TEXT
    assert [data for name, data in events if name == "reset"] == [TEXT.index("reads")]


@pytest.mark.parametrize(("kind", "last"), [("401", ("failed", "AuthenticationError")), ("len", ("end", "incomplete"))])
def test_the_browser_is_told_how_it_ended(kind: str, last: Event, endpoint: Endpoint) -> None:
    endpoint.provider.add("m", Script(TEXT, faults=[Fault(kind, at=9)]))
    with asked(endpoint) as stream:
        events = list(stream)
    assert events[-1] == last
    assert TEXT.startswith(shown_of(events))
    assert "API key" not in str(events)


def test_a_browser_that_leaves_closes_the_connection_to_the_provider(endpoint: Endpoint) -> None:
    endpoint.provider.add("m", Script(TEXT, faults=[Fault("stall_mid", at=9)]))
    with asked(endpoint) as stream:
        assert shown_of([next(stream)])
        until(lambda: endpoint.provider.requests[0].tokens_sent == 9, "the provider is silent")
    left(endpoint.provider)


JAVASCRIPT = """
const elements = {}, listeners = {}, EventSource = class {
  constructor(url) { elements.url = url; elements.source = this; }
  addEventListener(name, listener) { listeners[name] = listener; }
  close() { elements.closed = true; }
};
const document = { querySelector: (name) => elements[name] ??= { textContent: "" } };
class FormData { *[Symbol.iterator]() { yield ["question", "Well?"]; } }
%s
elements.form.onsubmit({ preventDefault() {} });
for (const [name, data] of %s) listeners[name]({ data: JSON.stringify(data) });
const shown = ["#answer", "#state"].map((name) => elements[name].textContent);
console.log(JSON.stringify([elements.url, ...shown, elements.closed]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_page_applies_what_it_is_told(endpoint: Endpoint) -> None:
    page = httpx.get(endpoint.url)
    assert page.headers["content-type"].startswith("text/html")
    (script,) = re.findall(r"<script>(.*)</script>", page.text, re.DOTALL)
    endpoint.provider.add("m", Script(TEXT, texts=[WITHDRAWN], faults=[Fault("rst_mid", at=28), Fault("len", at=28)]))
    with asked(endpoint) as stream:
        events = list(stream)
    code = JAVASCRIPT % (script, json.dumps(events))
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["/answer?question=Well%3F", shown_of(events), "(cut short)", True]


# On the command line.


@pytest.fixture
def called(
    fault_server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Calls the `main` of an example: its exit code, and what it says. Nothing is open after it."""
    import l0_core.config
    import openai  # noqa: F401  # Its modules may keep files open.

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(fault_server).items():
            patch.setenv(name, value)
        l0_core.config.reload()

        def call(name: str, *arguments: str) -> tuple[int, str, str]:
            specification = spec_from_file_location(name, EXAMPLES / f"{name}.py")
            assert specification is not None
            assert specification.loader is not None
            program = module_from_spec(specification)
            patch.setitem(sys.modules, name, program)
            specification.loader.exec_module(program)
            patch.setattr(sys, "argv", [name, *arguments])
            with LeakCheck():
                code = program.main()
            assert fault_server.wait_idle(5, connections=True) < 0.5
            return code, *capsys.readouterr()

        yield call
    l0_core.config.reload()


DOCUMENT = "The first paragraph.\n\nThe second paragraph.\n\nThe third paragraph.\n\nThe fourth paragraph."
SUMMARIES = ["The first.", "The second.", "The third, which is a long one.", "The fourth."]


@pytest.fixture
def batch(tmp_path: Path) -> list[str]:
    """The arguments of a batch: a document of four chunks, and a database."""
    (tmp_path / "document.txt").write_text(DOCUMENT)
    return [str(tmp_path / "document.txt"), "--model", "m", "--size", "6", "--db", str(tmp_path / "batch.db")]


def test_a_batch_goes_on_where_it_was_killed(batch: list[str], fault_server: FaultServer) -> None:
    fault_server.add("m", Script(texts=SUMMARIES, faults=[None, None, Fault("stall_mid", at=4)]))
    command = [sys.executable, str(EXAMPLES / "batch_document.py"), *batch, "--concurrency", "1"]
    with subprocess.Popen(command, env=environment(fault_server), stderr=subprocess.DEVNULL) as process:
        until(lambda: [each.tokens_sent for each in fault_server.requests[2:]] == [4], "the third is on its way")
        process.kill()

    fault_server.add("m", Script(texts=SUMMARIES[2:]))
    ran = run("batch_document.py", *batch, "--concurrency", "1", env=environment(fault_server))
    assert ran.stdout == "\n\n".join(SUMMARIES) + "\n"
    assert ran.stderr == "1 of 4\n2 of 4\n3 of 4\n4 of 4\n"
    assert ran.returncode == 0
    asked_for = [request.body["messages"][-1]["content"].strip() for request in fault_server.requests]
    paragraphs = DOCUMENT.split("\n\n")
    assert asked_for == [*paragraphs[:3], *paragraphs[2:]]


def test_a_batch_tells_what_failed_and_asks_for_that_alone_again(
    batch: list[str], called: Callable[..., tuple[int, str, str]], fault_server: FaultServer
) -> None:
    fault_server.add("m", Script(texts=SUMMARIES, faults=[None, Fault("401"), Fault("len", at=3)]))
    code, out, err = called("batch_document", *batch, "--concurrency", "1")
    assert (code, out) == (1, "The first.\n\nThe third,\n\nThe fourth.\n")
    _, failed, cut = err.splitlines()[3:]
    assert failed.startswith("chunk 1 (characters 22 to 45) failed: AuthenticationError: ")
    assert cut == "chunk 2 (characters 45 to 67) was cut short: length"

    fault_server.add("m", Script("The second."))
    code, out, _ = called("batch_document", *batch)
    assert (code, out) == (0, "The first.\n\nThe second.\n\nThe third,\n\nThe fourth.\n")
    assert len(fault_server.requests) == 5


def test_a_batch_has_several_chunks_at_a_time_under_faults(
    batch: list[str], called: Callable[..., tuple[int, str, str]], fault_server: FaultServer
) -> None:
    faults = ["rst_mid", "trunc_clean", "503", "err_data"]
    fault_server.add("m", Script("The summary.", faults=[Fault(kind, at=2) for kind in faults], pace=0.02))
    code, out, _ = called("batch_document", *batch, "--concurrency", "2")
    assert (code, out) == (0, "\n\n".join(["The summary."] * 4) + "\n")
    first, second = fault_server.requests[:2]
    assert second.opened_at < (first.ended_at or 0)


def invoice(**changed: Any) -> str:
    return json.dumps({"supplier": "Acme Ltd", "total": 118, "currency": "EUR", "due": "2026-12-01", **changed})


def test_a_vote_shows_what_the_models_agree_about(
    called: Callable[..., tuple[int, str, str]], fault_server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "invoice.txt").write_text("Acme Ltd, EUR 118.00, due 1 December 2026")
    fault_server.add("large", Script(invoice(supplier="ACME Ltd", due=None), faults=[Fault("rst_mid", at=9)]))
    fault_server.add("small", Script(invoice(due="2026-01-12")))
    fault_server.add("other", Script(invoice(due=None), texts=["The total is 118."]))
    arguments = [str(tmp_path / "invoice.txt"), "--models", "large", "small", "other"]

    code, out, err = called("consensus_vote", *arguments)
    assert (code, err) == (0, "")
    votes = [line.split() for line in out.splitlines()]
    assert [vote[0] for vote in votes] == ["supplier", "total", "currency", "due", "invoice"]
    assert votes[1] == ["total", "118.0", "100%"]
    assert votes[3] == ["due", "null", "67%", "other", "votes:", "2026-01-12", "(1)"]
    assert votes[4][:2] == ["invoice", "67%"]
    feedback = [request.body["messages"][2:] for request in fault_server.requests if request.model == "other"]
    assert [len(messages) for messages in feedback] == [0, 1]

    assert called("consensus_vote", *arguments, "--agreement", "0.9")[0] == 1


def test_a_vote_counts_who_cannot_vote(
    called: Callable[..., tuple[int, str, str]], fault_server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "invoice.txt").write_text("Acme Ltd, EUR 118.00, due 1 December 2026")
    fault_server.add("m", Script(invoice()))
    fault_server.add("gone", Script(faults=[Fault("404")] * 3))
    code, out, err = called("consensus_vote", str(tmp_path / "invoice.txt"), "--models", "m", "gone", "gone")
    assert code == 1
    assert out.count(" 33%") == 5
    assert err.count("gone did not vote: NotFoundError") == 2
    code, out, err = called("consensus_vote", str(tmp_path / "invoice.txt"), "--models", "gone", "missing")
    assert (code, out) == (1, "")
    assert err


# Packages, with tests of their own. These are begun first, and run beside the others.


class OwnTests:
    """The guardrail as its wheel installs it, and the run of its tests and of those of the incident."""

    def __init__(self, where: Path) -> None:
        self.wheels, site = where / "wheels", where / "site"
        package = shutil.copytree(EXAMPLES / "guardrail_package", where / "package")
        incident = shutil.copytree(EXAMPLES / "incident_replayed", where / "incident")
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        build = [uv, "build", "--quiet", "--wheel", "-o", str(self.wheels), str(package)]
        unpack = [sys.executable, "-m", "zipfile", "-e", "dist.whl", str(site)]
        tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-c", os.devnull, "-rA"]
        tests += [f"--rootdir={where}", str(package / "tests"), str(incident)]
        shutil.rmtree(package / "l0_guard_secrets" / "__pycache__", ignore_errors=True)
        steps = (
            "import glob, os, shutil, subprocess, sys\n"
            f"subprocess.run({build!r}, check=True)\n"
            f"shutil.copy(*glob.glob({str(self.wheels / '*.whl')!r}), 'dist.whl')\n"
            f"subprocess.run({unpack!r}, check=True)\n"
            # The wheel, and not the folder that it was built from, is what the tests are to see.
            f"shutil.rmtree({str(package / 'l0_guard_secrets')!r})\n"
            f"sys.exit(subprocess.run({tests!r}, env={{**os.environ, 'PYTHONPATH': {str(site)!r}}}).returncode)\n"
        )
        env = {key: value for key, value in os.environ.items() if not key.startswith(("L0_", "OPENAI_", "PYTEST_"))}
        self.log = (where / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", steps], cwd=where, env=env, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def said(self) -> str:
        code = self.process.wait(120)
        self.log.seek(0)
        said = self.log.read()
        assert code == 0, said[-5000:]
        return said


@pytest.fixture(scope="module", autouse=True)
def begun(request: pytest.FixtureRequest) -> None:
    if any("own_tests" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("own_tests")


@pytest.fixture(scope="module")
def own_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnTests]:
    tests = OwnTests(tmp_path_factory.mktemp("own_tests"))
    yield tests
    if tests.process.poll() is None:
        os.killpg(tests.process.pid, signal.SIGTERM)
        tests.process.wait()
    tests.log.close()


def test_the_guardrail_is_a_whole_distribution_that_passes_the_suite(own_tests: OwnTests) -> None:
    said = own_tests.said()
    assert len(re.findall(r"^PASSED \S*test_secrets.py::TestSecrets::", said, re.MULTILINE)) > 15
    assert "SKIPPED" not in said
    (path,) = own_tests.wheels.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name.partition("/")[2]: name for name in wheel.namelist()}
        assert {"__init__.py", "py.typed", "METADATA", "licenses/LICENSE"} <= names.keys()
        assert wheel.read(names["entry_points.txt"]).decode() == "[l0.guardrails]\nsecrets = l0_guard_secrets:Secrets\n"
        assert wheel.read(names["licenses/LICENSE"]) == (ROOT / "LICENSE").read_bytes()


def test_the_incident_is_replayed(own_tests: OwnTests) -> None:
    passed = re.findall(r"^PASSED \S*test_incident.py::(\w+)", own_tests.said(), re.MULTILINE)
    assert passed == ["test_what_happened", "test_it_does_not_happen_again"]


def test_the_cassette_is_what_its_readme_says_it_is() -> None:
    """It holds no key, no question, and the answers of the provider that is described beside it."""
    folder = EXAMPLES / "incident_replayed"
    cassette = read_cassette(folder / "incident.cassette")
    assert [exchange.end and exchange.end.how for exchange in cassette.exchanges] == ["clean", "clean"]
    for exchange in cassette.exchanges:
        assert exchange.request.body is None
        assert dict(exchange.request.headers)["authorization"] == "***"
    texts = [
        "".join(re.findall(r'"content":"([^"]*)"', b"".join(piece.data for piece in exchange.pieces).decode()))
        for exchange in cassette.exchanges
    ]
    provider = json.loads((folder / "provider.json").read_text())["status-writer"]
    assert texts[0] + texts[1][provider["overlap"] :] == provider["text"]


# The page about them.


def test_the_page_lists_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text()
    rows = re.findall(r"^\| \[(\S+)\]\((\S+)\)", page, re.MULTILINE)
    assert all(name == target for name, target in rows)
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix == ".py" or (path / "README.md").exists()}
    assert {target for _, target in rows} == there
    for command in re.findall(r"^python (\w+\.py)", page, re.MULTILINE):
        assert (EXAMPLES / command).exists()
