"""The demonstration does what it says, and says so only when it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest
from l0_cli import demo, main
from l0_cli.demo import Proof, Story
from l0_testing import Fault, FaultServer, Script, closed_port

PROOF = Proof(True, "ab", "ab", 2, 2, 0, 0, {"m": 6, "n": 1}, {"m": 6, "n": 1}, 0, 0)
LARGE, SMALL = demo.MODELS


@pytest.fixture(scope="module")
def servers() -> list[FaultServer]:
    """The servers that stories were played with."""
    return []


@pytest.fixture(scope="module")
def story(servers: list[FaultServer]) -> Story:
    story = Story()
    in_thread = FaultServer.in_thread

    @contextlib.contextmanager
    def kept() -> Iterator[FaultServer]:
        with in_thread() as server:
            servers.append(server)
            yield server

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FaultServer, "in_thread", kept)
        demo.play_script(story, 0.0)
    return story


def test_the_text_arrives_whole_and_once() -> None:
    run = subprocess.run([sys.executable, "-m", "l0_cli", "demo", "--json"], capture_output=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, b"")
    told = json.loads(run.stdout)
    assert told["text"] == demo.TEXT
    assert told["outcome"] == "complete"
    assert told["withdrawn"] == 0
    proof = told["proof"]
    assert proof["holds"] is proof["text_equal"] is True
    assert proof["sha256"] == proof["expected_sha256"]
    assert proof["characters"] == proof["expected_characters"] == len(demo.TEXT)
    assert proof["delivered_twice"] == 0
    assert proof["withdrawn"] == 0
    assert proof["requests"] == proof["expected_requests"] == {LARGE: 6, SMALL: 1}
    assert proof["open_responses"] == proof["open_connections"] == 0

    attempts = told["attempts"]
    assert [(attempt["fault"], attempt["error"], attempt["recovery"]) for attempt in attempts] == [
        # The transport's own error, or the SDK's around it.
        ("the connection broke", attempts[0]["error"], "retry"),
        ("429 Too Many Requests, wait 0.5 s", "openai.RateLimitError", "retry"),
        ("fell silent for 0.4 s", "l0.TimeoutError", "continue"),
        ("ended without proof of being whole", "l0.Truncated", "continue"),
        ("said in the stream: Overloaded", "openai.APIError", "continue"),
        ("404 Not Found", "openai.NotFoundError", "fallback"),
        (None, None, None),
    ]
    assert sum(attempt["new"] for attempt in attempts) == len(demo.TEXT)
    assert [attempt["state"] for attempt in attempts] == ["survived"] * 6 + ["complete"]
    assert [attempt["wait_seconds"] for attempt in attempts] == [0.2, 0.5, 0.2, 0.2, 0.2, None, None]


def test_little_is_restarted_and_verified_and_more_is_resumed(story: Story, servers: list[FaultServer]) -> None:
    first, _, restarted, *_ = attempts = story.attempts
    assert first.new <= 10
    assert (restarted.resumed_from, restarted.overlap_cut, restarted.repeated) == (None, None, first.new)
    had = 0
    for attempt, request in zip(attempts, servers[0].requests, strict=True):
        assert attempt.before == had
        had += attempt.new
        messages = request.body["messages"]
        if attempt.resumed_from is None:
            assert len(messages) == 1
            continue
        # It was really asked to continue, and from exactly what the consumer had.
        assert attempt.resumed_from == attempt.before
        assert messages[1] == {"role": "assistant", "content": demo.TEXT[: attempt.resumed_from]}
        assert "ontinue" in messages[2]["content"]
        if request.text:
            assert attempt.repeated == attempt.overlap_cut == demo.OVERLAP
            assert attempt.sent == demo.OVERLAP + attempt.new
            assert request.text == demo.TEXT[had - len(request.text) : had]
        else:
            assert attempt.repeated is attempt.overlap_cut is None
    assert [attempt.number for attempt in attempts if attempt.overlap_cut] == [4, 5, 7]


def test_another_model_goes_on_when_the_first_is_gone(story: Story, servers: list[FaultServer]) -> None:
    asked = [attempt.model for attempt in story.attempts]
    assert asked == [request.model for request in servers[0].requests] == [LARGE] * 6 + [SMALL]
    last = story.attempts[-1]
    assert last.resumed_from == sum(attempt.new for attempt in story.attempts[:-1]) > 0
    assert demo.TEXT[last.resumed_from :] == demo.TEXT[-last.new :]


@pytest.mark.parametrize(
    "broken",
    [
        {"text_equal": False},
        {"delivered_twice": 1},
        {"withdrawn": 1},
        {"requests": {"m": 7, "n": 1}},
        {"open_responses": 1},
        {"open_connections": 1},
    ],
)
def test_a_promise_that_is_not_kept_is_no_proof(broken: dict[str, Any]) -> None:
    assert PROOF.holds
    assert not replace(PROOF, **broken).holds


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_failed_proof_is_the_exit_code(
    form: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(story: Story, pace: float) -> None:
        story.outcome, story.proof = "complete", replace(PROOF, text_equal=False)

    monkeypatch.setattr(demo, "play_script", play)
    assert main(["demo", *form]) == 1
    assert ('"holds": false' if form else "Not proven") in capsys.readouterr().out


def ask(server: FaultServer, *more: str) -> int:
    return main(["demo", "--base-url", server.base_url, "--model", "m", *more])


def test_a_real_endpoint_is_asked_and_nothing_is_claimed(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    fault_server.add("m", Script("An answer."))
    assert ask(fault_server, "--prompt", "A question?", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["text"], told["proof"], told["scripted"]) == ("An answer.", None, False)
    [request] = fault_server.requests
    assert request.body["messages"] == [{"role": "user", "content": "A question?"}]
    assert request.headers["authorization"] == "Bearer secret-key"

    assert ask(fault_server) == 0
    shown = capsys.readouterr().out
    assert "An answer." in shown
    assert "nothing here can prove" in shown
    assert "Proven" not in shown


def test_a_real_endpoint_is_asked_to_continue(fault_server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    fault_server.add("m", Script(demo.TEXT, faults=[Fault("trunc_clean", at=20)], overlap=25))
    assert ask(fault_server, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["text"] == demo.TEXT
    first, second = told["attempts"]
    assert (first["model"], first["recovery"]) == ("m", "continue")
    assert first["resumed_from"] is first["overlap_cut"] is first["repeated"] is None
    assert (second["resumed_from"], second["overlap_cut"], second["repeated"]) == (first["new"], 25, 25)
    assert fault_server.requests[1].body["messages"][1]["content"] == demo.TEXT[: first["new"]]


def test_an_endpoint_that_refuses_is_told_with_its_reason(
    fault_server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fault_server.add("m", Script(faults=[Fault("401")] * 2))
    assert ask(fault_server) == 1
    shown = capsys.readouterr().out
    assert "401 Unauthorized" in shown
    assert "AuthenticationError, gave up" in shown
    assert "failed at attempt 1, with 0 characters delivered" in shown
    assert "Incorrect API key provided" in " ".join(shown.split())
    assert ask(fault_server, "--json") == 1
    assert json.loads(capsys.readouterr().out)["attempts"][0]["state"] == "failed"


def test_a_connection_that_is_never_made_is_told_from_one_that_breaks() -> None:
    async def ask(url: str) -> BaseException:
        async with openai.AsyncOpenAI(base_url=url, api_key="key", max_retries=0) as client:
            with pytest.raises(openai.APIConnectionError) as raised:
                await client.models.list()
            return raised.value

    with closed_port() as url:
        assert demo.describe(asyncio.run(ask(url))) == "no connection"
    assert demo.describe(ConnectionResetError()) == "the connection broke"


@pytest.mark.parametrize("module", ["openai", "l0_openai", "l0_testing"])
def test_a_missing_package_is_named_with_what_installs_it(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo"]) == 2
    said = capsys.readouterr()
    package = module.replace("_", "-")
    assert said.err == f'l0: the demo needs {package}, not installed here: pip install "l0-cli[demo]"\n'
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["--model", "m"], "give its --base-url too"),
        (["--prompt", "p"], "give its --base-url too"),
        (["--base-url", "http://127.0.0.1:9/v1"], "needs a --model"),
        (["--base-url", "nonsense", "--model", "m"], "it must be like http://"),
        (["--speed", "9"], "No such option"),
    ],
)
def test_options_that_do_not_fit_are_told_on_one_line(
    arguments: list[str], fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *arguments]) == 2
    said = capsys.readouterr().err
    assert fix in said
    assert said.count("\n") == 1
