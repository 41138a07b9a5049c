from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from l0_testing import FAULTS, Fault, FaultServer, Script, ToolCall

TEXT = "One two 流 three 🌊 four."
TOKENS = Script(TEXT).tokens()
CALLS = (ToolCall("call_1", "pay", '{"amount": 100}'),)
AT = 3


@pytest.fixture
def suffer(fault_server: FaultServer, ask: Any) -> Callable[..., bytes]:
    """Returns the bytes of a response that suffers a fault."""

    def suffer(kind: str, *, script: dict[str, Any] | None = None, request: dict[str, Any] | None = None) -> bytes:
        fault = {"at": AT, **(script or {})}
        calls = CALLS if FAULTS[kind].needs_tool_calls else ()
        fault_server.add("m", Script(TEXT, faults=[Fault(kind, **fault)], tool_calls=calls))
        try:
            return ask("m", **(request or {}))
        finally:
            fault_server.wait_idle()

    return suffer


def deltas(body: bytes) -> str:
    """The text of every event that is whole."""
    text = ""
    for event in body.split(b"\n\n")[:-1]:
        data = event.removeprefix(b"data: ")
        if data.startswith(b'{"id"'):
            for choice in json.loads(data)["choices"]:
                text += choice["delta"].get("content") or ""
    return text


def test_the_readme_lists_every_kind() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")

    table = [line for line in readme.splitlines() if line.startswith(("| H", "| S", "| P")) and "`" in line]

    assert table == [f"| {k.number} | `{k.name}` | {k.title} | {k.outcome} |" for k in FAULTS.values()]


def test_the_registry_is_whole_and_in_order() -> None:
    numbers = [({"H": 0, "S": 1, "P": 2}[kind.number[0]], int(kind.number[1:])) for kind in FAULTS.values()]

    assert numbers == sorted(numbers)
    for name, kind in FAULTS.items():
        assert name == kind.name
        assert kind.title
        assert kind.layer == {"H": "http", "S": "body", "P": "provider"}[kind.number[0]]


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if FAULTS[kind].outcome == "text"])
def test_the_attempt_after_a_fault_is_healthy(
    fault_server: FaultServer, send: Any, content: Callable[..., str], kind: str
) -> None:
    calls = CALLS if FAULTS[kind].needs_tool_calls else ()
    fault_server.add("m", Script(TEXT, faults=[Fault(kind, at=AT)], tool_calls=calls))

    send("m").close()
    fault_server.wait_idle(connections=True)
    while not fault_server.requests:  # accepted after it was closed
        time.sleep(0.001)

    assert content("m") == TEXT


@pytest.mark.parametrize("at", [0, 1, AT, 1000])
@pytest.mark.parametrize("kind", ["fin_mid", "eof_close_delim", "trunc_clean", "shortlen", "badchunk"])
def test_what_is_cut_is_cut_before_the_token(
    fault_server: FaultServer, suffer: Any, wire: Any, kind: str, at: int
) -> None:
    response = suffer(kind, script={"at": at})

    log = fault_server.requests[0]
    sent = "".join(TOKENS[:at])
    assert b'finish_reason":"stop' not in response
    assert (log.text, log.tokens_sent) == (sent, min(at, len(TOKENS)))
    body = response.partition(b"\r\n\r\n")[2]
    if kind == "trunc_clean":
        assert deltas(wire.unchunk(response)) == sent
    elif kind in ("eof_close_delim", "shortlen"):
        assert deltas(body) == sent
    else:
        assert not response.endswith(b"0\r\n\r\n")
    if kind == "badchunk":
        assert body.endswith(b"\r\nsize?\r\n")


@pytest.mark.parametrize("at", [0, 1, AT, 1000])
def test_a_reset_drops_nothing_that_was_sent(fault_server: FaultServer, send: Any, at: int) -> None:
    fault_server.add("m", Script(TEXT * 20, faults=[Fault("rst_mid", at=at)]))
    sock = send("m")
    fault_server.wait_idle()

    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(1 << 16):
            data += part

    assert data.count(b'"content":') == 1 + fault_server.requests[0].tokens_sent  # 1 for the role


def test_no_response_is_no_response(send: Any, suffer: Any, fault_server: FaultServer) -> None:
    assert suffer("fin_before") == b""
    fault_server.add("r", Script(faults=[Fault("rst_before")]))
    with pytest.raises(ConnectionResetError):
        send("r").recv(1)


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind[:3].isdigit()])
def test_a_status_is_sent_with_its_error(suffer: Any, kind: str) -> None:
    asked = time.time()
    head, _, body = suffer(kind, script={"seconds": 2}).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 " + kind[:3].encode())
    assert json.loads(body)["error"]["message"]
    hint = next((line for line in head.split(b"\r\n") if line.startswith(b"retry-after")), b"").decode()
    if kind.endswith("_ra"):
        assert hint == "retry-after: 2"
    elif kind.endswith("_ms"):
        assert hint == "retry-after-ms: 2000"
    elif kind.endswith("_date"):
        # A date has no fractions of a second.
        assert asked + 1 < parsedate_to_datetime(hint.partition(": ")[2]).timestamp() <= time.time() + 2
    else:
        assert not hint


def test_codes_are_there_or_not(suffer: Any) -> None:
    codes = {
        kind: json.loads(suffer(kind).partition(b"\r\n\r\n")[2])["error"]["code"]
        for kind in ("400", "400_nocode", "404", "404_nocode", "429_quota")
    }

    assert codes == {
        "400": "context_length_exceeded",
        "400_nocode": None,
        "404": "model_not_found",
        "404_nocode": None,
        "429_quota": "insufficient_quota",
    }


def test_redirects_go_on_and_keep_what_followed_them(
    fault_server: FaultServer, suffer: Any, connect: Any, wire: Any
) -> None:
    assert b"\r\nlocation: /v1/redirected\r\n" in suffer("redirect_loop")
    away = suffer("redirect_loop", script={"location": "http://localhost:9/v1"})
    assert b"\r\nlocation: http://localhost:9/v1/redirected\r\n" in away

    sock = connect()
    sock.sendall(b"POST /v1/redirected HTTP/1.1\r\nAuthorization: Bearer key\r\n\r\n")
    assert wire.read_response(sock).startswith(b"HTTP/1.1 307 ")
    assert [headers["authorization"] for headers in fault_server.redirected] == ["Bearer key"]


@pytest.mark.parametrize("kind", ["idle_close", "reuse_close"])
def test_an_idle_connection_ends(fault_server: FaultServer, send: Any, wire: Any, kind: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(kind)]))
    sock = send("m")

    assert len(wire.events(wire.read_response(sock))) == len(TOKENS) + 2
    if kind == "reuse_close":
        sock.sendall(wire.request_bytes("m"))

    assert sock.recv(1) == b""
    assert len(fault_server.requests) == 1


def test_a_body_without_length_ends_with_the_connection(suffer: Any) -> None:
    head = suffer("eof_close_delim").partition(b"\r\n\r\n")[0]

    assert b"connection: close" in head
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("trunc_done", b"data: [DONE]\n\n"),
        (
            "err_data",
            b'data: {"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":null}}\n\n',
        ),
        ("err_event_notok", b"\n\nevent: error\ndata: upstream connect error or disconnect/reset before headers\n\n"),
        ("nodone_ok", b'"finish_reason":"stop"}]}\n\n'),
        ("no_trailing_blank", b'"finish_reason":null}]}'),
    ],
)
def test_how_a_body_ends(suffer: Any, wire: Any, kind: str, end: bytes) -> None:
    assert wire.unchunk(suffer(kind)).endswith(end)


@pytest.mark.parametrize("kind", ["utf8_split", "coalesced", "trickle", "idle_close", "reuse_close"])
def test_what_arrives_differently_is_the_same(suffer: Any, wire: Any, kind: str) -> None:
    healthy = wire.unchunk(suffer("utf8_split"))

    assert wire.unchunk(suffer(kind, script={"seconds": 0})) == healthy
    assert deltas(healthy) == TEXT


def test_every_byte_is_a_chunk_of_its_own(suffer: Any) -> None:
    body = suffer("utf8_split").partition(b"\r\n\r\n")[2]

    assert body.startswith(b"1\r\nd\r\n1\r\na\r\n1\r\nt\r\n")


@pytest.mark.parametrize(("kind", "line"), [("crlf", b"\r\n"), ("cr", b"\r")])
def test_other_line_ends_carry_the_same_text(suffer: Any, wire: Any, kind: str, line: bytes) -> None:
    body = wire.unchunk(suffer(kind))

    assert body.count(line * 2) == len(TOKENS) + 3
    assert deltas(body.replace(line, b"\n")) == TEXT


def test_a_mark_comments_and_data_lines(suffer: Any, wire: Any) -> None:
    body = wire.unchunk(suffer("bom_comments"))

    assert body.startswith(b'\xef\xbb\xbf: note\ndata: {\ndata:"id"')
    assert b"\n\n: ping\n\n" in body


def test_events_without_data(suffer: Any, wire: Any) -> None:
    assert b"\n\nretry: 1000\n\nid: 7\n\ndata:\n\n" in wire.unchunk(suffer("meta_only"))


def test_one_event_is_broken_and_the_rest_follows(suffer: Any, wire: Any) -> None:
    events = wire.unchunk(suffer("badjson")).split(b"\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[1 + AT].removeprefix(b"data: "))
    assert events[-2] == b"data: [DONE]"

    events = wire.unchunk(suffer("badutf8")).split(b"\n\n")
    with pytest.raises(UnicodeDecodeError):
        events[1 + AT].decode()
    assert events[-2] == b"data: [DONE]"


@pytest.mark.parametrize(
    ("kind", "repeated"), [("keepalive_stall", b": ping\n\n"), ("empty_delta_stall", b'"delta":{"content":""}')]
)
def test_a_zombie_goes_on_for_ever(fault_server: FaultServer, send: Any, kind: str, repeated: bytes) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(kind, at=AT, seconds=0)]))
    sock = send("m")

    data = b""
    while data.count(repeated) < 50:
        data += sock.recv(1 << 16)

    assert fault_server.requests[0].text == "".join(TOKENS[:AT])


@pytest.mark.parametrize(("kind", "last"), [("stall_after_text", b'"stop"}]}'), ("stall_after_done", b"[DONE]")])
def test_everything_and_then_silence(fault_server: FaultServer, send: Any, kind: str, last: bytes) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(kind)]))
    sock = send("m")

    data = b""
    while not data.endswith(last + b"\n\n\r\n"):
        data += sock.recv(1 << 16)
    sock.settimeout(0.02)

    with pytest.raises(TimeoutError):
        sock.recv(1)


def test_text_after_the_end(suffer: Any, wire: Any) -> None:
    before, after = wire.unchunk(suffer("after_done")).split(b"data: [DONE]\n\n")

    assert (deltas(before), deltas(after)) == (TEXT, "This was never said.")


def test_what_is_altered_is_in_the_log(fault_server: FaultServer, suffer: Any, content: Any) -> None:
    before, token, after = "".join(TOKENS[:AT]), TOKENS[AT], "".join(TOKENS[AT + 1 :])
    fault_server.add("dup", Script(TEXT, faults=[Fault("dup_chunk", at=AT)]))
    fault_server.add("huge", Script(TEXT, faults=[Fault("huge", at=AT)]))

    assert content("dup") == before + token * 2 + after == fault_server.requests[-1].text
    assert content("huge") == before + "x" * (8 << 20) + token + after == fault_server.requests[-1].text


def test_a_flood_has_a_bound(suffer: Any, wire: Any) -> None:
    assert len(deltas(wire.unchunk(suffer("flood", script={"size": 100_000})))) == 100_000 + len("".join(TOKENS[:AT]))


def test_gzip_is_corrupt_after_the_token(suffer: Any, wire: Any) -> None:
    response = suffer("badgzip")

    assert b"content-encoding: gzip" in response
    with pytest.raises((OSError, gzip.zlib.error)):  # type: ignore[attr-defined]
        gzip.decompress(wire.unchunk(response))


def test_a_bomb_is_for_those_who_accept_gzip(suffer: Any, wire: Any) -> None:
    assert deltas(wire.unchunk(suffer("gzipbomb"))) == TEXT

    packed = wire.unchunk(suffer("gzipbomb", request={"headers": "Accept-Encoding: gzip\r\n"}))
    small = suffer("gzipbomb", script={"size": 3_000_001}, request={"headers": "Accept-Encoding: gzip\r\n"})

    assert len(packed) < 300_000
    assert deltas(gzip.decompress(wire.unchunk(small))) == "x" * 3_000_001


@pytest.mark.parametrize(
    ("kind", "text", "finish"),
    [
        ("zero", "", "stop"),
        ("white", " \n\n \t ", "stop"),
        ("len", "".join(TOKENS[:AT]), "length"),
        ("filter", "".join(TOKENS[:AT]), "content_filter"),
    ],
)
def test_what_a_provider_says(suffer: Any, wire: Any, kind: str, text: str, finish: str) -> None:
    response = suffer(kind)
    document = json.loads(wire.unchunk(suffer(kind, request={"stream": False})))

    assert deltas(wire.unchunk(response)) == text
    assert wire.events(response)[-1]["choices"][0]["finish_reason"] == finish
    assert document["choices"][0]["message"]["content"] == (text or None)
    assert document["choices"][0]["finish_reason"] == finish


def test_a_body_may_be_empty(suffer: Any, wire: Any) -> None:
    assert wire.unchunk(suffer("zero_bare")) == b""


def test_chunks_without_choices_or_content(suffer: Any, wire: Any) -> None:
    chunks = wire.events(suffer("empty_choices"))

    assert (chunks[0]["choices"], chunks[-1]["choices"]) == ([], [])
    assert deltas(wire.unchunk(suffer("empty_choices"))) == TEXT


@pytest.mark.parametrize("kind", ["tool_ok", "tool_trunc", "tool_dead"])
def test_tool_calls_whole_cut_and_dead(suffer: Any, fault_server: FaultServer, send: Any, kind: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(kind)], tool_calls=CALLS))
    sock = send("m")
    fault_server.wait_idle()

    data = b""
    try:
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += sock.recv(1 << 16)
    except ConnectionResetError:
        assert kind == "tool_dead"
    fragments = [part.partition(b'"}}]')[0] for part in data.split(b'"function":{"arguments":"')[1:]]
    arguments = json.loads(b'"' + b"".join(fragments) + b'"')

    whole = '{"amount": 100}'
    assert arguments == whole if kind != "tool_trunc" else whole.startswith(arguments) and arguments != whole
    assert (b'"finish_reason":"tool_calls"' in data) == (kind != "tool_dead")
    if kind == "tool_ok":
        assert len(fragments) == len(whole)


def test_counts_may_come_twice(suffer: Any, wire: Any) -> None:
    first, second = wire.events(suffer("usage_dup"))[-2:]

    assert first == second
    assert first["usage"]


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if FAULTS[kind].events_only])
def test_a_document_is_healthy_where_a_fault_needs_events(suffer: Any, wire: Any, kind: str) -> None:
    document = json.loads(wire.unchunk(suffer(kind, request={"stream": False})))

    assert document["choices"][0]["message"]["content"] == TEXT
