"""The text of a stream."""

from __future__ import annotations

from l0_core.stream import consume_stream, get_text

__all__ = [
    "consume_stream",
    "get_text",
]
