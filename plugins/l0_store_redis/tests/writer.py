"""A process that appends to a stream others append to as well: `writer.py URL PREFIX NAME COUNT`.

It says how often it was told that somebody else was there first.
"""

from __future__ import annotations

import asyncio
import sys

from l0_eventsourcing import EventEnvelope, TokenEvent, WrongExpectedVersion
from l0_store_redis import RedisEventStore


async def main(url: str, prefix: str, name: str, count: int) -> int:
    told = seq = done = 0
    async with RedisEventStore(url, prefix) as store:
        while done < count:
            event = TokenEvent(ts=1.0, value=f"{name}.{done}", index=seq)
            try:
                await store.append("one", EventEnvelope("one", seq, event))
                done, seq = done + 1, seq + 1
            except WrongExpectedVersion as refused:
                told, seq = told + 1, refused.actual
    return told


if __name__ == "__main__":
    url, prefix, name, count = sys.argv[1:]
    sys.stdout.write(f"{asyncio.run(main(url, prefix, name, int(count)))}\n")
