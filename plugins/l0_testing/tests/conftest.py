from __future__ import annotations

import inspect
import itertools
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from l0_testing import FaultServer

from l0_core import registry

Ask = Callable[..., bytes]

REQUEST = SimpleNamespace(node=SimpleNamespace(user_properties=[]))
"""What a test of a suite is given where pytest would give its request."""


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


class Site:
    """A folder of the path, in which distributions of strangers are installed."""

    GROUPS = {"guardrail": "l0.guardrails", "adapter": "l0.adapters", "monitor": "l0.monitors", "policy": "l0.policies"}
    START = (
        "import asyncio, math, os, re, socket, threading, time\nfrom dataclasses import dataclass\n"
        "from types import SimpleNamespace\nfrom typing import Any\nfrom l0_core import *\n"
    )
    numbers = itertools.count()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def install(
        self,
        source: str,
        kind: str = "guardrail",
        name: str = "acme",
        *,
        requires: Iterable[str] = ("l0-core>=0.1,<0.2",),
        points: Mapping[str, str] | None = None,
    ) -> Any:
        """Install a distribution of one module with a plugin `Acme`, and return that class."""
        module = f"acme_{next(self.numbers)}"
        (self.folder / f"{module}.py").write_text(self.START + source)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n{needs}")
        points = {name: f"{module}:Acme"} if points is None else points
        lines = [f"{point} = {target}\n" for point, target in points.items()]
        (info / "entry_points.txt").write_text("".join([f"[{self.GROUPS[kind]}]\n", *lines]))
        invalidate_caches()
        return import_module(module).Acme


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site.folder))
    registry().forget()
    yield site
    registry().forget()


SLOW = frozenset(
    (
        "test_importing_it_is_light",
        "test_its_options_are_configured_in_a_file",
        "test_it_recognises_without_importing_an_sdk",
        "test_a_long_text_takes_its_time_and_no_more",
        "test_a_piece_does_not_cost_more_in_a_longer_answer",
    )
)
"""Tests of suites that take their time: they are run where they are what is tested."""


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Runs the tests of a suite, of the slow ones those that are named; returns the messages of those that fail."""
    monkeypatch.setenv("L0_TEST_CASES", "10")

    def failures(suite: type, *slow: str) -> dict[str, str]:
        said = {}
        for name in dir(suite):
            if name.startswith("test_") and (name not in SLOW or name in slow):
                method = getattr(suite(), name)
                takes = inspect.signature(method).parameters
                try:
                    method(*[REQUEST] * len(takes))
                except pytest.fail.Exception as failed:
                    said[name] = str(failed)
                except pytest.skip.Exception:
                    pass
        return said

    return failures
