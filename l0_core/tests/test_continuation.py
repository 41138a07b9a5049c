"""Going on after an interruption: from the last good character, seamlessly, or not at all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import l0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0 import ContinuationConfig, Event, EventType
from l0_testing import ContinuingProvider, FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import Check, hookimpl

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen; nobody seemed to mind."
TOKENS = [word + " " for word in TEXT.split(" ")]
FAST = l0.Retry(base_delay=0, max_retries=20, attempts=20)
EXACT = ContinuationConfig(deduplicate=False)


async def collect(stream: l0.Stream) -> list[Event]:
    return [event async for event in stream]


def spoken(events: list[Event]) -> str:
    assert not any(event.is_reset for event in events)
    return "".join(event.text or "" for event in events if event.is_token)


@pytest.mark.parametrize("overlap", [0, 12, 30, 500])
@pytest.mark.parametrize("width", [1, 3, 1000])
def test_a_stream_goes_on_from_the_last_character_however_often_it_breaks(overlap: int, width: int) -> None:
    async def main() -> None:
        for at in range(1, len(TOKENS)):
            provider = ContinuingProvider(
                TOKENS, [Mishap("raise", at), Mishap("raise", 4)], overlap=overlap, width=width
            )
            stream = await l0.run(provider, adapter=provider, retry=FAST, continue_from_last_good_token=True)
            events = await collect(stream)
            assert spoken(events) == provider.text == stream.state.content, at
            state = stream.state
            assert state.outcome == "complete"
            if at < 4:
                continue  # Too little to go on from: it was asked for again, and verified.
            assert provider.kept[1] == "".join(TOKENS[:at])
            assert (state.resumed, state.continuation_used) == (True, True)
            assert state.resume_from == len(state.resume_point or "")
            if overlap and len(provider.kept[-1]) >= overlap >= 12:
                assert (state.deduplication_applied, state.overlap_removed) == (True, provider.kept[-1][-overlap:])

    run(main())


def says_something(tokens: list[str]) -> bool:
    return not "".join(tokens).isspace()


@given(
    tokens=st.lists(st.text("ab ", min_size=1, max_size=4), min_size=1, max_size=12).filter(
        lambda t: "".join(t).strip()
    ),
    cuts=st.lists(st.integers(0, 12), max_size=5),
    width=st.integers(1, 7),
)
@settings(max_examples=300, deadline=None)
def test_an_exact_continuation_is_exact_whatever_the_text(tokens: list[str], cuts: list[int], width: int) -> None:
    async def main() -> None:
        provider = ContinuingProvider(tokens, [Mishap("raise", cut) for cut in cuts], width=width)
        stream = await l0.run(provider, adapter=provider, retry=FAST, continue_from_last_good_token=EXACT)
        assert spoken(await collect(stream)) == provider.text

    run(main())


def test_the_callers_prompt_is_asked_for_and_used() -> None:
    prompts: list[str] = []

    def build(checkpoint: str) -> str:
        prompts.append(f"Continue: {checkpoint}")
        return prompts[-1]

    attempts = 0

    async def factory() -> AsyncIterator[Event]:
        nonlocal attempts
        attempts += 1
        text = TEXT[TEXT.index(prompts[-1].removeprefix("Continue: ")) + len(prompts[-1]) - 10 :] if prompts else TEXT
        for place, char in enumerate(text):
            if place == 20 and attempts < 3:
                raise ConnectionResetError
            yield Event(EventType.TOKEN, char)

    async def main() -> None:
        stream = await l0.run(factory, retry=FAST, continue_from_last_good_token=EXACT, build_continuation_prompt=build)
        assert spoken(await collect(stream)) == TEXT
        assert prompts == [f"Continue: {TEXT[:20]}", f"Continue: {TEXT[:40]}"]

    run(main())


def test_checkpoints_are_saved_at_their_interval_once_the_guardrails_have_seen_them() -> None:
    saved: list[tuple[str, int]] = []

    async def main() -> None:
        tokens = [f"{i} " for i in range(100)]
        for guardrails, interval in (([], 7), ([Forbids("nothing")], 15)):
            saved.clear()
            provider = ContinuingProvider(tokens)
            stream = await l0.run(
                provider,
                adapter=provider,
                guardrails=guardrails,
                continue_from_last_good_token=ContinuationConfig(checkpoint_interval=7),
                on_checkpoint=lambda text, count: saved.append((text, count)),
            )
            await stream.read()
            assert len(saved) >= 90 // max(interval, 7)
            assert all(text == "".join(tokens[:count]) for text, count in saved)
            assert stream.state.checkpoint == saved[-1][0]

    run(main())


@pytest.mark.parametrize("intervals", [{"checkpoint": 10}, l0.CheckIntervals(checkpoint=10)], ids=["mapping", "object"])
def test_check_intervals_say_how_far_checkpoints_lie_apart_where_no_configuration_does(intervals: Any) -> None:
    async def saved(continuation: Any) -> list[int]:
        counts: list[int] = []
        provider = ContinuingProvider([f"{i} " for i in range(42)])
        stream = await l0.run(
            provider,
            adapter=provider,
            check_intervals=intervals,
            continue_from_last_good_token=continuation,
            on_checkpoint=lambda text, count: counts.append(count),
        )
        await stream.read()
        return counts[:4]

    async def main() -> None:
        assert await saved(True) == [10, 20, 30, 40]
        assert await saved(ContinuationConfig(checkpoint_interval=4)) == [4, 8, 12, 16]

    run(main())


def test_a_factory_that_cannot_continue_is_verified_instead() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 3)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, continue_from_last_good_token=True)
        assert spoken(await collect(stream)) == provider.text
        assert stream.state.continuation_used is False

    run(main())


def test_on_interrupt_resume_asks_for_it_too() -> None:
    async def main() -> None:
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, on_interrupt="resume")
        assert spoken(await collect(stream)) == provider.text
        assert stream.state.continuation_used
        off = await l0.run(
            ContinuingProvider(TOKENS), adapter=provider, continue_from_last_good_token=ContinuationConfig.disabled()
        )
        await off.read()
        with pytest.raises(TypeError, match="ContinuationConfig"):
            await l0.run(provider, continue_from_last_good_token="yes")

    run(main())


def test_fail_raises_unless_the_stream_can_be_resumed() -> None:
    async def main() -> None:
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5)])
        options: dict[str, Any] = {"retry": FAST, "on_interrupt": "fail", "continue_from_last_good_token": True}
        assert spoken(await collect(await l0.run(provider, adapter=provider, **options))) == provider.text
        other = FakeProvider(TOKENS, [Mishap("raise", 5)])
        with pytest.raises(ConnectionResetError):
            await (await l0.run(other, adapter=other, **options)).read()
        assert other.opened == 1

    run(main())


def test_a_fallback_continues_too() -> None:
    async def main() -> None:
        error = RuntimeError("no")
        error.status_code = 401  # type: ignore[attr-defined]
        primary = ContinuingProvider(TOKENS, [Mishap("raise", 5, error)])
        other = ContinuingProvider(TOKENS)
        stream = await l0.run(
            primary, fallbacks=[other], adapter=primary, retry=FAST, continue_from_last_good_token=True
        )
        assert spoken(await collect(stream)) == primary.text
        assert other.kept == ["".join(TOKENS[:5])]

    run(main())


def test_after_a_tool_call_nothing_is_continued() -> None:
    attempts: list[str] = []

    def factory(attempt: Any) -> AsyncIterator[Event]:
        attempts.append(attempt.kept)
        return source(len(attempts))

    async def source(number: int) -> AsyncIterator[Event]:
        yield Event(EventType.TOKEN, "I will pay. ")
        fragment = {"index": 0, "id": "a", "name": "pay", "arguments": "{"}
        yield Event(EventType.PROGRESS, data={"tool_call": fragment})
        if number == 1:
            raise ConnectionResetError
        yield Event(EventType.PROGRESS, data={"tool_call": {"index": 0, "arguments": "}"}})

    async def main() -> None:
        stream = await l0.run(factory, retry=FAST, continue_from_last_good_token=True)
        assert spoken(await collect(stream)) == "I will pay. "
        assert attempts == ["", ""]
        assert len(stream.state.tool_calls) == 1

    run(main())


class Forbids:
    """A guardrail that sees each text from its beginning."""

    def __init__(self, word: str, final: bool = False) -> None:
        self.word, self.final, self.texts = word, final, []

    @hookimpl
    def check(self, ctx: Any) -> Check:
        text: list[str] = []
        self.texts.append(text)

        def judge(delta: str, final: bool) -> l0.Violation | None:
            text.append(delta)
            if self.word in "".join(text) and final >= self.final:
                return l0.Violation("forbids", f"said {self.word}")
            return None

        return Check(judge)


def test_the_guardrails_of_a_continuation_see_what_it_continues() -> None:
    async def main() -> None:
        guard = Forbids("no such word")
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5)], overlap=15)
        stream = await l0.run(
            provider, adapter=provider, retry=FAST, guardrails=[guard], continue_from_last_good_token=True
        )
        assert spoken(await collect(stream)) == provider.text
        assert ["".join(text) for text in guard.texts][-1] == provider.text

    run(main())


def test_a_checkpoint_that_a_guardrail_objects_to_is_discarded() -> None:
    async def main() -> None:
        # The word is complete only with the checkpoint's last token, and was let out: checks come every 15 tokens.
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5)], texts=[["a ", "bad ", "word ", "was ", "said "]])
        stream = await l0.run(
            provider, adapter=provider, retry=FAST, guardrails=[Forbids("bad")], continue_from_last_good_token=True
        )
        events = await collect(stream)
        assert stream.state.content == provider.text
        assert provider.kept == ["", ""]
        assert any(event.is_reset for event in events)
        assert len(stream.state.violations) == 1

    run(main())


def test_an_answer_that_was_whole_and_wrong_is_not_continued() -> None:
    async def main() -> None:
        provider = ContinuingProvider(TOKENS, texts=[["this is ", "not ", "json"]])
        stream = await l0.run(
            provider,
            adapter=provider,
            retry=FAST,
            guardrails=[Forbids("json", True)],
            continue_from_last_good_token=True,
        )
        await collect(stream)
        assert provider.kept == ["", ""]
        assert stream.state.content == provider.text

    run(main())


def test_nothing_more_is_an_end_where_the_continuation_is_exact() -> None:
    async def main() -> None:
        for config, requests in ((EXACT, 2), (True, 3)):
            provider = ContinuingProvider(TOKENS, [Mishap("truncate", len(TOKENS))])
            stream = await l0.run(provider, adapter=provider, retry=FAST, continue_from_last_good_token=config)
            assert spoken(await collect(stream)) == provider.text
            # Otherwise it is an empty answer: the whole is asked for again, and verified.
            assert (provider.opened, stream.state.outcome) == (requests, "complete")

    run(main())


def test_what_is_refused_is_asked_for_otherwise() -> None:
    error = RuntimeError("prefill is not supported")
    error.status_code = 400  # type: ignore[attr-defined]

    async def main() -> None:
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5), Mishap("refuse", error=error)])
        stream = await l0.run(provider, adapter=provider, retry=FAST, continue_from_last_good_token=True)
        assert spoken(await collect(stream)) == provider.text
        assert [bool(kept) for kept in provider.kept] == [False, True, False]
        assert stream.state.content == provider.text

    run(main())


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429])
def test_what_has_nothing_to_do_with_the_continuation_is_not_asked_for_otherwise(status: int) -> None:
    error = RuntimeError("the model is gone")
    error.status_code = status  # type: ignore[attr-defined]
    error.body = {"code": "insufficient_quota"}  # type: ignore[attr-defined]

    async def main() -> None:
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5), Mishap("refuse", error=error)])
        another = ContinuingProvider(TOKENS)
        stream = await l0.run(
            provider, fallbacks=[another], adapter=provider, retry=FAST, continue_from_last_good_token=True
        )
        await collect(stream)
        assert (provider.opened, stream.state.fallback_index) == (2, 1)

    run(main())


def test_an_overlap_is_told_of_the_resumption_that_it_was_cut_in() -> None:
    async def main() -> None:
        provider = ContinuingProvider(TOKENS, [Mishap("raise", 5), Mishap("raise", 9)], overlap=12)

        def on_resume(checkpoint: str, token_count: int) -> None:
            cut.append(stream.state.overlap_removed)

        cut: list[str | None] = []
        stream = await l0.run(
            provider, adapter=provider, retry=FAST, continue_from_last_good_token=True, on_resume=on_resume
        )
        assert spoken(await collect(stream)) == provider.text
        assert cut == [None, None]

    run(main())


def test_random_schedules_with_continuation() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)

    async def one() -> None:
        mishaps = [
            Mishap(rng.choice(("raise", "stall", "ping", "truncate", "refuse", "no_answer")), rng.randrange(0, 20))
            for _ in range(rng.randrange(0, 7))
        ]
        provider = ContinuingProvider(
            TOKENS, mishaps, overlap=rng.choice((0, 12, 25)), width=rng.randrange(1, 30), steps=rng.randrange(0, 3)
        )
        stream = await l0.run(
            provider,
            adapter=provider,
            retry=FAST,
            timeout=l0.Timeout(initial_token=1000, inter_token=500),
            continue_from_last_good_token=True,
        )
        assert spoken(await collect(stream)) == provider.text, (seed, mishaps)
        assert provider.open == 0

    for _ in range(300):
        run(one())  # Each in a loop of its own, for they would exhaust the retry budget of one.
