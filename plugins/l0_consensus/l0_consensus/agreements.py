"""What outputs agree and disagree about, as wholes and field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from l0_consensus import fields, values
from l0_consensus.results import (
    Agreement,
    AgreementType,
    ConsensusOutput,
    ConsensusResult,
    Disagreement,
    DisagreementSeverity,
    DisagreementValue,
    FieldConsensus,
)
from l0_consensus.tally import DEFAULT_THRESHOLD, PRECISION, Tally, tally_of

__all__ = [
    "agreements_of",
    "calculate_field_consensus",
    "calculate_output_similarity",
    "calculate_similarity_matrix",
    "calculate_structural_similarity",
    "disagreements_of",
    "find_agreements",
    "find_disagreements",
    "get_consensus_value",
    "meets_minimum_agreement",
    "quick_consensus",
    "validate_consensus",
]

T = TypeVar("T")

SEVERITIES: tuple[tuple[float, DisagreementSeverity], ...] = (
    (0.8, "minor"),
    (0.6, "moderate"),
    (0.4, "major"),
    (0.0, "critical"),
)


def calculate_similarity_matrix(outputs: Sequence[ConsensusOutput | Any]) -> list[list[float]]:
    """The similarity of each output, or value, to each: 1 to itself, and 0 to all if it failed or was cancelled."""
    return tally_of(outputs).matrix


def calculate_output_similarity(a: ConsensusOutput | Any, b: ConsensusOutput | Any) -> float:
    """How far two outputs, or values, say the same, from 0 to 1. They say nothing in common if they contradict.

    Numbers, dates, bools and None are the same or not. Texts have words in common; but texts that differ in a number, a
    date, a negation or a name are not similar at all. Structures are as similar as those of their parts that are least
    so. Raises ValueError for a value that is nested too deep.
    """
    return tally_of((a, b)).matrix[0][1]


def calculate_structural_similarity(a: Any, b: Any) -> float:
    """How near two values are, from 0 to 1, which is not whether they agree: 42 and 43 are near.

    Numbers by their difference, texts by their words, arrays place by place, objects over the names of both, on
    average. Raises ValueError for a value that is nested too deep.
    """
    return values.nearness(a, b)


def find_agreements(outputs: Sequence[ConsensusOutput | Any], threshold: float = DEFAULT_THRESHOLD) -> list[Agreement]:
    """What several outputs say: as wholes, and if they have fields, what that share of all outputs says in one.

    What is similar by `threshold` agrees.
    """
    return agreements_of(tally_of(outputs, threshold))


def agreements_of(tally: Tally) -> list[Agreement]:
    """What several outputs of a tally say."""
    found = []
    for group in tally.groups():
        exact = len(tally.alike(group[0])) == len(group)
        found.append(_agreement(tally, tally.outputs[group[0]].value, None, group, "exact" if exact else "similar"))
    for path, said in fields.fields_of(tally):
        most = fields.agreeing(said, tally.threshold)[0]
        if len(most) >= tally.threshold * len(tally.outputs):
            places = [held.place for held in most]
            found.append(_agreement(tally, fields.most_common(most), path, places, "structural"))
    return [agreement for agreement in found if agreement.count > 1]


def _agreement(tally: Tally, content: Any, path: str | None, places: Sequence[int], kind: AgreementType) -> Agreement:
    count = len(places)
    return Agreement(content, path, count, count / len(tally.outputs), _indices(tally, places), kind)


def _indices(tally: Tally, places: Sequence[int]) -> list[int]:
    return [tally.outputs[place].index for place in sorted(places)]


def find_disagreements(
    outputs: Sequence[ConsensusOutput | Any], threshold: float = DEFAULT_THRESHOLD
) -> list[Disagreement]:
    """What outputs say that do not agree: field by field if all have fields, and otherwise as wholes.

    Outputs that lack a field that others have disagree about it, and are in none of its values.
    """
    return disagreements_of(tally_of(outputs, threshold))


def disagreements_of(tally: Tally) -> list[Disagreement]:
    """What the outputs of a tally say that do not agree."""
    groups = tally.groups()
    if len(groups) < 2:
        return []
    found = []
    if all(isinstance(made, values.Parts) for made in tally.forms.values()):
        for path, said in fields.fields_of(tally):
            agreeing = fields.agreeing(said, tally.threshold)
            if len(agreeing) > 1 or len(agreeing[0]) < len(tally.forms):
                contents = [fields.most_common(group) for group in agreeing]
                found.append(_disagreement(tally, path, contents, [[held.place for held in g] for g in agreeing]))
    return found or [_disagreement(tally, None, [tally.outputs[group[0]].value for group in groups], groups)]


def _disagreement(
    tally: Tally, path: str | None, contents: Sequence[Any], groups: Sequence[Sequence[int]]
) -> Disagreement:
    share = round(max(map(tally.share, groups)), PRECISION)
    return Disagreement(
        path,
        [
            DisagreementValue(content, len(group), _indices(tally, group))
            for content, group in zip(contents, groups, strict=True)
        ],
        next(severity for least, severity in SEVERITIES if share >= least),
    )


def calculate_field_consensus(outputs: Sequence[ConsensusOutput | Any]) -> FieldConsensus:
    """What outputs that are structures say in each of their fields. Those that failed count as outputs."""
    return fields.field_consensus(tally_of(outputs))


def meets_minimum_agreement(agreements: Sequence[Agreement], outputs_count: int, threshold: float) -> bool:
    """Whether one of the agreements is that of a share of `threshold` of the outputs.

    Those about the whole count; if there are none, those about fields.
    """
    wholes = [agreement for agreement in agreements if agreement.path is None]
    return any(agreement.count >= threshold * outputs_count for agreement in wholes or agreements)


def quick_consensus(outputs: Sequence[ConsensusOutput | Any], threshold: float = DEFAULT_THRESHOLD) -> bool:
    """Whether a share of `threshold` of the outputs, or values, say exactly the same."""
    tally = tally_of(outputs)
    most = max((len(tally.alike(index)) for index in tally.forms), default=0)
    return bool(most) and most >= threshold * len(tally.outputs)


def get_consensus_value(outputs: Sequence[ConsensusOutput | T]) -> T | None:
    """The value that most outputs have, or the first of those; None if none has a value."""
    tally = tally_of(outputs)
    if not tally.forms:
        return None
    found: T = tally.outputs[max(sorted(tally.forms), key=lambda index: len(tally.alike(index)))].value
    return found


def validate_consensus(result: ConsensusResult[Any], min_confidence: float = 0.8, max_disagreements: int = 0) -> bool:
    """Whether a result has that confidence, and no more disagreements that are major or critical."""
    grave = sum(disagreement.severity in ("major", "critical") for disagreement in result.disagreements)
    return result.confidence >= min_confidence and grave <= max_disagreements
