"""What the commands for recorded streams share: the store, the stream that is meant, and what may be shown of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import typer

from l0_cli.terminal import CommandError, one_line, say
from l0_core import Error, config, registry

if TYPE_CHECKING:
    from l0_eventsourcing import EventStore

__all__ = [
    "BIDI",
    "UNFINISHED",
    "address",
    "configured_url",
    "find",
    "line_of",
    "moment",
    "opened",
    "path_of",
    "progress",
    "told",
    "visible",
    "with_store",
]

T = TypeVar("T")

UNFINISHED = "unfinished"
"""What is said in the place of an outcome while no end is recorded."""

PACKAGES = {
    "file": "l0-store-file",
    "sqlite": "l0-store-sqlite",
    "redis": "l0-store-redis",
    "rediss": "l0-store-redis",
    "postgres": "l0-store-postgres",
    "postgresql": "l0-store-postgres",
}
"""Who provides the store of a scheme."""

PORTS = {"redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}
"""Where the server of a scheme listens, unless the URL says otherwise."""

BIDI = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that change the order in which others are shown."""

_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))}
_VISIBLE |= {code: f"\\u{code:04x}" for code in (*BIDI, 0x2028, 0x2029, *range(0xD800, 0xE000))}
_VISIBLE |= {ord("\n"): "\n", ord("\t"): "    ", ord("\r"): "\\r"}

MANY = 100
"""Steps up to which work is over before anybody asks how far it has come."""

CANDIDATES = 5
"""Streams that are named where a beginning of an id means several."""


def visible(text: str) -> str:
    """The text with an escape in the place of whatever would steer a terminal. Newlines stay."""
    return text.translate(_VISIBLE)


def line_of(text: str, length: int = 300) -> str:
    """The text made visible, on one line, cut to a length."""
    return one_line(visible(text), length)


def moment(ts: float) -> str:
    """A time in milliseconds since the epoch, as the clock on the wall shows it here."""
    try:
        return datetime.fromtimestamp(ts / 1000).astimezone().isoformat(" ", "milliseconds")
    except (OverflowError, ValueError, OSError):
        return f"{ts:g} ms"


@contextmanager
def told(code: int = 1) -> Iterator[None]:
    """Tell the user of an error that is theirs to mend on one line, and exit with a code."""
    try:
        yield
    except BrokenPipeError:
        raise  # Whoever reads the output has seen enough.
    except (CommandError, Error, OSError) as error:
        name = "" if isinstance(error, CommandError) else f"{type(error).__name__}: "
        say(visible(f"{name}{error}"))
        raise typer.Exit(code) from None


def with_store(url: str | None, work: Callable[[EventStore], Awaitable[T]], *, makes: bool = False) -> T:
    """Open the store of a URL, or the configured one, do something with it, and close it.

    One whose file or folder is not there is only made with `makes`: a path that is mistyped must not become a store.
    """

    async def using() -> T:
        where = _url(url)
        store = opened(where)
        path = path_of(where)
        if path is not None and not makes and not path.exists():
            raise CommandError(f"there is no {path}: nothing is recorded there")
        try:
            return await work(store)
        finally:
            close = getattr(store, "aclose", None)
            if close is not None:
                await close()

    return asyncio.run(using())


def _url(given: str | None) -> str:
    if given is not None:
        return given
    found = configured_url()
    if found is None:
        raise CommandError(
            'no store is configured: write store = "sqlite:///runs.db" in l0.toml, or set L0_STORE, or give --store'
        )
    return found


def configured_url() -> str | None:
    """The URL of the configured store, or None. Raises ConfigError."""
    configured = config.current()
    found = None if configured is None else configured.core.get("store")
    return None if found is None else str(found.value)


def path_of(url: str) -> Path | None:
    """Where a store of ours has its file or its folder; None if it has none here."""
    scheme, _, rest = url.partition("://")
    path = rest.partition("/")[2]
    if scheme not in ("file", "sqlite") or not path:
        return None
    return Path(unquote(path) if scheme == "file" else path).absolute()


def address(url: str) -> tuple[str, int] | None:
    """The host and the port of a store of ours on a server; None where that is not all, or cannot be read."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return None if port is None or not parts.hostname or "," in parts.netloc else (parts.hostname, port)


def opened(url: str) -> EventStore:
    """The store of a URL, of which nothing is used yet. Raises CommandError and PluginError."""
    if find_spec("l0_eventsourcing") is None:
        raise CommandError('recorded streams need l0-eventsourcing, not installed here: pip install "l0-cli[streams]"')
    scheme = url.partition("://")[0]
    package = PACKAGES.get(scheme)
    if package is not None and all(item.name != scheme for item in registry().installed("store")):
        raise CommandError(f"{scheme}:// is a store of {package}, not installed here: pip install {package}")
    from l0_eventsourcing import open_store

    return open_store(url)


async def find(store: EventStore, given: str) -> str:
    """The id of the stream that is meant: the whole id, or a beginning that no other has."""
    if await store.exists(given):
        return given
    found = await store.list_streams(given)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(
            f"there is no stream {given!r}, and none that begins so: l0 streams lists those that there are"
        )
    named = ", ".join(line_of(repr(each), 80) for each in found[:CANDIDATES])
    more = f" and {len(found) - CANDIDATES} more" if len(found) > CANDIDATES else ""
    raise CommandError(f"{len(found)} streams begin with {given!r}, give more of one's id: {named}{more}")


@contextmanager
def progress(what: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Show on stderr how far long work has come, if that is a terminal. Call what this gives with each step's size."""
    from rich.console import Console
    from rich.progress import Progress

    is_shown = sys.stderr.isatty() and (total is None or total > MANY)
    bar = Progress(console=Console(stderr=True), transient=True, redirect_stdout=False, disable=not is_shown)
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda step: bar.advance(task, step)
