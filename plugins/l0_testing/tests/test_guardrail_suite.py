"""Each promise of the suite for guardrails fails for a guardrail that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from l0_testing import GuardrailSuite

Failures = Callable[..., dict[str, str]]

ACCEPTS = "test_it_finds_nothing_in_what_it_accepts"
REFUSES = "test_it_finds_something_in_what_it_refuses"
ALONE = "test_it_judges_a_text_by_itself"
BEGUN = "test_it_finds_nothing_in_what_has_not_begun"
CUTS = "test_its_verdict_does_not_depend_on_the_cuts"
RESUME = "test_its_verdict_is_the_same_after_a_resume"
POSITIONS = "test_its_positions_lie_in_the_text"
ONCE = "test_it_reports_each_violation_once"
HOLDBACK = "test_what_it_holds_back_does_not_leave"
LINEAR = "test_a_long_text_takes_its_time_and_no_more"
PIECES = "test_a_piece_does_not_cost_more_in_a_longer_answer"

GOOD = """
class Acme:
    @hookimpl
    def check(self, ctx):
        tail, seen, found = "", 0, False

        def judge(delta, final):
            nonlocal tail, seen, found
            if found:
                return None
            text, seen = tail + delta, seen + len(delta)
            place, tail = text.find("foo"), text[-2:]
            if place < 0:
                return None
            found = True
            return Violation("acme", "It says foo", position=seen - len(text) + place)

        return Check(judge, holdback=2)
"""


def changed(*changes: str) -> str:
    source = GOOD
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    return source


def suite(cls: Any, **samples: Any) -> type:
    class TestAcme(GuardrailSuite):
        name = "acme"
        plugin = cls
        accepts = samples.get("accepts", ["It is noon, and all is well.", "A fo, and an oo, and no more."])
        refuses = samples.get("refuses", ["This is where it says foo, and more.", "A foo.", "And this says foof"])

    return TestAcme


def test_a_good_guardrail_passes(site: Any, failures: Failures) -> None:
    assert failures(suite(site.install(GOOD)), LINEAR, PIECES) == {}


def test_a_good_guardrail_that_is_asynchronous_passes(site: Any, failures: Failures) -> None:
    source = changed("def judge", "async def judge", "if found:", "await asyncio.sleep(0.1)\n            if found:")
    found = failures(suite(site.install(source)), LINEAR, PIECES)

    assert found == {}


def test_a_good_guardrail_that_warns_and_returns_several_passes(site: Any, failures: Failures) -> None:
    source = changed('return Violation("acme", "It says foo", ', 'yield Violation("acme", "It says foo", "warning", ',
                     "return None", "return")  # fmt: skip

    assert failures(suite(site.install(source))) == {}


BAD = {
    "it finds what it should not": (
        changed('text.find("foo")', 'text.find("oo")'),
        {ACCEPTS, ALONE}, ACCEPTS,
        "in a text of accepts, 'It is noon, and all is well.', it finds: acme: 'It says foo'",
    ),
    "it finds less in a stream": (
        changed("place < 0", "place < 0 or ctx.stream_id"), {REFUSES}, REFUSES, "foo, and more.', it finds nothing",
    ),
    "it finds less by itself": (
        changed("place < 0", "place < 0 or not ctx.stream_id"), {ALONE}, ALONE,
        "by itself it finds nothing in a text of",
    ),
    "it finds more by itself": (
        changed("if place < 0:", 'if place < 0 and ctx.stream_id or "foo" not in text and "noon" not in text:'),
        {ALONE}, ALONE, "by itself it finds in a text of accepts",
    ),
    "it finds fault with nothing": (
        changed("if place < 0:", "if place < 0 and seen:"), {BEGUN}, BEGUN,
        "before there is any text.*Wait for `final`",
    ),
    "it looks at each piece alone": (
        changed("tail + delta", "delta"), {CUTS, REFUSES, RESUME}, CUTS,
        "(?s)depends on how the text is cut.*character by character: nothing.*otherwise: acme: 'It says foo'",
    ),
    "its position is one in the piece": (
        changed("seen - len(text) + place", "place"), {CUTS, RESUME, HOLDBACK}, CUTS,
        "(?s)error at 0.*otherwise: .*error at",
    ),
    "its message tells of the piece": (
        changed('"It says foo"', 'f"It says foo in {delta}"'), {CUTS, RESUME}, CUTS, "depends on how the text is cut",
    ),
    "it takes the kept text twice": (
        changed('"", 0, False', 'ctx.kept, len(ctx.kept), False'), {RESUME}, RESUME,
        "(?s)interrupted after 12 characters and gone on with.*nothing is to be made of ctx.kept besides.*error at",
    ),
    "it forgets the kept text": (
        changed("if found:", "if ctx.kept == delta:\n                return None\n            if found:"),
        {RESUME}, RESUME, "is judged differently",
    ),
    "its position is behind the end": (
        changed("position=seen", "position=100 + seen"), {POSITIONS}, POSITIONS,
        "reports the position 1.., when it has seen",
    ),
    "its position is before the beginning": (
        changed("position=seen - len(text) + place", "position=-1"), {POSITIONS, HOLDBACK}, POSITIONS, "position -1",
    ),
    "it reports a warning again and again": (
        changed("found = True", "pass", '"It says foo", ', '"It says foo", "warning", ',
                "position=seen - len(text) + place", "position=None", "text[-2:]", "text"),
        {ONCE}, ONCE, r"more than once: acme: 'It says foo' \(warning\). Remember what was reported",
    ),
    "it holds back too little": (
        changed("holdback=2", "holdback=1"), {HOLDBACK}, HOLDBACK,
        "(?s)had left when a violation at 22 was found: its Check asks to hold back 1 characters",
    ),
    "it returns what is no violation": (
        changed('return Violation("acme", "It says foo", position=seen - len(text) + place)', 'return "It says foo"'),
        {REFUSES, CUTS, RESUME, POSITIONS, ONCE, HOLDBACK}, REFUSES,
        "raised TypeError: a judge returns a Violation, several, or None, and this one returned 'It says foo'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_guardrail_that_breaks_one_promise_fails_by_it(what: str, site: Any, failures: Failures) -> None:
    source, expected, test, message = BAD[what]
    found = failures(suite(site.install(source)))
    # These play the samples too, and tell of what is raised there.
    common = {name for name in found if "raised" in found[name] and "TypeError" in message}

    assert found.keys() - common == expected - common, found
    assert re.search(message, found[test]), found[test]


SLOW = {
    "it looks at the whole text for each character": (
        changed("text, seen = tail + delta, seen + len(delta)",
                "text, seen = tail + delta, seen + len(delta)\n"
                "            for at in range(0, len(text), 8): text[at:].isspace()"),
        {LINEAR}, "repeated, as one piece: .* four times as many take .* Look at each piece once",
    ),
    "it looks at the whole answer for each piece": (
        changed("text[-2:]", "text"), {PIECES}, "repeated, in pieces: .* four times as many take",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SLOW)
def test_a_guardrail_whose_time_grows_faster_than_the_text_fails(what: str, site: Any, failures: Failures) -> None:
    source, expected, message = SLOW[what]
    (test,) = expected
    found = failures(suite(site.install(source)), test)

    assert found.keys() == expected
    assert re.search(message, found[test]), found[test]


def test_samples_that_are_too_short_to_be_gone_on_with(site: Any, failures: Failures) -> None:
    found = failures(suite(site.install(GOOD), accepts=["It is noon"], refuses=["foo"]))

    assert found.keys() == {RESUME}
    assert "give accepts or refuses a text of more than 12 characters" in found[RESUME]


def test_blank_texts_are_judged_by_themselves(site: Any, failures: Failures) -> None:
    source = changed("place < 0", "not final or text.strip()", "position=seen - len(text) + place", "position=None")
    found = failures(suite(site.install(source), accepts=["It is noon, and all is well."], refuses=["", "  "]))

    assert found == {}


def test_more_cases_can_be_asked_for(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class TestAcme(suite(site.install(GOOD))):  # type: ignore[misc]
        def _compare(self, text: str, *cuts: Any) -> None:
            tried.append(text)

    for cases in (5, 300):
        tried.clear()
        monkeypatch.setenv("L0_TEST_CASES", str(cases))
        getattr(TestAcme(), CUTS)()
        assert cases / 2 < len(tried) <= cases + 5
