"""Recorded streams as a person sees them: the list, one stream's timeline, its replay, and what two differ in."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import re
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_cli import main, stream_diff, streams
from l0_eventsourcing import (
    AbortedEvent,
    CompleteEvent,
    ContinuationEvent,
    DriftEvent,
    DriftEventResult,
    ErrorEvent,
    EventEnvelope,
    FallbackEvent,
    GuardrailEvent,
    GuardrailEventResult,
    InMemoryEventStore,
    OutputEvent,
    ResetEvent,
    RetryEvent,
    SerializedError,
    SerializedOptions,
    StartEvent,
    StoreUnavailable,
    TokenEvent,
    UnknownEvent,
    open_store,
)
from l0_testing import FakeProvider, Mishap
from l0_testing.measuring import seconds
from l0_testing.virtual import run
from rich.console import Console

from l0_core import StoreError, config

START = 1_763_690_400_000.0
"""2025-11-21 02:00:00 in UTC, in milliseconds."""

HOSTILE = "\x1b[2J\x1b]0;owned\x07 a\rb \x9b31m \u202etxt.exe\u2066 \u2028 \x00 \x7f \ud800 end"

STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_numbers = itertools.count()

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration but the test's own, and the clock on the wall is that of Greenwich."""
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    config.reload()
    yield
    config.reload()
    monkeypatch.undo()
    time.tzset()


class Kept:
    """A store of this process, and its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        store = open_store(url)
        assert isinstance(store, InMemoryEventStore)
        self.store = store

    def keep(self, stream_id: str, *events: Any, start: float = START, every: float = 100.0) -> None:
        """Record events, so many milliseconds apart, a START first."""
        given: tuple[Any, ...] = (StartEvent(), *events)

        async def append() -> None:
            for seq, event in enumerate(given):
                event.ts = event.ts or start + seq * every
                await self.store.append(stream_id, EventEnvelope(stream_id, seq, event))

        asyncio.run(append())


@pytest.fixture
def kept() -> Kept:
    return Kept(f"memory://test-{next(_numbers)}")


@pytest.fixture
def say(kept: Kept, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command on the store; its exit code, and what it wrote to stdout and stderr."""

    def say(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--store", kept.url])
        return (code, *capsys.readouterr())

    return say


def tokens(*values: str, index: int = 0) -> list[TokenEvent]:
    return [TokenEvent(value=value, index=index + at) for at, value in enumerate(values)]


def whole(*values: str) -> list[Any]:
    return [*tokens(*values), CompleteEvent(content="".join(values), token_count=len(values), finish_reason="stop")]


EVENTFUL: list[Any] = [
    *tokens("one ", "two "),
    RetryEvent(reason="network_error", delay=250.0, error=SerializedError("ConnectionResetError", "gone", "ECONN")),
    ResetEvent(keep=4, token_count=1),
    *tokens("three ", index=1),
    GuardrailEvent(result=GuardrailEventResult([{"rule": "json", "severity": "error", "message": "no object"}], True)),
    DriftEvent(result=DriftEventResult(True, ["tone"], 0.8), at=2),
    FallbackEvent(to=1, from_=0, reason="exhausted"),
    ContinuationEvent(at=2, length=10),
    OutputEvent(event={"type": "tool_call", "data": {"id": "1", "name": "search", "arguments": '{"q": 1}'}}),
    OutputEvent(event={"type": "reasoning", "text": "hm"}),
    UnknownEvent("NOVELTY", extra={"colour": "red"}),
    *tokens("four", index=2),
    CompleteEvent(content="one three four", token_count=3, finish_reason="stop", usage={"input_tokens": 7}),
]


# The store.


def test_without_a_store_it_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["streams"], ["show", "x"], ["replay", "x"], ["export", "--all"], ["import", os.devnull]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert 'store = "sqlite:///runs.db" in l0.toml' in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("where", ["l0.toml", "L0_STORE"])
def test_the_configured_store_is_read(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "memory://configured"
    if where == "L0_STORE":
        monkeypatch.setenv(where, url)
    else:
        Path(where).write_text(f'store = "{url}"\n')
    Kept(url).keep("chat", *whole("hi"))
    assert main(["streams"]) == 0
    assert "chat" in capsys.readouterr().out


def test_without_the_package_of_recorded_streams_it_says_what_to_install(
    kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "find_spec", lambda name: None)
    for command in (["streams"], ["show", "x"], ["replay", "x"], ["export", "--all"]):
        code, out, err = say(*command)
        assert (code, out) == (1, "")
        assert 'pip install "l0-cli[streams]"' in err
        assert err.count("\n") == 1
    assert say("diff", "a", "b")[0] == 2


def test_without_the_package_of_a_store_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streams, "registry", lambda: types.SimpleNamespace(installed=lambda kind: ()))
    assert main(["streams", "--store", "postgresql://me:hush@host/x"]) == 1
    said = capsys.readouterr().err
    assert (
        said == "l0: postgresql:// is a store of l0-store-postgres, not installed here: pip install l0-store-postgres\n"
    )


def test_a_store_that_is_away_is_one_line(kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the database cannot be reached")

    kept.keep("chat", *whole("hi"))
    for name in ("read_records", "read_head"):
        monkeypatch.setattr(kept.store, name, away)
    for command in (["streams"], ["show", "chat"], ["replay", "chat"], ["export", "--all"]):
        code, _, err = say(*command)
        assert code == 1
        assert err.startswith("l0: StoreUnavailable: the database cannot be reached")
        assert err.count("\n") == 1


def test_the_store_is_closed(kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    async def aclose() -> None:
        closed.append(True)

    monkeypatch.setattr(kept.store, "aclose", aclose)
    say("streams")
    say("show", "nothing")
    assert closed == [True, True]


# The list.


def test_the_list_is_a_table_with_the_newest_first(kept: Kept, say: Say) -> None:
    kept.keep("first", *EVENTFUL)
    kept.keep("second", *tokens("a"), start=START + 60_000)
    kept.keep("third", AbortedEvent(), start=START + 30_000)
    kept.keep("fourth", ErrorEvent(error=SerializedError("ValueError", "no")), start=START + 40_000)
    code, out, _ = say("streams")
    assert code == 0
    assert out == (
        "id      started              duration  events  tokens  outcome     retries  fallbacks\n"
        "second  2025-11-21 02:01:00     0.1 s       2       1  unfinished        0          0\n"
        "fourth  2025-11-21 02:00:40     0.1 s       2       0  error             0          0\n"
        "third   2025-11-21 02:00:30     0.1 s       2       0  aborted           0          0\n"
        "first   2025-11-21 02:00:00     1.4 s      15       3  complete          1          1\n"
    )


def test_the_list_can_be_narrowed(kept: Kept, say: Say) -> None:
    for number in range(6):
        events = whole("x") if number % 2 else tokens("x")
        kept.keep(f"{'ab'[number % 2]}/{number}", *events, start=START + number * 1000)

    def listed(*options: str) -> list[str]:
        return [each["stream_id"] for each in json.loads(say("streams", "--json", *options)[1])]

    assert listed() == ["b/5", "a/4", "b/3", "a/2", "b/1", "a/0"]
    assert listed("--prefix", "b/") == ["b/5", "b/3", "b/1"]
    assert listed("--limit", "2") == ["b/5", "a/4"]
    assert listed("--unfinished", "--limit", "2") == ["a/4", "a/2"]
    assert listed("--prefix", "c") == []
    assert say("streams", "--prefix", "c")[1] == "No stream is recorded there.\n"


def test_the_list_for_programs(kept: Kept, say: Say) -> None:
    kept.keep("one", *EVENTFUL)
    (told,) = json.loads(say("streams", "--json")[1])
    assert told == {
        "stream_id": "one", "start_ts": START, "end_ts": START + 1400, "event_count": 15, "token_count": 3,
        "outcome": "complete", "retries": 1, "fallbacks": 1, "problem": None,
    }  # fmt: skip


def test_a_stream_that_cannot_be_read_hides_no_other(kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep("bad", *whole("x"))
    kept.keep("good", *whole("x"))
    read = kept.store.read_records

    async def damaged(stream_id: str, *more: Any) -> Any:
        if stream_id == "bad":
            raise StoreError("line 3 of bad.log fails its checksum")
        return await read(stream_id, *more)

    monkeypatch.setattr(kept.store, "read_records", damaged)
    for options in ([], ["--unfinished"]):
        code, out, _ = say("streams", *options)
        assert code == 0
        (row,) = [line for line in out.splitlines() if line.startswith("bad")]
        assert re.search(r"damaged .*line 3 of bad\.log fails its checksum$", row)
        assert ("good" in out) == (not options)


def test_only_what_is_listed_is_read_whole(kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        kept.keep(f"s{number:02}", *whole("x"), start=START + number)
    read, whole_reads = kept.store.read_records, []

    async def counted(stream_id: str, from_seq: int = 0, limit: int | None = None) -> Any:
        if limit is None:
            whole_reads.append(stream_id)
        return await read(stream_id, from_seq, limit)

    monkeypatch.setattr(kept.store, "read_records", counted)
    say("streams", "--limit", "3")
    assert whole_reads == ["s49", "s48", "s47"]


# One stream.


def test_an_id_may_be_abbreviated(kept: Kept, say: Say) -> None:
    for name in ("abc", "abcd", "xyz"):
        kept.keep(name, *whole("hi"))
    assert "stream   xyz\n" in say("show", "x")[1]
    assert "stream   abc\n" in say("show", "abc")[1]
    code, out, err = say("show", "a")
    assert (code, out) == (1, "")
    assert err == "l0: 2 streams begin with 'a', give more of one's id: 'abc', 'abcd'\n"
    assert say("show", "b")[2].startswith("l0: there is no stream 'b', and none that begins so")


def test_an_ambiguous_beginning_names_some(kept: Kept, say: Say) -> None:
    for number in range(9):
        kept.keep(f"s{number}\u202e", AbortedEvent())
    err = say("replay", "s")[2]
    assert "9 streams begin with 's'" in err
    assert "'s4\\u202e' and 4 more" in err


def test_the_timeline_tells_everything_that_went_wrong(kept: Kept, say: Say) -> None:
    kept.keep("one", *EVENTFUL)
    code, out, _ = say("show", "one")
    assert code == 0
    assert out == (
        "stream   one\n"
        "started  2025-11-21 02:00:00.000+00:00\n"
        "\n"
        "    0.000 s  start\n"
        "    0.100 s  first token\n"
        "    0.300 s  retry          network_error after 2 tokens, retry 1 in 0.25 s: "
        "ConnectionResetError [ECONN]: gone\n"
        "    0.400 s  reset          4 characters withdrawn, 4 stand\n"
        "    0.600 s  guardrail      json: error, no object, retries\n"
        "    0.700 s  drift          tone, confidence 0.8, after 2 tokens\n"
        "    0.800 s  fallback       exhausted after 2 tokens, from source 0 to source 1\n"
        "    0.900 s  continuation   of the first 10 characters in 2 tokens\n"
        '    1.000 s  tool call      search {"q": 1}\n'
        "    1.100 s  first reasoning\n"
        '    1.200 s  NOVELTY        of a later version: {"colour": "red"}\n'
        "    1.400 s  complete       finish reason 'stop', 7 input_tokens\n"
        "\n"
        "14 characters in 3 tokens, 15 events, 1.4 s; the first token after 0.100 s, then 2.5 tokens/s\n"
        "\n"
        "reasoning:\n"
        "hm\n"
        "\n"
        "one three four\n"
    )


@pytest.mark.parametrize(
    ("last", "line"),
    [
        (
            ErrorEvent(error=SerializedError("APIError", "overloaded"), failure_type="model", policy={"maxRetries": 3}),
            "error          APIError: overloaded, failure model",
        ),
        (AbortedEvent(), "aborted        the consumer left before the end"),
        (CompleteEvent(content="a", token_count=1, outcome="incomplete"), "incomplete"),
        (TokenEvent(value="b", index=1), "unfinished     the last event came "),
    ],
)
def test_the_end_is_told_whatever_it_was(last: Any, line: str, kept: Kept, say: Say) -> None:
    kept.keep("one", *tokens("a"), last)
    assert f" s  {line}" in say("show", "one")[1]


def test_options_are_told_as_they_were_recorded(kept: Kept, say: Say) -> None:
    """A secret was masked when it was recorded, and is shown so."""
    options = SerializedOptions(model="m\x1b", metadata={"user": {"id": 7}, "api_key": "***"})
    kept.keep("one", StartEvent(options=options))
    out = say("show", "one")[1]
    assert 'option   model = "m\\u001b"\n' in out
    assert "option   metadata.user.id = 7\n" in out
    assert 'option   metadata.api_key = "***"\n' in out


def test_text_that_is_withdrawn_without_a_reset_is_told_too(kept: Kept, say: Say) -> None:
    kept.keep("one", *tokens("one ", "two "), *tokens("zwei", index=1))
    assert "reset          4 characters withdrawn, 4 stand" in say("show", "one")[1]


def test_the_timeline_for_programs(kept: Kept, say: Say) -> None:
    kept.keep("one", *EVENTFUL)
    told = json.loads(say("show", "one", "--json")[1])
    assert (told["stream_id"], told["outcome"], told["state"]["content"]) == ("one", "complete", "one three four")
    assert (told["first_token_seconds"], told["tokens_per_second"]) == (0.1, 2.5)
    assert told["moments"][2]["kind"] == "retry"
    assert [each["seq"] for each in told["moments"]] == sorted(each["seq"] for each in told["moments"])


def test_every_event_is_one_line(kept: Kept, say: Say) -> None:
    kept.keep("one", *tokens("a\nb"), UnknownEvent("NOVELTY", extra={"colour": "red"}), *whole("c")[1:])
    lines = say("show", "one", "--events")[1].splitlines()
    assert len(lines) == 4
    assert lines[1] == '     1      0.100 s  TOKEN        {"value": "a\\nb", "index": 0}'
    assert lines[2] == '     2      0.200 s  NOVELTY      {"colour": "red"}'
    told = [json.loads(line) for line in say("show", "one", "--events", "--json")[1].splitlines()]
    assert told[1] == {"seq": 1, "type": "TOKEN", "ts": START + 100, "value": "a\nb", "index": 0}
    assert told[2] == {"seq": 2, "type": "NOVELTY", "ts": START + 200, "colour": "red"}


def test_a_stream_of_the_runtime_is_told(kept: Kept, say: Say) -> None:
    """What L0 itself records of a failure is in the timeline, and the text is the consumer's."""
    provider = FakeProvider([f"{at} " for at in range(20)], [Mishap("raise", at=5)])

    async def play() -> str:
        stream = await l0.run(provider, adapter=provider, record=kept.store, stream_id="s", on_interrupt="reset")
        return await stream.read()

    text = run(play())
    out = say("show", "s")[1]
    assert re.search(r"retry +network_error after 5 tokens, retry 1 in \d+\.\d\d s, which does not count", out)
    assert "ConnectionResetError: scripted" in out
    assert re.search(r"reset +10 characters withdrawn, 0 stand", out)
    assert out.endswith(f"\n\n{text}\n")
    assert say("replay", "s", "--speed", "0")[1].startswith(
        "0 1 2 3 4 \n[10 characters withdrawn, 0 stand]\n0 1 2 3 4 5 "
    )


# Its replay.


def test_a_replay_is_what_the_consumer_saw(kept: Kept, say: Say) -> None:
    kept.keep("one", *EVENTFUL)
    code, out, _ = say("replay", "one", "--speed", "0")
    assert code == 0
    assert out == (
        "one two \n"
        "[4 characters withdrawn, 4 stand]\n"
        "three \n"
        '[tool_call {"data": {"id": "1", "name": "search", "arguments": "{\\"q\\": 1}"}}]\n'
        "[reasoning]\n"
        "hm\n"
        "[answer]\n"
        "four\n"
        "[complete, finish reason 'stop', 14 characters in 3 tokens, usage input_tokens 7]\n"
    )


def test_a_replay_ends_with_the_recorded_error(kept: Kept, say: Say) -> None:
    kept.keep("one", *tokens("a\n"), ErrorEvent(error=SerializedError("StopAsyncIteration", "over")))
    code, out, _ = say("replay", "one", "--speed", "0")
    assert (code, out) == (0, "a\n[error, StopAsyncIteration: over, 2 characters in 1 tokens]\n")


def test_a_replay_for_programs_is_an_object_for_each_event(kept: Kept, say: Say) -> None:
    kept.keep("one", *EVENTFUL)
    told = [json.loads(line) for line in say("replay", "one", "--speed", "0", "--json")[1].splitlines()]
    assert [each["type"] for each in told] == [
        *("token", "token", "reset", "token", "tool_call", "reasoning", "token", "complete", "outcome")
    ]
    assert told[0] == {"type": "token", "text": "one ", "timestamp": START / 1000 + 0.1}
    assert told[2]["data"] == {"keep": 4}
    assert told[-1] == {"type": "outcome", "outcome": "complete", "error": None}


@pytest.mark.parametrize(("speed", "seconds"), [("1", [10.0, 90.0]), ("4", [2.5, 22.5]), ("0", [])])
def test_a_replay_takes_its_time(
    speed: str, seconds: list[float], kept: Kept, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(delay: float) -> None:
        slept.append(delay)

    events = tokens("a", "b")
    events[0].ts, events[1].ts = START + 10_000, START + 100_000
    kept.keep("one", *events)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    say("replay", "one", "--speed", speed)
    assert slept == seconds


def test_text_is_out_before_its_pause(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees each token when it came, and not when a buffer is full."""
    kept.keep("one", *tokens("a", "b"))
    behind = io.BytesIO()
    seen = []

    async def sleep(delay: float) -> None:
        seen.append(behind.getvalue())

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(behind), "utf-8"))
    assert main(["replay", "one", "--store", kept.url]) == 0
    assert seen == [b"", b"a"]


def test_a_speed_below_zero_is_refused(say: Say) -> None:
    assert say("replay", "one", "--speed", "-1")[0] == 2


def test_a_cassette_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is one is served by whoever records cassettes; a stream may be called so too."""
    given: list[Any] = []

    def replay_cassette(*arguments: Any) -> int:
        given.append(arguments)
        return 3

    record = types.SimpleNamespace(replay_cassette=replay_cassette)
    monkeypatch.setattr("l0_cli.stream_commands.find_spec", lambda name: object())
    monkeypatch.setattr("l0_cli.stream_commands.import_module", lambda name: {"l0_cli.record": record}[name])
    path = tmp_path / "a.cassette"
    path.write_text("")
    assert main(["replay", str(path), "--speed", "2", "--port", "8080", "--json"]) == 3
    assert given == [(path, 2.0, 8080, True)]
    assert main(["replay", "gone.cassette", "--store", "memory://x"]) == 1
    assert main(["replay", "stream", "--port", "1", "--store", "memory://x"]) == 2
    assert "--port is for a file" in capsys.readouterr().err


# What two differ in.


def test_equal_streams_do_not_differ(kept: Kept, say: Say) -> None:
    kept.keep("a", *whole("x", "y"))
    kept.keep("b", *whole("x", "y"), start=START + 5000, every=7.0)
    assert say("diff", "a", "b") == (0, "No difference, but for times.\n", "")
    told = json.loads(say("diff", "a", "b", "--json")[1])
    assert told == {"a": "a", "b": "b", "identical": True, "differences": []}


def test_different_streams_differ_in_words_and_in_text(kept: Kept, say: Say) -> None:
    kept.keep("a", *whole("same\n", "the old line\n", "end"))
    kept.keep("b", *whole("same\n", "the new line\n", "end"))
    code, out, _ = say("diff", "a", "b")
    assert code == 1
    assert out.startswith("--- a\n+++ b\ncontent: ")
    assert out.endswith("@@ line 1 to 3, line 1 to 3 @@\n  same\n- the old line\n+ the new line\n  end\n")
    code, out, _ = say("diff", "a", "b", "--json")
    assert (code, json.loads(out)["identical"]) == (1, False)


def test_streams_differ_in_more_than_text(kept: Kept, say: Say) -> None:
    kept.keep("a", *whole("x"))
    kept.keep("b", *tokens("x"), AbortedEvent())
    code, out, _ = say("diff", "a", "b")
    assert code == 1
    assert "outcome: 'complete' vs 'aborted'\n" in out
    assert "@@" not in out


def test_trouble_is_not_a_difference(kept: Kept, say: Say) -> None:
    kept.keep("a", *whole("x"))
    code, out, err = say("diff", "a", "nothing")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("", "a", ["- ", "+ a"]),
        ("a", "a\n", ["  a", "+ "]),
        ("a\nb", "a", ["  a", "- b"]),
        ("tab\tb", "tab    c", ["- tab    b", "+ tab    c"]),
    ],
)
def test_a_diff_shows_lines_that_came_and_went(one: str, other: str, shown: list[str]) -> None:
    assert [line.plain for line in stream_diff.text_diff(one, other)][1:] == shown


def test_the_words_that_differ_are_underlined() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, highlight=False, _environ={"TERM": "xterm"})
    for line in stream_diff.text_diff("the old line", "the new line"):
        console.print(line)
    shown = out.getvalue()
    assert "\x1b[4;31mold" in shown
    assert "\x1b[4;32mnew" in shown


def test_long_texts_are_compared_in_time() -> None:
    """Two texts of one line with 100,000 words each: as lines, since words would take hours."""
    one, other = (" ".join(f"{letter}{at}" for at in range(100_000)) for letter in "ab")
    assert len(list(stream_diff.text_diff(one, other))) == 3
    assert seconds(lambda: list(stream_diff.text_diff(one, other)), 5) < 5


# What a terminal sees.


@pytest.mark.parametrize(
    "command",
    [["streams"], ["show"], ["show", "--events"], ["replay", "--speed", "0"], ["diff"]],
    ids=lambda command: " ".join(command),
)
def test_nothing_recorded_can_steer_a_terminal(command: list[str], kept: Kept, say: Say) -> None:
    error = SerializedError(HOSTILE, HOSTILE, HOSTILE)
    violation = {"rule": HOSTILE, "message": HOSTILE, "severity": HOSTILE, "position": 3}
    events: list[Any] = [
        StartEvent(options=SerializedOptions(model=HOSTILE, metadata={HOSTILE: HOSTILE})),
        *tokens(HOSTILE, *HOSTILE),
        RetryEvent(reason=HOSTILE, error=error),
        FallbackEvent(to=1, reason=HOSTILE, error=error),
        GuardrailEvent(result=GuardrailEventResult([violation])),
        GuardrailEvent(check_type=HOSTILE),
        DriftEvent(result=DriftEventResult(True, [HOSTILE], 1.0)),
        OutputEvent(event={"type": "tool_call", "data": {"name": HOSTILE, "arguments": HOSTILE}}),
        OutputEvent(event={"type": "message", "text": HOSTILE}),
        OutputEvent(event={"type": HOSTILE, "text": HOSTILE}),
        OutputEvent(event={"type": "reasoning", "text": HOSTILE}),
        OutputEvent(event={"type": "refusal", "text": HOSTILE}),
        OutputEvent(event={"type": "token", "text": HOSTILE, "choice": 1}),
        OutputEvent(event={"type": "data", "payload": {"content_type": "image", "mime_type": HOSTILE}}),
        UnknownEvent(HOSTILE, extra={HOSTILE: HOSTILE}),
    ]
    for name, last in (
        (f"1{HOSTILE}", CompleteEvent(content=HOSTILE, outcome=HOSTILE, finish_reason=HOSTILE, usage={HOSTILE: 1})),
        (f"2{HOSTILE}", ErrorEvent(error=error, failure_type=HOSTILE, recovery_strategy=HOSTILE, policy=HOSTILE)),
    ):
        kept.keep(name, *events, last)
    ways: dict[str, list[list[str]]] = {"streams": [[]], "diff": [["1", "2"]]}
    arguments = ways.get(command[0], [["1"], ["2"], ["absent\x1b\u202e"], [""]])
    for given in arguments:
        _, out, err = say(command[0], *given, *command[1:])
        assert not STEERING.search(out)
        assert not STEERING.search(err)
        assert out or err
    whole_output = "".join(say(command[0], *given, *command[1:])[1] for given in arguments)
    assert "\\x1b[2J" in whole_output or "\\u001b[2J" in whole_output


@pytest.mark.parametrize("url", ["sqlite:///typo.db", "file:///typo"])
@pytest.mark.parametrize(
    "command", [["streams"], ["show", "a"], ["replay", "a"], ["diff", "a", "b"], ["export", "--all"]], ids=" ".join
)
def test_a_path_that_is_mistyped_does_not_become_a_store(
    command: list[str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(f"l0_store_{url.partition(':')[0]}")
    assert main([*command, "--store", url]) == (2 if command[0] == "diff" else 1)
    said = capsys.readouterr()
    assert re.fullmatch(r"l0: there is no \S+/typo(\.db)?: nothing is recorded there\n", said.err)
    assert said.out == ""
    assert list(Path().iterdir()) == []
