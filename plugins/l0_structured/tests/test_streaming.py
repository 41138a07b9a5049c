"""A structured answer while it comes in: an object that grows, also across attempts, and is valid in the end."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import l0
import pytest
from l0_structured import JSONSchema, StructuredOutputError
from l0_testing import Fault, FaultServer, Script
from l0_testing.virtual import run
from pydantic import BaseModel


class Tag(BaseModel):
    text: str
    weight: float


class Page(BaseModel):
    title: str
    views: int
    tags: list[Tag] = []


TEXT = '{"title": "The sea", "views": 1200, "tags": [{"text": "deep", "weight": 0.5}, {"text": "blue", "weight": 1}]}'
DATA = Page.model_validate_json(TEXT)
RETRY = l0.Retry(attempts=2, base_delay=0)


async def says(text: str, width: int = 3) -> AsyncIterator[l0.Event]:
    for at in range(0, len(text), width):
        yield l0.Event(l0.EventType.TOKEN, text[at : at + width])
    yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": "stop"})


def one_by_one(*answers: Callable[[], Any]) -> Callable[[], Any]:
    left = iter(answers)
    return lambda: next(left)()


def read(schema: Any, source: Callable[..., Any], **options: Any) -> tuple[list[Any], Any]:
    """Each event with a copy of the object that it had, and the result."""

    async def main() -> tuple[list[Any], Any]:
        seen = []
        events, result = await l0.structured_stream(schema, source, **{"retry": RETRY, **options})
        async for event in events:
            seen.append((event, copy.deepcopy(event.partial)))
        return seen, await result.validate()

    return run(main())


def test_the_object_grows_until_it_is_the_valid_one() -> None:
    seen, result = read(Page, lambda: says(TEXT))
    partials = [partial for _, partial in seen]
    assert all(isinstance(partial, Page) for partial in partials)
    titles = [partial.title for partial in partials]
    assert [title for title, _ in itertools.groupby(titles)][:4] == [None, "T", "The ", "The sea"]
    assert {partial.views for partial in partials} == {None, 1200}
    assert [len(partial.tags) for partial in partials] == sorted(len(partial.tags) for partial in partials)
    last = seen[-1][0]
    assert last.is_complete
    assert last.partial is result.data
    assert result.data == DATA
    assert "".join(event.text for event, _ in seen if event.is_token) == result.raw == TEXT


def test_events_are_those_of_the_stream() -> None:
    async def main() -> None:
        events, result = await l0.structured_stream(Page, lambda: says(TEXT))
        plain = [event async for event in await l0.run(lambda: says(TEXT))]
        structured = [event async for event in events]
        assert [(e.type, e.text, e.data) for e in structured] == [(e.type, e.text, e.data) for e in plain]
        assert isinstance(structured[0], l0.Event)
        assert result.state.completed

    run(main())


def test_what_is_done_does_not_change() -> None:
    async def main() -> None:
        events, _ = await l0.structured_stream(Page, lambda: says(TEXT, 1))
        done: dict[tuple[Any, ...], Any] = {}
        paths = [("title",), ("views",), ("tags", 0, "text"), ("tags", 0), ("tags", 1, "weight"), ("tags",), ()]
        async for event in events:
            dumped = event.partial.model_dump(warnings=False) if event.partial is not None else {}
            for path in paths:
                value = dumped
                for step in path:
                    value = value[step] if event.is_done(*path) else None
                if event.is_done(*path):
                    assert done.setdefault(path, value) == value
                else:
                    assert path not in done
        assert done[()] == DATA.model_dump()
        assert list(done) == [
            ("title",),
            ("views",),
            ("tags", 0, "text"),
            ("tags", 0),
            ("tags", 1, "weight"),
            ("tags",),
            (),
        ]

    run(main())


def test_an_answer_without_a_type_grows_as_dicts_and_lists() -> None:
    schema = {"type": "object", "required": ["title"]}
    for given in (schema, JSONSchema.wrap(schema)):
        seen, result = read(given, lambda: says(TEXT))
        assert seen[4][1] == {"title": "The "}
        assert result.data == json.loads(TEXT)


def test_a_list_grows_item_by_item() -> None:
    seen, result = read(list[Tag], lambda: says(json.dumps([tag.model_dump() for tag in DATA.tags])))
    assert all(isinstance(tag, Tag) for _, partial in seen if partial for tag in partial)
    assert result.data == DATA.tags


def test_a_break_of_the_connection_goes_unseen() -> None:
    """The second attempt says the same again: what was delivered is not repeated, and the object only grows."""

    async def breaks() -> AsyncIterator[l0.Event]:
        async for event in says(TEXT[:60]):
            if event.is_token:
                yield event
        raise ConnectionResetError("gone")

    seen, result = read(Page, one_by_one(breaks, lambda: says(TEXT, 7)))
    assert not any(event.is_reset for event, _ in seen)
    assert "".join(event.text for event, _ in seen if event.is_token) == TEXT
    titles = [len(partial.title or "") for _, partial in seen if partial is not None]
    assert titles == sorted(titles)
    assert result.data == DATA


def test_an_answer_that_was_not_valid_is_withdrawn_and_the_object_with_it() -> None:
    bad = TEXT.replace("1200", '"many"')
    seen, result = read(Page, one_by_one(lambda: says(bad), lambda: says(TEXT)))
    reset = next(place for place, (event, _) in enumerate(seen) if event.is_reset)
    assert seen[reset - 1][1].views == "many"
    kept = seen[reset][0].data["keep"]
    assert seen[reset][1].title == "The sea"
    assert seen[reset][1].views is None
    assert TEXT[:kept] == bad[:kept]
    text = ""
    for event, _ in seen:
        text = text[: event.data["keep"]] if event.is_reset else text + (event.text or "")
    assert text == TEXT
    assert result.data == DATA
    assert result.structured_state.validation_failures == 1


def test_a_repaired_answer_is_whole_in_the_end_though_it_could_not_be_followed() -> None:
    broken = TEXT.replace('"views"', "views")
    seen, result = read(Page, lambda: says(f"```json\n{broken}\n```"))
    assert seen[-2][1].title == "The sea"
    assert seen[-2][1].views is None
    assert seen[-1][1] == DATA
    assert not seen[-2][0].is_done()
    assert seen[-1][0].is_done("tags", 0)
    assert result.corrected


def test_the_iterator_raises_what_was_wrong_and_so_does_the_result() -> None:
    async def main() -> None:
        events, result = await l0.structured_stream(Page, lambda: says("{}"), retry=l0.Retry(attempts=0))
        with pytest.raises(StructuredOutputError, match="title: Field required"):
            async for event in events:
                assert event.partial is not None or event.is_reset
        with pytest.raises(l0.GuardrailViolationError):
            await result.validate()

    run(main())


def test_a_result_reads_what_nobody_has_read() -> None:
    async def main() -> None:
        events, result = await l0.structured_stream(Page, lambda: says(TEXT), monitoring=True)
        valid = await result.validate()
        assert valid.data == DATA
        assert valid.telemetry is not None
        assert [event async for event in events] == []

    run(main())


def test_a_stream_that_is_left_is_closed_and_has_no_answer() -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[l0.Event]:
        try:
            while True:
                yield l0.Event(l0.EventType.TOKEN, '{"title": "')
                await asyncio.sleep(1)
        finally:
            closed.append(True)

    async def main() -> None:
        events, result = await l0.structured_stream(Page, endless)
        async for _ in events:
            result.abort()
        assert result.is_aborted
        assert closed == [True]
        with pytest.raises(RuntimeError, match="left before its answer was whole"):
            await result.validate()
        events, result = await l0.structured_stream(Page, endless)
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        assert closed == [True, True]
        assert result.is_aborted

    run(main())


def test_a_real_client_over_a_socket_that_breaks() -> None:
    from openai import AsyncOpenAI

    async def main(server: FaultServer) -> None:
        async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as sdk:
            client = l0.wrap(sdk, retry=RETRY)

            def ask() -> Any:
                return client.chat.completions.create(model="page", messages=[], stream=True)

            events, result = await l0.structured_stream(Page, ask, retry=RETRY)
            async for event in events:
                assert event.partial is None or isinstance(event.partial, Page)
            assert (await result.validate()).data == DATA
            assert (await l0.structured(Page, ask, retry=RETRY)).title == "The sea"
            assert len(server.requests) == 4
            with pytest.raises(StructuredOutputError, match="cut off"):
                await l0.structured(
                    Page, lambda: sdk.chat.completions.create(model="short", messages=[], stream=True),
                    retry=l0.Retry(attempts=1, base_delay=0),
                )  # fmt: skip

    with FaultServer.in_thread() as server:
        server.add("page", Script(TEXT, faults=[Fault("rst_mid", at=4), None, Fault("rst_mid", at=9)]))
        server.add("short", Script(TEXT[:50], finish_reason="length"))
        asyncio.run(main(server))
