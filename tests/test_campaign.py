"""Every fault that the fault server knows, over real sockets, through the real SDK: the text exact, one end, nothing
left open."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import l0
import openai
import pytest
from l0_testing import Fault, FaultServer, Script, ToolCall, text_of
from l0_testing.faults import FAULTS
from l0_testing.measuring import least

TEXT = "The quick brown fox jumps over the lazy dog, again and again, until everyone has gone home.\nDone – ☺.\n" * 2
AT = 5
WITHDRAWN = ("white", "zero")
"""Faults whose first answer is not the text: what of it was delivered has to be taken back."""

PATIENCE = 10.0
TRIES = 3
"""A machine that is busy with something else may hold up one try."""

CALL = ToolCall("call_1", "pay", '{"amount": 100, "to": "Ann"}')


async def consume(stream: l0.Stream) -> tuple[str, list[l0.Event]]:
    events = [event async for event in stream]
    return text_of(events), [event for event in events if not (event.is_progress or event.is_token)]


def options(**more: Any) -> dict[str, Any]:
    return {
        "timeout": l0.Timeout(initial_token=1500, inter_token=400),
        "retry": l0.Retry(base_delay=0.01),
        "limits": l0.Limits(max_output_chars=20_000_000),
        **more,
    }


@pytest.fixture(scope="module")
def client_of() -> Any:
    """A client whose first call, with the SDK's late imports, is over."""

    async def made(server: FaultServer) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(api_key="sk-test", base_url=server.base_url)
        await client.models.list()
        return client

    return made


@pytest.mark.parametrize("way", ["wrap", "run", "wrap and continue", "run and continue"])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault(name: str, way: str, fault_server: FaultServer, client_of: Any) -> None:
    kind = FAULTS[name]
    calls = (CALL,) if kind.needs_tool_calls else ()

    async def main() -> float:
        async with await client_of(fault_server) as client:
            request: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            more = {"continue_from_last_good_token": "continue" in way}
            if way.startswith("wrap"):
                stream = await l0.wrap(client, **options(**more)).chat.completions.create(**request)
            else:
                quiet = client.with_options(max_retries=0)

                def factory(attempt: Any) -> Any:
                    kept = [{"role": "assistant", "content": attempt.kept}] if attempt.kept else []
                    return quiet.chat.completions.create(**{**request, "messages": [*request["messages"], *kept]})

                stream = await l0.run(factory, **options(**more))
            error: Exception | None = None
            text, others = "", []
            try:
                text, others = await consume(stream)
            except Exception as raised:
                error, text = raised, stream.state.content
            took = await fault_server.idle(PATIENCE)
            ends = [event for event in others if event.is_complete]
            state = stream.state
            assert text == state.content
            if "continue" in way and kind.outcome == "text" and text and name not in WITHDRAWN:
                assert not any(event.is_reset for event in others)
            bombed = name == "gzipbomb" and way.startswith("run")
            if bombed and error is None:
                # A client of one's own asks for compression, and gets the bomb: a deadline may come before the limit.
                assert (text, state.outcome, len(fault_server.requests)) == (TEXT, "complete", 2)
                return took
            if kind.outcome == "fatal" or bombed:
                assert error is not None
                assert type(error).__module__.partition(".")[0] in ("openai", "l0_core")
                assert len(fault_server.requests) == 1
                assert (state.outcome, ends) == ("error", [])
                return took
            assert error is None
            assert others[-1] is ends[0]
            assert len(ends) == 1
            if kind.outcome == "incomplete":
                assert (state.outcome, state.completed) == ("incomplete", False)
                assert not any(event.is_tool_call for event in others)
            else:
                assert state.outcome == "complete"
                assert text == (fault_server.requests[-1].text if kind.outcome == "altered" else TEXT)
                assert [event.data["arguments"] for event in others if event.is_tool_call] == [
                    c.arguments for c in calls
                ]
            return took

    def closed() -> float:
        fault_server.reset()
        fault_server.add("m", Script(TEXT, faults=[Fault(name, at=AT)], tool_calls=calls))
        return asyncio.run(main())

    assert least(closed, 0.5, TRIES) < 0.5


FATAL = sorted(name for name, kind in FAULTS.items() if kind.outcome == "fatal" and name != "flood")


@pytest.mark.parametrize("name", FATAL)
def test_a_fatal_fault_reaches_the_fallback_after_one_request(
    name: str, fault_server: FaultServer, client_of: Any
) -> None:
    fault_server.add("primary", Script(TEXT, faults=[Fault(name, at=AT)] * 9))
    fault_server.add("other", Script("Quite another text."))

    async def main() -> None:
        async with await client_of(fault_server) as client:
            quiet = client.with_options(max_retries=0)

            def source(model: str) -> Any:
                return lambda: quiet.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "hi"}], stream=True
                )

            stream = await l0.run(source("primary"), fallbacks=[source("other")], **options())
            text, _ = await consume(stream)
            assert text == "Quite another text." == stream.state.content
            assert [log.model for log in fault_server.requests] == ["primary", "other"]
            assert stream.state.fallback_index == 1

    asyncio.run(main())


DOORS = ("break", "aclose", "abort", "cancel", "raise")


@pytest.mark.parametrize(
    ("door", "stalled"),
    [*((door, stalled) for door in DOORS for stalled in (False, True)), ("timeout", True)],
)
def test_the_server_sees_the_end_within_100_ms(
    door: str, stalled: bool, fault_server: FaultServer, client_of: Any
) -> None:
    faults = [Fault("stall_mid", at=AT)] * 9 if stalled else []

    async def main() -> float:
        async with await client_of(fault_server) as client:
            wrapped = l0.wrap(
                client,
                retry=l0.Retry(max_retries=0),
                timeout=l0.Timeout(initial_token=5000, inter_token=300) if door == "timeout" else None,
            )
            stream = await wrapped.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            reached = asyncio.Event()
            left = 0.0

            async def consumer() -> None:
                nonlocal left
                async with stream:
                    async for _ in stream:
                        if stream.state.token_count == AT:
                            reached.set()
                            if door in ("break", "raise") and not stalled:
                                left = time.monotonic()
                                if door == "raise":
                                    raise ZeroDivisionError
                                return

            task = asyncio.ensure_future(consumer())
            await reached.wait()
            await asyncio.sleep(0.05)  # It waits for a token by now, if the server has stalled.
            if door in ("break", "raise", "cancel") and not task.done():
                left = time.monotonic()
                task.cancel()
            elif door == "aclose":
                left = time.monotonic()
                await stream.aclose()
            elif door == "abort":
                left = time.monotonic()
                stream.abort()
            await asyncio.wait([task])
            if door == "timeout":
                assert isinstance(task.exception(), l0.TimeoutError)
                left = time.monotonic()
            await fault_server.idle(PATIENCE)
            (log,) = fault_server.requests
            assert log.ended_by == "client"
            assert log.ended_at is not None
            assert stream.state.outcome == ("error" if door == "timeout" else "aborted")
            return log.ended_at - left

    def seen() -> float:
        fault_server.reset()
        fault_server.add("m", Script("word " * 3000, faults=faults, pace=0.002))
        return asyncio.run(main())

    assert least(seen, 0.1, TRIES) < 0.1


def test_many_streams_at_once_leave_nothing(fault_server: FaultServer, client_of: Any, no_leaks: Any) -> None:
    names = [name for name, kind in FAULTS.items() if kind.outcome == "text" and not kind.needs_tool_calls]
    for name in names:
        fault_server.add(name, Script(TEXT, faults=[Fault(name, at=AT)]))

    async def main() -> None:
        async with await client_of(fault_server) as client:
            wrapped = l0.wrap(client, **options(timeout=l0.Timeout(initial_token=3000, inter_token=1500)))

            async def one(name: str) -> str:
                stream = await wrapped.chat.completions.create(
                    model=name, messages=[{"role": "user", "content": "hi"}], stream=True
                )
                return (await consume(stream))[0]

            texts = await asyncio.gather(*(one(name) for name in names * 2))
            assert set(texts) == {TEXT}
            await fault_server.idle()

    asyncio.run(main())
