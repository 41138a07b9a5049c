"""A file under a lock that other processes respect, and which they may delete, or cut, while it is not held."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from l0_eventsourcing import StoreUnavailable

from l0_core import StoreError
from l0_store_file import system
from l0_store_file.folder import Folder

__all__ = ["LockedFile"]

PATIENCE = 5.0
"""Seconds for which another process may hold a lock."""

_FLAGS = os.O_RDWR | os.O_APPEND


class LockedFile:
    """A file that is opened when it is needed. Its descriptor may be closed at any time that the lock is not held."""

    def __init__(self, folder: Folder, path: str) -> None:
        self._folder, self.path = folder, path
        self.fd = -1
        self.found: os.stat_result | None = None
        """What the file was like when the lock was last taken."""

    @contextmanager
    def locked(self, *, exclusive: bool, creates: bool = False) -> Iterator[bool]:
        """Hold the lock; says whether there is a file. Raises StoreUnavailable if another process does not let go."""
        while self.open() or (creates and self._create()):
            self._lock(exclusive)
            try:
                if self._is_in_place():
                    yield True
                    return
            finally:
                self._unlock()
            self.close()
        yield False

    def open(self) -> bool:
        """Open the file; return whether there is one."""
        if self.fd < 0:
            try:
                self._take(system.open_file(self.path, _FLAGS))
            except FileNotFoundError:
                return False
            except OSError as error:
                raise self._told(error) from error
        return True

    def close(self) -> None:
        """Let go of the file."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with suppress(OSError):  # It is closed all the same, and nothing that was promised hangs on it.
                system.close(fd)

    def _create(self) -> bool:
        try:
            self._take(self._folder.create(self.path, _FLAGS))
        except OSError as error:
            raise self._told(error) from error
        return True

    def _told(self, error: OSError) -> OSError | StoreError:
        if error.errno != errno.ELOOP:
            return error
        return StoreError(f"{self.path} is a symbolic link, which a log never is: put the file itself in its place")

    def _take(self, fd: int) -> None:
        try:
            if not stat.S_ISREG(system.fstat(fd).st_mode):
                raise StoreError(f"{self.path} is not a regular file, which a log is: move it away")
        except BaseException:
            system.close(fd)
            raise
        self.fd = fd

    def _lock(self, exclusive: bool) -> None:
        kind = (system.LOCK_EX if exclusive else system.LOCK_SH) | system.LOCK_NB
        end, pause = time.monotonic() + PATIENCE, 0.0002
        while True:
            try:
                system.flock(self.fd, kind)
            except BlockingIOError:
                # It is asked for again and again, so that a process that was stopped does not stop this one for good.
                if time.monotonic() > end:
                    held = f"{self.path} has been locked by another process for {PATIENCE:g} s"
                    raise StoreUnavailable(held) from None
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
            else:
                return

    def _unlock(self) -> None:
        try:
            system.flock(self.fd, system.LOCK_UN)
        except OSError:
            self.close()

    def _is_in_place(self) -> bool:
        """Whether the file is still the one that has the name: others delete files, and people move them."""
        try:
            there = system.lstat(self.path)
        except FileNotFoundError:
            return False
        self.found = system.fstat(self.fd)
        return (there.st_ino, there.st_dev) == (self.found.st_ino, self.found.st_dev)
