"""The promises of every store, held by this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from l0_store_postgres import PostgresEventStore
from l0_testing import EventStoreSuite


class TestPostgres(EventStoreSuite):
    dsn: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _server(self, shared_dsn: str) -> None:
        type(self).dsn = shared_dsn

    async def open(self, where: Path) -> Any:
        return PostgresEventStore(self.dsn, where.name)


class TestWithoutWaitingForTheDisk(TestPostgres):
    async def open(self, where: Path) -> Any:
        return PostgresEventStore(self.dsn, where.name, durability="process")
