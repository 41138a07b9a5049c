"""Going on over real sockets: a broken answer is continued by the model, as it can be asked to."""

from __future__ import annotations

import asyncio
from typing import Any

import l0
import openai
import pytest
from l0 import ContinuationConfig
from l0_testing import Fault, FaultServer, Script

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me of the fox."}]
TEXT = "The quick brown fox jumps over the lazy dog, while the rest of the farm sleeps on and dreams of other things."


def read(server: FaultServer, request: dict[str, Any] | None = None, **options: Any) -> tuple[str, l0.Stream]:
    async def main() -> tuple[str, l0.Stream]:
        async with openai.AsyncOpenAI(api_key="sk-test", base_url=server.base_url) as client:
            chosen = {"retry": l0.Retry(base_delay=0), "continue_from_last_good_token": True, **options}
            wrapped = l0.wrap(client, **chosen)
            stream = await wrapped.chat.completions.create(model="m", messages=MESSAGES, stream=True, **(request or {}))
            text = ""
            async for event in stream:
                assert not event.is_reset
                text += event.text or "" if event.is_token else ""
            return text, stream

    return asyncio.run(main())


@pytest.mark.parametrize("overlap", [0, 20, 40])
def test_an_instructed_continuation(fault_server: FaultServer, overlap: int) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9), Fault("trunc_clean", at=9)], overlap=overlap))
    text, stream = read(fault_server)
    assert text == TEXT == stream.state.content
    first, second, third = fault_server.requests
    # What the user and the system said stays as it was, and none of the answer is put into their mouths.
    for log in (second, third):
        assert log.body["messages"][:2] == first.body["messages"]
        kept, instruction = log.body["messages"][2:]
        assert (kept["role"], instruction["role"]) == ("assistant", "user")
        assert TEXT.startswith(kept["content"])
        assert "fox" not in instruction["content"]
    assert second.tokens_sent < 25
    assert stream.state.continuation_used
    assert stream.state.deduplication_applied is (overlap > 0)


@pytest.mark.parametrize("strategy", ["prefill", "vllm"])
def test_an_exact_continuation(fault_server: FaultServer, strategy: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, stream = read(fault_server, continue_from_last_good_token=ContinuationConfig(strategy=strategy))
    assert text == TEXT
    body = fault_server.requests[1].body
    assert body["messages"][-1] == {"role": "assistant", "content": stream.state.resume_point}
    assert body.get("continue_final_message") is (True if strategy == "vllm" else None)
    assert stream.state.deduplication_applied is False


def test_a_refused_prefill_is_asked_for_otherwise(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)], prefill="reject", overlap=40))
    text, stream = read(fault_server, continue_from_last_good_token=ContinuationConfig(strategy="prefill"))
    assert text == TEXT
    roles = [log.body["messages"][-1]["role"] for log in fault_server.requests]
    assert roles == ["user", "assistant", "user"]
    assert [type(error).__name__ for error in stream.errors][-1] == "BadRequestError"


def test_structured_output_is_not_continued(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, stream = read(fault_server, {"response_format": {"type": "json_object"}})
    assert text == TEXT
    assert [len(log.body["messages"]) for log in fault_server.requests] == [2, 2]
    assert not stream.state.continuation_used


def test_the_callers_prompt_takes_the_place_of_the_last_question(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, _ = read(fault_server, build_continuation_prompt=lambda kept: f"Go on after: {kept[-10:]}")
    assert text == TEXT  # The server begins anew, and the seam sees that all of it is a repetition.
    assert fault_server.requests[1].body["messages"][1]["content"].startswith("Go on after: ")


def test_an_unknown_strategy_is_named(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    with pytest.raises(ValueError, match="unknown strategy 'magic'"):
        read(fault_server, continue_from_last_good_token=ContinuationConfig(strategy="magic"))
