"""What is true of every model that is derived, for any object of its type."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import l0
import l0_pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from l0_pydantic.deriving import hints_of
from l0_pydantic.sources import installed, source
from pydantic import BaseModel, ValidationError

from l0_core import DriftViolation

sys.path.insert(0, str(Path(__file__).parent))
from random_objects import is_running, objects

MODELS = [name for name in installed() if not issubclass(source(name) or object, BaseModel)]
"""Those that are derived: what is a model by itself is what it is."""
NAMES = [name for name in installed() if is_dataclass(source(name))]
ENUMS = [name for name in installed() if isinstance(source(name), type) and issubclass(source(name), Enum)]
OPEN = {"ObservabilityEventModel", "SessionStartEventModel"}

thorough = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def model(name: str) -> type[BaseModel]:
    found: type[BaseModel] = getattr(l0_pydantic, name)
    return found


@pytest.mark.parametrize("name", NAMES)
@thorough
@given(data=st.data())
def test_an_object_comes_back_from_json_as_the_model_that_it_was(name: str, data: st.DataObject) -> None:
    mirrored = model(name).model_validate(data.draw(objects(source(name))))
    for by_alias in (False, True):
        assert model(name).model_validate_json(mirrored.model_dump_json(by_alias=by_alias)) == mirrored


@pytest.mark.parametrize("name", NAMES)
@thorough
@given(data=st.data())
def test_a_model_has_the_values_of_its_object(name: str, data: st.DataObject) -> None:
    original = data.draw(objects(source(name)))
    mirrored = model(name).model_validate(original)
    for field in fields(original):
        value = getattr(original, field.name)
        if field.name in model(name).model_fields and isinstance(value, str | int | float | bool | None):
            assert getattr(mirrored, field.name) == value


@pytest.mark.parametrize("name", NAMES)
@thorough
@given(data=st.data())
def test_asdict_gives_the_model_that_the_object_gives_if_it_has_no_callables(name: str, data: st.DataObject) -> None:
    original = data.draw(objects(source(name)))
    plain = asdict(original)
    if has_callables(plain):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            model(name)(**plain)
        return
    assert model(name)(**plain) == model(name).model_validate(original)


def has_callables(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return any(has_callables(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return callable(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_a_type_does_not_have_is_refused(name: str) -> None:
    example = given_once(objects(source(name)))
    dumped = model(name).model_validate(example).model_dump()
    if name in OPEN:
        assert model(name)(**dumped, unheard_of=1).model_extra == {"unheard_of": 1}
        return
    with pytest.raises(ValidationError, match="unheard_of\n  Extra inputs are not permitted"):
        model(name)(**dumped, unheard_of=1)


def given_once(strategy: st.SearchStrategy[Any]) -> Any:
    drawn: list[Any] = []

    @settings(max_examples=1, database=None, deadline=None)
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return drawn[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_the_public_fields_of_its_type_and_no_others(name: str) -> None:
    ours = {info.alias or field for field, info in model(name).model_fields.items()}
    ours = {"ts" if field == "timestamp" and name in OPEN else field for field in ours}
    theirs = {field.name for field in fields(source(name)) if not field.name.startswith("_")}
    running = {field for field, hint in hints_of(source(name)).items() if is_running(hint)}
    assert ours == theirs - running - ({"max_attempts"} if name == "RetryModel" else set())


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ENUMS])
def test_a_model_has_a_json_schema_that_says_what_it_is(name: str) -> None:
    for mode in ("validation", "serialization"):
        schema = model(name).model_json_schema(mode=mode)
        assert schema["title"] == model(name).__name__
        assert schema["description"]
        assert schema.get("additionalProperties") is ("meta" in schema["properties"])


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_names_and_values_of_its_type_and_is_equal_to_it(name: str) -> None:
    mirrored: Any = getattr(l0_pydantic, name)
    original = source(name)
    assert {member.name: member.value for member in mirrored} == {member.name: member.value for member in original}
    for member in original:
        assert mirrored[member.name] == member == member.value
        assert hash(mirrored[member.name]) == hash(member)
        assert mirrored(member) is mirrored[member.name]
        assert original(mirrored[member.name]) is member


@thorough
@given(st.lists(objects(DriftViolation) | objects(l0.GuardrailViolation)))
def test_a_violation_of_drift_says_more_than_any_other(violations: list[l0.GuardrailViolation]) -> None:
    state = l0.State(violations=violations)
    for mirrored in (l0_pydantic.StateModel.model_validate(state), l0_pydantic.StateModel(**asdict(state))):
        assert [type(each).__name__ for each in mirrored.violations] == [
            f"{'Drift' if isinstance(each, DriftViolation) else 'Guardrail'}ViolationModel" for each in violations
        ]
        assert l0_pydantic.StateModel.model_validate_json(mirrored.model_dump_json()) == mirrored
