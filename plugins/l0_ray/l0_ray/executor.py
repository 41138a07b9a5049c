"""Tasks of L0 as tasks of Ray."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ray
from l0_parallel import Task, driven, pack, unpack

from l0_ray.worker import work

__all__ = ["RayExecutor"]

PATIENCE = 5.0
"""Seconds for a cancelled task to end, before its worker process is killed; and then for that."""

AGAIN = 0.25
"""Seconds after which Ray is asked again: of a task that is just beginning it may lose a cancellation."""

logger = logging.getLogger("l0")


class RayExecutor:
    """Runs each task in a worker process of a Ray cluster: the one that this process is connected to.

    Where it is connected to none, making an executor calls `ray.init(address)`, which joins the cluster at that address
    or starts one here, and takes its time: make it, or connect, before the event loop has other things to do.

    `store` is the URL of a store that all workers reach: streams that tasks return are recorded there, and replayed
    here. `retries` is how often a task is done again whose worker has died; what a task raises is raised, and nothing
    is done again. `options` are those of a Ray task: `num_cpus` (1 unless given), `resources`, `runtime_env`.
    """

    def __init__(
        self, address: str | None = None, *, store: str | None = None, retries: int = 3, **options: Any
    ) -> None:
        if not ray.is_initialized():
            ray.init(address)
        self._store = store
        self._work = ray.remote(max_retries=retries, **options)(work)

    async def run(self, task: Task) -> Any:
        """Run a task in a worker, and return its value, or raise what it raised.

        Cancelled, it cancels the task, and waits until that is over. Raises TypeError for what cannot be pickled and
        for a stream without a store, StoreError for a stream whose record is not whole, and Ray's own exceptions for a
        worker that died too often.
        """
        if not callable(task):
            await driven(task)  # Raises TypeError, as everywhere.
        ref = self._work.remote(pack(task), self._store)
        ended = asyncio.wrap_future(ref.future())
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError:
            await _cancel(ref, ended)
            raise
        return await unpack(ended.result(), self._store)


async def _cancel(ref: Any, ended: asyncio.Future[Any]) -> None:
    """Cancel a task of Ray, and wait until it is over."""
    ended.add_done_callback(lambda future: future.cancelled() or future.exception())  # Nobody else looks at it.
    loop = asyncio.get_running_loop()
    for force in (False, True):
        until = loop.time() + PATIENCE
        while loop.time() < until:
            ray.cancel(ref, force=force)
            done, _ = await asyncio.wait([ended], timeout=AGAIN)
            if done:
                return
    logger.warning("a task that was cancelled is not known to be over: its Ray worker does not answer")
