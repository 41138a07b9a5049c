"""What a consumer gets: every token once, one end, and a state that says the same as the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0 import Event, EventType
from l0_core.tool_calls import is_whole
from l0_testing import FakeProvider, Mishap, text_of
from l0_testing.virtual import run

from l0_core import hookimpl

TOKENS = ("The ", "quick ", "brown ", "fox")
FAST = l0.Retry(base_delay=0)
ONCE = l0.Retry(max_retries=0)


def token(text: str, choice: int = 0) -> Event:
    return Event(EventType.TOKEN, text, choice=choice)


async def collect(stream: l0.Stream) -> list[Event]:
    return [event async for event in stream]


def test_a_plain_stream() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider)
        events = await collect(stream)
        assert [event.text for event in events] == [*TOKENS, None]
        assert events[-1] == Event(EventType.COMPLETE, data={"finish_reason": "stop"})
        state = stream.state
        assert (state.content, state.token_count, state.outcome) == (provider.text, 4, "complete")
        assert (state.completed, state.aborted, state.finish_reason) == (True, False, "stop")
        assert stream.errors == []
        assert await stream.read() == provider.text

    run(main())


def test_reading_iterating_and_helpers_agree() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 2)], texts=[("The ", "slow "), TOKENS])
        text = provider.text
        assert await (await l0.run(provider, adapter=provider, retry=FAST)).read() == text
        for helper in (l0.consume_stream, l0.get_text):
            provider.opened = 0
            assert await helper(await l0.run(provider, adapter=provider, retry=FAST)) == text  # type: ignore[operator]
        provider.opened = 0
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        with pytest.raises(RuntimeError, match="withdrawn"):
            async for _ in stream.text():
                pass
        await stream.aclose()
        assert provider.open == 0
        same = FakeProvider(TOKENS, [Mishap("raise", 2)])
        pieces = [piece async for piece in (await l0.run(same, adapter=same, retry=FAST)).text()]
        assert "".join(pieces) == text

    run(main())


def test_strings_and_events_and_adapted_events_are_read_as_they_are() -> None:
    async def strings() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def adapted() -> AsyncIterator[Any]:
        yield l0.AdaptedEvent(token("a"), raw_chunk=1)
        yield l0.AdaptedEvent(token("b"), raw_chunk=2)

    async def events() -> AsyncIterator[Event]:
        yield token("a")
        yield token("b")
        yield Event(EventType.COMPLETE, usage={"output_tokens": 2})

    async def main() -> None:
        for source in (strings, adapted, events):
            stream = await l0.run(source, keep_raw=True)
            assert await stream.read() == "ab"
        assert stream.state.usage == {"output_tokens": 2}
        stream = await l0.run(adapted, keep_raw=True)
        await stream.read()
        assert stream.raw() == [1, 2]
        with pytest.raises(RuntimeError, match="keep_raw=True"):
            (await l0.run(adapted)).raw()

    run(main())


@pytest.mark.parametrize("item", [42, {"text": "a"}, object()])
def test_what_nobody_can_read_is_an_error_that_says_what_it_is(item: object) -> None:
    async def source() -> AsyncIterator[object]:
        yield item

    async def main() -> None:
        with pytest.raises(l0.AdapterNotFound, match=type(item).__name__):
            await (await l0.run(source, retry=FAST)).read()
        with pytest.raises(l0.AdapterNotFound, match="synchronous"):
            await (await l0.run(lambda: iter(["a"]))).read()
        with pytest.raises(l0.AdapterNotFound, match="int"):
            await (await l0.run(lambda: 42)).read()

    run(main())


def test_a_raw_stream_is_watched_and_never_retried() -> None:
    opened = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal opened
        opened += 1
        yield token("part1 ")
        yield token("part2 ")
        raise ConnectionResetError("gone")

    async def main() -> None:
        stream = l0.wrap(source())
        texts = []
        with pytest.raises(ConnectionResetError) as caught:
            async for event in stream:
                texts.append(event.text)
        assert texts == ["part1 ", "part2 "]
        assert caught.value.partial == "part1 part2 "  # type: ignore[attr-defined]
        assert (stream.state.outcome, opened) == ("error", 1)
        with pytest.raises(ConnectionResetError):
            await stream.read()

        async def later() -> AsyncIterator[Event]:
            return source_of("a", "b")

        assert await l0.wrap(later()).read() == "ab"
        unawaited = l0.wrap(later())
        await unawaited.aclose()

    run(main())


async def source_of(*texts: str) -> AsyncIterator[Event]:
    for text in texts:
        yield token(text)


# Ends.


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_short_says_so_and_is_not_asked_for_again(reason: str) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, finish_reason=reason)
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        events = await collect(stream)
        assert events[-1].is_complete
        assert events[-1].data == {"finish_reason": reason}
        assert (stream.state.outcome, stream.state.completed) == ("incomplete", False)
        assert (stream.state.content, provider.opened) == (provider.text, 1)

    run(main())


def test_a_stream_without_proof_is_never_complete() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("truncate", 3)] * 9)
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(max_retries=2, base_delay=0))
        with pytest.raises(l0.Truncated) as caught:
            await stream.read()
        assert (stream.state.outcome, provider.opened) == ("error", 3)
        assert stream.state.content == "".join(TOKENS[:3])
        assert caught.value.attempts == 3  # type: ignore[attr-defined]

    run(main())


@pytest.mark.parametrize("texts", [[], ["", ""], ["\n", "  "]])
def test_an_empty_answer_is_asked_for_again_and_not_the_models_fault(texts: list[str]) -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, texts=[texts, texts])
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(attempts=0, base_delay=0))
        events = await collect(stream)
        assert text_of(events) == provider.text == stream.state.content
        assert sum(event.is_complete for event in events) == 1
        assert (provider.opened, stream.state.model_retry_count) == (3, 0)
        assert [type(error) for error in stream.errors] == [l0.ZeroOutput, l0.ZeroOutput]

    run(main())


def test_an_adapters_error_event_is_a_failure() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield token("a")
        if attempts == 1:
            yield Event(EventType.ERROR, error=ConnectionResetError("gone"))
        yield token("b")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        assert await stream.read() == "ab"
        assert attempts == 2

    run(main())


# Restarts.


def test_a_restart_that_says_the_same_is_not_seen() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", at) for at in (1, 2, 3)])
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        events = await collect(stream)
        assert [event.text for event in events if event.is_token] == list(TOKENS)
        assert not any(event.is_reset for event in events)
        assert [str(error) for error in stream.errors] == ["scripted"] * 3
        assert all(error.__traceback__ is None for error in stream.errors)

    run(main())


@given(
    tokens=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8).filter(lambda t: not "".join(t).isspace()),
    others=st.lists(st.lists(st.text(min_size=1, max_size=5), max_size=8), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 8), min_size=4, max_size=4),
    shared=st.integers(0, 30),
)
@settings(max_examples=300, deadline=None)
def test_whatever_restarts_say_the_consumer_has_what_the_last_one_said(
    tokens: list[str], others: list[list[str]], cuts: list[int], shared: int
) -> None:
    """Each restart may begin like the answer and then differ, be shorter, or be cut into other tokens."""
    text = "".join(tokens)
    others = [[*filter(None, [text[:shared]]), *other] for other in others]

    async def main() -> None:
        provider = FakeProvider(
            tokens,
            [Mishap("raise", min(cut, len(other))) for cut, other in zip(cuts, others, strict=False)],
            texts=others,
        )
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        seen: list[Event] = []
        async for event in stream:
            seen.append(event)
            assert text_of(seen) == stream.state.content or event.is_complete
        assert text_of(seen) == text == stream.state.content
        assert sum(event.is_complete for event in seen) == 1
        assert provider.open == 0

    run(main())


def test_a_shorter_restart_withdraws_the_rest() -> None:
    async def main() -> None:
        provider = FakeProvider(("ab",), [Mishap("raise", 2)], texts=[("ab", "cd"), ("ab",)])
        stream = await l0.run(provider, adapter=provider, retry=FAST)
        events = await collect(stream)
        assert [(event.type.value, event.text, event.data) for event in events] == [
            ("token", "ab", None),
            ("token", "cd", None),
            ("reset", None, {"keep": 2}),
            ("complete", None, {"finish_reason": "stop"}),
        ]
        assert stream.state.content == "ab"

    run(main())


def test_reset_withdraws_everything_and_fail_raises() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
        events = await collect(await l0.run(provider, adapter=provider, retry=FAST, on_interrupt="reset"))
        assert [event.data["keep"] for event in events if event.is_reset] == [0]  # type: ignore[index]
        assert text_of(events) == provider.text

        provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, on_interrupt="fail")
        with pytest.raises(ConnectionResetError):
            await stream.read()
        assert provider.opened == 1

        provider = FakeProvider(TOKENS, [Mishap("raise", 0)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, on_interrupt="fail")
        assert await stream.read() == provider.text

        with pytest.raises(ValueError, match="on_interrupt"):
            await l0.run(provider, on_interrupt="panic")

    run(main())


@pytest.mark.parametrize("watched", [False, True])
def test_a_stream_that_has_started_is_iterated_from_its_beginning(watched: bool) -> None:
    told: list[Event] = []
    options: dict[str, Any] = {"on_stream_event": told.append} if watched else {}

    async def source() -> AsyncIterator[Event]:
        yield Event(EventType.PROGRESS, progress=l0.Progress(percent=1))
        yield token("\n")
        yield token("a")
        yield token("b")

    async def main() -> None:
        stream = await l0.run(source, **options)
        assert await stream.started()
        assert stream.state.content == "\na"
        assert await stream.started()
        assert [event.text for event in await collect(stream)] == [None, "\n", "a", "b", None]
        assert await stream.read() == "\nab"
        assert not await stream.started()
        assert len(told) == 5 * watched

    run(main())


def test_a_stream_that_has_started_is_closed_by_every_door() -> None:
    async def main() -> None:
        for leave in ("aclose", "abort", "break", "raise"):
            provider = FakeProvider(("a", "b"), [Mishap("stall", 1)])
            stream = await l0.run(provider, adapter=provider)
            assert await stream.started()
            assert provider.open == 1
            if leave == "aclose":
                await stream.aclose()
            elif leave == "abort":
                stream.abort()
                assert [event.text for event in await collect(stream)] == ["a"]
            elif leave == "break":
                async with stream:
                    async for _ in stream:
                        break
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1), stream:
                        await collect(stream)
            assert provider.open == 0
            assert stream.state.aborted

    run(main())


def test_starting_raises_what_iterating_raises() -> None:
    async def main() -> None:
        provider = FakeProvider(("a",), [Mishap("refuse")] * 9)
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(attempts=0, max_retries=0))
        with pytest.raises(ConnectionResetError):
            await stream.started()

    run(main())


@pytest.mark.parametrize(
    "options", [{}, {"on_interrupt": "reset"}, {"release": "complete"}, {"guardrails": "recorded"}]
)
@pytest.mark.parametrize("mishap", [Mishap("raise", 2), Mishap("stall", 2), Mishap("truncate", 3)])
def test_what_a_stream_within_a_stream_withdraws_is_withdrawn(mishap: Mishap, options: dict[str, Any]) -> None:
    """As from a wrapped client whose stream breaks, and whose next answer is another: it is not asked again for it."""
    seen: list[str] = []

    class Recorded:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            said: list[str] = []

            def judge(delta: str, final: bool) -> None:
                said.append(delta)
                if final:
                    seen.append("".join(said))

            return judge

    async def main() -> None:
        provider = FakeProvider(("one ", "two ", "three"), [mishap], texts=[("one ", "two ", "zwei "), ("one ", "dos")])
        within = {"retry": FAST, "timeout": l0.Timeout(inter_token=1000)}
        chosen: dict[str, Any] = {"guardrails": [Recorded()]} if "guardrails" in options else options
        stream = await l0.run(lambda: l0.run(provider, adapter=provider, **within), retry=FAST, **chosen)
        text = ""
        async for event in stream:
            text = text[: event.data["keep"]] if event.is_reset and event.data else text + (event.text or "")
        assert text == stream.state.content == "one dos"
        assert (stream.state.outcome, provider.opened, provider.open) == ("complete", 2, 0)
        assert seen == ["one dos"] * len(seen)
        assert len(seen) == ("guardrails" in options)

    run(main())


def test_a_stream_within_a_stream_is_read_as_what_it_is_and_is_whole_or_is_not() -> None:
    async def main() -> None:
        provider = FakeProvider(("a", "b"))
        inner: list[l0.Stream] = []

        async def aborting() -> l0.Stream:
            stream = await l0.run(provider, adapter=provider)
            inner.append(stream)
            if len(inner) == 1:
                stream.abort()
            return stream

        outer = await l0.run(aborting, adapter=provider, retry=FAST)
        assert await outer.read() == "ab"
        assert len(inner) == 2
        alone = await l0.run(provider, adapter=provider)
        alone.abort()
        with pytest.raises(l0.Truncated):
            await (await l0.run(alone)).read()

    run(main())


def test_a_stream_within_a_stream_may_withdraw_again_and_again() -> None:
    async def main() -> None:
        texts = [("one ", "two"), ("one ", "zwei"), ("eins ", "zwei"), ("uno ", "dos")]
        provider = FakeProvider((), [Mishap("raise", 2)] * 3, texts=texts)
        stream = await l0.run(lambda: l0.run(provider, adapter=provider, retry=FAST), retry=FAST)
        text = ""
        async for event in stream:
            text = text[: event.data["keep"]] if event.is_reset and event.data else text + (event.text or "")
        assert text == stream.state.content == "uno dos"
        assert (provider.opened, provider.open) == (4, 0)

    run(main())


def test_what_a_stream_within_a_stream_has_given_up_is_not_tried_again() -> None:
    async def main() -> None:
        dead, other = FakeProvider(("a",), [Mishap("refuse")] * 99), FakeProvider(("b",))
        within = l0.Retry(attempts=2, max_retries=2, base_delay=0)
        outer = await l0.run(lambda: l0.run(dead, adapter=dead, retry=within), retry=FAST)
        with pytest.raises(ConnectionResetError):
            await outer.read()
        assert dead.opened == 3
        outer = await l0.run(
            lambda: l0.run(dead, adapter=dead, retry=within),
            fallbacks=[lambda: l0.run(other, adapter=other)],
            retry=FAST,
        )
        assert await outer.read() == "b"
        assert (dead.opened, other.opened) == (6, 1)

    run(main())


def test_withdrawn_text_is_a_failure_where_it_may_not_be_withdrawn() -> None:
    async def main() -> None:
        provider = FakeProvider(("one ", "two"), [Mishap("raise", 1)], texts=[("one ", "two"), ("uno",)])
        stream = await l0.run(lambda: l0.run(provider, adapter=provider, retry=FAST), on_interrupt="fail", retry=FAST)
        with pytest.raises(l0.Truncated, match="withdrew"):
            await stream.read()
        assert provider.open == 0

    run(main())


def test_a_generator_that_passes_on_what_is_withdrawn_is_asked_again() -> None:
    async def main() -> None:
        provider = FakeProvider(("one ", "two"), [Mishap("raise", 1)], texts=[("one ", "two"), ("uno",), ("uno",)])

        async def passing() -> AsyncIterator[Event]:
            async with await l0.run(provider, adapter=provider, retry=FAST) as inner:
                async for event in inner:
                    yield event

        stream = await l0.run(passing, retry=FAST)
        assert await stream.read() == "uno"
        assert (provider.opened, provider.open) == (3, 0)

    run(main())


def image(url: str, **fields: Any) -> Event:
    return Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, url=url), **fields)


@pytest.mark.parametrize(
    ("attempts", "urls"),
    [
        (["a", "ab"], "ab"),
        (["a", "x", "x"], "ax"),
        (["ab", "b", "ba"], "ab"),
        (["aa", "aaa"], "aaa"),
        (["ab", "c", "abc"], "abc"),
    ],
)
def test_an_output_that_some_attempt_delivered_is_not_delivered_again(attempts: list[str], urls: str) -> None:
    left = iter(attempts)

    async def source() -> AsyncIterator[Event]:
        for moment, url in enumerate(next(left)):
            yield image(url, timestamp=float(moment))
        if left.__length_hint__():
            raise ConnectionResetError("gone")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        await collect(stream)
        assert "".join(payload.url or "" for payload in stream.state.data_outputs) == urls

    run(main())


def test_what_is_held_to_the_end_is_held_from_the_first_event_on() -> None:
    left = iter((["bad"], ["good"]))

    async def source() -> AsyncIterator[Event]:
        urls = next(left)
        yield Event(EventType.PROGRESS, progress=l0.Progress(percent=50))
        for url in urls:
            yield image(url)
        if urls == ["bad"]:
            raise ConnectionResetError("gone")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST, release="complete")
        events = await collect(stream)
        assert [event.payload.url for event in events if event.payload] == ["good"]
        assert stream.state.last_progress == l0.Progress(percent=50)

    run(main())


def test_reasoning_refusals_and_other_choices_are_not_the_answer_and_are_not_repeated() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield Event(EventType.REASONING, "Let me ")
        yield Event(EventType.REASONING, "see. ")
        yield Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, url="x"))
        yield token("b0", choice=1)
        yield token("a0")
        yield Event(EventType.REFUSAL, "no")
        if attempts == 1:
            raise ConnectionResetError("gone")
        yield token("b1", choice=1)
        yield token("a1")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        events = await collect(stream)
        state = stream.state
        assert (state.content, state.reasoning, state.refusal) == ("a0a1", "Let me see. ", "no")
        assert state.choices == {1: "b0b1"}
        assert len(state.data_outputs) == 1
        said = [(event.type.value, event.text, event.choice) for event in events if event.text]
        assert said == [
            ("reasoning", "Let me ", 0),
            ("reasoning", "see. ", 0),
            ("token", "b0", 1),
            ("token", "a0", 0),
            ("refusal", "no", 0),
            ("token", "b1", 1),
            ("token", "a1", 0),
        ]
        assert not any(event.is_reset for event in events)

    run(main())


def test_reasoning_that_differs_is_withdrawn() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield Event(EventType.REASONING, "first " if attempts == 1 else "fine")
        if attempts == 1:
            raise ConnectionResetError("gone")
        yield token("a")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        events = await collect(stream)
        resets = [event.data for event in events if event.is_reset]
        assert resets == [{"keep": 0, "reasoning": 2}]
        assert stream.state.reasoning == "fine"

    run(main())


# Tool calls.


def fragment(**fields: Any) -> Event:
    return Event(EventType.PROGRESS, data={"tool_call": fields})


def part(
    index: int | None, id: str | None = None, name: str | None = None, arguments: str | None = None
) -> dict[str, Any]:
    return {"index": index, "id": id, "name": name, "arguments": arguments}


def test_a_tool_call_is_delivered_once_whole_and_at_the_end() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield fragment(index=0, id=f"call{attempts}", name="pay", arguments="")
        yield fragment(index=0, id=None, name=None, arguments='{"amount": 10')
        if attempts == 1:
            raise ConnectionResetError("gone")
        yield fragment(index=0, id=None, name=None, arguments="0}")

    async def main() -> None:
        calls: list[Any] = []
        stream = await l0.run(source, retry=FAST, on_tool_call=lambda *call: calls.append(call))
        events = await collect(stream)
        delivered = [event.data for event in events if event.is_tool_call]
        assert delivered == [{"id": "call2", "name": "pay", "arguments": '{"amount": 100}', "index": 0}]
        assert calls == [("pay", "call2", {"amount": 100})]
        assert [event.type.value for event in events[-2:]] == ["tool_call", "complete"]
        assert stream.state.tool_calls == delivered

    run(main())


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        ([part(0, "a", "f", "{}"), part(1, "b", "g", '{"x":1}')], [("a", "f", "{}"), ("b", "g", '{"x":1}')]),
        # Every call under index 0: a new id begins a new call, and what follows belongs to it.
        (
            [part(0, "a", "f", "{"), part(0, arguments="}"), part(0, "b", "g", '{"x"'), part(0, arguments=":1}")],
            [("a", "f", "{}"), ("b", "g", '{"x":1}')],
        ),
        # No index, and then no id either.
        (
            [part(None, "a", "f", '{"a"'), part(None, arguments=":1}"), part(None, "b", "g", "{}")],
            [("a", "f", '{"a":1}'), ("b", "g", "{}")],
        ),
        # No arguments at all.
        ([part(0, "a", "f")], [("a", "f", "{}")]),
        # Interleaved.
        (
            [part(0, "a", "f", "{"), part(1, "b", "g", "{"), part(0, arguments="}"), part(1, arguments="}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
    ],
)
def test_fragments_belong_together_however_they_are_numbered(
    fragments: list[dict[str, Any]], expected: list[tuple[str, str, str]]
) -> None:
    async def source() -> AsyncIterator[Event]:
        for fields in fragments:
            yield fragment(**fields)

    async def main() -> None:
        stream = await l0.run(source, retry=ONCE)
        await stream.read()
        assert [(call["id"], call["name"], call["arguments"]) for call in stream.state.tool_calls] == expected

    run(main())


def test_a_tool_call_that_is_not_whole_is_never_delivered() -> None:
    def broken(arguments: str, reason: str) -> Any:
        async def source() -> AsyncIterator[Event]:
            yield fragment(index=0, id="a", name="pay", arguments=arguments)
            yield Event(EventType.COMPLETE, data={"finish_reason": reason})

        return source

    async def main() -> None:
        for arguments in ('{"amount": 10', "10", '["x"]', "not json"):
            stream = await l0.run(broken(arguments, "tool_calls"), retry=l0.Retry(attempts=2, base_delay=0))
            events = []
            with pytest.raises(l0.InvalidToolCall):
                async for event in stream:
                    events.append(event)
            assert not any(event.is_tool_call for event in events)
            assert stream.state.model_retry_count == 2
        for arguments in ('{"amount": 10', '{"amount": 10}'):
            stream = await l0.run(broken(arguments, "length"), retry=FAST)
            events = await collect(stream)
            assert not any(event.is_tool_call for event in events)
            assert stream.state.outcome == "incomplete"

    run(main())


def test_a_whole_call_of_an_adapter_is_delivered_at_once_and_then_nothing_is_repeated() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield Event(EventType.TOOL_CALL, data={"id": "a", "name": "pay", "arguments": {"amount": 10}})
        raise ConnectionResetError("gone")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        seen = []
        with pytest.raises(ConnectionResetError):
            async for event in stream:
                seen.append(event.data)
        assert seen == [{"id": "a", "name": "pay", "arguments": '{"amount": 10}'}]
        assert attempts == 1

    run(main())


def test_buffered_tool_calls_come_without_their_fragments() -> None:
    async def source() -> AsyncIterator[Event]:
        yield fragment(index=0, id="a", name="f", arguments="{}")

    async def main() -> None:
        kinds = [event.type.value for event in await collect(await l0.run(source, buffer_tool_calls=True))]
        assert kinds == ["tool_call", "complete"]

    run(main())


# Limits, factories, callbacks.


def test_limits_stop_a_runaway() -> None:
    async def endless() -> AsyncIterator[Event]:
        while True:
            yield token("x" * 100)

    async def main() -> None:
        for kind in (EventType.TOKEN, EventType.REASONING):

            async def source(kind: EventType = kind) -> AsyncIterator[Event]:
                while True:
                    yield Event(kind, "x" * 100)

            stream = await l0.run(source, limits=l0.Limits(max_output_chars=1000), retry=FAST)
            with pytest.raises(l0.OutputLimitExceeded, match="max_output_chars: 1000"):
                await stream.read()
            assert len(stream.state.content) <= 1000
            assert len(stream.errors) == 1
        stream = await l0.run(lambda: source_of("a", "é" * 100), limits=l0.Limits(max_event_bytes=150), retry=FAST)
        with pytest.raises(l0.OutputLimitExceeded, match="200 bytes"):
            await stream.read()
        assert stream.state.content == "a"

    run(main())


def test_factories_take_nothing_or_the_attempt() -> None:
    seen: list[Any] = []

    class Factory:
        def __call__(self, attempt: Any) -> AsyncIterator[Event]:
            seen.append((attempt.number, attempt.source, attempt.kept, attempt.deadline, attempt.idempotency_key))
            return source_of("a")

        def method(self, attempt: Any) -> AsyncIterator[Event]:
            return self(attempt)

    async def main() -> None:
        await (await l0.run(Factory())).read()
        await (await l0.run(Factory().method, timeout=l0.Timeout(total=1000))).read()
        text = "b"
        assert await (await l0.run(lambda text=text: source_of(text))).read() == "b"
        assert await (await l0.run(lambda *, text=text: source_of(text))).read() == "b"

    run(main())
    assert seen[0][:4] == (1, 0, "", None)
    assert seen[1][3] == pytest.approx(1.0, abs=0.01)
    assert seen[0][4] != seen[1][4]


def test_fallbacks_are_tried_in_order_and_never_glued_together() -> None:
    async def main() -> None:
        primary = FakeProvider(("PRIMARY ", "text"), [Mishap("raise", 1, PermissionError(13, "no"))] * 9)
        error = RuntimeError("401")
        error.status_code = 401  # type: ignore[attr-defined]
        primary = FakeProvider(("PRIMARY ", "text"), [Mishap("raise", 1, error)] * 9)
        other = FakeProvider(("fall", "back"), [Mishap("refuse")] * 2)
        stream = await l0.run(primary, fallbacks=[other], adapter=primary, retry=FAST)
        events = await collect(stream)
        assert text_of(events) == "fallback" == stream.state.content
        assert (primary.opened, other.opened, stream.state.fallback_index) == (1, 3, 1)
        assert [type(e).__name__ for e in stream.errors] == ["RuntimeError"] + ["ConnectionResetError"] * 2

    run(main())


def test_observers_that_raise_change_nothing() -> None:
    def raising(*_: object) -> None:
        raise asyncio.CancelledError("mine")

    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 2)])
        names = "on_event on_token on_start on_complete on_error on_retry on_violation on_timeout on_abort".split()
        later: list[int] = []

        async def on_complete(state: l0.State) -> None:
            await asyncio.sleep(0)
            later.append(state.token_count)

        stream = await l0.run(provider, adapter=provider, retry=FAST, **dict.fromkeys(names, raising))
        assert await stream.read() == provider.text
        stream = await l0.run(provider, adapter=provider, on_complete=on_complete)
        await stream.read()
        assert later == [4]
        with pytest.raises(TypeError, match="on_token"):
            await l0.run(provider, on_token="print")
        with pytest.raises(TypeError, match="did you mean 'guardrails'"):
            await l0.run(provider, guardrail=[])

    run(main())


def test_keyboard_interrupt_in_a_handler_passes_through() -> None:
    def handler(text: str) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, on_token=handler)
        with pytest.raises(KeyboardInterrupt):
            await anext(stream)
        assert provider.open == 0

    run(main())


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=20), st.data())
@settings(max_examples=200, deadline=None)
def test_content_is_the_tokens_joined_whenever_it_is_read(tokens: list[str], data: st.DataObject) -> None:
    looks = data.draw(st.sets(st.integers(0, len(tokens))))
    if "".join(tokens).isspace():
        return

    async def main() -> None:
        provider = FakeProvider(tokens)
        stream = await l0.run(provider, adapter=provider)
        index = 0
        async for event in stream:
            index += event.is_token
            if index in looks:
                assert stream.state.content == "".join(tokens[:index])
                assert stream.state.token_count == index
        assert stream.state.content == "".join(tokens)

    run(main())


def test_the_first_answer_is_the_text_of_a_stream_of_several() -> None:
    async def events() -> AsyncIterator[Event]:
        for event in (
            token("a"),
            token("x", choice=1),
            token("b"),
            Event(EventType.RESET, data={"keep": 1}),
            token("c"),
        ):
            yield event

    assert run(l0.consume_stream(events())) == "ac"


def test_another_choice_that_differs_is_withdrawn_by_itself() -> None:
    attempts = 0

    async def source() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        yield token("a0")
        yield token("b first" if attempts == 1 else "b fine", choice=1)
        if attempts == 1:
            raise ConnectionResetError("gone")

    async def main() -> None:
        stream = await l0.run(source, retry=FAST)
        resets = [(event.data, event.choice) for event in await collect(stream) if event.is_reset]
        assert resets == [({"keep": 4}, 1)]
        assert (stream.state.content, stream.state.choices) == ("a0", {1: "b fine"})

    run(main())


def test_an_event_is_measured_in_bytes_and_not_in_what_it_might_take() -> None:
    async def main() -> None:
        for text, fits in (("abcd", True), ("ä" * 3, True), ("ä" * 4, False)):
            provider = FakeProvider((text, "."))
            stream = await l0.run(provider, adapter=provider, limits=l0.Limits(max_event_bytes=6), retry=ONCE)
            if fits:
                assert await stream.read() == provider.text
            else:
                with pytest.raises(l0.OutputLimitExceeded, match="One event holds 8 bytes of text"):
                    await stream.read()

    run(main())


def test_an_attempt_tells_a_factory_whose_it_is() -> None:
    seen: list[Any] = []

    def factory(attempt: Any) -> AsyncIterator[Event]:
        seen.append((attempt.stream_id, attempt.idempotency_key, dict(attempt.context)))
        return source_of("a")

    async def main() -> None:
        stream = await l0.run(factory, context={"user": 1}, stream_id="mine")
        await stream.read()
        assert seen == [(stream.stream_id, "mine", {"user": 1})]

    run(main())


def test_a_factory_whose_signature_cannot_be_read_is_called_without_arguments() -> None:
    class Opaque:
        __signature__ = "none"

        def __call__(self) -> AsyncIterator[Event]:
            return source_of("a")

    async def main() -> None:
        assert await (await l0.run(Opaque())).read() == "a"

    run(main())


def test_an_error_that_takes_no_attributes_is_raised_as_it_is() -> None:
    class Sealed(ConnectionResetError):
        @property
        def partial(self) -> str:
            return "its own"

    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 1, Sealed("gone"))])
        stream = await l0.run(provider, adapter=provider, retry=ONCE)
        with pytest.raises(Sealed) as raised:
            await stream.read()
        assert raised.value.partial == "its own"
        assert stream.state.content == "The "

    run(main())


class Lingering:
    """An adapter whose proof is not the last thing that it reads."""

    name = "lingering"
    linger = 0.25

    def decode(self, chunk: Any) -> Any:
        return chunk


def test_what_comes_after_the_proof_is_delivered() -> None:
    async def source() -> AsyncIterator[Any]:
        yield token("a")
        yield Event(EventType.COMPLETE, data={"finish_reason": "stop"})
        yield Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, url="x"))
        yield Event(EventType.COMPLETE, data={"finish_reason": "stop"}, usage={"output_tokens": 1})

    async def main() -> None:
        stream = await l0.run(source, adapter=Lingering())
        kinds = [event.type.value for event in await collect(stream)]
        assert kinds == ["token", "data", "complete"]
        assert (len(stream.state.data_outputs), stream.state.usage) == (1, {"output_tokens": 1})
        left = await l0.run(source, adapter=Lingering())
        async for event in left:
            if event.is_data:
                left.abort()
        assert left.state.outcome == "aborted"

    run(main())


def test_text_after_the_proof_makes_it_an_ordinary_stream_again() -> None:
    """It may take its time then, as any token may, and what ends it is to be proved anew."""

    async def source(proved: bool) -> AsyncIterator[Any]:
        yield token("a")
        yield Event(EventType.COMPLETE, data={"finish_reason": "stop"})
        yield token("b")
        await asyncio.sleep(5)
        yield token("c")
        if proved:
            yield Event(EventType.COMPLETE, data={"finish_reason": "stop"})
            await asyncio.sleep(5)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stream = await l0.run(lambda: source(True), adapter=Lingering(), retry=ONCE)
        assert await stream.read() == "abc"
        assert loop.time() == pytest.approx(5.25, abs=0.01)
        stream = await l0.run(lambda: source(False), adapter=Lingering(), retry=ONCE)
        with pytest.raises(l0.Truncated):
            await stream.read()

    run(main())


def test_fragments_of_an_adapter_that_calls_them_tool_calls_are_assembled() -> None:
    async def source() -> AsyncIterator[Any]:
        yield Event(EventType.TOOL_CALL, data={"index": 0, "id": "a", "name": "pay", "arguments": '{"n"'})
        yield Event(EventType.TOOL_CALL, data={"index": 0, "arguments": ": 1}"})
        yield Event(EventType.TOOL_CALL, data={"index": 1, "id": "b", "name": "ask"})
        yield Event(EventType.TOOL_CALL, data={"id": "c", "name": "end"})

    async def main() -> None:
        stream = await l0.run(source)
        calls = [event.data for event in await collect(stream) if event.is_tool_call]
        assert [(call["name"], call["arguments"]) for call in calls if call] == [
            ("end", "{}"), ("pay", '{"n": 1}'), ("ask", "{}"),
        ]  # fmt: skip

    run(main())


@pytest.mark.parametrize("arguments", [7, ["n"], "[1]"])
def test_arguments_that_are_no_object_are_no_whole_call(arguments: Any) -> None:
    assert not is_whole({"name": "pay", "arguments": arguments})


def test_an_asynchronous_guardrail_holds_back_what_a_plain_source_says() -> None:
    judged: list[str] = []

    class Slow:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            async def judge(delta: str, final: bool) -> None:
                await asyncio.sleep(0.01)
                judged.append(delta)

            return judge

    async def main() -> None:
        stream = await l0.run(lambda: source_of(*TOKENS), guardrails=[Slow()], check_intervals={"guardrails": 2})
        async for event in stream:
            if event.text and stream.state.token_count in (1, 3):
                assert "".join(judged) == stream.state.content
        assert "".join(judged) == "".join(TOKENS)

    run(main())


def test_a_stream_within_a_stream_that_begins_anew_and_is_left_is_not_whole() -> None:
    async def main() -> None:
        provider = FakeProvider(
            (), [Mishap("raise", 2), Mishap("stall", 2)], texts=[("one ", "two"), ("uno ", "dos", "tres")]
        )
        inner = await l0.run(provider, adapter=provider, retry=FAST)
        outer = await l0.run(inner, retry=ONCE)
        asyncio.get_running_loop().call_later(1, inner.abort)
        with pytest.raises(l0.Truncated):
            await outer.read()
        assert outer.state.content == "uno dos"
        assert provider.open == 0

    run(main())


class Whole:
    """An adapter for events: only COMPLETE proves the end."""

    name = "whole"

    def decode(self, chunk: Any) -> Any:
        return chunk


@pytest.mark.parametrize("pace", [0, 1])
@pytest.mark.parametrize("adapter", [None, Whole()])
def test_whatever_a_source_says_amid_its_text_is_delivered_and_gives_it_time(adapter: Any, pace: int) -> None:
    """Between two outputs there is so much time, of whatever kind they are."""
    said = [
        token("a"),
        Event(EventType.REASONING, "hm"),
        Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, url="x")),
        token("b"),
        token("c", choice=1),
        token("d"),
        Event(EventType.COMPLETE),
    ]

    async def source() -> AsyncIterator[Event]:
        for event in said:
            if pace:
                await asyncio.sleep(pace)
            yield event

    async def main() -> None:
        stream = await l0.run(source, adapter=adapter, timeout=l0.Timeout(inter_token=1500), retry=ONCE)
        events = await collect(stream)
        assert [(event.type, event.text, event.choice) for event in events] == [
            (event.type, event.text, event.choice) for event in said
        ]
        assert (stream.state.content, stream.state.choices) == ("abd", {1: "c"})

    run(main())


@pytest.mark.parametrize("policy", ["verify", "reset"])
def test_of_a_restart_that_says_nothing_in_a_channel_nothing_is_left_of_it(policy: str) -> None:
    """Two answers are never glued together, whatever the second consists of."""
    call = Event(EventType.TOOL_CALL, data={"id": "a", "name": "pay", "arguments": "{}"})

    async def main() -> None:
        for answer in (call, token("No.")):
            attempts = 0

            async def source(answer: Event = answer) -> AsyncIterator[Event]:
                nonlocal attempts
                attempts += 1
                if attempts == 1:
                    yield Event(EventType.REASONING, "thinking ")
                    yield token("I will pay ")
                    raise ConnectionResetError("gone")
                yield answer

            stream = await l0.run(source, retry=FAST, on_interrupt=policy)
            assert text_of(await collect(stream)) == stream.state.content == (answer.text or "")
            assert stream.state.reasoning == ""

    run(main())
