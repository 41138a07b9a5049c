"""Models out of dataclasses and enums: their fields, types, defaults and docstrings, whatever these are."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Annotated, Any, ForwardRef, Union, get_type_hints

import l0
from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model, model_validator
from pydantic import Field as ModelField

import l0_core
import l0_pydantic
from l0_pydantic.annotations import NotData, annotation
from l0_pydantic.sources import name_of
from l0_pydantic.table import HELD, PECULIAR, Peculiarity

__all__ = ["Mirror", "derive", "hints_of"]

PLAIN = Peculiarity()

_made: dict[type, Any] = {}


class Mirror(BaseModel):
    """A model that mirrors a type. It is validated from an object of that type as well, and knows no other fields."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        populate_by_name=True,
        validate_default=True,
        protected_namespaces=(),  # a field may be called model_retry_count
    )


class OpenMirror(Mirror):
    """One that keeps fields that it does not know."""

    model_config = ConfigDict(extra="allow")


def derive(type_: type) -> Any:
    """The model of a dataclass, or the mirrored enum of an enum: always the same one.

    A model has the fields of the dataclass, except private ones and those that hold nothing that can be written down.
    Exceptions are text in it, and dataclasses and enums in it have models of their own. Raises TypeError for any other
    type.
    """
    made = _made.get(type_)
    # What another thread has made meanwhile is the one.
    return made or _made.setdefault(type_, _derived(type_))


def _derived(type_: type) -> Any:
    known = name_of(type_)
    name, module = (known, "l0_pydantic") if known else (f"{type_.__name__}Model", type_.__module__)
    if issubclass(type_, BaseModel):
        return type_
    if issubclass(type_, Enum):
        return _enum(type_, name, module)
    if is_dataclass(type_):
        return _model(type_, name, module, PECULIAR.get(name, PLAIN) if known else PLAIN)
    raise TypeError(f"{type_!r} is neither a dataclass nor an enum")


def _enum(type_: type[Enum], name: str, module: str) -> Any:
    members = [(member, value.value) for member, value in type_.__members__.items()]
    mixed: dict[str, Any] = {"type": str} if issubclass(type_, str) else {}
    make: Any = Enum
    made = make(name, members, module=module, **mixed)
    made.__doc__ = type_.__doc__
    return made


def _model(type_: Any, name: str, module: str, peculiar: Peculiarity) -> type[BaseModel]:
    definitions, left_out = {}, set()
    hints, fresh = hints_of(type_), _fresh(type_, peculiar)

    def held(inner: type) -> Any:
        return ForwardRef(name) if inner is type_ else _held(inner)

    for field in fields(type_):
        try:
            definitions[_name(field)] = _definition(field, hints[field.name], held, fresh, peculiar)
        except NotData:
            left_out.add(field.name)
    made: Any = create_model(
        name,
        __base__=OpenMirror if peculiar.open else Mirror,
        __module__=module,
        __doc__=type_.__doc__,
        __validators__={"leave_out": _leaves_out(left_out)} if left_out else {},
        **definitions,
    )
    return made  # type: ignore[no-any-return]


def _name(field: Field[Any]) -> str:
    """A field's name; another where models of pydantic have something of that name."""
    return f"{field.name}_data" if hasattr(BaseModel, field.name) else field.name


def _definition(field: Field[Any], hint: Any, held: Callable[[type], Any], fresh: Any, peculiar: Peculiarity) -> Any:
    """The annotation of a model's field and the rest of it. Raises NotData if the model has no such field."""
    if field.name.startswith("_") or field.name in peculiar.without:
        raise NotData(field.name)
    model = peculiar.fields.get(field.name)
    declared = getattr(l0_pydantic, model) if model else annotation(hint, held)
    if field.name in peculiar.optional:
        declared = Union[declared, None]
    alias = peculiar.aliases.get(field.name, None if _name(field) == field.name else field.name)
    return declared, ModelField(alias=alias, **_default(field, fresh))


def _default(field: Field[Any], fresh: Any) -> dict[str, Any]:
    if field.default_factory is not MISSING:
        return {"default_factory": field.default_factory}
    if fresh is not None:
        return {"default": getattr(fresh, field.name)}
    return {} if field.default is MISSING else {"default": field.default}


def _held(type_: type) -> Any:
    """What a field holds that is declared to hold a type."""
    made = derive(type_)
    others = HELD.get(name_of(type_) or "", ())

    def by_type(given: Any) -> Any:
        return derive(type(given)).model_validate(given) if name_of(type(given)) in others else given

    if not others:
        return made
    return Annotated[Union[(made, *(getattr(l0_pydantic, other) for other in others))], BeforeValidator(by_type)]


def _fresh(type_: Any, peculiar: Peculiarity) -> Any:
    """An object whose fields are the defaults, or None for a type that has fields without."""
    if peculiar.defaults:
        return getattr(l0, peculiar.defaults)()
    if any(field.default is MISSING and field.default_factory is MISSING for field in fields(type_)):
        return None
    return type_()


def _leaves_out(names: set[str]) -> Any:
    """What `asdict` gives of fields that are left out is no mistake, if it says nothing."""

    def leave_out(cls: type, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: value for name, value in given.items()
            if not (name in names and (name.startswith("_") or value is None))
        }  # fmt: skip

    validator: Any = model_validator(mode="before")
    return validator(classmethod(leave_out))


def hints_of(type_: type) -> dict[str, Any]:
    """The annotations of a dataclass. What its module imports for type checkers alone is found elsewhere.

    Raises NameError if it is nowhere.
    """
    found: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(type_, localns=found, include_extras=True)
        except NameError as error:
            name = str(error.name)
            place = next((place for place in _places(type_) if hasattr(place, name)), None)
            if place is None or name in found:
                raise
            found[name] = getattr(place, name)


def _places(type_: type) -> Iterator[Any]:
    yield import_module(type_.__module__.partition(".")[0])
    yield from (l0_core, l0, typing, collections.abc)
