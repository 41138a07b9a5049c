"""Streams of L0 in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field

from l0_eventsourcing import StoreOptions, StorePlugin

from l0_store_postgres.store import Durability, PostgresEventStore

__all__ = ["PostgresEventStore", "PostgresOptions", "PostgresStore"]


@dataclass(frozen=True, kw_only=True)
class PostgresOptions(StoreOptions):
    """What a store in PostgreSQL can be told in a configuration. `url` is the dsn; without it `PGHOST` etc. count."""

    url: str = field(default="postgresql://", repr=False)
    prefix: str = "l0"
    durability: Durability = "power"


class PostgresStore(StorePlugin):
    """Records every stream in PostgreSQL: `l0.run(..., record="postgresql://user@host/database")`."""

    Options = PostgresOptions

    def open(self, options: PostgresOptions) -> PostgresEventStore:
        return PostgresEventStore(options.url, options.prefix, options.ttl, durability=options.durability)
