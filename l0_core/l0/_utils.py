"""Repairing JSON. Of the l0-structured package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_structured")
