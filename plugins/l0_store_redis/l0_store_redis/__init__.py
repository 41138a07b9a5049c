"""Streams of L0 in Redis Streams."""

from __future__ import annotations

from dataclasses import dataclass, field

from l0_eventsourcing import StoreOptions, StorePlugin

from l0_store_redis.store import RedisEventStore

__all__ = ["RedisEventStore", "RedisOptions", "RedisStore"]


@dataclass(frozen=True, kw_only=True)
class RedisOptions(StoreOptions):
    """What a store in Redis can be told in a configuration. `url` is redis-py's own."""

    url: str = field(default="redis://localhost:6379/0", repr=False)
    prefix: str = "l0"


class RedisStore(StorePlugin):
    """Records every stream in Redis: `l0.run(..., record="redis://localhost:6379/0")`."""

    Options = RedisOptions

    def open(self, options: RedisOptions) -> RedisEventStore:
        return RedisEventStore(options.url, options.prefix, options.ttl)
