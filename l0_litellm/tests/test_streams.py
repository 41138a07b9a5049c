"""What LiteLLM hands on, as a stream of L0's: each kind of chunk, and what proves the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import l0
import litellm
import pytest
from l0_testing import Fault, FaultServer, Script, ToolCall
from litellm_calls import AT_ONCE, MESSAGES, TEXT, completion, end, router, run, stream_of, text

from l0_litellm import LiteLLMAdapter
from l0_openai import OpenAIAdapterOptions

WAYS = ["completion", "router"]
VirtualRun = Callable[[Coroutine[Any, Any, Any]], Any]
LENIENT = OpenAIAdapterOptions(require_finish_reason=False)


async def open_stream(server: FaultServer, way: str, **call: Any) -> l0.Stream:
    if way == "completion":
        return await l0.run(completion(server, **call), retry=AT_ONCE)
    client = l0.wrap(router(server), retry=AT_ONCE)
    stream: l0.Stream = await client.acompletion(model="m", messages=MESSAGES, stream=True, **call)
    return stream


def read(server: FaultServer, way: str, **call: Any) -> l0.Stream:
    async def main() -> l0.Stream:
        stream = await open_stream(server, way, **call)
        await stream.read()
        return stream

    return run(main())


def read_chunks(*said: Any, **options: Any) -> l0.Stream:
    """The stream that comes of LiteLLM's own, made of these choices and read once."""

    async def main() -> l0.Stream:
        stream = await l0.run(lambda: stream_of(*said), retry=l0.Retry(max_retries=0), **options)
        await stream.read()
        return stream

    return asyncio.run(main())


# Over the wire.


@pytest.mark.parametrize("way", WAYS)
def test_text_reasoning_and_usage(fault_server: FaultServer, way: str) -> None:
    fault_server.add("m", Script(TEXT, reasoning="hm"))
    stream = read(fault_server, way, stream_options={"include_usage": True})
    state = stream.state
    assert (state.content, state.reasoning, state.outcome, state.finish_reason) == (TEXT, "hm", "complete", "stop")
    assert state.usage is not None
    assert state.usage["output_tokens"] > 0
    assert len(fault_server.requests) == 1


@pytest.mark.parametrize("way", WAYS)
def test_tool_calls(fault_server: FaultServer, way: str) -> None:
    calls = [ToolCall("a", "pay", '{"amount": 100}'), ToolCall("b", "tell", '{"whom": "Ann"}')]
    fault_server.add("m", Script("", tool_calls=calls))

    async def main() -> None:
        stream = await open_stream(fault_server, way)
        found = [event.data async for event in stream if event.is_tool_call]
        assert [(d["id"], d["name"], d["arguments"]) for d in found] == [(c.id, c.name, c.arguments) for c in calls]
        assert stream.state.finish_reason == "tool_calls"

    run(main())


@pytest.mark.parametrize("way", WAYS)
def test_several_choices(fault_server: FaultServer, way: str) -> None:
    fault_server.add("m", Script(TEXT, choices=3))
    state = read(fault_server, way, n=3).state
    assert (state.content, state.outcome) == (TEXT, "complete")
    assert sorted(state.choices) == [1, 2]
    assert len({TEXT, *state.choices.values()}) == 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("fault", "reason"), [("len", "length"), ("filter", "content_filter")])
def test_an_answer_that_the_provider_cuts_short(fault_server: FaultServer, way: str, fault: str, reason: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(fault, at=4)]))
    state = read(fault_server, way).state
    assert (state.outcome, state.finish_reason) == ("incomplete", reason)
    assert TEXT.startswith(state.content)
    assert len(fault_server.requests) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["trunc_clean", "trunc_done", "zero_bare", "html200", "json200"])
def test_a_finish_reason_that_no_provider_sent_proves_nothing(fault_server: FaultServer, way: str, fault: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault(fault, at=4)]))
    stream = read(fault_server, way)
    assert stream.state.content == TEXT
    assert (len(fault_server.requests), len(stream.errors)) == (2, 1)


def test_a_router_that_falls_back_before_the_first_chunk_is_seen_through(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("err_data", at=0)] * 9))
    fault_server.add("other", Script(TEXT, faults=[Fault("trunc_clean", at=4)]))

    async def main() -> l0.Stream:
        client = l0.wrap(router(fault_server, "m", "other", fallbacks=[{"m": ["other"]}]), retry=AT_ONCE)
        stream: l0.Stream = await client.acompletion(model="m", messages=MESSAGES, stream=True)
        assert await stream.read() == TEXT
        return stream

    assert len(run(main()).errors) == 1
    assert [log.model for log in fault_server.requests] == ["m", "other"] * 2


@pytest.mark.parametrize("way", WAYS)
def test_the_mock_of_a_call_is_whole(fault_server: FaultServer, way: str) -> None:
    state = read(fault_server, way, mock_response="It is noon.").state
    assert (state.content, state.outcome) == ("It is noon.", "complete")
    assert fault_server.requests == []


def test_a_stream_that_blocks_is_refused(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        call = {"api_base": fault_server.base_url, "api_key": "sk-test"}
        blocking = litellm.completion(model="openai/m", messages=MESSAGES, stream=True, **call)
        with pytest.raises(l0.AdapterNotFound, match=r"make it with acompletion\(\)"):
            await l0.wrap(blocking).read()

    run(main())


# Chunk by chunk.


def test_the_finish_reason_may_come_with_text() -> None:
    state = read_chunks(text("a"), text("b", finish_reason="stop")).state
    assert (state.content, state.finish_reason) == ("ab", "stop")


def test_a_provider_that_sends_no_finish_reason_can_be_believed() -> None:
    with pytest.raises(l0.Truncated):
        read_chunks(text("a"))
    assert read_chunks(text("a"), adapter=LiteLLMAdapter(LENIENT)).state.outcome == "complete"


def test_choices_that_end_one_after_the_other(virtual_run: VirtualRun) -> None:
    """LiteLLM hands on one finish reason for all of them, and there may be a pause before the others go on."""
    said = [text("a"), text("b", 1), end(), 1.5, text("b", 1), 1.5, text("b", 1), end("length", 1)]

    async def main() -> l0.Stream:
        stream = await l0.run(lambda: stream_of(*said), retry=l0.Retry(max_retries=0))
        await stream.read()
        return stream

    state = virtual_run(main()).state
    assert (state.content, state.choices, state.outcome) == ("a", {1: "bbb"}, "complete")


def test_the_answer_may_be_another_choice() -> None:
    said = [text("a"), text("b", 1), end(), end("stop", 1)]
    assert read_chunks(*said, adapter=LiteLLMAdapter(OpenAIAdapterOptions(choice_index=1))).state.content == "b"
    assert read_chunks(*said, adapter=LiteLLMAdapter(OpenAIAdapterOptions(choice_index="all"))).state.content == "ab"


def test_a_refusal_that_litellm_hands_on_is_no_answer() -> None:
    chunk = litellm.types.utils.ModelResponseStream(choices=[{"index": 0, "delta": {"refusal": "no"}}])
    events = LiteLLMAdapter().stream_adapter().decode(chunk)
    assert [(event.type, event.text) for event in events] == [(l0.EventType.REFUSAL, "no")]


# Which adapter.


@pytest.mark.parametrize("adapter", ["litellm", LiteLLMAdapter(), None])
def test_by_name_by_instance_and_by_itself(adapter: Any) -> None:
    stream = read_chunks(text("a"), end(), adapter=adapter)
    assert (stream.state.content, stream.state.finish_reason) == ("a", "stop")
    with pytest.raises(l0.Truncated):
        read_chunks(text("a"), adapter=adapter)


def test_the_adapter_of_the_face_serves_every_attempt() -> None:
    attempts = iter([[end()], [text("cut")]])

    async def main() -> None:
        retry = l0.Retry(base_delay=0, max_retries=1)
        stream = await l0.run(lambda: stream_of(*next(attempts)), adapter=l0.Adapters.litellm(), retry=retry)
        with pytest.raises(l0.Truncated):
            await stream.read()

    asyncio.run(main())


def test_a_stream_in_other_hands_is_read_when_it_is_said_to_be_litellms() -> None:
    async def main() -> None:
        async def passed_on() -> Any:
            async for chunk in await stream_of(text("a"), end()):
                yield chunk

        assert await (await l0.run(passed_on, adapter="litellm")).read() == "a"

    asyncio.run(main())


def test_the_documented_form_of_the_adapter() -> None:
    async def main() -> None:
        adapter = LiteLLMAdapter()
        stream = await stream_of(text("a"), end())
        assert adapter.detect(stream)
        assert not adapter.detect(adapter)
        events = [(event.type.value, event.text) async for event in adapter.wrap(stream)]
        assert events == [("token", "a"), ("complete", None)]
        cut = [event async for event in adapter.wrap(await stream_of(text("a")))]
        assert [event.type.value for event in cut] == ["token"]
        lenient = [event async for event in adapter.wrap(await stream_of(text("a")), LENIENT)]
        assert lenient[-1].is_complete

    asyncio.run(main())


def test_the_chunks_are_kept_as_litellm_made_them() -> None:
    stream = read_chunks(text("a"), text("b"), end(), keep_raw=True)
    assert [chunk.choices[0].delta.content for chunk in stream.raw()] == ["a", "b", None]
    with pytest.raises(l0.Truncated):
        read_chunks(text("a"), keep_raw=True)


def test_the_end_is_proved_where_chunks_are_kept_for_an_adapter_that_is_given() -> None:
    with pytest.raises(l0.Truncated):
        read_chunks(text("a"), keep_raw=True, adapter="litellm")
