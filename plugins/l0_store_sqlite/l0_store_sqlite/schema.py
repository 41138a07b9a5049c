"""The tables, and how a database comes to have them."""

from __future__ import annotations

import sqlite3
import time

from l0_core import StoreError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "prepare"]

APPLICATION_ID = 0x4C30_4553
"""What is written in the header of a database of ours: "L0ES"."""

PATIENCE = 5.0
"""Seconds for which another process that opens the same new database is waited for."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE streams (
            key INTEGER PRIMARY KEY,
            prefix BLOB NOT NULL,
            id BLOB NOT NULL,
            next_seq INTEGER NOT NULL,
            is_ended INTEGER NOT NULL,
            ts REAL NOT NULL,
            UNIQUE (prefix, id)
        )
        """,
        """
        CREATE TABLE records (
            stream INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            count INTEGER NOT NULL,
            is_terminal INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (stream, seq)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE snapshots (
            stream INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (stream, seq)
        ) WITHOUT ROWID
        """,
    ),
)
"""The statements that make each version of the schema of the one before. One that was released is never changed."""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make an empty database one of ours, and bring one of ours up to date; nothing is written in any other.

    Raises StoreError for the database of another application or of a later version.
    """
    connection.execute("BEGIN")  # What is looked at is of one state, while another process makes the tables.
    version = _identify(connection, path)
    connection.execute("COMMIT")
    mode = _begin_log(connection)
    if mode != "wal":
        raise StoreError(
            f"the database {path} cannot have a write-ahead log (its journal mode stays {mode!r}): "
            "put it on a local disk, and not on a network file system"
        )
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have been here meanwhile.
    for statements in MIGRATIONS[_identify(connection, path) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _begin_log(connection: sqlite3.Connection) -> str:
    """Ask for a write-ahead log; return the journal mode that there is now.

    Two processes that ask at the same moment are in each other's way, and SQLite does not wait then as it else does.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _identify(connection: sqlite3.Connection, path: str) -> int:
    """The version of the schema, 0 for an empty database."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(f"the database {path} is another application's, and is left as it is: choose another path")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the database {path} has version {version} of the schema, and this l0-store-sqlite knows versions up to "
            f"{len(MIGRATIONS)}: upgrade it by pip install -U l0-store-sqlite"
        )
    return int(version)
