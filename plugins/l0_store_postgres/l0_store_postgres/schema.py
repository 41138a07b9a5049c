"""The tables, and the steps that lead from one version of them to the next.

Names are not qualified, so the `search_path` of the dsn says in which schema the tables are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from l0_core import StoreError

__all__ = ["MIGRATIONS", "prepare"]

MIGRATIONS = (
    # An index holds no long ids, so that of a stream is found by its SHA-256. Half of each page of l0_streams is left
    # free, so that a new version of a row fits beside the old one, and no index has to follow it.
    """
    CREATE TABLE l0_streams (
        id bigserial PRIMARY KEY,
        prefix bytea NOT NULL,
        id_sha256 bytea NOT NULL,
        stream_id bytea NOT NULL,
        next_seq bigint NOT NULL,
        is_ended boolean NOT NULL,
        ts double precision NOT NULL,
        UNIQUE (prefix, id_sha256)
    ) WITH (fillfactor = 50);

    CREATE TABLE l0_records (
        stream bigint NOT NULL REFERENCES l0_streams ON DELETE CASCADE,
        seq bigint NOT NULL,
        count integer NOT NULL,
        is_terminal boolean NOT NULL,
        body bytea NOT NULL,
        append_id uuid NOT NULL,
        PRIMARY KEY (stream, seq)
    );

    CREATE TABLE l0_snapshots (
        stream bigint NOT NULL REFERENCES l0_streams ON DELETE CASCADE,
        seq bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (stream, seq)
    );
    """,
)
"""Step number n makes version n + 1 of version n. What is released is never changed: add a step.

Steps run in one transaction, so none may hold what cannot be in one (`CREATE INDEX CONCURRENTLY`).
"""

_LOCK = 0x6C305F736368656D
"""The number of the advisory lock under which the tables are changed: "l0_schem" in ASCII."""


async def prepare(connection: Any, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Make the tables what this version works with. Any number of processes may do it at once.

    Raises StoreError for tables of a later version. After any other error the connection must be closed: it may hold
    the lock.
    """
    version = await _version(connection)
    if version < len(migrations):
        # A lock of the session: what a transaction looked up before it waited, it would not look up again.
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        version = await _version(connection)
        if version < len(migrations):
            await connection.execute(_script(version, migrations))
            version = len(migrations)
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    if version > len(migrations):
        raise StoreError(
            f"the tables of L0 in this database are of version {version}, and this l0-store-postgres knows "
            f"version {len(migrations)}: a later one has upgraded them. Upgrade l0-store-postgres here too"
        )


def _script(version: int, migrations: Sequence[str]) -> str:
    """The statements that lead from a version to the last, in the one transaction that a script is."""
    begin = ["CREATE TABLE l0_schema (version integer NOT NULL)", "INSERT INTO l0_schema VALUES (0)"]
    end = f"UPDATE l0_schema SET version = {len(migrations)}"
    return ";\n".join([*(begin if not version else []), *migrations[version:], end])


async def _version(connection: Any) -> int:
    """The version of the tables; 0 if there are none."""
    if await connection.fetchval("SELECT to_regclass('l0_schema')") is None:
        return 0
    version: int = await connection.fetchval("SELECT version FROM l0_schema")
    return version
