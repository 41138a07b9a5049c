"""Calls in steps. Of the l0-pipeline package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_pipeline")
