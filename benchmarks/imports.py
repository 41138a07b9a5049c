"""What importing costs, as ratios of whole processes: wall time, interleaved, the median of the rounds."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

FIRST_RUN = """
import asyncio, l0
from l0 import Event, EventType
async def source():
    yield Event(EventType.TOKEN, "x")
async def main():
    assert await (await l0.run(source)).read() == "x"
asyncio.run(main())
"""
ASYNC_PASS = "import asyncio\nasync def main(): pass\nasyncio.run(main())"


# As in an installation: bytecode is compiled once, by the first of the runs.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # Its import asks the network otherwise.


def took(code: str, python: str) -> float:
    start = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def ratio(code: str, base: str, rounds: int, python: str = sys.executable) -> float:
    """How much longer a process runs that runs `code` than one that runs `base`."""
    took(code, python)
    found = []
    for round_ in range(rounds):
        if round_ % 2:
            mine, other = took(code, python), took(base, python)
        else:
            other, mine = took(base, python), took(code, python)
        found.append(mine / other)
    return statistics.median(found)


def main(quick: bool) -> None:
    rounds = 7 if quick else 21
    print("\nimports, ratio of whole processes")
    print(f"{'import l0 / pass':<28}{ratio('import l0', 'pass', rounds):>10.2f}")
    print(f"{'first run / import asyncio':<28}{ratio(FIRST_RUN, 'import asyncio', rounds):>10.2f}")
    print(f"{'first run / asyncio.run':<28}{ratio(FIRST_RUN, ASYNC_PASS, rounds):>10.2f}")
