"""The URL of a store: who reads it, and that its password is nowhere to be read."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from l0_eventsourcing import TokenEvent, open_store
from l0_store_redis import RedisEventStore, RedisOptions, RedisStore
from l0_store_redis.connections import Connections

from l0_core import StoreError

SECRET = "hunter2%2F%23s"
"""As it stands in a URL."""


def assert_is_secret(error: BaseException) -> None:
    said = "".join(traceback.format_exception(error))
    assert "hunter2" not in said, said


def test_a_password_is_in_no_error(own_server: Any) -> None:
    """Of a server that is away, that refuses it, or that repeats what it was told."""
    own_server.start("--requirepass", "another")

    async def main() -> None:
        async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                writer.write(b"-ERR unknown command, with args beginning with: %r\r\n" % data)
            writer.close()

        server = await asyncio.start_server(repeat, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            for place in (f"127.0.0.1:{own_server.port}", "127.0.0.1:1", f"127.0.0.1:{port}"):
                for url in (f"redis://:{SECRET}@{place}/0", f"redis://{place}/0?password={SECRET}&protocol=2"):
                    async with RedisEventStore(url) as store:
                        with pytest.raises(StoreError, match=place) as told:
                            await store.append("one", TokenEvent(value="word"))
                        assert_is_secret(told.value)
                        assert "hunter2" not in repr(store)

    asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hunter2/s@localhost:6379",
        "http://me:hunter2@localhost",
        "redis://me:x@localhost:hunter2",
        "redis://:x@localhost?socket_timeout=hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="URL of the store cannot be read") as told:
        RedisEventStore(url)
    assert_is_secret(told.value)


def test_options_do_not_show_the_url() -> None:
    options = RedisOptions(url=f"redis://:{SECRET}@localhost")
    assert "hunter2" not in repr(options)
    assert "hunter2" not in repr(RedisStore(options).store)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_schemes_of_redis_py_name_the_store(scheme: str, prefix: str) -> None:
    store = open_store(f"{scheme}://localhost/0?client_name={prefix}")
    assert isinstance(store, RedisEventStore)
    assert store.prefix == "l0"


def test_options_reach_the_store(redis_url: str, prefix: str) -> None:
    store = RedisStore(RedisOptions(url=redis_url, prefix=prefix, ttl=5)).store
    assert isinstance(store, RedisEventStore)
    assert (store.prefix, store.ttl) == (prefix, 5)


def test_a_stream_is_recorded_by_the_plugin(redis_url: str, prefix: str) -> None:
    plugin = RedisStore(RedisOptions(url=redis_url, prefix=prefix))

    async def source() -> AsyncIterator[str]:
        for word in ("Hello ", "there"):
            yield word

    async def main() -> None:
        stream = await l0.run(source, record=plugin)
        assert await stream.read() == "Hello there"
        async with plugin.store as store:
            kinds = [envelope.event.type for envelope in await store.get_events(stream.stream_id)]
            assert kinds[0] == "START"
            assert kinds[-1] == "COMPLETE"

    asyncio.run(main())


def test_errors_name_the_socket_of_a_server_that_has_no_port() -> None:
    async def main() -> None:
        store = RedisEventStore("unix:///nowhere/redis.sock")
        with pytest.raises(StoreError, match=r"the Redis at /nowhere/redis\.sock is not available"):
            await store.read_head("one")
        await store.aclose()

    asyncio.run(main())


def test_a_loop_that_was_closed_without_a_word_is_let_go_of() -> None:
    connections = Connections("redis://127.0.0.1:1/0")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(connections.get())
    loop.close()
    gone = weakref.ref(loop)
    del loop

    async def main() -> None:
        await connections.get()
        await connections.aclose()

    asyncio.run(main())
    gc.collect()
    assert gone() is None
