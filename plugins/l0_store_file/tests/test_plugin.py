"""A URL names the folder of a store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from l0_eventsourcing import Record, open_store
from l0_store_file import FileEventStore, FileStore, FileStoreOptions

from l0_core import ConfigError

EVENT = Record(0, 1, b"{}")


def test_a_url_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are a relative one, four an absolute one."""
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        for url, path in (
            ("file:///some/runs", tmp_path / "some/runs"),
            (f"file:///{tmp_path}/my%20runs", tmp_path / "my runs"),
            ("", tmp_path / "l0-events"),
        ):
            store = FileStore(FileStoreOptions(url=url, ttl=9, durability="power")).store
            assert isinstance(store, FileEventStore)
            assert store.ttl == 9
            await store.write_records("one", [EVENT])
            assert (path / "l0/s-one.log").exists()
            await store.aclose()
        store = open_store("file:///by/name")
        assert isinstance(store, FileEventStore)
        await store.write_records("one", [EVENT])
        assert (tmp_path / "by/name/l0/s-one.log").exists()
        await store.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "file://",
        "file:///",
        "file:////",
        "file://host/runs",
        "file:runs",
        "file:///a?b=1",
        "file:///a#b",
        "file:///a%00",
    ],
)
def test_a_url_that_names_no_folder_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="file:///folder"):
        FileStore(FileStoreOptions(url=url))
