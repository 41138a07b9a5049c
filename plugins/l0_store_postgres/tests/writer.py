"""A process of its own that writes to one stream, for the tests of several: `writer.py DSN DURABILITY NAME APPENDS`.

It opens the store when it reads a line. After that it says the number of each event that was acknowledged, and last how
often another writer was there first.
"""

from __future__ import annotations

import asyncio
import sys

from l0_eventsourcing import EventEnvelope, TokenEvent, WrongExpectedVersion
from l0_store_postgres import PostgresEventStore


async def main(dsn: str, durability: str, name: str, appends: int) -> None:
    seq = told = done = 0
    async with PostgresEventStore(dsn, durability=durability, timeout=30) as store:  # type: ignore[arg-type]
        while done < appends:
            event = TokenEvent(ts=1.0, value=f"{name}.{done}")
            try:
                await store.append("one", EventEnvelope("one", seq, event))
                sys.stdout.write(f"{seq}\n")
                sys.stdout.flush()
                done, seq = done + 1, seq + 1
            except WrongExpectedVersion as refused:
                told, seq = told + 1, refused.actual
    sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    sys.stdin.readline()
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
