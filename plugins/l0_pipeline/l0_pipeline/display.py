"""The steps of pipelines as they run, shown on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from l0_pipeline.runs import Running, watcher

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["progress"]

REFRESHES = 8
"""A second."""

COLOURS = {"success": "green", "error": "red", "skipped": "dim", "running": "yellow", "cancelled": "red"}


@contextmanager
def progress() -> Iterator[None]:
    """Show the pipelines that run within on stderr: their steps, status, tokens, and tokens per second of the step.

    Where stderr is no terminal nothing is shown. Steps that an executor takes elsewhere have their tokens at the end.
    Raises ImportError without rich, the package of the extra `l0-pipeline[rich]`.
    """
    try:
        from rich.console import Console
        from rich.live import Live
    except ModuleNotFoundError:
        raise ImportError("l0_pipeline.progress needs rich: pip install l0-pipeline[rich]") from None
    if not sys.stderr.isatty():
        yield
        return
    rows: list[Running] = []
    token = watcher.set(rows.append)
    try:
        with Live(
            console=Console(stderr=True),
            get_renderable=lambda: _table([*rows]),
            refresh_per_second=REFRESHES,
            redirect_stdout=sys.stdout.isatty(),  # Otherwise what is printed would go to stderr.
        ):
            yield
    finally:
        watcher.reset(token)


def _table(rows: Sequence[Running]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("pipeline", "step", "status", box=None)
    for title in ("tokens", "tokens/s", "seconds"):
        table.add_column(title, justify="right")
    for row in rows:
        status, seconds = row.status, row.milliseconds / 1000
        # As texts, for a name may look like markup.
        cells = (row.pipeline or "", f"{row.ctx.step_index + 1}/{row.ctx.total_steps} {row.step.name}")
        numbers = (f"{row.tokens}", f"{row.tokens / seconds if seconds else 0:.1f}", f"{seconds:.1f}")
        table.add_row(*map(Text, cells), Text(status, COLOURS[status]), *map(Text, numbers))
    return table
