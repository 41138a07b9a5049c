"""The clients of a server, one pair for each event loop, and what their errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from l0_eventsourcing import StoreUnavailable
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ConnectionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TimeoutError,
    TryAgainError,
)

from l0_core import StoreError

__all__ = ["Clients", "Connections"]

TIMEOUT = 5.0
"""Seconds for which a server may be silent, unless the URL says otherwise (`?socket_timeout=...`)."""

BUSY_CONNECTIONS = 16
"""Connections that commands share. One server works them off one by one, so more would gain nothing."""

WAITING_CONNECTIONS = 10_000
"""Connections that followers wait on, each its own: as many as a server takes by default."""

_AWAY = (ConnectionError, TimeoutError, ReadOnlyError, ClusterDownError, TryAgainError, RedisClusterException)
_REFUSED = (AuthenticationError, AuthorizationError)
_AWAY_CODES = ("BUSY ", "NOREPLICAS ", "UNBLOCKED ", "CLUSTERDOWN ", "TRYAGAIN ", "MASTERDOWN ")


@dataclass(frozen=True)
class Clients:
    """A client for commands, and one for those that wait. `wait` is for how many seconds they may."""

    commands: Any
    waiting: Any
    wait: float


class Connections:
    """Connections to the server of a URL, or those of a client, which is the caller's to close."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url, self._given = url, client
        self._opened: dict[asyncio.AbstractEventLoop, tuple[Clients, AsyncGenerator[Clients, None]]] = {}
        kwargs = _read_url(url) if client is None else client.get_connection_kwargs()
        if kwargs.get("decode_responses"):
            raise ValueError("the client decodes what it reads, and a store keeps bytes: leave decode_responses out")
        self._password = kwargs.get("password")
        self.where = _place(kwargs)

    async def get(self) -> Clients:
        """The clients of the running loop."""
        if self._given is not None:
            return Clients(self._given, self._given, _patience(self._given))
        loop = asyncio.get_running_loop()
        found = self._opened.get(loop)
        if found is None:
            for other in list(self._opened):
                if other.is_closed():
                    self._opened.pop(other, None)
            opening = self._open(loop)
            # Loops are shut down by closing their asynchronous generators, and that closes the connections.
            found = self._opened[loop] = (await anext(opening), opening)
        return found[0]

    async def _open(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Clients, None]:
        options: dict[str, Any] = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "timeout": TIMEOUT,
            # A command whose connection breaks is sent again at once. An append knows itself, and is not made twice.
            "retry": Retry(NoBackoff(), 1, (ConnectionError,)),
            "retry_on_error": [ConnectionError],  # Of redis-py 5: the same again.
        }
        busy, waiting = (
            Redis.from_pool(BlockingConnectionPool.from_url(self._url, max_connections=limit, **options))
            for limit in (BUSY_CONNECTIONS, WAITING_CONNECTIONS)
        )
        clients = Clients(busy, waiting, _patience(busy))
        try:
            yield clients
        finally:
            self._opened.pop(loop, None)
            await busy.aclose()
            await waiting.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running loop. Those of others are closed with their loops."""
        found = self._opened.get(asyncio.get_running_loop())
        if found is not None:
            await found[1].aclose()

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Raise the errors of redis-py as those of a store: what was done, where, and why it failed."""
        try:
            yield
        except (RedisError, RedisClusterException) as error:
            text = str(error)
            is_away = (isinstance(error, _AWAY) and not isinstance(error, _REFUSED)) or text.startswith(_AWAY_CODES)
            kind = StoreUnavailable if is_away else StoreError
            said = f"{doing}: the Redis at {self.where} {'is not available' if is_away else 'refuses it'}: {text}"
            if self._password and self._password in text:
                raise kind(said.replace(self._password, "***")) from None
            raise kind(said) from error


def _read_url(url: str) -> dict[str, Any]:
    """What redis-py reads from a URL. What it says of a bad one may hold a part of the password."""
    try:
        return BlockingConnectionPool.from_url(url).connection_kwargs
    except ValueError:
        raise ValueError(
            "the URL of the store cannot be read. It is redis://[user:password@]host[:port][/number], or rediss:// or "
            "unix://, and signs like / # ? @ : % of a user or a password are written as %2F, %23, %3F, %40, %3A, %25"
        ) from None


def _place(kwargs: dict[str, Any]) -> str:
    if "path" in kwargs:
        return str(kwargs["path"])
    return f"{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}/{kwargs.get('db') or 0}"


def _patience(client: Any) -> float:
    """For how many seconds a client can wait for an answer and still tell it from none."""
    return min(1.0, (client.get_connection_kwargs().get("socket_timeout") or TIMEOUT) / 2)
