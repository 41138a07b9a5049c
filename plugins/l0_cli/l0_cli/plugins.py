"""What is installed, read from metadata: no plugin is imported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from l0_cli.terminal import one_line

if TYPE_CHECKING:
    from l0_core import Installed, Registry

__all__ = ["NOTHING", "lines", "listing"]

NOTHING = "No plugin is installed. One that most need: pip install l0-openai"


def listing(registry: Registry) -> list[dict[str, str | None]]:
    """Every installed plugin, by kind and then by name."""
    return [_described(item) for item in registry.examined()]


def _described(item: Installed) -> dict[str, str | None]:
    state, reason = item.state, item.problem
    if state == "installed" and reason is None and not _is_there(item.target):
        state, reason = "broken", f"there is no module {item.target.partition(':')[0]!r}: reinstall {item.distribution}"
    return {
        "kind": item.kind,
        "name": item.name,
        "distribution": item.distribution,
        "version": item.version,
        "state": state,
        "reason": reason,
    }


def _is_there(target: str) -> bool:
    """Whether the package of an entry point can be found. Only the outermost is looked for: more would import it."""
    try:
        return find_spec(target.partition(":")[0].partition(".")[0].strip()) is not None
    except ValueError:
        return True  # It is imported already, in a way that tells nothing.


def lines(listed: list[dict[str, str | None]]) -> Iterator[str]:
    """The listing for people."""
    if not listed:
        yield NOTHING
        return
    names = ("name", "distribution", "version", "state")
    rows = [[one_line(str(item[name]), 60) for name in names] for item in listed]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    kind = None
    for item, row in zip(listed, rows, strict=True):
        if item["kind"] != kind:
            kind = item["kind"]
            yield f"{kind}:"
        padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield f"  {padded}{': ' + one_line(item['reason'], 300) if item['reason'] else ''}"
