"""Ids and prefixes are any text: no two share a key, and nobody else's key is touched."""

from __future__ import annotations

import asyncio
import re

import redis
from hypothesis import example, given
from hypothesis import strategies as st
from l0_eventsourcing import EventEnvelope, Snapshot, TokenEvent
from l0_store_redis import RedisEventStore
from l0_store_redis.keys import encode, find_id, make_key, make_pattern
from redis.crc import key_slot

TEXTS = st.text(st.characters() | st.sampled_from("{}%:*?[]\\5BD27"), max_size=8)
KINDS = st.sampled_from(["stream", "snapshots"])
NAMES = st.tuples(TEXTS, KINDS, TEXTS)


@given(NAMES, NAMES)
@example(("a", "stream", "b:stream:{c"), ("a:stream:{b", "stream", "c"))
@example(("a", "stream", "%7B"), ("a", "stream", "{"))
@example(("a", "stream", ""), ("a", "stream", "%"))
@example(("a:snapshots", "stream", "b"), ("a", "snapshots", "b"))
def test_different_names_have_different_keys(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (make_key(*one) == make_key(*other)) == (one == other)


@given(TEXTS, TEXTS)
def test_all_keys_of_a_stream_are_in_one_slot(prefix: str, stream_id: str) -> None:
    """So one script reaches them in a cluster; different streams are spread by their ids."""
    slot = key_slot(encode(make_key(prefix, "stream", stream_id)))
    assert slot == key_slot(encode(make_key(prefix, "snapshots", stream_id)))
    assert slot == key_slot(encode(make_key(f"{prefix}.", "stream", stream_id)))


@given(TEXTS, TEXTS, KINDS)
def test_an_id_is_found_in_its_key(prefix: str, stream_id: str, kind: str) -> None:
    assert find_id(prefix, kind, encode(make_key(prefix, kind, stream_id))) == stream_id


@given(TEXTS, TEXTS, st.binary(max_size=8))
def test_no_id_is_found_in_a_key_that_is_nobodys(prefix: str, stream_id: str, change: bytes) -> None:
    key = encode(make_key(prefix, "stream", stream_id))
    for other in (key[:-1] + change, key[:-2] + change + b"}", change + key, change):
        found = find_id(prefix, "stream", other)
        assert found is None or encode(make_key(prefix, "stream", found)) == other


@given(TEXTS, TEXTS, TEXTS)
def test_the_pattern_is_the_beginning_of_the_key_literally(prefix: str, beginning: str, rest: str) -> None:
    """What means something in a glob is escaped in it."""
    pattern = make_pattern(prefix, "stream", beginning)
    assert pattern.endswith(b"*}")
    literal = pattern[:-2]
    assert re.search(rb"[*?\[\]]", re.sub(rb"\\.", b"", literal, flags=re.DOTALL)) is None
    if beginning + rest:
        key = encode(make_key(prefix, "stream", beginning + rest))
        assert key.startswith(re.sub(rb"\\(.)", rb"\1", literal, flags=re.DOTALL))


HOSTILE = ("", "*", "a}b", "{", "}", "{}", "%", "%7D", "b:stream:{c", "\ud83d", "\x00", "[a-z]", "\\", "?")


def test_other_keys_are_not_touched_by_hostile_names(raw: redis.Redis, prefix: str, redis_url: str) -> None:
    """Neither those of other prefixes nor those of other programs, however much they look alike."""
    spread = ("", ":stream", ":stream:{a}", "*", "{", "}:stream:{", "\ud800", "\\")
    foreign = [f"{prefix}:stream:a", f"{prefix}:stream:{{a}}b}}", f"{prefix}:stream:{{%2A}}", f"{prefix}:snapshots:"]
    keys = [*map(encode, foreign), f"{prefix}:stream:{{".encode() + b"\xff}"]

    async def main() -> None:
        for key in keys:
            raw.set(key, "somebody else's")
        for number, name in enumerate(spread):
            async with RedisEventStore(redis_url, prefix + name) as store:
                for stream_id in HOSTILE:
                    event = TokenEvent(value=f"{number} {stream_id}")
                    await store.append(stream_id, EventEnvelope(stream_id, 0, event))
                    await store.save_snapshot(Snapshot(stream_id, 0, 1.0, stream_id, 0, ""))
        for number, name in enumerate(spread):
            async with RedisEventStore(redis_url, prefix + name) as store:
                assert await store.list_streams() == sorted(HOSTILE)
                for stream_id in HOSTILE:
                    assert stream_id in await store.list_streams(stream_id)
                    (found,) = await store.get_events(stream_id)
                    assert found.event == TokenEvent(ts=found.event.ts, value=f"{number} {stream_id}")
                    snapshot = await store.get_snapshot(stream_id)
                    assert snapshot is not None
                    assert snapshot.content == stream_id
                    assert await store.delete(stream_id)
                assert await store.list_streams() == []
        for key in keys:
            assert raw.get(key) == b"somebody else's"

    asyncio.run(main())
