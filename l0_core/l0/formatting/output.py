"""What a prompt says of the answer's form, and reading that form. Of the l0-text package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_text.output import *  # noqa: F403

show(__name__, "l0_text.output")
