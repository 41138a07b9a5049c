"""What a policy promises: an answer to each failure, and streams that end whatever it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import l0

from l0_core import Check, FallBack, Halt, RetryAfter, Violation, hookimpl
from l0_testing.provider import Mishap
from l0_testing.suites.base import PluginSuite
from l0_testing.suites.playing import Sample, of_text, play
from l0_testing.suites.watching import Call

__all__ = ["PolicySuite"]

TOKENS = tuple(f"word{place} " for place in range(12))
BAD = ("This ", "is ", "bad.")
RETRY = l0.Retry(attempts=3, max_retries=4, base_delay=0.5, strategy=l0.BackoffStrategy.FIXED)

FOR_EVER = 1000
"""Attempts that fail, where they all do."""


class _Refused(Exception):
    """A provider's answer with a status, as SDKs raise it."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _NothingBad:
    """A guardrail that objects to what `BAD` says."""

    @hookimpl
    def check(self) -> Check:
        return Check(lambda delta, final: Violation("nothing_bad", "It is bad") if "bad" in delta else None)


class PolicySuite(PluginSuite, abstract=True):
    """The tests of a policy. It is asked about failures of every kind, once and for ever."""

    kind = "policy"

    _hook = "decide_retry"
    _on = ""

    def test_it_answers_each_failure(self) -> None:
        """Of each kind of failure it says what is to be done, or None."""
        for sample in _failures(1):
            for call in self._asked(sample):
                if call.error is None and (problem := _problem(call.answer)):
                    self._fail(f"asked about {sample.what}, its decide_retry {problem}")

    def test_it_never_raises(self) -> None:
        """No kind of failure makes it raise."""
        for sample in _failures(1):
            self._check_raised(self._asked(sample))

    def test_a_provider_that_is_dead_is_given_up(self) -> None:
        """However often it asks to try again, a stream of a provider that always fails ends."""
        for sample in _failures(FOR_EVER):
            shared, _ = self._watched()
            played = self._run(play(sample, [shared]))
            if played.error is None:
                self._fail(f"a stream ended without an error, whose provider always fails, by {sample.what}")

    # What these tests do.

    def _samples(self) -> Sequence[Sample]:
        return _failures(1)

    async def _measured(self, plugin: object) -> None:
        for sample in _failures(FOR_EVER):
            await play(sample, [plugin])

    def _asked(self, sample: Sample) -> list[Call]:
        """What it was asked in a stream that fails once."""
        shared, calls = self._watched()
        self._run(play(sample, [shared]))
        asked = [call for call in calls if call.what == "decide_retry"]
        if not asked:
            self._fail(f"its decide_retry was not called about {sample.what}")
        return asked


def _failures(times: int) -> list[Sample]:
    """Streams whose provider fails so many times before it answers, each in its own way."""

    def failing(what: str, mishap: Mishap | None, **more: Any) -> Sample:
        return of_text(TOKENS, [mishap] * times, what, retry=RETRY, timeout=l0.Timeout(1000, 1000, None), **more)

    def refused(status: int, **headers: str) -> Mishap:
        return Mishap("refuse", error=_Refused(status, **headers))

    return [
        failing("a connection that is refused", Mishap("refuse", error=ConnectionRefusedError("refused"))),
        failing("a connection that breaks", Mishap("raise", 3)),
        failing("a 429 with a hint of 2 seconds", refused(429, retry_after="2")),
        failing("a 500", refused(500)),
        failing("a guardrail's violation", None, texts=[BAD] * times, guardrails=[_NothingBad]),
        failing("a timeout", Mishap("stall", 3)),
        failing("a text that is cut short", Mishap("truncate", 3)),
    ]


def _problem(answer: Any) -> str:
    """What is wrong with an answer, or nothing."""
    if answer is None or isinstance(answer, FallBack | Halt):
        return ""
    if not isinstance(answer, RetryAfter):
        return f"returned {answer!r}: return RetryAfter(seconds), FallBack(), Halt() or None"
    seconds = answer.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        return f"returned {answer!r}: the wait must be a number of seconds from 0 up"
    return ""
