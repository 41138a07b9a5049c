"""The logger of L0."""

from __future__ import annotations

from l0_core.log import enable_debug, logger

__all__ = [
    "enable_debug",
    "logger",
]
