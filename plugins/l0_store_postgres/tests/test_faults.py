"""What the network and the server do to a store: nothing is lost, nothing is there twice, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import asyncpg
import pytest
from l0_eventsourcing import CompleteEvent, EventEnvelope, StoreUnavailable, TokenEvent
from l0_store_postgres import PostgresEventStore

from l0_core import StoreError


def token(seq: int, value: str = "word") -> EventEnvelope:
    return EventEnvelope("one", seq, TokenEvent(ts=1000.0 + seq, value=value, index=seq))


async def numbers(store: PostgresEventStore) -> list[int]:
    return [envelope.seq for envelope in await store.get_events("one")]


def test_a_cut_anywhere_in_an_append_is_not_noticed(proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every third byte on its way there, at every byte of the answer: it is acknowledged, and made once.

    The event has no number of its own, so that the store cannot take its own bytes for what was asked for before.
    """

    async def tell_nobody(key: str) -> None:
        """Notices go over the same connections, and would be cut instead."""

    async def main() -> None:
        async with proxy, PostgresEventStore(proxy.dsn) as store:
            monkeypatch.setattr(store._connections, "tell", tell_nobody)
            event = TokenEvent(ts=1.0, value="the same each time")
            sizes = {}
            for _ in range(3):  # statements are prepared on the way
                proxy.passed = {"up": 0, "down": 0}
                await store.append("one", event)
                sizes = dict(proxy.passed)
            assert min(sizes.values()) > 50, "the exchange was not seen"
            appended = 3
            for direction, step in (("up", 3), ("down", 1)):
                for place in range(sizes[direction], -1, -step):
                    proxy.cuts.append((direction, place))
                    await store.append("one", event)
                    appended += 1
                    proxy.cuts.clear()
                    await store.read_head("one")  # a connection that died of this cut is not left for the next
            assert await numbers(store) == list(range(appended))

    asyncio.run(main())


@pytest.mark.parametrize("durability", ["power", "process"])
def test_no_row_of_cuts_loses_an_event_or_repeats_it(proxy: Any, durability: Any) -> None:
    """Wherever and however often connections are cut: who asks again until it is acknowledged is right."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)

    async def main() -> int:
        unavailable = 0
        async with proxy, PostgresEventStore(proxy.dsn, durability=durability) as store:
            for seq in range(150):
                proxy.cuts.extend(
                    (chance.choice(["up", "down"]), chance.randrange(900)) for _ in range(chance.choice([0, 2, 4]))
                )
                last = EventEnvelope("one", seq, CompleteEvent(ts=1.0)) if seq == 149 else token(seq)
                while True:
                    try:
                        await store.append("one", last)
                        break
                    except StoreUnavailable:
                        unavailable += 1
            proxy.cuts.clear()
            assert await numbers(store) == list(range(150)), f"seed {seed}"
        return unavailable

    assert asyncio.run(main()) > 10, f"seed {seed}"


def test_an_append_that_is_still_under_way_when_it_is_sent_again_is_made_once(proxy: Any, dsn: str) -> None:
    """The connection is lost while the server works: the second one waits for the first, and finds what it wrote."""

    async def main() -> None:
        async with proxy, PostgresEventStore(proxy.dsn) as store:
            await store.append("one", token(0))
            other = await asyncpg.connect(dsn)
            try:
                async with other.transaction():
                    await other.execute("SELECT FROM l0_streams FOR UPDATE")
                    appending = asyncio.create_task(store.append("one", TokenEvent(ts=1.0, value="mine")))
                    await waiters(dsn, 1)
                    proxy.drop()
                    await waiters(dsn, 2)
                await appending
            finally:
                await other.close()
            assert await numbers(store) == [0, 1]

    asyncio.run(main())


async def waiters(dsn: str, count: int) -> None:
    """Return when so many appends wait for a lock."""
    connection = await asyncpg.connect(dsn)
    try:
        query = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = current_setting('application_name') AND wait_event_type = 'Lock'
        """
        async with asyncio.timeout(10):
            while await connection.fetchval(query) < count:
                await connection.execute("SELECT pg_stat_clear_snapshot()")
    finally:
        await connection.close()


def test_a_server_that_ends_connections_is_not_noticed_by_a_writer(dsn: str, fetch: Any) -> None:
    """An administrator ends what there is, while it is idle and while it works."""

    async def main() -> None:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
        name = dsn.rpartition("=")[2]
        async with PostgresEventStore(dsn) as store:
            await store.append("one", token(0))
            assert await fetch(end, name)
            await store.append("one", token(1))
            other = await asyncpg.connect(dsn, server_settings={"application_name": "the test itself"})
            try:
                async with other.transaction():
                    await other.execute("SELECT FROM l0_streams FOR UPDATE")
                    appending = asyncio.create_task(store.append("one", token(2)))
                    await waiters(dsn, 1)
                    assert await fetch(end, name)
                await appending
            finally:
                await other.close()
            assert await numbers(store) == [0, 1, 2]

    asyncio.run(main())


@pytest.mark.parametrize("breaks", ["the network", "the server"])
def test_a_follower_loses_nothing_when_connections_break(proxy: Any, dsn: str, fetch: Any, breaks: str) -> None:
    async def main() -> None:
        async with proxy, PostgresEventStore(proxy.dsn) as store, PostgresEventStore(dsn) as writer:
            found: list[int] = []
            arrived = asyncio.Condition()

            async def follow() -> None:
                async for envelope in store.subscribe("one"):
                    async with arrived:
                        found.append(envelope.seq)
                        arrived.notify_all()

            async def break_them() -> None:
                if breaks == "the network":
                    proxy.drop()
                    return
                query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
                assert await fetch(query, dsn.rpartition("=")[2])

            async def write() -> None:
                for seq in range(24):
                    if seq % 4 == 1:
                        await break_them()
                    await writer.append("one", token(seq))
                    if seq % 4 == 3:
                        async with arrived:
                            await arrived.wait_for(lambda: found and found[-1] == seq)  # noqa: B023
                await break_them()
                await writer.append("one", EventEnvelope("one", 24, CompleteEvent(ts=1.0)))

            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                tasks.create_task(follow())
                tasks.create_task(write())
            assert found == list(range(25))

    asyncio.run(main())


def test_a_follower_hears_of_an_event_at_once(dsn: str) -> None:
    """Of what another store writes: twenty waits of up to a minute each take far less."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store, PostgresEventStore(dsn) as writer:
            begin = time.monotonic()
            for seq in range(20):
                waiting = asyncio.create_task(store.wait_for("one", seq, 60.0))
                await asyncio.sleep(0)
                await writer.append("one", token(seq))
                await waiting
            waiting = asyncio.create_task(store.wait_for("one", 20, 60.0))
            await asyncio.sleep(0)
            await writer.delete("one")
            await waiting
            assert time.monotonic() - begin < 10

    asyncio.run(main())


def test_the_last_notice_is_sent_before_a_writer_is_closed(dsn: str) -> None:
    """A writer that closes directly after the end of a stream keeps no follower waiting."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            begin = time.monotonic()
            for seq in range(10):
                waiting = asyncio.create_task(store.wait_for("one", 2 * seq + 1, 60.0))
                async with PostgresEventStore(dsn) as writer:
                    await writer.append("one", token(2 * seq))
                    await writer.append("one", token(2 * seq + 1))
                await waiting
            assert time.monotonic() - begin < 10

    asyncio.run(main())


def test_waiting_for_an_event_that_does_not_come_ends_in_time(dsn: str) -> None:
    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            await store.append("one", token(0))
            begin = time.monotonic()
            await store.wait_for("one", 1, 0.2)
            assert 0.19 < time.monotonic() - begin < 5

    asyncio.run(main())


def test_a_server_that_is_away_at_first_is_found_when_it_is_there(proxy: Any) -> None:
    """Writers are told that it is unavailable; a follower waits for it."""

    async def main() -> None:
        await proxy.open()
        await proxy.close()
        async with PostgresEventStore(proxy.dsn) as store:
            with pytest.raises(
                StoreUnavailable, match=r"'one' was not confirmed: the PostgreSQL at 127.0.0.1:\d+/\w+ is"
            ):
                await store.append("one", token(0))
            following = asyncio.create_task(anext(store.subscribe("one")))
            with pytest.raises(StoreUnavailable):
                await store.get_events("one")
            async with proxy:
                await store.append("one", token(0))
                assert (await following).seq == 0

    asyncio.run(main())


def test_a_server_that_goes_away_and_comes_back_has_everything_once(proxy: Any) -> None:
    async def main() -> None:
        async with proxy, PostgresEventStore(proxy.dsn) as store:
            await asyncio.gather(*(store.append(f"stream {number}", TokenEvent(ts=1.0)) for number in range(20)))
            await store.append("one", token(0))
            await proxy.close()
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await store.append("one", token(1))
            await proxy.open()
            await store.append("one", token(1))
            assert await numbers(store) == [0, 1]

    asyncio.run(main())


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_timeout() -> None:
    """It takes connections and never answers. Closing the store does not wait for it for ever, either."""

    async def main() -> None:
        taken: list[asyncio.StreamWriter] = []

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.append(writer)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, PostgresEventStore(f"postgresql://test@127.0.0.1:{port}/test", timeout=0.3) as store:
            for ask in (
                lambda: store.append("one", token(0)),
                lambda: store.get_events("one"),
                lambda: store.wait_for("one", 0, 60.0),
                lambda: store.list_streams(),
                lambda: store.delete("one"),
            ):
                begin = time.monotonic()
                with pytest.raises(StoreUnavailable, match=r"no answer within 0\.3 seconds"):
                    await ask()
                assert time.monotonic() - begin < 5
        for writer in taken:
            await writer.wait_closed()

    asyncio.run(main())


def test_a_server_that_falls_silent_is_unavailable_until_it_speaks(proxy: Any) -> None:
    """An append in the silence may have been made, or not. Asked for again, it is made once."""

    async def main() -> None:
        async with proxy, PostgresEventStore(proxy.dsn, timeout=0.5) as store:
            await store.append("one", token(0))
            await store.wait_for("one", 0, 1.0)
            proxy.flows.clear()
            begin = time.monotonic()
            for ask in (store.append("one", token(1)), store.get_events("one"), store.wait_for("one", 1, 60.0)):
                with pytest.raises(StoreUnavailable, match="no answer within"):
                    await ask
            assert time.monotonic() - begin < 5
            proxy.flows.set()
            await store.append("one", token(1))
            await store.append("one", token(2))
            assert await numbers(store) == [0, 1, 2]

    asyncio.run(main())


def test_a_store_is_closed_in_time_when_its_server_has_fallen_silent(proxy: Any) -> None:
    async def main() -> None:
        async with proxy:
            store = PostgresEventStore(proxy.dsn, timeout=0.5)
            await store.append("one", token(0))
            proxy.flows.clear()
            begin = time.monotonic()
            await store.aclose()
            assert time.monotonic() - begin < 5

    asyncio.run(main())


def test_a_cancelled_append_leaves_no_connection_and_the_next_one_works(proxy: Any) -> None:
    """The server has carried it out, or not; the caller is gone before the answer is there. More often than the
    pool has connections."""

    async def main() -> None:
        async with proxy:
            async with PostgresEventStore(proxy.dsn) as store:
                await store.append("one", token(0))
                for seq in range(1, 13):
                    proxy.flows.clear()
                    appending = asyncio.create_task(store.append("one", token(seq)))
                    for _ in range(seq):
                        await asyncio.sleep(0)
                    appending.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await appending
                    proxy.flows.set()
                    await store.append("one", token(seq))
                assert await numbers(store) == list(range(13))
            await proxy.emptied()

    asyncio.run(main())


def test_a_server_that_takes_no_more_connections_is_unavailable(dsn: str, fetch: Any) -> None:
    role = dsn.rpartition("=")[2]

    async def main() -> None:
        await fetch(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
        try:
            async with PostgresEventStore(f"{dsn}&user={role}".replace("postgres@", "")) as store:
                with pytest.raises(StoreUnavailable, match="too many connections"):
                    await store.append("one", token(0))
        finally:
            await fetch(f"DROP ROLE {role}")

    asyncio.run(main())


def test_what_waiting_does_not_mend_is_not_called_unavailable(server: str) -> None:
    async def main() -> None:
        nowhere = f"{server}{'&' if '?' in server else '?'}search_path=l0_no_such_schema"
        missing = server.rpartition("/")[0] + "/l0_no_such_database"
        for dsn, said in ((nowhere, "no schema"), (missing, "does not exist"), (f"{missing}?sslmode=so_so", "sslmode")):
            async with PostgresEventStore(dsn) as store:
                with pytest.raises(StoreError, match=f"refuses it: .*{said}") as refused:
                    await store.append("one", token(0))
                assert not isinstance(refused.value, StoreUnavailable)

    asyncio.run(main())
