from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from l0_testing import FaultServer

Ask = Callable[..., bytes]


def request_bytes(model: str, *, stream: bool = True, headers: str = "", **body: Any) -> bytes:
    body = {"messages": [{"role": "user", "content": "hi"}], "model": model, "stream": stream, **body}
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


@pytest.fixture
def connect(fault_server: FaultServer) -> Iterator[Callable[[], socket.socket]]:
    """Opens sockets to the server; they are closed after the test."""
    address = urlsplit(fault_server.base_url)
    opened = []

    def connect() -> socket.socket:
        sock = socket.create_connection((address.hostname, address.port), timeout=5)
        opened.append(sock)
        return sock

    yield connect
    for sock in opened:
        sock.close()


@pytest.fixture
def send(connect: Callable[[], socket.socket]) -> Callable[..., socket.socket]:
    """Sends a chat request on a socket of its own, and returns that."""

    def send(model: str, **more: Any) -> socket.socket:
        sock = connect()
        sock.sendall(request_bytes(model, **more))
        return sock

    return send


@pytest.fixture
def ask(send: Callable[..., socket.socket]) -> Ask:
    """Sends a chat request and returns every byte that comes back until the body or the connection ends."""

    def ask(model: str, **more: Any) -> bytes:
        with closing(send(model, **more)) as sock:
            return read_response(sock)

    return ask


@pytest.fixture
def content(ask: Ask) -> Callable[..., str]:
    """Sends a chat request and returns the text of choice 0."""

    def content(model: str, **more: Any) -> str:
        return "".join(
            choice["delta"].get("content") or ""
            for chunk in events(ask(model, **more))
            for choice in chunk["choices"]
            if choice["index"] == 0
        )

    return content


def read_response(sock: socket.socket) -> bytes:
    data = b""
    while not is_whole(data):
        part = sock.recv(1 << 20)
        if not part:
            break
        data += part
    return data


def is_whole(data: bytes) -> bool:
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return False
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


def unchunk(response: bytes) -> bytes:
    """The body of a response in chunks."""
    rest = response.partition(b"\r\n\r\n")[2]
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def events(response: bytes) -> list[dict[str, Any]]:
    """The JSON of each event of a healthy stream, which ends with [DONE]."""
    *data, done, nothing = unchunk(response).split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in data]


@pytest.fixture
def wire() -> Any:
    """The helpers of this file, for tests that read bytes."""
    from types import SimpleNamespace

    return SimpleNamespace(
        events=events, is_whole=is_whole, read_response=read_response, request_bytes=request_bytes, unchunk=unchunk
    )
