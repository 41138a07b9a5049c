from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from l0_testing import Fault, FaultServer, Script, ToolCall, closed_port
from l0_testing.measuring import least

TEXT = "One two 流 three."


def test_every_byte_of_a_small_stream(fault_server: FaultServer, ask: Any) -> None:
    fault_server.add("m", Script(["a", "é"]))

    response = ask("m")

    def chunk(delta: str, finish: str = "null") -> bytes:
        data = (
            'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":'
            f'[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}\n\n'
        ).encode()
        return b"%x\r\n%b\r\n" % (len(data), data)

    assert response == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunk('{"role":"assistant","content":"","refusal":null}')
        + chunk('{"content":"a"}')
        + chunk('{"content":"é"}')
        + chunk("{}", '"stop"')
        + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    )


def test_a_coalesced_body_is_one_chunk_with_the_same_bytes(fault_server: FaultServer, ask: Any, wire: Any) -> None:
    fault_server.add("events", Script(TEXT))
    fault_server.add("burst", Script(TEXT, framing="coalesced"))

    burst = ask("burst")

    assert wire.unchunk(burst).replace(b"burst", b"events") == wire.unchunk(ask("events"))
    size, _, rest = burst.partition(b"\r\n\r\n")[2].partition(b"\r\n")
    assert rest[int(size, 16) :] == b"\r\n0\r\n\r\n"


def test_what_a_proxy_held_back_comes_before_the_end_of_the_connection(
    fault_server: FaultServer, ask: Any, wire: Any
) -> None:
    tokens = Script(TEXT).tokens()
    fault_server.add("m", Script(TEXT, framing="coalesced", pace=0.001, faults=[Fault("fin_mid", at=2)]))

    body = ask("m").partition(b"\r\n\r\n")[2]

    assert body.count(b'"content":') == 3
    assert int(body.partition(b"\r\n")[0], 16) > len("".join(tokens))
    assert fault_server.requests[0].text == "".join(tokens[:2])


def test_a_request_that_is_not_streamed_gets_json(fault_server: FaultServer, ask: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT))

    document = json.loads(wire.unchunk(ask("m", stream=False)))

    assert document["choices"][0]["message"] == {"role": "assistant", "content": TEXT, "refusal": None}
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"]["total_tokens"] == document["usage"]["prompt_tokens"] + len(Script(TEXT).tokens())


def test_usage_is_streamed_when_asked_for(fault_server: FaultServer, ask: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT))
    fault_server.add("mute", Script(TEXT, usage=False))
    options = {"include_usage": True}

    assert wire.events(ask("m", stream_options=options))[-1]["usage"]["completion_tokens"] == len(Script(TEXT).tokens())
    assert not any("usage" in chunk for chunk in wire.events(ask("m")))
    assert not any("usage" in chunk for chunk in wire.events(ask("mute", stream_options=options)))


def test_choices_are_interleaved_and_differ(fault_server: FaultServer, ask: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT, choices=2))

    texts = {0: "", 1: ""}
    order = []
    for chunk in wire.events(ask("m")):
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
            order.append(choice["index"])

    assert texts == {0: TEXT, 1: f"[1] {TEXT}"}
    assert order[:6] == [0, 1, 0, 1, 0, 1]


def test_azure_sends_empty_choices_first_and_last(fault_server: FaultServer, ask: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT, azure=True))

    chunks = wire.events(ask("m"))

    assert (chunks[0]["choices"], chunks[-1]["choices"]) == ([], [])
    assert "prompt_filter_results" in chunks[0]
    assert all("content_filter_results" in chunk["choices"][0] for chunk in chunks[1:-1])


def test_attempts_are_counted_for_each_model(fault_server: FaultServer, ask: Any, content: Callable[..., str]) -> None:
    fault_server.add("a", Script(TEXT, faults=[Fault("503"), None, Fault("429")]))
    fault_server.add("b", Script(TEXT))

    statuses = [ask("a").split(b" ")[1] for _ in range(4)]

    assert statuses == [b"503", b"200", b"429", b"200"]
    assert content("b") == TEXT
    assert [(log.model, log.attempt, log.fault) for log in fault_server.requests] == [
        ("a", 1, "503"),
        ("a", 2, None),
        ("a", 3, "429"),
        ("a", 4, None),
        ("b", 1, None),
    ]


def test_a_log_holds_what_was_asked_and_sent(fault_server: FaultServer, content: Callable[..., str]) -> None:
    fault_server.add("m", Script(TEXT))

    content("m", headers="X-Request: Me\r\n", temperature=0)
    log = fault_server.requests[0]

    assert log.headers["x-request"] == "Me"
    assert log.body["temperature"] == 0
    assert (log.text, log.tokens_sent, log.ended_by) == (TEXT, len(Script(TEXT).tokens()), "server")
    assert log.ended_at is not None
    assert log.ended_at >= log.opened_at


def test_a_connection_is_kept_for_the_next_request(fault_server: FaultServer, send: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT))

    sock = send("m")
    wire.read_response(sock)
    sock.sendall(wire.request_bytes("m") + wire.request_bytes("m"))  # two at once: answered in turn
    data = b""
    while data.count(b"\r\n0\r\n\r\n") < 2:
        data += sock.recv(1 << 16)

    assert len({log.connection for log in fault_server.requests}) == 1
    assert [log.attempt for log in fault_server.requests] == [1, 2, 3]


@pytest.mark.parametrize("kind", ["no_headers", "no_body", "stall_mid", "keepalive_stall", "trickle", "flood"])
@pytest.mark.parametrize("reset", [False, True])
def test_the_clients_end_is_seen_within_100_ms(fault_server: FaultServer, send: Any, kind: str, reset: bool) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(kind, at=2)] * 3))

    def end() -> float:
        sock = send("m")
        if kind == "no_headers":
            while not fault_server.open_streams:
                time.sleep(0.001)
        else:
            assert sock.recv(10)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert fault_server.open_streams == 1
        closed_at = time.monotonic()
        sock.close()
        took = fault_server.wait_idle(10, connections=True)

        log = fault_server.requests[-1]
        assert log.ended_by == "client"
        assert log.ended_at is not None
        assert (fault_server.open_streams, fault_server.open_connections) == (0, 0)
        return max(took, log.ended_at - closed_at)

    assert least(end, 0.1, 3) < 0.1


def test_waiting_in_vain_names_what_is_open(fault_server: FaultServer, send: Any) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("stall_mid")]))

    assert send("m").recv(10)

    with pytest.raises(AssertionError, match=r"still open .* after 0.01 s:\n - connection \d+: model 'm', .*stall_mid"):
        fault_server.wait_idle(0.01)


def test_idle_connections_count_only_when_asked(fault_server: FaultServer, send: Any, wire: Any) -> None:
    fault_server.add("m", Script(TEXT))

    wire.read_response(send("m"))

    fault_server.wait_idle(10)
    with pytest.raises(AssertionError, match=r"connection \d+, idle"):
        fault_server.wait_idle(0.01, connections=True)


def test_reset_forgets_and_disconnects(fault_server: FaultServer, send: Any, ask: Any) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("stall_mid")]))
    sock = send("m")
    assert sock.recv(10)

    fault_server.reset()

    assert (fault_server.requests, fault_server.open_connections) == ([], 0)
    assert b"model_not_found" in ask("m")


def test_it_says_what_it_does_not_serve(fault_server: FaultServer, connect: Any, ask: Any, wire: Any) -> None:
    assert b"404" in ask("unknown").partition(b"\r\n")[0]
    for request, status in (
        (b"GET /v2 HTTP/1.1\r\n\r\n", b"404 "),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", b"400 "),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", b"400 "),
        (b"hello\r\n\r\n", b"400 "),
    ):
        sock = connect()
        sock.sendall(request)
        assert wire.read_response(sock).partition(b" ")[2].startswith(status)


def test_a_rejected_prefill_is_a_400(fault_server: FaultServer, ask: Any) -> None:
    fault_server.add("m", Script(TEXT, prefill="reject"))

    response = ask("m", messages=[{"role": "assistant", "content": "One"}])

    assert response.startswith(b"HTTP/1.1 400 ")


def test_models_are_listed(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    with urlopen(fault_server.base_url + "/models") as response:
        assert [model["id"] for model in json.load(response)["data"]] == ["m"]


def test_unknown_kinds_are_refused_with_a_suggestion(fault_server: FaultServer) -> None:
    with pytest.raises(ValueError, match="no fault is called 'rst_midd': did you mean rst_mid"):
        fault_server.add("m", Script(faults=[Fault("rst_midd")]))
    with pytest.raises(ValueError, match="tool_trunc needs a script with tool_calls"):
        fault_server.add("m", Script(faults=[Fault("tool_trunc")]))
    fault_server.add("m", Script(faults=[Fault("tool_trunc")], tool_calls=[ToolCall("c", "f", "{}")]))


def test_it_serves_on_the_running_loop_too(wire: Any) -> None:
    async def main() -> None:
        async with FaultServer() as server:
            server.add("m", Script(TEXT, faults=[None, Fault("stall_mid", at=1)]))
            address = urlsplit(server.base_url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(wire.request_bytes("m") + wire.request_bytes("m"))
            assert wire.events(await reader.readuntil(b"\r\n0\r\n\r\n"))
            assert await reader.readuntil(b"\r\n\r\n")
            with pytest.raises(RuntimeError, match=r"await server\.idle"):
                server.wait_idle()
            with pytest.raises(AssertionError, match="stall_mid"):
                await server.idle(0.01)
            writer.close()
            await writer.wait_closed()
            await server.idle(connections=True)
            assert server.requests[1].ended_by == "client"
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(wire.request_bytes("m"))
            server.reset()
            assert server.requests == []
            writer.close()
            await writer.wait_closed()

    asyncio.run(main())


def test_a_server_in_a_thread_can_be_awaited_from_any_loop(fault_server: FaultServer, send: Any) -> None:
    async def main() -> None:
        with FaultServer.in_thread() as another:
            await another.idle(10)
        sock = send("m")
        sock.close()
        await fault_server.idle(connections=True)

    fault_server.add("m", Script(faults=[Fault("no_headers")]))
    asyncio.run(main())


def test_a_taken_port_is_the_callers_error(fault_server: FaultServer) -> None:
    port = urlsplit(fault_server.base_url).port
    with pytest.raises(OSError, match="in use"), FaultServer.in_thread(port):
        pass


def test_a_failure_of_the_server_itself_is_raised_when_it_stops(wire: Any) -> None:
    class Broken:
        faults = ()

        def fault(self, attempt: int) -> None:
            raise KeyError("broken")

    def serve() -> None:
        with FaultServer.in_thread() as server:
            server.add("m", Broken())  # type: ignore[arg-type]
            address = urlsplit(server.base_url)
            with socket.create_connection((address.hostname, address.port)) as sock:
                sock.sendall(wire.request_bytes("m"))
                assert sock.recv(10) == b""

    with pytest.raises(ExceptionGroup, match="the fault server failed") as caught:
        serve()
    assert caught.group_contains(KeyError)


def test_a_closed_port_refuses() -> None:
    with closed_port() as base_url:
        address = urlsplit(base_url)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port))


def test_reset_also_forgets_a_client_that_came_and_left(fault_server: FaultServer, send: Any, ask: Any) -> None:
    for _ in range(20):
        fault_server.add("m", Script(TEXT))
        send("m").close()
        fault_server.reset()
        ask("other")
        assert [log.model for log in fault_server.requests] == ["other"]
        fault_server.reset()
