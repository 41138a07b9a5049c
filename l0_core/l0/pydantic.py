"""The documented types as models of pydantic. Of the l0-pydantic package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0._lazy import show

if TYPE_CHECKING:
    from l0_pydantic import *  # noqa: F403

show(__name__, "l0_pydantic")
