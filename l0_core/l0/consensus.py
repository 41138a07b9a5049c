"""One answer made of several. Of the l0-consensus package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_consensus import *  # noqa: F403

show(__name__, "l0_consensus", is_function=True)
