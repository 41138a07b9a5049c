"""The documented form of an error of L0's own in JSON, which is made by a method and is no type."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from l0_pydantic import ErrorCategoryModel, ErrorCodeModel
from l0_pydantic.annotations import Anything
from l0_pydantic.deriving import Mirror

__all__ = ["SerializedErrorModel"]


class SerializedErrorModel(Mirror):
    """An `l0.Error` as its `to_json()` gives it. `timestamp` is in seconds since the epoch."""

    model_config = ConfigDict(alias_generator=to_camel)
    name: str
    code: ErrorCodeModel
    category: ErrorCategoryModel
    message: str
    timestamp: float
    has_checkpoint: bool = False
    checkpoint: str | None = None
    token_count: int | None = None
    model_retry_count: int | None = None
    network_retry_count: int | None = None
    fallback_index: int | None = None
    metadata: dict[str, Anything] | None = None
    context: dict[str, Anything] | None = None
