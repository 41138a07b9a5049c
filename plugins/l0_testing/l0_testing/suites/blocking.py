"""Who blocks the event loop: sleeps, and sockets that wait, told with the line that did it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["blocking_calls"]

_SOCKETS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))
_NAMES = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"))

_watch: tuple[int, list[str]] | None = None
"""The thread that is watched, and what was found of it."""

_hooked = False


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if _watch is None or _watch[0] != threading.get_ident():
        return
    if event in _NAMES or (event in _SOCKETS and _waits(given[0])):
        _watch[1].append(f"{event} {_line(sys._getframe(1))}")


def _waits(sock: Any) -> bool:
    return isinstance(sock, socket.socket) and sock.gettimeout() != 0


@contextmanager
def blocking_calls(package: str) -> Iterator[list[str]]:
    """What this thread does in the block that could keep its event loop waiting. Sleeps are told, and not slept.

    `package` is whose `sleep` is looked for under names of its own, as `from time import sleep` makes them.
    """
    global _watch, _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)  # There is no way to take one off: it looks on where nothing is watched.
    found: list[str] = []
    sleep, thread = time.sleep, threading.get_ident()

    def told(seconds: float) -> None:
        if threading.get_ident() != thread:
            sleep(seconds)
            return
        found.append(f"time.sleep({seconds:g}) {_line(sys._getframe(1))}")

    homes = [
        (module, name) for module in _modules(package) for name, value in list(vars(module).items()) if value is sleep
    ]
    before, _watch = _watch, (thread, found)
    for module, name in [(time, "sleep"), *homes]:
        setattr(module, name, told)
    try:
        yield found
    finally:
        _watch = before
        for module, name in [(time, "sleep"), *homes]:
            setattr(module, name, sleep)


def _modules(package: str) -> list[Any]:
    top = package.partition(".")[0]
    return [
        module for name, module in list(sys.modules.items()) if module is not None and name.partition(".")[0] == top
    ]


def _line(frame: FrameType | None) -> str:
    """Where a call comes from: the innermost line that is not the standard library's."""
    innermost = frame
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in sys.stdlib_module_names:
        frame = frame.f_back
    frame = frame or innermost
    return "" if frame is None else f"at {frame.f_code.co_filename}:{frame.f_lineno}"
