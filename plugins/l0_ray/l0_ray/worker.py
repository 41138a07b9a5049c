"""What runs in a worker process of Ray."""

from __future__ import annotations

import asyncio
import signal

from l0_parallel import Parcel, perform

__all__ = ["work"]


def work(task: bytes, store: str | None) -> Parcel:
    """Run a packed task in an event loop of its own, and return what came of it.

    Raises KeyboardInterrupt, which is Ray's sign for it, if the task was cancelled.
    """
    try:
        return asyncio.run(_interruptible(task, store))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(task: bytes, store: str | None) -> Parcel:
    """Ray cancels by an interrupt. Taken by the loop it wakes that, and streams and connections are closed in order."""
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    assert current is not None
    # Until the loop is closed, and once: Ray may ask again while the task cleans up.
    loop.add_signal_handler(signal.SIGINT, lambda: current.cancelling() or current.cancel())
    return await perform(task, store)
