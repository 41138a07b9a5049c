"""Streams over loopback, read with L0 and with its peers, beside the bare SDK: `python -m benchmarks.over_http`.

The provider is a process of its own, and so is each library, in an environment of its own (`peers.py`). They take
turns: each round asks every case of every library once, the next round in the reverse order. A figure is the median of
the rounds' ratios to bare `AsyncOpenAI` of the same environment in the same round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.imports import ratio
from benchmarks.peers import PEERS, Peer, python
from benchmarks.provider import provider

PACED, STREAMS = 80, 200
READERS = Path(__file__).with_name("readers.py")
GROWING = ("l0, openai 3.x", "l0, openai 2.x", "ai2070-l0")
"""Whose time per token is measured at 200,000 tokens too."""

Row = tuple[str, str]
"""A library and one of its cases."""

Results = dict[str, dict[Row, float]]
"""Columns: what was measured, by who it was measured for."""


class Reader:
    """A library in a process of its own."""

    def __init__(self, peer: Peer, process: subprocess.Popen[str]) -> None:
        self.peer, self._process = peer, process
        said = self._hear()
        self.cases: list[str] = said["cases"]
        self.openai: str = said["openai"]

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.peer.name}: its process ended; what it said is above")
        return dict(json.loads(line))

    def ask(self, **what: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._hear()


@contextmanager
def reader(peer: Peer, url: str) -> Iterator[Reader]:
    command = [str(python(peer)), str(READERS), peer.reads, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Reader(peer, process)
        assert process.stdin is not None
        process.stdin.close()


Measured = dict[Row, list[dict[str, float]]]


def interleaved(
    readers: list[Reader], model: str, rounds: int, *, times: int = 1, side_by_side: int = 1, grow: bool = False,
    warm: bool = False,
) -> Measured:  # fmt: skip
    """What each case took, round by round, after a round that warms up unless they are `warm`.

    `grow` is for the cases that read typed objects, and only for them.
    """
    asked = [
        (each, case) for each in readers for case in each.cases if case == "bare" or (case == "growing objects") == grow
    ]
    found: Measured = {(each.peer.name, case): [] for each, case in asked}
    for turn in range(1 if warm else 0, rounds + 1):
        for each, case in asked if turn % 2 else asked[::-1]:
            took = each.ask(do="time", case=case, model=model, times=times, side_by_side=side_by_side)
            if turn:
                found[each.peer.name, case].append(took)
    return found


def to_bare(found: Measured, what: str) -> dict[Row, float]:
    def of(row: Row) -> float:
        pairs = zip(found[row], found[row[0], "bare"], strict=True)
        return statistics.median(mine[what] / bare[what] for mine, bare in pairs)

    return {row: of(row) for row in found}


def per_token_of_long(short: Measured, long: Measured) -> dict[Row, float]:
    """How much more a token of a long stream takes than one of a short stream, by the same case."""

    def cost(rounds: list[dict[str, float]]) -> float:
        return statistics.median(each["processor"] / each["pieces"] for each in rounds)

    return {row: cost(long[row]) / cost(short[row]) for row in long}


def measure(url: str, quick: bool) -> tuple[Results, dict[str, str]]:
    """The columns, and the version of the SDK by library."""
    results: Results = {}
    with ExitStack() as stack:
        readers = [stack.enter_context(reader(peer, url)) for peer in PEERS]
        rounds = 3 if quick else 9
        burst = interleaved(readers, "burst-2000", rounds)
        results["burst"] = to_bare(burst, "wall")
        results["whole"] = to_bare(interleaved(readers, "whole-2000", rounds), "wall")
        streams = 20 if quick else STREAMS
        paced = interleaved(readers, f"paced-{PACED}", 1 if quick else 3, side_by_side=streams, warm=True)
        results["paced"] = to_bare(paced, "processor")
        one = interleaved(readers, "whole-1", rounds, times=30)
        results["first"] = to_bare(one, "first")
        results["one"] = to_bare(one, "wall")
        results["kept"] = {
            (each.peer.name, case): (kept := each.ask(do="retain", case=case, model="burst-2000"))["bytes"]
            / kept["pieces"]
            for each in readers
            for case in each.cases
            if case != "growing objects"
        }
        long = [each for each in readers if each.peer.name in GROWING]
        size = 20_000 if quick else 200_000
        results["growth"] = per_token_of_long(burst, interleaved(long, f"burst-{size}", 1, warm=True))
        typed = [each for each in readers if "growing objects" in each.cases]
        for size in (200, 800):
            objects = interleaved(typed, f"json-{size}", rounds, grow=True)
            results[f"objects {size}"] = to_bare(objects, "wall")
        versions = {each.peer.name: each.openai for each in readers}
    results["import"] = {
        (peer.name, ""): ratio(f"import {peer.imports}", "pass", 3 if quick else 9, str(python(peer))) for peer in PEERS
    }
    return results, versions


COLUMNS = {
    "burst": "2,000 tokens, one HTTP chunk each: time",
    "whole": "2,000 tokens, one HTTP chunk: time",
    "paced": f"{STREAMS} streams, 25 tokens a second: processor time",
    "first": "to the first token of one: time",
    "one": "a stream of one token: time",
    "kept": "kept of a stream that was read: bytes a token",
    "growth": "a token of 200,000 / a token of 2,000: processor time",
    "objects 200": "typed objects of 200 tokens of JSON: time",
    "objects 800": "typed objects of 800 tokens of JSON: time",
    "import": "importing it / starting Python: time",
}


def main(quick: bool) -> tuple[Results, dict[str, str]]:
    with provider() as url:
        results, versions = measure(url, quick)
    for column, title in COLUMNS.items():
        print(f"\n{title}")
        for (library, case), value in results[column].items():
            if case != "bare":
                print(f"  {library:18} {case:26} {value:10.3f}")
    return results, versions


if __name__ == "__main__":
    main("--quick" in sys.argv)
