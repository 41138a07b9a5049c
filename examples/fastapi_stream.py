"""An endpoint of FastAPI that streams an answer to a browser, as server-sent events.

    uvicorn fastapi_stream:app

    event: token    data: a piece of the answer, as JSON
    event: reset    data: how many characters of the answer stand; the rest is withdrawn
    event: end      data: "complete", or "incomplete" where the provider cut the answer short
    event: failed   data: the type of the error; what was shown is not the whole answer

A browser that goes away, even in the middle of a silence, closes the connection to the provider.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import l0
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from openai import AsyncOpenAI

MODEL = os.environ.get("MODEL", "gpt-4o-mini")
log = logging.getLogger(__name__)

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>An answer</title>
<form><input name="question" size="60" autofocus> <button>Ask</button></form>
<p id="answer" style="white-space: pre-wrap"></p>
<p id="state"></p>
<script>
const answer = document.querySelector("#answer"), state = document.querySelector("#state");
let source;
document.querySelector("form").onsubmit = (submitted) => {
  submitted.preventDefault();
  source?.close();
  answer.textContent = state.textContent = "";
  source = new EventSource("/answer?" + new URLSearchParams(new FormData(submitted.target)));
  // An EventSource that is not closed asks again by itself.
  const close = (text) => { source.close(); state.textContent = text; };
  source.addEventListener("token", (event) => { answer.textContent += JSON.parse(event.data); });
  source.addEventListener("reset", (event) => {
    // L0 counts characters, and a string of JavaScript UTF-16 units: an emoji is one, and two.
    answer.textContent = [...answer.textContent].slice(0, JSON.parse(event.data)).join("");
  });
  source.addEventListener("end", (event) => { close(JSON.parse(event.data) == "complete" ? "" : "(cut short)"); });
  source.addEventListener("failed", (event) => { close("(failed: " + JSON.parse(event.data) + ")"); });
  source.onerror = () => { close("(the connection is lost)"); };
};
</script>
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """What it yields is the `state` of each request."""
    async with AsyncOpenAI() as client:
        yield {"client": l0.wrap(client, timeout=l0.Timeout(initial_token=20_000, inter_token=10_000))}


app = FastAPI(lifespan=lifespan)


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


@app.get("/answer")
async def answer(request: Request, question: str) -> StreamingResponse:
    stream = await request.state.client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], stream=True
    )
    # Proxies that buffer would turn the stream into one piece.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(as_events(stream), media_type="text/event-stream", headers=headers)


async def as_events(stream: l0.Stream) -> AsyncIterator[str]:
    """The stream as server-sent events. It is closed when this is, which the server does when the browser leaves."""
    try:
        async with stream:
            async for event in stream:
                if event.is_token:
                    yield sse("token", event.text)
                elif event.is_reset and event.data:
                    yield sse("reset", event.data["keep"])
            yield sse("end", stream.state.outcome)
    except Exception as error:
        # The status was sent long ago. What a provider says of an error is for the log, and not for the browser.
        log.exception("the answer failed after %d characters", len(stream.state.content))
        yield sse("failed", type(error).__name__)


def sse(event: str, data: object) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"
