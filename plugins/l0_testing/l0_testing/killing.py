"""Processes that are killed while they write: what a store acknowledged must be there, whatever happened to the writer.

`kill_writers` is for whoever has written a store: it needs nothing but the URL of one that is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import multiprocessing
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["KillTally", "kill_writers", "killed_at"]

BATCH = 80
"""Events that a writer appends at once, at most."""

LONG = 5_000
"""Events after which the next writer begins another stream."""

PATIENCE = 30.0
"""Seconds that a process may take for its first sign of life, and for each one after it."""


@dataclass
class KillTally:
    """What came of processes that were killed: `lost` counts acknowledged events that are not there."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    unreadable: int = 0
    tails: int = 0
    """Times that something was there which had not been acknowledged."""
    longest_tail: int = 0
    """Events of the longest of them."""

    @property
    def is_clean(self) -> bool:
        """Nothing acknowledged was lost, all can be read, and no tail is longer than one append."""
        return not self.lost and not self.unreadable and self.longest_tail <= BATCH


def kill_writers(url: str, times: int, seed: int = 0, preload: Sequence[str] = ()) -> KillTally:
    """Start a process that appends to a stream, kill it with SIGKILL at a random moment, and look; so many times.

    Each process goes on with the stream of the one before it. `preload` names modules that processes begin with.
    """
    drawn, tally, number, told = random.Random(seed), KillTally(), 0, 0
    for _ in range(times):
        stream_id = f"killed-{seed}-{number}"
        acknowledged = told
        with killed_at(_append, url, stream_id, drawn.random(), preload=preload) as (signs, kill):
            for sign in _some(signs, drawn.choice((1, 3, 10, 30, 100)) + drawn.randrange(3)):
                acknowledged = sign
            kill()
            for sign in signs:  # What it said before it died, and nobody had heard.
                acknowledged = sign
        found = asyncio.run(_look(url, stream_id, tally))
        tally.kills += 1
        tally.acknowledged += acknowledged - told
        tally.lost += max(0, acknowledged - found)
        tail = found - acknowledged
        tally.tails += tail > 0
        tally.longest_tail = max(tally.longest_tail, tail)
        told = found
        if found > LONG:
            number, told = number + 1, 0
    return tally


async def _look(url: str, stream_id: str, tally: KillTally) -> int:
    """How many events of a stream are there, as they should be."""
    from l0_eventsourcing import open_store

    from l0_core import StoreError

    store: Any = open_store(url)
    try:
        events = await store.get_events(stream_id)
    except StoreError:
        tally.unreadable += 1
        return 0
    finally:
        await store.aclose()
    for seq, envelope in enumerate(events):
        if envelope.seq != seq or envelope.event.value != f"w{seq}":
            tally.unreadable += 1
    return len(events)


def _append(url: str, stream_id: str, seed: float, connection: Connection) -> None:
    """A process that appends for ever, and says after each append how many events it was told are kept."""
    asyncio.run(_append_all(url, stream_id, random.Random(seed), connection))


async def _append_all(url: str, stream_id: str, drawn: random.Random, connection: Connection) -> None:
    from l0_eventsourcing import EventEnvelope, TokenEvent, open_store, pack

    store: Any = open_store(url)
    seq = await store.next_seq(stream_id)
    while True:
        count = drawn.choice((1, 1, 5, BATCH))
        events = [TokenEvent(ts=1.0 + at, value=f"w{at}", index=at) for at in range(seq, seq + count)]
        if count == 1:
            await store.append(stream_id, EventEnvelope(stream_id, seq, events[0]))
        else:
            await store.append_records(stream_id, pack(seq, events))
        seq += count
        connection.send(seq)


@contextlib.contextmanager
def killed_at(
    target: Callable[..., None], *args: Any, preload: Sequence[str] = ()
) -> Iterator[tuple[Iterator[Any], Callable[[], None]]]:
    """Run `target(*args, connection)` in a process; yields what it sends, and what kills it with SIGKILL.

    The process is forked from one that has done nothing but import, so that it starts in milliseconds and shares
    nothing with this one; what that has imported is what the first call in this process named in `preload`. It is
    killed when the block is left, if it lives.

    `target` is a function at the top of a file: it is found by the file, for the name that a test runner gave to a
    module means nothing to another process.

    Raises:
        AssertionError: from the iterator, if the process ended by itself, or said nothing for 30 s.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["l0_testing.killing", "l0_eventsourcing", *preload])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(inspect.getfile(target), target.__name__, *args, theirs), daemon=True)
    process.start()
    theirs.close()

    def signs() -> Iterator[Any]:
        while True:
            try:
                if not ours.poll(PATIENCE):
                    raise AssertionError(f"a process said nothing for {PATIENCE:g} s")
                yield ours.recv()
            except (EOFError, ConnectionResetError):
                process.join(PATIENCE)
                if process.exitcode != -signal.SIGKILL:
                    raise AssertionError(f"a process ended by itself, with exit code {process.exitcode}") from None
                return

    def kill() -> None:
        process.kill()
        process.join()

    try:
        yield signs(), kill
    finally:
        kill()
        ours.close()
        process.close()


def _call(path: str, name: str, *args: Any) -> None:
    """Call a function of the module that is in a file."""
    module_name = f"killed.{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, name)(*args)


def _some(signs: Iterator[Any], count: int) -> Iterator[Any]:
    for _, sign in zip(range(count), signs, strict=False):
        yield sign
