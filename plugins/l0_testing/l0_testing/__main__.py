"""`python -m l0_testing`: the fault server as a process of its own, and the list of faults."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from l0_testing.faults import FAULTS
from l0_testing.scripts import Fault, Script, ToolCall, load_scripts
from l0_testing.server import FaultServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser("python -m l0_testing", description="A server that misbehaves on request.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until stdin closes or SIGTERM comes")
    serve.add_argument("--port", type=int, default=0, help="0 (default): the system chooses; the first line says which")
    serve.add_argument(
        "--script",
        type=Path,
        metavar="FILE.json",
        help="what each model answers; without it there is a model 'healthy', and one named after each kind of fault, "
        "whose first attempt suffers it before token 5",
    )
    commands.add_parser("faults", help="list the kinds of fault")
    options = parser.parse_args(arguments)
    if options.command == "faults":
        for kind in FAULTS.values():
            sys.stdout.write(f"{kind.number:<4}{kind.name:<18}{kind.outcome:<11}{kind.title}\n")
        return 0
    try:
        scripts = load_scripts(options.script.read_text("utf-8")) if options.script else one_model_per_fault()
    except (OSError, ValueError) as error:
        parser.error(str(error))
    asyncio.run(_serve(options.port, scripts))
    return 0


def one_model_per_fault() -> dict[str, Script]:
    """The scripts that are served when none are given."""
    calls = [ToolCall("call_1", "pay", '{"amount": 100, "currency": "EUR"}')]
    scripts = {
        name: Script(faults=[Fault(name, at=5)], tool_calls=calls if kind.needs_tool_calls else ())
        for name, kind in FAULTS.items()
    }
    return {"healthy": Script(), **scripts}


async def _serve(port: int, scripts: Mapping[str, Script]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def watch_stdin() -> None:
        # os.read, since a buffered read would hold a lock that the interpreter needs to exit.
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    async with FaultServer(port) as server:
        for model, script in scripts.items():
            server.add(model, script)
        sys.stdout.write(json.dumps({"base_url": server.base_url}) + "\n")
        sys.stdout.flush()
        threading.Thread(target=watch_stdin, daemon=True).start()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
