"""A proxy that cuts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from l0_testing import CuttingProxy


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


def proxied(test: Any) -> None:
    """Run a test with a proxy before a server that says what it hears."""

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, CuttingProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
            async with asyncio.timeout(10):
                await test(proxy)

    asyncio.run(main())


async def said(proxy: CuttingProxy, data: bytes) -> bytes:
    """What comes back of what is sent, until as much is there or the connection is cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(data)
    try:
        return await reader.readexactly(len(data))
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


def test_what_is_said_passes_through() -> None:
    async def test(proxy: CuttingProxy) -> None:
        assert await said(proxy, b"hello") == b"hello"
        assert proxy.passed == {"up": 5, "down": 5}

    proxied(test)


def test_it_cuts_where_it_is_told_to_and_then_no_more() -> None:
    async def test(proxy: CuttingProxy) -> None:
        proxy.cuts.extend([("down", 3), ("up", 2)])
        assert await said(proxy, b"hello") == b"hel"
        assert len(await said(proxy, b"hello")) <= 2
        assert not proxy.cuts
        assert await said(proxy, b"hello") == b"hello"

    proxied(test)


def test_it_can_fall_silent_drop_everybody_and_go_away() -> None:
    async def test(proxy: CuttingProxy) -> None:
        proxy.flows.clear()
        waiting = asyncio.create_task(said(proxy, b"hello"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        proxy.drop()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.exception() is not None or waiting.result() == b""
        proxy.flows.set()
        await proxy.emptied()
        port = proxy.port
        await proxy.close()
        with pytest.raises(ConnectionError):
            await said(proxy, b"hello")
        await proxy.open()
        assert proxy.port == port
        assert await said(proxy, b"hello") == b"hello"

    proxied(test)
