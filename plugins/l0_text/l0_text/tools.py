"""Tools: their definitions, formatted for a model, and the calls that it answers with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from l0_text.calls import FunctionCall, format_function_arguments, parse_function_call
from l0_text.delimiting import hang, one_line
from l0_text.options import one_of, read
from l0_text.strings import escape_html

__all__ = [
    "FunctionCall",
    "ParameterType",
    "Tool",
    "ToolFormatOptions",
    "ToolFormatStyle",
    "ToolParameter",
    "create_parameter",
    "create_tool",
    "format_function_arguments",
    "format_tool",
    "format_tools",
    "parse_function_call",
    "validate_tool",
]

ParameterType = Literal["string", "number", "integer", "boolean", "array", "object"]
"""The types of JSON Schema."""

ToolFormatStyle = Literal["json-schema", "typescript", "natural", "xml"]
"""As a definition in JSON Schema, the signature of a function, text, or tags."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_SAMPLES: dict[str, Any] = {"string": "text", "number": 1.5, "integer": 1, "boolean": True, "array": [], "object": {}}


@dataclass
class ToolParameter:
    """A parameter. `items` and `properties` are JSON Schema, for an array and an object."""

    name: str
    type: ParameterType
    description: str = ""
    required: bool = False
    enum: list[str] | None = None
    default: Any = None
    items: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


@dataclass
class Tool:
    """A function that a model can ask for."""

    name: str
    description: str = ""
    parameters: list[ToolParameter] = field(default_factory=list)


@dataclass
class ToolFormatOptions:
    """How a tool is formatted. An example is a call with made-up arguments."""

    style: ToolFormatStyle = "json-schema"
    include_description: bool = True
    include_types: bool = True
    include_examples: bool = False


def create_parameter(
    name: str,
    param_type: ParameterType,
    description: str = "",
    required: bool = False,
    *,
    enum: list[str] | None = None,
    default: Any = None,
    items: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> ToolParameter:
    """A parameter of a tool."""
    return ToolParameter(name, param_type, description, required, enum, default, items, properties)


def create_tool(name: str, description: str, parameters: Iterable[ToolParameter] | None = None) -> Tool:
    """A tool."""
    return Tool(name, description, list(parameters or ()))


def validate_tool(tool: Tool) -> list[str]:
    """What is wrong with a tool, such that providers refuse it or no call could be right; [] if nothing is."""
    errors = []
    if not _NAME.fullmatch(tool.name):
        errors.append(f"the name {tool.name!r} must be of 1 to 64 letters, digits, underscores and hyphens")
    if not tool.description.strip():
        errors.append(f"tool {tool.name!r} has no description")
    names = set()
    for parameter in tool.parameters:
        name, where = parameter.name, f"parameter {parameter.name!r}"
        if not name.strip():
            errors.append("a parameter has no name")
        if name in names:
            errors.append(f"{where} is there twice")
        names.add(name)
        if parameter.type not in _PYTHON_TYPES:
            errors.append(f"{where} has the type {parameter.type!r}; it must be one of {', '.join(_PYTHON_TYPES)}")
            continue
        if parameter.enum is not None and not parameter.enum:
            errors.append(f"{where} has an empty enum: no value is allowed")
        if parameter.default is not None:
            if not _is(parameter.type, parameter.default):
                errors.append(f"{where} has the default {parameter.default!r}, which is no {parameter.type}")
            elif parameter.enum and parameter.default not in parameter.enum:
                errors.append(f"{where} has the default {parameter.default!r}, which is not in its enum")
    return errors


def _is(kind: ParameterType, value: Any) -> bool:
    return isinstance(value, _PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def format_tool(tool: Tool, options: ToolFormatOptions | Mapping[str, Any] | None = None) -> str | dict[str, Any]:
    """A tool for a model: a dict of name, description and parameters in style "json-schema", text in the others.

    No description can end what it stands in. Raises ValueError for another style.
    """
    given = read(ToolFormatOptions, options)
    one_of("tool: style", given.style, get_args(ToolFormatStyle))
    if given.style == "json-schema":
        return _as_json_schema(tool, given)
    return {"typescript": _as_typescript, "natural": _as_text, "xml": _as_xml}[given.style](tool, given)


def format_tools(
    tools: Iterable[Tool], options: ToolFormatOptions | Mapping[str, Any] | None = None
) -> str | list[dict[str, Any]]:
    """Several tools: a list in style "json-schema", text with a line of 50 `=` between them in the others."""
    formatted = [format_tool(tool, options) for tool in tools]
    if read(ToolFormatOptions, options).style == "json-schema":
        return [tool for tool in formatted if isinstance(tool, dict)]
    return f"\n{'=' * 50}\n".join(tool for tool in formatted if isinstance(tool, str))


def _as_json_schema(tool: Tool, options: ToolFormatOptions) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {parameter.name: _schema(parameter, options) for parameter in tool.parameters},
        "required": [parameter.name for parameter in tool.parameters if parameter.required],
    }
    if options.include_examples:
        parameters["examples"] = [_sample(tool)]
    described = {"description": tool.description} if options.include_description else {}
    return {"name": tool.name, **described, "parameters": parameters}


def _schema(parameter: ToolParameter, options: ToolFormatOptions) -> dict[str, Any]:
    schema = {
        "type": parameter.type if options.include_types else None,
        "description": (parameter.description or None) if options.include_description else None,
        "enum": parameter.enum,
        "default": parameter.default,
        "items": parameter.items,
        "properties": parameter.properties,
    }
    return {name: value for name, value in schema.items() if value is not None}


def _as_typescript(tool: Tool, options: ToolFormatOptions) -> str:
    lines = []
    if options.include_description:
        described = [(f"@param {p.name} ", p.description) for p in tool.parameters if p.description]
        written = [f" * {name}{one_line(text)}" for name, text in [("", tool.description), *described] if text.strip()]
        if written:
            lines = ["/**", *(line.replace("*/", "*\\/") for line in written), " */"]
    if options.include_examples:
        lines.append(f"// Example: {_example(tool)}")
    # TypeScript has the optional ones last.
    ordered = sorted(tool.parameters, key=lambda parameter: not parameter.required)
    signature = ", ".join(
        one_line(p.name)
        + ("" if p.required else "?")
        + (f": {_typescript(_schema(p, ToolFormatOptions()))}" if options.include_types else "")
        for p in ordered
    )
    return "\n".join([*lines, f"function {one_line(tool.name)}({signature})"])


def _typescript(schema: Mapping[str, Any]) -> str:
    """A type of JSON Schema as one of TypeScript."""
    if schema.get("enum"):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        item = _typescript(schema.get("items") or {})
        return f"({item})[]" if "|" in item else f"{item}[]"
    if kind == "object" and schema.get("properties"):
        properties = [f"{json.dumps(name)}?: {_typescript(inner)}" for name, inner in schema["properties"].items()]
        return f"{{ {'; '.join(properties)} }}"
    names = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}
    return {**names, "object": "Record<string, unknown>"}.get(str(kind), "unknown")


def _as_text(tool: Tool, options: ToolFormatOptions) -> str:
    lines = [f"Tool: {one_line(tool.name)}"]
    if options.include_description and tool.description.strip():
        lines.append(f"Description: {hang(tool.description)}")
    if tool.parameters:
        lines.append("Parameters:")
    for parameter in tool.parameters:
        notes: list[str] = [parameter.type] if options.include_types else []
        notes.append("required" if parameter.required else "optional")
        if parameter.enum:
            notes.append(f"one of {', '.join(json.dumps(value, ensure_ascii=False) for value in parameter.enum)}")
        if parameter.default is not None:
            notes.append(f"default {json.dumps(parameter.default, ensure_ascii=False, default=str)}")
        line = f"  - {one_line(parameter.name)} ({', '.join(notes)})"
        if options.include_description and parameter.description.strip():
            line += f": {one_line(parameter.description)}"
        lines.append(line)
    if options.include_examples:
        lines.append(f"Example: {_example(tool)}")
    return "\n".join(lines)


def _as_xml(tool: Tool, options: ToolFormatOptions) -> str:
    lines = [f"<tool{_attributes(name=tool.name)}>"]
    if options.include_description and tool.description.strip():
        lines.append(f"  <description>{escape_html(tool.description)}</description>")
    if tool.parameters:
        lines.append("  <parameters>")
        lines += [f"    {_xml_parameter(parameter, options)}" for parameter in tool.parameters]
        lines.append("  </parameters>")
    if options.include_examples:
        lines.append(f"  <example>{escape_html(_example(tool))}</example>")
    return "\n".join([*lines, "</tool>"])


def _xml_parameter(parameter: ToolParameter, options: ToolFormatOptions) -> str:
    attributes = _attributes(
        name=parameter.name,
        type=parameter.type if options.include_types else None,
        required="true" if parameter.required else "false",
        enum=parameter.enum,
        default=parameter.default,
    )
    described = parameter.description if options.include_description else ""
    return f"<parameter{attributes}>{escape_html(described)}</parameter>"


def _attributes(**values: Any) -> str:
    """Attributes of a tag: strings as they are, what is no string as JSON."""
    written = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in values.items()
        if value is not None
    }
    return "".join(f' {name}="{escape_html(value)}"' for name, value in written.items())


def _sample(tool: Tool) -> dict[str, Any]:
    """Arguments of a call: what is required, and what has a default."""
    return {
        p.name: p.default if p.default is not None else p.enum[0] if p.enum else _SAMPLES.get(p.type)
        for p in tool.parameters
        if p.required or p.default is not None
    }


def _example(tool: Tool) -> str:
    return f"{one_line(tool.name)}({json.dumps(_sample(tool), ensure_ascii=False, default=str)})"
