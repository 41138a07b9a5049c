"""Chat-completion chunks, whole and odd, as events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0 import Event, EventType
from openai.types.chat import ChatCompletionChunk

from l0_openai import ChatCompletionStream, OpenAIAdapter, OpenAIAdapterOptions


def chunk(*choices: dict[str, Any], **fields: Any) -> ChatCompletionChunk:
    made = [{"index": 0, "finish_reason": None, **choice} for choice in choices]
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return ChatCompletionChunk.model_validate({**base, "choices": made, **fields})


def text(content: str | None, **choice: Any) -> ChatCompletionChunk:
    return chunk({"delta": {"content": content}, **choice})


FINISH = chunk({"delta": {}, "finish_reason": "stop"})
USAGE = chunk(usage={"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8})


def decode(*chunks: Any, options: OpenAIAdapterOptions | None = None) -> list[Event]:
    stream = ChatCompletionStream(options)
    events: list[Event] = []
    for item in chunks:
        decoded = stream.decode(item)
        events += [decoded] if isinstance(decoded, Event) else decoded or []
    return events


def said(events: list[Event]) -> list[tuple[str, str | None, int]]:
    return [(event.type.value, event.text, event.choice) for event in events]


def test_text_finish_and_usage() -> None:
    events = decode(chunk({"delta": {"role": "assistant", "content": ""}}), text("a"), text("b"), FINISH, USAGE)
    assert said(events) == [("token", "a", 0), ("token", "b", 0), ("complete", None, 0), ("complete", None, 0)]
    assert events[2].data == {"finish_reason": "stop"}
    assert events[3].usage == {"input_tokens": 3, "output_tokens": 5}


def test_what_says_nothing_makes_no_event() -> None:
    role = chunk({"delta": {"role": "assistant"}})
    assert decode(role, text(""), text(None), chunk(), USAGE) == []


def test_text_in_the_chunk_that_finishes() -> None:
    assert said(decode(text("a", finish_reason="stop"))) == [("token", "a", 0), ("complete", None, 0)]


def test_text_after_the_finish_reason_takes_the_proof_back_and_gives_it_again() -> None:
    assert said(decode(text("a"), FINISH, text("b"))) == [
        ("token", "a", 0),
        ("complete", None, 0),
        ("token", "b", 0),
        ("complete", None, 0),
    ]


def test_azure_sends_chunks_without_choices_and_choices_without_delta() -> None:
    filtered = SimpleNamespace(choices=[SimpleNamespace(index=0, finish_reason=None)], usage=None)
    nothing = SimpleNamespace(choices=None)
    assert said(decode(chunk(), filtered, nothing, text("a"), FINISH)) == [("token", "a", 0), ("complete", None, 0)]


def test_reasoning_and_refusal_are_not_the_answer() -> None:
    events = decode(
        chunk({"delta": {"reasoning_content": "hm"}}),
        chunk({"delta": {"reasoning": "so"}}),
        chunk({"delta": {"reasoning_content": "and", "content": "a"}}),
        chunk({"delta": {"refusal": "no"}}),
    )
    assert said(events) == [
        ("reasoning", "hm", 0),
        ("reasoning", "so", 0),
        ("reasoning", "and", 0),
        ("token", "a", 0),
        ("refusal", "no", 0),
    ]


def test_choices_go_by_their_index_and_not_by_their_place() -> None:
    events = decode(
        chunk({"index": 1, "delta": {"content": "b"}}),
        chunk({"index": 0, "delta": {"content": "a"}}),
        chunk({"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}),
        chunk({"index": 0, "delta": {}, "finish_reason": "stop"}),
        chunk({"index": 1, "delta": {"content": "!"}}),
        chunk({"index": 1, "delta": {}, "finish_reason": "length"}),
    )
    assert said(events) == [
        ("token", "b", 1),
        ("token", "a", 0),
        ("token", "b", 1),
        ("token", "a", 0),
        ("token", "!", 1),
        ("complete", None, 0),
    ]
    assert events[-1].data == {"finish_reason": "stop"}


def test_the_answer_may_be_another_choice() -> None:
    chunks = [chunk({"index": i, "delta": {"content": str(i)}}) for i in range(3)]
    assert [e.choice for e in decode(*chunks, options=OpenAIAdapterOptions(choice_index=1))] == [1, 0, 2]
    assert [e.choice for e in decode(*chunks, options=OpenAIAdapterOptions(choice_index="all"))] == [0, 0, 0]


def test_tool_calls_come_as_fragments() -> None:
    def call(**fields: Any) -> ChatCompletionChunk:
        return chunk({"delta": {"tool_calls": [fields]}})

    events = decode(
        call(index=0, id="c", type="function", function={"name": "f", "arguments": ""}),
        call(index=0, function={"arguments": '{"a":'}),
        call(index=0, function={"arguments": "1}"}),
    )
    assert [event.data for event in events] == [
        {"tool_call": {"index": 0, "id": "c", "name": "f", "arguments": ""}},
        {"tool_call": {"index": 0, "id": None, "name": None, "arguments": '{"a":'}},
        {"tool_call": {"index": 0, "id": None, "name": None, "arguments": "1}"}},
    ]
    older = decode(chunk({"delta": {"function_call": {"name": "f", "arguments": "{}"}}}))
    assert older[0].data == {"tool_call": {"index": 0, "id": None, "name": "f", "arguments": "{}"}}
    assert decode(call(index=0), options=OpenAIAdapterOptions(include_tool_calls=False)) == []


def test_content_in_parts() -> None:
    parts = SimpleNamespace(
        choices=[
            SimpleNamespace(
                index="0", finish_reason=None, delta=SimpleNamespace(content=[{"type": "text", "text": "a"}])
            )
        ]
    )
    assert said(decode(parts)) == [("token", "a", 0)]


class Source:
    """What stands for a stream of the SDK's."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self.chunks:
            yield item


def read(*chunks: Any, **options: Any) -> l0.Stream:
    async def main() -> l0.Stream:
        stream = await l0.run(
            lambda: Source(*chunks), **{"adapter": "openai", "retry": l0.Retry(max_retries=0), **options}
        )
        await stream.read()
        return stream

    return asyncio.run(main())


def test_by_name_and_by_instance() -> None:
    for adapter in ("openai", OpenAIAdapter(), OpenAIAdapter(OpenAIAdapterOptions(include_usage=False))):
        stream = read(text("a"), FINISH, USAGE, adapter=adapter)
        assert (stream.state.content, stream.state.finish_reason) == ("a", "stop")
    assert stream.state.usage is None


def test_without_a_finish_reason_nothing_is_proved() -> None:
    with pytest.raises(l0.Truncated):
        read(text("a"))
    lenient = OpenAIAdapter(OpenAIAdapterOptions(require_finish_reason=False))
    assert read(text("a"), adapter=lenient).state.outcome == "complete"


def test_the_answer_is_proved_only_when_every_choice_has_finished() -> None:
    with pytest.raises(l0.Truncated):
        read(text("a"), FINISH, chunk({"index": 1, "delta": {"content": "b"}}))
    stream = read(
        text("a"),
        FINISH,
        chunk({"index": 1, "delta": {"content": "b"}}),
        chunk({"index": 1, "delta": {}, "finish_reason": "stop"}),
    )
    assert (stream.state.content, stream.state.choices) == ("a", {1: "b"})


def test_the_documented_form_of_the_adapter() -> None:
    async def main() -> list[Event]:
        return [event async for event in OpenAIAdapter().wrap(Source(text("a"), FINISH, USAGE))]

    events = asyncio.run(main())
    assert said(events) == [("token", "a", 0), ("complete", None, 0)]
    assert events[0].type is EventType.TOKEN


def test_an_adapter_that_is_given_reads_each_attempt_anew() -> None:
    attempts = [[text("a"), FINISH], [text("b")], [text("c"), FINISH]]
    veto = l0.GuardrailRule(
        "no a", lambda state: [l0.Violation("no a", "no")] * ("a" in state.content), streaming=False
    )

    async def main() -> None:
        stream = await l0.run(
            lambda: Source(*attempts.pop(0)),
            adapter=l0.Adapters.openai(),
            guardrails=[veto],
            retry=l0.Retry(base_delay=0),
        )
        assert await stream.read() == "c"
        assert attempts == []

    asyncio.run(main())
