"""Tasks on their way: packed here, run to their end in a worker, and what came of them unpacked here."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

import cloudpickle  # type: ignore[import-untyped]

from l0_core import Stream
from l0_parallel.outcomes import Task, driven
from l0_parallel.recorded import recorded_in, replayed

__all__ = ["Parcel", "RemoteTraceback", "pack", "perform", "unpack"]


class RemoteTraceback(Exception):
    """Where in a worker an exception was raised: its cause, here. As text it is the worker's traceback."""


@dataclass(frozen=True)
class Parcel:
    """What came of a task: its value or its exception, pickled, or the name under which its stream is recorded.

    `said` is the type and the message of an exception, `trace` its traceback.
    """

    value: bytes | None = None
    error: bytes | None = None
    stream_id: str | None = None
    said: str = ""
    trace: str = ""


def pack(task: Task) -> bytes:
    """A task, pickled. Raises TypeError for one that cannot be."""
    return _dumped(task, "the task")


async def perform(packed: bytes, store: str | None) -> Parcel:
    """Run a packed task to its end, its streams recorded in `store`, and pack what came of it.

    Raises nothing but the cancellation of the asyncio task that it runs in.
    """
    with recorded_in(store):
        try:
            value = await driven(cloudpickle.loads(packed), _refuse if store is None else Stream.read)
            if isinstance(value, Stream):
                return Parcel(stream_id=value.stream_id)
            return Parcel(_dumped(value, "what the task returned"))
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            return _failed(error)
        except BaseException as error:  # One that ends the process is the caller's as well: the worker goes on.
            return _failed(error)


async def unpack(parcel: Parcel, store: str | None) -> Any:
    """The value of a task, or its stream, replayed from `store`. Raises what the task raised.

    That is a RuntimeError, which names it, for an exception that cannot be pickled.
    """
    if parcel.stream_id is not None and store is not None:
        return await replayed(parcel.stream_id, store)
    if parcel.value is not None:
        return cloudpickle.loads(parcel.value)
    raise _error(parcel) from RemoteTraceback(f"\n{parcel.trace}")


async def _refuse(stream: Stream) -> NoReturn:
    raise TypeError(
        "a stream cannot leave the worker that reads it: return `await stream.read()`, or give the executor a store "
        "that every worker reaches, like store='redis://...'"
    )


def _dumped(value: Any, what: str) -> bytes:
    try:
        dumped: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise TypeError(f"{what} cannot be pickled, and so not travel: {error}") from error
    return dumped


def _failed(error: BaseException) -> Parcel:
    said = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error))
    try:
        packed = cloudpickle.dumps(error)
        # Many exceptions can be pickled, and not be made again of what was pickled.
        if str(cloudpickle.loads(packed)) != str(error):
            packed = None
    except Exception:
        packed = None
    return Parcel(error=packed, said=said, trace=trace)


def _error(parcel: Parcel) -> BaseException:
    """The exception in a parcel."""
    try:
        error = None if parcel.error is None else cloudpickle.loads(parcel.error)
    except Exception:
        error = None  # Its class is in the worker alone.
    return error if isinstance(error, BaseException) else RuntimeError(parcel.said)
