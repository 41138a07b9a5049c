"""A source of streams in which whatever is said, by whomever, can be recognised where it turns up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal

import l0

from l0_core import Check, Event, EventType, Violation, hookimpl

__all__ = [
    "ANSWER",
    "BAD",
    "OPENING",
    "SECRETS",
    "WHOLE",
    "Model",
    "Polite",
    "Step",
    "broken",
    "end",
    "secret",
    "status",
]

SECRETS: dict[str, str] = {}
"""What must not leave by default, by the word that stands for it."""

PACE = 0.01
"""Virtual seconds before each thing that a source says."""


def secret(what: str) -> str:
    """The word that stands for something that is said. It is of letters alone, which no format writes otherwise."""
    word = f"Canary{''.join(re.findall('[A-Za-z]+', what.title()))}X"
    SECRETS[word] = what
    return word


Step = Event | float | Callable[[], BaseException]
"""What a source does: it says something, waits for so many seconds, or raises."""


def _token(text: str, choice: int = 0) -> Event:
    return Event(EventType.TOKEN, text, choice=choice)


def end(reason: str = "stop") -> Event:
    """The last thing that a source says."""
    return Event(EventType.COMPLETE, data={"finish_reason": reason}, usage={"input_tokens": 7, "output_tokens": 11})


ANSWER = secret("the answer")

_CALL = {
    "index": 0,
    "id": "call-1",
    "name": "pay",
    "arguments": f'{{"to": "{secret("the arguments of a tool call")}"}}',
}

OPENING: tuple[Step, ...] = (
    Event(EventType.REASONING, f"{secret('the reasoning')} "),
    _token("Once upon a time "),
    _token(f"{ANSWER} "),
    _token("lived among the streams "),
    _token("of a valley, "),
)

WHOLE: tuple[Step, ...] = (
    *OPENING,
    _token("and it lives there still. "),
    0.3,
    _token(f"{secret('another choice')} ", choice=1),
    Event(EventType.REFUSAL, f"{secret('a refusal')} "),
    Event(EventType.DATA, payload=l0.DataPayload(l0.ContentType.TEXT, metadata={"text": secret("data")})),
    Event(EventType.PROGRESS, data={"tool_call": _CALL}),
    end(),
)

BAD: tuple[Step, ...] = (
    _token(f"{secret('an answer that was refused')} "),
    _token("Unwelcome "),
    _token("words."),
    end(),
)


class _Attached:
    """What hangs on the exceptions of SDKs: the request, the response."""


class _ProviderError(Exception):
    """As SDKs raise them, with everything in it."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}: {secret('the message of an error')}")
        self.status_code = status_code
        self.body = {"text": secret("the body of an error")}
        self.request = _Attached()
        self.__cause__ = ValueError(secret("the cause of an error"))
        self.add_note(secret("the note of an error"))


def status(code: int) -> Callable[[], BaseException]:
    """What makes the error of a provider that answers with a status."""
    return lambda: _ProviderError(code)


def broken() -> BaseException:
    """The error of a connection that breaks."""
    error = ConnectionResetError(104, secret("the message of a network error"))
    error.__dict__.update(host=secret("the attributes of a network error"), request=_Attached())
    return error


class Model:
    """A source of streams that does in each attempt what it is told to, in the last of them for ever.

    It continues what an attempt keeps. `requests` are the numbers, sources and kept texts of the attempts that it was
    asked for, `open` the streams that it has begun and nobody has closed.
    """

    takes_attempt = True

    def __init__(self, answers: Sequence[Sequence[Step]]) -> None:
        self._answers = answers
        self.requests: list[tuple[int, int, str]] = []
        self.open = 0

    async def __call__(self, attempt: Any) -> AsyncIterator[Event]:
        steps = list(self._answers[min(len(self.requests), len(self._answers) - 1)])
        self.requests.append((attempt.number, attempt.source, attempt.kept))
        while not isinstance(steps[0], Event):
            await self._wait(steps.pop(0))
        attempt.exact = True
        return self._say(steps, len(attempt.kept))

    async def _say(self, steps: Sequence[Step], kept: int) -> AsyncIterator[Event]:
        prompt = secret("a local variable")  # As the frames of an SDK have it, which a traceback leads to.
        self.open += 1
        try:
            for step in steps:
                await self._wait(step)
                if isinstance(step, Event):
                    if step.is_token and kept > 0:
                        kept -= len(step.text or "")
                    else:
                        yield step
        finally:
            self.open -= 1
            del prompt

    async def _wait(self, step: Step) -> None:
        await asyncio.sleep(step if isinstance(step, float) else PACE)
        if callable(step):
            raise step()


class Polite:
    """A guardrail that objects to the word `Unwelcome`, and quotes the answer."""

    def __init__(self, severity: Literal["warning", "error", "fatal"] = "error") -> None:
        self.severity: Literal["warning", "error", "fatal"] = severity

    @hookimpl
    def check(self) -> Check:
        said = secret("what a guardrail says")

        def judge(delta: str, final: bool) -> Violation | None:
            if "Unwelcome" not in delta:
                return None
            return Violation("polite", said, self.severity, suggestion=said, context={"text": said})

        return Check(judge)
