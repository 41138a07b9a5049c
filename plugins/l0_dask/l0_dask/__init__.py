"""Dask as the executor of L0: `executor="dask"`."""

from __future__ import annotations

from l0_dask.executor import DaskExecutor

__all__ = ["DaskExecutor"]
