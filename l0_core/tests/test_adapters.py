"""Adapters: found by what they recognise, by name or as instances, in the typed form and the documented one."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import l0
import pytest
from l0 import AdaptedEvent, Adapters, Event, EventType
from l0_core.plugins import GROUPS, Registry
from l0_testing.virtual import run

from l0_core import hookimpl, plugins


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


def test_an_adapter_without_detect_is_read_by_name_only() -> None:
    class Named:
        name = "named"
        wrap = Mine.wrap
        completes = True

    with pytest.warns(UserWarning, match="'named' has no detect"):
        Adapters.register(Named())  # type: ignore[arg-type]
    with pytest.raises(l0.AdapterNotFound, match="Chunk"):
        read(chunks)
    assert read(chunks, adapter="named").state.content == "ab"
    Adapters.clear()
    Adapters.register(Named(), silent=True)  # type: ignore[arg-type]
    assert Adapters.registered()[0] == "named"


def test_what_reads_a_stream_can_be_asked_without_reading_it() -> None:
    class Other(Mine):
        name = "other"

        def detect(self, stream: Any) -> bool:
            return False

    mine, other = Mine(), Other()
    Adapters.register(mine)
    Adapters.register(other)
    assert Adapters.detect(chunks()) is mine
    assert Adapters.detect(chunks(), "mine") is mine
    assert Adapters.detect(chunks(), other) is other
    assert Adapters.has_matching(chunks())
    assert Adapters.detect_adapter(42) is None
    assert not Adapters.has_matching(42)
    with pytest.raises(l0.AdapterNotFound, match=r"No adapter found for builtins\.int"):
        Adapters.detect(42)


def test_text_and_events_are_read_by_the_adapter_of_that_name() -> None:
    async def plain() -> AsyncIterator[Any]:
        yield "a"
        yield Event(EventType.TOKEN, "b")

    assert read(plain, adapter="event").state.content == "ab"
    event = Adapters.detect(plain())
    assert event.name == "event"

    async def main() -> None:
        source = plain()
        assert [item async for item in event.wrap(source)] == ["a", Event(EventType.TOKEN, "b")]

    run(main())


class TestAnInstalledAdapterByName:
    """It is told to read a stream: what keeps it from that is an error, and no reason to ask another."""

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Reader:
            end_is_proof = True

            def decode(self, chunk: Any) -> Event | None:
                return Event(EventType.TOKEN, chunk.text) if chunk.text else None

        class Careful:
            @hookimpl
            def adapt(self, source: object) -> Any:
                return Reader() if getattr(source, "__name__", "") == "chunks" else None

        class Ready(Careful):
            def stream_adapter(self) -> Any:
                return Reader()

        class Knowing:
            @hookimpl
            def adapt(self, source: object) -> Any:
                raise l0.AdapterNotFound("that is a synchronous stream; use the asynchronous one")

        class Raising:
            @hookimpl
            def adapt(self, source: object) -> Any:
                raise KeyError("model")

        class Cancelling:
            @hookimpl
            def adapt(self, source: object) -> Any:
                raise asyncio.CancelledError

        class Wrong:
            @hookimpl
            def adapt(self, source: object) -> Any:
                return 42

        class Silent:
            @hookimpl
            def check(self, ctx: Any) -> None: ...

        found = (Careful, Ready, Knowing, Raising, Cancelling, Wrong, Silent)
        module = types.ModuleType("l0_test_named_adapters")
        module.__dict__.update({plugin.__name__: plugin for plugin in found})
        monkeypatch.setitem(sys.modules, module.__name__, module)
        points = [
            EntryPoint(plugin.__name__.lower(), f"{module.__name__}:{plugin.__name__}", GROUPS["adapter"])
            for plugin in found
        ]
        monkeypatch.setattr("l0_core.plugins._registry", Registry(points))

    def test_reads_what_it_recognises_and_what_it_is_told_to_if_it_always_can(self) -> None:
        async def others() -> AsyncIterator[Chunk]:
            yield Chunk("c")

        assert read(chunks, adapter="careful").state.content == "ab"
        assert read(others, adapter="ready").state.content == "c"
        with pytest.raises(l0.AdapterNotFound, match=r"'careful' does not read builtins\.async_generator objects"):
            read(others, adapter="careful")

    @pytest.mark.parametrize(
        ("name", "error", "says"),
        [
            ("knowing", l0.AdapterNotFound, "that is a synchronous stream"),
            ("raising", l0.PluginError, "The adapter 'raising' of .*raised KeyError"),
            ("cancelling", l0.PluginError, "raised RuntimeError: it raised CancelledError, and nobody had cancelled"),
            ("wrong", l0.PluginError, "adapt must return an adapter or None, not int"),
            ("silent", l0.PluginError, "it has no adapt hook"),
        ],
    )
    def test_that_cannot_is_an_error_that_says_why(self, name: str, error: type[Exception], says: str) -> None:
        with pytest.raises(error, match=says):
            read(chunks, adapter=name)

    def test_that_knows_a_source_and_why_it_cannot_be_read_is_believed(self) -> None:
        """Without a name too: another adapter would only guess."""
        with pytest.raises(l0.AdapterNotFound, match="use the asynchronous one"):
            list(plugins.registry().recognitions(None, object()))

    def test_of_an_sdk_that_the_documentation_names_is_had_by_that_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        points = [EntryPoint(name, "l0_test_named_adapters:Ready", GROUPS["adapter"]) for name in ("openai", "litellm")]
        monkeypatch.setattr("l0_core.plugins._registry", Registry(points))
        assert hasattr(Adapters.openai(), "decode")
        assert hasattr(Adapters.litellm(), "decode")
