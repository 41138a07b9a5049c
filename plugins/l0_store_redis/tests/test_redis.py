"""What the store in Redis promises beyond what all stores do."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from l0_eventsourcing import EventEnvelope, Snapshot, TokenEvent
from l0_store_redis import RedisEventStore
from l0_store_redis import store as store_module
from redis.asyncio import Redis, RedisCluster

from l0_core import StoreError

APPENDS = int(os.environ.get("L0_TEST_STORE_APPENDS", "125"))
"""Appends of each of eight processes to one stream."""


def token(seq: int, value: str = "word") -> EventEnvelope:
    return EventEnvelope("one", seq, TokenEvent(ts=1000.0 + seq, value=value, index=seq))


def snapshot(stream_id: str, seq: int) -> Snapshot:
    return Snapshot(stream_id, seq, 1.0, content=f"of {stream_id}", token_count=0, checkpoint="")


def wait_until_gone(raw: redis.Redis, name: str) -> None:
    """Wait until the server has no connection of that name. It sees a closed one when it gets to it."""
    deadline = time.monotonic() + 5
    while any(client["name"] == name for client in raw.client_list()):
        assert time.monotonic() < deadline, f"connections of {name} are left"


# Writers.


def test_of_processes_at_once_one_gets_each_number(redis_url: str, prefix: str) -> None:
    """Eight processes, one stream: each number is there once, all that was acknowledged is, and losers are told."""
    script = str(Path(__file__).with_name("writer.py"))
    command = [sys.executable, script, redis_url, prefix]
    writers = [
        subprocess.Popen([*command, str(name), str(APPENDS)], stdout=subprocess.PIPE, text=True) for name in range(8)
    ]
    told = [int(writer.communicate(timeout=110)[0]) for writer in writers]

    async def main() -> list[EventEnvelope]:
        async with RedisEventStore(redis_url, prefix) as store:
            return await store.get_events("one")

    found = asyncio.run(main())
    assert [envelope.seq for envelope in found] == list(range(8 * APPENDS))
    values = [envelope.event.value for envelope in found if isinstance(envelope.event, TokenEvent)]
    assert sorted(values) == sorted(f"{name}.{done}" for name in range(8) for done in range(APPENDS))
    assert sum(told) > 0, "nobody lost, so nobody can have been told"


def test_many_streams_at_once_share_few_connections(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    """Three hundred writers wait their turn, and none is refused."""

    async def main() -> None:
        async with RedisEventStore(f"{redis_url}?client_name={prefix}", prefix) as store:

            async def write(number: int) -> None:
                for seq in range(3):
                    event = TokenEvent(ts=1.0, value="word", index=seq)
                    await store.append(str(number), EventEnvelope(str(number), seq, event))

            await asyncio.gather(*map(write, range(300)))
            assert 1 <= sum(client["name"] == prefix for client in raw.client_list()) <= 16
            assert len(await store.list_streams()) == 300

    asyncio.run(main())


def test_followers_do_not_keep_writers_waiting(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    """Forty wait on the server at the same time, each on a connection of its own, and one writes."""

    async def main() -> None:
        async with RedisEventStore(f"{redis_url}?client_name={prefix}", prefix) as store:
            await store.append("one", token(0))
            following = [asyncio.create_task(anext(store.subscribe("one", 1))) for _ in range(40)]
            deadline = time.monotonic() + 10
            while sum(each["name"] == prefix and "b" in each["flags"] for each in raw.client_list()) < 40:
                assert time.monotonic() < deadline, "not all of them wait on the server"
                await asyncio.sleep(0.01)
            await store.append("one", token(1))
            assert [envelope.seq for envelope in await asyncio.gather(*following)] == [1] * 40

    asyncio.run(main())


# Event loops.


def test_a_store_is_used_by_one_event_loop_after_another(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    """The connections of a loop end with it, also where nobody closes the store."""
    store = RedisEventStore(f"{redis_url}?client_name={prefix}", prefix)
    for seq in range(3):
        asyncio.run(store.append("one", token(seq)))
        wait_until_gone(raw, prefix)
    assert len(asyncio.run(store.get_events("one"))) == 3
    gc.collect()


def test_a_store_is_used_by_two_event_loops_at_the_same_time(redis_url: str, prefix: str) -> None:
    store = RedisEventStore(redis_url, prefix)
    both = threading.Barrier(2)
    failed: list[BaseException] = []

    async def write(name: str) -> None:
        await store.append(name, TokenEvent(value=name))
        both.wait(10)
        for _ in range(50):
            await store.append(name, TokenEvent(value=name))
        both.wait(10)
        await store.aclose()
        await store.append(name, TokenEvent(value=name))

    def run(name: str) -> None:
        try:
            asyncio.run(write(name))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed
    for name in ("a", "b"):
        assert len(asyncio.run(store.get_events(name))) == 52


def test_closing_leaves_nothing_open(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    async def main() -> None:
        async with RedisEventStore(f"{redis_url}?client_name={prefix}", prefix) as store:
            await asyncio.gather(*(store.append(str(number), TokenEvent(value="word")) for number in range(30)))
            await store.wait_for("0", 1, 0.01)
        wait_until_gone(raw, prefix)

    asyncio.run(main())


# Time.


def test_the_server_drops_a_stream_after_its_last_append(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    """With its snapshots, and by the `ttl` of the store that appended last; 0 keeps it."""

    async def main() -> None:
        async with RedisEventStore(redis_url, prefix, 60_000) as store, RedisEventStore(redis_url, prefix) as other:
            keys = [store.get_stream_key("one"), store.get_snapshot_key("one")]
            await store.append("one", token(0))
            raw.pexpire(keys[0], 30_000)
            await store.save_snapshot(snapshot("one", 0))
            assert all(20_000 < raw.pttl(key) <= 30_000 for key in keys)
            await store.append("one", token(1))
            assert all(50_000 < raw.pttl(key) <= 60_000 for key in keys)
            await other.append("one", token(2))
            assert [raw.pttl(key) for key in keys] == [-1, -1]
            await store.append("two", TokenEvent(value="word"))
            raw.pexpire(store.get_stream_key("two"), 1)
            assert raw.blpop([f"{prefix}:never"], timeout=0.05) is None
            assert not await store.exists("two")
            assert await store.next_seq("two") == 0

    asyncio.run(main())


# Snapshots.


def test_the_newest_eight_snapshots_are_kept(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    async def main() -> None:
        async with RedisEventStore(redis_url, prefix) as store:
            for seq in range(12):
                await store.append("one", token(seq))
                await store.save_snapshot(snapshot("one", seq))
            await store.save_snapshot(snapshot("one", 1))
            assert sorted(map(int, raw.hkeys(store.get_snapshot_key("one")))) == list(range(4, 12))

    asyncio.run(main())


def test_a_stream_that_begins_anew_has_no_snapshots_of_the_old_one(
    raw: redis.Redis, redis_url: str, prefix: str
) -> None:
    """Also where the server, short of memory, has evicted only one of the two keys."""

    async def main() -> None:
        async with RedisEventStore(redis_url, prefix) as store:
            await store.append("one", token(0))
            await store.save_snapshot(snapshot("one", 0))
            raw.delete(store.get_stream_key("one"))
            assert await store.get_snapshot("one") is None
            await store.append("one", token(0, "new"))
            assert await store.get_snapshot("one") is None
            await store.save_snapshot(snapshot("none", 0))
            assert not raw.exists(store.get_snapshot_key("none"))

    asyncio.run(main())


# Reading.


def test_a_long_stream_is_read_in_pages(monkeypatch: pytest.MonkeyPatch, redis_url: str, prefix: str) -> None:
    monkeypatch.setattr(store_module, "PAGE", 7)

    async def main() -> None:
        async with RedisEventStore(redis_url, prefix) as store:
            for seq in range(30):
                await store.append("one", token(seq))
            for first in (0, 1, 9, 23, 29, 30, 99):
                for limit in (None, 1, 6, 7, 8, 14, 15, 100):
                    found = await store.read_records("one", first, limit)
                    assert [record.seq for record in found] == list(range(30))[first:][:limit]

    asyncio.run(main())


def test_no_reader_sees_half_of_a_stream_and_half_of_another(
    monkeypatch: pytest.MonkeyPatch, redis_url: str, prefix: str
) -> None:
    """It is deleted, and written anew or not, between two pages of one reading."""
    monkeypatch.setattr(store_module, "PAGE", 5)

    async def main(is_written: bool) -> None:
        async with RedisEventStore(redis_url, prefix) as store, RedisEventStore(redis_url, prefix) as other:
            for seq in range(20):
                await store.append("one", token(seq, "old"))
            client = (await store._connections.get()).commands
            xrange, calls = client.xrange, 0

            async def interrupted(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == 3:
                    await other.delete("one")
                    for seq in range(20 if is_written else 0):
                        await other.append("one", token(seq, "new"))
                return await xrange(*args, **kwargs)

            client.xrange = interrupted
            found = await store.get_events("one")
            assert {envelope.event.value for envelope in found} == ({"new"} if is_written else set())  # type: ignore[attr-defined]
            assert len(found) == (20 if is_written else 0)
            await other.delete("one")

    for is_written in (True, False):
        asyncio.run(main(is_written))


def test_an_entry_that_somebody_else_has_made_is_an_error(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    async def main() -> None:
        async with RedisEventStore(redis_url, prefix) as store:
            await store.append("one", token(0))
            raw.xadd(store.get_stream_key("one"), {"temperature": "21"}, id="7-0")
            with pytest.raises(StoreError, match="the entry 7-0 of the stream 'one' is not one"):
                await store.get_events("one")
            raw.set(store.get_stream_key("two"), "a text")
            with pytest.raises(StoreError, match="WRONGTYPE"):
                await store.append("two", TokenEvent(value="word"))
            assert raw.get(store.get_stream_key("two")) == b"a text"

    asyncio.run(main())


# Clients of the user's own.


def test_a_given_client_is_used_and_not_closed(raw: redis.Redis, redis_url: str, prefix: str) -> None:
    async def main() -> None:
        async with Redis.from_url(f"{redis_url}?client_name={prefix}", single_connection_client=True) as client:
            async with RedisEventStore(prefix=prefix, client=client) as store:
                await store.append("one", token(0))
                await store.wait_for("one", 0, 1.0)
            assert sum(each["name"] == prefix for each in raw.client_list()) == 1
            assert await client.ping()

    asyncio.run(main())


def test_a_client_that_decodes_is_refused(redis_url: str) -> None:
    async def main() -> None:
        async with Redis.from_url(redis_url, decode_responses=True) as client:
            with pytest.raises(ValueError, match="leave decode_responses out"):
                RedisEventStore(client=client)

    asyncio.run(main())


def test_a_cluster_keeps_streams(own_server: Any) -> None:
    """Each on one node, snapshots and all, whatever their ids."""
    own_server.start("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    with redis.Redis.from_url(own_server.url) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 10
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline, "the cluster does not become ready"
            time.sleep(0.02)

    async def main() -> None:
        async with (
            RedisCluster("127.0.0.1", own_server.port) as client,
            RedisEventStore(client=client, ttl=60_000) as store,
        ):
            ids = ["", "{", "}", "a{b}c", "é", "plain"]
            for stream_id in ids:
                await store.append(stream_id, TokenEvent(value="word"))
                await store.save_snapshot(snapshot(stream_id, 0))
                await store.wait_for(stream_id, 0, 1.0)
                await store.wait_for(stream_id, 1, 0.01)
            assert await store.list_streams() == sorted(ids)
            for stream_id in ids:
                assert len(await store.get_events(stream_id)) == 1
                assert await store.get_snapshot(stream_id) == snapshot(stream_id, 0)
                assert await store.delete(stream_id)
            assert await store.list_streams() == []

    asyncio.run(main())


def test_the_readme_works(redis_url: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its Python runs as it stands there, with the server and a prefix of the tests."""
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "redis://localhost:6379/0" in block
    block = block.replace('"redis://localhost:6379/0"', f'"{redis_url}", prefix="{prefix}"')
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "Hello there\nHello there\n"
