"""The store that a URL means: `l0.run(record="sqlite:///runs.db")`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from l0_eventsourcing import StoreOptions, StorePlugin

from l0_core import ConfigError
from l0_store_sqlite.database import Durability
from l0_store_sqlite.store import SqliteEventStore

__all__ = ["SqliteOptions", "SqliteStore"]

SCHEME = "sqlite://"


@dataclass(frozen=True, kw_only=True)
class SqliteOptions(StoreOptions):
    """What is kept survives the process (`"process"`), or a loss of power too (`"power"`)."""

    durability: Durability = "process"


class SqliteStore(StorePlugin):
    """Records streams in the database that its URL means."""

    Options = SqliteOptions

    def open(self, options: Any) -> SqliteEventStore:
        return SqliteEventStore(path_of(options.url), ttl=options.ttl, durability=options.durability)


def path_of(url: str) -> str:
    """The path that a URL means, as it stands there: nothing is decoded. Raises ConfigError for a URL without one."""
    name, slash, path = url.removeprefix(SCHEME).partition("/")
    if ":memory:" in url or path in ("", "/"):
        raise ConfigError(
            f"{url!r} names no file: write sqlite:///runs.db (relative) or sqlite:////var/runs.db (absolute). "
            "What is to be kept in memory only is recorded by memory://"
        )
    if name:
        raise ConfigError(
            f"{url!r} names the host {name!r}, and a database is a file: "
            f"write sqlite:///{name}{slash}{path} (relative) or sqlite:////{name}{slash}{path} (absolute)"
        )
    if "?" in path:
        raise ConfigError(f"{url!r} has options; those of the store are written in the table [store.sqlite] of l0.toml")
    return path
