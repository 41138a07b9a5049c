"""A program as people write it: it names no plugin. `python program.py BASE_URL` says as JSON what it got."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import acme_sdk
import l0
import openai

import l0_core

REQUEST: dict[str, Any] = {"messages": [{"role": "user", "content": "Say it."}], "stream": True}


async def told(stream: Any) -> dict[str, Any]:
    text = await stream.read()
    state = stream.state
    return {
        "text": text,
        "reasoning": state.reasoning,
        "outcome": state.outcome,
        "finish_reason": state.finish_reason,
        "usage": state.usage,
        "source": state.fallback_index,
        "violations": [violation.message for violation in state.violations],
    }


async def main(base_url: str) -> dict[str, Any]:
    async with openai.AsyncOpenAI(api_key="sk-test", base_url=base_url) as client:

        def other() -> Any:
            return client.chat.completions.create(model="other", **REQUEST)

        polite = l0.wrap(client, context={"name": "polite"})
        patient = l0.wrap(client, context={"name": "patient"}, fallbacks=[other])
        refused = await told(await polite.chat.completions.create(model="rude", **REQUEST))
        busy = await told(await patient.chat.completions.create(model="busy", **REQUEST))
    acme = acme_sdk.Acme(["All ", "is ", "well, ", "dear ", "friend."], cut=1)
    wrapped = l0.wrap(acme, context={"name": "acme"})
    foreign = await told(await wrapped.answers.create(question="Is it?", stream=True))
    return {
        "refused": refused,
        "busy": busy,
        "foreign": foreign,
        "opened": acme.answers.opened,
        "closed": acme.answers.closed,
        "untouched": await wrapped.answers.create(question="Is it?"),
        "installed": [[item.kind, item.name, item.origin, item.state] for item in l0_core.registry().installed()],
    }


if __name__ == "__main__":
    json.dump(asyncio.run(main(sys.argv[1])), sys.stdout)
