"""Clients whose streaming calls are dependable."""

from __future__ import annotations

from l0_core.client import WrappedClient, wrap_client

__all__ = [
    "WrappedClient",
    "wrap_client",
]
