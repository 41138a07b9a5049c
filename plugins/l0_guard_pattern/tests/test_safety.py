"""No pattern of a stranger takes long, whatever the text: it is refused, or it is fast."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from itertools import count
from typing import Any

import pytest
from l0_guard_pattern.matchers import FLAGS, Matcher, bounded, matcher
from l0_guard_pattern.scan import Found, Plan
from l0_testing import growth
from l0_testing.measuring import seconds

from .evil import SIZE, evil_patterns

HAS_RE2 = find_spec("re2") is not None
needs_re2 = pytest.mark.skipif(not HAS_RE2, reason="needs RE2: pip install google-re2")
EVIL = evil_patterns()
MILLISECOND = 0.001


@pytest.fixture
def without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)


def is_fast(made: Matcher, text: str) -> bool:
    """Whether four times the text takes at most five times as long. That 100 kB take 250 ms tells a slow machine."""
    plan = Plan([made])

    def judged(text: str) -> None:
        judge: Any = plan.open(lambda found: found).judge  # type: ignore[arg-type,return-value]
        judge(text, False)
        judge("", True)

    limit = 250 * MILLISECOND
    return seconds(lambda: judged(text), limit) <= limit and growth(judged, text[-SIZE // 4 :], text, 5) <= 5


def test_there_are_two_hundred_and_all_are_patterns() -> None:
    assert len(EVIL) >= 200
    for pattern, text in EVIL:
        re.compile(pattern, FLAGS)
        assert len(text) == SIZE


def check_all() -> tuple[int, list[str]]:
    accepted, slow = 0, []
    for pattern, text in EVIL:
        try:
            made = matcher(pattern)
        except ValueError:
            continue
        accepted += 1
        if not is_fast(made, text):
            slow.append(pattern)
    return accepted, slow


@pytest.mark.usefixtures("without_re2")
def test_what_python_is_given_is_fast() -> None:
    accepted, slow = check_all()

    assert slow == []
    assert accepted >= 30


@needs_re2
def test_what_re2_is_given_is_fast() -> None:
    accepted, slow = check_all()

    assert slow == []
    assert accepted >= 150


EXPONENTIAL = [
    *("(a+)+$", "(a|a)+$", "(a|ab)*c", "(.*a){20}"),
    *(r"([a-z]+)*\d", "(a?){25}a{25}", r"^(\w+\s?)+$", "(x+x+)+y"),
]


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize("pattern", [*EXPONENTIAL, "a*a*a*b"])
def test_what_could_take_long_is_refused_and_the_error_says_what_to_do(pattern: str) -> None:
    with pytest.raises(ValueError, match="refused: it has repeats") as caught:
        matcher(pattern)

    assert repr(pattern) in str(caught.value)
    assert "pip install 'l0-guard-pattern[re2]'" in str(caught.value)
    with pytest.raises(ValueError, match="refused"):
        bounded(pattern)


HARMLESS = [
    *(r"\bdamn\b", "foo|bar", r"\b(?:hell|heck|hello)\b", r"\bfoo\s+bar\b", r"api[_-]?key", r"(?<!not )allowed"),
    *(r"\b\d{3}-\d{2}-\d{4}\b", r"(?:\d{1,3}\.){3}\d{1,3}", r"\b4\d{3}(?:[ -]?\d{4}){3}\b", "sk-[A-Za-z0-9]{20,}"),
    *(r"\w+@\w+\.com", r"\b[\w.+-]+@[\w-]+\.\w+\b", r"https?://\S+", r"[A-Z]{2}\d{2}(?: ?\w{4}){3,7}"),
    *(r"\s+$", "^.*secret", ".*secret.*", "ignore.*instructions", r"password\s*[:=]\s*\S+"),
    *("<[^>]+>", '"[^"]*"', r"\*\*[^*]+\*\*", r"```\w*\n", r"(ha){3,}", r"(\w)\1"),
]


@pytest.mark.usefixtures("without_re2")
@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_people_write_is_accepted_without_re2(pattern: str) -> None:
    assert matcher(pattern).compiled is not None


@pytest.mark.parametrize("pattern", ["(?=(a+)+;)x", r"<(\w+)[^>]*>.*?</\1>"])
def test_what_re2_cannot_do_is_refused_where_python_would_be_slow(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"RE2 has no (lookaround|backreferences)"):
        matcher(pattern)


@needs_re2
@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_re2_finds_what_python_finds_wherever_the_text_is_cut(pattern: str) -> None:
    made = matcher(pattern)
    plan = Plan([made])
    for text in ("xxaay", "aab abc!\n aa", "1aab9 aaa", "a" * 60, "é aab\ud800 aa1 c" * 9, ""):
        for size in (1, 3, 1000):
            found: list[Found] = []
            judge: Any = plan.open(found.append).judge  # type: ignore[arg-type]
            for start in range(0, len(text), size):
                judge(text[start : start + size], False)
            judge("", True)
            if len(text) < 50:  # Longer ones are cut at blocks.
                assert [one[0:1] + one[2:] for one in found] == [
                    (match.start(), match.end(), match[0]) for match in re.compile(pattern, FLAGS).finditer(text)
                ]
            else:
                assert found == _at_once(plan, text)


def _at_once(plan: Plan, text: str) -> list[Found]:
    found: list[Found] = []
    judge: Any = plan.open(found.append).judge  # type: ignore[arg-type]
    judge(text, False)
    judge("", True)
    return found


def test_a_pattern_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        matcher("(" * 3000 + "a" + ")" * 3000)


def test_a_list_of_many_words_is_read_in_no_time() -> None:
    # It is remembered what was read, so each list is another one.
    lists = ("|".join(f"word{number}" for number in range(start, start + 3000)) for start in count())

    assert seconds(lambda: matcher(next(lists)), 2) < 2
