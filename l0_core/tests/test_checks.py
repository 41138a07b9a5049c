"""Guardrails at work: what they are fed, what their verdicts do, and what happens when they break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_core.checks import Guardrail, rule_of
from l0_testing import FakeProvider, Mishap, text_of
from l0_testing.virtual import run

from l0_core import Check, DriftViolation, guardrails_or_configured, hookimpl

TOKENS = tuple(f"w{i} " for i in range(40))
FAST = l0.Retry(base_delay=0)


def violation(**fields: Any) -> l0.Violation:
    return l0.Violation(**{"rule": "test", "message": "no", **fields})


class Recording:
    """A guardrail that notes what it is fed, and objects where it is told to."""

    def __init__(self, *objections: tuple[str, l0.Violation], holdback: int = 0) -> None:
        self.fed: list[list[tuple[str, bool]]] = []
        self.objections = objections

    @hookimpl
    def check(self, ctx: Any) -> Check:
        fed: list[tuple[str, bool]] = []
        self.fed.append(fed)
        text = ""

        def judge(delta: str, final: bool) -> Any:
            nonlocal text
            fed.append((delta, final))
            text += delta
            return [v for word, v in self.objections if word in text or (word == "END" and final)]

        return Check(judge)


def test_a_judge_is_fed_the_text_once_and_then_told_of_the_end() -> None:
    async def main() -> None:
        for interval in (1, 4, 15, 100):
            provider = FakeProvider(TOKENS)
            guard = Recording()
            stream = await l0.run(
                provider, adapter=provider, guardrails=[guard], check_intervals={"guardrails": interval}
            )
            await stream.read()
            (fed,) = guard.fed
            assert "".join(delta for delta, _ in fed) == provider.text
            assert [final for _, final in fed].count(True) == 1
            assert fed[-1] == ("", True)
            assert len(fed) <= len(TOKENS) / interval + 4

    run(main())


def test_an_error_ends_the_attempt_before_its_text_is_delivered() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, texts=[("fine ", "so ", "far ", "BAD ", "more ")])
        guard = Recording(("BAD", violation()))
        stream = await l0.run(
            provider, adapter=provider, guardrails=[guard], check_intervals={"guardrails": 1}, retry=FAST
        )
        seen = [event.text async for event in stream if event.is_token]
        assert "BAD " not in seen
        assert stream.state.content == provider.text
        assert stream.state.model_retry_count == 1
        assert len(stream.state.violations) == 1
        (error,) = stream.errors
        assert isinstance(error, l0.GuardrailViolationError)
        assert str(error) == "Guardrail violation: no"

    run(main())


@pytest.mark.parametrize("objection", [violation(severity="fatal"), violation(recoverable=False)])
@pytest.mark.parametrize("word", ["w20", "END"])
def test_what_halts_halts_at_once(objection: l0.Violation, word: str) -> None:
    async def main() -> None:
        provider, other = FakeProvider(TOKENS), FakeProvider(TOKENS)
        stream = await l0.run(
            provider, fallbacks=[other], adapter=provider, guardrails=[Recording((word, objection))], retry=FAST
        )
        with pytest.raises(l0.GuardrailViolationError, match="Fatal guardrail violation: no"):
            await stream.read()
        assert (provider.opened, other.opened, provider.open) == (1, 0, 0)
        assert stream.state.outcome == "error"

    run(main())


def test_a_warning_is_recorded_once_and_changes_nothing() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS)
        seen: list[l0.Violation] = []
        guard = Recording(("w3", violation(severity="warning")))
        stream = await l0.run(provider, adapter=provider, guardrails=[guard], on_violation=seen.append)
        assert await stream.read() == provider.text
        assert len(stream.state.violations) == len(seen) == 1

    run(main())


def test_a_violation_at_the_end_is_retried_and_complete_comes_once() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, texts=[("too ", "short")])

        def check(state: l0.State) -> list[l0.Violation]:
            return [violation()] if state.completed and state.token_count < 10 else []

        rule = l0.GuardrailRule("long", check)
        stream = await l0.run(provider, adapter=provider, guardrails=[rule], retry=FAST)
        kinds = [event.type.value async for event in stream]
        assert kinds.count("complete") == 1
        assert kinds[-1] == "complete"
        assert "reset" in kinds
        assert (stream.state.content, stream.state.outcome) == (provider.text, "complete")

    run(main())


def test_a_documented_rule_sees_the_state_and_streaming_false_asks_for_the_end_only() -> None:
    looks: dict[str, list[tuple[int, bool]]] = {"all": [], "end": []}

    def watching(name: str) -> Callable[[l0.State], list[l0.Violation]]:
        def check(state: l0.State) -> list[l0.Violation]:
            looks[name].append((len(state.content), state.completed))
            return []

        return check

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        rules = [l0.GuardrailRule("all", watching("all")), l0.GuardrailRule("end", watching("end"), streaming=False)]
        stream = await l0.run(provider, adapter=provider, guardrails=rules)
        await stream.read()
        assert looks["end"] == [(len(provider.text), True)]
        assert [completed for _, completed in looks["all"]].count(True) == 1
        assert len(looks["all"]) > 2
        assert stream.state.completed

    run(main())


def test_an_answer_cut_short_by_the_provider_is_not_asked_for_again() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, finish_reason="length")
        stream = await l0.run(provider, adapter=provider, guardrails=[Recording(("END", violation()))], retry=FAST)
        assert await stream.read() == provider.text
        assert (stream.state.outcome, provider.opened, len(stream.state.violations)) == ("incomplete", 1, 1)

    run(main())


@pytest.mark.parametrize("later", [False, True])
def test_a_guardrail_may_ask_for_an_answer_that_is_whole(later: bool) -> None:
    cut: list[str | None] = []

    class Whole:
        @hookimpl
        def check(self, ctx: Any) -> Check:
            def judge(delta: str, final: bool) -> Any:
                if not final:
                    return None
                cut.append(ctx.cut_short)
                return found() if later else violation()

            async def found() -> l0.Violation:
                return violation()

            return Check(judge, whole=True)

    async def main() -> None:
        provider = FakeProvider(TOKENS, finish_reason="length")
        mild = Recording(("END", violation(message="mild")))
        stream = await l0.run(
            provider, adapter=provider, guardrails=[mild, Whole], retry=l0.Retry(attempts=1, base_delay=0)
        )
        with pytest.raises(l0.GuardrailViolationError, match="no"):
            await stream.read()
        assert (provider.opened, cut) == (2, ["length", "length"])
        assert [v.message for v in stream.state.violations] == ["mild", "no"]

    run(main())


def test_the_attempt_after_an_objection_is_told_of_it() -> None:
    """Until there is another: a fault that is not of the answer does not make it forgotten."""
    feedback: list[str | None] = []
    told: list[str | None] = []

    def factory(attempt: Any) -> Any:
        feedback.append(attempt.feedback)
        if len(feedback) == 3:
            raise ConnectionResetError
        return provider()

    class Objecting:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            told.append(ctx.feedback)
            objection = {1: "too short", 2: "too long"}.get(ctx.number)
            return lambda delta, final: violation(message=objection) if final and objection else None

    provider = FakeProvider(TOKENS)

    async def main() -> None:
        stream = await l0.run(factory, adapter=provider, guardrails=[Objecting], retry=FAST)
        await stream.read()

    run(main())
    assert feedback == told == [None, "too short", "too long", "too long"]


def test_a_guardrail_tells_observers_in_its_place() -> None:
    kind = l0.ObservabilityEventType.PARSE_START

    class Telling:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            return lambda delta, final: ctx.emit(kind, length=7) if final else None

    async def main() -> None:
        events: list[l0.ObservabilityEvent] = []
        provider = FakeProvider(TOKENS)
        await (await l0.run(provider, adapter=provider, guardrails=[Telling], on_event=events.append)).read()
        told = [event.type.value for event in events]
        at = told.index("PARSE_START")
        assert events[at].meta == {"length": 7}
        assert events[at].stream_id == events[0].stream_id
        assert (told[at - 1], told[at + 1]) == ("GUARDRAIL_RULE_START", "GUARDRAIL_RULE_RESULT")
        unwatched = await l0.run(provider, adapter=provider, guardrails=[Telling])
        assert await unwatched.read() == provider.text

    run(main())


def events_of(guardrail: Any, *answers: Any, **options: Any) -> tuple[list[l0.ObservabilityEvent], l0.Stream]:
    """What observers are told of a stream whose attempts answer so, one after the other."""
    events: list[l0.ObservabilityEvent] = []
    left = list(answers)

    async def source() -> Any:
        for event in left.pop(0):
            yield event

    async def main() -> l0.Stream:
        stream = await l0.run(source, guardrails=[guardrail], retry=FAST, on_event=events.append, **options)
        await stream.read()
        return stream

    return events, run(main())


def said(text: str, **usage: int) -> list[l0.Event]:
    return [l0.Event(l0.EventType.TOKEN, text), l0.Event(l0.EventType.COMPLETE, usage=usage or None)]


def test_a_violation_that_an_attempt_repeats_word_for_word_is_one_of_that_attempt_too() -> None:
    heard: list[l0.Violation] = []
    events, stream = events_of(
        l0.GuardrailRule("long", lambda state: [] if len(state.content) > 9 else [violation()], streaming=False),
        said("short"),
        said("small"),
        said("long enough"),
        on_violation=heard.append,
    )
    results = [event.meta["passed"] for event in events if event.type.value == "GUARDRAIL_RULE_RESULT"]
    phases = [event.meta["passed"] for event in events if event.type.value == "GUARDRAIL_PHASE_END"]
    assert results == phases == [False, False, True]
    assert len(stream.state.violations) == len(heard) == 1


def test_what_an_attempt_said_before_is_objected_to_once_and_the_rule_does_not_pass() -> None:
    rule = l0.GuardrailRule("warns", lambda state: [violation(severity="warning")], streaming=True)
    events, _ = events_of(rule, said("no good"), check_intervals={"guardrails": 1})
    told = [event for event in events if event.type.value.startswith("GUARDRAIL_RULE")]
    assert [event.type.value for event in told] == [
        "GUARDRAIL_RULE_RESULT", "GUARDRAIL_RULE_START", "GUARDRAIL_RULE_END",
    ]  # fmt: skip
    assert [event.meta.get("passed") for event in told] == [False, None, False]


def test_what_a_failed_attempt_cost_is_told() -> None:
    rule = l0.GuardrailRule("long", lambda state: [] if len(state.content) > 9 else [violation()], streaming=False)
    usage = {"input_tokens": 5, "output_tokens": 1}
    events, stream = events_of(rule, said("short", **usage), said("small"), said("long enough", output_tokens=3))
    errors = [event.meta for event in events if event.type.value == "ERROR"]
    assert [meta.get("usage") for meta in errors] == [usage, None]
    assert stream.state.usage == {"output_tokens": 3}


@pytest.mark.parametrize("broken", [ValueError("x"), asyncio.CancelledError("mine")])
def test_a_guardrail_that_breaks_is_left_out_and_recorded(broken: BaseException) -> None:
    calls = 0

    class Broken:
        @hookimpl
        def check(self) -> Any:
            def judge(delta: str, final: bool) -> None:
                nonlocal calls
                calls += 1
                raise broken

            return judge

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        other = Recording()
        stream = await l0.run(provider, adapter=provider, guardrails=[Broken, other])
        assert await stream.read() == provider.text
        assert calls == 1
        assert [v.severity for v in stream.state.violations] == ["warning"]
        assert other.fed[0][-1] == ("", True)

    run(main())


def test_a_judge_may_be_asynchronous_and_its_token_waits() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, texts=[("ok ", "BAD ", "more ")])
        seen: list[str] = []

        class Slow:
            @hookimpl
            def check(self) -> Any:
                async def judge(delta: str, final: bool) -> Any:
                    await asyncio.sleep(1)
                    return violation() if "BAD" in delta else None

                return judge

        stream = await l0.run(
            provider,
            adapter=provider,
            guardrails=[Slow()],
            check_intervals={"guardrails": 1},
            retry=FAST,
            on_token=seen.append,
        )
        texts = [event.text async for event in stream if event.is_token]
        assert "BAD " not in texts
        assert "BAD " not in seen
        assert stream.state.content == provider.text

        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, guardrails=[Slow()])
        task = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert provider.open == 0

    run(main())


def test_two_streams_share_a_guardrail_and_nothing_else() -> None:
    async def main() -> None:
        guard = Recording(("w9", violation(severity="warning")))
        streams = []
        for _ in range(2):
            provider = FakeProvider(TOKENS)
            streams.append(await l0.run(provider, adapter=provider, guardrails=[guard]))
        iterators = [aiter(stream) for stream in streams]
        for _ in TOKENS:
            for iterator in iterators:
                await anext(iterator)
        for stream in streams:
            await stream.read()
            assert len(stream.state.violations) == 1

    run(main())


def test_a_restart_opens_its_guardrails_anew() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 20)])
        guard = Recording()
        stream = await l0.run(provider, adapter=provider, guardrails=[guard], retry=FAST)
        await stream.read()
        assert len(guard.fed) == 2
        assert "".join(delta for delta, _ in guard.fed[1]) == provider.text

    run(main())


def test_a_plugin_as_a_documented_rule() -> None:
    rule = rule_of(Recording(("bad", violation())), "recording")
    assert rule.check(l0.State("all bad")) == [violation()]
    assert rule.check(l0.State("all good")) == []


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (42, TypeError, "guardrails must be a list"),
        ([42], TypeError, "42 is not a guardrail"),
        (["jsno"], l0.PluginError, "No guardrail named 'jsno'"),
        ([l0.Guardrails.none], TypeError, "is not a guardrail"),
        (l0.Guardrails.none, TypeError, "a preset is called"),
    ],
)
def test_what_is_not_a_guardrail(given: Any, error: type[Exception], says: str) -> None:
    async def main() -> None:
        with pytest.raises(error, match=says):
            await l0.run(FakeProvider(TOKENS), guardrails=given)

    run(main())


def test_a_token_that_is_objected_to_is_not_in_the_content_that_its_rule_has_read() -> None:
    tries = 0

    async def model() -> Any:
        nonlocal tries
        tries += 1
        for number in range(16):
            yield f"{number} "
        yield "end" if tries > 1 else "boom"

    def judge(state: l0.State) -> list[l0.Violation]:
        return [l0.Violation("r", "no")] if tries == 1 and "15 " in state.content else []

    async def main() -> None:
        for options in ({}, {"continue_from_last_good_token": True}):
            nonlocal tries
            tries = 0
            stream = await l0.run(
                model, guardrails=[l0.GuardrailRule("r", judge)], retry=l0.Retry(base_delay=0), **options
            )
            text = text_of([event async for event in stream])
            assert text == stream.state.content
            assert "14 15 end" in text

    run(main())


def test_a_long_delta_is_judged_in_slices_and_the_loop_turns_meanwhile() -> None:
    turns: list[int] = []
    sizes: list[int] = []

    class Judging:
        @hookimpl
        def check(self, ctx: l0.AttemptContext) -> Any:
            def judge(delta: str, final: bool) -> l0.Violation | None:
                sizes.append(len(delta))
                return l0.Violation("x", "an x") if "x" in delta else None

            return judge

    async def turning() -> None:
        while True:
            turns.append(len(sizes))
            await asyncio.sleep(0)

    async def main() -> None:
        clean, bad = ("a" * 300_000, " b"), ("a" * 200_000 + "x" + "a" * 99_999, " b")
        provider = FakeProvider(clean, texts=[bad, clean])
        other = asyncio.create_task(turning())
        stream = await l0.run(provider, adapter=provider, guardrails=[Judging()], retry=l0.Retry(base_delay=0))
        text = await stream.read()
        other.cancel()
        assert (text, len(stream.errors)) == ("".join(clean), 1)

    run(main())
    assert max(sizes) <= 1 << 15
    assert len(set(turns)) > 10


def test_an_asynchronous_guardrail_cannot_judge_a_state_and_leaves_nothing_unawaited() -> None:
    class Async:
        @hookimpl
        def check(self, ctx: l0.AttemptContext) -> Any:
            async def judge(delta: str, final: bool) -> None: ...

            return judge

    with pytest.raises(TypeError, match="it can judge a stream, and not a state by itself"):
        rule_of(Async(), "async").check(l0.State("x"))


def test_a_guardrail_may_be_given_alone_and_in_its_documented_form() -> None:
    class NoBad:
        """On an object of the user's own."""

        name = "no_bad"

        def check(self, state: l0.State) -> list[l0.Violation]:
            return [violation(severity="warning")] if "w1 " in state.content else []

    class AtTheEnd(NoBad):
        streaming = False

    async def main() -> None:
        for given in ([NoBad()], [AtTheEnd()], l0.GuardrailRule("alone", NoBad().check)):
            provider = FakeProvider(TOKENS)
            stream = await l0.run(provider, adapter=provider, guardrails=given)
            assert await stream.read() == provider.text
            assert [found.severity for found in stream.state.violations] == ["warning"]

    run(main())


def test_what_was_resolved_can_be_given_again() -> None:
    """Code that is between a caller and a stream resolves guardrails to look at them, and hands them on."""
    guardrails = guardrails_or_configured([l0.GuardrailRule("strict", lambda state: [violation()])])
    assert guardrails_or_configured(guardrails) == guardrails

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, guardrails=guardrails, retry=l0.Retry(max_retries=0))
        with pytest.raises(l0.GuardrailViolationError):
            await stream.read()

    run(main())


class Opening:
    """A guardrail that opens what it is told to."""

    def __init__(self, opened: Any) -> None:
        self.opened = opened

    @hookimpl
    def check(self, ctx: l0.AttemptContext) -> Any:
        return self.opened


def test_a_guardrail_may_have_nothing_to_do_in_an_attempt() -> None:
    async def main() -> None:
        provider, other = FakeProvider(TOKENS), Recording()
        stream = await l0.run(provider, adapter=provider, guardrails=[Opening(None), other])
        assert await stream.read() == provider.text
        assert other.fed[0][-1] == ("", True)

    run(main())
    assert rule_of(Opening(None), "idle").check(l0.State("anything")) == []


def test_what_opens_no_judge_is_no_guardrail() -> None:
    class Teller:
        @hookimpl
        def on_token(self, ctx: Any) -> None: ...

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, guardrails=[Opening(42)])
        with pytest.raises(l0.PluginError, match=r"opened a int: its check must return a function judge\(delta, final"):
            await stream.read()
        with pytest.raises(l0.PluginError, match=r"Teller .* has no check hook, so it is not a guardrail"):
            await l0.run(provider, adapter=provider, guardrails=[Teller])

    run(main())


def test_an_awaitable_that_is_no_coroutine_cannot_judge_a_state_either() -> None:
    class Later:
        def __await__(self) -> Any:
            raise AssertionError("it is not awaited")

    with pytest.raises(TypeError, match="it can judge a stream, and not a state by itself"):
        rule_of(Opening(lambda delta, final: Later()), "later").check(l0.State("x"))


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes_through_a_guardrail(end: type[BaseException]) -> None:
    def judge(delta: str, final: bool) -> None:
        raise end

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, guardrails=[Opening(judge)])
        try:
            await stream.read()
        except end:
            assert provider.open == 0
            return
        raise AssertionError("it went on")

    run(main())


@pytest.mark.parametrize("bad", [False, True])
def test_an_asynchronous_judge_of_a_long_delta_is_awaited_slice_by_slice(bad: bool) -> None:
    order: list[str] = []

    async def judge(delta: str, final: bool) -> l0.Violation | None:
        order.append("asked")
        await asyncio.sleep(0.01)
        order.append("answered")
        return violation(severity="fatal") if "x" in delta else None

    async def main() -> None:
        provider = FakeProvider(("a" * 100_000 + "x" * bad, " b"))
        stream = await l0.run(provider, adapter=provider, guardrails=[Opening(judge)])
        if bad:
            with pytest.raises(l0.GuardrailViolationError):
                await stream.read()
            assert stream.state.content == ""
        else:
            assert await stream.read() == provider.text

    run(main())
    assert order == ["asked", "answered"] * (len(order) // 2)
    assert len(order) >= 8


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("answer", ["coroutine", "future"])
def test_a_stream_that_observers_stop_leaves_no_verdict_unawaited(answer: str, size: int) -> None:
    """Whichever event they stop it at: what is not awaited is closed, and nothing is delivered that was not judged."""

    def judge(delta: str, final: bool) -> Any:
        async def verdict() -> None:
            await asyncio.sleep(0.01)
            judged.append(delta)

        return verdict() if answer == "coroutine" else asyncio.get_running_loop().create_future()

    async def main(at: int) -> int:
        events = 0

        def on_event(event: Any) -> None:
            nonlocal events
            events += 1
            if events == at:
                stream.abort()

        provider = FakeProvider(("a" * size, "b"))
        stream = await l0.run(
            provider, adapter=provider, guardrails=[Opening(judge), Opening(judge)], on_event=on_event,
            timeout=l0.Timeout(total=1000), retry=l0.Retry(max_retries=0),
        )  # fmt: skip
        try:
            await stream.read()
        except l0.TimeoutError:
            assert answer == "future"
        assert stream.state.content in "".join(judged)
        assert provider.open == 0
        return events

    judged: list[str] = []
    total = run(main(0))
    for at in range(1, total):
        judged.clear()
        run(main(at))
    assert total > 5


def test_drift_is_recorded_where_nobody_is_told_of_it() -> None:
    def judge(delta: str, final: bool) -> Any:
        return DriftViolation("drift", "it wanders", types=("tone",), confidence=0.5) if final else None

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        stream = await l0.run(provider, adapter=provider, guardrails=[Opening(judge)], retry=l0.Retry(max_retries=0))
        assert await stream.read() == provider.text
        assert stream.state.drift_detected

    run(main())


def test_a_plugin_as_a_documented_rule_has_a_clock_and_a_silence_without_a_stream() -> None:
    seen: list[float] = []

    class Timed:
        @hookimpl
        def check(self, ctx: Any) -> Any:
            seen.extend((ctx.clock(), ctx.clock(), ctx.silence))
            return lambda delta, final: None

    rule = rule_of(Timed(), "timed")
    rule.check(l0.State("x"))
    first, second, silence = seen
    assert (first <= second, silence) == (True, 0.0)
    rule.check(l0.State("x", last_token_at=time.time() - 60))
    assert seen[-1] == pytest.approx(60, abs=5)


@pytest.mark.parametrize("on_error", ["open", "closed"])
def test_an_asynchronous_judge_that_raises_is_out_or_objects(on_error: str) -> None:
    async def judge(delta: str, final: bool) -> None:
        raise ValueError("broken")

    async def main() -> None:
        provider = FakeProvider(TOKENS)
        guardrail = Guardrail("broken", lambda ctx: judge, on_error)  # type: ignore[arg-type]
        stream = await l0.run(provider, adapter=provider, guardrails=[guardrail], retry=l0.Retry(max_retries=0))
        if on_error == "closed":
            with pytest.raises(l0.GuardrailViolationError, match="could not judge"):
                await stream.read()
        else:
            assert await stream.read() == provider.text
        assert [found.severity for found in stream.state.violations] == ["error" if on_error == "closed" else "warning"]

    run(main())


def test_a_plugin_as_a_documented_rule_has_the_last_word_about_a_whole_text() -> None:
    rule = rule_of(Recording(("END", violation())), "recording")
    assert rule.check(l0.State("text")) == []
    assert rule.check(l0.State("text", completed=True)) == [violation()]
