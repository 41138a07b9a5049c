"""Each promise of the suite for adapters fails for an adapter that breaks it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from l0_testing import AdapterSuite

Failures = Callable[..., dict[str, str]]

OWN = "test_it_recognises_its_own"
FOREIGN = "test_it_leaves_what_is_not_its_own"
SDK = "test_it_recognises_without_importing_an_sdk"
LIGHT = "test_importing_it_is_light"
TEXT = "test_the_text_is_the_sources"
EVENTS = "test_it_makes_events"
PROOF = "test_it_proves_the_end"
TRUNCATED = "test_a_source_that_is_cut_short_is_not_complete"
CLOSED = "test_leaving_early_closes_the_source"
TOGETHER = "test_two_streams_at_once_share_nothing"

GOOD = """
class Reader:
    name = "acme"
    count = 0

    def decode(self, chunk):
        self.count += 1
        if chunk is None:
            return Event(EventType.COMPLETE, data={"finish_reason": "stop"})
        return Event(EventType.TOKEN, chunk)

class Acme:
    @hookimpl
    def adapt(self, ctx, source):
        if type(source).__name__ == "Answer":
            return Reader()
"""


class Answer:
    """A stream of an SDK: pieces of text, and None at the end of a whole one."""

    def __init__(self, *chunks: str | None) -> None:
        self.chunks = self._send(chunks)
        self.closed = False

    async def _send(self, chunks: tuple[str | None, ...]) -> AsyncIterator[str | None]:
        for chunk in chunks:
            yield chunk

    def __aiter__(self) -> AsyncIterator[str | None]:
        return self.chunks

    async def aclose(self) -> None:
        await self.chunks.aclose()  # type: ignore[attr-defined]
        self.closed = True


def suite(cls: Any, source: type[Answer] = Answer) -> type:
    class TestAcme(AdapterSuite):
        name = "acme"
        plugin = cls
        text = "It is noon."

        async def make_source(self) -> Answer:
            return source("It ", "is ", "noon.", None)

        def make_truncated(self) -> Answer:
            return source("It ", "is ")

        def is_closed(self, source: Answer) -> bool:
            return source.closed

    return TestAcme


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_adapter_passes(site: Any, failures: Failures) -> None:
    assert failures(suite(site.install(GOOD, "adapter")), SDK, LIGHT) == {}


def test_a_good_adapter_of_the_documented_form_passes(site: Any, failures: Failures) -> None:
    source = """
class Acme:
    name = "acme"

    def detect(self, stream):
        return type(stream).__name__ == "Answer"

    async def wrap(self, stream, options=None):
        async for chunk in stream:
            yield Event(EventType.COMPLETE) if chunk is None else AdaptedEvent(Event(EventType.TOKEN, chunk), chunk)
"""
    assert failures(suite(site.install(source, "adapter")), SDK) == {}


def test_what_may_be_left_out(site: Any, failures: Failures) -> None:
    class TestAcme(AdapterSuite):
        name = "acme"
        plugin = site.install(GOOD, "adapter")
        text = "It is noon."

        def make_source(self) -> Answer:
            return Answer("It ", "is ", "noon.", None)

    assert failures(TestAcme) == {}
    with pytest.raises(pytest.skip.Exception, match=r"no make_truncated\(\)"):
        getattr(TestAcme(), TRUNCATED)()


BAD = {
    "it does not know its own": (
        changed('"Answer"', '"Question"'), {OWN, TEXT, PROOF, TRUNCATED}, OWN,
        r"adapt returned None for a .*Answer, which make_source made",
    ),
    "it takes all for its own": (
        changed('type(source).__name__ == "Answer"', 'hasattr(source, "__aiter__")'), {FOREIGN}, FOREIGN,
        "takes an async generator of text for its own",
    ),
    "it takes all clients for its own": (
        changed('type(source).__name__ == "Answer"', 'type(source).__name__ == "Answer" or ctx is None'),
        {FOREIGN}, FOREIGN, "takes an async generator of text for its own",
    ),
    "it takes what is like it for its own": (
        changed('type(source).__name__ == "Answer"', 'type(source).__name__ == "Answer" or hasattr(source, "choices")'),
        {FOREIGN}, FOREIGN, "takes what looks like a chunk of OpenAI's for its own",
    ),
    "it raises for what is not its own": (
        changed("if type(source)", "source.__aiter__\n        if type(source)"), {FOREIGN}, FOREIGN,
        "its adapt raised AttributeError",
    ),
    "it loses text": (
        changed("Event(EventType.TOKEN, chunk)", "Event(EventType.TOKEN, chunk.strip())"), {TEXT}, TEXT,
        "the text of the stream is 'Itisnoon.', and that of the source 'It is noon.'",
    ),
    "it makes what is no event": (
        changed("return Event(EventType.TOKEN, chunk)", "return chunk"),
        {EVENTS, TEXT, PROOF, TRUNCATED, CLOSED}, EVENTS,
        "its decode made 'It ' of a chunk: return an Event",
    ),
    "it proves nothing": (
        changed("return Event(EventType.COMPLETE, data={\"finish_reason\": \"stop\"})", "return None"), {PROOF, TEXT},
        PROOF, "it proves the end of no source. Return Event",
    ),
    "it says that every answer is cut short": (
        changed('"stop"', '"length"'), {PROOF}, PROOF, "ended as incomplete after 4 events",
    ),
    "it takes any end for a whole answer": (
        changed('name = "acme"', 'name = "acme"\n    end_is_proof = True'), {TRUNCATED}, TRUNCATED,
        "ended as complete after 3 events, text 'It is ', and must be Truncated",
    ),
    "it reads all sources with one reader": (
        changed("return Reader()", "return self.reader")
        .replace("class Acme:", "class Acme:\n    def __init__(self): self.reader = Reader()\n")
        .replace("if chunk is None:", "if chunk is None and self.count > 4: return None\n        if chunk is None:"),
        {TOGETHER}, TOGETHER, "what belongs to a stream",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_an_adapter_that_breaks_one_promise_fails_by_it(what: str, site: Any, failures: Failures) -> None:
    source, expected, test, message = BAD[what]
    found = failures(suite(site.install(source, "adapter")))

    assert found.keys() == expected, found
    assert re.search(message, found[test]), found[test]


def test_a_source_that_stays_open(site: Any, failures: Failures) -> None:
    careless = type("Answer", (Answer,), {"aclose": lambda self: self.chunks.aclose()})
    found = failures(suite(site.install(GOOD, "adapter"), careless))

    assert found.keys() == {CLOSED}
    assert "left after its first event, and its source is still open" in found[CLOSED]


def test_a_task_that_reads_on(site: Any, failures: Failures) -> None:
    source = changed(
        "    def decode",
        "    def iterate(self, source):\n        self.task = asyncio.ensure_future(asyncio.sleep(1000))\n"
        "        return source\n\n    def decode",
    )
    found = failures(suite(site.install(source, "adapter")))

    assert found.keys() == {CLOSED, "test_a_cancelled_stream_leaves_nothing"}
    assert re.search("(?s)left after its first event: .*left behind.*task", found[CLOSED])


def test_an_adapter_that_imports_an_sdk_to_recognise(site: Any, failures: Failures) -> None:
    source = changed("if type(source)", "import pydantic\n        if type(source)")
    found = failures(suite(site.install(source, "adapter")), SDK, LIGHT)

    assert found.keys() == {SDK}
    assert "importing it imports pydantic" in found[SDK]


def test_an_adapter_that_imports_its_own_sdk(site: Any, failures: Failures) -> None:
    (site.folder / "acme_sdk.py").write_text("")
    found = failures(suite(site.install("import acme_sdk" + GOOD, "adapter"), Answer), LIGHT)
    assert found == {}

    kind = type("Answer", (Answer,), {"__module__": "acme_sdk"})
    found = failures(suite(site.install("import acme_sdk" + GOOD, "adapter", "acme2"), kind), LIGHT)
    assert "importing it imports acme_sdk" in found[LIGHT]
