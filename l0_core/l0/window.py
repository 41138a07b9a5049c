"""Long documents in pieces. Of the l0-window package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_window import *  # noqa: F403
    from l0_window.restoration import get_restoration_chunk

    _get_restoration_chunk = get_restoration_chunk

show(__name__, "l0_window")
