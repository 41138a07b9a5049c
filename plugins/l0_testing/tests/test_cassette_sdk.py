"""An application that runs against a cassette behaves as it did against the provider."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_testing import FAULTS, CassetteServer, Fault, FaultServer, LeakCheck, Recorder, Script, read_cassette, text_of

openai = pytest.importorskip("openai")
pytest.importorskip("l0_openai")

TEXT = "One two 流 three 🌊 four five, and then six; seven comes last.\n"
MESSAGES = [{"role": "user", "content": "hi"}]
KINDS = (
    "rst_before fin_before no_headers 503 429_ra_ms 401 html200 idle_close reuse_close rst_mid fin_mid eof_close_delim "
    "trunc_clean shortlen badchunk err_data badutf8 utf8_split stall_mid keepalive_stall after_done badgzip"
).split()
SILENT = {"no_headers", "stall_mid", "keepalive_stall"}


async def complete(base_url: str, *, timeout: float = 30_000, **options: Any) -> dict[str, Any]:
    """What a consumer has of a stream in the end, and how it came to it."""
    failures: list[str] = []

    def on_error(error: BaseException, will_retry: bool, will_fallback: bool) -> None:
        failures.append(type(error).__name__)

    async with openai.AsyncOpenAI(api_key="sk-canary", base_url=base_url) as client:
        wrapped = l0.wrap(
            client,
            timeout=l0.Timeout(initial_token=timeout, inter_token=timeout),
            retry=l0.Retry(base_delay=0.01),
            on_error=on_error,
            **options,
        )
        stream = await wrapped.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        raised = None
        events = []
        try:
            events = [event async for event in stream]
        except Exception as error:
            raised = type(error).__name__
    state = stream.state
    return {
        "text": text_of(events),
        "content": state.content,
        "outcome": state.outcome,
        "finish": state.finish_reason,
        "failures": failures,
        "raised": raised,
        "resets": sum(event.is_reset for event in events),
    }


async def twice(
    server: FaultServer, path: Path, **options: Any
) -> tuple[dict[str, Any], dict[str, Any], list[str], list[str]]:
    """What came of a stream through the recorder, and from the cassette, and the bodies that were asked."""
    async with LeakCheck(settle=1):
        async with Recorder(server.base_url, path) as recorder:
            first = await complete(recorder.base_url, **options)
        async with CassetteServer(path) as cassettes:
            second = await complete(cassettes.base_url, **options)
    asked = [each.request.sha256 for each in read_cassette(path).exchanges]
    return first, second, asked, [request.sha256 for request in cassettes.requests]


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_fault_is_the_fault(kind: str, fault_server: FaultServer, tmp_path: Path) -> None:
    """The same text, the same failures on the way, the same requests."""
    fault_server.add("m", Script(TEXT, faults=[Fault(kind, at=5, seconds=0.01)]))
    patience = 600 if kind in SILENT else 10_000

    first, second, asked, asked_again = asyncio.run(twice(fault_server, tmp_path / "a.cassette", timeout=patience))

    assert second == first
    assert asked_again == asked
    expected = {"ok": TEXT, "text": TEXT, "fatal": ""}
    assert first["text"] == expected.get(FAULTS[kind].outcome, first["text"])
    assert len(asked) >= (2 if FAULTS[kind].outcome == "text" else 1)


def test_an_answer_that_is_continued_is_continued_again(fault_server: FaultServer, tmp_path: Path) -> None:
    """Each request holds what came before: the bytes of all of them are the same again."""
    faults = [
        Fault("rst_mid", at=8),
        Fault("429_ra", seconds=0.01),
        Fault("trunc_clean", at=2),
        Fault("err_data", at=2),
    ]
    fault_server.add("m", Script(TEXT, faults=faults))
    path = tmp_path / "a.cassette"

    first, second, asked, asked_again = asyncio.run(twice(fault_server, path, continue_from_last_good_token=True))

    assert second == first
    assert (first["text"], first["outcome"], first["resets"]) == (TEXT, "complete", 0)
    assert asked_again == asked
    assert len(set(asked)) > 2
    assert "canary" not in path.read_text()


def test_the_sdk_without_l0_fails_as_it_did(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("rst_mid", at=5), Fault("503_ra", seconds=0.001)]))
    path = tmp_path / "a.cassette"

    def ask(base_url: str) -> list[Any]:
        seen: list[Any] = []
        with openai.OpenAI(api_key="key", base_url=base_url, max_retries=2) as client:
            try:
                for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
                    seen.append(chunk.choices[0].delta.content)
            except Exception as error:
                seen.append(type(error).__name__)
            seen.append(client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content)
            seen.append([model.id for model in client.models.list()])
        return seen

    with Recorder.in_thread(fault_server.base_url, path) as recorder:
        first = ask(recorder.base_url)
    with CassetteServer.in_thread(path) as server:
        assert ask(server.base_url) == first
    assert first[-2:] == [TEXT, ["m"]]
    assert [each.response and each.response.status for each in read_cassette(path).exchanges] == [200, 503, 200, 200]
