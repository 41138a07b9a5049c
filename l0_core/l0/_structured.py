"""Structured output. Of the l0-structured package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_structured import *  # noqa: F403

show(__name__, "l0_structured")
