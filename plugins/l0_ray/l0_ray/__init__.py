"""Ray as the executor of L0: `executor="ray"`."""

from __future__ import annotations

from l0_ray.executor import RayExecutor

__all__ = ["RayExecutor"]
