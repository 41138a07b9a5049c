"""Wrapped clients, over real sockets: streaming chat completions are taken over, everything else is the SDK's own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import l0
import openai
import pytest
from l0_testing import Fault, FaultServer, Script, ToolCall

MESSAGES = [{"role": "user", "content": "hi"}]
TEXT = "One, two, three, four, five."


def run_with(server: FaultServer, main: Any, **options: Any) -> Any:
    async def wrapped() -> Any:
        async with openai.AsyncOpenAI(api_key="sk-test", base_url=server.base_url, max_retries=2) as client:
            return await main(l0.wrap(client, retry=l0.Retry(base_delay=0), **options))

    return asyncio.run(wrapped())


def test_a_stream(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main(client: Any) -> None:
        creating = client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        assert inspect.isawaitable(creating)
        stream = await creating
        assert isinstance(stream, l0.Stream)
        assert fault_server.requests == []
        assert await stream.read() == TEXT
        assert stream.state.usage is not None
        assert stream.state.usage["output_tokens"] > 0
        (log,) = fault_server.requests
        assert log.headers["accept-encoding"] == "identity"
        assert log.headers["x-stainless-retry-count"] == "0"

    run_with(fault_server, main)


def test_retries_have_one_owner(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")] * 9))

    async def main(client: Any) -> None:
        once = client.with_options(retry=l0.Retry(max_retries=1, base_delay=0))
        stream = await once.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.InternalServerError) as caught:
            await stream.read()
        assert len(fault_server.requests) == 2
        assert caught.value.attempts == 2  # type: ignore[attr-defined]

    run_with(fault_server, main)


def test_everything_else_is_the_sdks_own(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")]))

    async def main(client: Any) -> None:
        answer = await client.chat.completions.create(model="m", messages=MESSAGES)
        assert answer.choices[0].message.content == TEXT
        assert len(fault_server.requests) == 2  # The SDK's own retry.
        assert [model.id async for model in await client.models.list()]
        assert client.api_key == "sk-test"
        assert client.base_url == client.unwrapped.base_url
        assert isinstance(client.unwrapped, openai.AsyncOpenAI)
        assert client.chat.completions.with_raw_response is not None
        with pytest.raises(AttributeError):
            client.no_such_thing  # noqa: B018

    run_with(fault_server, main)


def test_with_options_tells_the_sdks_from_ours(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main(client: Any) -> None:
        other = client.with_options(timeout=12.5, api_key="sk-other")
        assert (other.unwrapped.timeout, other.api_key) == (12.5, "sk-other")
        assert client.api_key == "sk-test"
        ours = client.with_options(timeout=l0.Timeout(initial_token=1000), context={"a": 1})
        assert ours.unwrapped is client.unwrapped
        seen: list[Any] = []
        told = client.with_options(on_event=seen.append)
        same = told.with_options(on_event=None, timeout=None, guardrails=None)
        assert same.unwrapped is client.unwrapped
        assert await (await same.chat.completions.create(model="m", messages=MESSAGES, stream=True)).read() == TEXT
        assert seen
        stream = await ours.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert await stream.read() == TEXT

    run_with(fault_server, main)


def test_a_client_is_a_context_manager_and_can_be_closed(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        async with l0.wrap(openai.AsyncOpenAI(api_key="sk-test", base_url=fault_server.base_url)) as client:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            assert await stream.read() == TEXT
        assert client.is_closed()
        other = l0.wrap(openai.AsyncOpenAI(api_key="sk-test", base_url=fault_server.base_url))
        await other.close()
        assert other.unwrapped.is_closed()

    asyncio.run(main())


def test_clients_and_streams_that_are_synchronous_are_refused_with_the_right_name(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))
    with openai.OpenAI(api_key="sk-test", base_url=fault_server.base_url) as client:
        with pytest.raises(TypeError, match="wrap AsyncOpenAI instead"):
            l0.wrap(client)

        async def main() -> None:
            with pytest.raises(TypeError, match="synchronous client"):
                await (
                    await l0.run(lambda: client.chat.completions.create(model="m", messages=MESSAGES, stream=True))  # type: ignore
                ).read()

        asyncio.run(main())
    azure = openai.AzureOpenAI(api_key="k", api_version="1", azure_endpoint="http://127.0.0.1:1")
    with azure, pytest.raises(TypeError, match="wrap AsyncAzureOpenAI instead"):
        l0.wrap(azure)


def test_a_raw_stream(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="sk-test", base_url=fault_server.base_url) as client:

            def creating() -> Coroutine[Any, Any, Any]:
                return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)  # type: ignore

            assert await l0.wrap(await creating()).read() == TEXT
            assert await l0.wrap(creating()).read() == TEXT
            kept = l0.wrap(await creating(), keep_raw=True)
            await kept.read()
            assert any(chunk.choices and chunk.choices[0].finish_reason == "stop" for chunk in kept.raw())

    asyncio.run(main())


def test_tool_calls_over_the_wire(fault_server: FaultServer) -> None:
    calls = [ToolCall("a", "pay", '{"amount": 100}'), ToolCall("b", "tell", '{"whom": "Ann"}')]
    fault_server.add("m", Script("", tool_calls=calls))

    async def main(client: Any) -> None:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        events = [event async for event in stream]
        delivered = [event.data for event in events if event.is_tool_call]
        assert [(d["id"], d["name"], d["arguments"]) for d in delivered] == [(c.id, c.name, c.arguments) for c in calls]
        assert stream.state.finish_reason == "tool_calls"

    run_with(fault_server, main)


@pytest.mark.parametrize(
    "script", [Script(TEXT, azure=True), Script(TEXT, framing="coalesced"), Script(TEXT, reasoning="hm")]
)
def test_shapes_of_the_wire(fault_server: FaultServer, script: Script) -> None:
    fault_server.add("m", script)

    async def main(client: Any) -> None:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert await stream.read() == TEXT
        assert stream.state.reasoning == script.reasoning

    run_with(fault_server, main)


def test_several_choices(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, choices=3))

    async def main(client: Any) -> None:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, n=3)
        assert await stream.read() == TEXT
        assert sorted(stream.state.choices) == [1, 2]
        assert len({TEXT, *stream.state.choices.values()}) == 3

    run_with(fault_server, main)
