"""Each promise of the suite for policies fails for a policy that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from l0_testing import PolicySuite

Failures = Callable[..., dict[str, str]]

ANSWERS = "test_it_answers_each_failure"
RAISES = "test_it_never_raises"
DEAD = "test_a_provider_that_is_dead_is_given_up"
TOGETHER = "test_two_streams_at_once_share_nothing"
EMPTY = "test_an_empty_answer_is_left_alone"


def policy(body: str, kind: str = "def", start: str = "") -> str:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return f"class Acme:\n    {start}\n    @hookimpl\n    {kind} decide_retry(self, ctx, failure):\n{lines}"


def suite(cls: Any) -> type:
    class TestAcme(PolicySuite):
        name = "acme"
        plugin = cls

    return TestAcme


@pytest.mark.parametrize(
    "source",
    [
        policy("return RetryAfter(0.25)"),
        policy("await asyncio.sleep(1)\nreturn None if failure.hint else FallBack()", "async def"),
        policy("return Halt()"),
        policy("return failure.default"),
    ],
)
def test_a_good_policy_passes(source: str, site: Any, failures: Failures) -> None:
    assert failures(suite(site.install(source, "policy"))) == {}


BAD = {
    "it answers with what is no decision": (
        policy("return 'retry' if failure.hint else None"), {ANSWERS}, ANSWERS,
        "asked about a 429 with a hint of 2 seconds, its decide_retry returned 'retry': return RetryAfter",
    ),
    "it waits less than nothing": (
        policy("return RetryAfter(-1) if failure.hint else None"), {ANSWERS}, ANSWERS, "must be a number of seconds",
    ),
    "it waits for no number of seconds": (
        policy("return RetryAfter(math.nan) if failure.hint else None"), {ANSWERS}, ANSWERS, "number of seconds",
    ),
    "it breaks at a violation": (
        policy("return RetryAfter(failure.error.status_code) if failure.category.value == 'content' else None"),
        {RAISES}, RAISES, r"its decide_retry raised AttributeError: .* at acme_\d+.py",
    ),
    "it breaks where there is no hint": (
        policy("return RetryAfter(failure.hint * 2)"), {RAISES}, RAISES, "its decide_retry raised TypeError",
    ),
    "it never answers": (
        policy("await asyncio.Event().wait()", "async def"), {DEAD, ANSWERS, RAISES, TOGETHER, EMPTY}, DEAD,
        "a stream with it never ends: nothing is ready",
    ),
    "it asks itself for ever": (
        policy("while ctx.number == 2: await asyncio.sleep(50)\nreturn failure.default", "async def"), {DEAD}, DEAD,
        "a stream with it never ends: the run took more than",
    ),
    "it counts the failures of all streams": (
        policy("self.failures += 1\nreturn RetryAfter(self.failures / 10)", start="failures = 0"), {TOGETHER},
        TOGETHER, r"(?s)a connection .*\n  alone:    complete .*retry after 0.1\n  together: .* retry after 0.[23]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_policy_that_breaks_one_promise_fails_by_it(what: str, site: Any, failures: Failures) -> None:
    source, expected, test, message = BAD[what]
    found = failures(suite(site.install(source, "policy")))
    # The tests of every plugin play the same failures, and tell of what is raised and of what never ends there.
    common = {name for name in found if name not in expected and re.search("raised|never ends", found[name])}

    assert found.keys() - common == expected, found
    assert re.search(message, found[test]), found[test]
