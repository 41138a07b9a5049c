"""The functions about outputs: what they agree about, what is made of them, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from l0_consensus import (
    Agreement,
    ConsensusAnalysis,
    ConsensusOutput,
    ConsensusResult,
    FieldAgreement,
    FieldConsensusInfo,
    calculate_field_consensus,
    find_agreements,
    find_disagreements,
    get_consensus_value,
    meets_minimum_agreement,
    quick_consensus,
    resolve_best,
    resolve_majority,
    resolve_merge,
    validate_consensus,
)
from pydantic import BaseModel, field_validator

FAILED = object()
"""In place of a value: the task has failed."""


def outputs(*values: Any) -> list[ConsensusOutput]:
    return [
        ConsensusOutput(index, "", None, success=False, error="failed")
        if value is FAILED
        else ConsensusOutput(index, str(value), value, success=True)
        for index, value in enumerate(values)
    ]


class Even(BaseModel):
    numbers: list[int]

    @field_validator("numbers")
    @classmethod
    def _even(cls, numbers: list[int]) -> list[int]:
        if len(numbers) % 2:
            raise ValueError("odd")
        return numbers


def test_fields_that_agree_are_agreements() -> None:
    agreements = find_agreements([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 3}])
    assert agreements == [Agreement(1, "a", 3, 1.0, [0, 1, 2], "structural")]


def test_failed_outputs_count_in_fields() -> None:
    said = calculate_field_consensus(outputs({"a": 1}, {"a": 1}, FAILED))
    assert said.fields["a"].agreement == 2 / 3
    assert said.disagreed_fields == ["a"]
    assert FieldConsensusInfo is FieldAgreement


def test_values_of_one_text_are_told_apart() -> None:
    votes = calculate_field_consensus([{"a": True}, {"a": "true"}, {"a": "true"}]).fields["a"].votes
    assert votes == {"true": 2, "True": 1}


# The functions for outputs.


def test_majority_of_texts_is_the_nearest_to_all() -> None:
    assert resolve_majority(outputs("b", "a", "A.")).value == "A."
    assert resolve_majority(outputs("b", "a", "c"), [1, 5, 1]).value == "a"


def test_majority_of_structures_is_made_field_by_field() -> None:
    some = ({"a": 1, "b": {"c": 1, "d": [1, 2]}}, {"a": 2, "b": {"c": 2, "d": [1]}}, {"a": 1, "b": {"c": 2, "d": [3]}})
    made = resolve_majority(outputs(*some))
    assert made.value == made.data == {"a": 1, "b": {"c": 2, "d": [1]}}
    assert made.text == '{"a": 1, "b": {"c": 2, "d": [1]}}'
    assert resolve_majority(outputs({"a": 1}, {"a": True}, {"a": True})).value == {"a": True}
    assert resolve_majority(outputs({"a": 1}, [1], {"a": 1})).value == {"a": 1}


def test_majority_of_models_is_a_model_or_one_of_them() -> None:
    same = [Even(numbers=[1, 2]), Even(numbers=[1, 3]), Even(numbers=[5, 3])]
    assert resolve_majority(outputs(*same)).value == Even(numbers=[1, 3])
    odd = [Even(numbers=[1, 2]), Even(numbers=[1, 2, 3, 4]), Even(numbers=[1, 2, 3, 5]), Even(numbers=[1, 2])]
    assert resolve_majority(outputs(*odd[:3])).value in odd[:3]


def test_what_a_model_does_not_allow_is_not_merged() -> None:
    assert resolve_merge(outputs(Even(numbers=[1, 2]), Even(numbers=[2, 3]))).value == Even(numbers=[1, 2])


def test_best_is_the_heaviest_the_first_of_equals() -> None:
    assert resolve_best(outputs(FAILED, "a", "b")).value == "a"
    assert resolve_best(outputs("a", "b"), [1, 2]).value == "b"


def test_merging_joins_texts_as_paragraphs() -> None:
    assert resolve_merge(outputs("a", FAILED, "b", "A")).value == "a\n\nb"
    assert resolve_merge(outputs("a", "A")).value == "a"


@pytest.mark.parametrize("resolve", [resolve_majority, resolve_best, resolve_merge])
def test_there_is_nothing_to_resolve_without_a_value(resolve: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="no output has a value"):
        resolve(outputs(FAILED))


def test_as_many_weights_as_outputs() -> None:
    with pytest.raises(ValueError, match="there are 1 weights for 2 outputs"):
        resolve_majority(outputs("a", "b"), [1.0])


def test_quick_consensus_is_the_share_of_the_same() -> None:
    assert quick_consensus(["a", "A", "a", "a", "b"])
    assert not quick_consensus(["a", "A", "a", "b"])
    assert quick_consensus(["a", "b"], 0.5)
    assert not quick_consensus([1, True], 1.0)
    assert not quick_consensus([])
    assert not quick_consensus(outputs("a", FAILED))


def test_the_value_that_most_have() -> None:
    assert get_consensus_value(["b", "a", "A"]) == "a"
    assert get_consensus_value(["b", "a"]) == "b"
    assert get_consensus_value([]) is None
    assert get_consensus_value(outputs(FAILED)) is None


def test_a_minimum_of_agreement() -> None:
    agreements = find_agreements(["a", "a", "b"])
    assert meets_minimum_agreement(agreements, 3, 0.6)
    assert not meets_minimum_agreement(agreements, 3, 0.7)
    assert not meets_minimum_agreement([], 3, 0.1)
    fields = find_agreements([{"a": 1, "b": 1}, {"a": 1, "b": 2}])
    assert meets_minimum_agreement(fields, 2, 1.0)


def judged(*values: Any, confidence: float) -> ConsensusResult[Any]:
    return ConsensusResult("a", confidence, [], [], find_disagreements(values), ConsensusAnalysis())


def test_a_result_is_good_enough_or_not() -> None:
    result = judged("a", "a", "a", "a", "b", confidence=0.8)
    assert validate_consensus(result)
    assert not validate_consensus(result, min_confidence=0.81)
    grave = judged("a", "a", "b", "c", confidence=0.5)
    assert not validate_consensus(grave, min_confidence=0.5)
    assert validate_consensus(grave, min_confidence=0.5, max_disagreements=1)


def test_outputs_without_a_vote_keep_their_indices() -> None:
    some = outputs("a", "b", "a")[1:]
    assert find_disagreements(some)[0].values[1].indices == [1]


@pytest.mark.parametrize(
    ("others", "severity"),
    [(1, "minor"), (2, "moderate"), (4, "moderate"), (5, "major"), (9, "major"), (10, "critical")],
)
def test_the_severity_goes_by_the_share_of_the_most_common(others: int, severity: str) -> None:
    values = ["a"] * 6 + [f"b{number}" for number in range(others)]
    assert [each.severity for each in find_disagreements(values)] == [severity]
