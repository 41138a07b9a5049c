"""Structured output: answers that are what a schema asks for, objects that grow as they come in, and JSON repaired.

Names are loaded when they are first used: whoever repairs JSON does not import pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l0_structured.auto_correct import JSON as JSON
    from l0_structured.auto_correct import auto_correct_json as auto_correct_json
    from l0_structured.auto_correct import safe_json_parse as safe_json_parse
    from l0_structured.corrections import AutoCorrectResult as AutoCorrectResult
    from l0_structured.corrections import CorrectionType as CorrectionType
    from l0_structured.corrections import Edit as Edit
    from l0_structured.extraction import extract_json as extract_json
    from l0_structured.extraction import extract_json_from_markdown as extract_json_from_markdown
    from l0_structured.json_schema import CompilingJSONSchemaAdapter as CompilingJSONSchemaAdapter
    from l0_structured.json_schema import FullJSONSchemaAdapter as FullJSONSchemaAdapter
    from l0_structured.json_schema import JSONSchema as JSONSchema
    from l0_structured.json_schema import JSONSchemaAdapter as JSONSchemaAdapter
    from l0_structured.json_schema import JSONSchemaDefinition as JSONSchemaDefinition
    from l0_structured.json_schema import JSONSchemaError as JSONSchemaError
    from l0_structured.json_schema import JSONSchemaValidationError as JSONSchemaValidationError
    from l0_structured.json_schema import JSONSchemaValidationFailure as JSONSchemaValidationFailure
    from l0_structured.json_schema import JSONSchemaValidationResult as JSONSchemaValidationResult
    from l0_structured.json_schema import JSONSchemaValidationSuccess as JSONSchemaValidationSuccess
    from l0_structured.json_schema import SimpleJSONSchemaAdapter as SimpleJSONSchemaAdapter
    from l0_structured.json_schema import UnifiedSchema as UnifiedSchema
    from l0_structured.json_schema import UnusableJSONSchema as UnusableJSONSchema
    from l0_structured.json_schema import create_simple_json_schema_adapter as create_simple_json_schema_adapter
    from l0_structured.json_schema import get_json_schema_adapter as get_json_schema_adapter
    from l0_structured.json_schema import has_json_schema_adapter as has_json_schema_adapter
    from l0_structured.json_schema import is_json_schema as is_json_schema
    from l0_structured.json_schema import register_json_schema_adapter as register_json_schema_adapter
    from l0_structured.json_schema import unregister_json_schema_adapter as unregister_json_schema_adapter
    from l0_structured.json_schema import validate_json_schema as validate_json_schema
    from l0_structured.json_schema import wrap_json_schema as wrap_json_schema
    from l0_structured.json_text import MAX_DEPTH as MAX_DEPTH
    from l0_structured.json_text import is_valid_json as is_valid_json
    from l0_structured.output import StructuredOptions as StructuredOptions
    from l0_structured.output import structured as structured
    from l0_structured.output import structured_array as structured_array
    from l0_structured.output import structured_object as structured_object
    from l0_structured.results import MINIMAL_STRUCTURED as MINIMAL_STRUCTURED
    from l0_structured.results import RECOMMENDED_STRUCTURED as RECOMMENDED_STRUCTURED
    from l0_structured.results import STRICT_STRUCTURED as STRICT_STRUCTURED
    from l0_structured.results import AutoCorrectInfo as AutoCorrectInfo
    from l0_structured.results import StructuredConfig as StructuredConfig
    from l0_structured.results import StructuredOutputError as StructuredOutputError
    from l0_structured.results import StructuredResult as StructuredResult
    from l0_structured.results import StructuredState as StructuredState
    from l0_structured.results import StructuredTelemetry as StructuredTelemetry
    from l0_structured.schemas import InvalidJSON as InvalidJSON
    from l0_structured.streaming import StructuredEvent as StructuredEvent
    from l0_structured.streaming import StructuredStreamResult as StructuredStreamResult
    from l0_structured.streaming import structured_stream as structured_stream

_NAMES = {
    "auto_correct": "JSON auto_correct_json safe_json_parse",
    "corrections": "AutoCorrectResult CorrectionType Edit",
    "extraction": "extract_json extract_json_from_markdown",
    "json_schema": (
        "CompilingJSONSchemaAdapter FullJSONSchemaAdapter UnusableJSONSchema JSONSchema JSONSchemaAdapter "
        "JSONSchemaDefinition JSONSchemaError JSONSchemaValidationError JSONSchemaValidationFailure "
        "JSONSchemaValidationResult JSONSchemaValidationSuccess SimpleJSONSchemaAdapter UnifiedSchema "
        "create_simple_json_schema_adapter get_json_schema_adapter has_json_schema_adapter is_json_schema "
        "register_json_schema_adapter unregister_json_schema_adapter validate_json_schema wrap_json_schema"
    ),
    "json_text": "MAX_DEPTH is_valid_json",
    "results": (
        "MINIMAL_STRUCTURED RECOMMENDED_STRUCTURED STRICT_STRUCTURED AutoCorrectInfo StructuredConfig "
        "StructuredOutputError StructuredResult StructuredState StructuredTelemetry"
    ),
    "schemas": "InvalidJSON",
    "streaming": "StructuredEvent StructuredStreamResult structured_stream",
    "output": "StructuredOptions structured structured_array structured_object",
}
_ROOM = {name: room for room, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:
    # A list that is not written out is an empty one to type checkers: they go by the imports above.
    __all__ = [*sorted(_ROOM)]

    def __getattr__(name: str) -> Any:
        room = _ROOM.get(name)
        if room is None:
            raise AttributeError(f"module 'l0_structured' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"l0_structured.{room}"), name)
        return value
