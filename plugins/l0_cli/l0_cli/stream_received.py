"""What a consumer has of a stream: how much text in which channel, and what is withdrawn of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from l0_core import Event

__all__ = ["ANSWER", "Received", "Withdrawn", "channel_of"]

ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a RESET takes back: so many characters of a channel, so that `keep` stand."""

    channel: str
    count: int
    keep: int

    def __str__(self) -> str:
        of = "" if self.channel == ANSWER else f" of the {self.channel}"
        return f"{self.count} characters{of} withdrawn, {self.keep} stand"


def channel_of(event: Event) -> str | None:
    """The channel that an event is text of: the answer, `reasoning`, `refusal` or another choice; None for none."""
    if event.is_reasoning:
        return "reasoning"
    if event.is_refusal:
        return "refusal"
    if event.is_token:
        return f"choice {event.choice}" if event.choice else ANSWER
    return None


class Received:
    """Counts what a consumer gets."""

    def __init__(self) -> None:
        self._lengths: Counter[str] = Counter()

    def take(self, event: Event) -> Withdrawn | None:
        """Take in an event; return what it withdraws, if it is a RESET."""
        channel = channel_of(event)
        if channel is not None:
            self._lengths[channel] += len(event.text or "")
        if not event.is_reset:
            return None
        data = event.data or {}
        channel = next((name for name in ("reasoning", "refusal") if name in data), None)
        keep = int(data[channel or "keep"])
        channel = channel or (f"choice {event.choice}" if event.choice else ANSWER)
        count, self._lengths[channel] = self._lengths[channel] - keep, keep
        return Withdrawn(channel, count, keep)
