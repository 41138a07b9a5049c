"""Processes are killed with SIGKILL while they write, and while they stream: nothing acknowledged is lost.

`./dev kills` runs the full size: 200 kills each with files and SQLite, 50 each with Redis and PostgreSQL, and 100
streams that are killed at a random token and resumed in another process. `./dev test` runs a tenth of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from l0_eventsourcing import open_store, replay
from l0_testing import FaultServer, Script, split_tokens
from l0_testing.killing import kill_writers, killed_at

FULL = os.environ.get("L0_TEST_KILLS") == "full"
SEED = int(os.environ.get("L0_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
REDIS = "redis://127.0.0.1:6379/0"
POSTGRES = "postgres://postgres@127.0.0.1:5432/test"
PRELOAD = (
    *("l0_store_file", "l0_store_sqlite", "l0_store_redis", "l0_store_postgres", "l0", "l0_openai", "openai"),
    *("openai.resources.chat.completions", "openai.types.chat", "openai._base_client", "pytest", "l0_testing.server"),
)
"""What every process begins with: the first of them decides, for all are forked from one."""

TEXT = " ".join(f"The {number}th wave comes in and goes out again." for number in range(12))


def needs_server(port: int, name: str) -> None:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        pytest.skip(f"no {name} listens on 127.0.0.1:{port}: ./dev services starts one that is installed")


@pytest.fixture(params=["file", "sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The URL of a store of each kind; what was written to a server is deleted."""
    kind = request.param
    if kind in ("file", "sqlite"):
        yield {"file": f"file:///{tmp_path}/log", "sqlite": f"sqlite:///{tmp_path}/events.db"}[kind]
        return
    needs_server(*((6379, "Redis") if kind == "redis" else (5432, "PostgreSQL")))
    yield REDIS if kind == "redis" else POSTGRES

    async def tidy() -> None:
        store: Any = open_store(REDIS if kind == "redis" else POSTGRES)
        for prefix in (f"killed-{SEED}-", f"spoken-{SEED}-"):
            for stream_id in await store.list_streams(prefix):
                await store.delete(stream_id)
        await store.aclose()

    asyncio.run(tidy())


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_its_writer(url: str) -> None:
    """0 acknowledged events lost, 0 unreadable, and at most one append that nobody was told of."""
    scheme = url.partition(":")[0]
    times = (200 if scheme in ("file", "sqlite") else 50) // (1 if FULL else 10)
    tally = kill_writers(url, times, SEED, preload=PRELOAD)
    sys.stdout.write(f"seed {SEED}, {scheme}: {tally}\n")
    assert tally.kills == times
    assert tally.acknowledged > times
    assert tally.is_clean, f"seed {SEED}: {tally}"


def _speak(url: str, stream_id: str, base_url: str, resumes: bool, connection: Connection) -> None:
    """A process that streams an answer and records it, and says how many tokens its consumer has."""
    asyncio.run(_speak_all(url, stream_id, base_url, resumes, connection))


async def _speak_all(url: str, stream_id: str, base_url: str, resumes: bool, connection: Connection) -> None:
    import l0
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)

    def answer(attempt: Any) -> Any:
        messages: list[Any] = [{"role": "user", "content": "Tell me of the sea."}]
        if attempt.kept:
            messages += [{"role": "assistant", "content": attempt.kept}]
            messages += [{"role": "user", "content": "Continue your answer exactly where it was cut off."}]
        return client.chat.completions.create(model="sea", messages=messages, stream=True)

    if resumes:
        stream = await l0.resume(stream_id, store=url, stream=answer)
        connection.send(await stream.read())
        await asyncio.sleep(60)  # until it is killed
    stream = await l0.run(answer, record=url, stream_id=stream_id)
    count = 0
    async for event in stream:
        count += event.is_token
        connection.send(count)
    await asyncio.sleep(60)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_killed_stream_is_resumed_in_another_process(kind: str, tmp_path: Path) -> None:
    """From its last recorded character, with the OpenAI client, over a socket: the text is exact every time."""
    drawn = random.Random(SEED)
    url = {"file": f"file:///{tmp_path}/log", "sqlite": f"sqlite:///{tmp_path}/events.db"}[kind]
    tokens, wanted, resumed, number = len(split_tokens(TEXT)), 50 if FULL else 5, 0, 0
    with FaultServer.in_thread() as server:
        while resumed < wanted:
            assert number < 10 * wanted, f"seed {SEED}: only {resumed} of {number} streams recorded anything"
            pace, overlap = drawn.choice((0.01, 0.02)), drawn.choice((0, 30))
            server.add("sea", Script(TEXT, pace=pace, overlap=overlap))
            number += 1
            stream_id, at = f"spoken-{SEED}-{number}", drawn.randrange(1, tokens + 1)
            with killed_at(_speak, url, stream_id, server.base_url, False, preload=PRELOAD) as (signs, kill):
                for count in signs:
                    if count >= at:
                        break
                kill()
            if not asyncio.run(_events_of(url, stream_id)):
                continue  # It was killed before its first fifth of a second was over: nothing is recorded.
            resumed += 1
            with killed_at(_speak, url, stream_id, server.base_url, True, preload=PRELOAD) as (signs, kill):
                text = next(signs)
                kill()
            assert text == TEXT, f"seed {SEED}, stream {number}, killed at token {at}"
            assert asyncio.run(_replayed(url, stream_id)) == TEXT, f"seed {SEED}, stream {number}, killed at token {at}"


async def _events_of(url: str, stream_id: str) -> int:
    store: Any = open_store(url)
    try:
        return len(await store.get_events(stream_id))
    finally:
        await store.aclose()


async def _replayed(url: str, stream_id: str) -> str:
    store: Any = open_store(url)
    try:
        return await (await replay(stream_id, store)).read()
    finally:
        await store.aclose()
