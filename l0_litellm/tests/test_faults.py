"""Every fault that the fault server knows, over real sockets and through the real LiteLLM: the text exact, one end,
nothing left open."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import l0
import litellm
import pytest
from l0_testing import FAULTS, Fault, FaultServer, LeakCheck, Script, ToolCall, closed_port, text_of
from l0_testing.measuring import least
from litellm_calls import MESSAGES, completion, deployment, router, run

WAYS = ["completion", "router"]
TEXT = "The quick brown fox jumps over the lazy dog, again and again, until everyone has gone home.\nDone – ☺.\n" * 2
AT = 5
CALL = ToolCall("call_1", "pay", '{"amount": 100, "to": "Ann"}')
OPTIONS: dict[str, Any] = {
    "timeout": l0.Timeout(initial_token=3000, inter_token=600),
    "retry": l0.Retry(base_delay=0.01),
    "limits": l0.Limits(max_output_chars=10_000_000),
}

OTHERWISE = {
    # LiteLLM breaks a stream off whose chunks are all the same.
    "flood": "text",
    # LiteLLM asks for compression, and gets the bomb.
    "gzipbomb": "fatal",
}
"""What becomes of some faults here, which is not what becomes of them with a client of one's own."""


async def opened(server: FaultServer, way: str, **options: Any) -> l0.Stream:
    if way == "completion":
        return await l0.run(completion(server), **{**OPTIONS, **options})
    client = l0.wrap(router(server), **{**OPTIONS, **options})
    stream: l0.Stream = await client.acompletion(model="m", messages=MESSAGES, stream=True)
    return stream


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault(name: str, way: str, fault_server: FaultServer) -> None:
    kind = FAULTS[name]
    outcome = OTHERWISE.get(name, kind.outcome)
    calls = (CALL,) if kind.needs_tool_calls else ()
    fault_server.add("m", Script(TEXT, faults=[Fault(name, at=AT)], tool_calls=calls))

    async def main() -> None:
        stream = await opened(fault_server, way)
        error: Exception | None = None
        events: list[l0.Event] = []
        try:
            events = [event async for event in stream]
        except Exception as raised:
            error = raised
        await fault_server.idle(10.0)
        state, ends = stream.state, [event for event in events if event.is_complete]
        if outcome == "fatal":
            assert error is not None
            assert len(fault_server.requests) == 1
            assert (state.outcome, ends) == ("error", [])
            return
        assert error is None
        assert text_of(events) == state.content
        assert [events[-1]] == ends
        if outcome == "incomplete":
            assert state.outcome == "incomplete"
            assert not any(event.is_tool_call for event in events)
            return
        assert state.outcome == "complete"
        assert state.content == (fault_server.requests[-1].text if outcome == "altered" else TEXT)
        assert [event.data["arguments"] for event in events if event.is_tool_call] == [call.arguments for call in calls]
        if outcome == "text":
            assert len(stream.errors) == len(fault_server.requests) - 1 >= 1

    run(main())


@pytest.mark.parametrize("way", WAYS)
def test_a_port_where_nothing_listens(way: str, fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT))

    async def main() -> None:
        with closed_port() as url:
            options: dict[str, Any] = {
                "retry": l0.Retry(max_retries=1, base_delay=0),
                "fallbacks": [completion(fault_server)],
            }
            if way == "completion":
                stream = await l0.run(completion(fault_server, api_base=url), **options)
            else:
                client = l0.wrap(litellm.Router(model_list=[deployment(url, "m")]), **options)
                stream = await client.acompletion(model="m", messages=MESSAGES, stream=True)
            assert await stream.read() == TEXT
        assert len(stream.errors) == 2
        assert stream.state.fallback_index == 1

    run(main())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", ["aclose", "abort", "abort in silence", "timeout"])
def test_the_server_sees_the_end_within_100_ms(door: str, way: str, fault_server: FaultServer) -> None:
    async def main() -> float:
        stream = await opened(
            fault_server,
            way,
            timeout=l0.Timeout(initial_token=5000, inter_token=300) if door == "timeout" else None,
            retry=l0.Retry(max_retries=0),
        )
        left = 0.0

        def leave() -> None:
            nonlocal left
            left = time.monotonic()
            stream.abort()

        try:
            async for event in stream:
                if not event.is_token or stream.state.token_count != AT:
                    continue
                if door == "abort":
                    leave()
                elif door == "abort in silence":
                    asyncio.get_running_loop().call_later(0.05, leave)
                elif door == "aclose":
                    left = time.monotonic()
                    await stream.aclose()
                    break
        except l0.TimeoutError:
            left = time.monotonic()
        await fault_server.idle(10.0)
        (log,) = fault_server.requests
        assert log.ended_by == "client"
        assert log.ended_at is not None
        assert stream.state.outcome == ("error" if door == "timeout" else "aborted")
        return log.ended_at - left

    def seen() -> float:
        fault_server.reset()
        silent = door in ("timeout", "abort in silence")
        faults = [Fault("stall_mid", at=AT)] if silent else []
        fault_server.add("m", Script("word " * 3000, faults=faults, pace=0.002))
        return run(main())

    assert least(seen, 0.1, 3) < 0.1


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_of_streams_but_what_litellm_keeps_for_the_next(way: str, fault_server: FaultServer) -> None:
    """Its connections, which its own function closes, and its threads."""

    async def main() -> None:
        for name in ("rst_mid", "trunc_clean", "503", "badjson", "err_data", "stall_mid"):
            fault_server.add("m", Script(TEXT, faults=[Fault(name, at=AT)]))
            assert await (await opened(fault_server, way)).read() == TEXT
        stream = await opened(fault_server, way)
        async for _ in stream:
            break
        await stream.aclose()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        _, left = await asyncio.wait(tasks, timeout=2) if tasks else ((), ())
        assert not left

    run(main())  # LiteLLM's first calls open what it keeps as long as the process lives.
    with LeakCheck(settle=2.0):
        run(main())
