"""One answer made of several. Of the l0-consensus package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_consensus", is_function=True)
