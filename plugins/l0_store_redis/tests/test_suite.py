"""The promises of every store, held by the one in Redis."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from l0_store_redis import RedisEventStore
from l0_testing import EventStoreSuite
from redis.asyncio import Redis


class TestRedis(EventStoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, redis_url: str, raw: redis.Redis) -> Iterator[None]:
        self.url, self.prefixes = redis_url, set[str]()
        yield
        for name in self.prefixes:
            for key in list(raw.scan_iter(match=f"{name}*", count=1000)):
                raw.delete(key)

    async def open(self, where: Path) -> Any:
        name = f"l0-test-{hashlib.sha256(str(where).encode()).hexdigest()[:32]}"
        self.prefixes.add(name)
        return RedisEventStore(self.url, name)

    async def open_with_ttl(self, where: Path, ttl: int) -> Any:
        store = await self.open(where)
        store.ttl = ttl
        return store

    async def pass_time(self, store: Any, milliseconds: float) -> None:
        """The server's clock decides, and cannot be turned: a list that stays empty is waited for there."""
        async with Redis.from_url(self.url, socket_timeout=None) as client:
            assert await client.blpop(f"{store.prefix}:never", timeout=milliseconds / 1000) is None
