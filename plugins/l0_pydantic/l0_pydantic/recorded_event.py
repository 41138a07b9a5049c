"""The documented form of a recorded event, whatever its type: in L0 each type has a dataclass of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

from pydantic import Field, model_validator

from l0_pydantic import RecordedEventTypeModel
from l0_pydantic.annotations import Anything
from l0_pydantic.deriving import Mirror

__all__ = ["RecordedEventModel"]


class RecordedEventModel(Mirror):
    """A recorded event: its type, its time in milliseconds since the epoch, and all else that it says.

    It is validated from any recorded event, from one as `asdict` gives it, and from its own form. A type of a later
    version of L0 is text.
    """

    type: Annotated[RecordedEventTypeModel | str, Field(union_mode="left_to_right")]
    ts: float
    data: dict[str, Anything] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        if is_dataclass(given) and not isinstance(given, type):
            given = asdict(given)
        if not isinstance(given, Mapping) or "data" in given:
            return given
        data = {**given.get("extra", {}), **given}
        own = {name: data.pop(name) for name in ("type", "ts") if name in data}
        data.pop("extra", None)
        return {**own, "data": data}
