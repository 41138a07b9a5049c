"""Adapters: found by what they recognise, by name or as instances, in the typed form and the documented one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import l0
import pytest
from l0 import AdaptedEvent, Adapters, Event, EventType
from l0_testing.virtual import run

from l0_core import hookimpl


class Chunk:
    def __init__(self, text: str = "", usage: int | None = None) -> None:
        self.text, self.usage = text, usage


async def chunks() -> AsyncIterator[Chunk]:
    yield Chunk("a")
    yield Chunk("b")
    yield Chunk(usage=2)


class Mine:
    """The documented form."""

    name = "mine"
    completes = True

    def detect(self, stream: Any) -> bool:
        return getattr(stream, "__name__", "") == "chunks"

    async def wrap(self, stream: Any, options: Any = None) -> AsyncIterator[Any]:
        usage = None
        async for chunk in stream:
            if chunk.text:
                yield AdaptedEvent(Event(EventType.TOKEN, chunk.text), chunk)
            if chunk.usage:
                usage = {"output_tokens": chunk.usage}
        if self.completes:
            yield Event(EventType.COMPLETE, usage=usage)


class Incomplete(Mine):
    name = "incomplete"
    completes = False


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    Adapters.clear()


def read(source: Any, **options: Any) -> l0.Stream:
    async def main() -> l0.Stream:
        stream = await l0.run(source, **options)
        await stream.read()
        return stream

    return run(main())


def test_registered_by_name_and_as_an_instance() -> None:
    with pytest.raises(l0.AdapterNotFound, match="Chunk"):
        read(chunks)
    assert read(chunks, adapter=Mine()).state.content == "ab"
    Adapters.register(Mine())
    stream = read(chunks)
    assert (stream.state.content, stream.state.usage) == ("ab", {"output_tokens": 2})
    assert read(chunks, adapter="mine").state.content == "ab"
    assert Adapters.registered()[0] == "mine"
    assert Adapters.get("mine") is not None
    assert Adapters.detect(chunks()).name == "mine"
    assert Adapters.unregister("mine")
    assert not Adapters.unregister("mine")
    assert Adapters.get("mine") is None
    with pytest.raises(l0.AdapterNotFound, match=r"Unknown adapter: 'mine'. Known are 'event'"):
        read(chunks, adapter="mine")


def test_what_is_registered_later_goes_first() -> None:
    Adapters.register(Mine())
    Adapters.register(Incomplete())
    assert Adapters.registered()[:2] == ["incomplete", "mine"]
    assert Adapters.unregister_all_except(["mine"]) == ["incomplete"]


def test_a_documented_adapter_proves_the_end_by_its_complete_event() -> None:
    with pytest.raises(l0.Truncated):
        read(chunks, adapter=Incomplete(), retry=l0.Retry(max_retries=0))


def test_a_plugin_given_to_a_call_adapts() -> None:
    class Reader:
        name = "reader"
        end_is_proof = True

        def decode(self, chunk: Chunk) -> list[Event] | None:
            return [Event(EventType.TOKEN, chunk.text)] if chunk.text else None

    class Plugin:
        @hookimpl
        def adapt(self, source: object) -> Any:
            return Reader() if getattr(source, "__name__", "") == "chunks" else None

    assert read(chunks, plugins=[Plugin]).state.content == "ab"


def test_building_ones_own() -> None:
    async def failing() -> AsyncIterator[Chunk]:
        yield Chunk("a")
        raise ConnectionResetError("gone")

    async def main() -> None:
        good = await l0.run(lambda: Adapters.to_l0_events(chunks(), lambda chunk: chunk.text))
        assert await good.read() == "ab"
        bad = await l0.run(
            lambda: Adapters.to_l0_events(failing(), lambda chunk: chunk.text), retry=l0.Retry(max_retries=0)
        )
        with pytest.raises(ConnectionResetError):
            await bad.read()

    run(main())


def test_an_adapter_that_raises_is_not_asked_again() -> None:
    calls = 0

    class Broken(Mine):
        def detect(self, stream: Any) -> bool:
            nonlocal calls
            calls += 1
            raise AttributeError("no such thing")

    Adapters.register(Broken())
    with pytest.raises(AttributeError, match="no such thing"):
        read(chunks, retry=l0.Retry(base_delay=0))
    assert calls == 1


def test_what_is_not_an_adapter_is_refused() -> None:
    with pytest.raises(TypeError, match="is not an adapter"):
        Adapters.register(object())  # type: ignore[arg-type]
