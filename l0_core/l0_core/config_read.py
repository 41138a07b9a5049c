"""What is configured, read: from a file, from the environment, and for plugins validated against their Options."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from l0_core.config import ConfigError, Setting
from l0_core.config_values import KEYS, ON_ERROR, ONLY_IN_CODE, PLUGIN_KINDS, Given, Kind, masked_value, unknown
from l0_core.errors import PluginError
from l0_core.options import CheckIntervals, Limits, Retry, Timeout

if TYPE_CHECKING:
    from l0_core.checks import Guardrail
    from l0_core.continuation import ContinuationConfig
    from l0_core.plugins import Bound, Installed

__all__ = ["Configuration", "read", "validated_options"]

T = TypeVar("T")

Core = dict[str, Given]
Tables = dict[tuple[str, str], dict[str, Given]]


class Configuration:
    """What is configured. `core` holds the values of `KEYS`; `tables` the Options of plugins, as they are written."""

    def __init__(self, core: Core, tables: Tables) -> None:
        self.core, self.tables = core, tables
        self._bound: tuple[tuple[str, Bound], ...] | None = None
        self._guardrails: tuple[Guardrail, ...] | None = None
        self._options = {key: given.value for key, given in core.items() if key in _DIRECT}
        for name, value in (
            ("timeout", self._made(Timeout, "timeout")),
            ("limits", self._made(Limits, "limits")),
            ("check_intervals", self._made(CheckIntervals, "check_intervals")),
        ):
            if value is not None:
                self._options[name] = value
        self._retry = self._retry_fields()
        self.continuation = self._continuation()
        """How a stream is continued if it is to be, or None if that is not configured."""

    def under(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a call says, and below it what is configured. Plugins are not in it.

        Raises ConfigError for an adapter that is configured and that there is not.
        """
        if "adapter" in self._options and "adapter" not in given:
            _check_adapter(self.core["adapter"])
        return {**self._options, **given}

    def retry(self, default: Retry) -> Retry:
        """The default retry with what is configured of it."""
        return Retry(**{**vars(default), **self._retry}) if self._retry else default

    def guardrails(self) -> tuple[Guardrail, ...]:
        """The configured guardrails, loaded. Raises ConfigError for one that cannot be had."""
        if self._guardrails is None:
            from l0_core.checks import resolve_guardrails
            from l0_core.presets import names_of

            given = self.core.get("guardrails")
            names = given.value if given else ()
            self._guardrails = _placed(
                given, lambda: resolve_guardrails(names_of(names) if isinstance(names, str) else names)
            )
        return self._guardrails

    def plugins(self, *, store: bool = True) -> tuple[Bound, ...]:
        """The configured store, monitors and policies, loaded. Raises ConfigError for one that cannot be had."""
        if self._bound is None:
            self._bound = tuple(
                (kind, _placed(given, lambda kind=kind, name=name: _loaded(kind, name)))  # type: ignore[misc]
                for key, kind in (("store", "store"), ("monitors", "monitor"), ("policies", "policy"))
                if (given := self.core.get(key))
                for name in ((given.value.partition("://")[0],) if kind == "store" else given.value)
            )
        return tuple(bound for kind, bound in self._bound if store or kind != "store")

    def on_error(self, guardrail: str) -> Literal["open", "closed"]:
        """What happens when that guardrail raises: "open" or "closed"."""
        given = self.tables.get(("guardrail", guardrail), {}).get("on_error")
        return "closed" if given is not None and given.value == "closed" else "open"

    def options(self, item: Installed) -> dict[str, Given]:
        """The Options that are configured for a plugin, as they are written."""
        found = dict(self.tables.get((item.kind, item.name), ()))
        if item.kind == "guardrail":
            found.pop("on_error", None)
        elif item.kind == "store" and (url := self.core.get("store")):
            found["url"] = url
        return found

    def named(self) -> dict[tuple[str, str], Given]:
        """The plugins that are named, by kind and name, and where that is. Adapters, which code can add, are not.

        Raises ConfigError for one that cannot be had, as far as that is known without importing it.
        """
        from l0_core.presets import names_of

        found: dict[tuple[str, str], Given] = {}
        for key, kind in _NAMING.items():
            if given := self.core.get(key):
                names = given.value
                if kind == "store":
                    names = (names.partition("://")[0],)
                elif isinstance(names, str):
                    names = _placed(given, lambda preset=names: names_of(preset))  # type: ignore[misc]
                found |= {(kind, name): given for name in names}
        for named, given in found.items():
            _check_named(*named, given)
        for plugin, table in self.tables.items():
            if plugin not in found:
                found[plugin] = next(iter(table.values()), Given(None, ".".join(plugin)))._replace(key="")
        return found

    def settings(self, *, plugins: bool = False) -> Iterator[Setting]:
        """Every key of the kernel with its value, and every Option that is configured.

        With `plugins`, every Option of the plugins that are named, which are loaded. Raises ConfigError.
        """
        defaults = self._defaults()
        for key in KEYS:
            given = self.core.get(key) or self._implied(key)
            value, source = (given.value, given.source) if given else (defaults[key], "default")
            yield Setting(key, masked_value("", value), source, *_parted(key), KEYS[key].unit)
        for (kind, name), place in self.named().items():
            table = self.tables.get((kind, name), {})
            for option, given in table.items():
                yield _option_setting(kind, name, option, given.value, given.source)
            if plugins and not _is_disabled(kind, name):
                bound = _placed(place, lambda kind=kind, name=name: _loaded(kind, name))  # type: ignore[misc]
                taken = {*table, "url"} if kind == "store" else {*table}
                defaults = {"on_error": "open"} if kind == "guardrail" else {}
                for option, value in (_option_defaults(bound) | defaults).items():
                    if option not in taken:
                        yield _option_setting(kind, name, option, value, "default")

    def _implied(self, key: str) -> Given | None:
        """What follows for a key from others: saying how a stream is continued asks for it."""
        if key != "continue_from_last_good_token" or self.continuation is None:
            return None
        first = next(given for said, given in self.core.items() if said.startswith("continuation."))
        return first._replace(value=self._options[key])

    def _defaults(self) -> dict[str, Any]:
        from l0_core.continuation import ContinuationConfig, DeduplicationOptions
        from l0_core.delays import ERROR_TYPE_DELAY_DEFAULTS

        # A timeout is off as a whole, and has defaults of its own where one of its fields is given.
        timeout = self._options.get("timeout") or Timeout(None, None, None)
        tables = {
            "timeout": timeout,
            "retry": self.retry(Retry()),
            "retry.error_type_delays": ERROR_TYPE_DELAY_DEFAULTS,
            "limits": Limits(),
            "check_intervals": CheckIntervals(),
            "continuation": ContinuationConfig(),
            "continuation.deduplication_options": DeduplicationOptions(),
        }
        top = {"on_interrupt": "verify", "release": "live", "store": None, "adapter": None}
        none_named: dict[str, Any] = dict.fromkeys(("guardrails", "monitors", "policies"), ())
        return {
            key: getattr(tables[table], name) if table else (top | none_named).get(name, False)
            for key, (table, name) in ((key, _parted(key)) for key in KEYS)
        }

    def _fields(self, table: str) -> dict[str, Any]:
        return {name: given.value for key, given in self.core.items() for at, name in [_parted(key)] if at == table}

    def _made(self, kind: Callable[..., T], table: str, **more: Any) -> T | None:
        """The object that a table describes, or None if nothing of it is given."""
        fields = self._fields(table) | {name: value for name, value in more.items() if value is not None}
        if not fields:
            return None
        try:
            return kind(**fields)
        except ValueError as error:
            sources = {given.source: None for key, given in self.core.items() if key.startswith(f"{table}.")}
            raise ConfigError(f"{' and '.join(sources)}: {error}") from None

    def _retry_fields(self) -> dict[str, Any]:
        fields = self._fields("retry")
        if any(key.startswith("retry.error_type_delays.") for key in self.core):
            from l0_core.delays import ErrorTypeDelays

            fields["error_type_delays"] = self._made(ErrorTypeDelays, "retry.error_type_delays")
        return fields

    def _continuation(self) -> ContinuationConfig | None:
        if not any(key.startswith("continuation.") for key in self.core):
            return None
        from l0_core.continuation import ContinuationConfig, DeduplicationOptions

        deduplication = self._made(DeduplicationOptions, "continuation.deduplication_options")
        made = self._made(ContinuationConfig, "continuation", deduplication_options=deduplication)
        assert made is not None
        # As in code, saying how a stream is continued asks for it.
        self._options.setdefault("continue_from_last_good_token", made.enabled)
        return ContinuationConfig(**{**vars(made), "enabled": True})


_NAMING = {"guardrails": "guardrail", "store": "store", "monitors": "monitor", "policies": "policy"}
"""The keys that name plugins, and of which kind."""

_DIRECT = frozenset(key for key in KEYS if "." not in key) - _NAMING.keys()


def _option_setting(kind: str, name: str, option: str, value: Any, source: str) -> Setting:
    # In a file, a name with a dot is quoted.
    table = f'{kind}."{name}"' if "." in name else f"{kind}.{name}"
    return Setting(f"{kind}.{name}.{option}", masked_value(option, value), source, table, option)


def _parted(key: str) -> tuple[str, str]:
    table, _, name = key.rpartition(".")
    return table, name


def _placed(given: Given | None, load: Callable[[], T]) -> T:
    """What `load` returns; its PluginError as a ConfigError that says where the plugin is named."""
    try:
        return load()
    except PluginError as error:
        raise ConfigError(f"{given.where if given else ''}: {error}") from error


def _loaded(kind: str, name: str) -> Bound:
    from l0_core.plugins import registry

    return registry().load(kind, name)


def _providers(kind: str, name: str) -> list[Installed]:
    """What is installed of that kind and name, and what is known of it without importing it."""
    from l0_core.plugins import registry

    return [item for item in registry().examined() if (item.kind, item.name) == (kind, name)]


def _is_disabled(kind: str, name: str) -> bool:
    return all(item.state == "disabled" for item in _providers(kind, name))


def _check_named(kind: str, name: str, given: Given) -> None:
    """Raise ConfigError for a plugin that cannot be had, as far as that is known without importing it."""
    from l0_core.plugins import registry

    having = _providers(kind, name)
    if not having:
        names = {item.name for item in registry().installed(kind)}
        raise ConfigError(f"{given.where}: no {kind} named {name!r} is installed{unknown(name, names)}")
    if all(item.state in ("disabled", "broken") for item in having):
        item = having[0]
        raise ConfigError(f"{given.where}: the {kind} {name!r} of {item.origin} is {item.state}: {item.problem}")


def _check_adapter(given: Given) -> None:
    from l0_core.adapters import Adapters
    from l0_core.plugins import registry

    names = Adapters.registered()
    if given.value in names:
        return
    if any(item.name == given.value for item in registry().installed("adapter")):
        _placed(given, lambda: _loaded("adapter", given.value))
    raise ConfigError(f"{given.where}: no adapter named {given.value!r} is there{unknown(given.value, names)}")


def _option_defaults(bound: Bound) -> dict[str, Any]:
    """What a plugin's Options are where they are not given, those that must be given left out."""
    import dataclasses

    kind = getattr(type(bound.plugin), "Options", None)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind) if kind is not None else ():
        value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.init and value is not dataclasses.MISSING:
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                value = dataclasses.asdict(value)
            found[field.name] = value
    return found


def read(found: tuple[str, bytes] | None, variables: Mapping[str, str]) -> Configuration:
    """The configuration of a file, given as its path and content, and of variables. Raises ConfigError."""
    core: Core = {}
    tables: Tables = {}
    if found is not None:
        _read_file(*found, core, tables)
    for name, text in variables.items():
        _read_variable(name, text, core, tables)
    for key, given in core.items():
        core[key] = given._replace(value=_value(KEYS[key], given))
    for table in tables.values():
        if "on_error" in table:
            table["on_error"] = table["on_error"]._replace(value=_value(ON_ERROR, table["on_error"]))
    return Configuration(core, tables)


def _value(kind: Kind, given: Given) -> Any:
    try:
        return kind.parse(given)
    except ValueError:
        raise ConfigError(f"{given.where} = {given.value!r}: it must be {kind.accepts}") from None


def parsed(path: str, content: bytes) -> dict[str, Any] | None:
    """The configuration in a file, or None if it is a `pyproject.toml` without one. Raises ConfigError."""
    import tomllib

    try:
        document = tomllib.loads(content.decode())
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    if os.path.basename(path) != "pyproject.toml":
        return document
    tool = document.get("tool")
    found = tool.get("l0") if isinstance(tool, dict) else None
    if found is not None and not isinstance(found, dict):
        raise ConfigError(f"{path} [tool] l0 = {found!r}: it must be a table")
    return found


def _read_file(path: str, content: bytes, core: Core, tables: Tables) -> None:
    prefix = "tool.l0" if os.path.basename(path) == "pyproject.toml" else ""
    for key, value in (parsed(path, content) or {}).items():
        if key in PLUGIN_KINDS and isinstance(value, dict):
            for name, options in value.items():
                place = _place(path, prefix, f"{key}.{name}")
                if not isinstance(options, dict):
                    shown = f"{_place(path, prefix, key)} {name} = {masked_value(name, options)!r}"
                    raise ConfigError(f"{shown}: it must be a table of Options")
                _check_plugin(key, name, place)
                if key == "store" and "url" in options:
                    # TOML has no `store = "..."` beside a `[store.NAME]`.
                    core["store"] = _url_of(name, Given(options["url"], place, "url"))
                tables[key, name] = {option: Given(inner, place, option) for option, inner in options.items()}
        else:
            _read_key(path, prefix, "", key, value, core)


def _url_of(store: str, given: Given) -> Given:
    if str(given.value).partition("://")[0] != store:
        shown = masked_value("", given.value)
        raise ConfigError(f"{given.where} = {shown!r}: it must be a URL that begins with '{store}://'")
    return given


def _read_key(path: str, prefix: str, table: str, key: str, value: Any, core: Core) -> None:
    whole = f"{table}.{key}" if table else key
    place = _place(path, prefix, table)
    if whole in KEYS:
        core[whole] = Given(value, place, key)
    elif whole in ONLY_IN_CODE:
        raise ConfigError(f"{place} {key}: it is a function, which only code can give")
    elif not any(known.startswith(f"{whole}.") for known in KEYS):
        known = _names_in(table) | ({*PLUGIN_KINDS} if not table else set())
        raise ConfigError(f"{place}: unknown key {key!r}{unknown(key, known)}")
    elif not isinstance(value, dict):
        raise ConfigError(f"{place} {key} = {value!r}: it must be a table of {', '.join(sorted(_names_in(whole)))}")
    else:
        for inner, inside in value.items():
            _read_key(path, prefix, whole, inner, inside, core)


def _place(path: str, prefix: str, table: str) -> str:
    whole = ".".join(filter(None, (prefix, table)))
    return f"{path} [{whole}]" if whole else path


def _names_in(table: str) -> set[str]:
    """The keys and tables that stand directly in a table."""
    start = f"{table}." if table else ""
    return {key.removeprefix(start).partition(".")[0] for key in KEYS if key.startswith(start)}


def _check_plugin(kind: str, name: str, place: str) -> None:
    from l0_core.plugins import registry

    names = {item.name for item in registry().installed(kind)}
    if name not in names:
        raise ConfigError(f"{place}: no {kind} named {name!r} is installed{unknown(name, names)}")


def _variable(*names: str) -> str:
    return "_".join(("L0", *(re.sub(r"[^A-Z0-9]", "_", name.upper()) for name in names)))


def _read_variable(variable: str, text: str, core: Core, tables: Tables) -> None:
    known = {_variable(key): key for key in KEYS}
    if variable in known:
        core[known[variable]] = Given(text, variable, is_text=True)
        return
    from l0_core.plugins import registry

    # The longest first, where the name of one plugin begins with that of another.
    for item in sorted(registry().installed(), key=lambda item: -len(item.name)):
        start = f"{_variable(item.kind, item.name)}_"
        if item.kind in PLUGIN_KINDS and variable.startswith(start) and len(variable) > len(start):
            option = variable.removeprefix(start).lower()
            if item.kind == "store" and option == "url":
                raise ConfigError(f"{variable}: which store records is said by L0_STORE, with this URL")
            tables.setdefault((item.kind, item.name), {})[option] = Given(text, variable, is_text=True)
            return
    import difflib

    near = difflib.get_close_matches(variable, [*known, "L0_CONFIG", "L0_PLUGINS", "L0_DISABLE_PLUGINS"], 1)
    hint = f"did you mean {near[0]}?" if near else "see docs/configuration.md for those that there are"
    raise ConfigError(f"unknown variable {variable}; {hint}")


def validated_options(target: Any, given: Mapping[str, Given], item: Installed) -> Any:
    """An instance of a plugin's `Options`, made of what is configured. Raises ConfigError."""
    kind = getattr(target, "Options", None)
    sources = " and ".join({value.source: None for value in given.values()})
    if kind is None:
        raise ConfigError(f"{sources}: the {item.kind} {item.name!r} of {item.origin} takes no Options")
    import dataclasses
    from typing import get_type_hints

    hints = get_type_hints(kind, include_extras=True)
    accepted = [field.name for field in dataclasses.fields(kind) if field.init]
    for option, value in given.items():
        if option not in accepted:
            raise ConfigError(
                f"{value.source}: unknown key {option!r} for the {item.kind} {item.name!r} of {item.origin}"
                f"{unknown(option, accepted)}"
            )
    values = {option: _validated(hints[option], option, value, item) for option, value in given.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{sources}: {error} (the {item.kind} {item.name!r} of {item.origin})") from None


def _validated(hint: Any, option: str, given: Given, item: Installed) -> Any:
    import json

    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(hint)
    _refuse_unknown(hint, given.value, f"{given.where}: unknown key", item)
    try:
        if not given.is_text:
            # JSON, where strictness knows that lists stand for tuples and text for paths and enums.
            return adapter.validate_json(json.dumps(given.value, default=str), strict=True)
        try:
            return adapter.validate_python(given.value)
        except ValidationError:
            return adapter.validate_python([part.strip() for part in given.value.split(",") if part.strip()])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, found["loc"]))
        shown = masked_value(option, given.value)
        # Without its cause, which shows what was given, secrets too.
        raise ConfigError(
            f"{given.where} = {shown!r}: {f'{at}: ' if at else ''}{found['msg']} "
            f"(the {item.kind} {item.name!r} of {item.origin})"
        ) from None


def _refuse_unknown(hint: Any, value: Any, problem: str, item: Installed) -> None:
    """Raise ConfigError for a key of a nested table that its dataclass does not have: pydantic passes those over."""
    import dataclasses
    from typing import get_args, get_type_hints

    for inner in get_args(hint):
        for part in value if isinstance(value, list) else (value,):
            _refuse_unknown(inner, part, problem, item)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, dict):
        hints = get_type_hints(hint, include_extras=True)
        for key, part in value.items():
            if key not in hints:
                raise ConfigError(
                    f"{problem} {key!r} for the {item.kind} {item.name!r} of {item.origin}{unknown(key, hints)}"
                )
            _refuse_unknown(hints[key], part, problem, item)
