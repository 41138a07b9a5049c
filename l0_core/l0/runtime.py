"""What runs a stream."""

from __future__ import annotations

from l0_core.client import run
from l0_core.errors import TimeoutError
from l0_core.lifecycle_callbacks import LifecycleCallbacks

__all__ = [
    "LifecycleCallbacks",
    "TimeoutError",
    "run",
]
