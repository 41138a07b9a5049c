"""Retries by hand."""

from __future__ import annotations

from l0_core.retry_manager import RetryContext, RetryManager

__all__ = [
    "RetryContext",
    "RetryManager",
]
