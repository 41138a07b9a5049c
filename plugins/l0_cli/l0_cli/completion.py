"""What a shell completes: the script that asks for it, and the answers that have to be looked up.

Whoever presses a key waits for the answer: what cannot be told at once is not told, and errors are nothing.
"""

from __future__ import annotations

from typing import Any

__all__ = ["prepare", "script", "stores", "streams"]

AT_ONCE = 0.3
"""Seconds for which a server is waited for to take a connection."""

PATIENCE = 2.0
"""Seconds for which a store is waited for."""

MANY = 100
"""Ids that are offered."""


def script(shell: str, variable: str) -> str:
    """What a shell is to run, so that it asks `l0` for completions by a variable."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    return str(get_completion_script(prog_name="l0", complete_var=variable, shell=shell))


def prepare() -> None:
    """Make the shells known whose scripts there are."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def stores(incomplete: str) -> list[str]:
    """The beginnings of URLs that installed stores have."""
    from l0_core import registry

    found = [f"{item.name}:///" for item in registry().installed("store") if item.state == "installed"]
    return [url for url in found if url.startswith(incomplete)]


def streams(ctx: Any, incomplete: str) -> list[str]:
    """The ids of recorded streams, if the store is here, or answers at once."""
    from l0_cli.findings import bounded

    try:
        return bounded(lambda: _ids(ctx.params.get("store"), incomplete), PATIENCE)
    except Exception:
        return []


def _ids(url: str | None, incomplete: str) -> list[str]:
    from l0_cli.findings import connect
    from l0_cli.streams import address, configured_url, line_of, with_store

    url = url or configured_url()
    if url is None:
        return []
    if (where := address(url)) is not None:
        connect(*where, AT_ONCE)
    found = with_store(url, lambda store: store.list_streams(incomplete))
    # A shell takes a space or a line break for the end of a word.
    return [each for each in found if line_of(each) == each and " " not in each][:MANY]
