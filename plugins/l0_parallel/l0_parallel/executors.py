"""Where tasks run: in this event loop, or wherever an executor takes them."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from l0_parallel.outcomes import Drive, Task, driven

__all__ = ["GROUP", "Executor", "drive_of"]

GROUP = "l0.executors"
"""The entry points of executors that are installed: the class of each by its name."""


@runtime_checkable
class Executor(Protocol):
    """Runs tasks somewhere. A class of one is named by an entry point of the group `l0.executors`."""

    async def run(self, task: Task) -> Any:
        """Run a task and return its value, or raise what it raised. Cancelled, it cancels the task, and waits for that.

        A stream that the task returns is read to its end where the task runs.
        """
        ...


def drive_of(executor: str | Executor = "asyncio") -> Drive:
    """What runs a task: `"asyncio"` in this event loop, the name of an installed executor, or an executor itself.

    Raises ValueError for a name that is not installed, and TypeError for anything else.
    """
    if executor == "asyncio":
        return driven
    if isinstance(executor, str):
        installed = {entry.name: entry for entry in entry_points(group=GROUP)}
        if executor not in installed:
            known = ", ".join(["asyncio", *sorted(installed)])
            raise ValueError(
                f"no executor named {executor!r} is installed, only {known}; l0-ray and l0-dask are packages of one"
            )
        executor = installed[executor].load()()
    if isinstance(executor, type) or not isinstance(executor, Executor):
        raise TypeError(f"executor must be a name or have a coroutine function run(task), not {executor!r}")
    return executor.run
