"""The folder of a store, what was found damaged in it, and what an error of the operating system means."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from l0_eventsourcing import StoreUnavailable

from l0_core import StoreError
from l0_store_file import system

__all__ = ["Damage", "Folder", "as_store_error", "logger"]

logger = logging.getLogger("l0")

_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN)
"""What may be over when it is tried again."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A log that was not as it was written: from byte `offset` on it is only in the copy `preserved`.

    `stream_id` is None where only the damaged part could have said it.
    """

    stream_id: str | None
    path: str
    offset: int
    reason: str
    preserved: str


class Folder:
    """Where the logs of a store are. With `is_durable` what is acknowledged outlives the loss of power."""

    def __init__(self, path: str, is_durable: bool) -> None:
        self.path, self.is_durable = path, is_durable
        self.damaged: list[Damage] = []
        self.failed: dict[str, str] = {}
        """The logs that are not written to until the store is opened again, with the reason."""
        self._is_made = False

    def create(self, path: str, flags: int) -> int:
        """Create a file, or open the one that somebody has created meanwhile; make the folder if there is none."""
        self._make()
        try:
            return system.open_file(path, flags | os.O_CREAT)
        except FileNotFoundError:
            self._is_made = False
            self._make()
            return system.open_file(path, flags | os.O_CREAT)

    def _make(self) -> None:
        if not self._is_made:
            for path in (os.path.dirname(self.path), self.path):
                self._make_one(path)
            self._is_made = True

    def _make_one(self, path: str) -> None:
        parent = os.path.dirname(path)
        try:
            system.mkdir(path, 0o700)
        except FileNotFoundError:
            self._make_one(parent)
            self._make_one(path)
        except FileExistsError:
            pass
        if self.is_durable:
            system.sync_folder(parent)

    def write_new(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file that does not exist yet, whole or not at all. Its name is not synced."""
        fd = self.create(path, os.O_WRONLY | os.O_EXCL)
        try:
            for piece in pieces:
                system.write_whole(fd, piece)
            if self.is_durable:
                system.sync(fd)
        except OSError:
            system.unlink(path)
            raise
        finally:
            system.close(fd)

    def sync(self) -> None:
        """Wait until the names in it are on the disk, and its own, if that was promised."""
        if self.is_durable:
            self._make()  # Whoever made it need not have synced it.
            system.sync_folder(self.path)

    def report(self, damage: Damage) -> None:
        """Tell people, and whoever asks, of a damaged log."""
        self.damaged.append(damage)
        logger.warning(
            "%s is damaged at byte %d: %s. What is before it is kept, and the file as it was is %s",
            damage.path,
            damage.offset,
            damage.reason,
            damage.preserved,
        )


def as_store_error(error: OSError, path: str) -> StoreError:
    """What the operating system refused, as the error of a store."""
    kind = StoreUnavailable if error.errno in _PASSING else StoreError
    return kind(f"{error.filename or path} cannot be used: {error.strerror or error}")
