"""The fault server: an OpenAI-compatible endpoint on loopback that misbehaves on request, the same way every time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import difflib
import itertools
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self

from l0_testing.faults import FAULTS
from l0_testing.http_faults import REDIRECTED
from l0_testing.scripts import Fault, PrefillRejectedError, Script, to_json
from l0_testing.wire import Connection, Reply, Request, RequestLog, error_body, whole

__all__ = ["FaultServer", "closed_port"]


WAITING_CONNECTIONS = 4096
"""Connections that may wait to be accepted: thousands of streams begin at once in a load test."""


class FaultServer:
    """Serve `POST /v1/chat/completions` (streamed or not) and `GET /v1/models` on 127.0.0.1.

    What happens is decided by the `Script` of the request's model name and by the number of the request to that name,
    so a run can be repeated exactly. Use `in_thread()` in tests: the server then has an event loop of its own, and the
    client's may be blocked, closed or virtual. `async with FaultServer()` serves on the running loop.
    """

    def __init__(self, port: int = 0) -> None:
        """Take a port; 0 lets the system choose one."""
        self._port = port
        self._scripts: dict[str, Script] = {}
        self._attempts: defaultdict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)
        self._connections: set[Connection] = set()
        self._answering: set[Connection] = set()
        self._failures: list[BaseException] = []
        self._changed = threading.Condition()
        self._waiters: set[asyncio.Future[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.requests: list[RequestLog] = []
        """Every chat request, in order of arrival."""
        self.redirected: list[dict[str, str]] = []
        """The headers of each request that followed a `redirect_loop` to this server."""

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def open_connections(self) -> int:
        """Sockets that are open on the server's side."""
        return len(self._connections)

    @property
    def open_streams(self) -> int:
        """Responses in progress."""
        return len(self._answering)

    def add(self, model: str, script: Script) -> None:
        """Set what a model name answers, and count its attempts from 1 again.

        Raises:
            ValueError: a fault's kind is unknown, or needs tool calls that the script does not make.
        """
        for fault in script.faults:
            if fault is not None:
                _check(fault, script)
        self._scripts[model] = script
        self._attempts[model] = 0

    def reset(self) -> None:
        """Forget scripts, attempts and logs, and end every connection.

        From another thread it returns when they have ended (at most a second later); on the server's own loop they end
        as that runs on.
        """
        if self._loop is not None and self._loop is not _running_loop():
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
        else:
            self._abort_all()
        self._scripts, self._attempts = {}, defaultdict(int)
        self.requests, self.redirected = [], []

    def wait_idle(self, timeout: float = 1.0, *, connections: bool = False) -> float:
        """Block until no response is in progress and, if asked, no connection is open.

        Args:
            timeout: seconds to wait at most.
            connections: whether idle connections have to be closed too.

        Returns:
            The seconds that it took.

        Raises:
            AssertionError: something is still open; the message names it.
            RuntimeError: called on the server's own loop, which it would block; `idle()` is for that.
        """
        if self._loop is not None and self._loop is _running_loop():
            raise RuntimeError("wait_idle() would block the server's own event loop: use `await server.idle()`")
        start = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_idle(connections), timeout):
                raise AssertionError(self._still_open(timeout))
        return time.monotonic() - start

    async def idle(
        self,
        timeout: float = 1.0,
        *,
        connections: bool = False,
    ) -> float:
        """Like `wait_idle`, for coroutines: on any event loop, which runs on meanwhile."""
        if self._loop is None or self._loop is _running_loop():
            return await self._idle(timeout, connections)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._idle(timeout, connections), self._loop))

    async def start(self) -> None:
        """Listen, on the running event loop.

        Raises:
            OSError: the port is taken.
        """
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(
            self._new_connection, "127.0.0.1", self._port, backlog=WAITING_CONNECTIONS
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and stop listening.

        Raises:
            BaseExceptionGroup: the server itself failed while it answered.
        """
        if self._server is None:
            return
        self._server.close()
        await self._disconnect()
        await self._server.wait_closed()
        self._server = self._loop = None
        if self._failures:
            raise BaseExceptionGroup("the fault server failed", self._failures)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop."""
        await self.stop()

    @classmethod
    @contextlib.contextmanager
    def in_thread(cls, port: int = 0) -> Iterator[Self]:
        """Serve from a thread with an event loop of its own, for the duration of the block."""
        server = cls(port)
        ready: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()
        with concurrent.futures.ThreadPoolExecutor(1, "l0-testing-fault-server") as pool:
            served = pool.submit(lambda: asyncio.run(server._serve(ready)))
            stop = ready.result()
            try:
                yield server
            finally:
                stop()
                served.result()

    async def _serve(self, ready: concurrent.futures.Future[Callable[[], object]]) -> None:
        try:
            await self.start()
        except OSError as error:
            ready.set_exception(error)
            return
        stopping = asyncio.Event()
        ready.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set))
        await stopping.wait()
        await self.stop()

    # ---- on the server's loop

    def _new_connection(self) -> Connection:
        return Connection(next(self._numbers), self._handle, self._connections.add, self._lost)

    def _lost(self, connection: Connection, failure: BaseException | None) -> None:
        if failure is not None:
            self._failures.append(failure)
        self._connections.discard(connection)
        self._notify()

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    async def _disconnect(self) -> None:
        for _iteration in range(5):  # in which a client that has connected, and perhaps left, is accepted
            await asyncio.sleep(0)
        self._abort_all()
        await self._idle(1.0, True)

    async def _handle(self, connection: Connection, request: Request) -> None:
        self._answering.add(connection)
        try:
            match (request.method, request.path):
                case ("POST", "/v1/chat/completions"):
                    await self._complete(connection, request)
                case ("GET", "/v1/models"):
                    models = [{"id": name, "object": "model", "created": 0, "owned_by": "l0"} for name in self._scripts]
                    await connection.send(whole(200, to_json({"object": "list", "data": models})))
                case (_, path) if path == REDIRECTED:
                    self.redirected.append(request.headers)
                    await connection.send(whole(307, b"", {"location": REDIRECTED}))
                case (method, path):
                    await connection.send(whole(404, error_body(f"no such route: {method} {path}", "not_found")))
        finally:
            if connection.log is not None:
                connection.log.end("server")
            connection.log = None
            self._answering.discard(connection)
            self._notify()

    async def _complete(self, connection: Connection, request: Request) -> None:
        body = _chat_body(request.body)
        if body is None:
            message = "a JSON object is needed, with a model and a list of messages"
            await connection.send(whole(400, error_body(message, _INVALID)))
            return
        model = body["model"]
        script = self._scripts.get(model)
        self._attempts[model] += 1
        attempt = self._attempts[model]
        fault = script.fault(attempt) if script else None
        log = RequestLog(
            model, attempt, fault.kind if fault else None, request.headers, body, connection.number, time.monotonic()
        )
        connection.log = log
        self.requests.append(log)
        if script is None:
            missing = error_body(f"The model {model!r} does not exist", _INVALID, "model_not_found")
            await connection.send(whole(404, missing))
            return
        try:
            answer = script.answer(attempt, body)
        except PrefillRejectedError as rejected:
            await connection.send(whole(400, error_body(str(rejected), _INVALID)))
            return
        reply = Reply(connection, log, script, answer, fault or _NO_FAULT, request)
        kind = FAULTS[fault.kind] if fault else None
        if kind is None or (kind.events_only and not reply.streaming):
            await reply.rest()
        else:
            await kind.act(reply)

    # ---- idleness

    def _is_idle(self, connections: bool) -> bool:
        return not self._answering and not (connections and self._connections)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _idle(self, seconds: float, connections: bool) -> float:
        start = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                while not self._is_idle(connections):
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiters.discard(waiter)
        except TimeoutError:
            raise AssertionError(self._still_open(seconds)) from None
        return time.monotonic() - start

    def _still_open(self, seconds: float) -> str:
        names = [_describe(connection) for connection in sorted(self._connections, key=lambda each: each.number)]
        return "\n - ".join([f"still open at the server after {seconds:g} s:", *names])


_INVALID = "invalid_request_error"
_NO_FAULT = Fault("")


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """A base URL where nothing listens: connections are refused for the duration of the block (H1)."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


def _chat_body(data: bytes) -> dict[str, Any] | None:
    """The body of a chat request; None if it is not one."""
    try:
        body = json.loads(data)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return None
    messages = body.get("messages")
    return body if isinstance(messages, list) and all(isinstance(each, dict) for each in messages) else None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _check(fault: Fault, script: Script) -> None:
    kind = FAULTS.get(fault.kind)
    if kind is None:
        near = difflib.get_close_matches(fault.kind, FAULTS, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "`python -m l0_testing faults` lists them"
        raise ValueError(f"no fault is called {fault.kind!r}: {hint}")
    if kind.needs_tool_calls and not script.tool_calls:
        raise ValueError(f"{fault.kind} needs a script with tool_calls")


def _describe(connection: Connection) -> str:
    log = connection.log
    if log is None:
        return f"connection {connection.number}, idle"
    fault = f", {log.fault}" if log.fault else ""
    age = time.monotonic() - log.opened_at
    return f"connection {connection.number}: model {log.model!r}, attempt {log.attempt}{fault}, open for {age:.3f} s"
