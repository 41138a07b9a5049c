"""Handlers of the user's own, called so that what they raise stops nothing."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Callable
from typing import Any

__all__ = ["call", "logger", "plain", "running_loop"]

logger = logging.getLogger("l0")


def plain(handler: Any) -> Any:
    """The handler, if it is a plain function. Raises TypeError for one that is none."""
    if not callable(handler):
        raise TypeError(f"a handler is a function of one event, not {handler!r}")
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        raise TypeError(
            f"{_name(handler)} is a coroutine function, which nobody would await here: write a plain function, which "
            "may start a task"
        )
    return handler


def call(handler: Callable[[Any], object], given: Any) -> None:
    """Call a handler. What it raises is logged: in brief as a warning, with its traceback at DEBUG."""
    try:
        handler(given)
    except Exception as error:
        logger.warning("%s raised %s; the event is lost to it", _name(handler), _placed(error))
        logger.debug("%s raised", _name(handler), exc_info=error)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or type(handler).__qualname__


def _placed(error: BaseException) -> str:
    """The type of an error, and the file and line that raised it: its message may hold content."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    kind = type(error).__name__
    if trace is None:
        return kind
    return f"{kind} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
