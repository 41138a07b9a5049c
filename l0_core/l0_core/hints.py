"""What a server says about trying again, in the headers of its answer."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

__all__ = ["Hint", "hint_of"]


class Hint(NamedTuple):
    """`seconds` to wait at least, and whether to try again at all; None where the server says nothing."""

    seconds: float | None = None
    retry: bool | None = None


def hint_of(error: BaseException) -> Hint:
    """Read `retry-after-ms`, `Retry-After` (seconds, or a date as in RFC 9110 §10.2.3) and `x-should-retry`.

    A router of LiteLLM's whose deployments all rest says for how long as `cooldown_time`, in seconds.
    """
    resting = getattr(error, "cooldown_time", None)
    if isinstance(resting, int | float) and resting >= 0:
        return Hint(float(resting))
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        headers = getattr(error, "headers", None)
    if headers is None or not hasattr(headers, "items"):
        return Hint()
    found = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    retry = {"true": True, "false": False}.get(found.get("x-should-retry", "").lower())
    return Hint(_seconds(found), retry)


def _seconds(headers: dict[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value: Any = headers.get(name)
        if value is None:
            continue
        seconds: float | None
        try:
            seconds = float(value) / unit
        except ValueError:
            seconds = _until(value)
        if seconds is not None and 0 <= seconds < float("inf"):
            return seconds
    return None


def _until(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except ValueError:
        return None
