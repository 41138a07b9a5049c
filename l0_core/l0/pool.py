"""A pool of workers for calls. Of the l0-parallel package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_parallel")
