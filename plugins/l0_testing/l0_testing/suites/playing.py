"""Streams in virtual time with a plugin at work, and what a consumer has of them in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import l0

from l0_core import Event, ObservabilityEvent, ObservabilityEventType
from l0_testing.consumer import text_of
from l0_testing.provider import FakeProvider, Mishap
from l0_testing.virtual import run

__all__ = ["NO_RETRY", "Played", "Sample", "identity", "of_text", "pieces", "play", "side_by_side", "virtually"]

T = TypeVar("T")

NO_RETRY = l0.Retry(attempts=0, max_retries=0)

LONGEST = 100_000.0
"""Virtual seconds after which a stream is taken for one that never ends."""

MOST_PIECES = 200

Identity = tuple[str, str, str, int | None]
"""What makes a violation the one that it is: rule, message, severity, position."""


def identity(violation: l0.Violation) -> Identity:
    return (violation.rule, violation.message, violation.severity, violation.position)


@dataclass(frozen=True)
class Sample:
    """A stream that can be played again and again. `what` tells people which it is.

    `options(pace)` makes the options of `l0.run`, its `stream` among them; `pace` is the pause before each token in
    seconds, where a provider can be paced.
    """

    what: str
    options: Callable[[float], Mapping[str, Any]]


@dataclass(frozen=True)
class Played:
    """What a consumer has of a stream, and all that happened to it on the way."""

    text: str
    outcome: str | None
    error: BaseException | None = field(compare=False)
    raised: str | None
    events: tuple[tuple[Any, ...], ...]
    violations: tuple[Identity, ...]
    decisions: tuple[tuple[Any, ...], ...]
    resumed: bool = field(default=False, compare=False)

    def told(self) -> str:
        """The same for people."""
        found = "".join(f"; violation: {message}" for _, message, _, _ in self.violations)
        decided = f"; decisions: {', '.join(f'{kind} {wait}' for kind, wait in self.decisions)}" * bool(self.decisions)
        error = f" ({self.raised})" if self.raised else ""
        return f"{self.outcome}{error} after {len(self.events)} events, text {short(self.text)}{found}{decided}"


def short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:40]!r}...{text[-30:]!r} ({len(text)} characters)"


def pieces(text: str, width: int = 4) -> list[str]:
    """A text as tokens of that many characters; of a long text they are longer, so that there are not too many."""
    width = max(width, -(-len(text) // MOST_PIECES))
    return [text[at : at + width] for at in range(0, len(text), width)]


def of_text(
    tokens: Sequence[str],
    mishaps: Sequence[Mishap | None] = (),
    what: str = "",
    texts: Sequence[Sequence[str]] = (),
    **more: Any,
) -> Sample:
    """A stream of a `FakeProvider`, with options of `l0.run`."""

    def options(pace: float) -> dict[str, Any]:
        provider = FakeProvider(tokens, mishaps, pace=pace, texts=texts)
        return {"stream": provider, "adapter": provider, **more}

    return Sample(what or f"the text {short(''.join(tokens))}", options)


async def play(
    sample: Sample, plugins: Sequence[object] = (), *, pace: float = 0.0, turn: float = 0.0, **more: Any
) -> Played:
    """Play a sample to its end. The consumer takes `turn` seconds for each event. What is configured does not count."""
    decisions: list[tuple[Any, ...]] = []
    settings = {
        "retry": NO_RETRY,
        "timeout": l0.Timeout(None, None, None),
        "limits": l0.Limits(),
        "check_intervals": l0.CheckIntervals(guardrails=1),
        "on_interrupt": "verify",
        "release": "live",
        "continue_from_last_good_token": False,
        "guardrails": [],
        "plugins": list(plugins),
        "on_event": lambda event: _note(event, decisions),
        **sample.options(pace),
        **more,
    }
    events: list[Event] = []
    failure: BaseException | None = None
    async with await l0.run(settings.pop("stream"), **settings) as stream:
        try:
            async for event in stream:
                events.append(event)
                if turn:
                    await asyncio.sleep(turn)
        except Exception as error:
            failure = error
    state = stream.state
    return Played(
        text=text_of(events),
        outcome=state.outcome,
        error=failure,
        raised=None if failure is None else type(failure).__name__,
        events=tuple((event.type.value, event.text, event.data, event.choice) for event in events),
        violations=tuple(identity(violation) for violation in state.violations),
        decisions=tuple(decisions),
        resumed=state.resumed,
    )


def _note(event: ObservabilityEvent, decisions: list[tuple[Any, ...]]) -> None:
    if event.type is ObservabilityEventType.RETRY_ATTEMPT:
        decisions.append(("retry after", event.meta["delay"]))
    elif event.type is ObservabilityEventType.FALLBACK_START:
        decisions.append(("fall back to", event.meta["toIndex"]))


async def side_by_side(samples: Sequence[Sample], plugins: Sequence[object]) -> list[Played]:
    """Play samples at the same time, in lock step: an event of each, and again. Each begins one event later."""

    async def begin(place: int, sample: Sample) -> Played:
        await asyncio.sleep(place)
        return await play(sample, plugins, turn=1.0)

    return await asyncio.gather(*(begin(place, sample) for place, sample in enumerate(samples)))


def virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time. Raises VirtualDeadlock or VirtualLimit for what never ends."""
    return run(main, limit=LONGEST)
