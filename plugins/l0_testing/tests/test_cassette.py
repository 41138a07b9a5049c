"""The format of cassettes: what is written is read again, secrets are not written, and damage is told."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from l0_testing import Cassette, CassetteError, read_cassette, write_cassette
from l0_testing.cassette import (
    ENDS,
    CassetteWriter,
    End,
    Exchange,
    Piece,
    RecordedRequest,
    RecordedResponse,
)

REQUEST = RecordedRequest("POST", "/v1/chat", (("accept", "*/*"), ("user-agent", "test")), 2, "ab", b"{}")
RESPONSE = RecordedResponse(1.5, 200, "OK", (("content-type", "text/event-stream"), ("x", "1"), ("x", "2")))
EXCHANGE = Exchange(
    REQUEST, RESPONSE, [Piece(2.0, b"data: a\n\n"), Piece(30.25, b"data: b\n\n")], End(40.0, "truncated")
)
HEADER = '{"format": "l0-cassette", "version": 1, "upstream": "https://x.test/v1"}\n'
ASKED = '{"exchange": 1, "request": {"method": "GET", "path": "/", "headers": []}}\n'
ANSWERED = '{"exchange": 1, "at": 1, "response": {"status": 200, "reason": "OK", "headers": []}}\n'

in_one_folder = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
times = st.floats(0, 1e6).map(lambda at: round(at, 3))
exchanges = st.builds(
    Exchange,
    st.builds(replace, st.just(REQUEST), body=st.none() | st.binary(max_size=8)),
    st.just(RESPONSE),
    st.lists(
        st.builds(Piece, times, st.binary(min_size=1, max_size=8) | st.text(min_size=1, max_size=8).map(str.encode))
    ),
    st.none() | st.builds(End, times, st.sampled_from(sorted(ENDS)), st.binary(max_size=8)),
)


def written(path: Path, *exchanges: Exchange) -> str:
    path.unlink(missing_ok=True)
    write_cassette(path, Cassette("https://x.test/v1", list(exchanges)))
    return path.read_text("utf-8")


@in_one_folder
@given(st.lists(exchanges, max_size=4))
def test_what_is_written_is_read_again(tmp_path: Path, kept: list[Exchange]) -> None:
    """Every byte, time and end."""
    path = tmp_path / "a.cassette"
    written(path, *kept)
    assert read_cassette(path) == Cassette("https://x.test/v1", kept)


def test_exchanges_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    writer = CassetteWriter(path, "")
    one, two = writer.request(REQUEST), writer.request(REQUEST)
    for number, data in ((two, b"2"), (one, b"1"), (two, b"two")):
        if data != b"two":
            writer.response(number, RESPONSE)
        writer.piece(number, Piece(3, data))
    writer.close()
    assert [each.body for each in read_cassette(path).exchanges] == [b"1", b"2two"]


def test_text_can_be_read_by_a_person_and_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    said = "data: 流 🌊 \x1b[31m \x9b31m \u202e \ufeff\n\n"
    text = written(path, Exchange(REQUEST, RESPONSE, [Piece(2, said.encode()), Piece(3, b"\xf0\x9f")]))
    assert '"text": "data: 流 🌊 ' in text
    assert '"bytes": "8J8="' in text
    assert not {"\x1b", "\x9b", "\u202e", "\ufeff"} & set(text)
    assert read_cassette(path).exchanges[0].body == said.encode() + b"\xf0\x9f"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "api-key",
        "X-Goog-Api-Key",
        "Cookie",
        "x-amz-security-token",
        "client-secret",
        "x-session-id",
        "x-password",
        "AWS-Credential",
        "x-signature",
    ],
)
def test_a_secret_header_is_masked(tmp_path: Path, name: str) -> None:
    request = replace(REQUEST, headers=((name, "canary"), ("accept", "kept")))
    text = written(tmp_path / "a.cassette", Exchange(request))
    assert "canary" not in text
    assert f'["{name}", "***"], ["accept", "kept"]' in text


@pytest.mark.parametrize(
    "name", ["key", "api_key", "api%5Fkey", "access_token", "sig", "X-Amz-Signature", "client_secret"]
)
def test_a_secret_in_the_query_is_masked(tmp_path: Path, name: str) -> None:
    query = f"?api-version=kept;{name}=canary;canary&alt=sse"
    location = ("Location", f"https://x.test/{query}")
    exchange = Exchange(replace(REQUEST, path=f"/v1{query}"), replace(RESPONSE, headers=(location,)))
    text = written(tmp_path / "a.cassette", exchange)
    assert "canary" not in text
    assert text.count("api-version=kept") == text.count(f"{name}=***") == text.count("alt=sse") == 2


def test_what_a_response_says_of_tokens_is_kept_and_its_cookies_are_not(tmp_path: Path) -> None:
    headers = (("x-ratelimit-reset-tokens", "6ms"), ("Set-Cookie", "id=canary"), ("set-cookie2", "canary"))
    text = written(tmp_path / "a.cassette", Exchange(REQUEST, replace(RESPONSE, headers=headers)))
    assert '[["x-ratelimit-reset-tokens", "6ms"]]' in text
    assert "canary" not in text


def test_a_recording_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    before = written(path, EXCHANGE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_cassette(path, Cassette("", []))
    assert path.read_text() == before


def test_a_file_that_was_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    """The recorder may be killed in the middle of a line."""
    path, cut = tmp_path / "a.cassette", tmp_path / "cut.cassette"
    data = written(path, EXCHANGE).encode()
    for size in range(data.index(b"\n") + 1, len(data)):
        cut.write_bytes(data[:size])
        whole = data[: size + 1].count(b"\n") if data[size : size + 1] == b"\n" else data[:size].count(b"\n")
        read = read_cassette(cut).exchanges
        assert len(read) == (whole >= 2)
        if read:
            assert (read[0].request, len(read[0].pieces)) == (REQUEST, max(0, min(whole - 3, 2)))
            assert (read[0].response is None, read[0].end is None) == (whole < 3, whole < 6)


def test_what_a_later_version_may_add_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    lines = []
    for line in written(path, EXCHANGE).splitlines():
        fields = json.loads(line)
        for nested in (fields.get("request"), fields.get("response")):
            if nested is not None:
                nested["added"] = 1
        lines += [json.dumps({**fields, "added": {"a": []}}), '{"comment": "by hand"}', '{"exchange": 1, "note": 1}']
    lines = [line for number, line in enumerate(lines) if number != 2]  # a note about an exchange that has not begun
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert read_cassette(path).exchanges == [EXCHANGE]


def piece(**fields: Any) -> str:
    return json.dumps({"exchange": 1, "at": 2, **fields}) + "\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "it is empty"),
        ("nonsense", 1, "this is no JSON"),
        ("[]\n", 1, "no JSON object"),
        ("{}\n", 1, "this is no cassette"),
        (HEADER[:-20], 1, "this is no JSON"),
        ('{"format": "l0-cassette", "version": 2}\n', 1, "upgrade l0-testing"),
        ('{"format": "l0-cassette", "version": true}\n', 1, '"version" is an integer'),
        ('{"format": "l0-cassette", "version": 1, "upstream": "http://[x"}\n', 1, "IPv6"),
        ('{"format": "l0-cassette", "version": 1, "upstream": "http://x/a b"}\n', 1, "no URL"),
        (HEADER + "nonsense\n", 2, "this is no JSON"),
        (HEADER + "[" * 100_000 + "\n", 2, "nested too deeply"),
        (HEADER + "\udcff\n", 2, "this is no JSON"),  # a byte that is no UTF-8
        (HEADER + '{"exchange": "1"}\n', 2, '"exchange" is an integer'),
        (HEADER + ANSWERED, 2, "has no request before"),
        (HEADER + ASKED + ASKED, 3, "has begun before"),
        (HEADER + ASKED.replace('"GET"', '"G T"'), 2, "is no request"),
        (HEADER + ASKED.replace('"/"', '"http://x/"'), 2, "is no request"),
        (HEADER + ASKED.replace('"/"', "7"), 2, '"path" is of type str'),
        (HEADER + ASKED.replace("[]", '[["a", "b\\r\\nc: d"]]'), 2, "is no header"),
        (HEADER + ASKED.replace("[]", '[["a"]]'), 2, "pairs of a name and a value"),
        (HEADER + ASKED + piece(text="x"), 3, "no response before"),
        (HEADER + ASKED + ANSWERED + ANSWERED, 4, "a response already"),
        (HEADER + ASKED + ANSWERED.replace("200", "101"), 3, "no status"),
        (HEADER + ASKED + ANSWERED.replace("200", "1e3"), 3, '"status" is an integer'),
        (HEADER + ASKED + ANSWERED.replace('"OK"', '"O\\r\\nx: y"'), 3, "no reason"),
        (HEADER + ASKED + ANSWERED.replace("[]", '[["content-length", "-1"]]'), 3, "content-length"),
        (HEADER + ASKED + ANSWERED.replace('"at": 1', '"at": NaN'), 3, "number of milliseconds"),
        (HEADER + ASKED + ANSWERED + piece(at=-1, text=""), 4, "number of milliseconds"),
        (HEADER + ASKED + ANSWERED + piece(at=10**400, text=""), 4, "number of milliseconds"),
        (HEADER + ASKED + ANSWERED + piece(at=True, text=""), 4, "number of milliseconds"),
        (HEADER + ASKED + ANSWERED + piece(text="\ud800"), 4, "half a character"),
        (HEADER + ASKED + ANSWERED + piece(bytes="A"), 4, "no base64"),
        (HEADER + ASKED + ANSWERED + piece(bytes=1), 4, '"bytes" is of type str'),
        (HEADER + ASKED + ANSWERED + piece(end="well"), 4, "it may end clean, truncated, reset"),
        (HEADER + ASKED + piece(end="clean"), 3, "without a response"),
        (HEADER + ASKED + ANSWERED + piece(end="reset") + piece(text="x"), 5, "has ended before"),
        (
            HEADER + ASKED + ANSWERED.replace("[]", '[["Content-Length", "3"]]') + piece(text="é") + piece(end="clean"),
            5,
            "the body has 2 bytes and was to have 3",
        ),
    ],
)
def test_damage_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    path = tmp_path / "a.cassette"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CassetteError) as raised:
        read_cassette(path)
    said = str(raised.value)
    assert said.startswith(f"{path}, line {line}: " if line else f"{path}: ")
    assert message in said
    assert "\n" not in said


@in_one_folder
@given(st.data())
def test_a_file_that_is_damaged_at_random_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Never another error."""
    path = tmp_path / "a.cassette"
    raw = bytearray(written(path, EXCHANGE, EXCHANGE).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    path.write_bytes(raw)
    try:
        read = len(read_cassette(path).exchanges)
    except CassetteError:
        read = 0
    assert read <= 4


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_cassette(tmp_path / "gone.cassette")
