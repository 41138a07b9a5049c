"""What the errors of SQLite mean to whoever uses a store."""

from __future__ import annotations

import sqlite3

from l0_eventsourcing import StoreUnavailable

from l0_core import StoreError

__all__ = ["explained"]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)

_ADVICE = {
    sqlite3.SQLITE_CORRUPT: "it is damaged. Copy it, and its -wal, before anything else; "
    "the .recover of the program sqlite3 saves what can be read",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database. Choose another path, or put a copy in its place",
    sqlite3.SQLITE_FULL: "its disk is full. Make room",
    sqlite3.SQLITE_READONLY: "it cannot be written to. Make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. See that the file and its folder are readable and writable, "
    "and that the process may open more files",
    sqlite3.SQLITE_IOERR: "its disk fails, or a limit of the process is reached. Look at both",
}


def explained(error: BaseException, path: str) -> BaseException:
    """The error to raise for one that came up at work on the file: a StoreError, where it is the file's."""
    if isinstance(error, sqlite3.Error):
        found = _explained(error, path)
    elif isinstance(error, OSError):
        found = StoreError(f"the database {path} cannot be opened: {error}")
    else:
        return error
    found.__cause__ = error
    return found


def _explained(error: sqlite3.Error, path: str) -> StoreError:
    # Errors of the module itself have no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code in _BUSY:
        return StoreUnavailable(f"the database {path} is locked by somebody else ({name}): trying again may help")
    advice = _ADVICE.get(code, "this is unexpected")
    return StoreError(f"the database {path} failed ({name}: {error}): {advice}")
