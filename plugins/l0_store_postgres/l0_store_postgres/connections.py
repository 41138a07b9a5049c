"""The connections to a server, those of each event loop apart, and what their errors mean."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from l0_eventsourcing import StoreUnavailable

from l0_core import StoreError
from l0_store_postgres.dsn import read_dsn
from l0_store_postgres.notices import NOTIFY, Listener, Notifier
from l0_store_postgres.schema import prepare

__all__ = ["Connections", "make_channel"]

T = TypeVar("T")

CONNECTIONS = 8
"""Connections of an event loop that operations share, at most; followers have one more between them."""

IDLE = 60.0
"""Seconds after which an unused connection is closed. What stands between may drop it silently after some minutes."""

_AWAY = (
    OSError,  # TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # what was the primary is a standby now
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_REFUSED = ValueError  # what asyncpg says of a dsn or a value is an InterfaceError too


@dataclass(frozen=True)
class Opened:
    """What an event loop has open."""

    pool: Any
    listener: Listener
    notifier: Notifier


class Connections:
    """Connections to the server of a dsn. Nothing takes longer than `timeout` seconds. `channel` is for notices."""

    def __init__(self, dsn: str, timeout: float, channel: str, settings: dict[str, str]) -> None:
        self._dsn, self._timeout, self._channel = read_dsn(dsn), timeout, channel
        # Under a stricter level, appends to one stream would fail where they now wait for each other.
        self._settings = {"default_transaction_isolation": "read committed", **settings}
        self._opened: dict[asyncio.AbstractEventLoop, tuple[Opened, AsyncGenerator[Opened, None]]] = {}
        self._is_prepared = False

    async def run(self, doing: str, operation: Callable[[Any], Awaitable[T]], *, again: bool = True) -> T:
        """What an operation on a connection returns.

        If the connection breaks it is done once more on a new one, so it must bear that; `again=False` prevents it.
        """
        with self._told(doing):
            async with asyncio.timeout(self._timeout):
                opened = await self._get()
                try:
                    async with opened.pool.acquire() as connection:
                        return await self._run_on(connection, operation)
                except _AWAY as error:
                    if not again or isinstance(error, _REFUSED):
                        raise
                # The others of the pool may be as dead as this one was.
                connection = await self._connect()
                try:
                    return await self._run_on(connection, operation)
                finally:
                    connection.terminate()

    async def _run_on(self, connection: Any, operation: Callable[[Any], Awaitable[T]]) -> T:
        try:
            if not self._is_prepared:
                await prepare(connection)
                self._is_prepared = True
            return await operation(connection)
        except StoreError:
            raise  # The answer, and the connection is as it was.
        except BaseException:
            # Whatever state it is in, nobody gets it again. To ask the server to cancel would only take time.
            connection.terminate()
            raise

    async def wait(self, doing: str, key: str, is_there: Callable[[Any], Awaitable[bool]], timeout: float) -> None:
        """Wait for a notice of a stream, unless what it would tell of is there already."""
        with self._told(doing):
            listener = (await self._get()).listener
            async with listener.subscribed(key) as heard:
                async with asyncio.timeout(self._timeout):
                    if await listener.run(lambda connection: self._run_on(connection, is_there)):
                        return
                await asyncio.wait((heard,), timeout=timeout)

    async def tell(self, key: str) -> None:
        """Let those who wait for a notice of a stream know, soon."""
        (await self._get()).notifier.tell(key)

    async def aclose(self) -> None:
        """Close the connections of the running loop. Those of others are closed with their loops."""
        found = self._opened.get(asyncio.get_running_loop())
        if found is not None:
            await found[1].aclose()

    async def _get(self) -> Opened:
        loop = asyncio.get_running_loop()
        found = self._opened.get(loop)
        if found is None:
            for other in [each for each in self._opened if each.is_closed()]:
                del self._opened[other]
            opening = self._open(loop)
            # Nothing in it waits, so no loop opens twice. Loops are shut down by closing their asynchronous generators,
            # and that closes the connections.
            found = self._opened[loop] = (await anext(opening), opening)
        return found[0]

    async def _open(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Opened, None]:
        pool = asyncpg.create_pool(
            self._dsn.url,
            min_size=0,
            max_size=CONNECTIONS,
            max_inactive_connection_lifetime=IDLE,
            reset=_leave,
            server_settings=self._settings,
        )
        await pool
        opened = Opened(pool, Listener(self._connect, self._channel), Notifier(self._notify))
        try:
            yield opened
        finally:
            try:
                # A server that is away is not closed politely.
                with suppress(*_AWAY):
                    await opened.notifier.aclose()
                    async with asyncio.timeout(self._timeout):
                        await pool.close()
            finally:
                self._opened.pop(loop, None)
                opened.listener.close()
                pool.terminate()

    async def _connect(self) -> Any:
        return await asyncpg.connect(self._dsn.url, server_settings=self._settings)

    async def _notify(self, keys: Iterable[str]) -> None:
        async def notify(connection: Any) -> None:
            await connection.execute(NOTIFY, self._channel, list(keys))

        await self.run("followers could not be told", notify)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Raise errors as those of a store: what was done, where, and why it failed."""
        try:
            yield
        except (asyncpg.PostgresError, *_AWAY, _REFUSED) as error:
            is_away = isinstance(error, _AWAY) and not isinstance(error, _REFUSED)
            said = self._said_by(error)
            masked = self._dsn.masked(said)
            verdict = "is not available" if is_away else "refuses it"
            told = f"{doing}: the PostgreSQL at {self._dsn.where} {verdict}: {masked}"
            raise (StoreUnavailable if is_away else StoreError)(told) from (error if masked == said else None)

    def _said_by(self, error: Exception) -> str:
        if isinstance(error, asyncpg.PostgresError):
            return str(error.args[0])  # Its details would show values.
        if isinstance(error, TimeoutError):
            return str(error) or f"no answer within {self._timeout:g} seconds"
        return str(error) or type(error).__name__


def make_channel(prefix: bytes) -> str:
    """The name of the channel for a prefix. A name has no more than 63 bytes."""
    return f"l0_{hashlib.sha256(prefix).hexdigest()[:32]}"


async def _leave(connection: Any) -> None:
    """In place of a pool's reset, which costs a round trip: nothing that is done on a connection stays on it."""
