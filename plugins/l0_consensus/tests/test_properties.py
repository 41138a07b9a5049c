"""What is true of every vote, whatever is said in it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_consensus import (
    ConsensusOutput,
    ConsensusResult,
    NoConsensus,
    calculate_output_similarity,
    calculate_structural_similarity,
    consensus,
    find_agreements,
    find_disagreements,
    resolve_majority,
)

STRATEGIES = ("unanimous", "majority", "weighted")
RESOLUTIONS = ("vote", "merge", "best")

words = st.sampled_from("a b not Paris Lyon 1 2 1.0 two x! %".split())
texts = st.lists(words, max_size=5).map(" ".join)
leaves = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0]) | texts
values = st.recursive(
    leaves, lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from("abc"), parts, max_size=3)
)
weights = st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0, 3.0])
FAILED = object()
said = st.lists(
    st.tuples(st.sampled_from(["a", "A.", "b", "c d", 1, True, FAILED]) | values, weights), min_size=2, max_size=7
)
options = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(STRATEGIES),
        "resolve_conflicts": st.sampled_from(RESOLUTIONS),
        "threshold": st.sampled_from([0.0, 0.4, 0.8, 1.0]),
        "minimum_agreement": st.sampled_from([0.0, 0.2, 0.5, 0.6, 1.0]),
    }
)

thorough = settings(max_examples=200, deadline=None)


def vote(said: list[tuple[Any, float]], **options: Any) -> ConsensusResult[Any] | None:
    def task(value: Any) -> Any:
        def run() -> Any:
            if value is FAILED:
                raise ConnectionError
            return value

        return run

    tasks = [task(value) for value, _ in said]
    try:
        return asyncio.run(consensus(tasks, weights=[weight for _, weight in said], **options))
    except NoConsensus:
        return None


@given(values, values)
@settings(max_examples=500, deadline=None)
def test_similarity_is_symmetrical_bounded_and_1_for_the_same(a: Any, b: Any) -> None:
    for measure in (calculate_output_similarity, calculate_structural_similarity):
        assert 0 <= measure(a, b) <= 1
        assert measure(a, b) == pytest.approx(measure(b, a))
        assert measure(a, a) == 1.0


@given(st.text(), st.text())
@settings(max_examples=500, deadline=None)
def test_any_text_is_compared(a: str, b: str) -> None:
    assert 0 <= calculate_output_similarity(a, b) == calculate_output_similarity(b, a) <= 1
    assert calculate_output_similarity(a, a) == 1.0


@given(said, options, st.data())
@thorough
def test_the_order_of_outputs_decides_nothing(
    said: list[tuple[Any, float]], options: dict[str, Any], data: st.DataObject
) -> None:
    before, after = vote(said, **options), vote(data.draw(st.permutations(said)), **options)
    if before is None or after is None:
        assert before is after
        return
    assert after.confidence == pytest.approx(before.confidence)
    assert after.status == before.status
    if options["resolve_conflicts"] == "vote" or before.status == "success":
        assert repr(after.consensus) == repr(before.consensus)


@given(said, weights, options)
@thorough
def test_an_output_that_fails_makes_nothing_surer(
    said: list[tuple[Any, float]], weight: float, options: dict[str, Any]
) -> None:
    before, after = vote(said, **options), vote([*said, (FAILED, weight)], **options)
    if before is None or after is None:
        assert before is after
        return
    assert after.confidence <= before.confidence + 1e-9


@given(said, st.sampled_from([0.25, 3.0, 7.3, 1e6, 1e-6]), options)
@thorough
def test_weights_are_shares(said: list[tuple[Any, float]], factor: float, options: dict[str, Any]) -> None:
    before, after = vote(said, **options), vote([(value, weight * factor) for value, weight in said], **options)
    if before is None or after is None:
        assert before is after
        return
    assert repr(after.consensus) == repr(before.consensus)
    assert after.confidence == pytest.approx(before.confidence)


@given(said, options)
@thorough
def test_a_result_is_in_itself_consistent(said: list[tuple[Any, float]], options: dict[str, Any]) -> None:
    result = vote(said, **options)
    if result is None:
        assert all(value is FAILED for value, _ in said)
        return
    analysis = result.analysis
    assert 0 <= result.confidence <= 1
    assert analysis.total_outputs == len(said) == len(result.outputs)
    cancelled = [output for output in result.outputs if output.cancelled]
    assert analysis.successful_outputs + analysis.failed_outputs + len(cancelled) == len(said)
    assert not any(output.success for output in cancelled)
    for agreement in result.agreements:
        assert agreement.count == len(agreement.indices) >= 2
        assert 0 < agreement.ratio <= 1
    for disagreement in result.disagreements:
        indices = [index for value in disagreement.values for index in value.indices]
        assert len(indices) == len(set(indices))
        assert disagreement.resolution


@given(st.lists(values, min_size=1, max_size=6))
@thorough
def test_whoever_agrees_does_not_disagree(values: list[Any]) -> None:
    agreements, disagreements = find_agreements(values), find_disagreements(values)
    if any(agreement.path is None and agreement.count == len(values) for agreement in agreements):
        assert not disagreements
    elif len(values) > 1:
        assert disagreements


@given(st.lists(st.tuples(values, weights), min_size=1, max_size=5), st.data())
@thorough
def test_a_majority_made_of_fields_does_not_go_by_the_order(said: list[tuple[Any, float]], data: st.DataObject) -> None:
    def majority(said: list[tuple[Any, float]]) -> Any:
        outputs = [ConsensusOutput(index, repr(value), value, success=True) for index, (value, _) in enumerate(said)]
        return resolve_majority(outputs, [weight for _, weight in said]).value

    assert calculate_output_similarity(majority(said), majority(data.draw(st.permutations(said)))) == 1.0
