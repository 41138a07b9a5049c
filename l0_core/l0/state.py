"""Making a state by hand."""

from __future__ import annotations

from l0_core.state import append_token, create_state, mark_completed, update_checkpoint

__all__ = [
    "append_token",
    "create_state",
    "mark_completed",
    "update_checkpoint",
]
