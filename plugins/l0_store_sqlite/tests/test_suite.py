"""The promises of every store, held by this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l0_store_sqlite import SqliteEventStore
from l0_testing import EventStoreSuite


class TestSqlite(EventStoreSuite):
    async def open(self, where: Path) -> Any:
        return SqliteEventStore(where / "events.db")


class TestSqliteOnPower(EventStoreSuite):
    async def open(self, where: Path) -> Any:
        return SqliteEventStore(where / "events.db", durability="power")
