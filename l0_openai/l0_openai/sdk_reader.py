"""The SDK's own reading of a stream, of bytes that are handed to it and without a connection.

Whatever is out of the ordinary in a stream is read by this, so that what comes of it, an exception too, is the SDK's.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["SDKReader"]


class SDKReader:
    """Reads as the SDK would have read a stream, for what is given of it."""

    def __init__(self, stream: Any) -> None:
        self._given: list[bytes | Exception] = []
        self._ended = False
        answer = _Answer(stream.response, self._bytes)
        twin = type(stream)(cast_to=stream._cast_to, response=answer, client=stream._client, options=stream._options)
        self._chunks = twin._iterator
        self._next: Any = None
        self.is_done = False
        """Whether the SDK has seen the end that the provider announced."""

    def read(self, data: bytes) -> Iterator[Any]:
        """The chunks that these bytes complete. Raises what the SDK raises, after those before it."""
        self._given.append(data)
        return self._read()

    def end(self) -> None:
        """The bytes have ended. Raises what the SDK raises."""
        self._ended = True
        for _ in self._read():
            pass

    def raised(self, error: Exception) -> Exception:
        """What the SDK raises where its HTTP library raises this."""
        self._given.append(error)
        try:
            for _ in self._read():
                pass
        except Exception as raised:
            return raised
        return error

    def close(self) -> None:
        """Let go of what is left of an event."""
        with suppress(Exception):  # Nobody waits for what comes of half an event.
            self.end()

    def _read(self) -> Iterator[Any]:
        while not self.is_done:
            try:
                with _no_loop_knows():
                    if self._next is None:
                        self._next = self._chunks.__anext__()
                    self._next.send(None)
            except StopIteration as found:
                self._next = None
                chunk = found.value
            except StopAsyncIteration:
                self._next, self.is_done = None, not self._ended
                return
            except BaseException:
                self._next = None
                raise
            else:
                return  # It waits for more bytes.
            yield chunk

    async def _bytes(self) -> AsyncIterator[bytes]:
        while True:
            while self._given:
                given = self._given.pop(0)
                if isinstance(given, Exception):
                    raise given
                yield given
            if self._ended:
                return
            await _MoreBytes()


class _MoreBytes:
    """Awaited, it leaves the coroutine to whoever drives it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class _Answer:
    """The response of a stream, with bytes of its own. Its connection is not this one's to close or to drain."""

    http_version = "HTTP/2"

    def __init__(self, response: Any, aiter_bytes: Any) -> None:
        self._response = response
        self.aiter_bytes = aiter_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def aclose(self) -> None:
        return None


@contextmanager
def _no_loop_knows() -> Iterator[None]:
    """Generators that begin in here are not the event loop's to close: they never wait for anything of its."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
