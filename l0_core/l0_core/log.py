"""The logger of L0, `"l0"`.

What the application configures for it holds; without that, Python shows warnings and errors alone. `enable_debug()`
shows all.

What is logged holds no text of a prompt or an answer: a record names what happened to which stream, and an error by its
type and the line that raised it. The message of an error may be made of content: with its traceback it is logged only
at DEBUG, and only for what the user's own code and plugins raise.
"""

from __future__ import annotations

import logging
import os

__all__ = ["enable_debug", "log_raised", "logger", "placed"]

logger = logging.getLogger("l0")

_FORMAT = "[l0] %(levelname)s: %(message)s"


class _Debug(logging.StreamHandler):  # type: ignore[type-arg]
    """The handler of `enable_debug`, to be known again."""


def enable_debug() -> None:
    """Write everything that L0 logs to stderr, from DEBUG up. Calling it again changes nothing."""
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, _Debug) for handler in logger.handlers):
        handler = _Debug()
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)


def placed(error: BaseException) -> str:
    """An error for a log: its type, and the file and line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    kind = type(error).__name__
    if trace is None:
        return kind
    return f"{kind} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


def log_raised(who: str, error: BaseException, consequence: str) -> None:
    """Log what code of the user's own raised: in brief as a warning, with its traceback at DEBUG."""
    logger.warning("%s raised %s; %s", who, placed(error), consequence)
    logger.debug("%s raised", who, exc_info=error)
