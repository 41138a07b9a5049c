"""Many streams at once: side by side, one after the other, the first that answers, and pools of workers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from l0_parallel.executors import Executor, drive_of
from l0_parallel.fan_out import (
    AggregatedTelemetry,
    ParallelOptions,
    ParallelResult,
    batched,
    parallel,
    sequential,
)
from l0_parallel.outcomes import Outcome, Task, driven, gone, outcomes
from l0_parallel.pool import OperationPool, PooledOperation, PoolOptions, PoolStats, create_pool
from l0_parallel.racing import HedgeBudget, RaceResult, hedge, race

if TYPE_CHECKING:
    from l0_parallel.shipping import Parcel as Parcel
    from l0_parallel.shipping import pack as pack
    from l0_parallel.shipping import perform as perform
    from l0_parallel.shipping import unpack as unpack

__all__ = [
    "AggregatedTelemetry",
    "Executor",
    "HedgeBudget",
    "OperationPool",
    "Outcome",
    "Parallel",
    "ParallelOptions",
    "ParallelResult",
    "PoolOptions",
    "PoolStats",
    "PooledOperation",
    "RaceResult",
    "Task",
    "batched",
    "create_pool",
    "drive_of",
    "driven",
    "gone",
    "hedge",
    "outcomes",
    "parallel",
    "race",
    "sequential",
]


class Parallel:
    """The functions for many tasks under one name."""

    run = staticmethod(parallel)
    race = staticmethod(race)
    hedge = staticmethod(hedge)
    sequential = staticmethod(sequential)
    batched = staticmethod(batched)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # For executors on clusters, and with what only they need: l0-parallel[clusters].
        if name in ("Parcel", "pack", "perform", "unpack"):
            return getattr(import_module("l0_parallel.shipping"), name)
        raise AttributeError(f"module 'l0_parallel' has no attribute {name!r}")
