"""A JSON Schema of the configuration, for editors: of the kernel's keys, and of the Options of what is installed."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit

from l0_core.config_read import Configuration
from l0_core.config_values import KEYS, ON_ERROR, PLUGIN_KINDS
from l0_core.continuation import ContinuationConfig, DeduplicationOptions
from l0_core.delays import ErrorTypeDelays
from l0_core.options import CheckIntervals, Limits, Retry, Timeout
from l0_core.plugins import Installed, Registry
from l0_core.presets import PRESETS

__all__ = ["schema"]

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_NAME = {"type": "string", "pattern": r"^[a-z][a-z0-9+._-]*$"}

_TABLES: dict[str, type] = {
    "timeout": Timeout,
    "retry": Retry,
    "retry.error_type_delays": ErrorTypeDelays,
    "limits": Limits,
    "check_intervals": CheckIntervals,
    "continuation": ContinuationConfig,
    "continuation.deduplication_options": DeduplicationOptions,
}
"""What code takes for each table."""

_MEANING = {
    "guardrails": "What judges the text of every stream, in this order.",
    "monitors": "What observes every stream.",
    "policies": "What decides on retries before the kernel does.",
    "store": "Where every stream is recorded.",
    "adapter": "What reads every stream, whatever it recognises.",
    "on_interrupt": "What follows an interruption when text was delivered before it.",
    "release": "Which text may leave: all of it, what no guardrail can still object to, or nothing before the end.",
    "continue_from_last_good_token": "Whether an interrupted stream goes on from its last good character.",
    "buffer_tool_calls": "Whether the fragments of tool calls are kept back.",
    "keep_raw": "Whether the provider's chunks are kept.",
}
"""What the keys without a table are for; those in tables are documented where code takes them."""


def schema(registry: Registry, *, tool: bool = False) -> Schema:
    """The schema of an `l0.toml`; with `tool`, of a `pyproject.toml` with `[tool.l0]`. JSON Schema, draft 2020-12.

    It refuses the keys that are refused when the configuration is read. Guardrails, monitors and policies that are not
    installed here may be named. The plugins that have Options in the configuration are imported, unless they are
    disabled; one that cannot be is left with a free table, whose `$comment` says why.
    """
    installed = registry.examined()
    definitions: Schema = {}
    root = _kernel(installed)
    properties = root["properties"]
    for kind in PLUGIN_KINDS:
        plugins: Schema = {}
        for item in installed:
            # Of two that clash, disabling one leaves the other.
            if item.kind == kind and (item.state != "disabled" or item.name not in plugins):
                plugins[item.name] = _plugin(item, definitions)
        table = {
            "description": f"The Options of each {kind}, by its name.",
            "type": "object",
            "properties": plugins,
            "additionalProperties": False,
        }
        # The one key that is a URL or a table.
        properties[kind] = {"anyOf": [properties[kind], table]} if kind in properties else table
    if tool:
        within = {"type": "object", "properties": {"l0": root}}
        root = {"type": "object", "properties": {"tool": within}}
    return {"$schema": DRAFT, "title": "L0 configuration", **root, "$defs": definitions}


def _kernel(installed: tuple[Installed, ...]) -> Schema:
    named = {
        kind: sorted({item.name for item in installed if item.kind == kind}) for kind in ("adapter", *PLUGIN_KINDS)
    }
    guardrails = {"type": "array", "items": _named(named["guardrail"], _NAME)}
    schemas: dict[str, Schema] = {key: dict(kind.schema) for key, kind in KEYS.items()}
    schemas["guardrails"] = {"anyOf": [guardrails, {"enum": [*PRESETS]}]}
    schemas["monitors"] = {"type": "array", "items": _named(named["monitor"], _NAME)}
    schemas["policies"] = {"type": "array", "items": _named(named["policy"], _NAME)}
    schemas["adapter"] = _named(["event", *named["adapter"]], schemas["adapter"])
    schemas["store"]["examples"] = [f"{name}://" for name in named["store"]]
    root: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for setting in Configuration({}, {}).settings():
        table, _, name = setting.key.rpartition(".")
        meaning = _field_docstrings(_TABLES[table]).get(name, "") if table else _MEANING[name]
        words = f"{meaning} Accepts {KEYS[setting.key].accepts}.".lstrip()
        described = {"description": words, **schemas[setting.key]}
        if setting.value is not None:
            described["default"] = [*setting.value] if isinstance(setting.value, tuple) else setting.value
        _table(root, table)["properties"][name] = described
    return root


def _named(names: list[str], otherwise: Schema) -> Schema:
    """Text, of which some is known: an editor offers that, and no other is refused."""
    return {"anyOf": [{"enum": names}, otherwise]} if names else otherwise


def _table(root: Schema, table: str) -> Schema:
    """The schema of a table, made where it is missing."""
    if not table:
        return root
    above, _, name = table.rpartition(".")
    properties: Schema = _table(root, above)["properties"]
    return properties.setdefault(  # type: ignore[no-any-return]
        name,
        {
            "description": inspect.getdoc(_TABLES[table]),
            "type": "object",
            "properties": {},
            "additionalProperties": False,
        },
    )


@cache
def _field_docstrings(kind: type) -> dict[str, str]:
    """The strings that stand under the fields of a class, by field: its source tells them, where it is at hand."""
    try:
        (written,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body = written.body if isinstance(written, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _plugin(item: Installed, definitions: Schema) -> Schema:
    """The schema of the table of a plugin."""
    found: Schema = {"type": "object", "properties": {}}
    try:
        described = _options(item, definitions)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # As where it is loaded: a module that ends the process is broken too.
        problem = item.problem or f"{type(error).__name__}: {error}"
        found["$comment"] = f"{item.origin} cannot tell its Options: {problem}"
    else:
        found |= {"additionalProperties": False, **described}
    if item.kind == "guardrail":
        found["properties"]["on_error"] = {
            "description": "what happens when it raises: it is recorded, or a violation",
            **ON_ERROR.schema,
            "default": "open",
        }
    elif item.kind == "store":
        start = re.sub(r"[+.]", r"\\\g<0>", item.name)
        found["properties"]["url"] = {
            "description": "what stands for the key `store`",
            "type": "string",
            "pattern": f"^{start}://",
        }
    return found


def _options(item: Installed, definitions: Schema) -> Schema:
    """The schema of a plugin's Options, with what else it needs put into `definitions`. Raises what goes wrong."""
    if item.state in ("disabled", "broken"):
        raise ValueError(item.problem)
    target = item.entry_point.load()
    kind = getattr(target, "Options", None)
    told = inspect.getdoc(target) if inspect.isclass(target) or inspect.isroutine(target) else None
    described: Schema = {"description": told} if told else {}
    if kind is None:
        return described
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise TypeError(f"{kind!r} is not a dataclass")
    place = f"{item.kind}.{item.name}."
    adapter = TypeAdapter[Any](kind)
    made = adapter.json_schema(schema_generator=_Generator, ref_template=f"#/$defs/{place}{{model}}")
    definitions.update({f"{place}{name}": inner for name, inner in made.pop("$defs", {}).items()})
    if "$ref" in made:
        # Options that refer to themselves.
        made = dict(definitions[made["$ref"].removeprefix("#/$defs/")])
    # A variable may give what the file leaves out.
    made.pop("required", None)
    made.pop("title", None)
    return {**made, **described, "properties": {**made.get("properties", {})}}


class _Generator(GenerateJsonSchema):
    """Refuses in a dataclass what the reader of the configuration refuses, and takes descriptions from docstrings."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        made["additionalProperties"] = False
        kind = schema["cls"]
        described, properties = _field_docstrings(kind), made.get("properties", {})
        for field in fields(kind):
            if not field.init:
                properties.pop(field.name, None)
            elif field.name in properties and field.name in described:
                properties[field.name].setdefault("description", described[field.name])
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        # What no file can say, like a function, is no key of a file.
        raise PydanticOmit
