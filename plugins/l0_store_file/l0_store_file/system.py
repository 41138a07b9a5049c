"""The calls to the operating system, in one place: a test can put others there, which fail, or keep a record."""

from __future__ import annotations

import errno
import os
import sys
from os import close, fstat, ftruncate, listdir, lstat, mkdir, pread, unlink, utime, write
from os import replace as rename

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, fcntl, flock
except ImportError as error:
    raise ImportError(
        f"l0-store-file locks its files with fcntl, which {sys.platform} does not have: use l0-store-sqlite here"
    ) from error

__all__ = [
    "LOCK_EX",
    "LOCK_NB",
    "LOCK_SH",
    "LOCK_UN",
    "close",
    "flock",
    "fstat",
    "ftruncate",
    "listdir",
    "lstat",
    "mkdir",
    "open_file",
    "pread",
    "rename",
    "sync",
    "sync_folder",
    "unlink",
    "utime",
    "write",
    "write_whole",
]


def open_file(path: str, flags: int) -> int:
    """Open a file, which its owner alone may read, and never through a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_whole(fd: int, data: bytes) -> None:
    """Write in one go. What is written in part only has failed: the disk is full, and the rest would not be whole."""
    written = write(fd, data)
    if written != len(data):
        raise OSError(errno.ENOSPC, f"{written} of {len(data)} bytes could be written")


def sync(fd: int) -> None:
    """Wait until the data of a file is on the disk."""
    if sys.platform == "darwin":
        from fcntl import F_FULLFSYNC

        fcntl(fd, F_FULLFSYNC)  # fsync leaves it in the cache of the drive there.
    else:
        os.fdatasync(fd)


def sync_folder(path: str) -> None:
    """Wait until the names in a folder are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
