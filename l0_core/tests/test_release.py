"""What may leave, and when: at once, when no guardrail can still object to it, or at the end."""

from __future__ import annotations

import random
from typing import Any

import l0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0 import Event, EventType
from l0_testing import ContinuingProvider, FakeProvider, Mishap, text_of
from l0_testing.virtual import run

from l0_core import Check, hookimpl

TOKENS = [f"word{i} " for i in range(60)]
FAST = l0.Retry(base_delay=0, attempts=20, max_retries=20)


class Forbids:
    """Objects to a word, and may object to a part of it at the end of what it has seen."""

    def __init__(self, word: str) -> None:
        self.word = word

    @hookimpl
    def check(self, ctx: Any) -> Check:
        seen = ""

        def judge(delta: str, final: bool) -> l0.Violation | None:
            nonlocal seen
            seen += delta
            return l0.Violation("forbids", f"said {self.word}") if self.word in seen else None

        return Check(judge, holdback=len(self.word) - 1)


async def collect(stream: l0.Stream) -> list[Event]:
    seen = []
    async for event in stream:
        seen.append(event)
        assert text_of(seen) == stream.state.content
    return seen


@pytest.mark.parametrize("release", ["live", "checked", "complete"])
def test_the_text_is_the_same_whenever_it_leaves(release: str) -> None:
    async def main() -> None:
        for mishaps in ([], [Mishap("raise", 30)], [Mishap("stall", 5), Mishap("truncate", 50)]):
            provider = FakeProvider(TOKENS, mishaps)
            stream = await l0.run(
                provider,
                adapter=provider,
                retry=FAST,
                release=release,
                guardrails=[Forbids("sword")],
                timeout=l0.Timeout(inter_token=1000),
            )
            events = await collect(stream)
            assert text_of(events) == provider.text
            assert not any(event.is_reset for event in events)
            assert (stream.state.outcome, provider.open) == ("complete", 0)

    run(main())


def test_checked_lets_nothing_out_that_a_guardrail_objects_to() -> None:
    async def main() -> None:
        for at in range(40):
            bad = [*TOKENS[:at], "se", "cr", "et", *TOKENS[at:]]
            provider = FakeProvider(TOKENS, texts=[bad])
            stream = await l0.run(
                provider,
                adapter=provider,
                retry=FAST,
                release="checked",
                guardrails=[Forbids("secret"), Forbids("zzz")],
            )
            seen = ""
            async for event in stream:
                seen += event.text or ""
                assert "se" not in text_of([event])
            assert "se" not in seen
            assert stream.state.content == provider.text

    run(main())


def test_checked_does_not_wait_for_the_end() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, pace=1.0)
        stream = await l0.run(provider, adapter=provider, release="checked", guardrails=[Forbids("sword")])
        events = aiter(stream)
        first = await anext(events)
        assert first.text
        assert provider.open == 1
        await stream.aclose()
        plain = FakeProvider(TOKENS, pace=1.0)
        stream = await l0.run(plain, adapter=plain, release="checked")
        await anext(stream)
        assert stream.state.token_count == 1
        await stream.aclose()

    run(main())


def test_a_rule_about_the_end_holds_everything_back() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, texts=[["a", "b"]])
        rule = l0.GuardrailRule(
            "long",
            lambda state: [] if len(state.content) > 10 else [l0.Violation("long", "too short")],
            streaming=False,
        )
        stream = await l0.run(provider, adapter=provider, retry=FAST, release="checked", guardrails=[rule])
        events = await collect(stream)
        assert text_of(events) == provider.text
        assert not any(event.is_reset for event in events)
        assert "a" not in [event.text for event in events]

    run(main())


def test_a_documented_rule_sees_what_is_held() -> None:
    looks: list[str] = []

    def check(state: l0.State) -> list[l0.Violation]:
        looks.append(state.content)
        return []

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(
            provider, adapter=provider, release="complete", guardrails=[l0.GuardrailRule("look", check)]
        )
        await stream.read()
        assert looks[0] == "".join(TOKENS[:15])
        assert looks[-1] == provider.text

    run(main())


def test_complete_gives_nothing_away_before_the_end() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 40)] * 3)
        stream = await l0.run(
            provider, adapter=provider, retry=l0.Retry(base_delay=0, max_retries=2), release="complete"
        )
        with pytest.raises(ConnectionResetError) as caught:
            await stream.read()
        assert stream.state.content == ""
        assert caught.value.partial == ""  # type: ignore[attr-defined]

    run(main())


def test_everything_keeps_its_order() -> None:
    async def source() -> Any:
        yield Event(EventType.REASONING, "hm ")
        yield Event(EventType.TOKEN, "a" * 20)
        yield Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, url="x"))
        yield Event(EventType.TOKEN, "b" * 20)
        yield Event(EventType.TOOL_CALL, data={"id": "1", "name": "f", "arguments": {}})

    async def main() -> None:
        for release in ("live", "checked", "complete"):
            stream = await l0.run(source, release=release, guardrails=[Forbids("zz")])
            kinds = []
            async for event in stream:
                if not kinds or kinds[-1] != event.type.value:
                    kinds.append(event.type.value)
            assert kinds == ["reasoning", "token", "data", "token", "tool_call", "complete"]
            assert (stream.state.reasoning, len(stream.state.data_outputs)) == ("hm ", 1)
            assert len(stream.state.tool_calls) == 1

    run(main())


@given(
    tokens=st.lists(st.text("abc ", min_size=1, max_size=6), min_size=1, max_size=30),
    holdback=st.integers(0, 12),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    interval=st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_random_holding(tokens: list[str], holdback: int, cuts: list[int], interval: int) -> None:
    if "".join(tokens).isspace():
        return

    class Slow:
        @hookimpl
        def check(self) -> Check:
            return Check(lambda delta, final: None, holdback)

    async def main() -> None:
        provider = FakeProvider(tokens, [Mishap("raise", cut) for cut in cuts])
        stream = await l0.run(
            provider,
            adapter=provider,
            retry=FAST,
            release="checked",
            guardrails=[Slow],
            check_intervals={"guardrails": interval},
        )
        assert text_of(await collect(stream)) == provider.text

    run(main())


def test_holding_and_continuing() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)

    async def one() -> None:
        mishaps = [Mishap(rng.choice(("raise", "truncate")), rng.randrange(0, 60)) for _ in range(rng.randrange(0, 4))]
        provider = ContinuingProvider(TOKENS, mishaps, overlap=rng.choice((0, 20)), width=rng.randrange(1, 9))
        stream = await l0.run(
            provider,
            adapter=provider,
            retry=FAST,
            release=rng.choice(("checked", "complete")),
            guardrails=[Forbids("sword")],
            continue_from_last_good_token=True,
        )
        assert text_of(await collect(stream)) == provider.text, (seed, mishaps)

    for _ in range(200):
        run(one())


def test_what_release_can_be() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="release is 'later'"):
            await l0.run(FakeProvider(TOKENS), release="later")

    run(main())
