"""What a guardrail promises: the same verdict however the text comes, in time that grows with the text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from time import thread_time
from typing import Any, ClassVar

import l0
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from l0_core import Check, GuardrailRule, State, rule_of
from l0_testing.measuring import no_collection
from l0_testing.provider import ContinuingProvider, Mishap
from l0_testing.suites import definition
from l0_testing.suites.base import PluginSuite
from l0_testing.suites.playing import Identity, Played, Sample, identity, of_text, pieces, play, short
from l0_testing.suites.watching import Call, violations

__all__ = ["GuardrailSuite"]

CASES = 100
"""Texts with their cuts that are tried, unless `L0_TEST_CASES` says how many."""

GENERATED = 400
"""Characters of a text that is made of pieces of samples, at most."""

SIZES = (4_096, 16_384, 65_536, 262_144, 1_048_576)
"""Characters of texts whose times are compared: each is four times the one before."""

FOURFOLD = 8.0
"""How many times as long four times the text may take."""

TOO_SHORT = 0.004
"""Seconds of the thread's time below which times are not compared."""

UNHURRIED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

WORTH_KEEPING = 12
"""Characters of text that a stream must have delivered to go on from them."""


class GuardrailSuite(PluginSuite, abstract=True):
    """The tests of a guardrail that judges text.

    `accepts` are texts in which it finds nothing, `refuses` texts in which it finds something. One that judges
    something else, such as the time between tokens, is tested by `PluginSuite`.
    """

    kind = "guardrail"
    accepts: ClassVar[Sequence[str]]
    refuses: ClassVar[Sequence[str]]

    _hook = "check"
    _known = (*PluginSuite._known, "accepts", "refuses")

    @classmethod
    def _check_samples(cls) -> None:
        super()._check_samples()
        definition.texts(cls, "accepts", "texts in which it finds nothing")
        definition.texts(cls, "refuses", "texts in which it finds something")
        for text in cls.accepts:
            if text in cls.refuses:
                raise definition.mistake(cls, f"{short(text)} is in accepts and in refuses")

    def test_it_finds_nothing_in_what_it_accepts(self) -> None:
        """In a stream, no text of `accepts` has a violation."""
        for text in _spoken(self.accepts):
            found = self._judged(pieces(text))
            if found.reported:
                self._fail(f"in a text of accepts, {short(text)}, it finds: {_told(found.reported)}")

    def test_it_finds_something_in_what_it_refuses(self) -> None:
        """In a stream, every text of `refuses` has a violation."""
        for text in _spoken(self.refuses):
            if not self._judged(pieces(text)).reported:
                self._fail(f"in a text of refuses, {short(text)}, it finds nothing")

    def test_it_judges_a_text_by_itself(self) -> None:
        """Outside of a stream, `check(state)` of the documented rule says the same."""
        rule = self._rule()
        for text in self.accepts:
            if found := self._checked(rule, text):
                self._fail(f"by itself it finds in a text of accepts, {short(text)}: {_told(map(identity, found))}")
        for text in self.refuses:
            if not self._checked(rule, text):
                self._fail(f"by itself it finds nothing in a text of refuses, {short(text)}")

    def test_it_finds_nothing_in_what_has_not_begun(self) -> None:
        """An answer that has no text yet, and may get some, is no fault."""
        found = self._checked(self._rule(), "", completed=False)
        if found:
            self._fail(f"it finds something before there is any text: {_told(map(identity, found))}. Wait for `final`")

    def test_its_verdict_does_not_depend_on_the_cuts(self) -> None:
        """The same text, cut anywhere, has the same verdict: rule, message, severity and position."""
        for text in _spoken([*self.accepts, *self.refuses]):
            self._compare(text, [text], pieces(text, 7))

        @settings(max_examples=_cases(), deadline=None, database=None, suppress_health_check=UNHURRIED)
        @given(_mixtures([*self.accepts, *self.refuses]), st.data())
        def holds(text: str, data: st.DataObject) -> None:
            assume(not text.isspace() and text)
            cuts = data.draw(st.lists(st.integers(1, max(1, len(text) - 1)), max_size=8, unique=True))
            self._compare(text, [text], _cut(text, cuts))

        holds()

    def test_its_verdict_is_the_same_after_a_resume(self) -> None:
        """An attempt that goes on from kept text is judged as the whole text is."""
        resumed = False
        for text in _spoken([*self.accepts, *self.refuses]):
            whole = self._judged(list(text))
            for at in sorted({WORTH_KEEPING, len(text) // 2, len(text) - 1}):
                if not WORTH_KEEPING <= at < len(text):
                    continue
                found = self._interrupted(text, at)
                resumed = resumed or found.resumed
                if problem := whole.differs_from(found):
                    self._fail(
                        f"interrupted after {at} characters and gone on with, {short(text)} is judged differently. The "
                        "judge is given the kept text as its first piece: nothing is to be made of ctx.kept besides"
                        f"\n{problem}"
                    )
        if not resumed:
            self._fail(
                f"no sample can be interrupted and gone on with: give accepts or refuses a text of more "
                f"than {WORTH_KEEPING} characters, in which nothing is found before its end"
            )

    def test_its_positions_lie_in_the_text(self) -> None:
        """A position is an offset into the answer, as far as the answer has come."""
        for text in _spoken(self.refuses):
            for cut in (list(text), [text]):
                for position, seen in self._judged(cut).positions:
                    if not 0 <= position <= seen:
                        self._fail(
                            f"of {short(text)} it reports the position {position}, when it has seen {seen} characters: "
                            "a position counts from the beginning of the answer"
                        )

    def test_it_reports_each_violation_once(self) -> None:
        """What was reported is not reported again with the next piece."""
        for text in _spoken([*self.accepts, *self.refuses]):
            found = self._judged(list(text)).reported
            if again := next((each for place, each in enumerate(found) if each in found[:place]), None):
                self._fail(f"in {short(text)} it reports more than once: {_told([again])}. Remember what was reported")

    def test_what_it_holds_back_does_not_leave(self) -> None:
        """Where it asks for a holdback, `release="checked"` lets nothing out from a violation's position on."""
        for text in _spoken(self.refuses):
            for cut in (list(text), pieces(text, 5)):
                found = self._judged(cut, release="checked")
                if not (found.holdback and found.stopped):
                    continue
                first = min((place for place, _ in found.positions), default=len(text))
                if len(found.delivered) > first:
                    self._fail(
                        f"of {short(text)}, {short(found.delivered)} had left when a violation at {first} was found: "
                        f"its Check asks to hold back {found.holdback} characters, and must ask for as many as it may "
                        "still object to"
                    )

    def test_a_long_text_takes_its_time_and_no_more(self) -> None:
        """A text of 1 MB in one piece is judged in time that grows as the text does."""
        rule = self._rule()
        for text in self._repeated():

            def measured(size: int, text: str = text) -> float:
                filled = _filled(text, size)
                began = thread_time()
                self._checked(rule, filled)
                return thread_time() - began

            self._check_growth(f"{short(text)}, repeated, as one piece", measured, SIZES)

    def test_a_piece_does_not_cost_more_in_a_longer_answer(self) -> None:
        """An answer in many pieces is judged in time that grows as the answer does: none looks at all of it again."""
        for text in self._repeated():
            self._check_growth(f"{short(text)}, repeated, in pieces", partial(self._streamed, text), SIZES[:-1])

    # What these tests do.

    def _samples(self) -> Sequence[Sample]:
        both = [*_spoken(self.accepts)[:2], *_spoken(self.refuses)[:2]]
        return [of_text(pieces(text)) for text in both or ["It is noon."]]

    async def _measured(self, plugin: object) -> None:
        accepted = max(_spoken(self.accepts) or ["It is noon. "], key=len)
        await play(of_text(pieces(_filled(accepted, 12_000), 60)), [plugin])

    def _repeated(self) -> list[str]:
        return [*_spoken(self.accepts)[:2], *_spoken(self.refuses)[:2]]

    def _rule(self) -> GuardrailRule:
        """The guardrail as a documented rule. Skips the test of one that is asynchronous."""
        shared, calls = self._watched()
        self._run(play(self._samples()[0], [shared]))
        if any(call.awaited for call in calls):
            pytest.skip("it is asynchronous: it can judge a stream, and not a text by itself")
        return rule_of(self._made(), self.name)

    def _checked(self, rule: GuardrailRule, text: str, completed: bool = True) -> list[l0.Violation]:
        """What the rule finds in a text by itself."""
        return rule.check(State(text, completed=completed))

    def _judged(self, cut: Sequence[str], **more: Any) -> _Verdict:
        """What it says of a text that comes in these pieces, in a stream."""
        return self._verdict(of_text(cut), **more)

    def _interrupted(self, text: str, at: int) -> _Verdict:
        """What it says of a text whose stream breaks off after `at` characters, and is gone on with."""
        options: dict[str, Any] = {
            "retry": l0.Retry(attempts=0, max_retries=1, base_delay=0),
            "continue_from_last_good_token": True,
        }

        def interrupted(pace: float) -> dict[str, Any]:
            provider = _GoesOn(list(text), [Mishap("raise", at)])
            return {"stream": provider, "adapter": provider, **options}

        return self._verdict(Sample(short(text), interrupted))

    def _verdict(self, sample: Sample, **more: Any) -> _Verdict:
        shared, calls = self._watched()
        return _Verdict.of(self._run(play(sample, [shared], **more), calls), calls)

    def _compare(self, text: str, *cuts: Sequence[str]) -> None:
        """Fail unless a text that is cut so has the verdict of the text as it comes character by character."""
        expected = self._judged(list(text))
        for cut in cuts:
            if problem := expected.differs_from(self._judged(cut)):
                self._fail(
                    f"its verdict on {text!r} depends on how the text is cut: {_told_cut(cut)}. Pieces are cut "
                    f"anywhere: keep what a judgement needs of the pieces before\n{problem}"
                )

    def _streamed(self, text: str, size: int) -> float:
        """Seconds that its judge takes for a text of that size in pieces of 64 characters."""
        shared, calls = self._watched()
        filled = _filled(text, size)
        self._run(play(of_text([filled[at : at + 64] for at in range(0, size, 64)]), [shared]), calls)
        return sum(call.seconds for call in calls if call.what == "judge")

    def _check_growth(self, what: str, measure: Callable[[int], float], sizes: Sequence[int]) -> None:
        for size, fourfold in pairwise(sizes):
            small, large = _undisturbed(measure, size), _undisturbed(measure, fourfold)
            for _ in range(8):
                if large < TOO_SHORT or large <= small * FOURFOLD:
                    break
                # What else goes on makes single measurements longer, and none shorter.
                small = min(small, _undisturbed(measure, size))
                large = min(large, _undisturbed(measure, fourfold))
            else:
                self._fail(
                    f"{what}: {size:,} characters take {small * 1000:.1f} ms, and four times as many take "
                    f"{large * 1000:.1f} ms. Look at each piece once, and never again at the whole text"
                )


@dataclass(frozen=True)
class _Verdict:
    """What a guardrail said of a text. `stopped`: the attempt ended by it.

    `positions` come with the number of characters that had been seen by then.
    """

    reported: list[Identity]
    stopped: bool
    positions: list[tuple[int, int]]
    holdback: int
    delivered: str
    resumed: bool

    @classmethod
    def of(cls, played: Played, calls: Iterable[Call]) -> _Verdict:
        reported: list[Identity] = []
        positions: list[tuple[int, int]] = []
        holdback = seen = 0
        for call in calls:
            if call.what == "check":
                seen = 0
                holdback = call.answer.holdback if isinstance(call.answer, Check) else 0
            elif call.what == "judge":
                seen += len(call.given[0])
                for violation in violations(call.answer):
                    reported.append(identity(violation))
                    if violation.position is not None:
                        positions.append((violation.position, seen))
        stopped = isinstance(played.error, l0.GuardrailViolationError)
        return cls(reported, stopped, positions, holdback, played.text, played.resumed)

    def differs_from(self, other: _Verdict) -> str:
        """How the verdict on the same text in larger pieces differs, or nothing.

        Where an attempt is stopped, a larger piece may hold more to object to than what stopped it.
        """
        ours, theirs = set(self.reported), set(other.reported)
        if self.stopped == other.stopped and (ours == theirs or (self.stopped and ours <= theirs)):
            return ""
        return f"  character by character: {_told(self.reported)}\n  otherwise: {_told(other.reported)}"


class _GoesOn(ContinuingProvider):
    """Continues a text exactly where it was broken off."""

    async def __call__(self, attempt: Any) -> Any:  # type: ignore[override]
        attempt.exact = True
        return await super().__call__(attempt)


def _undisturbed(measure: Callable[[int], float], size: int) -> float:
    """What is measured while nothing is collected: that takes the longer the more there is, whoever made it."""
    with no_collection():
        return measure(size)


def _told(found: Iterable[Identity]) -> str:
    """Violations for people."""
    told = [
        f"{rule}: {message!r} ({severity}{'' if position is None else f' at {position}'})"
        for rule, message, severity, position in dict.fromkeys(found)
    ]
    return "; ".join(told) or "nothing"


def _told_cut(cut: Sequence[str]) -> str:
    return f"in {len(cut)} pieces, {list(cut)!r}" if 1 < len(cut) <= 12 else f"in pieces of {len(cut[0])} characters"


def _spoken(texts: Iterable[str]) -> list[str]:
    """The texts that are answers: of a stream without one, L0 asks no guardrail for the last word."""
    return [text for text in texts if text and not text.isspace()]


def _cases() -> int:
    return int(os.environ.get("L0_TEST_CASES", CASES))


@st.composite
def _mixtures(draw: Callable[[Any], Any], samples: Sequence[str]) -> str:
    """Texts made of pieces of samples."""
    joined = ""
    for _ in range(draw(st.integers(1, 4))):
        text = draw(st.sampled_from(samples))
        begin = draw(st.integers(0, len(text)))
        joined += text[begin : draw(st.integers(begin, min(len(text), begin + GENERATED // 4)))]
    return joined


def _cut(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


def _filled(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]
