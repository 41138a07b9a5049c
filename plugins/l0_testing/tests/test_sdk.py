"""What the OpenAI SDK makes of each fault: the wire format is right, and a fault is the fault that it says it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from l0_testing import FAULTS, Fault, FaultServer, Script, ToolCall
from l0_testing.measuring import least

openai = pytest.importorskip("openai")

TEXT = "One two 流 three 🌊 four five."
TOKENS = Script(TEXT).tokens()
CALLS = (ToolCall("call_1", "pay", '{"amount": 100}'), ToolCall("call_2", "log", '{"line": "paid"}'))
AT = 3
CUT = "".join(TOKENS[:AT])
MESSAGES = [{"role": "user", "content": "hi"}]

# The 2.x SDK lets the transport's errors out of a stream, the 3.x SDK wraps them.
READ = {"ReadError", "APIConnectionError"}
PROTOCOL = {"RemoteProtocolError", "APIConnectionError"}
TIMEOUT = {"ReadTimeout", "APITimeoutError", "TimeoutError"}
JSON = {"JSONDecodeError"}
FINE: set[str] = set()

EXPECTED: dict[str, tuple[set[str], str]] = {
    "rst_before": ({"APIConnectionError"}, ""),
    "fin_before": ({"APIConnectionError"}, ""),
    "no_headers": ({"APITimeoutError"}, ""),
    "no_body": (TIMEOUT, ""),
    "html200": (FINE, ""),
    "json200": (FINE, ""),
    "redirect_loop": ({"APIConnectionError"}, ""),
    "rst_mid": (READ, CUT),
    "fin_mid": (PROTOCOL, CUT),
    "eof_close_delim": (FINE, CUT),
    "trunc_clean": (FINE, CUT),
    "trunc_done": (FINE, CUT),
    "no_trailing_blank": (FINE, CUT),  # the last event is lost without a word
    "shortlen": (PROTOCOL, CUT),
    "badchunk": (PROTOCOL, CUT),
    "err_data": ({"APIError"}, CUT),
    "err_data_fatal": ({"APIError"}, CUT),
    "err_event": ({"APIError"}, CUT),
    "err_event_notok": (JSON, CUT),
    "badjson": (JSON, CUT),
    "badutf8": ({"UnicodeDecodeError"}, CUT),
    "meta_only": (JSON, CUT),
    "stall_mid": (TIMEOUT, CUT),
    "keepalive_stall": (TIMEOUT, CUT),
    "empty_delta_stall": (TIMEOUT, CUT),
    "stall_after_text": (TIMEOUT, TEXT),
    "dup_chunk": (FINE, CUT + TOKENS[AT] * 2 + "".join(TOKENS[AT + 1 :])),
    "huge": (FINE, CUT + "x" * 1000 + "".join(TOKENS[AT:])),
    "flood": (FINE, CUT + ("flood " * 200)[:1000]),
    "badgzip": ({"DecodingError", "APIConnectionError"}, CUT),
    "gzipbomb": (FINE, "x" * 1000),
    "zero": (FINE, ""),
    "zero_bare": (FINE, ""),
    "white": (FINE, " \n\n \t "),
    "len": (FINE, CUT),
    "filter": (FINE, CUT),
    "tool_dead": (READ, TEXT),
}
STATUSES = {
    "400": "BadRequestError",
    "401": "AuthenticationError",
    "403": "PermissionDeniedError",
    "404": "NotFoundError",
    "408": "APIStatusError",
    "409": "ConflictError",
    "425": "APIStatusError",
    "429": "RateLimitError",
}
FINISH = {"len": "length", "filter": "content_filter", "tool_ok": "tool_calls", "tool_trunc": "tool_calls"}


@dataclass
class Seen:
    text: dict[int, str] = field(default_factory=dict)
    finish: str | None = None
    usage: Any = None
    tools: dict[tuple[int, int], str] = field(default_factory=dict)
    error: Exception | None = None


async def consume(server: FaultServer, model: str, *, patience: float = 30, **more: Any) -> Seen:
    seen = Seen()
    async with openai.AsyncOpenAI(api_key="key", base_url=server.base_url, max_retries=0, timeout=patience) as client:
        try:
            stream = await client.chat.completions.create(model=model, messages=MESSAGES, stream=True, **more)
            async with asyncio.timeout(patience * 2):
                async with stream:
                    async for chunk in stream:
                        seen.usage = chunk.usage or seen.usage
                        for choice in chunk.choices or ():
                            seen.finish = choice.finish_reason or seen.finish
                            text = seen.text.get(choice.index, "")
                            seen.text[choice.index] = text + (choice.delta.content or "")
                            for call in choice.delta.tool_calls or ():
                                call_id = choice.index, call.index
                                seen.tools[call_id] = seen.tools.get(call_id, "") + call.function.arguments
        except Exception as error:
            seen.error = error
    await server.idle(connections=True)
    return seen


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_does_what_it_says(fault_server: FaultServer, kind: str) -> None:
    errors, text = EXPECTED.get(kind, (FINE, TEXT))
    if kind[:3].isdigit():
        errors, text = {STATUSES.get(kind[:3], "InternalServerError")}, ""
    fault = Fault(kind, at=AT, seconds=0.01, size=1000 if FAULTS[kind].events_only else None)
    calls = CALLS if FAULTS[kind].needs_tool_calls else ()
    fault_server.add("m", Script(TEXT, faults=[fault], tool_calls=calls))

    patience = 0.2 if errors == TIMEOUT or kind == "no_headers" else 30
    seen = asyncio.run(consume(fault_server, "m", patience=patience))

    assert ({type(seen.error).__name__} if seen.error else FINE) <= errors
    assert bool(seen.error) == bool(errors)
    assert seen.text.get(0, "") == text
    if not errors:
        complete = FAULTS[kind].outcome == "ok" and kind != "gzipbomb"
        assert seen.finish == FINISH.get(kind, "stop" if complete or kind in ("zero", "white", *ALTERED) else None)


ALTERED = [kind for kind in FAULTS if FAULTS[kind].outcome == "altered"]


def test_a_healthy_stream_is_exact_with_everything_in_it(fault_server: FaultServer) -> None:
    script = Script(TEXT, tool_calls=CALLS, choices=2, azure=True, reasoning="Hm.", refusal="No.", framing="coalesced")
    fault_server.add("m", script)

    seen = asyncio.run(consume(fault_server, "m", n=2, stream_options={"include_usage": True}))

    assert seen.error is None
    assert seen.text == {0: TEXT, 1: f"[1] {TEXT}"}
    assert seen.finish == "tool_calls"
    assert seen.tools == {(i, j): call.arguments for i in range(2) for j, call in enumerate(CALLS)}
    assert seen.usage.total_tokens == seen.usage.prompt_tokens + seen.usage.completion_tokens


def test_a_response_that_is_not_streamed(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, tool_calls=CALLS))

    with openai.OpenAI(api_key="key", base_url=fault_server.base_url, max_retries=0) as client:
        choice = client.chat.completions.create(model="m", messages=MESSAGES).choices[0]
        models = [model.id for model in client.models.list()]

    assert choice.message.content == TEXT
    assert [call.function.arguments for call in choice.message.tool_calls] == [call.arguments for call in CALLS]
    assert choice.finish_reason == "tool_calls"
    assert models == ["m"]


def test_the_sdks_own_retry_reaches_the_healthy_attempt(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("503_ra", seconds=0.001), Fault("429_ra_ms", seconds=0.001)]))

    with openai.OpenAI(api_key="key", base_url=fault_server.base_url, max_retries=2) as client:
        text = client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content

    assert text == TEXT
    assert [log.attempt for log in fault_server.requests] == [1, 2, 3]


def test_closing_a_stream_is_seen_at_once(fault_server: FaultServer) -> None:
    async def main() -> float:
        async with openai.AsyncOpenAI(api_key="key", base_url=fault_server.base_url, max_retries=0) as client:
            stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
            return await fault_server.idle(10, connections=True)

    fault_server.add("m", Script(TEXT, faults=[Fault("stall_mid", at=1)] * 3))

    assert least(lambda: asyncio.run(main()), 0.1, 3) < 0.1
    assert {log.ended_by for log in fault_server.requests} == {"client"}
