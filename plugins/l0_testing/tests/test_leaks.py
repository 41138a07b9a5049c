from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import warnings
from typing import Any

import pytest
from l0_testing import LeakCheck
from l0_testing.virtual import run

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc/self/fd")


def left(message: str) -> Any:
    return pytest.raises(AssertionError, match=message)


def test_a_clean_block_is_clean() -> None:
    async def main() -> None:
        async with LeakCheck():
            await asyncio.sleep(0.001)
            await asyncio.create_task(asyncio.sleep(0))
            os.close(os.open(os.devnull, os.O_RDONLY))

    with LeakCheck():
        asyncio.run(main())


def test_a_task_is_found() -> None:
    async def main() -> None:
        with left(r"1 left behind:\n - task <Task pending name='forgotten'"):
            async with LeakCheck(settle=0.005):
                task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())


def test_a_timer_is_found() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = loop.call_later(60, int)
        with left(r"1 left behind:\n - timer <TimerHandle when=") as caught:
            async with LeakCheck(settle=0.005):
                loop.call_later(60, int).cancel()
                after = loop.call_later(60, int)
        assert "int" in str(caught.value)
        before.cancel()
        after.cancel()

    asyncio.run(main())


@needs_proc
def test_a_descriptor_is_found() -> None:
    with left(r"2 left behind:\n - fd \d+ -> socket:.*\n - fd \d+ -> socket:"), LeakCheck(settle=0.005):
        pair = socket.socketpair()
    for sock in pair:
        sock.close()


@needs_proc
def test_a_descriptor_may_close_a_moment_later() -> None:
    pair = socket.socketpair()
    try:
        with LeakCheck(settle=5):
            copy = pair[0].dup()
            timer = threading.Timer(0.02, copy.close)
            timer.start()
        timer.join()
    finally:
        for sock in pair:
            sock.close()


def test_what_the_loop_is_about_to_close_is_no_leak() -> None:
    async def main() -> None:
        async with LeakCheck():
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            server.close()

    asyncio.run(main())


def test_an_exception_that_nobody_reads_is_found() -> None:
    async def fail() -> None:
        raise KeyError("unread")

    async def main() -> None:
        with left(r"(?s)1 left behind:\n - asyncio logged: Task exception was never retrieved.*KeyError\('unread'\)"):
            async with LeakCheck():
                asyncio.create_task(fail())  # noqa: RUF006 - dropping it is the point
                await asyncio.sleep(0)

    asyncio.run(main())


def test_an_error_of_asyncio_is_found() -> None:
    with left("asyncio logged: Unclosed"), LeakCheck():
        logging.getLogger("asyncio").error("Unclosed connection")


def test_a_resource_warning_is_found() -> None:
    with left(r"1 left behind:\n - ResourceWarning: unclosed file"), LeakCheck():
        open(os.devnull, "rb")  # noqa: SIM115


def test_a_coroutine_that_was_never_awaited_is_found() -> None:
    async def forgotten() -> None: ...

    with left(r"RuntimeWarning: coroutine .*forgotten' was never awaited"), LeakCheck():
        forgotten()  # type: ignore[unused-coroutine]


def test_other_warnings_pass_through() -> None:
    with pytest.warns(UserWarning, match="mind the gap"), LeakCheck():
        warnings.warn("mind the gap", UserWarning, stacklevel=1)


def test_what_was_there_before_is_no_leak() -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        timer = asyncio.get_running_loop().call_later(60, int)
        fd = os.open(os.devnull, os.O_RDONLY)
        async with LeakCheck():
            pass
        os.close(fd)
        task.cancel()
        timer.cancel()

    asyncio.run(main())


def test_everything_is_named_at_once() -> None:
    async def main() -> None:
        with left("2 left behind:") as caught:
            async with LeakCheck(settle=0.005):
                task = asyncio.create_task(asyncio.sleep(60))
                await asyncio.sleep(0)
        assert " - task " in str(caught.value)
        assert " - timer " in str(caught.value)
        task.cancel()

    asyncio.run(main())


def test_a_block_that_raises_keeps_its_error() -> None:
    def block() -> None:
        with LeakCheck():
            logging.getLogger("asyncio").error("lost")
            raise KeyError

    async def main() -> None:
        async with LeakCheck():
            asyncio.get_running_loop().call_later(60, int)
            raise KeyError

    with pytest.raises(KeyError):
        block()
    with pytest.raises(KeyError):
        asyncio.run(main())


def test_it_works_in_virtual_time() -> None:
    async def main() -> None:
        async with LeakCheck():
            await asyncio.sleep(3600)

    run(main())


def test_nothing_stays_installed() -> None:
    handlers, shown = list(logging.getLogger("asyncio").handlers), warnings.showwarning

    with LeakCheck():
        assert len(logging.getLogger("asyncio").handlers) == len(handlers) + 1

    assert logging.getLogger("asyncio").handlers == handlers
    assert warnings.showwarning is shown
