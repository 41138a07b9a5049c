"""The demonstration does what it says, and says so only when it has."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import openai
import pytest
from l0_cli import demo, main
from l0_cli.demo import Proof, Story
from l0_testing import Fault, FaultServer, Script, closed_port

PROOF = Proof(True, "ab", "ab", 2, 2, 0, 6, 6, 0, 0)


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
    assert proof["requests"] == 6
    assert proof["open_responses"] == proof["open_connections"] == 0

    attempts = told["attempts"]
    assert [(attempt["fault"], attempt["error"]) for attempt in attempts] == [
        ("the connection broke", attempts[0]["error"]),  # the transport's own error, or the SDK's around it
        ("429 Too Many Requests, wait 0.5 s", "openai.RateLimitError"),
        ("fell silent for 0.4 s", "l0.TimeoutError"),
        ("ended without proof of being whole", "l0.Truncated"),
        ("503 Service Unavailable", "openai.InternalServerError"),
        (None, None),
    ]
    assert sum(attempt["new"] for attempt in attempts) == len(demo.TEXT)
    assert attempts[5]["repeated"] == sum(attempt["new"] for attempt in attempts[:5]) > 0
    assert [attempt["state"] for attempt in attempts] == ["survived"] * 5 + ["complete"]
    assert all(attempt["wait_seconds"] > 0 for attempt in attempts[:5])


@pytest.mark.parametrize(
    "broken",
    [{"text_equal": False}, {"delivered_twice": 1}, {"requests": 7}, {"open_responses": 1}, {"open_connections": 1}],
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
