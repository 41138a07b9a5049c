"""Normalizing text. Of the l0-text package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_text")
