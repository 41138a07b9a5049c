"""The documented types as models of pydantic. Of the l0-pydantic package."""

from __future__ import annotations

from l0._lazy import show

show(__name__, "l0_pydantic")
