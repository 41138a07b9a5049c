"""What an answer has to be: a pydantic model or any type, or a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError, create_model

from l0_structured.json_schema import JSONSchemaError, UnifiedSchema, is_json_schema, wrap_json_schema
from l0_structured.json_text import loads

__all__ = ["InvalidJSON", "Schema", "array_of", "object_of"]

T = TypeVar("T")

MOST_FAULTS = 20
"""Faults that are told to a model at once. A long array can have thousands of the same kind."""


class InvalidJSON(ValueError):
    """An answer is not JSON, and was not or could not be repaired."""


class Schema(Generic[T]):
    """What an answer has to be. `kind` is `"pydantic"` or `"jsonschema"`, `type` the Python type if there is one.

    Raises TypeError for what is no schema.
    """

    __slots__ = ("_adapter", "_extra", "_unified", "kind", "name", "type")

    def __init__(self, given: Any, *, strict: bool = False) -> None:
        self._adapter: TypeAdapter[Any] | None = None
        self._unified: UnifiedSchema[Any] | None = None
        self._extra: Any = "forbid" if strict else None
        self.type: Any = None
        if isinstance(given, Mapping) and is_json_schema(given):
            given = wrap_json_schema(dict(given))
        if isinstance(given, UnifiedSchema):
            self.kind, self.name, self._unified = "jsonschema", given.name, given
            return
        if given is None or isinstance(given, str | bytes | Mapping) or _is_instance(given):
            raise TypeError(
                f"schema must be a pydantic model, a type or a JSON Schema, not {given!r}; "
                "fields by name go to structured_object()"
            )
        self.kind, self.name, self.type = "pydantic", _name_of(given), given
        self._adapter = TypeAdapter(given)

    def read(self, text: str) -> T:
        """The value of a JSON text. Raises pydantic's ValidationError, or JSONSchemaError."""
        if self._adapter is not None:
            return cast("T", self._adapter.validate_json(text, extra=self._extra))
        assert self._unified is not None
        return cast("T", self._unified.parse(loads(text)))

    @staticmethod
    def faults(error: Exception) -> str:
        """What is wrong with an answer, for its model and for people: where and why, and nothing of the answer."""
        if isinstance(error, ValidationError):
            found = [
                f"{_path(fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            ]
        else:
            found = str(error).splitlines()
        rest = len(found) - MOST_FAULTS
        return "; ".join([*found[:MOST_FAULTS], *([f"and {rest} more"] if rest > 0 else [])])

    @staticmethod
    def is_fault(error: Exception) -> bool:
        """Whether it says that an answer is not what it has to be, and not that a validator is broken."""
        return isinstance(error, ValidationError | JSONSchemaError)


def object_of(shape: Mapping[str, Any]) -> type[BaseModel]:
    """A model of a shape: a type by the name of each field, or a type and a default."""
    if not isinstance(shape, Mapping) or not shape:
        raise TypeError(f"shape must be a dict of types by field name, not {shape!r}")
    fields: dict[str, Any] = {
        name: wanted if isinstance(wanted, tuple) else (wanted, ...) for name, wanted in shape.items()
    }
    return create_model("DynamicObject", **fields)


def array_of(item: Any) -> Any:
    """The schema of an array whose items have a schema."""
    if isinstance(item, Mapping) and is_json_schema(item):
        item = wrap_json_schema(dict(item))
    return item.array() if isinstance(item, UnifiedSchema) else list[item]


def _is_instance(given: Any) -> bool:
    """Whether it is a value where its type was meant."""
    return isinstance(given, BaseModel | int | float | bool | list | tuple | set)


def _name_of(given: Any) -> str:
    arguments = getattr(given, "__args__", None)
    name = getattr(given, "__name__", None) or str(given)
    return f"{name}[{', '.join(_name_of(each) for each in arguments)}]" if arguments and "[" not in name else name


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".") or "the answer"
