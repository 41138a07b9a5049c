"""The display of a story: the text as it arrives, what happened to each attempt, and the proof."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from l0_cli.demo import Attempt, Proof, Story
from l0_cli.terminal import clean, one_line

__all__ = ["render", "watch"]

SIDE_BY_SIDE = 80
"""Columns that the two halves need beside each other."""

_MARKS = {
    "running": ("·", "yellow"),
    "survived": ("✗", "red"),
    "failed": ("✗", "bold red"),
    "complete": ("✓", "bold green"),
    "incomplete": ("!", "bold yellow"),
}


def watch(story: Story, play: Callable[[], None], console: Console | None = None) -> None:
    """Play the story and show it as it happens; where output is no terminal, when it is over."""
    console = console or Console()
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(
            get_renderable=lambda: render(story, console.width, live=True),
            console=console,
            refresh_per_second=20,
            transient=True,
        ):
            play()
    else:
        play()
    console.print(render(story, console.width if console.is_terminal else 0))


def render(story: Story, width: int, *, live: bool = False) -> RenderableType:
    """The whole picture. `width` is that of the terminal; below `SIDE_BY_SIDE` one half stands over the other."""
    if live:
        story.refresh()
    # A table would put an ellipsis over the end of lines that hold wide characters.
    text = Text(clean(story.text), overflow="fold")
    if live and int(time.monotonic() * 2) % 2:
        text.append("▌", "dim")
    attempts = Group(*(_attempt(story, attempt, live) for attempt in list(story.attempts)))
    parts: list[RenderableType] = [_header(story)]
    if width >= SIDE_BY_SIDE:
        halves = Table.grid(expand=True)
        halves.add_column(ratio=5)
        halves.add_column(ratio=6)
        halves.add_row(
            Panel(text, title="what your code receives", title_align="left", border_style="green"),
            Panel(attempts, title="what happened on the way", title_align="left", border_style="red"),
        )
        parts.append(halves)
    else:
        parts += ["", text, "", attempts]
    if not live:
        parts += ["", _verdict(story)]
    return Group(*parts)


def _header(story: Story) -> Text:
    header = Text.assemble(("l0 demo", "bold"), "  ", clean(story.endpoint))
    if story.scripted:
        header.append(", a server that misbehaves on purpose", "dim")
    return header


def _attempt(story: Story, attempt: Attempt, live: bool) -> RenderableType:
    mark, style = _MARKS[attempt.state]
    lines = Text()
    if attempt.model != story.models[0]:
        lines.append(f"{clean(attempt.model)}\n", "bold")
    lines.append(clean(attempt.fault) if attempt.fault else _progress(story, attempt))
    if attempt.error is not None:
        lines.append(f"\n{clean(attempt.error).rpartition('.')[2]}", "cyan")
    if attempt.state == "failed":
        lines.append(", gave up", "bold red")
    elif attempt.recovery == "fallback":
        lines.append(", on to another model", "green")
    elif attempt.wait is not None:
        lines.append(f", again in {attempt.wait:.2g} s" if attempt.wait else ", again at once", "green")
    if attempt.sent or attempt.new:
        lines.append(f"\n{_counts(attempt, live)}", "dim")
    row = Table.grid(padding=(0, 1))
    row.add_row(Text(mark, style), Text(str(attempt.number), "bold"), lines)
    return row


def _progress(story: Story, attempt: Attempt) -> str:
    if attempt.state == "running":
        if attempt.new:
            return "new text arrives"
        if attempt.resumed_from is not None:
            return "looking for the seam" if attempt.sent else "asking to continue"
        return "comparing with what you have" if attempt.repeated else "asking"
    return f"{attempt.state}, finish reason {clean(str(story.finish_reason))!r}"


def _counts(attempt: Attempt, live: bool) -> str:
    """How much text came; in few words where it is to fit a terminal of 24 lines."""
    if attempt.resumed_from is not None:
        start, cut = f"from character {attempt.resumed_from}", attempt.overlap_cut
        if cut is None:
            return start if live else f"asked to continue {start}"
        if live:
            return f"{start}, {cut} cut, {attempt.new} new"
        return f"continued {start}, {cut} characters of overlap cut, {attempt.new} new"
    if attempt.repeated:
        return f"{attempt.repeated} characters kept back, {attempt.new} new"
    return f"{attempt.new} characters new"


def _verdict(story: Story) -> RenderableType:
    if story.proof is not None:
        return _proof(story, story.proof)
    if story.outcome in ("complete", "incomplete"):
        said = f"{story.outcome}: {len(story.text)} characters in {story.seconds:.1f} s"
        honest = "A real endpoint has no script, so nothing here can prove that this is the model's text."
        return Text.assemble((said, "bold"), f"\n{honest}")
    said = f"failed at attempt {len(story.attempts)}, with {len(story.text)} characters delivered"
    return Text.assemble((said, "bold red"), f"\n{one_line(story.failure or '', 500)}")


def _proof(story: Story, proof: Proof) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("the model's text", f"{proof.expected_characters} characters, sha256 {proof.expected_sha256}")
    facts.add_row("what you received", f"{proof.characters} characters, sha256 {proof.sha256}")
    facts.add_row("delivered twice", f"{proof.delivered_twice} characters")
    facts.add_row("withdrawn", f"{proof.withdrawn} characters")
    requests = ", ".join(f"{count} to {model}" for model, count in proof.requests.items())
    facts.add_row("requests", f"{requests}, as the server counted them")
    facts.add_row("left open", f"{proof.open_responses} responses, {proof.open_connections} connections")
    facts.add_row("duration", f"{story.seconds:.1f} s")
    if story.succeeded:
        return Group(facts, Text("Proven: what you received is the model's text, once.", "bold green"))
    return Group(facts, Text("Not proven: the promise was not kept.", "bold red"))
