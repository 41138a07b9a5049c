"""A monitor: how many tokens and characters each stream delivered, as lines of JSON in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from l0_core import Envelope, ObservabilityEventType, Sink, StreamContext, hookimpl

__all__ = ["Counter", "Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`path` is the file that is appended to."""

    path: Path = Path("counts.jsonl")


class Counter:
    """Counts token by token, and writes the count down when the stream has ended."""

    Options = Options

    def __init__(self, options: Options | None = None) -> None:
        self._path = (options or Options()).path
        self._counts: dict[str, list[int]] = {}

    @hookimpl
    def on_token(self, ctx: StreamContext) -> Callable[[str], None]:
        count = self._counts[ctx.stream_id] = [0, 0]

        def handle(text: str) -> None:
            count[0] += 1
            count[1] += len(text)

        return handle

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink:
        def write(batch: Sequence[Envelope]) -> None:
            if batch[-1].event.type is ObservabilityEventType.SESSION_END:
                tokens, characters = self._counts.pop(ctx.stream_id)
                line = {"stream": ctx.stream_id, "tokens": tokens, "characters": characters, **ctx.context}
                with self._path.open("a") as file:
                    file.write(f"{json.dumps(line)}\n")

        return Sink(write)
