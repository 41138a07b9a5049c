"""What may be said of an exception without saying what it says."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["exception_event", "name_of", "stand_in"]

_NAME = re.compile(r"[A-Za-z_][\w.]{0,99}\Z", re.ASCII)


def name_of(value: object, default: str = "Error") -> str:
    """The name of an exception's type, given the exception, its type or the name; `default` if it is none of these.

    Where a name is expected a message may stand: one is told from the other by its form.
    """
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, type):
        return value.__name__
    return value if isinstance(value, str) and _NAME.match(value) else default


def exception_event(name: str, said: str, error: BaseException | None = None, **more: Any) -> dict[str, Any]:
    """An event for an exception that was caught, without frames, notes, causes and attributes.

    `said` stands where its message would. `error` is the exception itself if its own message may be sent.
    """
    exception = {
        "type": name,
        "module": None if error is None else type(error).__module__,
        "value": said if error is None else str(error),
        "mechanism": {"type": "l0", "handled": True},
    }
    return {"level": "error", "logger": "l0", "exception": {"values": [exception]}, **more}


def stand_in(error: BaseException, said: str = "") -> Exception:
    """An exception of the same name, with no message but `said`, no traceback, no notes, no cause and no attributes."""
    kind = type(error)
    return type(kind.__name__, (Exception,), {"__module__": kind.__module__})(said)  # type: ignore[no-any-return]
