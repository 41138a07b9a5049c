"""Connections to the file, each with a thread of its own.

No connection is open while a process forks: SQLite keeps the locks of a file per process, and a child that inherits
them would take locks for its own that it does not have. They are closed before, and whoever next has work for them
opens them again.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from l0_eventsourcing import Job, StreamEnded, Worker, WrongExpectedVersion

from l0_store_sqlite.failures import explained
from l0_store_sqlite.schema import prepare

__all__ = ["Database", "Durability"]

T = TypeVar("T")

Outcome = tuple[object, BaseException | None]
"""What a job returned, or the error of the one who asked for it."""

Durability = Literal["process", "power"]

logger = logging.getLogger("l0")

BUSY_TIMEOUT = 5.0
"""Seconds for which a lock of another process is waited for."""


class Database:
    """The two connections of a store, so that readers do not wait for a lock that a writer waits for."""

    def __init__(self, path: str, durability: Durability) -> None:
        self._reader = Channel(path, durability, "BEGIN")
        self._writer = Channel(path, durability, "BEGIN IMMEDIATE")
        self.has_deleted = False
        """Whether there may be traces of something deleted, which are to be gone when the file is closed."""

    async def read(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """What a function reads."""
        return await self._reader.run(do)

    async def write(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """What a function returns, once what it has written is kept. It refuses before it writes, or not at all."""
        return await self._writer.run(do)

    async def aclose(self) -> None:
        """Do what was asked for before, move the log into the file, and let go of it."""
        await self._reader.aclose(Channel.close)
        await self._writer.aclose(Channel.sweep if self.has_deleted else Channel.close)


class Channel:
    """A connection, opened when there is work for it, and its thread. Jobs that have gathered are one transaction."""

    def __init__(self, path: str, durability: Durability, begin: str) -> None:
        self._path, self._begin = path, begin
        self._durability: Durability = durability
        self._connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()
        """Held by the thread while it works."""
        self._worker = Worker("l0-sqlite", self._perform)
        with _registering:
            _channels.add(self)

    async def run(self, do: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._worker.run(lambda: do(self._open()), writes=True)
        return result

    def _perform(self, jobs: Sequence[Job]) -> None:
        with self.lock:
            outcomes = self._outcomes([job for job in jobs if job.writes])
            # What comes last is to close the connection, and that is done outside of a transaction.
            outcomes += [_outcome(job) for job in jobs if not job.writes]
        for job, (result, error) in zip(jobs, outcomes, strict=True):
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)

    def _outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        if not jobs:
            return []
        try:
            return self._transaction(jobs)
        except BaseException as error:
            self.close()
            if len(jobs) > 1 and not isinstance(error, sqlite3.OperationalError):
                # One of them may be to blame, and the others are not to suffer for it.
                return [outcome for job in jobs for outcome in self._outcomes([job])]
            return [(None, explained(error, self._path)) for _ in jobs]

    def _transaction(self, jobs: Sequence[Job]) -> list[Outcome]:
        """What each job returns, or why it was refused. Raises what is in the way of them all."""
        connection = self._open()
        connection.execute(self._begin)
        outcomes = [_outcome(job) for job in jobs]
        connection.execute("COMMIT")
        return outcomes

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path, self._durability)
        return self._connection

    def close(self) -> None:
        """Close the connection, which undoes what it has not finished. The last one of a file empties its log."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def sweep(self) -> None:
        """Write the file anew without free space, empty its log, and close the connection.

        `secure_delete` overwrites rows that are deleted. It does not overwrite the copies of them that are left in the
        free space of a page when its rows move to other pages.
        """
        try:
            connection = self._open()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:
            logger.warning("traces of deleted streams may be left in free space: %s", explained(error, self._path))
        finally:
            self.close()

    async def aclose(self, finish: Callable[[Channel], None]) -> None:
        """Do what was asked for before, close the connection in one way or the other, and end the thread."""
        await self._worker.run(lambda: finish(self))
        await self._worker.aclose()

    def __del__(self) -> None:
        self.close()


def _outcome(job: Job) -> Outcome:
    try:
        return job.do(), None
    except (WrongExpectedVersion, StreamEnded) as refused:
        return None, refused


def _connect(path: str, durability: Durability) -> sqlite3.Connection:
    _create(os.path.realpath(path))
    # Another thread may close it: before a fork, and at the end.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        if durability == "power":
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")  # Elsewhere than on macOS it means nothing.
        else:
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: str) -> None:
    """See that the file is there. A new one is its owner's alone, and so are the files that SQLite puts beside it."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    # Closing a file gives up all locks that the process has on it: nobody may have opened it before that.
    with _creating, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


_creating = threading.Lock()
_registering = threading.Lock()
_channels: weakref.WeakSet[Channel] = weakref.WeakSet()
_stopped: list[Channel] = []


def _before_fork() -> None:
    _registering.acquire()
    for channel in _channels:
        channel.lock.acquire()
        _stopped.append(channel)
        channel.close()


def _after_fork() -> None:
    while _stopped:
        _stopped.pop().lock.release()
    _registering.release()


@atexit.register
def _close_all() -> None:
    for channel in _channels:
        channel.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
