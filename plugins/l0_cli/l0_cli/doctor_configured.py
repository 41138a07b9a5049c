"""What `l0 doctor` checks by doing it: loading each plugin, and reading the configuration."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint

from l0_cli.commands import GROUP
from l0_cli.findings import Finding
from l0_cli.plugins import listing
from l0_core import ConfigError, Error, config, config_read, registry

__all__ = ["OTHER_GROUPS", "configuration", "plugins", "points"]

OTHER_GROUPS = (GROUP, "l0.executors")
"""The groups of entry points that name no plugin of the kernel's."""


def points(*groups: str) -> list[EntryPoint]:
    """The entry points of groups, group by group."""
    return [point for group in groups for point in sorted(importlib.metadata.entry_points(group=group))]


def plugins() -> Iterator[Finding]:
    """Whether each plugin, command and executor that is installed can be loaded."""
    found = registry()
    loaded = 0
    for item, described in zip(found.examined(), listing(found), strict=True):
        name = f"the {item.kind} {item.name!r} of {item.origin}"
        if item.state == "disabled":
            yield Finding.of("plugins", "ok", f"{name} is not loaded: {item.problem}")
            continue
        reason = described["reason"] or _refusal(item.kind, item.name, item.entry_point)
        if reason is None:
            loaded += 1
        else:
            yield _broken(
                name, reason, item.distribution or item.target, f"; L0_DISABLE_PLUGINS={item.name} leaves it out"
            )
    for point in points(*OTHER_GROUPS):
        try:
            point.load()
            loaded += 1
        except (Exception, SystemExit) as error:
            kind, provider = point.group.removeprefix("l0.").removesuffix("s"), point.dist
            origin = f"{provider.name} {provider.version}" if provider else point.value
            reason = f"{type(error).__name__}: {error}"
            yield _broken(f"the {kind} {point.name!r} of {origin}", reason, provider.name if provider else point.value)
    yield Finding.of("plugins", "ok", f"{loaded} can be loaded; l0 plugins lists them")


def _broken(name: str, reason: str, provider: str, otherwise: str = "") -> Finding:
    fix = f"upgrade or uninstall {provider}{otherwise}"
    return Finding.of("plugins", "problem", f"{name} cannot be used: {reason}", fix)


def _refusal(kind: str, name: str, point: EntryPoint) -> str | None:
    """Why a plugin cannot be loaded, or None. What is wrong with its Options is told of the configuration."""
    try:
        # A store is made with its URL, and another check does that.
        if kind == "store":
            point.load()
        else:
            registry().load(kind, name)
    except ConfigError:
        return None
    except Error as error:
        said = str(error).partition(" cannot be used: ")[2] or str(error)
        return said.partition(". Upgrade or uninstall ")[0]  # That is the fix.
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return None


def configuration() -> Iterator[Finding]:
    """Whether the file, each variable and the Options of the plugins that are named can be meant."""
    problems = [*_refused(config.check_choice), *_refused(_read_file)]
    for name, text in config.variables().items():
        problems += _refused(partial(config_read.read, None, {name: text}))
    # What stands alone may not stand together, and plugins judge their Options when they are loaded.
    problems = problems or [*_refused(partial(config.effective, plugins=True))]
    for problem in dict.fromkeys(problems):
        yield Finding.of(
            "configuration", "problem", problem, "correct it there; l0 config --schema describes every key"
        )
    if not problems:
        found = config.file()
        read = [*([found[0]] if found else []), *config.variables()]
        said = f"read from {', '.join(read)}; l0 config shows it" if read else "nothing is configured"
        yield Finding.of("configuration", "ok", said)


def _read_file() -> None:
    config_read.read(config.file(), {})


def _refused(read: Callable[[], object]) -> Iterator[str]:
    """What is said against what is read, if anything is."""
    try:
        read()
    except Error as error:
        yield str(error)
