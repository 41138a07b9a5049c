"""The helpers as streams of `l0.run`: delivered, retried, timed and closed like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import l0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_multimodal import Multimodal
from l0_testing import virtual

from l0_core import ContentType, DataPayload, Event, EventType, Progress

Found = str | DataPayload | Progress
GONE = ConnectionResetError("gone")
FAST = l0.Retry(base_delay=0)


def image(url: str) -> DataPayload:
    return DataPayload(ContentType.IMAGE, "image/png", url=url)


class Provider:
    """Makes streams of chunks, one script each, and knows which of them are open."""

    def __init__(self, *scripts: list[Any]) -> None:
        self._scripts = iter(scripts)
        self.calls = 0
        self.open = 0

    async def chunks(self) -> AsyncIterator[Any]:
        script = next(self._scripts)
        self.calls += 1
        self.open += 1
        try:
            for chunk in script:
                if isinstance(chunk, Exception):
                    raise chunk
                if isinstance(chunk, float):
                    await asyncio.sleep(chunk)
                else:
                    yield chunk
        finally:
            self.open -= 1

    def __call__(self) -> AsyncGenerator[Event, None]:
        def of(kind: type) -> Callable[[Any], Any]:
            return lambda chunk: chunk if isinstance(chunk, kind) else None

        return Multimodal.to_events(
            self.chunks(),
            extract_text=of(str),
            extract_data=of(DataPayload),
            extract_progress=of(Progress),
            extract_message=of(dict),
            extract_error=lambda chunk: chunk[0] if isinstance(chunk, tuple) else None,
        )


async def consume(source: Any, **options: Any) -> tuple[l0.Stream, list[Event]]:
    stream = await l0.run(source, **{"retry": FAST, **options})
    return stream, [event async for event in stream]


def run(source: Any, **options: Any) -> tuple[l0.Stream, list[Event]]:
    return asyncio.run(consume(source, **options))


def found(events: list[Event]) -> list[Any]:
    return [event.text or event.payload or event.progress or event.data for event in events[:-1]]


FOUND = st.one_of(
    st.text(min_size=1, max_size=3).filter(lambda text: not text.isspace()),
    st.builds(image, st.sampled_from("uvw")),
    st.builds(Progress, st.integers(0, 100)),
)


@settings(deadline=None)
@given(st.lists(FOUND).filter(lambda chunks: any(not isinstance(chunk, Progress) for chunk in chunks)))
def test_what_the_provider_says_is_delivered_and_kept_in_the_state(chunks: list[Found]) -> None:
    stream, events = run(Provider(chunks))
    assert found(events) == chunks
    assert [event.type for event in events].index(EventType.COMPLETE) == len(events) - 1
    state = stream.state
    assert state.content == "".join(chunk for chunk in chunks if isinstance(chunk, str))
    assert state.data_outputs == [chunk for chunk in chunks if isinstance(chunk, DataPayload)]
    progress = [chunk for chunk in chunks if isinstance(chunk, Progress)]
    assert state.last_progress == (progress[-1] if progress else None)
    assert (state.outcome, stream.errors) == ("complete", [])


@settings(deadline=None)
@given(st.lists(FOUND, min_size=1), st.data())
def test_a_restart_delivers_nothing_twice(chunks: list[Found], data: st.DataObject) -> None:
    answer = [image("first"), *chunks]
    cut = data.draw(st.integers(0, len(answer)))
    provider = Provider([*answer[:cut], GONE], answer)
    stream, events = run(provider)
    assert stream.state.data_outputs == [chunk for chunk in answer if isinstance(chunk, DataPayload)]
    assert stream.state.content == "".join(chunk for chunk in answer if isinstance(chunk, str))
    assert [event.payload for event in events if event.is_data] == stream.state.data_outputs
    assert "".join(event.text or "" for event in events) == stream.state.content
    assert not any(event.is_reset for event in events)
    assert (provider.calls, provider.open, stream.state.network_retry_count) == (2, 0, 1)


@pytest.mark.parametrize("guardrails", [None, ["zero_output"]])
def test_an_image_alone_is_an_answer(guardrails: Any) -> None:
    provider = Provider([image("u")])
    stream, _ = run(provider, guardrails=guardrails)
    assert stream.state.outcome == "complete"
    assert (provider.calls, stream.state.violations, stream.errors) == (1, [], [])


def test_a_message_alone_is_an_answer_and_repeated_silently() -> None:
    message = {"value": "m", "role": "user"}
    _, events = run(Provider([message, GONE], [message]))
    assert events == [Event(EventType.MESSAGE, "m", {"role": "user"}), Event(EventType.COMPLETE)]


def test_progress_alone_is_no_answer() -> None:
    with pytest.raises(l0.ZeroOutput):
        run(Provider([Progress(100)]), retry=l0.Retry(max_retries=0))


def test_an_error_that_the_provider_reports_in_a_chunk_is_retried() -> None:
    provider = Provider(["a", (GONE,)], ["a", "b"])
    stream, _ = run(provider)
    assert (stream.state.content, provider.open) == ("ab", 0)
    assert [type(error) for error in stream.errors] == [ConnectionResetError]


def test_the_next_source_is_asked_when_the_first_has_failed_for_good() -> None:
    first, second = Provider([image("u"), GONE]), Provider([image("u"), image("v")])
    stream, _ = run(first, fallbacks=[second], retry=l0.Retry(max_retries=0))
    assert stream.state.data_outputs == [image("u"), image("v")]
    assert (stream.state.fallback_index, first.open, second.open) == (1, 0, 0)


def test_what_was_not_released_of_a_failed_attempt_is_not_delivered() -> None:
    stream, events = run(Provider(["a", image("bad"), GONE], ["a", image("good")]), release="complete")
    assert stream.state.data_outputs == [image("good")]
    assert found(events) == ["a", image("good")]


def test_a_mistake_in_a_function_is_raised_and_not_tried_again() -> None:
    provider = Provider([{"text": "a"}], [{"text": "a"}])

    async def main() -> None:
        stream = await l0.run(
            lambda: Multimodal.to_events(provider.chunks(), extract_text=lambda chunk: chunk["txt"]), retry=FAST
        )
        with pytest.raises(KeyError, match="txt"):
            await stream.read()
        assert (stream.state.outcome, [type(error) for error in stream.errors]) == ("error", [KeyError])

    asyncio.run(main())
    assert (provider.calls, provider.open) == (1, 0)


@pytest.mark.parametrize("mistake", [{}, {"extract_text": "text"}])
def test_a_mistake_in_the_call_is_raised_and_not_tried_again(mistake: Any) -> None:
    calls = 0

    def source() -> Any:
        nonlocal calls
        calls += 1
        return Multimodal.to_events(Provider(["a"]).chunks(), **mistake)

    with pytest.raises(TypeError, match=r"give at least one of|takes a function"):
        run(source)
    assert calls == 1


@pytest.mark.parametrize("after", range(1, 4))
def test_a_consumer_that_leaves_closes_the_provider(after: int) -> None:
    provider = Provider(["a", image("u"), Progress(50), "b"])

    async def main() -> None:
        seen = 0
        async with await l0.run(provider) as stream:
            async for _ in stream:
                seen += 1
                if seen == after:
                    assert provider.open == 1
                    break
        assert provider.open == 0

    asyncio.run(main())


def test_progress_keeps_a_slow_image_alive() -> None:
    """An hour, ten seconds at a time, with a deadline of fifteen between two things that are said."""
    hour: list[Any] = [chunk for step in range(360) for chunk in (Progress(step=step, total_steps=360), 10.0)]
    provider = Provider([*hour, image("u")])
    stream, _ = virtual.run(consume(provider, timeout=l0.Timeout(initial_token=15_000, inter_token=15_000)))
    assert stream.state.data_outputs == [image("u")]
    assert stream.errors == []


def test_a_provider_that_falls_silent_is_closed_and_tried_again() -> None:
    provider = Provider([image("u"), 3600.0], [image("u"), image("v")])
    timeout = l0.Timeout(initial_token=15_000, inter_token=15_000)
    stream, _ = virtual.run(consume(provider, timeout=timeout), limit=60)
    assert stream.state.data_outputs == [image("u"), image("v")]
    assert [type(error) for error in stream.errors] == [l0.TimeoutError]
    assert provider.open == 0
