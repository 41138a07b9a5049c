"""Any text is an id, and no two streams share a file."""

from __future__ import annotations

import asyncio
import os
import random
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_eventsourcing import Record
from l0_store_file import FileEventStore
from l0_store_file.names import escaped, folder_name, stem_of, stream_id_of, unescaped

BODY = b'{"type":"TOKEN","ts":1.0,"value":"word"}'

PIECES = (
    *("/", "\\", "..", ".", "\0", "\n", "%2e", "~", " ", "_", "-", "a", "A", "con", "NUL", ".log", ".snapshots", "s-"),
    *("é", "e\u0301", "ß", "ẞ", "ﬁ", "Ⅷ", "İ", "ı", "K", "\ud800", "\udfff", "🙂", "\u202e", "\u0000", "x" * 90, "h-"),
)
"""What ids are made of that something might take for something else."""


def hostile_ids(number: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    ids = {"".join(dice.choices(PIECES, k=dice.randint(0, 6))) for _ in range(number)}
    while len(ids) < number:
        ids.add("".join(chr(dice.choice((dice.randrange(128), dice.randrange(0x110000)))) for _ in range(5)))
    return sorted(ids)


def test_ten_thousand_hostile_ids_are_as_many_files_within_the_folder(tmp_path: Path) -> None:
    """Also where a file system folds case, or puts accents together."""
    ids = hostile_ids(10_000, 1)
    stems = [stem_of(stream_id) for stream_id in ids]
    for form in ("NFC", "NFKC", "NFD"):
        assert len({unicodedata.normalize(form, stem.casefold()) for stem in stems}) == len(ids)
    for stream_id, stem in zip(ids, stems, strict=True):
        assert stem_of(stream_id) == stem
        assert stream_id_of(stem) in (stream_id, None)
        path = os.path.join(tmp_path, f"{stem}.corrupt-99")
        assert os.path.dirname(os.path.realpath(path)) == os.path.realpath(tmp_path)
        assert len(os.path.basename(path)) <= 255
        assert stem[0] in "sh"


def test_streams_of_hostile_ids_are_written_listed_and_deleted_each_by_itself(tmp_path: Path) -> None:
    ids = hostile_ids(400, 2)

    async def main() -> None:
        async with FileEventStore(tmp_path / "base") as store:
            for place, stream_id in enumerate(ids):
                await store.write_records(stream_id, [Record(0, 1, b'{"place":%d}' % place)])
            assert await store.list_streams() == sorted(ids)
            for place, stream_id in enumerate(ids):
                assert (await store.read_records(stream_id))[0].body == b'{"place":%d}' % place
            for stream_id in ids[::2]:
                assert await store.remove(stream_id)
            assert await store.list_streams() == ids[1::2]

    asyncio.run(main())
    assert os.listdir(tmp_path) == ["base"]


@given(st.text(st.characters()))
def test_a_name_says_which_text_it_is_of(text: str) -> None:
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize(
    "stem", ["", "s", "x-a", "s-A", "s-_4", "s-_61", "s-_ff", "s-a.b", "h-12", "s-" + "a" * 201, "s-é"]
)
def test_a_file_that_is_no_stream_is_not_listed(stem: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            await store.write_records("one", [Record(0, 1, BODY)])
            folder = tmp_path / "l0"
            (folder / f"{stem}.log").write_bytes((folder / "s-one.log").read_bytes())
            (folder / "s-one.txt").write_bytes(b"")
            assert await store.list_streams() == ["one"]
            assert store.damaged == []

    with pytest.raises(ValueError):
        stream_id_of(stem)
    asyncio.run(main())


def test_prefixes_are_folders_of_their_own(tmp_path: Path) -> None:
    """Whatever they look like."""
    prefixes = ["", "l0", "L0", "../x", "/x", "_", ".", "é", "a/b", "a"]

    async def main() -> None:
        for prefix in prefixes:
            async with FileEventStore(tmp_path / "base", prefix) as store:
                await store.write_records(f"of {prefix}", [Record(0, 1, BODY)])
        for prefix in prefixes:
            async with FileEventStore(tmp_path / "base", prefix) as store:
                assert await store.list_streams() == [f"of {prefix}"]

    asyncio.run(main())
    assert os.listdir(tmp_path) == ["base"]
    assert sorted(os.listdir(tmp_path / "base")) == sorted(map(folder_name, prefixes))
    with pytest.raises(ValueError, match="too long"):
        FileEventStore(tmp_path, "x" * 201)


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Files have 0600 and folders 0700, those on the way too."""
    log = tmp_path / "new/base/l0/s-one.log"

    def modes() -> dict[str, int]:
        return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}

    async def main() -> None:
        async with FileEventStore(tmp_path / "new" / "base") as store:
            await store.write_records("one", [Record(0, 1, BODY)])
            await store.write_snapshot("one", 0, b"{}")
            assert modes() == {"base": 0o700, "l0": 0o700, "s-one.log": 0o600, "s-one.snapshots": 0o600}
            log.write_bytes(b"damaged")
            await store.write_records("one", [Record(0, 1, BODY)])
            assert modes() == {"base": 0o700, "l0": 0o700, "s-one.log": 0o600, "s-one.corrupt-1": 0o600}

    old = os.umask(0o022)
    try:
        asyncio.run(main())
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_an_id_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for wrong in (None, 1, b"one"):
        with pytest.raises(TypeError, match="text"):
            FileEventStore.validate_stream_id(wrong)  # type: ignore[arg-type]
    FileEventStore.validate_stream_id("../../\0\ud800")

    async def main() -> None:
        async with FileEventStore(tmp_path) as store:
            with pytest.raises(TypeError, match="text"):
                await store.read_head(1)  # type: ignore[arg-type]

    asyncio.run(main())
