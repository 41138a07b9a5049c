"""What recording costs: a stream that is recorded, and appends to stores of each kind beside what they are made of.

Everything is a ratio to something bare in the same run: to a stream that nobody watches, to `os.write` of the same
bytes, to the same batches in bare `sqlite3`. A batch is a run of 60 tokens, as the runtime hands it over.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from l0_eventsourcing import InMemoryEventStore, Record
from l0_eventsourcing.codec import pack_run
from l0_store_file import FileEventStore
from l0_store_sqlite import SqliteEventStore

from benchmarks import in_process
from benchmarks.in_process import TIMEOUT, streaming

RUN = 60
AT_ONCE = 50
"""Streams that are written to at the same time, where many are."""


def batches(events: int) -> list[Record]:
    words = in_process.WORDS
    return [
        pack_run(seq, seq, [words[(seq + at) % len(words)] for at in range(RUN)], [[0, 1000.0 + seq]])
        for seq in range(0, events, RUN)
    ]


def recorded(folder: Path, quick: bool) -> None:
    """A stream over a source in this process, recorded."""
    stores = {
        "memory": InMemoryEventStore(),
        "sqlite": SqliteEventStore(folder / "events.db"),
        "file": FileEventStore(folder / "log"),
    }
    cases = {"not recorded": streaming(timeout=TIMEOUT)}
    cases |= {f"recorded, {name}": streaming(timeout=TIMEOUT, record=store) for name, store in stores.items()}
    sizes = ((2_000, 10, 5), (20_000, 1, 5)) if quick else ((2_000, 20, 9), (20_000, 3, 9), (200_000, 1, 5))

    async def main() -> list[dict[str, float]]:
        columns = [await in_process.ratios(cases, *size) for size in sizes]
        for store in stores.values():
            await store.aclose()
        return columns

    columns = asyncio.run(main())
    print(f"\n{'ratio to raw':<28}" + "".join(f"{size[0]:>10,}" for size in sizes))
    for name in cases:
        print(f"{name:<28}" + "".join(f"{column[name]:>10.2f}" for column in columns))


async def one_by_one(store: Any, records: list[Record]) -> None:
    """One stream; each append is waited for."""
    for record in records[1:]:
        await store.append_records("stream 0", [record])


async def side_by_side(store: Any, records: list[Record]) -> None:
    """Many streams, which do not wait for each other, as in a server."""
    share = len(records) // AT_ONCE

    async def stream(number: int) -> None:
        for record in records[1 : share + 1]:
            await store.append_records(f"stream {number}", [record])

    await asyncio.gather(*map(stream, range(AT_ONCE)))


def bare_write(folder: Path, records: list[Record]) -> float:
    """Seconds that `os.write` takes for the same bytes, a call for each batch."""
    file = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    start = time.perf_counter()
    for record in records:
        os.write(file, record.body)
    took = time.perf_counter() - start
    os.close(file)
    return took


def bare_write_each(folder: Path, records: list[Record]) -> float:
    """Seconds that `os.write` takes for the same bytes, a call for each event."""
    file = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    pieces = []
    for record in records:
        size = len(record.body) // RUN
        pieces += [record.body[at : at + size] for at in range(0, len(record.body), size)]
    start = time.perf_counter()
    for piece in pieces:
        os.write(file, piece)
    took = time.perf_counter() - start
    os.close(file)
    return took


def bare_sqlite(folder: Path, records: list[Record]) -> float:
    """Seconds that `sqlite3` takes for the same batches, a transaction for each."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE records(stream, seq, count, end, body, PRIMARY KEY(stream, seq)) WITHOUT ROWID")
    start = time.perf_counter()
    for record in records:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO records VALUES(?, ?, ?, ?, ?)", (1, record.seq, record.count, False, record.body)
        )
        connection.execute("COMMIT")
    took = time.perf_counter() - start
    connection.close()
    return took


def in_a_folder(do: Callable[[Path], float]) -> float:
    folder = Path(tempfile.mkdtemp(prefix="l0-bench-"))
    try:
        return do(folder)
    finally:
        shutil.rmtree(folder)


def appended(open_store: Callable[[Path], Any], way: Any, records: list[Record]) -> float:
    """Seconds that appending takes, without opening and closing the store."""

    async def main(folder: Path) -> float:
        store = open_store(folder)
        for number in range(AT_ONCE):
            await store.append_records(f"stream {number}", batches(RUN))
        start = time.perf_counter()
        await way(store, records)
        took = time.perf_counter() - start
        await store.aclose()
        return took

    return in_a_folder(lambda folder: asyncio.run(main(folder)))


def longest_turn(open_store: Callable[[Path], Any], records: list[Record]) -> float:
    """The longest turn of the event loop, in seconds, while many streams are written to."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            start = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - start)

    async def main(folder: Path) -> float:
        store = open_store(folder)
        for number in range(AT_ONCE):
            await store.append_records(f"stream {number}", batches(RUN))
        watching = asyncio.create_task(watch())
        await side_by_side(store, records)
        watching.cancel()
        await store.aclose()
        return longest

    return in_a_folder(lambda folder: asyncio.run(main(folder)))


def main(quick: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="l0-bench-"))
    try:
        recorded(folder, quick)
    finally:
        shutil.rmtree(folder)

    def file(folder: Path) -> Any:
        return FileEventStore(folder / "log")

    def sqlite(folder: Path) -> Any:
        return SqliteEventStore(folder / "events.db")

    stores = {
        "file / os.write of each batch": (file, bare_write),
        "file / os.write of each event": (file, bare_write_each),
        "sqlite / bare sqlite3": (sqlite, bare_sqlite),
    }
    sizes = (3_000, 10_000) if quick else (3_000, 10_000, 100_000)
    print(f"\n{'appends of 60 tokens':<50}" + "".join(f"{size:>10,}" for size in sizes) + "   events")
    for name, (open_store, bare) in stores.items():
        for way in (one_by_one, side_by_side):
            cells, micro = [], []
            for size in sizes:
                records = batches(size + RUN * AT_ONCE)
                ours, theirs = [], []
                for _ in range(5 if size < 100_000 else 3):
                    theirs.append(in_a_folder(lambda folder, records=records, bare=bare: bare(folder, records)))
                    ours.append(appended(open_store, way, records))
                cells.append(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)))
                micro.append(statistics.median(ours) / len(records) / RUN * 1e6)
            label = f"{name}, {way.__name__.replace('_', ' ')}"
            print(f"{label:<50}" + "".join(f"{cell:>10.2f}" for cell in cells))
            print(f"{'  µs per event':<50}" + "".join(f"{cell:>10.2f}" for cell in micro))
    for open_store in (file, sqlite):
        turn = longest_turn(open_store, batches(60_000))
        print(f"{open_store.__name__ + ', longest turn of the loop, ms':<50}{turn * 1000:>10.2f}")
