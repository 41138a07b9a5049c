"""What was said, and what opens doors, stays here: no canary is in anything that any monitor exports, whatever happens.

`canaries.py` plays the streams, in a process of its own; what leaves that process is searched here: the bodies that
came to an OTLP collector and to a receiver of Sentry's, decompressed, every file that was written, the records of the
logger `l0`, and what was printed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from l0_testing import FAULTS, OtlpCollector, SentryReceiver

HERE = Path(__file__).parent

STEM = "qzxwv"
"""What every canary begins with. Whatever cuts text into pieces of five letters leaves it whole."""

PLACES = {
    "prompt": "P",
    "completion": "C",
    "reasoning": "R",
    "refusal": "F",
    "tool": "T",
    "error": "E",
    "key": "K",
    "header": "H",
    "query": "Q",
}
NAMES = {letter: place for place, letter in PLACES.items()}
NEVER = ("key", "header", "query")
"""Places of which nothing leaves, whoever asks for content."""

BY_ITSELF = ["openai", "httpx", "httpx2"]
"""Integrations of Sentry's SDK that send content or URLs of their own accord. The rest of its defaults are on."""


@cache
def campaign() -> dict[str, list[str]]:
    """What the fault campaign goes through: the names of the faults, and the ways in which they are met."""
    marks = _module("test_campaign").test_every_fault.pytestmark
    found = {mark.args[0]: list(mark.args[1]) for mark in marks if mark.name == "parametrize"}
    assert found.keys() == {"name", "way"}
    return found


def _module(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Run:
    """What left the process, by where it went, and what is known of the streams."""

    exported: dict[str, bytes]
    streams: list[dict[str, Any]]
    collector: OtlpCollector
    receiver: SentryReceiver
    seconds: float

    def __str__(self) -> str:
        size, found = sum(map(len, self.exported.values())), sum(occurrences(self.exported).values())
        return f"{len(self.streams)} cases, {size} bytes exported, {found} canaries in them, {self.seconds:.1f} s"


SETTINGS: dict[str, dict[str, Any]] = {
    "by default": {"ways": campaign()["way"][:2]},
    "with stacks and a talkative log": {
        "ways": campaign()["way"][2:],
        "sentry": {"attach_stacktrace": True},
        "level": "DEBUG",
    },
    "with content": {
        "sentry": {"send_default_pii": True},
        "environment": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
    },
    "with every integration": {"disabled": []},
    "with a leak": {"sentry": {"attach_stacktrace": True}, "leaks": True},
}
"""Ways to run the program. What is not said is not asked for; without `ways` it plays the outcomes alone."""

QUIET = list(SETTINGS)[:2]
"""The settings by which nobody asks for content. Each has every fault of the campaign, and both have all its ways."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs the program with some settings, once."""
    compiled = tmp_path_factory.mktemp("compiled")

    @cache
    def run(settings: str) -> Run:
        made = play(tmp_path_factory.mktemp("exported"), compiled, **SETTINGS[settings])
        sys.stdout.write(f"\n{settings}: {made}\n")
        return made

    return run


def play(folder: Path, compiled: Path, environment: Mapping[str, str] | None = None, **settings: Any) -> Run:
    begun = time.monotonic()
    quiet = {"ways": [], "sentry": {}, "disabled": BY_ITSELF, "level": "INFO", "leaks": False}
    dropped = ("OTEL_", "SENTRY_", "PYTHONDONTWRITEBYTECODE")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    if sys.dont_write_bytecode:
        # Each process would compile all that it imports again.
        inherited["PYTHONPYCACHEPREFIX"] = str(compiled)
    # Newer SDKs warn of the option `send_default_pii`, which is one to be tried.
    python = [sys.executable, "-W", "error", "-W", "ignore:The send_default_pii option"]
    with OtlpCollector() as collector, SentryReceiver() as receiver:
        where = {"otlp": collector.url, "dsn": receiver.dsn, "folder": str(folder)}
        told = {"stem": STEM, "places": PLACES, "names": campaign()["name"], **where, **quiet, **settings}
        ended = subprocess.run(
            [*python, HERE / "canaries.py"], input=json.dumps(told).encode(),
            env={**inherited, **(environment or {})}, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr.decode()
    assert (collector.refused, receiver.refused) == ([], [])
    exported = {path.name: path.read_bytes() for path in folder.iterdir()}
    exported |= {"stdout": ended.stdout, "stderr": ended.stderr, "sentry": b"\n".join(receiver.bodies)}
    for signal in ("traces", "metrics"):
        bodies = [request.body for request in collector.requests if request.path == f"/v1/{signal}"]
        exported[signal] = b"\n".join(bodies)
    heads = [(request.path, request.headers) for request in (*collector.requests, *receiver.requests)]
    exported["headers"] = repr(heads).encode()
    streams = [json.loads(line) for line in ended.stdout.splitlines()]
    return Run(exported, streams, collector, receiver, time.monotonic() - begun)


def occurrences(exported: Mapping[str, bytes], places: Iterable[str] = (*PLACES, "cut")) -> Counter[tuple[str, str]]:
    """How often canaries of these places are found, by where. Of one that is cut, the place may be lost."""
    found = (
        (where, NAMES.get(match[1].decode(), "cut"))
        for where, data in exported.items()
        for match in re.finditer(rb"(?i)%b(.?)" % STEM.encode(), data)
    )
    return Counter((where, place) for where, place in found if place in {*places})


@pytest.mark.parametrize("settings", QUIET)
def test_every_canary_was_there_to_be_found(settings: str, run: Callable[[str], Run]) -> None:
    """What is not planted is not found: each canary was at its place, and each fault happened."""
    streams, exported = run(settings).streams, run(settings).exported
    assert {stream["fault"] for stream in streams if stream["fault"] == stream["case"]} == FAULTS.keys()
    assert [stream for stream in streams if stream["outcome"] != (stream["expected"] or stream["outcome"])] == []
    planted = Counter(place for stream in streams for place in stream["planted"])
    total = len(streams)
    assert {place for place, count in planted.items() if count == total} >= {"prompt", "key", "header"}
    assert min(planted[place] for place in ("completion", "reasoning", "tool")) > total / 2
    assert min(planted[place] for place in ("error", "query", "refusal")) > total / 4
    for where in ("traces", "metrics", "sentry", "telemetry.jsonl", "all.json", "all.csv", "all.prom", "l0.log"):
        assert len(exported[where]) > 100 * total, where


def test_every_fault_was_met_in_every_way_of_the_campaign(run: Callable[[str], Run]) -> None:
    streams = [stream for settings in QUIET for stream in run(settings).streams]
    met = {(stream["fault"], stream["way"]) for stream in streams if stream["fault"] == stream["case"]}
    assert met == {(name, way) for name in FAULTS for way in campaign()["way"]}


@pytest.mark.parametrize("settings", QUIET)
def test_no_canary_leaves(settings: str, run: Callable[[str], Run]) -> None:
    """The variables of frames, which Sentry's SDK sends with every stack that it sends, are among what is searched."""
    assert occurrences(run(settings).exported) == {}


def test_content_that_is_asked_for_is_where_the_conventions_say(run: Callable[[str], Run]) -> None:
    made = run("with content")
    numbers = {stream["case"]: stream["number"] for stream in made.streams}
    operations = {span.attributes["gen_ai.request.model"]: span for span in made.collector.spans if is_operation(span)}
    told = operations[f"m{numbers['complete']}"].attributes
    (answer,), (question,) = (json.loads(told[f"gen_ai.{side}.messages"]) for side in ("output", "input"))
    assert STEM + PLACES["completion"] in answer["parts"][1]["content"]
    assert STEM + PLACES["prompt"] in question["content"]
    (issue,) = [
        exception["value"]
        for event in made.receiver.items("event")
        for exception in event.get("exception", {}).get("values", ())
        if f"{STEM}{PLACES['completion']}{numbers['a guardrail halts']:03}" in exception["value"]
    ]
    assert "guardrail violation: It says" in issue


def is_operation(span: Any) -> bool:
    return "gen_ai.operation.name" in span.attributes


def test_no_key_leaves_though_content_is_asked_for_and_content_goes_nowhere_else(
    run: Callable[[str], Run],
) -> None:
    exported = run("with content").exported
    assert occurrences(exported, NEVER) == {}
    assert {where for where, _ in occurrences(exported)} == {"traces", "sentry"}


def test_what_the_sdk_of_sentry_sends_by_itself_is_all_that_it_sends_of_it(
    run: Callable[[str], Run],
) -> None:
    """With its integrations for OpenAI and for HTTP clients on, as they are by themselves, they alone tell canaries."""
    made = run("with every integration")
    assert {where for where, _ in occurrences(made.exported)} == {"sentry"}
    parts = [
        part
        for envelope in made.receiver.envelopes
        for item in envelope.items
        for part in without_the_sdks_own(item.json)
    ]
    assert occurrences({"the rest": json.dumps(parts).encode()}) == {}


def without_the_sdks_own(payload: Any) -> Iterator[Any]:
    """An event or a transaction, but for what integrations for OpenAI and for HTTP clients put into it."""
    exceptions = (payload.get("exception") or {}).get("values", ())
    if any((each.get("mechanism") or {}).get("type") == "openai" for each in exceptions):
        return
    crumbs = (payload.get("breadcrumbs") or {}).get("values", ())
    yield [crumb for crumb in crumbs if crumb.get("category") != "httplib"]
    yield [span for span in payload.get("spans", ()) if span.get("op") != "http.client"]
    yield {key: value for key, value in payload.items() if key not in ("breadcrumbs", "spans")}


def test_a_monitor_that_leaks_is_caught(run: Callable[[str], Run]) -> None:
    found = occurrences(run("with a leak").exported)
    where = {where for where, place in found if place == "completion"}
    assert where >= {"traces", "metrics", "sentry", "l0.log", "all.json", "all.jsonl", "all.csv", "all.log", "all.prom"}
    # The variables of frames hold what no monitor was told.
    assert {place for where, place in found if where == "sentry"} >= {"prompt", "key", "header", "query"}
    with pytest.raises(AssertionError):
        assert found == {}
