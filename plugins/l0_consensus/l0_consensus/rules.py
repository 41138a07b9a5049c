"""What decides a vote, when it is decided, and what its outcome is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, get_args

from l0_consensus.resolving import heaviest, united
from l0_consensus.results import ConflictResolution, Status, Strategy
from l0_consensus.tally import PRECISION, Tally

__all__ = ["Rules", "Verdict", "checked_weights"]

MERGED = 0.5
"""The confidence in what was merged, since no output has said it so."""


class Verdict(NamedTuple):
    """What a vote comes to: a value, how sure that is, and what decided it; or the problem why there is none."""

    value: Any
    confidence: float
    status: Status
    method: str
    problem: str = ""


def checked_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """The weights of so many outputs: 1 each, unless given.

    Raises ValueError if there are not as many, or one is negative or not finite, or all are 0.
    """
    if weights is None:
        return [1.0] * count
    if len(weights) != count:
        raise ValueError(f"weights must be as many as the tasks: there are {len(weights)} weights for {count} tasks")
    if not all(isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise ValueError(f"weights must be 0 or more, finite, and not all 0; they are {[*weights]!r}")
    return [float(weight) for weight in weights]


@dataclass(frozen=True)
class Rules:
    """The options of a vote. Raises ValueError for what cannot be meant."""

    strategy: Strategy
    threshold: float
    resolve_conflicts: ConflictResolution
    minimum_agreement: float

    def __post_init__(self) -> None:
        for name, kind in (("strategy", Strategy), ("resolve_conflicts", ConflictResolution)):
            if (given := getattr(self, name)) not in get_args(kind):
                raise ValueError(f"{name} is {given!r}; it must be one of {', '.join(map(repr, get_args(kind)))}")
        for name in ("threshold", "minimum_agreement"):
            if not 0 <= (given := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {given!r}; it must be from 0 to 1")

    def is_decided(self, tally: Tally, waiting: Sequence[int]) -> bool:
        """Whether no task that is waited for can change what the outcome is, whatever comes of it."""
        if not waiting:
            return True
        if self.strategy == "best":
            return bool(tally.forms) and tally.weights[heaviest(tally)] >= max(tally.weights[i] for i in waiting)
        if self.strategy == "unanimous":
            return self.resolve_conflicts == "fail" and not self._is_unanimous(tally)
        left, with_value = tally.weight(waiting), tally.weight(tally.forms)
        whole = tally.weight(tally.outputs) + left
        needed = round(self.minimum_agreement, PRECISION) if self.strategy == "majority" else 0.0
        if round((with_value + left) / whole, PRECISION) < needed:
            return self.resolve_conflicts == "fail"
        if not tally.forms:
            return False
        leader = tally.leader()
        support = round(tally.weight(tally.supporters(leader)) / whole, PRECISION)
        # Who agrees with the leader in other words might agree with an answer to come that the leader disagrees with.
        rival = round((left + with_value - tally.weight(tally.alike(leader))) / whole, PRECISION)
        return support >= needed and support > rival

    def verdict(self, tally: Tally) -> Verdict:
        """What the outputs that have come amount to."""
        if not tally.forms:
            return Verdict(None, 0.0, "failed", self.strategy, "All tasks failed, no consensus possible")
        if self.strategy == "best":
            return self._chosen(tally, heaviest(tally), "success", "best")
        leader = tally.leader()
        if self.strategy == "unanimous":
            if self._is_unanimous(tally):
                confidence = tally.cohesion([*tally.forms])
                return Verdict(tally.outputs[leader].value, confidence, "success", "unanimous")
            return self.resolved(tally, f"No unanimous consensus: {self._why_not_unanimous(tally)}")
        share = tally.share(tally.supporters(leader))
        if self.strategy == "majority" and round(share, PRECISION) < round(self.minimum_agreement, PRECISION):
            problem = (
                f"No majority consensus: {share:.2f} of the outputs agree, {self.minimum_agreement:.2f} are needed"
            )
            return self.resolved(tally, problem)
        return self._chosen(tally, leader, "success", self.strategy)

    def resolved(self, tally: Tally, problem: str, method: ConflictResolution | None = None) -> Verdict:
        """What is made of outputs that do not agree, in the way that was chosen or in another."""
        method = method or self.resolve_conflicts
        if method == "fail":
            return Verdict(None, 0.0, "failed", "fail", problem)
        leader = tally.leader()
        if method == "vote":
            return self._chosen(tally, leader, "partial", "vote")
        if method == "best":
            index = heaviest(tally)
            confidence = tally.share([index]) * self._cohesion(tally, index)
            return Verdict(tally.outputs[index].value, confidence, "partial", "best")
        try:
            value = united(tally, " | ")
        except ValueError:  # What was merged is not what the model of the outputs allows.
            return self.resolved(tally, problem, "vote")
        # No more than what an agreement would have had to have.
        most = min(MERGED, self.minimum_agreement)
        confidence = most * tally.share(tally.forms) * self._cohesion(tally, leader)
        return Verdict(value, confidence, "partial", "merge")

    def _chosen(self, tally: Tally, index: int, status: Status, method: str) -> Verdict:
        """An output, with the confidence that the others have in it."""
        confidence = tally.share(tally.supporters(index)) * self._cohesion(tally, index)
        return Verdict(tally.outputs[index].value, confidence, status, method)

    def _cohesion(self, tally: Tally, index: int) -> float:
        """What the confidence of those who agree with an output is multiplied with.

        Of a unanimous vote the confidence is that of the two that are least similar. It must not be less than what is
        left when one fails.
        """
        return tally.cohesion(tally.supporters(index)) if self.strategy == "unanimous" else 1.0

    def _is_unanimous(self, tally: Tally) -> bool:
        return not tally.failed and self._do_agree(tally)

    def _why_not_unanimous(self, tally: Tally) -> str:
        return "some of the tasks failed" if self._do_agree(tally) else "outputs differ beyond threshold"

    @staticmethod
    def _do_agree(tally: Tally) -> bool:
        """Whether each two of the outputs agree."""
        forms = [*tally.forms]
        return all(tally.agree(a, b) for at, a in enumerate(forms) for b in forms[:at])
