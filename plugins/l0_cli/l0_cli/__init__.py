"""The `l0` command: a demonstration, what is installed and configured, and a beginning for plugins of your own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from l0_cli import stream_commands
from l0_cli.commands import Commands, example
from l0_cli.terminal import CommandError, say

__all__ = ["app", "main"]

EPILOG = """\
l0 COMMAND --help shows what a command takes, with an example.
Exit codes: 0 done, 1 it failed or something is wrong, 2 it cannot be done as
it was asked for, 130 interrupted. What is wrong is one line on stderr."""

COMPLETION = "_L0_COMPLETE"
"""The variable by which a shell asks for completions."""

app = typer.Typer(
    cls=Commands,
    help="L0, the reliability layer for the token streams of language models.",
    epilog=f"\b\n{EPILOG}",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"l0-cli {version('l0-cli')}, l0-core {version('l0-core')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    "demo",
    short_help="Watch a text arrive whole from a server that misbehaves.",
    epilog=example("l0 demo", "l0 demo --base-url http://127.0.0.1:8000/v1 --model llama3"),
)
def _demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Show nothing on the way; print one JSON object at the end.")
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Ask this OpenAI-compatible endpoint instead, with the key in OPENAI_API_KEY, if it has one."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model to ask there.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What to ask it.")] = None,
) -> None:
    """Watch a text arrive whole from a server that misbehaves.

    The OpenAI SDK asks a server on this machine, over a real socket. The server breaks the connection, refuses, falls
    silent, stops early and loses its model, one after the other; L0 asks again, has the model continue, goes over to
    another one, and delivers the text once. At the end both texts are compared, and the exit code is 0 only if they are
    equal and nothing was left open. No key and no network is needed.
    """
    from l0_cli import demo

    if base_url is None:
        if model is not None or prompt is not None:
            raise CommandError("--model and --prompt are for a real endpoint: give its --base-url too")
        demo.require("openai", "l0_openai", "l0_testing")
        story = demo.Story()
        perform = partial(demo.play_script, story, 0.0 if as_json else demo.PACE)
    else:
        if model is None:
            raise CommandError("--base-url needs a --model to ask there")
        if not base_url.startswith(("http://", "https://")):
            raise CommandError(f"--base-url is {base_url!r}; it must be like http://127.0.0.1:8000/v1")
        demo.require("openai", "l0_openai")
        story = demo.Story()
        key = os.environ.get("OPENAI_API_KEY") or "none"
        perform = partial(demo.play_endpoint, story, base_url, model, prompt or demo.PROMPT, key)
    if as_json:
        perform()
        typer.echo(json.dumps(story.as_json(), indent=2))
    else:
        from l0_cli.show import watch

        watch(story, perform)
    raise typer.Exit(0 if story.succeeded else 1)


@app.command(
    "doctor",
    short_help="Find what is wrong with this installation, and what mends it.",
    epilog=example("l0 doctor", "l0 doctor --json"),
)
def _doctor(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> int:
    """Check this installation and its configuration, and say what to do about what is wrong.

    Versions, plugins and configuration are checked, and whether the store and the endpoints of telemetry take a
    connection, for which no more than three seconds are waited each. Nothing is written anywhere. The exit code is 1 if
    there is a problem.
    """
    from l0_cli import doctor

    return doctor.command(as_json)


@app.command(
    "completion",
    short_help="Print what makes a shell complete commands and streams.",
    epilog=example("source <(l0 completion bash)", "l0 completion fish > ~/.config/fish/completions/l0.fish"),
)
def _completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script for a shell, which then completes commands, options, and the ids of recorded streams.

    Ids are those of the configured store, or of --store, if it answers at once.
    """
    from l0_cli.completion import script

    typer.echo(script(shell, COMPLETION))


@app.command(
    "plugins",
    short_help="List the installed plugins, and what is wrong with broken ones.",
    epilog=example("l0 plugins", "l0 plugins --json"),
)
def _plugins(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """List the installed plugins by kind: distribution, version, state, and what is wrong with a broken one."""
    from l0_cli.plugins import lines, listing
    from l0_core import config, registry

    listed = listing(registry())
    typer.echo(json.dumps(listed, indent=2) if as_json else "\n".join(lines(listed)))
    config.check_choice()


@app.command(
    "config",
    short_help="Show what is configured, and where each value comes from.",
    epilog=example("l0 config --all", "l0 config --schema > l0.schema.json"),
)
def _config(
    everything: Annotated[
        bool, typer.Option("--all", help="Show defaults too, those of the Options of the configured plugins included.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    as_schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema of l0.toml, for editors.")] = False,
    tool: Annotated[bool, typer.Option("--tool", help="With --schema: of pyproject.toml with [tool.l0].")] = False,
) -> None:
    """Show what is configured: each key, its value, and the file or variable that it comes from.

    Passwords and secrets are masked. What cannot be meant is an error that says where it stands. With --all the plugins
    that the configuration names are loaded, and their Options checked; --schema loads all that are installed.
    """
    if tool and not as_schema:
        raise CommandError("--tool goes with --schema")
    if as_schema and (everything or as_json):
        raise CommandError("--schema goes with --tool alone")
    if as_schema:
        from l0_core import config_schema, registry

        typer.echo(json.dumps(config_schema.schema(registry(), tool=tool), indent=2, default=str))
        return
    from l0_cli.config import as_object, show

    if as_json:
        typer.echo(json.dumps(as_object(everything), indent=2))
    else:
        show(everything)


@app.command(
    "new",
    short_help="Write the package of a new plugin, with tests, ready to change.",
    epilog=example("l0 new guardrail shouting", "l0 new store parquet --dir plugins"),
)
def _new(
    kind: Annotated[
        Literal["guardrail", "adapter", "store", "monitor", "policy"],
        typer.Argument(metavar="KIND", help="What kind of plugin."),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What users write to switch it on: shouting.")],
    where: Annotated[Path, typer.Option("--dir", help="The folder to write the package's folder in.")] = Path(),
    author: Annotated[str | None, typer.Option(help="A name, or a name and an address: 'Ada <ada@acme.org>'.")] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="What the package's name begins with, before NAME; l0_guard_ for a guardrail, and so on."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Write the package of a new plugin: a small one that works, with its tests, ready to be changed and published.

    Nothing is overwritten. The commands to type next are printed.
    """
    from l0_cli.new import as_object, lines, plan, write

    package = plan(kind, name, where, prefix, author)
    write(package)
    typer.echo(json.dumps(as_object(package), indent=2) if as_json else "\n".join(lines(package)))


stream_commands.add(app)


@app.command(
    "record",
    short_help="Record a provider's answers, to serve them again in a test.",
    epilog=example(
        "l0 record --upstream https://api.openai.com -o incident.cassette -- python app.py",
        "l0 replay incident.cassette",
    ),
)
def _record(
    upstream: Annotated[str, typer.Option(metavar="URL", help="Where requests go: https://api.openai.com")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The cassette to create.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 lets the system choose one.")
    ] = 0,
    with_bodies: Annotated[bool, typer.Option("--with-bodies", help="Keep the bodies of requests too.")] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON object at the beginning and one at the end; on stderr with COMMAND."),
    ] = False,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND", help="Run this, with OPENAI_BASE_URL set to the proxy.")
    ] = None,
) -> None:
    """Record a provider's answers, byte for byte and with their pauses, as they pass through a proxy on this machine.

    It prints the URL to set as base_url and records until Ctrl-C, or until the command ends, with whose code it exits.
    Keys, tokens and cookies of requests are masked; answers are kept as they are. l0 replay serves the file again.
    """
    from l0_cli.record import record

    raise typer.Exit(record(upstream, output, port, with_bodies, command or (), as_json))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Arguments are those of the process, unless they are given."""
    for stream in (sys.stdout, sys.stderr):
        _write_anything(stream)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETION in os.environ:
        from l0_cli.completion import prepare

        prepare()
    try:
        code = app(given or ["--help"], prog_name="l0", standalone_mode=False)
    except typer.Abort:
        return 130
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            raise  # A mistake in code, which a traceback serves best.
        say(explained)
        return 2
    return code if isinstance(code, int) else 0


def _explained(error: Exception) -> str | None:
    """What to tell the user of an error that is theirs to mend; None for any other."""
    if isinstance(error, CommandError):
        return str(error)
    told = getattr(error, "format_message", None)
    if told is not None:  # The command line itself is wrong: typer's errors have no common public base.
        return f"{told().rstrip('.')}; l0 --help says what there is"
    from l0_core import Error

    return f"{type(error).__name__}: {error}" if isinstance(error, Error | OSError) else None


def _write_anything(stream: TextIO) -> None:
    """Let a terminal that cannot show a character show a question mark."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
