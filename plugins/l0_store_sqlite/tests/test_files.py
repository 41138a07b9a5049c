"""Files that are not as they should be: each is an error that says what to do, and none is made worse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from l0_eventsourcing import EventEnvelope, Record, StoreUnavailable, TokenEvent
from l0_store_sqlite import SqliteEventStore, schema
from l0_store_sqlite.failures import explained

from l0_core import StoreError


async def write(path: Path, streams: int = 1) -> None:
    async with SqliteEventStore(path) as store:
        for number in range(streams):
            await store.append_records(f"{number}", [Record(0, 1, b'{"type": "TOKEN", "ts": 1}' + b" " * 2000)])


async def refused(path: Path) -> str:
    """What the store says to whoever wants to write."""
    async with SqliteEventStore(path) as store:
        with pytest.raises(StoreError) as error:
            await store.append("one", EventEnvelope("one", 0, TokenEvent(ts=1.0)))
        with pytest.raises(StoreError) as other:
            await store.get_events("0")
        assert str(path) in str(error.value)
        assert str(path) in str(other.value)
        assert not isinstance(error.value, StoreUnavailable)
        return str(error.value)


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE theirs (id INTEGER)"],
        ["PRAGMA application_id = 7"],
        ["PRAGMA user_version = 1"],
        ["CREATE TABLE streams (id INTEGER)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"],
    ],
)
def test_the_database_of_another_application_is_left_as_it_is(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "theirs.db"
    execute(path, *statements)
    before = path.read_bytes()
    assert "another application's" in asyncio.run(refused(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["theirs.db"]


def test_a_database_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    asyncio.run(write(path))
    execute(path, f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    before = path.read_bytes()
    assert "pip install -U l0-store-sqlite" in asyncio.run(refused(path))
    assert path.read_bytes() == before


def test_a_database_of_an_earlier_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    asyncio.run(write(path))
    added = ("ALTER TABLE streams ADD COLUMN note TEXT", "UPDATE streams SET note = 'of version ' || 1")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    asyncio.run(write(path.with_name("new.db")))

    async def main() -> None:
        async with SqliteEventStore(path) as store:
            assert len(await store.get_events("0")) == 1
        async with SqliteEventStore(path) as store:
            assert len(await store.get_events("0")) == 1

    asyncio.run(main())
    for name, note in (("events.db", "of version 1"), ("new.db", None)):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)
            assert connection.execute("SELECT note FROM streams").fetchone() == (note,)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.db"
    asyncio.run(write(path))
    with monkeypatch.context() as patched:
        broken = ("ALTER TABLE streams ADD COLUMN note TEXT", "UPDATE nowhere SET note = 1")
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        assert "nowhere" in asyncio.run(refused(path))

    async def main() -> None:
        async with SqliteEventStore(path) as store:
            assert len(await store.get_events("0")) == 1

    asyncio.run(main())


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("Dear diary, " * 1000)
    assert "no SQLite database" in asyncio.run(refused(path))
    assert path.read_text().startswith("Dear diary")


def test_a_file_that_was_cut_off_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    asyncio.run(write(path, 50))
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
    assert "it is damaged" in asyncio.run(refused(path))


def test_a_file_with_overwritten_pages_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    asyncio.run(write(path, 50))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * (path.stat().st_size - 4096))
    assert "it is damaged" in asyncio.run(refused(path))


def test_a_path_at_which_there_can_be_no_file_is_said(tmp_path: Path) -> None:
    assert "cannot be opened" in asyncio.run(refused(tmp_path))
    (tmp_path / "file").touch()
    assert "cannot be opened" in asyncio.run(refused(tmp_path / "file" / "events.db"))


def test_where_the_disk_takes_no_more_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "events.db"
    fill = """
import asyncio, resource, sys
from l0_core import StoreError
from l0_eventsourcing import Record
from l0_store_sqlite import SqliteEventStore

async def main():
    store = SqliteEventStore(sys.argv[1])
    await store.append_records("one", [Record(0, 1, b"x" * 5000)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for seq in range(1, 1000):
        try:
            await store.append_records("one", [Record(seq, 1, b"x" * 5000)])
        except StoreError as error:
            print(seq, error)
            break
    assert len(await store.read_records("one")) == seq

asyncio.run(main())
"""
    said = subprocess.run([sys.executable, "-c", fill, path], capture_output=True, text=True, check=True, timeout=60)
    kept, _, message = said.stdout.partition(" ")
    assert f"the database {path} failed (SQLITE_" in message
    assert 10 < int(kept) < 999

    async def main() -> None:
        async with SqliteEventStore(path) as store:
            assert await store.next_seq("one") == int(kept)
            assert len(await store.read_records("one")) == int(kept)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("pragma", "says"),
    [
        ("max_page_count = 3", "its disk is full. Make room"),
        ("query_only = ON", "Make the file and its folder writable"),
    ],
)
def test_a_full_disk_and_a_read_only_file_are_said_to_be_that(tmp_path: Path, pragma: str, says: str) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE some (body BLOB)")
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(sqlite3.OperationalError) as failed:
            connection.execute("INSERT INTO some VALUES (zeroblob(100000))")
    error = explained(failed.value, "/folder/x.db")
    assert isinstance(error, StoreError)
    assert says in str(error)
    assert "/folder/x.db" in str(error)


def test_where_a_write_ahead_log_cannot_be_had_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says so by staying in the mode that it was in, as it does on some network file systems."""
    monkeypatch.setattr(schema, "_begin_log", lambda connection: "delete")
    assert "its journal mode stays 'delete'): put it on a local disk" in asyncio.run(refused(tmp_path / "events.db"))


def test_two_that_ask_for_a_write_ahead_log_at_once_both_get_it(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    execute(path, "CREATE TABLE theirs (id INTEGER)")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = threading.Event()

        def release(statement: str) -> None:
            if "journal_mode" in statement and not asked.is_set():
                asked.set()
                threading.Timer(0.05, other.execute, ("COMMIT",)).start()

        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            connection.set_trace_callback(release)
            assert schema._begin_log(connection) == "wal"
    assert asked.is_set()


def test_what_keeps_a_write_ahead_log_from_being_had_for_long_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 0.0)
    path = tmp_path / "events.db"
    execute(path, "CREATE TABLE theirs (id INTEGER)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            schema._begin_log(connection)
