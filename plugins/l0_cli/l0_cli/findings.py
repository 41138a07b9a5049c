"""What `l0 doctor` finds, and how it waits for what may never answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from l0_core import config

__all__ = ["Finding", "Status", "bounded", "connect"]

T = TypeVar("T")

Status = Literal["ok", "warning", "problem"]

WAIT = 3.0
"""Seconds for which anything outside this process is waited for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says: one line, and what to do if that is not `ok`. No password in a URL is shown."""

    check: str
    status: Status
    message: str
    fix: str | None = None

    @classmethod
    def of(cls, check: str, status: Status, message: str, fix: str | None = None) -> Finding:
        """A finding on one line, with the passwords of URLs masked."""
        message = config.masked(" ".join(message.split()))
        return cls(check, status, message, None if fix is None else config.masked(" ".join(fix.split())))


def bounded(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns or raises; TimeoutError if it has done neither after so many seconds.

    It has a thread of its own then, which nobody waits for: to look up a name cannot be interrupted.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]


def connect(host: str, port: int, seconds: float) -> None:
    """Connect to an address, and send nothing. Raises OSError where nobody takes the connection in time."""

    def run() -> None:
        socket.create_connection((host, port), seconds).close()

    bounded(run, seconds)
