"""Sub-commands that other distributions add, through the entry-point group `l0.commands`.

An entry point names a typer app or a function. It is loaded when it is called or listed by `l0 --help`, and one that
cannot be loaded is listed with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from l0_cli.terminal import CommandError, one_line

__all__ = ["GROUP", "Commands", "example"]

GROUP = "l0.commands"

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "See it, and begin": ("demo", "new"),
    "What is here": ("doctor", "plugins", "config", "completion"),
    "Recorded streams": ("streams", "show", "replay", "diff", "export", "import"),
    "A provider's answers": ("record",),
}
"""The commands of `l0` in the order in which help shows them. Those of other distributions come after them."""


def example(*lines: str) -> str:
    """What stands at the end of a command's help: command lines as they are typed."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


class Commands(TyperGroup):
    """The commands of `l0`: its own, then those of other distributions by name. Its own cannot be replaced."""

    _is_named_only = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order in which help shows them."""
        own = [name for names in SECTIONS.values() for name in names]
        return [*own, *sorted({point.name for point in entry_points(group=GROUP)} - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none."""
        own = super().get_command(ctx, cmd_name)
        points = () if own is not None else tuple(entry_points(group=GROUP, name=cmd_name))
        if points and self._is_named_only:
            return _broken(points[0], "only its name is asked for")
        return _load(points) if points else own

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, section by section."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        own = {name for section in SECTIONS.values() for name in section}
        for title, section in {**SECTIONS, "More commands": [name for name in names if name not in own]}.items():
            found = [(name, self.get_command(ctx, name)) for name in section]
            rows = [
                (name.ljust(width), command.get_short_help_str(formatter.width - width - 6))
                for name, command in found
                if command is not None and not command.hidden
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names that begin so. For that no other distribution is imported."""
        self._is_named_only = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._is_named_only = False


def _load(points: tuple[EntryPoint, ...]) -> Any:
    point = points[0]
    if len(points) > 1:
        origins = " and ".join(_origin(each) for each in points)
        return _broken(point, f"{origins} provide it: uninstall all but one")
    try:
        target = point.load()
        if not callable(target):
            raise TypeError(f"{point.value} is neither a typer app nor a function")
        return _command(point.name, target)
    except (Exception, SystemExit) as error:
        return _broken(point, f"{_origin(point)}: {type(error).__name__}: {error}")


def _command(name: str, target: Callable[..., Any]) -> Any:
    app = target if isinstance(target, typer.Typer) else _app()
    if app is not target:
        app.command(name)(target)
    command = typer.main.get_command(app)
    command.name = name
    return command


def _broken(point: EntryPoint, reason: str) -> Any:
    reason = one_line(f"cannot be used: {reason}", 300)

    def refuse() -> None:
        raise CommandError(f"the command {point.name!r} {reason}")

    app = _app()
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(point.name, help=reason, short_help=reason, context_settings=settings)(refuse)
    return typer.main.get_command(app)


def _app() -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
