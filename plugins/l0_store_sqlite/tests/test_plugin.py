"""The store by its URL, in code and in configuration."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import l0
import pytest
from l0_core.config import reload
from l0_eventsourcing import open_store
from l0_store_sqlite import SqliteEventStore, SqliteOptions, SqliteStore

from l0_core import ConfigError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    reload()
    yield
    reload()
    gc.collect()


async def words() -> AsyncIterator[str]:
    for number in range(100):
        yield f"word{number} "


async def recorded(store: SqliteEventStore, stream_id: str) -> str:
    events = [envelope.event for envelope in await store.get_events(stream_id)]
    return "".join(event.value for event in events if event.type == "TOKEN")  # type: ignore[attr-defined]


def text() -> str:
    return "".join(f"word{number} " for number in range(100))


def test_a_stream_is_recorded_by_a_url(tmp_path: Path) -> None:
    async def main() -> None:
        stream = await l0.run(words, record="sqlite:///runs/x.db")
        assert await stream.read() == text()
        store = open_store("sqlite:///runs/x.db")
        assert isinstance(store, SqliteEventStore)
        assert await recorded(store, stream.stream_id) == text()
        await store.aclose()
        async with SqliteEventStore(tmp_path / "runs" / "x.db") as store:
            assert await store.list_streams() == [stream.stream_id]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "ttl", "durability"),
    [
        ('store = "{}"', 0, "process"),
        ('[store.sqlite]\nurl = "{}"\nttl = 60000\ndurability = "power"', 60000, "power"),
    ],
)
def test_every_stream_is_recorded_by_configuration(tmp_path: Path, content: str, ttl: int, durability: str) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    (tmp_path / "l0.toml").write_text(content.format(url))
    reload()

    async def main() -> None:
        stream = await l0.run(words)
        assert await stream.read() == text()
        store = open_store(url)
        assert isinstance(store, SqliteEventStore)
        assert (store.ttl, store.durability) == (ttl, durability)
        assert await recorded(store, stream.stream_id) == text()
        await store.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///x.db", "x.db"),
        ("sqlite:///./some folder/x%20y.db", "some folder/x%20y.db"),
        ("sqlite:////var/runs.db", "/var/runs.db"),
    ],
)
def test_a_url_means_a_relative_or_an_absolute_path(tmp_path: Path, url: str, path: str) -> None:
    store = SqliteStore(SqliteOptions(url=url, ttl=5)).store
    assert isinstance(store, SqliteEventStore)
    assert (store.path, store.ttl) == (str(tmp_path / path), 5)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "memory://"),
        ("sqlite:///", "memory://"),
        ("sqlite:////", "memory://"),
        ("sqlite://:memory:", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://runs.db", "sqlite:///runs.db"),
        ("sqlite://var/runs.db", "sqlite:////var/runs.db"),
        ("sqlite:///x.db?mode=ro", r"\[store\.sqlite\]"),
    ],
)
def test_a_url_that_means_no_file_is_refused_with_the_right_form(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_store(url)
