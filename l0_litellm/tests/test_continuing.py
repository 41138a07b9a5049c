"""Going on over real sockets: a broken answer is continued by the model, as a router can ask for it."""

from __future__ import annotations

from typing import Any

import l0
import pytest
from l0 import ContinuationConfig
from l0_testing import Fault, FaultServer, Script
from litellm_calls import AT_ONCE, MESSAGES, TEXT, router, run


def read(server: FaultServer, request: dict[str, Any] | None = None, **options: Any) -> tuple[str, l0.Stream]:
    async def main() -> tuple[str, l0.Stream]:
        client = l0.wrap(router(server), **{"retry": AT_ONCE, "continue_from_last_good_token": True, **options})
        stream = await client.acompletion(model="m", messages=MESSAGES, stream=True, **(request or {}))
        text = ""
        async for event in stream:
            assert not event.is_reset
            text += event.text or "" if event.is_token else ""
        return text, stream

    return run(main())


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


@pytest.mark.parametrize("strategy", ["prefill", "vllm"])
def test_an_exact_continuation(fault_server: FaultServer, strategy: str) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, stream = read(fault_server, continue_from_last_good_token=ContinuationConfig(strategy=strategy))
    assert text == TEXT
    body = fault_server.requests[1].body
    last = body["messages"][-1]
    assert (last["role"], last["content"]) == ("assistant", stream.state.resume_point)
    assert last.get("prefix") is (True if strategy == "prefill" else None)
    assert body.get("continue_final_message") is (True if strategy == "vllm" else None)
    assert stream.state.deduplication_applied is False


def test_a_refused_prefill_is_asked_for_otherwise(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)], prefill="reject", overlap=40))
    text, stream = read(fault_server, continue_from_last_good_token=ContinuationConfig(strategy="prefill"))
    assert text == TEXT
    assert [log.body["messages"][-1]["role"] for log in fault_server.requests] == ["user", "assistant", "user"]
    assert [type(error).__name__ for error in stream.errors][-1] == "BadRequestError"


@pytest.mark.parametrize("request_of", [{"response_format": {"type": "json_object"}}, {"n": 2}])
def test_what_cannot_be_continued_is_begun_anew(fault_server: FaultServer, request_of: dict[str, Any]) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, stream = read(fault_server, request_of)
    assert text == TEXT
    assert [len(log.body["messages"]) for log in fault_server.requests] == [2, 2]
    assert not stream.state.continuation_used


def test_messages_that_were_not_named_are_not_continued(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))

    async def main() -> None:
        client = l0.wrap(router(fault_server), retry=AT_ONCE, continue_from_last_good_token=True)
        stream = await client.acompletion("m", MESSAGES, stream=True)
        assert await stream.read() == TEXT
        assert not stream.state.continuation_used

    run(main())


def test_the_callers_prompt_takes_the_place_of_the_last_question(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=9)]))
    text, _ = read(fault_server, build_continuation_prompt=lambda kept: f"Go on after: {kept[-10:]}")
    assert text == TEXT  # The server begins anew, and the seam sees that all of it is a repetition.
    assert fault_server.requests[1].body["messages"][1]["content"].startswith("Go on after: ")
