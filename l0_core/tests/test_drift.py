"""Drift: retried while there are attempts, and accepted with a flag on the last."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0_testing import FakeProvider
from l0_testing.virtual import run

from l0_core import DriftViolation, hookimpl

GOOD = ("all ", "is ", "well")
BAD = ("all ", "is DRIFT ", "lost")


class Detector:
    """The documented form; what it has seen is its own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def check(self, content: str, delta: str | None = None) -> Any:
        self.seen.append(content)
        return SimpleNamespace(detected="DRIFT" in content, confidence=0.9, types=["tone_shift"])


class Incremental:
    def open(self, ctx: l0.AttemptContext) -> Any:
        def judge(delta: str, final: bool) -> Any:
            return (
                DriftViolation("drift", "drifts", types=("tone_shift",), confidence=0.9) if "DRIFT" in delta else None
            )

        return judge


class Plugin(Incremental):
    @hookimpl
    def check(self, ctx: l0.AttemptContext) -> Any:
        return self.open(ctx)


async def play(provider: FakeProvider, **options: Any) -> tuple[str, l0.Stream, list[Any]]:
    told: list[Any] = []
    stream = await l0.run(
        provider,
        adapter=provider,
        on_drift=lambda *args: told.append(args),
        on_event=lambda event: told.append(event.meta) if event.type == "DRIFT_CHECK_RESULT" else None,
        **{"retry": l0.Retry(attempts=1, base_delay=0), **options},
    )
    return await stream.read(), stream, told


FORMS: dict[str, dict[str, Any]] = {
    "documented": {"drift_detector": Detector()},
    "incremental": {"drift_detector": Incremental()},
    "guardrail": {"guardrails": [Plugin()]},
}
RESULT = {"detected": True, "score": 0.9, "metrics": {"tone_shift": True}}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_drift_is_retried_and_counts(form: dict[str, Any]) -> None:
    provider = FakeProvider(GOOD, texts=[BAD, GOOD])
    text, stream, told = run(play(provider, **form))
    assert (text, provider.opened, stream.state.model_retry_count) == ("all is well", 2, 1)
    assert told == [RESULT, (["tone_shift"], 0.9)]
    assert isinstance(stream.errors[0], l0.Error)
    assert stream.errors[0].code == l0.ErrorCode.DRIFT_DETECTED
    assert not stream.state.drift_detected


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_last_attempt_is_accepted_with_the_flag_set(form: dict[str, Any]) -> None:
    provider = FakeProvider(BAD)
    text, stream, _ = run(play(provider, fallbacks=[FakeProvider(GOOD)], **form))
    assert (text, provider.opened, stream.state.outcome) == ("".join(BAD), 2, "complete")
    assert stream.state.drift_detected
    assert [found.severity for found in stream.state.violations] == ["error", "warning"]


@pytest.mark.parametrize("retry", [l0.Retry(attempts=0), l0.Retry(max_retries=0), l0.Retry(retry_on=[])])
def test_where_nothing_is_retried_drift_is_accepted_at_once(retry: l0.Retry) -> None:
    provider = FakeProvider(BAD)
    text, stream, _ = run(play(provider, drift_detector=Detector(), retry=retry))
    assert (text, provider.opened) == ("".join(BAD), 1)
    assert [found.severity for found in stream.state.violations] == ["warning"]


def test_it_looks_every_so_many_tokens_and_at_the_end() -> None:
    sizes: list[int] = []

    class Counting:
        def open(self, ctx: l0.AttemptContext) -> Any:
            return lambda delta, final: sizes.append(len(delta)) if delta else None

    provider = FakeProvider("x" * 70)
    run(play(provider, drift_detector=Counting(), check_intervals={"guardrails": 10, "drift": 30}))
    # The guardrails look at the first token, and then at every tenth: the first look that is due is the 31st.
    assert sizes == [31, 30, 9]


def test_streams_at_the_same_time_share_no_memory() -> None:
    detector = Detector()

    async def main() -> None:
        await asyncio.gather(*(play(FakeProvider(GOOD), drift_detector=detector) for _ in range(3)))

    run(main())
    assert detector.seen == []


@pytest.mark.parametrize("wrong", [Detector, "drift", 3])
def test_what_is_no_detector_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="drift_detector must be an object with check"):
        run(play(FakeProvider(GOOD), drift_detector=wrong))


def test_a_detector_that_remembers_is_reset_for_each_attempt() -> None:
    class Remembering(Detector):
        def check(self, content: str, delta: str | None = None) -> Any:
            assert self.seen[-1:] != [content], "it was told twice"
            return super().check(content, delta)

        def reset(self) -> None:
            self.seen.clear()

    detector = Remembering()
    detector.seen.append("".join(GOOD))
    text, _, _ = run(play(FakeProvider(GOOD), drift_detector=detector))
    assert text == "all is well"
    assert detector.seen == ["".join(GOOD)]


def test_a_detector_may_have_nothing_to_do_in_an_attempt() -> None:
    class Idle:
        def open(self, ctx: l0.AttemptContext) -> None:
            return None

    text, stream, told = run(play(FakeProvider(BAD), drift_detector=Idle()))
    assert (text, stream.state.drift_detected, told) == ("".join(BAD), False, [])


def test_a_detector_of_the_documented_form_is_not_asked_about_nothing() -> None:
    asked: list[str | None] = []

    class Asking(Detector):
        def check(self, content: str, delta: str | None = None) -> Any:
            asked.append(delta)
            return super().check(content, delta)

    run(play(FakeProvider(GOOD), drift_detector=Asking(), check_intervals={"guardrails": 1, "drift": 1}))
    assert "".join(delta or "" for delta in asked) == "all is well"
    assert "" not in asked


@pytest.mark.parametrize("what", ["text that may not be withdrawn", "a tool call"])
def test_drift_is_accepted_where_what_was_delivered_keeps_it_from_being_retried(what: str) -> None:
    call = l0.Event(l0.EventType.TOOL_CALL, data={"id": "a", "name": "pay", "arguments": "{}"})

    async def source() -> Any:
        if what == "a tool call":
            yield call
        for text in BAD:
            yield l0.Event(l0.EventType.TOKEN, text)

    async def main() -> None:
        stream = await l0.run(
            source,
            guardrails=[Plugin()],
            on_interrupt="fail" if what != "a tool call" else "verify",
            retry=l0.Retry(base_delay=0),
        )
        assert await stream.read() == "".join(BAD)
        assert (stream.state.outcome, stream.state.drift_detected) == ("complete", True)

    run(main())
