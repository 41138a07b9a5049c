from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from l0_store_redis.scripts import APPEND
from l0_testing import CuttingProxy
from redis.backoff import NoBackoff
from redis.retry import Retry

URL = os.environ.get("L0_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
AT_ONCE = Retry(NoBackoff(), 0)


@cache
def answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2, retry=AT_ONCE) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Here rather than in the fixture, for whose skips pytest prints one line each.
    if "redis_url" in getattr(item, "fixturenames", ()) and not answers(URL):
        pytest.skip("no Redis answers: start one with `./dev services`, or name one in L0_TEST_REDIS_URL")


@pytest.fixture
def redis_url() -> str:
    """The server that the tests share; they write under prefixes of their own."""
    return URL


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client, to look at the server from outside."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def prefix(raw: redis.Redis) -> Iterator[str]:
    """A prefix of the test's own. What is under it is deleted."""
    name = f"l0-test-{uuid.uuid4().hex}"
    yield name
    for key in list(raw.scan_iter(match=f"{name}*", count=1000)):
        raw.delete(key)


class Proxy(CuttingProxy):
    """Stands between a store and the server, and cuts appends.

    `plan` says what happens to the next appends, one item for each time that one is sent: "before" loses the connection
    before the append reaches the server, "after" when the server has carried it out and nobody was told, "pass" lets it
    through. `meanwhile` is awaited between the server's doing it and the loss.
    """

    def __init__(self, url: str) -> None:
        kwargs = redis.connection.parse_url(url)
        super().__init__(kwargs["host"], kwargs["port"])
        self._number = kwargs.get("db", 0)
        self.plan: deque[str] = deque()
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/{self._number}"

    def halves(self, client: Any, server: Any) -> Any:
        withholds = False

        async def send() -> None:
            nonlocal withholds
            while data := await client[0].read(1 << 20):
                if APPEND.digest.encode() in data and self.plan:
                    fate = self.plan.popleft()
                    if fate == "before":
                        return
                    withholds = fate == "after"
                server[1].write(data)

        async def receive() -> None:
            while data := await server[0].read(1 << 20):
                if withholds:
                    if self.meanwhile is not None:
                        await self.meanwhile()
                    return
                client[1].write(data)

        return send(), receive()


@pytest.fixture
def proxy(redis_url: str) -> Proxy:
    return Proxy(redis_url)


class OwnServer:
    """A server of the test's own, which may be stopped, started again and set up as the test needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *arguments: str) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--daemonize", "no", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server did not start"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        """Whether it does, even by refusing."""
        with redis.Redis(port=self.port, socket_timeout=1, retry=AT_ONCE) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[OwnServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not on the PATH, and this test starts one of its own")
    server = OwnServer(tmp_path)
    yield server
    server.stop()
