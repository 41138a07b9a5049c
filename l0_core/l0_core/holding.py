"""Holding back: text that a guardrail may still object to, or that is not to leave before the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from l0_core.events import Event

__all__ = ["FOREVER", "Hold", "LetGo"]

FOREVER = 1 << 62
"""A holdback that lets nothing go before the end."""


LetGo = Callable[[Event], Iterator[Event]]
"""What is done when an event reaches the consumer; yields the event."""


class _Held(NamedTuple):
    end: int
    event: Event
    let_go: LetGo


class Hold:
    """Events of one attempt on their way to the consumer.

    Positions are in characters of the attempt's answer, as it arrives. What is held goes on in order, text up to the
    character that is cleared.
    """

    __slots__ = ("_cleared", "_held", "_until_end", "arrived", "unjudged")

    def __init__(self, until_end: bool) -> None:
        self._held: deque[_Held] = deque()
        self._until_end = until_end
        self._cleared = -1 if until_end else 0
        self.arrived = 0
        self.unjudged: list[str] = []
        """Pieces of the answer that no guardrail has seen."""

    def put(self, event: Event, let_go: LetGo) -> None:
        """Hold an event that ends at what has arrived; `let_go` delivers it."""
        self._held.append(_Held(self.arrived, event, let_go))

    def clear(self, holdback: int) -> None:
        """The guardrails have seen all that has arrived, and may still object to its last `holdback` characters."""
        if not self._until_end:
            self._cleared = max(self._cleared, self.arrived - holdback)

    def open(self) -> None:
        """Nobody objects any more."""
        self._cleared = FOREVER

    def release(self) -> Iterator[Event]:
        """Let go of what is cleared. A piece of text is divided where only a part of it is."""
        held = self._held
        while held:
            end, event, let_go = held[0]
            if end <= self._cleared:
                held.popleft()
                yield from let_go(event)
                continue
            text = event.text or ""
            size = len(text) - (end - self._cleared)
            if size > 0 and event.data is None:
                held[0] = _Held(end, Event(event.type, text[size:], choice=event.choice), let_go)
                yield from let_go(Event(event.type, text[:size], choice=event.choice, timestamp=event.timestamp))
            return
