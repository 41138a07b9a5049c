"""Writes a paragraph for a status page.

    python status_page.py "database down 14:02 to 14:09, no data lost"

It had an incident, which `test_incident.py` replays.
"""

from __future__ import annotations

import asyncio
import sys

import l0
from openai import AsyncOpenAI

TASK = "Write a paragraph for our status page from these notes."


async def write(notes: str) -> str:
    """The paragraph. An interrupted answer is continued from its last good character."""
    async with AsyncOpenAI() as client:
        wrapped = l0.wrap(
            client,
            continue_from_last_good_token=True,
            timeout=l0.Timeout(initial_token=20_000, inter_token=10_000),
        )
        messages = [{"role": "system", "content": TASK}, {"role": "user", "content": notes}]
        stream = await wrapped.chat.completions.create(model="status-writer", messages=messages, stream=True)
        text: str = await stream.read()
        return text


if __name__ == "__main__":
    print(asyncio.run(write(" ".join(sys.argv[1:]))))
