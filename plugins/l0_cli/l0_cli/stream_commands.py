"""The commands for recorded streams. What does their work is imported when they are called."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from l0_cli.commands import example
from l0_cli.completion import stores, streams
from l0_cli.terminal import CommandError

__all__ = ["add"]

Store = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where they are, like sqlite:///runs.db; the configured store if not given.",
        autocompletion=stores,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StreamId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A stream's id, or as much of it as no other begins with.", autocompletion=streams
    ),
]


def add(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for name, (command, short_help, *lines) in _COMMANDS.items():
        app.command(name, short_help=short_help, epilog=example(*lines))(command)


def _streams(
    store: Store = None,
    prefix: Annotated[str, typer.Option(help="Only streams whose ids begin with this.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, the newest.")] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only streams whose end is not recorded.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the recorded streams, the newest first: when, how long, how much, how they ended, what went wrong."""
    from l0_cli import stream_list

    return stream_list.command(store, prefix, limit, unfinished, as_json)


def _show(
    stream_id: StreamId,
    store: Store = None,
    events: Annotated[bool, typer.Option("--events", help="Every recorded event, one line each.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what happened in a recorded stream, moment by moment, and its text."""
    from l0_cli import stream_show

    return stream_show.command(store, stream_id, events, as_json)


def _replay(
    stream_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A stream's id, or the beginning of it, or a file that is a .cassette.",
            autocompletion=streams,
        ),
    ],
    store: Store = None,
    speed: Annotated[float, typer.Option(min=0, help="1 is as it was, 2 twice as fast, 0 at once.")] = 1,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Of a cassette: where it is served.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each event.")] = False,
) -> Any:
    """Print a recorded stream as its consumer saw it, in time. Nothing but the store is asked for it."""
    path = Path(stream_id)
    if path.suffix == ".cassette" and path.is_file():
        if find_spec("l0_cli.record") is None:
            raise CommandError("this version of l0-cli cannot replay cassettes: pip install -U l0-cli")
        return import_module("l0_cli.record").replay_cassette(path, speed, port, as_json)
    if port is not None:
        raise CommandError("--port is for a file that is a .cassette, and is served; a recorded stream is printed")
    from l0_cli import stream_replay

    return stream_replay.command(store, stream_id, speed, as_json)


def _diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A stream's id, or the beginning of it.", autocompletion=streams)
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="Another's.", autocompletion=streams)],
    store: Store = None,
    as_json: AsJson = False,
) -> int:
    """Show what two recorded streams differ in, but for times.

    The exit code is 0 if they do not differ, 1 if they do, and 2 where they cannot be compared.
    """
    from l0_cli import stream_diff

    return stream_diff.command(store, one, other, as_json)


def _export(
    stream_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Streams' ids, or the beginnings of them.", autocompletion=streams),
    ] = None,
    store: Store = None,
    everything: Annotated[bool, typer.Option("--all", help="Every stream of the store.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write; stdout if not given.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With -o: print a JSON object that says what it holds.")
    ] = False,
) -> int:
    """Write recorded streams as lines of JSON, for l0 import.

    Records are written as they are kept, to the byte. A file takes its place when it is whole.
    """
    from l0_cli import stream_export

    return stream_export.command(store, stream_ids or [], everything, output, as_json)


def _import(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What l0 export has written.")],
    store: Store = None,
    as_json: AsJson = False,
) -> int:
    """Record the streams of an export here. What is here already stays, and doing it twice changes nothing."""
    from l0_cli import stream_import

    return stream_import.command(store, path, as_json)


_COMMANDS: dict[str, tuple[Callable[..., Any], str, *tuple[str, ...]]] = {
    "streams": (
        _streams,
        "List the recorded streams, the newest first.",
        "l0 streams --limit 10",
        "l0 streams --store sqlite:///runs.db --unfinished",
    ),
    "show": (
        _show,
        "Show what happened in a recorded stream, and its text.",
        "l0 show chat/42",
        "l0 show chat/42 --events",
    ),
    "replay": (
        _replay,
        "Print a recorded stream as its consumer saw it, in time.",
        "l0 replay chat/42 --speed 2",
        "l0 replay incident.cassette",
    ),
    "diff": (_diff, "Show what two recorded streams differ in.", "l0 diff chat/42 chat/43"),
    "export": (
        _export,
        "Write recorded streams as lines of JSON.",
        "l0 export chat/42 -o chat.jsonl",
        "l0 export --all | gzip > streams.jsonl.gz",
    ),
    "import": (
        _import,
        "Record the streams of an export.",
        "l0 import chat.jsonl --store sqlite:///other.db",
    ),
}
"""Each command: what does its work, its summary, and examples."""
