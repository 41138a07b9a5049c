"""`l0 diff`: what two recorded streams differ in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from l0_cli.streams import find, line_of, told, visible, with_store

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore, ReplayedState

__all__ = ["command", "text_diff"]

CONTEXT = 3
"""Lines that are shown around a difference."""

WORDS = 2000
"""Words up to which two paragraphs are compared word by word, which takes time by the square of them."""


def command(url: str | None, one: str, other: str, as_json: bool) -> int:
    """Compare two streams; returns the exit code, as `diff` does."""
    with told(2):
        ids, states = with_store(url, partial(_states, given=(one, other)))
        from l0_eventsourcing import EventSourcing

        compared = EventSourcing.compare(*states)
        if as_json:
            said = {"a": ids[0], "b": ids[1], "identical": compared.identical, "differences": compared.differences}
            typer.echo(json.dumps(said, indent=2))
        else:
            console = Console(highlight=False)
            for line in _lines(ids, states, compared.differences):
                console.print(line, soft_wrap=True)
    return 0 if compared.identical else 1


async def _states(
    store: EventStore, *, given: tuple[str, str]
) -> tuple[tuple[str, str], tuple[ReplayedState, ReplayedState]]:
    from l0_eventsourcing import EventReplayer

    one, other = await find(store, given[0]), await find(store, given[1])
    replayer = EventReplayer(store)
    return (one, other), (await replayer.replay_to_state(one), await replayer.replay_to_state(other))


def _lines(
    ids: tuple[str, str], states: tuple[ReplayedState, ReplayedState], differences: Sequence[str]
) -> Iterator[Text]:
    if not differences:
        yield Text("No difference, but for times.")
        return
    yield Text(f"--- {line_of(ids[0])}", "bold")
    yield Text(f"+++ {line_of(ids[1])}", "bold")
    for difference in differences:
        yield Text(line_of(difference))
    if states[0].content != states[1].content:
        yield Text()
        yield from text_diff(states[0].content, states[1].content)


def text_diff(one: str, other: str) -> Iterator[Text]:
    """The lines of two texts that differ, with some around them; in colours, the words that do are underlined."""
    a, b = one.split("\n"), other.split("\n")
    for group in SequenceMatcher(None, a, b).get_grouped_opcodes(CONTEXT):
        first, last = group[0], group[-1]
        yield Text(f"@@ line {first[1] + 1} to {last[2]}, line {first[3] + 1} to {last[4]} @@", "cyan")
        for tag, start, end, start_b, end_b in group:
            if tag == "equal":
                for line in a[start:end]:
                    yield Text(f"  {visible(line)}")
            else:
                yield from _changed(a[start:end], b[start_b:end_b])


def _changed(one: Sequence[str], other: Sequence[str]) -> Iterator[Text]:
    """Lines that others have replaced; of either there may be none."""
    removed, added = _marked("\n".join(one), "\n".join(other), are_compared=bool(one and other))
    for sign, text, style, lines in (("-", removed, "red", one), ("+", added, "green", other)):
        for line in text.split("\n", allow_blank=True) if lines else ():
            yield Text.assemble((f"{sign} ", style), line)


def _marked(one: str, other: str, *, are_compared: bool) -> tuple[Text, Text]:
    """Two texts in colours. Where they are compared, words that only one of them has are underlined."""
    a, b = ([visible(word) for word in re.findall(r"\w+|\s+|[^\w\s]", text)] for text in (one, other))
    removed, added = Text(style="red"), Text(style="green")
    if not are_compared or len(a) * len(b) > WORDS * WORDS:
        return removed.append("".join(a)), added.append("".join(b))
    for tag, start, end, start_b, end_b in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        style = "" if tag == "equal" else "underline"
        removed.append("".join(a[start:end]), style)
        added.append("".join(b[start_b:end_b]), style)
    return removed, added
