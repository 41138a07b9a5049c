"""A model by its name."""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import Any, Literal

from pydantic import BaseModel, create_model

import l0_pydantic
from l0_pydantic.deriving import derive
from l0_pydantic.sources import provider, source
from l0_pydantic.table import NARROWED, WRITTEN

__all__ = ["model"]


def model(name: str) -> type[BaseModel] | type[Enum]:
    """The model of that name.

    Raises AttributeError if there is none, and ImportError if what it is made of is not installed.
    """
    if name in WRITTEN:
        package, module = WRITTEN[name]
        provider(package, name)
        written: type[BaseModel] = getattr(import_module(module), name)
        return written
    if name in NARROWED:
        return _narrowed(name, NARROWED[name])
    type_: type | None = source(name)
    if type_ is None:
        raise AttributeError(f"module 'l0_pydantic' has no attribute {name!r}")
    derived: type[BaseModel] | type[Enum] = derive(type_)
    return derived


def _narrowed(name: str, kind: str) -> type[BaseModel]:
    """The model of an event of one type."""
    type_ = l0_pydantic.ObservabilityEventTypeModel[kind]
    definition: Any = (Literal[type_], type_)
    event = l0_pydantic.ObservabilityEventModel
    make: Any = create_model
    made: type[BaseModel] = make(
        name, __base__=event, __module__="l0_pydantic", __doc__=f"An `ObservabilityEvent` {kind}.", type=definition
    )
    return made
