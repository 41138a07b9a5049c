"""What a consensus is made of, and what it returns and raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

__all__ = [
    "CANCELLED",
    "Agreement",
    "AgreementType",
    "ConflictResolution",
    "ConsensusAnalysis",
    "ConsensusOutput",
    "ConsensusPreset",
    "ConsensusResult",
    "Disagreement",
    "DisagreementSeverity",
    "DisagreementValue",
    "FieldAgreement",
    "FieldConsensus",
    "FieldConsensusInfo",
    "NoConsensus",
    "Status",
    "Strategy",
    "best_consensus",
    "lenient_consensus",
    "standard_consensus",
    "strict_consensus",
]

T = TypeVar("T")

Strategy = Literal["unanimous", "majority", "weighted", "best"]
ConflictResolution = Literal["vote", "merge", "best", "fail"]
AgreementType = Literal["exact", "similar", "structural"]
"""The same value; texts that differ in a few words; a field that the same stands in."""
DisagreementSeverity = Literal["minor", "moderate", "major", "critical"]
Status = Literal["success", "partial", "failed"]

CANCELLED = "cancelled: the vote was decided"
"""The `error` of an output that was not waited for."""


@dataclass
class ConsensusOutput:
    """What came of one task.

    `value` is what is compared: the text, or the data. `text` is the text of it, as the model answered it if a model
    did. `l0_result` is the stream and `structured_result` the StructuredResult that it came from, if there is one.
    `similarities` are those to all outputs, itself included, in their order. A failed output has an `error`; one that
    was `cancelled` has neither failed nor succeeded.
    """

    index: int
    text: str
    value: Any
    success: bool
    data: Any = None
    l0_result: Any = None
    structured_result: Any = None
    error: str | None = None
    duration_ms: float = 0.0
    weight: float = 1.0
    similarities: list[float] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the vote was decided before it came."""
        return not self.success and self.error == CANCELLED


@dataclass
class Agreement:
    """What several outputs say: the content, and at `path` if it is a field. `ratio` is their share of all outputs."""

    content: Any
    path: str | None = None
    count: int = 0
    ratio: float = 0.0
    indices: list[int] = field(default_factory=list)
    type: AgreementType = "exact"


@dataclass
class DisagreementValue:
    """One of the values in a disagreement, and the outputs that have it."""

    value: Any
    count: int
    indices: list[int]


@dataclass
class Disagreement:
    """What outputs do not agree about, at `path` if it is a field.

    `severity` goes by the share of all outputs that the most common value has: from 0.8 on it is minor, from 0.6
    moderate, from 0.4 major, and critical below. `resolution` says what decided, with which confidence.
    """

    path: str | None = None
    values: list[DisagreementValue] = field(default_factory=list)
    severity: DisagreementSeverity = "minor"
    resolution: str | None = None
    resolution_confidence: float | None = None


@dataclass
class ConsensusAnalysis:
    """The outputs in numbers. `duration_ms` is in milliseconds.

    Those that were cancelled are in `total_outputs` alone. `identical_outputs` have another that says exactly the same.
    The matrix has a row and a column for each output; all is 0 in those of one without a value. The average, the
    least and the greatest similarity are those of pairs of successful outputs, and 0 without a pair.
    """

    total_outputs: int = 0
    successful_outputs: int = 0
    failed_outputs: int = 0
    identical_outputs: int = 0
    similarity_matrix: list[list[float]] = field(default_factory=list)
    average_similarity: float = 0.0
    min_similarity: float = 0.0
    max_similarity: float = 0.0
    total_agreements: int = 0
    total_disagreements: int = 0
    strategy: str = ""
    conflict_resolution: str = ""
    duration_ms: float = 0.0


@dataclass
class FieldAgreement:
    """What the outputs say in one field: the most common value, and how many say what, by its text.

    `values` are those of all outputs that have the field. `agreement` is the share of all outputs that say `value`,
    those that failed or have no such field counted; `confidence` is the same. `unanimous`: all say it.
    """

    path: str
    value: Any
    agreement: float
    votes: dict[str, int]
    values: list[Any]
    unanimous: bool
    confidence: float


FieldConsensusInfo = FieldAgreement


@dataclass
class FieldConsensus:
    """The fields by their paths (`a.b[0].c`), those that all outputs agree about, and the others."""

    fields: dict[str, FieldAgreement] = field(default_factory=dict)
    overall_agreement: float = 0.0
    agreed_fields: list[str] = field(default_factory=list)
    disagreed_fields: list[str] = field(default_factory=list)


@dataclass
class ConsensusResult(Generic[T]):
    """The answer made of several: `consensus`.

    `confidence` is from 0 to 1, and counts outputs that failed. `status` is "success" if the strategy came to an
    answer, and "partial" if a conflict had to be resolved. `type` is "text" if all values are. `field_consensus` is
    there if values have fields.
    """

    consensus: T
    confidence: float
    outputs: list[ConsensusOutput]
    agreements: list[Agreement]
    disagreements: list[Disagreement]
    analysis: ConsensusAnalysis
    type: Literal["text", "structured"] = "text"
    field_consensus: FieldConsensus | None = None
    status: Status = "success"


@dataclass
class ConsensusPreset:
    """Options under one name: `consensus(tasks, **asdict(strict_consensus))`."""

    strategy: Strategy
    threshold: float
    resolve_conflicts: ConflictResolution
    minimum_agreement: float


strict_consensus = ConsensusPreset("unanimous", 1.0, "fail", 1.0)
standard_consensus = ConsensusPreset("majority", 0.8, "vote", 0.6)
lenient_consensus = ConsensusPreset("majority", 0.7, "merge", 0.5)
best_consensus = ConsensusPreset("best", 0.8, "best", 0.5)


class NoConsensus(ValueError):
    """There is no answer. `outputs` are those there are; the message says nothing of what is in them."""

    def __init__(self, message: str, outputs: Sequence[ConsensusOutput]) -> None:
        super().__init__(message)
        self.outputs = [*outputs]
