"""Many calls at once. Of the l0-parallel package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_parallel import *  # noqa: F403

show(__name__, "l0_parallel", is_function=True)
