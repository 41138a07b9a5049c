"""What is read at the bytes of a stream is what the SDK reads: the same events and the same exception, however cut.

`L0_TEST_SSE_SIZES=all` takes every read size up to the length of a body; otherwise it is some small and some large.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sse_bodies import BODIES, random_body
from sse_reading import Pieces, Told, by_the_bytes, by_the_sdk, chunks_kept, chunks_of_the_sdk, cut

RANDOM = int(os.environ.get("L0_TEST_SSE_CASES", "300"))


def sizes(body: bytes) -> list[int]:
    if os.environ.get("L0_TEST_SSE_SIZES") == "all":
        return list(range(1, len(body) + 1))
    return sorted({1, 3, 16, 61, max(1, len(body) // 2), max(1, len(body) - 1), max(1, len(body))})


def of_a_line(told: Told) -> Told:
    """Where an error of UTF-8 is in a line depends on where the line began, which the SDKs see differently."""
    events, error = told
    return events, error.partition(" in position")[0] if "codec can't decode" in error else error


async def compare(body: bytes, at: Sequence[int]) -> None:
    expected = await by_the_sdk(Pieces([body]))
    for size in at:
        assert of_a_line(await by_the_bytes(Pieces(cut(body, size)))) == of_a_line(expected), size


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_as_the_sdk_reads_it(name: str) -> None:
    asyncio.run(compare(BODIES[name], sizes(BODIES[name])))


@pytest.mark.parametrize("name", BODIES)
def test_the_chunks_of_a_body_are_those_of_the_sdk(name: str) -> None:
    async def main() -> None:
        expected = await chunks_of_the_sdk(Pieces([BODIES[name]]))
        for size in (1, 61, max(1, len(BODIES[name]))):
            assert await chunks_kept(Pieces(cut(BODIES[name], size))) == expected, size

    asyncio.run(main())


def test_random_bodies_are_read_as_the_sdk_reads_them() -> None:
    async def main() -> None:
        for seed in range(RANDOM):
            body = random_body(seed)
            try:
                await compare(body, [1, 7, max(1, len(body))])
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error

    asyncio.run(main())
