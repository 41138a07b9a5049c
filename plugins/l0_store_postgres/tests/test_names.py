"""Names and secrets: prefixes, dsns and passwords, as the plugin is configured with them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import struct
import traceback
import weakref
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from l0_eventsourcing import StoreUnavailable, TokenEvent, replay
from l0_store_postgres import PostgresEventStore, PostgresOptions, PostgresStore
from l0_store_postgres.connections import Connections
from l0_testing.suites.store import HOSTILE_IDS

from l0_core import StoreError

PREFIXES = ("", "l0", "L0", "l0%", "a\x00b", "\ud800", "é" * 300, "'; DROP TABLE l0_streams; --", "$1", "a:b", "a")


def test_any_text_is_a_prefix(dsn: str, fetch: Any) -> None:
    """No two see each other's streams, delete them, or hear of them."""

    async def main() -> None:
        stores = [PostgresEventStore(dsn, prefix) for prefix in PREFIXES]
        for number, store in enumerate(stores):
            await store.append("one", TokenEvent(ts=1.0, value=str(number)))
            await store.append(":one", TokenEvent(ts=1.0, value=str(number)))
        for number, store in enumerate(stores):
            (envelope,) = await store.get_events("one")
            assert isinstance(envelope.event, TokenEvent)
            assert envelope.event.value == str(number)
            assert await store.list_streams() == [":one", "one"]
        for left, store in zip(reversed(range(len(stores))), stores, strict=True):
            assert await store.delete("one")
            assert await store.delete(":one")
            assert await fetch("SELECT count(*) FROM l0_records", dsn=dsn) == [(2 * left,)]
            await store.aclose()

    asyncio.run(main())


def test_an_id_is_never_a_part_of_a_statement(dsn: str) -> None:
    """Wildcards are themselves where streams are listed, and a long id is compared to its last character."""

    async def main() -> None:
        async with PostgresEventStore(dsn) as store:
            long = "é" * 100_000
            ids = {*HOSTILE_IDS, "%", "_", "%one", "\\", "one", "two", long, f"{long}a", f"{long}b"}
            for stream_id in ids:
                await store.append(stream_id, TokenEvent(ts=1.0))
            for prefix in ("", "%", "_", "\\", "o", long, "\x00", "a\x00", "'", "é"):
                assert await store.list_streams(prefix) == sorted(i for i in ids if i.startswith(prefix))
            assert await store.delete(f"{long}a")
            assert await store.list_streams(long) == [long, f"{long}b"]

    asyncio.run(main())


def test_what_cannot_be_is_refused_when_the_store_is_made() -> None:
    for arguments, said in (
        ({"prefix": "é" * 501}, "prefix has 1002 bytes"),
        ({"durability": "paper"}, "durability is 'paper'; it must be 'process' or 'power'"),
        ({"ttl": -1}, "ttl is -1"),
    ):
        with pytest.raises(ValueError, match=said):
            PostgresEventStore("postgresql://", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:se/cret@host/db",
        "postgresql://me:se@cret@host/db",
        "postgresql://me:se#cret@host/db",
        "postgresql://me:se?cret@host/db",
        "postgresql://me:1?cret@host/db",
        "postgresql://me:1/cret@host/db",
        "postgresql://me:1#cret@host/db",
        "postgresql://me:[cret@host/db",
        "postgresql://me:secret@host:port/db",
        "postgresql://me:secret@host,host:port/db",
        "mysql://me:secret@host/db",
        "me:secret@host/db",
        "host=host password=secret",
    ],
)
def test_a_dsn_that_is_misread_is_refused_without_a_part_of_its_password(dsn: str) -> None:
    with pytest.raises(ValueError, match="the dsn of the store cannot be read") as refused:
        PostgresEventStore(dsn)
    assert "cret" not in "".join(traceback.format_exception(refused.value)).replace(dsn, "")
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("template", "where"),
    [
        ("postgresql://me:{}@127.0.0.1:{}/some%20db", "127.0.0.1:{}/some db"),
        ("postgres://127.0.0.1:{1}/?user=me&password={0}&dbname=db", "127.0.0.1:{}/db"),
    ],
)
def test_no_error_shows_the_password(template: str, where: str) -> None:
    """Not even one in which the server repeats it: neither its message, nor its causes, nor any repr."""
    password = "p%40ss%2Fword-cret"

    async def main() -> list[BaseException]:
        async def repeat_it(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)
            writer.write(b"N")
            (size,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(size - 4)
            said = b"SFATAL\0C28P01\0Mno: p@ss/word-cret and p%40ss%2Fword-cret\0\0"
            writer.write(b"E" + struct.pack("!I", len(said) + 4) + said)
            writer.close()

        server = await asyncio.start_server(repeat_it, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        dsn = template.format(password, port)
        store = PostgresEventStore(dsn)
        found: list[BaseException] = []
        async with server, store:
            for ask in (store.append("one", TokenEvent(ts=1.0)), store.wait_for("one", 0, 1.0)):
                with pytest.raises(StoreError) as refused:
                    await ask
                assert not isinstance(refused.value, StoreUnavailable)
                assert f"{where.format(port)} refuses it: no: *** and ***" in str(refused.value)
                found.append(refused.value)
        async with store:
            with pytest.raises(StoreUnavailable) as away:
                await store.list_streams()
            found.append(away.value)
        assert "cret" not in f"{store!r} {vars(store)} {vars(store._connections)} {PostgresOptions(url=dsn)}"
        return found

    for error in asyncio.run(main()):
        told: BaseException | None = error
        while told is not None:
            assert "cret" not in f"{told} {told!r} {vars(told)}"
            told = told.__cause__


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_url_names_the_store(dsn: str, scheme: str) -> None:
    """A stream is recorded by its URL alone, and what was opened for it is closed with the loop."""
    url = f"{scheme}{dsn.removeprefix('postgresql')}"
    words = [f"word{number} " for number in range(100)]

    async def source() -> AsyncIterator[str]:
        for word in words:
            yield word

    async def main() -> str:
        stream = await l0.run(source, record=url)
        assert await stream.read() == "".join(words)
        return stream.stream_id

    async def look(stream_id: str) -> str:
        async with PostgresEventStore(url) as store:
            replayed = await replay(stream_id, store)
            return "".join([event.text or "" async for event in replayed.stream if event.is_token])

    assert asyncio.run(look(asyncio.run(main()))) == "".join(words)


def test_the_options_reach_the_store() -> None:
    options = PostgresOptions(url="postgresql://somewhere/db", prefix="mine", ttl=5, durability="process")
    store = PostgresStore(options).store
    assert isinstance(store, PostgresEventStore)
    assert (store.prefix, store.ttl) == ("mine", 5)
    assert store._connections._settings["synchronous_commit"] == "off"
    assert list(itertools.islice(PostgresStore().store._connections._dsn.passwords, 1)) == []  # type: ignore[attr-defined]


def test_a_loop_that_was_closed_without_a_word_is_let_go_of() -> None:
    connections = Connections("postgresql://nobody@127.0.0.1:1/none", 1.0, "l0_test", {})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(connections._get())
    loop.close()
    gone = weakref.ref(loop)
    del loop

    async def main() -> None:
        await connections._get()
        await connections.aclose()

    asyncio.run(main())
    gc.collect()
    assert gone() is None
