"""Recorded streams in a file and back: nothing is lost, nothing is written twice, and damage is told by its line."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from l0_cli import main, stream_export, stream_import
from l0_eventsourcing import (
    CompleteEvent,
    EventEnvelope,
    EventStore,
    InMemoryEventStore,
    OutputEvent,
    Record,
    StartEvent,
    TokenEvent,
    UnknownEvent,
    open_store,
)

from l0_core import StoreError, config

_numbers = itertools.count()

Say = Callable[..., tuple[int, str, str]]

IDS = ("chat/42", "", "a\nb", 'quo"te,"body":{}', "\ud800", "\u202e", "\x00", "..", "é" * 300)

VALUES = ("plain", '","body":{"', "\n", "\u2028", "\ud83d", "\x85", "🙂", "")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration but the test's own."""
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    config.reload()
    yield
    config.reload()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command; its exit code, and what it wrote to stdout and stderr."""

    def say(*arguments: str) -> tuple[int, str, str]:
        return (main([*arguments]), *capsys.readouterr())

    return say


def opened() -> tuple[str, InMemoryEventStore]:
    """A store of this process, empty, and its URL."""
    url = f"memory://transfer-{next(_numbers)}"
    store = open_store(url)
    assert isinstance(store, InMemoryEventStore)
    return url, store


def keep(store: EventStore, stream_id: str, *events: Any) -> None:
    async def append() -> None:
        for seq, event in enumerate(events):
            event.ts = event.ts or 1000.0 + seq
            await store.append(stream_id, EventEnvelope(stream_id, seq, event))

    asyncio.run(append())


def records(store: InMemoryEventStore) -> dict[str, list[Record]]:
    async def read() -> dict[str, list[Record]]:
        return {stream_id: await store.get_records(stream_id) for stream_id in await store.list_streams()}

    return asyncio.run(read())


def tokens(count: int, *, text: str = "word") -> list[Any]:
    return [StartEvent(), *(TokenEvent(value=f"{text}{at} ", index=at) for at in range(count))]


def whole(count: int, *, text: str = "word") -> list[Any]:
    return [*tokens(count, text=text), CompleteEvent(token_count=count, content="")]


def filled() -> tuple[str, InMemoryEventStore]:
    """A store with whatever a stream and its id can hold, types, fields and numbers of later versions too."""
    url, store = opened()
    for number, stream_id in enumerate(IDS):
        values = [TokenEvent(value=value, index=at) for at, value in enumerate(VALUES)]
        later = UnknownEvent("NOVELTY", extra={"huge": 1 << 80, "deep": [{"x": ["\udfff", None, 1e-7]}]})
        event = StartEvent(extra={"later": "field"})
        keep(store, stream_id, event, *values, later, *([CompleteEvent(content="x")] if number % 2 else []))
    run = {"type": "TOKEN", "index": 8, "values": ["a", "b"], "times": [[0, 5.5], [1, 6]]}
    ready = [
        Record(10, 2, json.dumps(run).encode()),
        Record(12, 1, b'{"type" : "OTHER", "ts":1.50, "a":0.10}'),
        Record(13, 3, b'{"type":"RUN_OF_A_LATER_VERSION","ts":2,"three":"events"}'),
    ]
    asyncio.run(store.append_records("chat/42", ready))
    return url, store


# There and back.


def test_what_is_imported_is_what_was_exported_to_the_byte(say: Say) -> None:
    url, store = filled()
    assert say("export", "--all", "-o", "out", "--store", url) == (0, "out holds 9 streams in 97 records.\n", "")
    other_url, other = opened()
    code, out, err = say("import", "out", "--store", other_url)
    assert (code, err) == (0, "")
    assert out == "9 streams in 97 records, of which 97 are new here.\n"
    assert records(other) == records(store)


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_json_survives(data: st.DataObject) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec=None, categories=None)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )  # fmt: skip
    texts = st.text(st.characters(codec=None, categories=None), max_size=8)
    stream_id = data.draw(texts)
    url, store = opened()
    fields = data.draw(st.dictionaries(st.sampled_from(["a", "b", "\ud800"]), values))
    keep(store, stream_id, StartEvent(extra=fields), TokenEvent(value=data.draw(texts)), OutputEvent(event=fields))
    other_url, other = opened()
    assert main(["export", "--all", "-o", "any", "--store", url]) == 0
    assert main(["import", "any", "--store", other_url]) == 0
    assert records(other) == records(store)


def test_an_export_is_lines_of_json_on_stdout(say: Say) -> None:
    url, store = opened()
    keep(store, "a", *whole(2))
    code, out, err = say("export", "a", "--store", url)
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0] == {"format": "l0-streams", "version": 1}
    assert lines[1]["body"]["type"] == "START"
    assert lines[2] == {
        "stream": "a", "seq": 1, "count": 1, "terminal": False,
        "body": {"type": "TOKEN", "index": 0, "values": ["word0 "], "times": [[0, 1001.0]]},
    }  # fmt: skip
    assert lines[-1] == {"end": True, "streams": 1, "records": 4}


def test_some_streams_can_be_exported(say: Say) -> None:
    url, store = opened()
    for name in ("abc", "abd", "xyz"):
        keep(store, name, *whole(1))
    code, out, _ = say("export", "x", "abc", "xyz", "-o", "out", "--json", "--store", url)
    assert (code, json.loads(out)) == (0, {"file": "out", "streams": 2, "records": 6})
    assert say("export", "ab", "-o", "out2", "--store", url)[0] == 1
    assert not Path("out2").exists()


@pytest.mark.parametrize("arguments", [[], ["a", "--all"]])
def test_what_is_exported_is_to_be_said(arguments: list[str], say: Say) -> None:
    code, _, err = say("export", *arguments, "--store", opened()[0])
    assert code == 1
    assert "--all" in err


def test_importing_twice_changes_nothing(say: Say) -> None:
    url, store = filled()
    say("export", "--all", "-o", "out", "--store", url)
    before = records(store)
    for _ in range(2):
        code, out, err = say("import", "out", "--json", "--store", url)
        assert (code, err) == (0, "")
        assert json.loads(out) == {"streams": 9, "records": 97, "new_records": 0, "conflicts": []}
    assert records(store) == before


def test_an_import_goes_on_where_another_was_cut_off(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that was: at every line, and whatever is written together."""
    url, store = opened()
    keep(store, "a", *whole(7))
    keep(store, "b", *tokens(5))
    say("export", "--all", "-o", "out", "--store", url)
    lines = Path("out").read_bytes().splitlines(keepends=True)
    for page in (1, 3, 256):
        monkeypatch.setattr(stream_import, "PAGE", page)
        for cut in range(1, len(lines)):
            other_url, other = opened()
            Path("part").write_bytes(b"".join(lines[:cut]))
            code, out, err = say("import", "part", "--json", "--store", other_url)
            assert (code, err) == (1, f"l0: part was cut off after line {cut}; what it holds is imported\n")
            assert json.loads(out)["new_records"] == sum(map(len, records(other).values())) == cut - 1
            assert say("import", "out", "--store", other_url)[0] == 0
            assert records(other) == records(store)


def test_a_stream_that_has_gone_on_since_is_no_conflict(say: Say) -> None:
    url, store = opened()
    keep(store, "a", *tokens(3))
    say("export", "--all", "-o", "out", "--store", url)
    asyncio.run(store.append("a", EventEnvelope("a", 4, CompleteEvent(ts=9.0))))
    assert say("import", "out", "--store", url)[0] == 0
    assert len(records(store)["a"]) == 5


def test_a_conflict_says_which_stream_and_stops_no_other(say: Say) -> None:
    url, store = opened()
    for name in ("a", "b\x1b", "c"):
        keep(store, name, *whole(3))
    say("export", "--all", "-o", "out", "--store", url)
    other_url, other = opened()
    keep(other, "b\x1b", *tokens(2), TokenEvent(value="another", index=2))
    before = records(other)["b\x1b"]
    code, out, err = say("import", "out", "--json", "--store", other_url)
    assert code == 1
    assert err == (
        "l0: the stream 'b\\x1b' is another one here, from event 3 on: delete it there, or import into another store\n"
    )
    assert json.loads(out) == {"streams": 2, "records": 10, "new_records": 10, "conflicts": ["b\x1b"]}
    assert records(other) == {**records(store), "b\x1b": before}


@pytest.mark.parametrize(
    ("here", "says"),
    [([], "is at event 0 here"), (tokens(1), "is at event 2 here"), (whole(3), "has ended here")],
)
def test_a_stream_without_its_beginning_joins_none(here: list[Any], says: str, say: Say) -> None:
    Path("out").write_bytes(header() + line(seq=5) + end(1))
    url, store = opened()
    keep(store, "a", *here)
    code, _, err = say("import", "out", "--store", url)
    assert code == 1
    assert f"the stream 'a' {says}, and goes on in the file with event 5" in err


# Damage.


def header(version: Any = 1) -> bytes:
    return json.dumps({"format": "l0-streams", "version": version}).encode() + b"\n"


def end(count: int) -> bytes:
    return b'{"end":true,"streams":1,"records":%d}\n' % count


def line(*, body: str = '{"type":"START","ts":1}', **fields: Any) -> bytes:
    head = json.dumps({"stream": "a", "seq": 0, "count": 1, "terminal": False, **fields}, separators=(",", ":"))
    return f'{head[:-1]},"body":{body}}}\n'.encode()


TOKEN = '{"type":"TOKEN","index":0,"values":["a","b"],"times":[[0,1]]}'


@pytest.mark.parametrize(
    ("damaged", "says"),
    [
        (b"{", "cut off or damaged"),
        (b"\xff\xfe\n", "cut off or damaged"),
        (b"\n", "cut off or damaged"),
        (b"[" * 100_000 + b"\n", "cut off or damaged"),
        (b"[]\n", "no JSON object"),
        (b"{}\n", "no record as l0 export writes them"),
        (line(more=1), "no record as l0 export writes them"),
        (line(seq=1)[:-20], "cut off or damaged"),
        (line(seq=1, stream=3), "stream must be text"),
        (line(seq=True), "seq and count numbers"),
        (line(seq=-1), "no record has seq -1"),
        (line(seq=1 << 64), "no record has seq"),
        (line(seq=1, count=0), "and count 0"),
        (line(seq=1, count=10**9), "and count 1000000000"),
        (line(seq=2), "event 2 cannot follow event 0"),
        (line(seq=0), "event 0 cannot follow event 0"),
        (line(seq=1, body="[]"), "event 1 is damaged"),
        (line(seq=1, body='"x"'), "event 1 is damaged"),
        (line(seq=1, body='{"type":3,"ts":1}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"START","ts":"now"}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"X","ts":null}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"OUTPUT","ts":1,"event":[]}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"GUARDRAIL","ts":1,"result":3}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"TOKEN","values":["a"]}'), "event 1 is damaged"),
        (line(seq=1, body='{"type":"X","ts":1},"body":{"type":"X","ts":1}'), "event 1 is damaged"),
        (line(seq=1, count=3, body=TOKEN), "not what its count and terminal say"),
        (line(seq=1, count=2), "not what its count and terminal say"),
        (line(seq=1, terminal=True), "not what its count and terminal say"),
        (line(seq=1, body='{"type":"COMPLETE","ts":1}'), "not what its count and terminal say"),
        (end(7), "the end of 7 records, and there are 1: some were lost"),
        (end(1) + end(1), "the line before it is the last"),
        (header(), "no record as l0 export writes them"),
    ],
)
def test_what_is_damaged_is_told_by_its_line_and_the_rest_is_kept(damaged: bytes, says: str, say: Say) -> None:
    Path("out").write_bytes(header() + line() + damaged + line(stream="later"))
    url, store = opened()
    code, out, err = say("import", "out", "--json", "--store", url)
    at = 4 if damaged == end(1) * 2 else 3
    assert code == 1
    assert err.startswith(f"l0: out, line {at}: ")
    assert err.endswith("; what stands before it is imported\n")
    assert says in err
    assert json.loads(out)["new_records"] == 1
    assert records(store) == {"a": [Record(0, 1, b'{"type":"START","ts":1}')]}


def test_nothing_follows_the_end_of_a_stream(say: Say) -> None:
    done = line(terminal=True, body='{"type":"COMPLETE","ts":1}')
    Path("out").write_bytes(header() + done + line(seq=1) + end(2))
    assert "line 3: event 1 cannot follow event 0" in say("import", "out", "--store", opened()[0])[2]


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (b"", "out is empty, and no export of l0"),
        (b"\x00\x01\x02", "line 1: cut off or damaged"),
        (b'{"a":1}\n', 'line 1: this is no export of l0, which begins with {"format":"l0-streams","version":1}'),
        (header("1"), "line 1: this is no export"),
        (header(2), "line 1: version 2 of the format, and this l0-cli reads 1: pip install -U l0-cli"),
    ],
)
def test_what_is_no_export_is_told(first: bytes, says: str, say: Say) -> None:
    Path("out").write_bytes(first)
    code, _, err = say("import", "out", "--store", opened()[0])
    assert code == 1
    assert says in err
    assert "before" not in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line(say: Say) -> None:
    code, out, err = say("import", "gone\x1b", "--store", opened()[0])
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "\x1b" not in err


def test_a_line_may_not_fill_the_memory(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_import, "LINE", 1 << 20)
    Path("out").write_bytes(
        header() + line() + line(seq=1, body=json.dumps({"type": "X", "ts": 1, "x": "y" * (1 << 21)}))
    )
    assert "line 3: a line is longer than 1 MB" in say("import", "out", "--store", opened()[0])[2]


def test_a_stream_that_cannot_be_read_stops_no_other(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    url, store = opened()
    for name in ("a", "b", "c"):
        keep(store, name, *whole(5))
    read = store.read_records

    async def damaged(stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        if stream_id == "b" and from_seq >= 3:
            raise StoreError("a checksum is wrong")
        return await read(stream_id, from_seq, limit)

    monkeypatch.setattr(store, "read_records", damaged)
    monkeypatch.setattr(stream_export, "PAGE", 3)
    code, _, err = say("export", "--all", "-o", "out", "--store", url)
    assert (code, err) == (1, "l0: the stream 'b' is exported up to event 3 only: a checksum is wrong\n")
    other_url, other = opened()
    assert say("import", "out", "--store", other_url)[0] == 0
    assert [len(each) for each in records(other).values()] == [7, 3, 7]


# Files.


def test_a_file_is_replaced_when_the_new_one_is_whole(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    url, store = opened()
    keep(store, "a", *whole(5))
    Path("out").write_text("the backup of yesterday")

    async def breaks(*_: Any) -> list[Record]:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_records", breaks)
        assert say("export", "--all", "-o", "out", "--store", url)[0] == 1
    assert Path("out").read_text() == "the backup of yesterday"
    assert os.listdir() == ["out"]
    assert say("export", "--all", "-o", "out", "--store", url)[0] == 0
    assert Path("out").read_bytes().startswith(b'{"format"')


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_nobody_else_may_read_an_export(say: Say) -> None:
    url, store = opened()
    keep(store, "a", *whole(1))
    say("export", "--all", "-o", "out", "--store", url)
    assert Path("out").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="what a device is there is another matter")
def test_what_is_no_file_is_written_to(say: Say) -> None:
    url, store = opened()
    keep(store, "a", *whole(1))
    assert say("export", "--all", "-o", os.devnull, "--store", url)[0] == 0
    assert not Path(os.devnull).is_file()


def test_no_more_is_in_memory_than_a_page(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of 40 MB takes a quarter of that, to export and to import; the store's own memory is left out."""
    url, store = opened()
    text = "x" * 10_000
    body = json.dumps({"type": "X", "ts": 1, "x": text}).encode()

    async def endless(stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        return [Record(seq, 1, bytes(bytearray(body))) for seq in range(from_seq, min(from_seq + (limit or 1), 4000))]

    async def write(stream_id: str, given: Any) -> None:
        written.append(len(given))

    async def none(stream_id: str, *_: Any) -> list[Record]:
        return []

    async def ids(prefix: str) -> list[str]:
        return ["a"]

    written: list[int] = []
    other_url, other = opened()
    for patched, name, does in (
        (store, "list_ids", ids),
        (store, "read_records", endless),
        (other, "read_records", none),
        (other, "write_records", write),
    ):
        monkeypatch.setattr(patched, name, does)
    tracemalloc.start()
    try:
        assert say("export", "--all", "-o", "out", "--store", url)[0] == 0
        assert say("import", "out", "--store", other_url)[0] == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(written) == 4000
    assert peak < 10_000_000


SCRIPT = """
import asyncio, sys
from l0_cli import main
from l0_eventsourcing import StartEvent, TokenEvent, open_store
async def fill():
    store = open_store("memory://x")
    await store.append("a\\x9b\\u202e", StartEvent(ts=1.0, extra={"x": "\\x9b \\u202e \\x7f"}))
    for number in range(2000):
        await store.append("b", TokenEvent(ts=1.0, value="x" * 100, index=number))
asyncio.run(fill())
sys.exit(main([*sys.argv[1:], "--store", "memory://x"]))
"""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "export", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"format"')
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def on_terminal(descriptor: str, *arguments: str) -> str:
    """What a command writes to a terminal that is its stdout or its stderr."""
    import pty

    outer, inner = pty.openpty()
    stdout, stderr = (inner if descriptor == name else subprocess.DEVNULL for name in ("stdout", "stderr"))
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environ = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(command, env=environ, stdout=stdout, stderr=stderr) as process:
        os.close(inner)
        out = b""
        while chunk := _read(outer):
            out += chunk
        os.close(outer)
        assert process.wait() == 0
    return out.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # What Linux says where the other end of a terminal is closed.
        return b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_an_export_cannot_steer_it() -> None:
    """It is the same JSON still; what JSON leaves raw is escaped."""
    text = on_terminal("stdout", "export", "a")
    assert not {"\x9b", "\u202e", "\x7f", "\x1b"} & set(text)
    assert json.loads(text.splitlines()[1])["body"]["x"] == "\x9b \u202e \x7f"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_long_work_shows_on_a_terminal_how_far_it_has_come(say: Say) -> None:
    url, store = opened()
    keep(store, "a", *whole(500))
    assert say("export", "a", "-o", "out", "--store", url)[2] == ""
    assert say("import", "out", "--store", url)[2] == ""
    assert "importing" in on_terminal("stderr", "import", "out")
    assert on_terminal("stderr", "export", "a", "-o", "short") == ""
