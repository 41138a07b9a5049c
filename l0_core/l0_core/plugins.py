"""Finds, loads, orders and opens plugins.

What is installed is read from the metadata of distributions, without importing anything. A plugin is loaded when it is
first needed: an adapter with the first stream, any other kind when its name is used.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from importlib.metadata import EntryPoint, EntryPoints, PackageMetadata, entry_points
from typing import Any

import pluggy

from l0_core import config, hookspecs
from l0_core.errors import AdapterNotFound, PluginError
from l0_core.guardrails import GuardrailRule
from l0_core.log import log_raised, logger, placed
from l0_core.versions import skew

__all__ = ["GROUPS", "Bound", "Installed", "Registry", "bind", "bind_store", "registry"]

GROUPS = {
    "adapter": "l0.adapters",
    "guardrail": "l0.guardrails",
    "store": "l0.stores",
    "monitor": "l0.monitors",
    "policy": "l0.policies",
}
"""Entry-point group by kind of plugin."""

_NAME = re.compile(r"[a-z][a-z0-9+._-]*")
"""What a plugin may be called: as a key of a configuration file, and as the scheme of a URL."""

_SPECS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in ("adapt", "on_token", "check", "decide_retry", "store_event")
}


@dataclass(slots=True)
class Installed:
    """A plugin that is installed. `problem` says why it cannot be used, once that is known."""

    kind: str
    entry_point: EntryPoint
    state: str = "installed"
    problem: str | None = None
    _metadata: PackageMetadata | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name by which it is asked for: that of its entry point."""
        return self.entry_point.name

    @property
    def target(self) -> str:
        """The object that the entry point names, as `module:attribute`."""
        return self.entry_point.value

    @property
    def metadata(self) -> PackageMetadata | None:
        """The metadata of the distribution, read when it is first asked for; None for an entry point of none."""
        if self._metadata is None and self.entry_point.dist is not None:
            self._metadata = self.entry_point.dist.metadata
        return self._metadata

    @property
    def distribution(self) -> str:
        """The name of the distribution; "" for an entry point of none."""
        return "" if self.metadata is None else self.metadata["Name"]

    @property
    def version(self) -> str:
        """The version of the distribution, as it is written; "" for an entry point of none."""
        return "" if self.metadata is None else self.metadata["Version"]

    @property
    def requirements(self) -> list[str]:
        """What the distribution requires, as it is written."""
        return [] if self.metadata is None else self.metadata.get_all("Requires-Dist") or []

    @property
    def origin(self) -> str:
        """The distribution and its version, as messages have them; "" for an entry point of none."""
        return f"{self.distribution} {self.version}".strip()


@dataclass(slots=True)
class Bound:
    """A plugin object with its hooks, each to be called with all arguments of its spec in order."""

    plugin: object
    name: str
    source: Installed | str = ""
    hooks: dict[str, Callable[..., Any]] = field(default_factory=dict)
    problem: str | None = None

    @property
    def origin(self) -> str:
        """The distribution and version, or the module, that it comes from."""
        return self.source if isinstance(self.source, str) else self.source.origin


def bind(plugin: object, name: str = "", source: Installed | str = "") -> Bound:
    """Find the hooks of a plugin object. A class is instantiated.

    Raises PluginError for what is naturally got wrong, and shows the right form.
    """
    if isinstance(plugin, type):
        plugin = _instance(plugin, name)
    kind = type(plugin)
    bound = Bound(plugin, name or kind.__name__, source or kind.__module__)
    for attribute in dir(kind):
        if attribute.startswith("__"):
            continue
        written = getattr(kind, attribute, None)
        options = getattr(written, "l0_impl", None)
        if options is None:
            if attribute in _SPECS and callable(written):
                raise PluginError(f"{_where(bound, attribute)} is not marked as a hook.\n{_right_form(attribute)}")
            continue
        if attribute not in _SPECS:
            near = _nearest(attribute, _SPECS)
            hint = f" Did you mean {near!r}?" if near else f" The hooks are {', '.join(_SPECS)}."
            raise PluginError(f"{_where(bound, attribute)} is marked as a hook, and no hook has that name.{hint}")
        for option in ("wrapper", "hookwrapper", "tryfirst", "trylast"):
            if options.get(option):
                raise PluginError(
                    f"{_where(bound, attribute)} asks for {option}, which L0 refuses: hooks are called in the order "
                    "that the user configures, one by one"
                )
        bound.hooks[attribute] = _with_all_arguments(bound, attribute, getattr(plugin, attribute))
    if not bound.hooks and callable(getattr(kind, "detect", None)) and callable(getattr(kind, "wrap", None)):
        # The documented form of an adapter.
        bound.hooks["adapt"] = lambda ctx, source: plugin if plugin.detect(source) else None  # type: ignore[attr-defined]
    if not bound.hooks:
        raise PluginError(_no_hook(bound))
    return bound


def _instance(kind: type, name: str) -> object:
    try:
        needed = [
            parameter.name
            for parameter in inspect.signature(kind).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        needed = []
    if needed:
        raise PluginError(
            f"{kind.__qualname__}{f' ({name})' if name else ''} cannot be made without {', '.join(needed)}: "
            "give a default to each, or give a plugin object in place of the class"
        )
    return kind()


def _no_hook(bound: Bound) -> str:
    kind = type(bound.plugin)
    near = [
        (attribute, hook)
        for attribute in dir(kind)
        if not attribute.startswith("_")
        and callable(getattr(kind, attribute, None))
        and (hook := _nearest(attribute, _SPECS))
    ]
    said = f"{kind.__qualname__} ({bound.origin}) has no hook. The hooks are {', '.join(_SPECS)}."
    if not near:
        return f"{said} Mark each that it has with @hookimpl."
    attribute, hook = near[0]
    return f"{said} Is {attribute!r} meant to be {hook!r}?\n{_right_form(hook)}"


def _nearest(name: str, names: Iterable[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, names, 1)), None)


def _where(bound: Bound, attribute: str) -> str:
    return f"{type(bound.plugin).__qualname__}.{attribute} ({bound.origin})"


def _right_form(hook: str) -> str:
    arguments = ", ".join(("self", *_SPECS[hook]))
    return f"The right form is:\n\n    @hookimpl\n    def {hook}({arguments}):\n        ..."


def _with_all_arguments(bound: Bound, hook: str, method: Any) -> Callable[..., Any]:
    spec = _SPECS[hook]
    wanted = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL or parameter.kind is parameter.VAR_KEYWORD:
            raise PluginError(f"{_where(bound, hook)} takes *args or **kwargs.\n{_right_form(hook)}")
        if parameter.name in spec:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise PluginError(
                f"{_where(bound, hook)} has an argument {parameter.name!r}, which the hook does not give.\n"
                f"{_right_form(hook)}"
            )
    if tuple(wanted) == spec:
        return method  # type: ignore[no-any-return]
    places = [spec.index(name) for name in wanted]
    return lambda *given: method(*[given[place] for place in places])


class Registry:
    """The plugins of this process: what is installed, and what of it is loaded."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._found = found
        self.forget()

    def forget(self) -> None:
        """Forget what is installed and loaded: both are looked up again when they are next needed."""
        self._installed: tuple[Installed, ...] | None = None
        self._manager = pluggy.PluginManager("l0")
        self._manager.add_hookspecs(hookspecs)
        self._loaded: dict[tuple[str, str, str | None], Bound] = {}
        self._adapters: tuple[Bound, ...] | None = None

    def installed(self, kind: str | None = None) -> tuple[Installed, ...]:
        """What is installed, by kind and then by name. Imports nothing."""
        if self._installed is None:
            found = entry_points() if self._found is None else EntryPoints(self._found)
            self._installed = tuple(
                _installed(kind_, point)
                for kind_, group in GROUPS.items()
                for point in sorted(found.select(group=group), key=lambda point: point.name)
            )
        return tuple(item for item in self._installed if kind is None or item.kind == kind)

    def examined(self) -> tuple[Installed, ...]:
        """What is installed, and of each all that can be said against it without importing it."""
        providers = Counter((item.kind, item.name) for item in self.installed() if item.state != "disabled")
        for item in self.installed():
            if item.state == "installed" and (problem := _problem(item, providers[item.kind, item.name])):
                item.state, item.problem = "broken", problem
        return self.installed()

    def load(self, kind: str, name: str, url: str | None = None) -> Bound:
        """The plugin of that kind and name: made once, and of a store once for each `url`.

        Raises PluginError if it is not installed, if two distributions provide it, if it is disabled or if it cannot
        work; ConfigError if its Options are configured as they cannot be.
        """
        loaded = self._loaded.get((kind, name, url))
        if loaded is not None:
            return loaded
        item = self._find(kind, name)
        if item.state == "disabled":
            raise PluginError(f"The {kind} {name!r} of {item.origin} is disabled: {item.problem}")
        problem = _problem(item, 1)
        if problem is not None:
            item.state, item.problem = "broken", problem
            raise PluginError(f"The {kind} {name!r} of {item.origin} cannot be used: {problem}")
        logger.debug("loading the %s %r of %s from %s", kind, name, item.origin, item.target)
        try:
            bound = _bind_target(item.entry_point.load(), item, url)
            self._manager.register(bound.plugin, f"{kind}:{name}" if url is None else f"{kind}:{len(self._loaded)}")
        except config.ConfigError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # A module that ends the process when it is imported is broken too.
            if kind == "store" and isinstance(error, ValueError):
                # It is the URL that is wrong, and not the plugin.
                raise PluginError(f"The store {name!r} of {item.origin} cannot be opened: {error}") from error
            if isinstance(error, PluginError):
                said = str(error)
            else:
                said = f"{type(error).__name__}: {error}. Upgrade or uninstall {item.distribution or item.target}"
            item.state, item.problem = "broken", said
            raise PluginError(f"The {kind} {name!r} of {item.origin} cannot be used: {said}") from error
        item.state = "loaded"
        self._loaded[kind, name, url] = bound
        return bound

    def _find(self, kind: str, name: str) -> Installed:
        matching = [item for item in self.installed(kind) if item.name == name]
        # Of two that clash, disabling one leaves the other.
        matching = [item for item in matching if item.state != "disabled"] or matching[:1]
        if len(matching) == 1:
            return matching[0]
        if matching:
            origins = " and ".join(item.origin for item in matching)
            raise PluginError(f"Two distributions provide the {kind} {name!r}: {origins}. Uninstall one of them.")
        names = [item.name for item in self.installed(kind)]
        near = _nearest(name, names)
        if near:
            hint = f"Did you mean {near!r}?"
        elif names:
            hint = f"Installed are {', '.join(map(repr, names))}."
        else:
            hint = f"No {kind} is installed."
        raise PluginError(f"No {kind} named {name!r} is installed. {hint}")

    def adapters(self) -> tuple[Bound, ...]:
        """Every installed adapter that works. One that does not is skipped, and listed with its reason."""
        if self._adapters is None:
            working = []
            for item in self.installed("adapter"):
                if item.state == "disabled":
                    continue
                try:
                    working.append(self.load("adapter", item.name))
                except PluginError as error:
                    item.state, item.problem = "broken", item.problem or str(error)
                    logger.warning("skipped the adapter %r of %s: %s", item.name, item.origin, item.problem)
            self._adapters = tuple(bound for bound in working if "adapt" in bound.hooks)
        return self._adapters

    def recognitions(self, ctx: Any, source: object) -> Iterator[Any]:
        """What installed adapters that know a source answer, in order. One that raises is passed over."""
        return recognitions(self.adapters(), ctx, source)


def _installed(kind: str, point: EntryPoint) -> Installed:
    item = Installed(kind, point)
    if config.chooses_plugins():
        item.problem = config.refusal(item.distribution, item.name)
    if item.problem is not None:
        item.state = "disabled"
    return item


def recognition(bound: Bound, ctx: Any, source: object) -> Any:
    """What one adapter answers. Raises what it raises, and TypeError for an answer that is no adapter."""
    hook = bound.hooks.get("adapt")
    if hook is None:
        raise TypeError("it has no adapt hook")
    try:
        found = hook(ctx, source)
    except asyncio.CancelledError as error:
        raise RuntimeError("it raised CancelledError, and nobody had cancelled it") from error
    if found is not None and not any(hasattr(found, name) for name in _ADAPTERS):
        raise TypeError(f"adapt must return an adapter or None, not {type(found).__name__}")
    return found


def recognitions(plugins: Iterable[Bound], ctx: Any, source: object) -> Iterator[Any]:
    """What those plugins that know a source answer, in order. One that raises is passed over."""
    for bound in plugins:
        if "adapt" not in bound.hooks:
            continue
        try:
            found = recognition(bound, ctx, source)
        except AdapterNotFound:
            raise  # It knows the source, and says why nobody can read it.
        except Exception as error:
            problem = f"adapt raised {placed(error)}"
            if bound.problem != problem:
                log_raised(f"the adapter {bound.name!r} of {bound.origin}", error, "it is passed over")
            bound.problem = problem
            if isinstance(bound.source, Installed):
                bound.source.problem = problem
            continue
        if found is not None:
            yield found


_ADAPTERS = ("decode", "wrap", "stream_adapter", "paths")
"""What an adapter has one of."""


def _problem(item: Installed, providers: int) -> str | None:
    """What can be said against a plugin without importing it."""
    if not _NAME.fullmatch(item.name):
        return (
            f"its entry point is called {item.name!r}; a name is lower-case letters, digits and + . - _, "
            "and begins with a letter"
        )
    if providers > 1:
        return f"{providers} distributions provide this name: uninstall all but one"
    return skew(item.distribution, item.version, item.requirements)


def _bind_target(target: object, item: Installed, url: str | None) -> Bound:
    """What an entry point names: a plugin class, a plugin object, or a factory of documented rules."""
    configured = config.current()
    options = configured.options(item) if configured is not None else {}
    if options or url is not None:
        _look_at_options(target)
        from l0_core.config_read import validated_options
        from l0_core.config_values import Given

        if url is not None:
            options["url"] = Given(url, "the call", "record")
        # Only a class has Options: what else they are configured for is refused here.
        target = target(validated_options(target, options, item))  # type: ignore[operator]
        return bind(target, item.name, item)
    if isinstance(target, type) or not callable(target):
        _look_at_options(target)
        return bind(target, item.name, item)
    rules = target()
    return Bound(target, item.name, item, {"check": opener(rules, item.name)})


def _look_at_options(target: object) -> None:
    """Raises PluginError for Options that cannot be made or that nothing takes."""
    options = getattr(target, "Options", None)
    if options is None or not isinstance(target, type):
        return
    right = "write\n\n    @dataclass(frozen=True, kw_only=True)\n    class Options:\n        ..."
    if not is_dataclass(options):
        raise PluginError(f"{target.__qualname__}.Options is no dataclass: {right}")
    parameters = inspect.signature(target).parameters.values()
    if not any(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters):
        raise PluginError(
            f"{target.__qualname__} has Options and does not take them: write\n\n"
            "    def __init__(self, options: Options | None = None):\n        ..."
        )


def opener(rules: object, name: str) -> Callable[..., Any]:
    """What opens a rule that was given as a documented rule."""
    if not isinstance(rules, GuardrailRule):
        raise PluginError(f"The guardrail {name!r} is a function; it must return a GuardrailRule, not {rules!r}")
    from l0_core.checks import open_rule

    return lambda ctx: open_rule(rules, ctx)


def bind_all(plugins: Sequence[object]) -> tuple[Bound, ...]:
    """Plugin objects and names of monitors, stores and policies, as given to a call."""
    bound = []
    for plugin in plugins:
        if isinstance(plugin, str):
            bound.append(registry().load(_kind_of(plugin), plugin))
        else:
            bound.append(bind(plugin))
    return tuple(bound)


def bind_store(record: object) -> Bound:
    """What a stream is recorded by: a plugin object with a `store_event` hook, or the URL of an installed store.

    Raises PluginError for anything else.
    """
    if isinstance(record, str):
        scheme, separator, _ = record.partition("://")
        if not separator:
            raise PluginError(f"{record!r} is no URL of a store: write sqlite:///runs.db, or the like")
        return registry().load("store", scheme, record)
    if not hasattr(record, "store_event"):
        raise PluginError(
            f"a stream cannot be recorded by {record!r}, which has no store_event hook. Derive a store from "
            "l0.eventsourcing.BaseEventStore, or record by l0.eventsourcing.Recording(store)"
        )
    return bind(record)


def _kind_of(name: str) -> str:
    """Which kind of plugin a name means. Raises PluginError for none, and for more than one."""
    found = [item for item in registry().installed() if item.name == name and item.kind != "adapter"]
    kinds = list(dict.fromkeys(item.kind for item in found))
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        named = " and ".join(f"the {item.kind} of {item.origin}" for item in found)
        raise PluginError(f"{name!r} names {named}: give the plugin object in place of the name")
    near = _nearest(name, [item.name for item in registry().installed()])
    raise PluginError(f"No plugin named {name!r} is installed.{f' Did you mean {near!r}?' if near else ''}")


_registry: Registry | None = None


def registry() -> Registry:
    """The registry of this process, made on first use."""
    global _registry
    if _registry is None:
        _registry = Registry()
    return _registry
