"""Asynchronous guardrails: a moderation service over HTTP judges a stream, within its time, beside other guardrails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import l0
import pytest
from l0_testing import FakeProvider, text_of

from l0_core import Check, hookimpl

WORDS = [f"word{number} " for number in range(60)]
FAST = l0.Retry(attempts=1, base_delay=0)


class Service:
    """A moderation service: it flags texts with FORBIDDEN in them, when it is not too slow."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = self.most_open = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
                )
                text = json.loads(await reader.readexactly(size))["input"]
                self.asked.append(text)
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                await asyncio.sleep(0)
                await self.answers.wait()
                self.open -= 1
                body = json.dumps({"flagged": "FORBIDDEN" in text}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield service, client


class Moderated:
    def __init__(self, client: httpx.AsyncClient, timeout: float = 5.0) -> None:
        self.client, self.timeout = client, timeout

    @hookimpl
    def check(self, ctx: Any) -> Check:
        before = ""

        async def judge(delta: str, final: bool) -> l0.Violation | None:
            nonlocal before
            if final:
                return None
            # What is cut at a delta's edge is seen whole the next time.
            text, before = before + delta, delta[-8:]
            answer = await self.client.post("/moderate", json={"input": text})
            return l0.Violation("moderated", "flagged") if answer.json()["flagged"] else None

        return Check(judge, holdback=8, timeout=self.timeout)


class Quotes:
    """A plain guardrail beside it, with a holdback of its own."""

    @hookimpl
    def check(self, ctx: Any) -> Check:
        said = ""

        def judge(delta: str, final: bool) -> l0.Violation | None:
            nonlocal said
            said = said[-20:] + delta
            return l0.Violation("quotes", "a quotation") if "<<quote>>" in said else None

        return Check(judge, holdback=20)


@pytest.mark.parametrize("word", ["FORBIDDEN ", "<<quote>> "])
@pytest.mark.parametrize("release", ["live", "checked"])
def test_a_service_and_another_guardrail_judge_a_stream_together(word: str, release: str) -> None:
    async def main() -> None:
        async with served() as (service, client):
            bad = [*WORDS[:33], word[:4], word[4:], *WORDS[33:]]
            provider = FakeProvider(WORDS, texts=[bad])
            stream = await l0.run(
                provider, adapter=provider, retry=FAST, release=release, guardrails=[Moderated(client), Quotes()]
            )
            seen = [event async for event in stream]
            assert text_of(seen) == "".join(WORDS)
            delivered = "".join(event.text or "" for event in seen if event.is_token)
            assert (word.strip() in delivered) == (release == "live")
            assert provider.opened == 2
            assert len(stream.errors) == 1
            assert len(asyncio.all_tasks()) == 2  # this one, and the service's
            assert any(word.strip() in text for text in service.asked) or word.startswith("<")

    asyncio.run(main())


def test_services_are_asked_side_by_side() -> None:
    async def main() -> None:
        async with served() as (service, client):
            provider = FakeProvider(WORDS)
            stream = await l0.run(provider, adapter=provider, guardrails=[Moderated(client), Moderated(client)])
            assert await stream.read() == "".join(WORDS)
            assert service.most_open == 2

    asyncio.run(main())


class Closed(l0.GuardrailRule):
    """A rule that objects where it cannot judge, as `on_error = "closed"` makes of one."""

    on_error = "closed"


@pytest.mark.parametrize("on_error", ["open", "closed"])
def test_a_service_that_takes_too_long_is_out_or_a_violation(on_error: Any) -> None:
    async def main() -> None:
        async with served() as (service, client):
            service.answers.clear()
            provider = FakeProvider(WORDS)
            kind = Closed if on_error == "closed" else l0.GuardrailRule
            rule = kind("moderated", lambda state: [], open=Moderated(client, timeout=0.05).check)
            stream = await l0.run(
                provider, adapter=provider, retry=l0.Retry(max_retries=0), guardrails=[rule],
                timeout=l0.Timeout(initial_token=1000, inter_token=1000),
            )  # fmt: skip
            if on_error == "open":
                assert await stream.read() == "".join(WORDS)
                assert [found.severity for found in stream.state.violations] == ["warning"]
            else:
                with pytest.raises(l0.GuardrailViolationError, match="raised TimeoutError and could not judge"):
                    await stream.read()
            assert len(service.asked) == 1
            assert provider.open == 0
            service.answers.set()

    asyncio.run(main())
