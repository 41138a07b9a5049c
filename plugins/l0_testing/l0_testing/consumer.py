"""What a consumer of a stream of events has, who does as the events say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l0_core import Event

__all__ = ["text_of"]


def text_of(events: Iterable[Event]) -> str:
    """The answer: each token appended, and at each RESET only what is to be kept. Other choices are left out."""
    text = ""
    for event in events:
        if event.choice:
            continue
        if event.is_token:
            text += event.text or ""
        elif event.is_reset:
            text = text[: (event.data or {})["keep"]]
    return text
