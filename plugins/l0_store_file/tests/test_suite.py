"""The promises of every store, held by files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l0_store_file import FileEventStore
from l0_testing import EventStoreSuite


class TestProcess(EventStoreSuite):
    async def open(self, where: Path) -> Any:
        return FileEventStore(where)


class TestPower(EventStoreSuite):
    async def open(self, where: Path) -> Any:
        return FileEventStore(where, durability="power")
