"""`l0 record`, and `l0 replay` of a cassette: a provider's answers into a file, and out of it again."""

from __future__ import annotations

import asyncio
import json as json_
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from l0_cli.terminal import CommandError, one_line

if TYPE_CHECKING:
    from l0_testing import CassetteServer, Recorder

__all__ = ["record", "replay_cassette"]


def record(upstream: str, path: Path, port: int, bodies: bool, command: Sequence[str], as_json: bool = False) -> int:
    """Record what is asked of an upstream, until a signal comes or a command ends; returns the exit code.

    With `as_json` what is told is a JSON object on a line; on stderr where stdout is the command's.

    Raises:
        CommandError: the upstream, the file or the command cannot be meant.
    """
    _require("record")
    from l0_testing import Recorder

    if command and shutil.which(command[0]) is None:
        raise CommandError(f"there is no command {command[0]!r} to run")
    try:
        recorder = Recorder(upstream, path, port=port, bodies=bodies)
    except ValueError as error:
        raise CommandError(f"--upstream: {error}") from None
    announce = partial(_recording_as_json if as_json else _recording, recorder, path, bool(command))
    try:
        code = asyncio.run(_run(command, recorder, announce) if command else _serve(recorder, announce))
    except FileExistsError:
        raise CommandError(
            f"{path} is there already, and a recording is not overwritten: choose another name"
        ) from None
    if as_json:
        said = {"file": str(path), "recorded": recorder.ends.total(), "ends": {**recorder.ends}, "exit_code": code}
        typer.echo(json_.dumps(said), err=bool(command))
    else:
        ends = "".join(f", {count} {how}" for how, count in recorder.ends.items())
        _tell(f"{path}: {recorder.ends.total()} recorded{ends}")
    return code


def replay_cassette(path: Path | str, speed: float, port: int | None, json: bool) -> int:
    """Serve a cassette until a signal comes; returns the exit code.

    Args:
        path: the cassette.
        speed: 1 serves with the recorded pauses, 0 with none.
        port: 0 or None lets the system choose one.
        json: print one JSON object instead of the URL.

    Raises:
        CommandError: the file is no cassette, or the speed is negative.
    """
    _require("replay")
    from l0_testing import CassetteServer

    try:
        server = CassetteServer(path, speed=speed, port=port or 0)
    except ValueError as error:
        raise CommandError(str(error)) from None
    announce = partial(_serving_as_json, server) if json else partial(_serving, server, path)
    return asyncio.run(_serve(server, announce))


def _recording(recorder: Recorder, path: Path, has_command: bool) -> None:
    if has_command:
        _tell(f"recording to {path} what is asked of {recorder.base_url}")
    else:
        typer.echo(recorder.base_url)
        _tell(f"recording to {path}: set it as base_url (or OPENAI_BASE_URL); Ctrl-C ends")


def _recording_as_json(recorder: Recorder, path: Path, has_command: bool) -> None:
    typer.echo(json_.dumps({"file": str(path), "base_url": recorder.base_url}), err=has_command)


def _serving(server: CassetteServer, path: Path | str) -> None:
    typer.echo(server.base_url)
    _tell(f"serving the {len(server.cassette.exchanges)} answers of {path}: set it as base_url; Ctrl-C ends")


def _serving_as_json(server: CassetteServer) -> None:
    exchanges = [f"{each.request.method} {each.request.path}" for each in server.cassette.exchanges]
    typer.echo(json_.dumps({"base_url": server.base_url, "exchanges": exchanges}))


async def _serve(server: AbstractAsyncContextManager[object], announce: Callable[[], None]) -> int:
    """Serve until Ctrl-C, or SIGTERM."""
    stop = asyncio.Event()
    with _handling({signal.SIGINT: stop.set, signal.SIGTERM: stop.set}):
        async with server:
            announce()
            await stop.wait()
    return 0


async def _run(command: Sequence[str], recorder: Recorder, announce: Callable[[], None]) -> int:
    """Run a command while recording, and return its exit code, as a shell does: 128 and more for a signal."""
    process: asyncio.subprocess.Process | None = None

    def terminate() -> None:
        with suppress(ProcessLookupError):
            if process is not None:
                process.terminate()

    # A Ctrl-C reaches the command too, which decides what becomes of it.
    with _handling({signal.SIGINT: lambda: None, signal.SIGTERM: terminate}):
        async with recorder:
            announce()
            provider = {"OPENAI_BASE_URL": recorder.base_url, "OPENAI_API_BASE": recorder.base_url}
            process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **provider})
            code = await process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _handling(handlers: dict[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _require(command: str) -> None:
    if find_spec("l0_testing") is None:
        raise CommandError(f"l0 {command} needs l0-testing, not installed here: pip install l0-testing")


def _tell(what: str) -> None:
    """Say something on stderr: the output is the URL, or the command's."""
    typer.echo(one_line(what, 1000), err=True)
