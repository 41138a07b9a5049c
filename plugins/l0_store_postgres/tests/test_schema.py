"""The tables: made once by however many processes, upgraded, and refused when they are of a later version."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from l0_eventsourcing import StoreUnavailable, TokenEvent
from l0_store_postgres import PostgresEventStore
from l0_store_postgres.schema import MIGRATIONS, prepare

from l0_core import StoreError

LATER = (
    *MIGRATIONS,
    "ALTER TABLE l0_streams ADD note text NOT NULL DEFAULT 'none'",
    "CREATE TABLE l0_notes (note text)",
)


async def prepared(dsn: str, migrations: Any) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await prepare(connection, migrations)
    finally:
        await connection.close()


def test_tables_are_made_once_by_whoever_comes_first(dsn: str, fetch: Any) -> None:
    """Twenty connections at the same moment, ten times over; see also the processes that begin together."""

    async def main() -> None:
        for _ in range(10):
            await asyncio.gather(*(prepared(dsn, MIGRATIONS) for _ in range(20)))
            assert await fetch("SELECT version FROM l0_schema", dsn=dsn) == [(len(MIGRATIONS),)]
            await fetch("DROP TABLE l0_snapshots, l0_records, l0_streams, l0_schema", dsn=dsn)

    asyncio.run(main())


def test_an_upgrade_keeps_what_is_there(dsn: str, fetch: Any) -> None:
    """Each step is done once, by whoever comes first, while a store of the version before is at work."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await store.append("one", TokenEvent(ts=1.0, value="kept"))
            await asyncio.gather(*(prepared(dsn, LATER) for _ in range(10)))
            assert await fetch("SELECT version FROM l0_schema", dsn=dsn) == [(len(LATER),)]
            assert await fetch("SELECT stream_id, note FROM l0_streams", dsn=dsn) == [(b"one", "none")]
            assert await fetch("SELECT count(*) FROM l0_notes", dsn=dsn) == [(0,)]
            await store.append("one", TokenEvent(ts=1.0))
            assert len(await store.get_events("one")) == 2

    asyncio.run(main())


def test_an_upgrade_that_fails_leaves_everything_as_it_was(dsn: str, fetch: Any) -> None:
    async def main() -> None:
        await prepared(dsn, MIGRATIONS)
        with pytest.raises(asyncpg.PostgresError):
            await prepared(dsn, (*LATER, "ALTER TABLE l0_no_such_table ADD note text"))
        assert await fetch("SELECT version FROM l0_schema", dsn=dsn) == [(len(MIGRATIONS),)]
        assert await fetch("SELECT to_regclass('l0_notes')", dsn=dsn) == [(None,)]
        await prepared(dsn, LATER)

    asyncio.run(main())


def test_tables_of_a_later_version_are_refused(dsn: str) -> None:
    """With what to do, and no lock kept. An answer, and not a server that is away."""

    async def main() -> None:
        await prepared(dsn, LATER)
        async with PostgresEventStore(dsn) as store:
            for _ in range(2):
                with pytest.raises(StoreError, match=r"of version 3, .* knows version 1: .* Upgrade") as refused:
                    await store.append("one", TokenEvent(ts=1.0))
                assert not isinstance(refused.value, StoreUnavailable)
            await prepared(dsn, (*LATER, "DROP TABLE l0_notes"))

    asyncio.run(main())


def test_the_search_path_says_where_the_tables_are(dsn: str, fetch: Any) -> None:
    """In its first schema they are made; in a later one they are found."""
    schema = dsn.rpartition("=")[2]

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await store.append("one", TokenEvent(ts=1.0))
        found = await fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema)
        assert found == [("l0_records",), ("l0_schema",), ("l0_snapshots",), ("l0_streams",)]
        await fetch(f"CREATE SCHEMA {schema}_empty")
        try:
            async with PostgresEventStore(dsn.replace(f"={schema}&", f"={schema}_empty,{schema}&")) as store:
                assert await store.list_streams() == ["one"]
        finally:
            await fetch(f"DROP SCHEMA {schema}_empty")  # without CASCADE: nothing is in it

    asyncio.run(main())


def test_a_role_that_may_not_make_tables_can_use_those_that_are_there(dsn: str, fetch: Any) -> None:
    role = dsn.rpartition("=")[2]

    async def main() -> None:
        await fetch(f"CREATE ROLE {role} LOGIN")
        try:
            await fetch(f"GRANT USAGE ON SCHEMA {role} TO {role}")
            async with PostgresEventStore(f"{dsn}&user={role}".replace("postgres@", "")) as store:
                with pytest.raises(StoreError, match="permission denied") as refused:
                    await store.append("one", TokenEvent(ts=1.0))
                assert not isinstance(refused.value, StoreUnavailable)
                await prepared(dsn, MIGRATIONS)
                await fetch(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {role} TO {role}")
                await fetch(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {role} TO {role}")
                await store.append("one", TokenEvent(ts=1.0))
                await store.wait_for("one", 0, 60.0)
                assert await store.delete("one")
        finally:
            await fetch(f"DROP OWNED BY {role}")
            await fetch(f"DROP ROLE {role}")

    asyncio.run(main())
