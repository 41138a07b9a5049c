"""Recording and serving again, over raw sockets: what a client saw once it sees again, and nothing is left open."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from l0_testing import (
    CassetteServer,
    Fault,
    FaultServer,
    LeakCheck,
    Recorder,
    Script,
    ToolCall,
    closed_port,
    read_cassette,
)
from l0_testing.measuring import least

TEXT = "One two 流 three 🌊 four five."
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LONG = "HTTP/1.1 200 OK\r\nx: " + "a" * 70_000 + "\r\n\r\n"
Step = bytes | float | str
"""What a raw upstream does next: it sends bytes, pauses for seconds, or ends with "fin" or "rst"."""


@asynccontextmanager
async def raw_upstream(*steps: Step, **more: Any) -> AsyncIterator[str]:
    """An upstream that answers the first request of each connection as it is told, and the next ones likewise."""
    tasks = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        try:
            while await reader.read(65536):
                for step in steps:
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                    elif isinstance(step, float):
                        await asyncio.sleep(step)
                    else:
                        if step == "rst":
                            linger = struct.pack("ii", 1, 0)
                            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        return
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort() if steps[-1] == "rst" else writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, **more)
    try:
        yield f"http{'s' if more else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


class Client:
    """A socket that tells how its connection ended."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.sock = socket.create_connection((address.hostname, address.port))
        self.sock.setblocking(False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sock.close()

    async def ask(self, request: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, request)

    async def read(
        self, *, until: bytes = b"", whole: Callable[[bytes], bool] | None = None, patience: float = 10
    ) -> tuple[bytes, str]:
        """What comes, and why no more: it is "whole", the connection ended ("fin", "rst"), or it is "silent"."""
        data = b""
        try:
            async with asyncio.timeout(patience):
                while not (until and until in data) and not (whole and whole(data)):
                    part = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 20)
                    if not part:
                        return data, "fin"
                    data += part
        except ConnectionResetError:
            return data, "rst"
        except TimeoutError:
            return data, "silent"
        return data, "whole"


async def asked(url: str, request: bytes = GET, **more: Any) -> tuple[bytes, str]:
    async with Client(url) as client:
        await client.ask(request)
        return await client.read(**more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine; nothing may be left behind by it."""

    async def checked() -> None:
        async with LeakCheck(settle=1):
            await main()

    asyncio.run(checked())


def entity(response: tuple[bytes, str], wire: Any) -> tuple[bytes, bytes, bool, str]:
    """What of a response has to be the same: its head, its body, whether it ended as it should, and how."""
    data, how = response
    head, _, body = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return head, body, True, how
    ended = body.endswith(b"0\r\n\r\n")
    if b"size?" in body:
        body, _, garbage = body.partition(b"size?")
        return head, wire.unchunk(b"\r\n\r\n" + body) + garbage, ended, how
    return head, wire.unchunk(data), ended, how


KINDS = (
    "rst_before fin_before no_headers no_body 500 429_ra html200 redirect_loop rst_mid fin_mid eof_close_delim "
    "trunc_clean shortlen badchunk badutf8 utf8_split stall_mid trickle stall_after_done after_done coalesced badgzip "
    "zero_bare tool_dead"
).split()
ENDS = {
    "rst_before": "reset",
    "fin_before": "truncated",
    "rst_mid": "reset",
    "tool_dead": "reset",
    "fin_mid": "truncated",
    "shortlen": "truncated",
    "badchunk": "malformed",
} | dict.fromkeys(["no_headers", "no_body", "stall_mid", "stall_after_done"], "abandoned")


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_what_came_comes_again(kind: str | None, fault_server: FaultServer, path: Path, wire: Any) -> None:
    """Directly, through the recorder, and from the cassette: the same bytes, and the same end."""
    fault = Fault(kind, at=3, seconds=0.01) if kind else None
    call = ToolCall("call_1", "pay", '{"amount": 100}')
    script = Script(TEXT, faults=[fault], tool_calls=[call] if kind == "tool_dead" else ())
    request = wire.request_bytes("m")
    how: dict[str, Any] = {"whole": wire.is_whole, "patience": 0.2 if ENDS.get(kind or "") == "abandoned" else 10}

    async def main() -> None:
        fault_server.add("m", script)
        direct = await asked(fault_server.base_url, request, **how)
        fault_server.add("m", script)
        async with Recorder(fault_server.base_url, path) as recorder:
            assert recorder.url.endswith("/v1")
            recorded = await asked(recorder.url, request, **how)
        async with CassetteServer(path) as server:
            assert server.base_url.endswith("/v1")
            served = await asked(server.url, request, **how)

        assert recorded == direct
        assert entity(served, wire) == entity(recorded, wire)
        [exchange] = read_cassette(path).exchanges
        assert exchange.end is not None
        assert exchange.end.how == ENDS.get(kind or "", "clean")
        assert exchange.body == entity(recorded, wire)[1] or kind == "badchunk"

    run(main)
    fault_server.wait_idle(connections=True)


CUTS: dict[str, tuple[Step, ...]] = {
    "clean": (b"3\r\nabc\r\n", 0.02, b"4\r\nde\xf0\x9f\r\n", 0.03, b"2\r\n\x8c\x8a\r\n", 0.02, b"0\r\n\r\n"),
    "truncated": (b"3\r\nabc\r\n", 0.02, b"6\r\nde", 0.03, b"f", "fin"),
    "reset": (b"3\r\nabc\r\n", 0.02, b"3\r\ndef\r\n", 0.03, "rst"),
    "malformed": (b"3\r\nabc\r\n", 0.02, b"3\r\ndef\r\n", 0.03, b"3\r\nghi\r\n<html>\r\n", "fin"),
}


@pytest.mark.parametrize("end", CUTS)
def test_pieces_and_pauses_come_again_as_they_came(end: str, path: Path, tmp_path: Path) -> None:
    """What is recorded of a cassette that is served has the same pieces, and pauses that are no shorter."""
    again = tmp_path / "again.cassette"

    async def main() -> None:
        async with raw_upstream(CHUNKED, 0.02, *CUTS[end]) as upstream, Recorder(upstream, path) as recorder:
            first = await asked(recorder.url, until=b"0\r\n\r\n")
        async with CassetteServer(path, speed=1) as server, Recorder(server.url, again) as recorder:
            second = await asked(recorder.url, until=b"0\r\n\r\n")
        assert first[1] == second[1] == {"clean": "whole", "reset": "rst"}.get(end, "fin")

    run(main)
    [before], [after] = read_cassette(path).exchanges, read_cassette(again).exchanges
    assert [piece.data for piece in after.pieces] == [piece.data for piece in before.pieces]
    assert len(before.pieces) == (2 if end == "reset" else 3)
    assert before.end is not None
    assert after.end is not None
    assert (after.end.how, after.end.garbage) == (before.end.how, before.end.garbage)
    assert (before.end.how, before.end.garbage) == (end, b"<html>\r\n" if end == "malformed" else b"")
    assert before.pieces[1].at - before.pieces[0].at > 10
    # The first is measured from another beginning.
    ends = [*before.pieces, before.end], [*after.pieces, after.end]
    for (one, two), (first, second) in zip(pairwise(ends[0]), pairwise(ends[1]), strict=True):
        assert second.at - first.at > two.at - one.at - 5


def test_speed_divides_the_pauses(path: Path) -> None:
    async def main() -> None:
        async with raw_upstream(CHUNKED, 0.2, b"0\r\n\r\n") as upstream, Recorder(upstream, path) as recorder:
            await asked(recorder.url, until=b"0\r\n\r\n")
        for speed, shortest in ((1, 0.19), (2, 0.095)):
            async with CassetteServer(path, speed=speed) as server:
                began = time.monotonic()
                await asked(server.url, until=b"0\r\n\r\n")
                assert time.monotonic() - began > shortest

    run(main)


def test_without_a_speed_there_are_no_pauses(path: Path) -> None:
    path.write_text(
        '{"format": "l0-cassette", "version": 1}\n'
        '{"exchange": 1, "request": {"method": "GET", "path": "/x", "headers": []}}\n'
        '{"exchange": 1, "at": 1e9, "response": {"status": 200, "headers": [["content-length", "3"]]}}\n'
        '{"exchange": 1, "at": 2e9, "text": "abc"}\n{"exchange": 1, "at": 3e9, "end": "clean"}\n'
    )

    async def main() -> None:
        async with CassetteServer(path) as server:
            assert (await asked(server.url, until=b"abc"))[1] == "whole"

    run(main)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_a_speed_that_cannot_be_is_refused(speed: float, path: Path) -> None:
    with pytest.raises(ValueError, match="speed is"):
        CassetteServer(path, speed=speed)


def test_a_compressed_body_is_kept_as_it_is(path: Path) -> None:
    packed = gzip.compress(TEXT.encode() * 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)

    async def main() -> None:
        async with raw_upstream(head, packed[:40], 0.02, packed[40:]) as upstream, Recorder(upstream, path) as recorder:
            assert await asked(recorder.url, until=packed) == (head + packed, "whole")
        async with CassetteServer(path) as server:
            assert await asked(server.url, until=packed) == (head + packed, "whole")

    run(main)


def test_connections_are_kept_and_dropped_as_the_upstreams_are(
    fault_server: FaultServer, path: Path, wire: Any
) -> None:
    """Two answers on one connection, and the third request is dropped unanswered."""
    fault_server.add("m", Script(TEXT, faults=[None, Fault("reuse_close")]))

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder, Client(recorder.url) as client:
            for expected in ("whole", "whole", "fin"):
                await client.ask(wire.request_bytes("m"))
                data, how = await client.read(whole=wire.is_whole)
                assert (how, bool(data)) == (expected, expected == "whole")
        async with CassetteServer(path) as server, Client(server.url) as client:
            for expected in ("whole", "whole", "fin"):
                await client.ask(wire.request_bytes("m"))
                assert (await client.read(whole=wire.is_whole))[1] == expected

    run(main)
    assert [log.connection for log in fault_server.requests] == [fault_server.requests[0].connection] * 2
    ends = [each.end.how for each in read_cassette(path).exchanges if each.end]
    assert ends == ["clean", "clean", "truncated"]


def test_an_idle_connection_ends_with_the_upstreams(fault_server: FaultServer, path: Path, wire: Any) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("idle_close")]))

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder, Client(recorder.url) as client:
            await client.ask(wire.request_bytes("m"))
            assert (await client.read(whole=wire.is_whole))[1] == "whole"
            assert await client.read() == (b"", "fin")

    run(main)


@pytest.mark.parametrize("kind", ["stall_mid", "no_headers", "trickle"])
def test_when_the_client_leaves_the_upstream_is_left(
    kind: str, fault_server: FaultServer, path: Path, wire: Any
) -> None:
    """Within 100 ms, and it is recorded; served again, the answer falls silent in that place."""
    fault_server.add("m", Script(TEXT, faults=[Fault(kind, at=3, seconds=0.1)] * 3))
    seen = b"" if kind == "no_headers" else b" two"
    times: list[float] = []

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder:
            async with Client(recorder.url) as client:
                await client.ask(wire.request_bytes("m"))
                if seen:
                    assert (await client.read(until=seen))[1] == "whole"
                else:
                    await client.read(patience=1)
            times.append(await fault_server.idle(10, connections=True))
        [exchange] = read_cassette(path).exchanges
        assert exchange.end is not None
        assert exchange.end.how == "abandoned"
        async with CassetteServer(path) as server:
            data, how = await asked(server.url, wire.request_bytes("m"), patience=1)
        assert how == "silent"
        assert (wire.unchunk(data) if data else b"") == exchange.body
        assert seen in data

    def leave() -> float:
        path.unlink(missing_ok=True)
        run(main)
        return times[-1]

    assert least(leave, 0.1, 3) < 0.1
    assert {log.ended_by for log in fault_server.requests} == {"client"}


def test_a_recorder_that_stops_ends_what_is_in_progress(fault_server: FaultServer, path: Path, wire: Any) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("stall_mid", at=3)] * 2))

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder:
            one, two, idle = Client(recorder.url), Client(recorder.url), Client(recorder.url)
            for client in (one, two):
                await client.ask(wire.request_bytes("m"))
                await client.read(until=b" two")
        for client in (one, two, idle):
            assert (await client.read())[1] in ("fin", "rst")
            client.sock.close()

    run(main)
    fault_server.wait_idle(connections=True)
    assert [each.end and each.end.how for each in read_cassette(path).exchanges] == ["abandoned"] * 2


def test_an_upstream_that_is_not_there_is_a_502_that_says_so(path: Path) -> None:
    async def main() -> None:
        with closed_port() as url:
            async with Recorder(url, path) as recorder:
                first = await asked(recorder.url)
                asked_for_head = await asked(recorder.url, GET.replace(b"GET", b"HEAD"))
        async with CassetteServer(path) as server:
            assert await asked(server.url) == first
            assert await asked(server.url, GET.replace(b"GET", b"HEAD")) == asked_for_head
        head, _, body = first[0].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert f"{url} cannot be reached: " in json.loads(body)["error"]["message"]
        assert b"\n" not in body
        assert (first[1], asked_for_head[0].endswith(b"\r\n\r\n")) == ("fin", True)

    run(main)


BROKEN = {
    "text": b"220 smtp.test ESMTP\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nconte",
    "lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "a header": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a long head": LONG.encode(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_http_is_passed_on_and_served_again(what: str, path: Path) -> None:
    async def main() -> None:
        async with raw_upstream(BROKEN[what], "fin") as upstream, Recorder(upstream, path) as recorder:
            first = await asked(recorder.url)
        async with CassetteServer(path) as server:
            assert await asked(server.url) == first
        assert first[1] == "fin"
        assert BROKEN[what].startswith(first[0])
        assert len(first[0]) > 20

    run(main)
    [exchange] = read_cassette(path).exchanges
    assert exchange.response is None
    assert exchange.end is not None
    assert exchange.end.how == "malformed"


def test_interim_responses_are_passed_on_and_not_recorded(path: Path) -> None:
    hints, final = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"

    async def main() -> None:
        async with raw_upstream(hints, final) as upstream, Recorder(upstream, path) as recorder:
            assert await asked(recorder.url, until=final) == (hints + final, "whole")
        async with CassetteServer(path) as server:
            assert await asked(server.url, until=final) == (final, "whole")

    run(main)


def test_a_request_in_chunks_reaches_the_upstream_whole(fault_server: FaultServer, path: Path, wire: Any) -> None:
    """Also of a client that first asks whether it may send it; what follows it is another request."""
    fault_server.add("m", Script(TEXT))
    body = wire.request_bytes("m").partition(b"\r\n\r\n")[2]
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunks = b"5;a=b\r\n%b\r\n%x\r\n%b\r\n0\r\ntrailer: x\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    models = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"

    async def main() -> None:
        async with Recorder(fault_server.base_url, path, bodies=True) as recorder, Client(recorder.url) as client:
            await client.ask(head)
            assert await client.read(until=b"\r\n\r\n") == (b"HTTP/1.1 100 Continue\r\n\r\n", "whole")
            await client.ask(chunks + models)
            data, how = await client.read(until=b'"owned_by":"l0"}]}')
            assert (how, data.count(b"200 OK")) == ("whole", 2)

    run(main)
    assert fault_server.requests[0].body == json.loads(body)
    assert [each.request.body for each in read_cassette(path).exchanges] == [body, b""]


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET http://elsewhere.test/ HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        LONG.encode(),
    ],
)
def test_a_request_that_is_none_is_refused_and_goes_nowhere(request_: bytes, path: Path) -> None:
    async def main() -> None:
        async with raw_upstream("fin") as upstream, Recorder(upstream, path) as recorder:
            data, _ = await asked(recorder.url, request_)
            assert data.startswith(b"HTTP/1.1 400 ") or request_ == LONG.encode()  # of which a rest is not read

    run(main)
    assert read_cassette(path).exchanges == []


def test_secrets_pass_through_and_stay_out_of_the_file(fault_server: FaultServer, path: Path, wire: Any) -> None:
    fault_server.add("m", Script(TEXT))
    headers = "Authorization: Bearer canary-1\r\nX-Api-Key: canary-2\r\nCookie: a=canary-3\r\n"
    request = wire.request_bytes("m", headers=headers, user="canary-4")
    request = request.replace(b"completions HTTP", b"completions?key=canary-5&alt=sse HTTP")

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder:
            assert (await asked(recorder.url, request, whole=wire.is_whole))[1] == "whole"
        async with CassetteServer(path) as server:
            assert (await asked(server.url, request, whole=wire.is_whole))[1] == "whole"
            assert b"canary-5" in server.requests[0].path.encode()

    run(main)
    [log] = fault_server.requests
    assert [log.headers[name] for name in ("authorization", "x-api-key", "cookie")] == [
        "Bearer canary-1",
        "canary-2",
        "a=canary-3",
    ]
    assert log.body["user"] == "canary-4"
    assert "canary" not in path.read_text()
    [exchange] = read_cassette(path).exchanges
    assert exchange.request.path == "/v1/chat/completions?key=***&alt=sse"
    assert exchange.request.body is None
    assert exchange.request.length == len(request.partition(b"\r\n\r\n")[2])


def test_a_request_that_was_not_recorded_is_a_404_that_lists_what_was(
    fault_server: FaultServer, path: Path, wire: Any
) -> None:
    """Method and path count, the query does not; each answer is given once, in order."""
    fault_server.add("m", Script(TEXT, texts=["one", "two"]))
    models = b"GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\n\r\n"

    async def main() -> None:
        async with Recorder(fault_server.base_url, path) as recorder:
            for request in (wire.request_bytes("m"), models, wire.request_bytes("m")):
                await asked(recorder.url, request, whole=wire.is_whole)
        async with CassetteServer(path) as server:
            for request, expected in (
                (models.replace(b"?a=b", b""), b'"owned_by"'),
                (wire.request_bytes("other"), b'"one"'),
                (wire.request_bytes("m"), b'"two"'),
            ):
                data, _ = await asked(server.url, request, whole=wire.is_whole)
                assert expected in data
            async with Client(server.url) as client:
                for request in (wire.request_bytes("m"), GET):
                    await client.ask(request)
                    data, _ = await client.read(whole=wire.is_whole)
                    head, _, body = data.partition(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 404 ")
                    asks = "GET /x" if request is GET else "POST /v1/chat/completions"
                    assert json.loads(body)["error"]["message"] == (
                        f"nothing is recorded, or left, for {asks}; there is: "
                        "POST /v1/chat/completions (0 of 2 left), GET /v1/models (0 of 1 left)"
                    )
            assert len(server.requests) == 5

    run(main)


KILLED = """
import asyncio, sys
from l0_testing import Recorder
async def main():
    async with Recorder(sys.argv[1], sys.argv[2]) as recorder:
        print(recorder.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def test_a_recorder_that_is_killed_leaves_what_it_passed_on(fault_server: FaultServer, path: Path, wire: Any) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("trickle", at=0, seconds=0.02)]))

    with subprocess.Popen(
        [sys.executable, "-c", KILLED, fault_server.base_url, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout

        async def main(url: str) -> None:
            async with Client(url) as client:
                await client.ask(wire.request_bytes("m"))
                data, _ = await client.read(until=b" two")
                process.send_signal(signal.SIGKILL)
                seen = wire.unchunk(data)
            [exchange] = read_cassette(path).exchanges
            assert exchange.end is None
            assert exchange.body.startswith(seen)
            async with CassetteServer(path) as server:
                data, how = await asked(server.url, wire.request_bytes("m"), patience=1)
            assert (wire.unchunk(data), how) == (exchange.body, "silent")

        asyncio.run(main(process.stdout.readline().strip()))


class FullDisk:
    def write(self, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        pass


def test_a_full_disk_fails_no_client_and_is_told_at_the_end(
    fault_server: FaultServer, path: Path, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        recorder = Recorder(fault_server.base_url, path)
        await recorder.start()
        recorder._writer._file.close()
        recorder._writer._file = FullDisk()  # type: ignore[assignment]
        assert (await asked(recorder.url, wire.request_bytes("m"), whole=wire.is_whole))[1] == "whole"
        with pytest.raises(OSError, match="No space left"):
            await recorder.stop()

    run(main)
    assert read_cassette(path).exchanges == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_an_upstream_is_reached_over_tls(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate is checked, and a connection that breaks off is told from one that ends."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=l0"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *options.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def main() -> None:
        async with raw_upstream(CHUNKED, b"3\r\nabc\r\n", "fin", ssl=context) as upstream:
            async with Recorder(upstream, tmp_path / "b.cassette") as recorder:
                data, how = await asked(recorder.url)
                assert data.startswith(b"HTTP/1.1 502 ")
                assert b"certificate verify failed" in data.lower()
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            async with Recorder(upstream, path) as recorder:
                data, how = await asked(recorder.url)
                assert (data, how) == (CHUNKED + b"3\r\nabc\r\n", "fin")

    run(main)
    [exchange] = read_cassette(path).exchanges
    assert exchange.end is not None
    assert (exchange.body, exchange.end.how) == (b"abc", "truncated")


@pytest.mark.parametrize(
    "upstream", ["api.openai.com", "ftp://x", "https://", "https://u:canary@x.test", "https://x.test/v1?key=canary"]
)
def test_an_upstream_that_cannot_be_meant_is_refused(upstream: str, path: Path) -> None:
    with pytest.raises(ValueError, match="must be like https:") as raised:
        Recorder(upstream, path)
    assert "canary" not in str(raised.value)
    assert not path.exists()


def test_a_port_that_is_taken_leaves_nothing_open(path: Path) -> None:
    async def main() -> None:
        async with raw_upstream("fin") as upstream:
            port = urlsplit(upstream).port or 0
            with pytest.raises(OSError):
                await Recorder(upstream, path, port=port).start()
            with pytest.raises(OSError), CassetteServer.in_thread(path, port=port):
                raise AssertionError("it must not start")

    run(main)


def test_both_run_in_threads(fault_server: FaultServer, path: Path, wire: Any, no_leaks: LeakCheck) -> None:
    fault_server.add("m", Script(TEXT))
    with Recorder.in_thread(fault_server.base_url, path) as recorder:
        first = asyncio.run(asked(recorder.url, wire.request_bytes("m"), whole=wire.is_whole))
    with CassetteServer.in_thread(path) as server:
        served = asyncio.run(asked(server.url, wire.request_bytes("m"), whole=wire.is_whole))
    assert wire.unchunk(served[0]) == wire.unchunk(first[0])


MARKED = """
import pytest
from urllib.request import urlopen

@pytest.mark.l0_cassette("cassettes/a.cassette", speed=0)
def test_marked(l0_cassette):
    with urlopen(l0_cassette.url + "/x") as response:
        assert response.read() == b"abc"
    assert [request.path for request in l0_cassette.requests] == ["/x"]

def test_unmarked(l0_cassette):
    pass

@pytest.mark.l0_cassette("cassettes/a.cassette", pace=0)
def test_misspelt(l0_cassette):
    pass
"""


def test_the_fixture_serves_what_the_marker_names(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "cassettes"
    folder.mkdir(parents=True)
    (folder / "a.cassette").write_text(
        '{"format": "l0-cassette", "version": 1}\n'
        '{"exchange": 1, "request": {"method": "GET", "path": "/x", "headers": []}}\n'
        '{"exchange": 1, "at": 1, "response": {"status": 200, "headers": [["content-length", "3"]]}}\n'
        '{"exchange": 1, "at": 2, "text": "abc"}\n{"exchange": 1, "at": 3, "end": "clean"}\n'
    )
    (tmp_path / "tests" / "test_marked.py").write_text(MARKED)
    arguments = ["-p", "l0_testing.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-q", "tests"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *arguments],
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "1 passed, 2 errors" in done.stdout
    assert done.stdout.count("l0_cassette needs a mark like @pytest.mark.l0_cassette(") >= 2
