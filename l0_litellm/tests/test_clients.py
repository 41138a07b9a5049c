"""A wrapped router: its streaming completions are taken over, everything else is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import l0
import litellm
import pytest
from l0_testing import Fault, FaultServer, Script
from litellm.integrations.custom_logger import CustomLogger
from litellm_calls import AT_ONCE, MESSAGES, TEXT, completion, router, run

ONCE_MORE = l0.Retry(max_retries=1, base_delay=0)


async def read(client: Any, model: str = "m", **call: Any) -> l0.Stream:
    stream: l0.Stream = await client.acompletion(model=model, messages=MESSAGES, stream=True, **call)
    await stream.read()
    return stream


def models(server: FaultServer) -> list[str]:
    return [log.model for log in server.requests]


def test_retries_have_one_owner(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")] * 9))

    async def main() -> None:
        eager = router(fault_server, num_retries=3, retry_policy=litellm.RetryPolicy(InternalServerErrorRetries=3))
        with pytest.raises(litellm.InternalServerError) as caught:
            await read(l0.wrap(eager, retry=ONCE_MORE))
        assert caught.value.attempts == 2  # type: ignore[attr-defined]
        assert len(fault_server.requests) == 2

    run(main())


def test_the_retries_of_a_factory_are_switched_off_by_what_the_readme_says(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")] * 9))

    async def main() -> None:
        with pytest.raises(litellm.InternalServerError):
            await (await l0.run(completion(fault_server), retry=ONCE_MORE)).read()
        assert len(fault_server.requests) == 2

    run(main())


def test_everything_else_is_the_routers_own(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")]))

    async def main() -> None:
        plain = router(fault_server, num_retries=1)
        client = l0.wrap(plain)
        answer = await client.acompletion(model="m", messages=MESSAGES)
        assert answer.choices[0].message.content == TEXT
        assert len(fault_server.requests) == 2  # The router's own retry.
        assert client.unwrapped is plain
        assert client.aembedding == plain.aembedding
        with pytest.raises(AttributeError):
            client.no_such_thing  # noqa: B018

    run(main())


def test_options_of_a_call_reach_the_provider(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        client = l0.wrap(router(fault_server)).with_options(timeout=l0.Timeout(initial_token=5000))
        await read(client, temperature=0.5, max_tokens=100)
        (log,) = fault_server.requests
        assert (log.body["temperature"], log.body["max_tokens"], log.body["messages"]) == (0.5, 100, MESSAGES)
        assert not {"num_retries", "max_retries"} & set(log.body)

    run(main())


def test_a_routers_fallback_is_within_one_attempt(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")] * 9))
    fault_server.add("other", Script(TEXT))

    async def main() -> None:
        client = l0.wrap(router(fault_server, "m", "other", fallbacks=[{"m": ["other"]}]), retry=AT_ONCE)
        stream = await read(client)
        assert (stream.state.content, stream.errors) == (TEXT, [])
        assert models(fault_server) == ["m", "other"]

    run(main())


def test_a_routers_fallback_that_breaks_off_is_made_good(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("500")] * 9))
    fault_server.add("other", Script(TEXT, faults=[Fault("rst_mid", at=4)]))

    async def main() -> None:
        client = l0.wrap(router(fault_server, "m", "other", fallbacks=[{"m": ["other"]}]), retry=AT_ONCE)
        stream = await client.acompletion(model="m", messages=MESSAGES, stream=True)
        assert await stream.read() == TEXT
        assert len(stream.errors) == 1

    run(main())


@pytest.fixture
def told() -> Iterator[Any]:
    """A logger of LiteLLM's, as a user registers it, and what it was told."""

    class Told(CustomLogger):
        def __init__(self) -> None:
            super().__init__()
            self.costs: asyncio.Queue[Any] = asyncio.Queue()

        async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            self.costs.put_nowait(response_obj)

    logger = Told()
    litellm.callbacks.append(logger)
    yield logger
    litellm.logging_callback_manager._reset_all_callbacks()


@pytest.mark.parametrize("way", ["completion", "router"])
def test_litellms_callbacks_are_told_of_a_whole_stream(fault_server: FaultServer, way: str, told: Any) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        if way == "router":
            await read(l0.wrap(router(fault_server)))
        else:
            await (await l0.run(completion(fault_server))).read()
        async with asyncio.timeout(10):
            answer = await told.costs.get()
        assert answer.choices[0].message.content == TEXT

    run(main())
