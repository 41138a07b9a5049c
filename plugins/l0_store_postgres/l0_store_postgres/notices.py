"""Telling followers that something was written, and hearing of it.

A transaction that notifies holds a lock of the whole database until its commit is on the disk: writers of different
streams would queue. So writers notify afterwards, in a transaction that waits for no disk, many streams at a time. A
notice that is lost costs a follower the timeout of its wait, and no event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from l0_core import StoreError

__all__ = ["Listener", "Notifier"]

NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, key) FROM unnest($2::text[]) AS key"

PAUSE = 0.01
"""Seconds from one notification to the next: a hundred a second, however much is written."""


class Notifier:
    """Sends the notices of what one event loop writes. `send` is given the keys of streams."""

    def __init__(self, send: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        self._send = send
        self._keys: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def tell(self, key: str) -> None:
        """Let the followers of a stream know, soon."""
        self._keys.add(key)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tell_all())

    async def _tell_all(self) -> None:
        while self._keys:
            await self._tell()
            await asyncio.sleep(PAUSE)

    async def _tell(self) -> None:
        keys, self._keys = self._keys, set()
        try:
            # A server that is away is told of by the next append; followers look by themselves.
            with contextlib.suppress(StoreError):
                await self._send(keys)
        except asyncio.CancelledError:
            self._keys |= keys
            raise

    async def aclose(self) -> None:
        """Send what is left: a stream's last event is often among it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._keys:
            await self._tell()


class Listener:
    """The connection on which one event loop hears of a channel. It is made when somebody waits, and made anew."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], channel: str) -> None:
        self._connect, self._channel = connect, channel
        self._connection: Any = None
        self._lock = asyncio.Lock()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def subscribed(self, key: str) -> AsyncIterator[asyncio.Future[None]]:
        """Hear of a stream: gives a future that is done when there is a notice, or when there can be none."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(heard)
        try:
            yield heard
        finally:
            waiting = self._waiting[key]
            waiting.discard(heard)
            if not waiting:
                del self._waiting[key]

    async def run(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:
        """What an operation on the listening connection returns. That it does shows that the connection lives."""
        async with self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                    self._connection.add_termination_listener(self._lost)
                    await self._connection.add_listener(self._channel, self._notified)
                return await operation(self._connection)
            except BaseException:
                self.close()
                raise

    def _notified(self, connection: Any, pid: int, channel: str, key: str) -> None:
        self._wake(self._waiting.get(key, ()))

    def _lost(self, connection: Any) -> None:
        for waiting in self._waiting.values():
            self._wake(waiting)

    def _wake(self, waiting: Iterable[asyncio.Future[None]]) -> None:
        for heard in waiting:
            if not heard.done():
                heard.set_result(None)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
