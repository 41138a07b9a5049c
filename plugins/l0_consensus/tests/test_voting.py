"""What a vote comes to, by the strategy and by what resolves conflicts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import l0
import pytest
from l0_consensus import (
    Agreement,
    Consensus,
    ConsensusPreset,
    ConsensusResult,
    Disagreement,
    DisagreementValue,
    FieldAgreement,
    NoConsensus,
    best_consensus,
    consensus,
    lenient_consensus,
    quick_consensus,
    standard_consensus,
    strict_consensus,
)
from pydantic import BaseModel, field_validator


class Failed:
    """In place of a value: the task fails."""


FAILED = Failed()


def task(value: Any) -> Callable[[], Any]:
    async def run() -> Any:
        if value is FAILED:
            raise ConnectionError("the line is dead")
        return value

    return run


def vote(*values: Any, **options: Any) -> ConsensusResult[Any]:
    return asyncio.run(consensus([task(value) for value in values], **options))


# What cannot be voted about.


def test_no_tasks_and_one_task_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"^No tasks provided$"):
        vote()
    with pytest.raises(RuntimeError, match=r"^At least 2 tasks required for consensus$"):
        vote("a")


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0], [], [-1.0, 1.0], [float("nan"), 1.0], [0.0, 0.0]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights must be"):
        vote("a", "a", weights=weights)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "plurality"},
        {"resolve_conflicts": "ask"},
        {"threshold": 1.1},
        {"threshold": float("nan")},
        {"minimum_agreement": -0.1},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} is"):
        vote("a", "a", **options)


def test_all_tasks_failing_is_an_error_that_holds_what_they_raised() -> None:
    for strategy in ("unanimous", "majority", "weighted", "best"):
        with pytest.raises(NoConsensus, match=r"^All tasks failed, no consensus possible$") as raised:
            vote(FAILED, FAILED, strategy=strategy)
        assert isinstance(raised.value, ValueError)
        assert [output.error for output in raised.value.outputs] == ["ConnectionError: the line is dead"] * 2
        cause = raised.value.__cause__
        assert isinstance(cause, ExceptionGroup)
        assert [str(error) for error in cause.exceptions] == ["the line is dead"] * 2


def test_an_error_says_nothing_of_what_was_said() -> None:
    for strategy in ("unanimous", "majority"):
        with pytest.raises(NoConsensus) as raised:
            vote("secret one", "secret two", "other", strategy=strategy, resolve_conflicts="fail")
        assert "secret" not in str(raised.value)
        assert raised.value.__cause__ is None
        assert {output.value for output in raised.value.outputs if output.success} >= {"secret one", "secret two"}


# Majority.


def test_the_most_common_answer_wins() -> None:
    result = vote("Paris", "paris.", "Lyon")
    assert (result.consensus, result.confidence, result.status, result.type) == ("Paris", 2 / 3, "success", "text")


def test_numbers_in_the_same_sentence_are_no_agreement() -> None:
    result = vote("The answer is 42", "The answer is 43", "The answer is 44")
    assert (result.confidence, result.status) == (1 / 3, "partial")
    with pytest.raises(NoConsensus, match=r"^No majority consensus: 0\.33 of the outputs agree, 0\.60 are needed$"):
        vote("The answer is 42", "The answer is 43", "The answer is 44", resolve_conflicts="fail")


def test_failed_outputs_count_against_an_answer() -> None:
    result = vote("a", FAILED, FAILED)
    assert (result.consensus, result.confidence, result.status) == ("a", 1 / 3, "partial")
    assert vote("a", "a", FAILED).confidence == 2 / 3
    assert (result.analysis.successful_outputs, result.analysis.failed_outputs) == (1, 2)


def test_a_majority_needs_its_minimum() -> None:
    assert vote("a", "a", "b", "c", minimum_agreement=0.5).status == "success"
    assert vote("a", "a", "b", "c", minimum_agreement=0.51).status == "partial"
    assert vote("a", "b", "c", minimum_agreement=1 / 3).status == "success"


def test_an_answer_in_other_words_is_the_same_answer() -> None:
    words = ("Paris is the capital of France.", "Capital of France: Paris", "paris is the capital of france")
    result = vote(*words, "Lyon is the capital of France.")
    assert (result.confidence, result.status) == (0.75, "success")
    assert result.consensus in words[::2]
    assert vote(*words, threshold=1.0).confidence == 2 / 3


def test_the_answer_is_the_one_that_the_others_are_near_to() -> None:
    """The first and the last are too far from each other, and both near to the second."""
    words = "one long line of so many words that one more is little".split()
    chain = [" ".join(words), " ".join([*words, "y"]), " ".join([*words, "y", "z"])]
    matrix = Consensus.similarity_matrix(chain)
    assert matrix[0][1] >= 0.85
    assert matrix[1][2] >= 0.85
    assert matrix[0][2] < 0.85
    assert vote(*chain, threshold=0.85).consensus == chain[1]
    assert vote(*chain, threshold=0.85, strategy="unanimous").status == "partial"


def test_weights_decide() -> None:
    assert vote("a", "b", "b").consensus == "b"
    result = vote("a", "b", "b", weights=[3, 1, 1])
    assert (result.consensus, result.confidence, result.status) == ("a", 0.6, "success")
    assert [output.weight for output in result.outputs] == [3, 1, 1]


def test_weighted_takes_the_heaviest_answer_whatever_its_share() -> None:
    result = vote("a", "b", "c", weights=[1, 1.5, 1], strategy="weighted", resolve_conflicts="fail")
    assert (result.consensus, result.confidence, result.status) == ("b", 1.5 / 3.5, "success")


# Unanimous.


def test_unanimous_is_as_sure_as_the_two_that_are_least_similar() -> None:
    assert vote("Paris", "paris.", strategy="unanimous").confidence == 1.0
    result = vote("Capital of France: Paris", "Paris is the capital of France", strategy="unanimous")
    assert (result.status, round(result.confidence, 3)) == ("success", 0.833)


def test_unanimous_compares_all_with_all() -> None:
    for values in (["a", "b", "b"], ["b", "a", "b"], ["b", "b", "a"]):
        with pytest.raises(NoConsensus, match=r"^No unanimous consensus: outputs differ beyond threshold$"):
            vote(*values, strategy="unanimous", resolve_conflicts="fail")
        result = vote(*values, strategy="unanimous")
        assert (result.consensus, result.confidence, result.status) == ("b", 2 / 3, "partial")


def test_who_failed_is_not_of_one_mind_with_the_others() -> None:
    assert vote("a", "a", FAILED, strategy="unanimous").status == "partial"
    with pytest.raises(NoConsensus, match="some of the tasks failed"):
        vote("a", "a", FAILED, strategy="unanimous", resolve_conflicts="fail")


# Best.


def test_best_uses_the_weights() -> None:
    assert vote("a", "b", "c", strategy="best").consensus == "a"
    result = vote("a", "b", "a", strategy="best", weights=[1, 2, 1])
    assert (result.consensus, result.confidence, result.status) == ("b", 0.5, "success")


def test_best_takes_what_there_is() -> None:
    result = vote(FAILED, "b", strategy="best", weights=[2, 1])
    assert (result.consensus, result.confidence) == ("b", 1 / 3)


# Conflicts.


def test_a_vote_takes_the_most_common() -> None:
    result = vote("a", "b", "b", "c", "d")
    assert (result.consensus, result.confidence, result.status) == ("b", 0.4, "partial")


def test_best_resolves_by_weight() -> None:
    result = vote("a", "b", "c", resolve_conflicts="best", weights=[1, 2, 1])
    assert (result.consensus, result.confidence, result.status) == ("b", 0.5, "partial")


def test_texts_are_merged_each_once() -> None:
    result = vote("a", "B", "b.", "c", resolve_conflicts="merge")
    assert (result.consensus, result.confidence, result.status) == ("a | B | c", 0.5, "partial")
    assert vote("a", "b", FAILED, resolve_conflicts="merge").confidence == pytest.approx(1 / 3)


def test_what_is_merged_is_no_surer_than_an_agreement_would_have_to_be() -> None:
    result = vote("a", "b", "c", resolve_conflicts="merge", minimum_agreement=0.4)
    assert (result.consensus, result.confidence) == ("a | b | c", 0.4)


def test_the_text_is_the_one_that_most_have_written() -> None:
    assert vote("Paris", "paris", "paris").consensus == "paris"
    assert vote("paris", "Paris").consensus == "Paris"


def test_structures_are_merged_field_by_field() -> None:
    result = vote(
        {"a": 1, "tags": ["x"], "deep": {"p": 1}},
        {"a": 2, "tags": ["y", "x"], "deep": {"q": 2}},
        {"a": 2, "b": 3, "tags": []},
        resolve_conflicts="merge",
    )
    assert result.consensus == {"a": 2, "tags": ["x", "y"], "deep": {"p": 1, "q": 2}, "b": 3}
    assert vote([1, 2], [2, 3], resolve_conflicts="merge").consensus == [1, 2, 3]
    assert vote(1, 2, resolve_conflicts="merge").consensus == "1 | 2"


class Even(BaseModel):
    numbers: list[int]

    @field_validator("numbers")
    @classmethod
    def _even(cls, numbers: list[int]) -> list[int]:
        if len(numbers) % 2:
            raise ValueError("odd")
        return numbers


def test_what_is_merged_of_models_is_a_model() -> None:
    result = vote(Even(numbers=[1, 2]), Even(numbers=[3, 4]), resolve_conflicts="merge")
    assert result.consensus == Even(numbers=[1, 2, 3, 4])


def test_what_a_model_does_not_allow_is_voted_about_instead() -> None:
    result = vote(Even(numbers=[1, 2]), Even(numbers=[2, 3]), resolve_conflicts="merge")
    assert result.consensus == Even(numbers=[1, 2])
    assert [each.resolution for each in result.disagreements] == ["vote", "vote"]


# Tasks.


def test_a_task_returns_a_text_data_or_a_stream_and_need_not_be_async() -> None:
    async def says() -> Any:
        for word in ("par", "is"):
            yield l0.Event(l0.EventType.TOKEN, word)

    async def stream() -> l0.Stream:
        return await l0.run(says)

    result = asyncio.run(consensus([stream, lambda: "Paris", lambda: l0.run(says)]))
    assert (result.consensus, result.confidence, result.type) == ("paris", 1.0, "text")
    assert isinstance(result.outputs[0].l0_result, l0.Stream)
    assert result.outputs[0].text == "paris"
    assert result.outputs[1].l0_result is None


def test_numbers_bools_and_none_are_values() -> None:
    assert vote(1, 1.0, True).confidence == 2 / 3
    assert vote(None, None, 0).consensus is None
    result = vote({"a": 1}, {"a": 1.0})
    assert (result.confidence, result.type, result.outputs[0].data) == (1.0, "structured", {"a": 1})


def test_what_is_no_answer_has_failed() -> None:
    async def left() -> l0.Stream:
        async def says() -> Any:
            yield l0.Event(l0.EventType.TOKEN, "a")
            yield l0.Event(l0.EventType.TOKEN, "b")

        stream = await l0.run(says)
        await anext(stream)
        stream.abort()
        return stream

    async def unread() -> Any:
        yield "a"

    async def lonely() -> str:
        raise asyncio.CancelledError

    deep: list[Any] = []
    deep.append(deep)
    result = asyncio.run(consensus([left, unread, lonely, lambda: deep, "no task", lambda: "a"]))  # type: ignore[list-item]
    assert [output.success for output in result.outputs] == [False] * 5 + [True]
    assert [str(output.error).partition(":")[0] for output in result.outputs[:5]] == [
        "RuntimeError", "TypeError", "CancelledError", "ValueError", "TypeError",
    ]  # fmt: skip
    assert result.confidence == 1 / 6


# What a result says.


def test_a_result_says_who_agrees_and_who_does_not() -> None:
    result = vote("Paris", "Lyon", "paris.", FAILED, minimum_agreement=0.5)
    assert result.agreements == [Agreement("Paris", None, 2, 0.5, [0, 2], "exact")]
    assert result.disagreements == [
        Disagreement(
            None,
            [DisagreementValue("Paris", 2, [0, 2]), DisagreementValue("Lyon", 1, [1])],
            "major",
            "majority",
            0.5,
        )
    ]
    assert result.field_consensus is None
    assert result.outputs[0].similarities == [1.0, 0.0, 1.0, 0.0]
    assert result.outputs[3].similarities is None


def test_the_analysis_has_the_numbers() -> None:
    analysis = vote("a", "A", "b", FAILED, resolve_conflicts="best").analysis
    assert (analysis.total_outputs, analysis.successful_outputs, analysis.failed_outputs) == (4, 3, 1)
    assert analysis.identical_outputs == 2
    assert analysis.similarity_matrix == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert (analysis.average_similarity, analysis.min_similarity, analysis.max_similarity) == (1 / 3, 0.0, 1.0)
    assert (analysis.total_agreements, analysis.total_disagreements) == (1, 1)
    assert (analysis.strategy, analysis.conflict_resolution) == ("majority", "best")
    assert analysis.duration_ms > 0


def test_fields_are_told_apart_by_their_paths() -> None:
    result = vote(
        {"user": {"name": "Ada", "tags": ["x", "y"]}, "a.b": 1},
        {"user": {"name": "ada", "tags": ["x"]}, "a.b": 2},
        {"user": {"name": "Bob", "tags": ["x"]}, "a.b": 2},
    )
    said = result.field_consensus
    assert said is not None
    assert said.fields["user.name"] == FieldAgreement(
        "user.name", "Ada", 2 / 3, {"Ada": 2, "Bob": 1}, ["Ada", "ada", "Bob"], unanimous=False, confidence=2 / 3
    )
    assert said.fields["user.tags[1]"].agreement == 1 / 3
    assert said.fields['["a.b"]'].value == 2
    assert said.agreed_fields == ["user.tags[0]"]
    assert said.disagreed_fields == ["user.name", "user.tags[1]", '["a.b"]']
    assert said.overall_agreement == pytest.approx((2 / 3 + 1 + 1 / 3 + 2 / 3) / 4)
    assert {each.path: each.severity for each in result.disagreements} == {
        "user.name": "moderate", "user.tags[1]": "critical", '["a.b"]': "moderate",
    }  # fmt: skip


# The presets.


def test_the_presets_are_as_documented() -> None:
    assert strict_consensus == ConsensusPreset("unanimous", 1.0, "fail", 1.0)
    assert standard_consensus == ConsensusPreset("majority", 0.8, "vote", 0.6)
    assert lenient_consensus == ConsensusPreset("majority", 0.7, "merge", 0.5)
    assert best_consensus == ConsensusPreset("best", 0.8, "best", 0.5)


@dataclass
class Case:
    preset: ConsensusPreset
    call: Callable[..., Any]


PRESETS = [
    Case(strict_consensus, Consensus.strict),
    Case(standard_consensus, Consensus.standard),
    Case(lenient_consensus, Consensus.lenient),
    Case(best_consensus, Consensus.best),
]


@pytest.mark.parametrize("case", PRESETS, ids=lambda case: case.preset.strategy)
def test_a_preset_is_its_options(case: Case) -> None:
    tasks = [task("a"), task("a")]
    by_name, by_options = asyncio.run(case.call(tasks)), asyncio.run(consensus(tasks, **asdict(case.preset)))
    assert by_name.analysis.strategy == by_options.analysis.strategy == case.preset.strategy
    assert by_name.analysis.conflict_resolution == case.preset.resolve_conflicts
    assert (by_name.consensus, by_name.confidence) == (by_options.consensus, by_options.confidence) == ("a", 1.0)


def test_strict_fails_where_lenient_merges() -> None:
    tasks = [task("a"), task("b"), task("c")]
    with pytest.raises(NoConsensus):
        asyncio.run(Consensus.strict(tasks))
    assert asyncio.run(Consensus.lenient(tasks)).consensus == "a | b | c"
    assert asyncio.run(Consensus.standard(tasks)).status == "partial"


def test_the_face_shows_the_module_and_calls_the_function() -> None:
    from l0.consensus import Consensus as Shown

    assert Shown is Consensus
    assert asyncio.run(l0.consensus([task("a"), task("a")])).consensus == "a"
    assert l0.consensus.quick_consensus is quick_consensus
