from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from l0_testing import CuttingProxy

DSN = os.environ.get("L0_TEST_POSTGRES_DSN", "postgresql://postgres@127.0.0.1:5432/test")

NO_SERVER = "no PostgreSQL answers: start one with `./dev services`, or name one in L0_TEST_POSTGRES_DSN"


@pytest.fixture(scope="session")
def server() -> str:
    """The dsn of the server that the tests share; they write in schemas of their own."""
    try:
        asyncio.run(_fetch("SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        pytest.skip(NO_SERVER)
    return DSN


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say once that there is no server, and not once for each test."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NO_SERVER in report.longrepr[2]:
        report.longrepr = (__file__, 0, report.longrepr[2])
    return report


@pytest.fixture(scope="session")
def shared_dsn(server: str) -> Iterator[str]:
    """A schema for tests whose streams have a prefix of their own."""
    yield from _schema(server)


@pytest.fixture
def dsn(server: str) -> Iterator[str]:
    """A schema of the test's own, with nothing in it. Its name is that of the application, too."""
    yield from _schema(server)


def _schema(server: str) -> Iterator[Any]:
    name = f"l0_test_{uuid.uuid4().hex}"
    asyncio.run(_fetch(f"CREATE SCHEMA {name}"))
    yield f"{server}{'&' if '?' in server else '?'}search_path={name}&application_name={name}"
    asyncio.run(_fetch(f"DROP SCHEMA {name} CASCADE"))


async def _fetch(query: str, *args: Any, dsn: str = DSN) -> list[Any]:
    connection = await asyncpg.connect(dsn, timeout=3)
    try:
        return [tuple(row) for row in await connection.fetch(query, *args)]
    finally:
        await connection.close()


@pytest.fixture
def fetch(server: str) -> Any:
    """Asks the server, on a connection of its own: `await fetch(query, *args, dsn=...)`."""
    return _fetch


class Proxy(CuttingProxy):
    """Stands between a store and the server of a dsn."""

    def __init__(self, dsn: str) -> None:
        self._dsn = urlsplit(dsn)
        super().__init__(self._dsn.hostname or "127.0.0.1", self._dsn.port or 5432)

    @property
    def dsn(self) -> str:
        user = self._dsn.netloc.rpartition("@")[0]
        return self._dsn._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()


@pytest.fixture
def proxy(dsn: str) -> Proxy:
    """A proxy to the server, in the test's own schema."""
    return Proxy(dsn)
