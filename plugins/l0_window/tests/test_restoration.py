"""A chunk whose stream fails or drifts is asked again with the text around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import l0_window
import pytest
from l0_testing import LeakCheck
from l0_testing.virtual import run
from l0_window import ContextRestorationOptions, DocumentChunk, DocumentWindow, Window, l0_with_window

from l0_core import DriftViolation, Event, EventType, GuardrailRule, Retry

NO_RETRY = Retry(attempts=0, max_retries=0)
OVERLOADED = type("OverloadedError", (Exception,), {"status_code": 529})("busy")


def window(overlap: int = 1) -> DocumentWindow:
    return Window.create("0123456789abc", size=4, overlap=overlap, strategy="char")


def drift(state: Any) -> list[Any]:
    return [DriftViolation("drift", "it drifts", types=("tone",))] if "?" in state.content else []


GUARDRAILS = [GuardrailRule("drift", drift)]


@dataclass
class Model:
    """Repeats the chunk that it is asked about. `fails` has what it raises first, or "?" where it drifts."""

    fails: list[Exception | str] = field(default_factory=list)
    asked: list[DocumentChunk] = field(default_factory=list)
    open: int = 0
    pace: float = 0.0

    async def __call__(self, chunk: DocumentChunk) -> AsyncIterator[Event]:
        self.asked.append(chunk)
        failure = self.fails.pop(0) if self.fails else None
        return self.events(chunk, failure)

    async def events(self, chunk: DocumentChunk, failure: Exception | str | None) -> AsyncIterator[Event]:
        self.open += 1
        try:
            await asyncio.sleep(self.pace)
            if isinstance(failure, Exception):
                raise failure
            yield Event(EventType.TOKEN, chunk.content + (failure or ""))
        finally:
            self.open -= 1

    @property
    def contents(self) -> list[str]:
        return [chunk.content for chunk in self.asked]


async def ask(
    model: Model, index: int = 1, overlap: int = 1, options: ContextRestorationOptions | None = None, **more: Any
) -> Any:
    asked = window(overlap)
    result = await l0_with_window(
        asked, index, model, context_restoration=options, retry=NO_RETRY, guardrails=GUARDRAILS, **more
    )
    assert result.chunk is asked[index]
    return result


def restoring(strategy: Any = "adjacent", **more: Any) -> ContextRestorationOptions:
    return ContextRestorationOptions(strategy=strategy, **more)


def test_a_chunk_whose_stream_works_is_asked_once():
    async def main() -> None:
        model = Model()
        result = await ask(model, options=restoring())
        assert (result.status, result.content, model.contents) == ("success", "3456", ["3456"])

    run(main())


@pytest.mark.parametrize("failure", [ConnectionResetError("gone"), OVERLOADED, "?"])
@pytest.mark.parametrize(
    ("strategy", "index", "expected"),
    [
        ("adjacent", 0, "0123456"),
        ("adjacent", 1, "3456789"),
        ("adjacent", 3, "6789abc"),
        ("overlap", 1, "34567"),
        ("full", 0, "0123456"),
        ("full", 1, "0123456789"),
        ("full", 3, "6789abc"),
    ],
)
def test_one_that_fails_or_drifts_is_asked_again_with_the_text_around_it(failure, strategy, index, expected):
    async def main() -> None:
        model = Model([failure])
        told: list[tuple[int, int]] = []
        options = restoring(strategy, on_restore=lambda index, other: told.append((index, other)))
        result = await ask(model, index, options=options)
        assert (result.status, result.content, result.error) == ("success", expected, None)
        assert told == [(index, index + 1 if index < 3 else index - 1)]
        first, again = model.asked
        document = window().document
        assert first == window()[index]
        assert again.content == expected == document[again.start_pos : again.end_pos]
        assert (again.index, again.char_count, again.token_count) == (index, len(expected), -(-len(expected) // 4))

    run(main())


def test_it_is_asked_so_often_and_no_more():
    async def main() -> None:
        for attempts in (0, 1, 2, 5):
            model = Model([ConnectionResetError(f"gone {number}") for number in range(9)])
            result = await ask(model, options=restoring(max_attempts=attempts))
            assert (result.status, result.error) == ("error", f"ConnectionResetError: gone {attempts}")
            assert model.contents == ["3456"] + ["3456789"] * attempts

    run(main())


def test_an_answer_that_still_drifts_is_taken():
    async def main() -> None:
        result = await ask(Model(["?"] * 9), options=restoring())
        assert (result.status, result.content) == ("success", "3456789?")
        assert result.result.state.drift_detected

    run(main())


def test_an_answer_that_drifts_is_better_than_none():
    async def main() -> None:
        result = await ask(Model(["?", *[ConnectionResetError("gone")] * 9]), options=restoring())
        assert (result.status, result.content, result.error) == ("success", "3456?", None)

    run(main())


@pytest.mark.parametrize("options", [None, ContextRestorationOptions(enabled=False)])
def test_without_it_nothing_is_asked_again(options):
    async def main() -> None:
        model = Model([ConnectionResetError("gone")])
        result = await ask(model, options=options)
        assert (result.error, model.contents) == ("ConnectionResetError: gone", ["3456"])

    run(main())


def test_where_there_is_nothing_to_restore_nothing_is_asked_again():
    async def main() -> None:
        for index, strategy, overlap in ((3, "overlap", 1), (1, "overlap", 0)):
            model = Model([ConnectionResetError("gone")])
            result = await ask(model, index, overlap, restoring(strategy))
            assert (result.status, len(model.asked)) == ("error", 1)
        model = Model([ConnectionResetError("gone")])
        result = await l0_with_window(Window.create("abc"), 0, model, context_restoration=restoring(), retry=NO_RETRY)
        assert (result.status, len(model.asked)) == ("error", 1)

    run(main())


def test_what_would_fail_in_the_same_way_is_not_asked_again():
    refused = type("AuthenticationError", (Exception,), {"status_code": 401})("wrong key")

    async def main() -> None:
        for error in (refused, TypeError("a mistake")):
            model = Model([error])
            result = await ask(model, options=restoring())
            assert (result.status, len(model.asked)) == ("error", 1)

    run(main())


def test_retries_and_fallbacks_come_before_it():
    async def main() -> None:
        model, spare = Model([ConnectionResetError("gone")] * 2), Model([ConnectionResetError("gone")])
        result = await ask(model, options=restoring(), fallbacks=[spare])
        assert result.content == "3456789"
        assert model.contents == spare.contents == ["3456", "3456789"]

    run(main())


def test_a_factory_without_an_argument_is_asked_again_as_it_is():
    asked: list[int] = []

    async def factory() -> AsyncIterator[Event]:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionResetError("gone")
        yield Event(EventType.TOKEN, "ok")

    async def main() -> None:
        told: list[tuple[int, int]] = []
        options = restoring(on_restore=lambda *indices: told.append(indices))
        result = await l0_with_window(window(), 0, factory, context_restoration=options, retry=NO_RETRY)
        assert (result.content, told) == ("ok", [(0, 1)])

    run(main())


def test_what_on_restore_raises_is_logged(caplog):
    def broken(index: int, other: int) -> None:
        raise KeyError(other)

    async def main() -> None:
        result = await ask(Model(["?"]), options=restoring(on_restore=broken))
        assert (result.status, result.content) == ("success", "3456789")

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "on_restore raised KeyError; the chunk is asked again"
    ]


def test_a_chunk_that_is_not_there_and_a_strategy_that_is_none_are_refused():
    async def main() -> None:
        with pytest.raises(IndexError):
            await ask(Model(), 9)
        with pytest.raises(ValueError, match="strategy is 'near'; it must be one of adjacent, overlap, full"):
            await ask(Model(), options=restoring("near"))

    run(main())


@pytest.mark.parametrize("ticks", range(0, 50, 5))
def test_cancellation_passes_and_leaves_nothing_open(ticks):
    async def main() -> None:
        model = Model([ConnectionResetError("gone")] * 9, pace=0.01)
        async with LeakCheck():
            working = asyncio.ensure_future(ask(model, options=restoring(max_attempts=9)))
            await asyncio.sleep(ticks / 1000)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            assert model.open == 0

    run(main())


def test_the_neighbours_of_a_chunk():
    for strategy, expected in (("adjacent", [1, 2, 3, 2]), ("overlap", [1, 2, 3, None]), ("full", [1, 2, 3, 2])):
        found = [l0_window._get_restoration_chunk(window(), index, strategy) for index in range(4)]
        assert found == expected
    assert all(one.end_pos > other.start_pos for one, other in pairwise(window()))
