"""Long documents in pieces. Of the l0-window package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_window")
