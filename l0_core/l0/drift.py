"""Finding answers that drift. Of the l0-drift package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_drift")
