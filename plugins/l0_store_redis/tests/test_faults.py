"""What the network and the server do to a store: nothing is lost, nothing is there twice, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from l0_eventsourcing import (
    CompleteEvent,
    EventEnvelope,
    StoreUnavailable,
    TokenEvent,
    WrongExpectedVersion,
)
from l0_store_redis import RedisEventStore, connections

from l0_core import StoreError


def token(seq: int, value: str = "word") -> EventEnvelope:
    return EventEnvelope("one", seq, TokenEvent(ts=1000.0 + seq, value=value, index=seq))


def test_no_cut_loses_an_event_or_repeats_it(proxy: Any, prefix: str) -> None:
    """Cut before or after the server has it, up to four times running: who asks until it is acknowledged is right."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)

    async def main() -> int:
        unavailable = 0
        async with proxy, RedisEventStore(proxy.url, prefix) as store:
            for seq in range(120):
                proxy.plan.extend(chance.choices(["before", "after"], k=chance.randrange(5)))
                last = EventEnvelope("one", seq, CompleteEvent(ts=1.0)) if seq == 119 else token(seq)
                while True:
                    try:
                        await store.append("one", last)
                        break
                    except StoreUnavailable:
                        unavailable += 1
            proxy.plan.clear()
            found = await store.get_events("one")
            assert [envelope.seq for envelope in found] == list(range(120)), f"seed {seed}"
        return unavailable

    assert asyncio.run(main()) > 20


def test_a_single_cut_is_not_noticed(proxy: Any, prefix: str) -> None:
    """A connection that breaks is replaced at once; also for events without a number, which nobody could compare."""

    async def main() -> None:
        async with proxy, RedisEventStore(proxy.url, prefix) as store:
            for number in range(20):
                proxy.plan.append(("before", "after")[number % 2])
                await store.append("one", TokenEvent(ts=1.0, value="the same each time"))
                assert not proxy.plan
            assert [envelope.seq for envelope in await store.get_events("one")] == list(range(20))

    asyncio.run(main())


def test_what_is_sent_again_is_known_again_behind_what_others_wrote(proxy: Any, prefix: str, redis_url: str) -> None:
    """The answer is lost, another writer goes on, and the append is sent again: it was made, and is not refused."""

    async def main() -> None:
        async with proxy, RedisEventStore(proxy.url, prefix) as store, RedisEventStore(redis_url, prefix) as other:

            async def meanwhile() -> None:
                await other.append("one", token(1, "other"))
                await other.append("one", EventEnvelope("one", 2, CompleteEvent(ts=1.0)))

            proxy.meanwhile = meanwhile
            proxy.plan.append("after")
            await store.append("one", TokenEvent(ts=1.0, value="mine"))
            assert [envelope.event.type for envelope in await store.get_events("one")] == ["TOKEN", "TOKEN", "COMPLETE"]

    asyncio.run(main())


def test_another_writers_equal_event_is_not_taken_for_ones_own(proxy: Any, prefix: str, redis_url: str) -> None:
    """An append is lost on its way there; another writer takes its number with the same bytes. Both are kept."""

    async def main() -> None:
        async with proxy, RedisEventStore(proxy.url, prefix) as store, RedisEventStore(redis_url, prefix) as other:
            event = TokenEvent(ts=1.0, value="equal")
            await store.append("one", event)
            proxy.plan.extend(["before", "before"])
            with pytest.raises(StoreUnavailable):
                await store.append("one", event)
            await other.append("one", event)
            await store.append("one", event)
            assert len(await store.get_events("one")) == 3

    asyncio.run(main())


def test_a_follower_loses_nothing_when_connections_break(proxy: Any, prefix: str, redis_url: str) -> None:
    async def main() -> None:
        async with proxy, RedisEventStore(proxy.url, prefix) as store, RedisEventStore(redis_url, prefix) as writer:
            found: list[int] = []
            arrived = asyncio.Condition()

            async def follow() -> None:
                async for envelope in store.subscribe("one"):
                    async with arrived:
                        found.append(envelope.seq)
                        arrived.notify_all()

            following = asyncio.create_task(follow())
            for seq in range(40):
                if seq % 4 == 1:
                    proxy.drop()
                await writer.append("one", token(seq))
                if seq % 4 == 3:
                    async with arrived:
                        await arrived.wait_for(lambda: found and found[-1] == seq)  # noqa: B023
            proxy.drop()
            await writer.append("one", EventEnvelope("one", 40, CompleteEvent(ts=1.0)))
            await following
            assert found == list(range(41))

    asyncio.run(main())


def test_a_server_that_is_away_at_first_is_found_when_it_is_there(proxy: Any, prefix: str) -> None:
    """Writers are told that it is unavailable; a follower waits for it."""

    async def main() -> None:
        await proxy.open()
        await proxy.close()
        async with RedisEventStore(proxy.url, prefix) as store:
            with pytest.raises(StoreUnavailable, match="not available"):
                await store.append("one", token(0))
            following = asyncio.create_task(anext(store.subscribe("one")))
            with pytest.raises(StoreUnavailable):
                await store.get_events("one")
            async with proxy:
                await store.append("one", token(0))
                assert (await following).seq == 0

    asyncio.run(main())


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers."""
    assert connections.TIMEOUT <= 5
    monkeypatch.setattr(connections, "TIMEOUT", 0.3)

    async def main() -> None:
        taken: list[asyncio.StreamWriter] = []

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.append(writer)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, RedisEventStore(f"redis://127.0.0.1:{port}") as store:
            for ask in (
                lambda: store.append("one", token(0)),
                lambda: store.get_events("one"),
                lambda: store.wait_for("one", 0, 60.0),
                lambda: store.list_streams(),
            ):
                begin = time.monotonic()
                with pytest.raises(StoreUnavailable, match="imeout"):
                    await ask()
                assert time.monotonic() - begin < 4
        for writer in taken:
            await writer.wait_closed()

    asyncio.run(main())


def test_waiting_for_an_event_that_does_not_come_ends_in_time(prefix: str, redis_url: str) -> None:
    """Without an error, whatever the timeout of the URL is."""

    async def main() -> None:
        async with RedisEventStore(f"{redis_url}?socket_timeout=1", prefix) as store:
            begin = time.monotonic()
            await store.wait_for("one", 0, 60.0)
            assert 0.05 < time.monotonic() - begin < 5

    asyncio.run(main())


def test_waiting_ends_when_the_event_is_there(prefix: str, redis_url: str) -> None:
    """Twenty waits of up to a second each take far less when somebody writes."""

    async def main() -> None:
        async with RedisEventStore(redis_url, prefix) as store:
            begin = time.monotonic()
            for seq in range(20):
                waiting = asyncio.create_task(store.wait_for("one", seq, 1.0))
                await asyncio.sleep(0)
                await store.append("one", token(seq))
                await waiting
            assert time.monotonic() - begin < 10

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "is_away"),
    [
        ("LOADING Redis is loading the dataset in memory", True),
        ("READONLY You can't write against a read only replica.", True),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", True),
        ("CLUSTERDOWN The cluster is down", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("ERR max number of clients reached", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("NOPERM this user has no permissions to run the 'evalsha' command", False),
        ("NOAUTH Authentication required.", False),
    ],
)
def test_what_may_help_later_is_told_from_what_may_not(answer: str, is_away: bool) -> None:
    async def main() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1 << 16):
                writer.write(f"-{answer}\r\n".encode() * 2)
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, RedisEventStore(f"redis://127.0.0.1:{port}/0?protocol=2") as store:
            with pytest.raises(StoreError, match=f"the stream 'one' .*: the Redis at 127.0.0.1:{port}/0 ") as told:
                await store.append("one", token(0))
            assert isinstance(told.value, StoreUnavailable) is is_away
            assert answer.partition(" ")[2] in str(told.value)

    asyncio.run(main())


def test_a_cancelled_append_leaves_no_connection_and_the_next_one_works(proxy: Any, prefix: str) -> None:
    """The server has carried it out, or not; the caller is gone before the answer is there."""

    async def main() -> None:
        async with proxy:
            async with RedisEventStore(proxy.url, prefix) as store:
                await store.append("one", token(0))
                for seq in range(1, 6):
                    is_held, goes_on = asyncio.Event(), asyncio.Event()

                    async def hold(is_held: asyncio.Event = is_held, goes_on: asyncio.Event = goes_on) -> None:
                        is_held.set()
                        await goes_on.wait()

                    proxy.meanwhile = hold
                    proxy.plan.append("after")
                    appending = asyncio.create_task(store.append("one", token(seq)))
                    await is_held.wait()
                    appending.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await appending
                    await proxy.emptied()
                    await store.append("one", token(seq))
                assert [envelope.seq for envelope in await store.get_events("one")] == list(range(6))
            await proxy.emptied()

    asyncio.run(main())


def test_a_server_that_begins_anew_is_told_its_scripts_again(own_server: Any) -> None:
    """Without a word of it to the caller, who learns that the stream is gone."""
    own_server.start()

    async def main() -> None:
        async with RedisEventStore(own_server.url) as store:
            await store.append("one", token(0))
            own_server.stop()
            with pytest.raises(StoreUnavailable):
                await store.append("one", token(1))
            own_server.start()
            with pytest.raises(WrongExpectedVersion) as refused:
                await store.append("one", token(1))
            assert refused.value.actual == 0
            await store.append("one", token(0))

    asyncio.run(main())


def test_a_server_without_memory_refuses_and_keeps_what_it_has(own_server: Any) -> None:
    own_server.start("--maxmemory-policy", "noeviction")

    async def main() -> None:
        async with RedisEventStore(own_server.url) as store:
            await store.append("one", token(0))
            client = (await store._connections.get()).commands
            await client.config_set("maxmemory", 1)
            with pytest.raises(StoreError, match="maxmemory") as refused:
                await store.append("one", token(1))
            assert not isinstance(refused.value, StoreUnavailable)
            assert [envelope.seq for envelope in await store.get_events("one")] == [0]
            await client.config_set("maxmemory", 0)
            await store.append("one", token(1))

    asyncio.run(main())


def test_a_server_that_became_a_replica_is_unavailable_until_it_is_none(own_server: Any) -> None:
    own_server.start()

    async def main() -> None:
        async with RedisEventStore(own_server.url) as store:
            await store.append("one", token(0))
            client = (await store._connections.get()).commands
            await client.replicaof("127.0.0.1", 1)
            with pytest.raises(StoreUnavailable):
                await store.append("one", token(1))
            await client.replicaof("NO", "ONE")
            await store.append("one", token(1))

    asyncio.run(main())
