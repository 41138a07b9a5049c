"""A stream whose process is gone goes on in another: from its last recorded character."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import l0
import pytest
from l0_eventsourcing import InMemoryEventStore, StreamEnded, TokenEvent, replay
from l0_eventsourcing.codec import pack
from l0_eventsourcing.types import AbortedEvent, OutputEvent, StartEvent
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import StoreError

WORDS = (
    "the tide rises and falls because the moon pulls on the sea and twice a month the sun works the same way".split()
)
TOKENS = tuple(f"{word} " for word in WORDS)
TEXT = "".join(TOKENS)


async def begun(store: InMemoryEventStore, tokens: int, stream_id: str = "one") -> str:
    """What a process that was killed has left: a record without an end. Returns its text."""
    events: list[Any] = [StartEvent(ts=1.0)]
    events += [TokenEvent(ts=2.0, value=value, index=index) for index, value in enumerate(TOKENS[:tokens])]
    await store.append_records(stream_id, pack(0, events))
    return "".join(TOKENS[:tokens])


@pytest.mark.parametrize("tokens", range(len(TOKENS) + 1))
@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("overlap", [0, 16])
def test_the_text_is_exact_wherever_it_broke_off(tokens: int, continues: bool, overlap: int) -> None:
    """By continuing it where the provider can, and by withholding what it repeats where it cannot."""

    async def main() -> None:
        store = InMemoryEventStore()
        had = await begun(store, tokens)
        provider: Any = (
            ContinuingProvider(TOKENS, overlap=overlap) if continues else FakeProvider(TOKENS, [Mishap("raise", 2)])
        )
        stream = await l0.resume("one", store=store, stream=provider, adapter=provider, retry=l0.Retry(base_delay=0))
        assert stream.state.content == had
        got = "".join([event.text or "" async for event in stream if event.is_token])
        assert had + got == stream.state.content == TEXT
        result = await replay("one", store)
        assert await result.read() == TEXT
        assert result.state.outcome == "complete"
        assert result.state.token_count == stream.state.token_count
        events = await store.get_events("one")
        assert [envelope.seq for envelope in events] == list(range(len(events)))
        assert sum(envelope.event.type == "START" for envelope in events) == 1

    run(main())


def test_it_can_be_resumed_again_and_again() -> None:
    """Each process gets a little further, and is killed: what its store has by then is all that is left."""

    async def main() -> None:
        drawn = random.Random(7)
        for _ in range(50):
            store = InMemoryEventStore()
            await begun(store, drawn.randrange(4))
            for _ in range(4):
                overlap, width = drawn.choice([0, 16, 30]), drawn.randrange(1, 9)
                provider = ContinuingProvider(TOKENS, overlap=overlap, width=width, pace=0.03)
                stream = await l0.resume("one", store=store, stream=provider, adapter=provider)
                leaves_at = drawn.randrange(1, 12)
                async with stream:
                    async for event in stream:
                        leaves_at -= event.is_token
                        if leaves_at <= 0:
                            break
                    store = await left_of(store)
                if stream.state.completed:
                    break
            provider = ContinuingProvider(TOKENS)
            stream = await l0.resume("one", store=store, stream=provider, adapter=provider)
            assert await stream.read() == TEXT
            assert await (await replay("one", store)).read() == TEXT

    run(main())


async def left_of(store: InMemoryEventStore) -> InMemoryEventStore:
    """A copy of a store as it is now."""
    copy = InMemoryEventStore()
    await copy.append_records("one", await store.read_records("one"))
    return copy


def test_one_that_ended_is_returned_as_it_ended() -> None:
    async def main() -> None:
        store, provider = InMemoryEventStore(), FakeProvider(TOKENS)
        first = await l0.run(provider, adapter=provider, record=store)
        await first.read()
        again = await l0.resume(first.stream_id, store=store, stream=provider, adapter=provider)
        assert (again.state.content, again.state.outcome, again.stream_id) == (TEXT, "complete", first.stream_id)
        assert [event async for event in again] == []
        assert await again.read() == TEXT
        assert provider.opened == 1

    run(main())


def test_what_cannot_be_resumed_says_why() -> None:
    async def main() -> None:
        store, provider = InMemoryEventStore(), FakeProvider(TOKENS)
        with pytest.raises(StoreError, match="no event of it"):
            await l0.resume("none", store=store, stream=provider)
        await begun(store, 3)
        await store.append("one", AbortedEvent(ts=3.0))
        with pytest.raises(StreamEnded):
            await l0.resume("one", store=store, stream=provider)
        await begun(store, 3, "called")
        call = {"type": "tool_call", "data": {"id": "1", "name": "pay", "arguments": "{}"}}
        await store.append("called", OutputEvent(ts=3.0, event=call))
        with pytest.raises(StoreError, match="tool call"):
            await l0.resume("called", store=store, stream=provider)
        with pytest.raises(TypeError, match="record"):
            await l0.resume("one", store=store, stream=provider, record=store)

    run(main())


def test_of_two_that_resume_one_records() -> None:
    """The other is told, and its consumer has its text all the same."""

    async def main() -> None:
        store = InMemoryEventStore()
        await begun(store, 6)
        providers = [ContinuingProvider(TOKENS, pace=0.1) for _ in range(2)]
        streams = [await l0.resume("one", store=store, stream=provider, adapter=provider) for provider in providers]
        assert await asyncio.gather(*(stream.read() for stream in streams)) == [TEXT, TEXT]
        assert await (await replay("one", store)).read() == TEXT

    run(main())


def test_other_text_is_withdrawn_out_loud() -> None:
    """A provider that cannot continue, and says something else now: RESET, and the record says so."""

    async def main() -> None:
        store = InMemoryEventStore()
        await begun(store, 6)
        other = FakeProvider(("the tide ", "is high."))
        stream = await l0.resume("one", store=store, stream=other, adapter=other)
        resets = [event.data async for event in stream if event.is_reset]
        assert resets == [{"keep": len("the tide ")}]
        result = await replay("one", store)
        assert await result.read() == stream.state.content == "the tide is high."

    run(main())
