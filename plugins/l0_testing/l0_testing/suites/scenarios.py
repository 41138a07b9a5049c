"""Streams that come to every end that there is, and what a consumer has of each."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field, fields, replace
from typing import Any

import l0

from l0_core import Envelope, Event, Sink, State, hookimpl
from l0_testing.suites.canaries import BAD, OPENING, WHOLE, Model, Polite, Step, broken, end, status
from l0_testing.suites.playing import identity

__all__ = ["ALL", "COMPLETE", "FAILED", "RETRIED", "Ended", "Scenario"]

RETRY = l0.Retry(attempts=2, max_retries=2, base_delay=0.5, strategy=l0.BackoffStrategy.FIXED)

FEW = 3
"""Events after which consumers leave who leave early."""

AFTERWARDS = 3.0
"""Virtual seconds in which what goes on after the end of a stream, such as a slow write, is over."""

UNCOMPARED = frozenset(("first_token_at", "last_token_at", "duration", "network_errors", "last_progress"))
"""Fields of a state that hold times, or what cannot be compared."""


@dataclass(frozen=True)
class Ended:
    """What a consumer has of a stream that has ended, and what another observer was told of it.

    Not compared are `changed`, the context variables that the consumer found changed, and `attached`, which are things
    that nobody is to keep.
    """

    text: str
    events: tuple[str, ...]
    state: Mapping[str, str]
    errors: tuple[str, ...]
    raised: str
    requests: tuple[Any, ...]
    left_open: int
    told_to_others: tuple[str, ...]
    stream_id: str = field(compare=False)
    changed: frozenset[str] = field(compare=False)
    attached: Mapping[str, weakref.ref[Any]] = field(compare=False)

    def difference(self, other: Ended) -> str:
        """How the other, which is the same stream with a monitor, is not the same, for people; or nothing."""
        for each in fields(self):
            without, found = getattr(self, each.name), getattr(other, each.name)
            if each.compare and without != found:
                if isinstance(without, Mapping):
                    differing = [name for name in without if without[name] != found[name]]
                    without, found = ({name: said[name] for name in differing} for said in (without, found))
                what = each.name.replace("_", " ")
                return f"\n  {what} without it: {without!r}\n  {what} with it:    {found!r}"
        return ""


Note = Callable[[Event], int]
"""Takes down an event, and returns how many there are."""

Consumer = Callable[[list[l0.Stream], Note], Awaitable[None]]
"""Does with a stream what consumers do. It may take it out of the list, which is the only thing that holds it."""


async def _read(opened: list[l0.Stream], note: Note) -> None:
    async for event in opened[0]:
        note(event)


async def _read_slowly(opened: list[l0.Stream], note: Note) -> None:
    async for event in opened[0]:
        note(event)
        await asyncio.sleep(1.0)


async def _abort(opened: list[l0.Stream], note: Note) -> None:
    async for event in opened[0]:
        if note(event) == FEW:
            opened[0].abort()


async def _leave(opened: list[l0.Stream], note: Note) -> None:
    async with opened[0] as stream:
        async for event in stream:
            if note(event) == FEW:
                break


async def _drop(opened: list[l0.Stream], note: Note) -> None:
    async for event in opened[0]:
        if note(event) == FEW:
            break
    opened.clear()


async def _close(opened: list[l0.Stream], note: Note) -> None:
    await opened[0].aclose()


async def _never_read(opened: list[l0.Stream], note: Note) -> None:
    opened.clear()


def _cancelled_after(seconds: float) -> Consumer:
    async def consume(opened: list[l0.Stream], note: Note) -> None:
        task = asyncio.create_task(_read(opened, note))
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()
        await asyncio.wait({task})

    return consume


class _Other:
    """Another observer of a stream, that comes after the monitor."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl
    def store_event(self) -> Sink:
        return Sink(self._write)

    def _write(self, batch: Sequence[Envelope]) -> None:
        self.told += [f"{each.event.type.value} {_timeless(each.event.meta)}" for each in batch]


@dataclass(frozen=True)
class Scenario:
    """A stream that can be played again and again. `what` tells people which it is.

    `answers` is what the source does in each attempt, the last of them in all that follow.
    """

    what: str
    answers: Sequence[Sequence[Step]]
    consume: Consumer = _read
    options: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: int = 0

    def slowly(self) -> Scenario:
        """The same, with a consumer that takes a second for each event."""
        return replace(self, consume=_read_slowly)

    async def play(self, plugins: Sequence[object] = (), context: Mapping[str, Any] | None = None) -> Ended:
        """Play it to its end, and until nothing goes on any more. What is configured does not count."""
        model, other, events = Model(self.answers), _Other(), list[str]()
        before, changed = copy_context(), set[str]()

        def note(event: Event) -> int:
            changed.update(_changed(before))
            events.append(repr(event))
            return len(events)

        settings: dict[str, Any] = {
            "retry": RETRY,
            "timeout": l0.Timeout(None, None, None),
            "limits": l0.Limits(),
            "check_intervals": l0.CheckIntervals(guardrails=1),
            "on_interrupt": "verify",
            "release": "live",
            "continue_from_last_good_token": False,
            "guardrails": [],
            "fallbacks": [model] * self.fallbacks,
            "plugins": [*plugins, other],
            "context": context,
        }
        opened = [await l0.run(model, adapter="event", **{**settings, **self.options})]
        state, errors, stream_id = opened[0].state, opened[0].errors, opened[0].stream_id
        raised = ""
        try:
            await self.consume(opened, note)
        except Exception as error:
            raised = _said(error)
        opened.clear()
        await asyncio.sleep(AFTERWARDS)
        changed.update(_changed(before))
        attached: dict[str, Any] = {"its state": state, "its context (ctx)": model}
        for each in errors:
            if (request := getattr(each, "request", None)) is not None:
                attached["an exception that was raised"] = request
        return Ended(
            text=state.content,
            events=tuple(events),
            state=_fields(state),
            errors=tuple(map(_said, errors)),
            raised=raised,
            requests=tuple(model.requests),
            left_open=model.open,
            told_to_others=tuple(other.told),
            stream_id=stream_id,
            changed=frozenset(changed),
            attached={what: weakref.ref(each) for what, each in attached.items()},
        )


def _changed(before: Context) -> set[str]:
    """The context variables that have another value now."""
    missing = object()
    return {variable.name for variable, value in copy_context().items() if before.get(variable, missing) is not value}


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _fields(state: State) -> dict[str, str]:
    """What a state says, as text."""
    told = {each.name: getattr(state, each.name) for each in fields(state) if each.name not in UNCOMPARED}
    told["violations"] = [identity(violation) for violation in state.violations]
    return {name: repr(value) for name, value in told.items()}


def _timeless(value: Any) -> Any:
    """A value without the fractions in it, which are times."""
    if isinstance(value, Mapping):
        return {key: _timeless(inner) for key, inner in value.items() if not isinstance(inner, float)}
    return value


COMPLETE = Scenario("a stream that is complete", [WHOLE])
RETRIED = Scenario("a stream that breaks and is retried", [(*OPENING, broken), (status(503),), WHOLE])
FAILED = Scenario("a stream that fails", [(*OPENING, status(401))])

_CONTINUED = {"continue_from_last_good_token": True}
_IMPATIENT = {"timeout": l0.Timeout(5000, 5000, None)}

ALL = (
    COMPLETE,
    Scenario("a stream that the provider cuts short", [(*OPENING, end("length"))]),
    RETRIED,
    Scenario("a stream that breaks and is gone on with", [(*OPENING, broken), WHOLE], options=_CONTINUED),
    Scenario("a stream that goes on with another source", [(status(401),), WHOLE], fallbacks=1),
    Scenario("a stream that a guardrail warns of", [BAD], options={"guardrails": [Polite("warning")]}),
    Scenario("a stream that a guardrail refuses once", [BAD, WHOLE], options={"guardrails": [Polite()]}),
    Scenario("a stream that a guardrail ends", [BAD], options={"guardrails": [Polite("fatal")]}),
    Scenario("a stream that falls silent", [(*OPENING, 1000.0), WHOLE], options=_IMPATIENT),
    Scenario("a stream that says nothing at first", [(end(),), WHOLE]),
    Scenario("a stream whose network stays broken", [(broken,)]),
    FAILED,
    Scenario("a stream that is aborted", [WHOLE], _abort),
    Scenario("a stream that is left early", [WHOLE], _leave),
    Scenario("a stream that is dropped", [WHOLE], _drop),
    Scenario("a stream that is cancelled while its source is opened", [(1.0, *WHOLE)], _cancelled_after(0.5)),
    Scenario("a stream that is cancelled in the middle", [WHOLE], _cancelled_after(0.045)),
    Scenario("a stream that is cancelled before a retry", [(broken,)], _cancelled_after(0.2)),
    Scenario("a stream that is closed unread", [WHOLE], _close),
    Scenario("a stream that is never read", [WHOLE], _never_read),
)
