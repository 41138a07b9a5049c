"""What growing JSON becomes if its type is known: instances of pydantic models, and leaves that are converted."""

from __future__ import annotations

from collections import abc, deque
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import orjson
from pydantic import AliasChoices, BaseModel, RootModel, TypeAdapter
from pydantic.config import ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

__all__ = ["Field", "Plan", "Shape", "plan_of"]


class Shape:
    """What the values of a type become while they grow.

    `plan` is the one of the model whose instances its objects are, None if they are dicts. `items` and `values` are
    the shapes of what is in its arrays and dicts. `openers` are the brackets that a value of the type begins with.

    Of a union, objects are those of its only member that is an object, and arrays likewise. A `RootModel` is seen as
    what its root is. Arrays are lists, whatever the type makes of them in the end. Dataclasses, typed dicts and
    everything else are plain dicts and lists.
    """

    def __init__(self, annotation: Any, metadata: tuple[Any, ...] = (), config: ConfigDict | None = None) -> None:
        while get_origin(annotation) is Annotated:
            annotation, *outer = get_args(annotation)
            metadata = (*outer, *metadata)
        self._annotation, self._metadata, self._config = annotation, metadata, config
        members = list(_members(annotation))
        objects = [member for member in members if _is_object(member)]
        arrays = [member for member in members if get_origin(member) in _ARRAYS or member in _ARRAYS]
        self._object = objects[0] if len(objects) == 1 else None
        self._array = arrays[0] if len(arrays) == 1 else None
        self.plan = plan_of(self._object) if _is_model(self._object) else None
        self.openers = "{" if objects and not arrays else "[" if arrays and not objects else "[{"
        self._native = self._natives({*objects, *arrays})

    @cached_property
    def items(self) -> Shape | None:
        arguments = get_args(self._array)
        if len(arguments) == 1 or (len(arguments) == 2 and arguments[1] is Ellipsis):
            return Shape(arguments[0], config=self._config)
        return None

    @cached_property
    def values(self) -> Shape | None:
        arguments = get_args(self._object) if get_origin(self._object) in _OBJECTS else ()
        return Shape(arguments[1], config=self._config) if len(arguments) == 2 else None

    def converted(self, value: Any, token: str | None = None) -> Any:
        """A leaf, which is a string or the number or literal `token`, as the type has it: as it is if it is refused."""
        if type(value) in self._native or self._adapter is None:
            return value
        try:
            made = self._adapter.validate_json(orjson.dumps(value) if token is None else token)
        except Exception:
            # Whatever a validator raises: the validation of the whole text tells.
            return value
        return value if type(made) is type(value) and made == value else made

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        wanted: Any = Annotated[(self._annotation, *self._metadata)] if self._metadata else self._annotation
        is_model = isinstance(self._annotation, type) and issubclass(self._annotation, BaseModel)
        try:
            return TypeAdapter(wanted, config=None if is_model else self._config)
        except Exception:
            # Not every part of a type is a type that stands alone.
            return None

    def _natives(self, containers: set[Any]) -> frozenset[type]:
        """The classes of leaves that the type leaves as they are. The others are converted."""
        is_union = get_origin(self._annotation) in _UNIONS
        members = set(get_args(self._annotation)) if is_union else {self._annotation}
        if members & {Any, object} or members <= containers:
            return _LEAVES
        if self._metadata or not members <= _LEAVES | containers:
            return frozenset()
        changes_strings = any((self._config or {}).get(rule) for rule in _STRING_RULES)
        return frozenset(leaf for leaf in _LEAVES if leaf in members and not (leaf is str and changes_strings))


class Plan:
    """How the objects of a model are made while they grow, and which of their keys is which field."""

    def __init__(self, model: type[BaseModel]) -> None:
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)
        self.fields: dict[str, Field] = {}
        self._model, self._has_extra = model, model.model_config.get("extra") == "allow"
        self._constants: dict[str, Any] = {}
        self._others: list[tuple[str, FieldInfo]] = []
        for name, info in model.model_fields.items():
            field = Field(name, info, model.model_config)
            for key in _keys(name, info, model.model_config):
                self.fields.setdefault(key, field)
            constant = info.default_factory is None and type(info.default) in _LEAVES
            self._constants[name] = info.default if constant else None
            if not constant and not info.is_required():
                self._others.append((name, info))

    def new(self) -> BaseModel:
        """An instance to which nothing has come: its fields have their defaults, or None."""
        values = self._constants.copy()
        for name, info in self._others:
            values[name] = _default(info)
        model = self._model.__new__(self._model)
        # What model_construct() does, but that it leaves out the fields that have no default, and then calls a
        # model_post_init() that counts on them.
        state: dict[str, Any] = {
            "__dict__": values,
            "__pydantic_fields_set__": set(),
            "__pydantic_extra__": {} if self._has_extra else None,
            "__pydantic_private__": _private(self._model),
        }
        BaseModel.__setstate__(model, state)
        return model


class Field:
    """A field of a model. Its shape is made when it first comes: models may be recursive."""

    def __init__(self, name: str, info: FieldInfo, config: ConfigDict) -> None:
        self.name, self._info, self._config = name, info, config

    @cached_property
    def shape(self) -> Shape:
        return Shape(self._info.annotation, tuple(self._info.metadata), self._config)


# Bounded, since models can be made while a program runs.
@lru_cache(maxsize=256)
def plan_of(model: type[BaseModel]) -> Plan | None:
    """The plan of a model, None if its class cannot be instantiated."""
    try:
        plan = Plan(model)
        plan.new()
    except Exception:
        # A class may be abstract, or have a `__new__` of its own.
        return None
    return plan


_UNIONS = (Union, UnionType)
_ARRAYS = (
    list, tuple, set, frozenset, deque, abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet, abc.Collection,
    abc.Iterable,
)  # fmt: skip
_OBJECTS = (dict, abc.Mapping, abc.MutableMapping)
_LEAVES: frozenset[Any] = frozenset({str, int, float, bool, NoneType})
_STRING_RULES = ("str_strip_whitespace", "str_to_lower", "str_to_upper")


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a union is made of; of any other type, itself."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in _UNIONS:
        for member in get_args(annotation):
            yield from _members(member)
    elif type(annotation).__name__ == "TypeAliasType":
        yield from _members(annotation.__value__)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _members(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def _is_model(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)


def _is_object(member: Any) -> bool:
    if get_origin(member) in _OBJECTS or member in _OBJECTS or _is_model(member):
        return True
    # A typed dict is a subclass of dict at run time.
    return isinstance(member, type) and (issubclass(member, dict) or is_dataclass(member))


def _keys(name: str, info: FieldInfo, config: ConfigDict) -> Iterator[str]:
    """The keys that fill a field. An AliasPath, which leads into other values, is not among them."""
    alias = info.validation_alias if config.get("validate_by_alias", True) else None
    if isinstance(alias, AliasChoices):
        yield from (choice for choice in alias.choices if isinstance(choice, str))
    elif isinstance(alias, str):
        yield alias
    if alias is None or config.get("validate_by_name") or config.get("populate_by_name"):
        yield name


def _default(info: FieldInfo) -> Any:
    try:
        return info.get_default(call_default_factory=True)
    except Exception:
        # A factory may raise anything, and one that makes its value of other fields cannot have them.
        return None


def _private(model: type[BaseModel]) -> dict[str, Any] | None:
    attributes = model.__private_attributes__
    if not attributes:
        return None
    defaults = {name: attribute.get_default() for name, attribute in attributes.items()}
    return {name: default for name, default in defaults.items() if default is not PydanticUndefined}
