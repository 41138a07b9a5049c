"""The registry of kinds of fault."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from l0_testing.wire import Reply

__all__ = ["FAULTS", "FaultKind", "Layer", "Outcome", "fault"]

Layer = Literal["http", "body", "provider"]
Outcome = Literal["ok", "text", "incomplete", "fatal", "altered"]
Act = Callable[[Reply], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        name: what a `Fault` names it by.
        number: its number in the catalogue.
        title: one line of what it does.
        layer: where it happens.
        outcome: the right outcome of a streamed request whose first attempt suffers it and whose second is healthy.
            "ok": the exact text, without a second request. "text": the exact text, after a retry. "incomplete": the
            text that came, said to be incomplete, without a retry. "fatal": the error, without a retry. "altered":
            the text that the server sent (`RequestLog.text`), since nothing shows that it is not the model's.
        events_only: it needs server-sent events; a request that is not streamed is answered as if all were well.
        needs_tool_calls: its script must make tool calls.
        act: what the server does.
    """

    name: str
    number: str
    title: str
    layer: Layer
    outcome: Outcome
    events_only: bool
    needs_tool_calls: bool
    act: Act


FAULTS: dict[str, FaultKind] = {}
"""Every kind that the server can inject, by name, in the order of the catalogue."""


def fault(
    name: str, number: str, outcome: Outcome, *, title: str = "", events_only: bool = False, tools: bool = False
) -> Callable[[Act], Act]:
    """Register a kind of fault; without a title the first line of the docstring is it."""

    def register(act: Act) -> Act:
        line = title or (act.__doc__ or "").partition("\n")[0].rstrip(".")
        FAULTS[name] = FaultKind(name, number, line, _LAYERS[number[0]], outcome, events_only, tools, act)
        return act

    return register


_LAYERS: dict[str, Layer] = {"H": "http", "S": "body", "P": "provider"}
