"""A store: the events and the text of streams, as lines of JSON in the file that its URL names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l0_core import Envelope, Sink, StreamContext, hookimpl

__all__ = ["Journal", "Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`acme-journal:///runs.jsonl` is in the working directory, `acme-journal:////var/runs.jsonl` is not."""

    url: str


class Journal:
    """Appends a line for each event."""

    Options = Options

    def __init__(self, options: Options) -> None:
        self._path = Path(options.url.removeprefix("acme-journal:///"))

    @hookimpl
    def store_event(self, ctx: StreamContext) -> Sink:
        def write(batch: Sequence[Envelope]) -> None:
            with self._path.open("a") as file:
                for each in batch:
                    line = {
                        "stream": each.stream_id,
                        "seq": each.seq,
                        "type": each.event.type.value,
                        "meta": dict(each.event.meta),
                    }
                    file.write(f"{json.dumps(line)}\n")

        return Sink(write, tokens=True)
