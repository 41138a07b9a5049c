"""Finding answers that drift. Of the l0-drift package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_drift import *  # noqa: F403

show(__name__, "l0_drift")
