"""The incident of `incident.cassette`: an answer that stopped in the middle of a sentence, without an error."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from l0_testing import CassetteServer
from openai import AsyncOpenAI

PROGRAM = Path(__file__).with_name("status_page.py")
NOTES = "database down 14:02 to 14:09, no data lost"
CUT = "It came back by itself when the standby"
WHOLE = (
    "Between 14:02 and 14:09 UTC our main database could not be reached, and requests that write failed. It came back "
    "by itself when the standby took over. No data was lost, and nothing needs to be done on your side. We are sorry "
    "for the seven minutes."
)

of_the_incident = pytest.mark.l0_cassette("incident.cassette")


async def answers(base_url: str) -> list[str]:
    """What the SDK alone makes of both answers of the cassette."""
    texts = []
    async with AsyncOpenAI(base_url=base_url, api_key="unused") as client:
        for _ in range(2):
            stream = await client.chat.completions.create(model="any", messages=[], stream=True)
            texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in stream]))
    return texts


@of_the_incident
def test_what_happened(l0_cassette: CassetteServer) -> None:
    first, second = asyncio.run(answers(l0_cassette.base_url))
    # Nothing was raised, and half a sentence went to the status page.
    assert first.endswith(CUT)
    # When the model was asked to go on, it repeated where it had been: joined, the two would have said it twice.
    repeated = WHOLE[len(WHOLE) - len(second) : len(first)]
    assert second.startswith(repeated)
    assert CUT.endswith(repeated[-30:])


@of_the_incident
def test_it_does_not_happen_again(l0_cassette: CassetteServer) -> None:
    environ = {**os.environ, "OPENAI_BASE_URL": l0_cassette.base_url, "OPENAI_API_KEY": "unused"}
    ran = subprocess.run([sys.executable, str(PROGRAM), NOTES], env=environ, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == (WHOLE + "\n", "")

    first, second = (json.loads(request.body or b"")["messages"] for request in l0_cassette.requests)
    assert second[: len(first)] == first
    assert second[len(first)]["role"] == "assistant"
    assert second[len(first)]["content"].endswith(CUT)
