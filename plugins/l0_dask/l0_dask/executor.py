"""Tasks of L0 as tasks of Dask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any
from uuid import uuid4

from distributed import Client, get_client
from l0_parallel import Task, driven, pack, unpack

from l0_dask.worker import stop, work

__all__ = ["DaskExecutor"]

PATIENCE = 10.0
"""Seconds for a cancelled task to end. A thread cannot be killed: what goes on after that is told, and left to end."""

logger = logging.getLogger("l0")


class DaskExecutor:
    """Runs each task in a worker of a Dask cluster.

    `client` is a Client, or the address of a scheduler, to which making an executor connects; without it, it is the
    current Client. A RuntimeError says that there is none. `executor.client` is the Client, to be closed by who made
    it, which for an address is whoever made the executor.

    `store` is the URL of a store that all workers reach: streams that tasks return are recorded there, and replayed
    here. What a task raises is raised, and nothing is done again. A task whose worker has died is done again by the
    scheduler, as often as its `distributed.scheduler.allowed-failures` says (3); `retries` is how often one is that a
    worker could not run for another reason.
    """

    def __init__(self, client: Client | str | None = None, *, store: str | None = None, retries: int = 3) -> None:
        if isinstance(client, str):
            client = Client(client, set_as_default=False)  # type: ignore[no-untyped-call]
        self.client: Any = client or _current()
        self._store, self._retries = store, retries

    async def run(self, task: Task) -> Any:
        """Run a task in a worker, and return its value, or raise what it raised.

        Cancelled, it cancels the task, and waits until that is over. Raises TypeError for what cannot be pickled and
        for a stream without a store, StoreError for a stream whose record is not whole, RuntimeError if somebody else
        cancels the task, and Dask's own exceptions for a worker that died too often.
        """
        if not callable(task):
            await driven(task)  # Raises TypeError, as everywhere.
        key = f"l0-{uuid4().hex}"
        future = self.client.submit(work, key, pack(task), self._store, key=key, retries=self._retries)
        ended = self._begin(_result(future))
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError:
            await self._cancel(future, ended)
            raise
        return await unpack(ended.result(), self._store)

    def _begin(self, doing: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        """Have the client do something, in its own event loop."""
        loop = self.client.loop.asyncio_loop
        if loop is asyncio.get_running_loop():
            return asyncio.ensure_future(doing)
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(doing, loop))

    async def _cancel(self, future: Any, ended: asyncio.Future[Any]) -> None:
        """Cancel a task of Dask, and wait until it is over."""
        stopped = self._begin(_stop(self.client, future))
        for waited in (stopped, ended):
            waited.add_done_callback(lambda done: done.cancelled() or done.exception())  # Nobody else looks at it.
        await asyncio.wait([stopped, ended], timeout=PATIENCE)
        if not stopped.done() or stopped.cancelled() or stopped.exception():
            logger.warning("a task that was cancelled is not known to be over: its Dask worker does not answer")


async def _result(future: Any) -> Any:
    try:
        return await future
    except CancelledError as error:  # Dask's: this loop is not cancelled.
        raise RuntimeError(f"Dask has cancelled the task, and nobody here had asked for it: {error}") from error
    finally:
        future.release()  # An exception would keep it, and the client keeps the exception as long.


async def _stop(client: Any, future: Any) -> None:
    await client.cancel([future], force=True)
    await client.run(stop, future.key, on_error="ignore")


def _current() -> Any:
    try:
        return get_client()
    except ValueError:
        raise RuntimeError(
            "there is no Dask client: make one first, distributed.Client(address) or, for workers on this machine, "
            "distributed.Client(); or give one to DaskExecutor"
        ) from None
