"""Streams of L0 in an SQLite database."""

from __future__ import annotations

from l0_store_sqlite.plugin import SqliteOptions, SqliteStore
from l0_store_sqlite.store import SqliteEventStore

__all__ = ["SqliteEventStore", "SqliteOptions", "SqliteStore"]
