"""Waiting for events that others write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

from l0_core import StoreError

__all__ = ["Look", "Watch"]

PERIOD = 0.02
"""Seconds between two looks at the file."""

Look = Callable[[object, Mapping[str, int]], Awaitable[tuple[object, Collection[str]]]]
"""Given the version of the file that was seen last, or None, and the numbers that are waited for in each stream: the
version now, and the streams that have something to read. A file of the same version has not changed."""


class Watch:
    """Those who wait for events in one event loop.

    What is written by the store itself is told at once. For what other processes write, one look every 20 ms serves
    all who wait.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._waiting: dict[str, dict[asyncio.Future[None], int]] = {}
        self._written: dict[str, int] = {}
        self._is_joined = False
        self._task: asyncio.Task[None] | None = None

    async def wait(self, stream_id: str, seq: int, timeout: float) -> None:
        """Wait until event `seq` of a stream may be there, for `timeout` seconds at most."""
        if self._written.get(stream_id, 0) > seq:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        waiters = self._waiting.setdefault(stream_id, {})
        waiters[waiter] = seq
        self._is_joined = True
        if self._task is None:
            self._task = loop.create_task(self._keep_looking())
        try:
            await asyncio.wait((waiter,), timeout=timeout)
        finally:
            waiters.pop(waiter, None)
            if not waiters and self._waiting.get(stream_id) is waiters:
                del self._waiting[stream_id]

    def tell(self, stream_id: str, next_seq: int = 0) -> None:
        """A stream has something to read, up to number `next_seq` if that is known."""
        if self._task is not None:
            self._written[stream_id] = next_seq  # For those who have just read, and are about to wait.
        for waiter in self._waiting.pop(stream_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def _keep_looking(self) -> None:
        version: object = None
        try:
            while self._waiting:
                await asyncio.sleep(PERIOD)
                if self._is_joined:
                    version = None  # What came between its last look and this one is not to be missed.
                self._is_joined = False
                self._written.clear()
                awaited = {stream_id: min(waiters.values()) for stream_id, waiters in self._waiting.items()}
                try:
                    version, changed = await self._look(version, awaited)
                except StoreError:
                    changed = awaited  # Each of them reads, and is told what the matter is.
                for stream_id in changed:
                    self.tell(stream_id)
        finally:
            self._task = None
            self._written.clear()
