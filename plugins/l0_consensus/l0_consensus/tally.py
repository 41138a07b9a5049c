"""Who agrees with whom: the similarity of outputs, and the one that most of the others agree with."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from math import fsum
from typing import Any

from l0_consensus.results import ConsensusOutput
from l0_consensus.texts import TURN
from l0_consensus.values import Form, Key, at_once, form, similarity, text_of

__all__ = ["DEFAULT_THRESHOLD", "PRECISION", "Tally", "as_outputs", "tally_of"]

DEFAULT_THRESHOLD = 0.8
"""A similarity from which on outputs agree."""

PRECISION = 9
"""Digits of shares and sums: two that differ by less do so because of how floats add up."""


class Tally:
    """The outputs that have come, by their places, and how similar those with a value are.

    Nothing that it says depends on the order in which they come.
    """

    def __init__(self, weights: Sequence[float], threshold: float = DEFAULT_THRESHOLD) -> None:
        self.weights, self.threshold = weights, round(threshold, PRECISION)
        self.matrix = [[0.0] * len(weights) for _ in weights]
        self.outputs: dict[int, ConsensusOutput] = {}
        """Those that have come, in that order. Those without a form have failed."""
        self.forms: dict[int, Form] = {}
        self._places: dict[Key, list[int]] = {}
        self._allies: dict[int, set[int]] = {}

    def add(self, index: int, output: ConsensusOutput, made: Form | None) -> Generator[None, None, None]:
        """Add an output, with its form if it has a value; compare it with the others, some of them in each turn."""
        if made is not None:
            self.matrix[index][index] = 1.0
            self._allies[index] = {index}
            same = self._places.get(made.key)
            for places in [*self._places.values()]:
                other = self.forms[places[0]]
                similar = self.matrix[same[0]][places[0]] if same else similarity(made, other)
                for place in places:
                    self.matrix[index][place] = self.matrix[place][index] = similar
                    if round(similar, PRECISION) >= self.threshold:
                        self._allies[index].add(place)
                        self._allies[place].add(index)
                if not same and made.size + other.size > TURN:
                    yield
            self.forms[index] = made
            self._places.setdefault(made.key, []).append(index)
        self.outputs[index] = output

    @property
    def failed(self) -> list[int]:
        return [index for index in self.outputs if index not in self.forms]

    @property
    def unlike(self) -> int:
        """How many outputs there are of which no two say exactly the same."""
        return len(self._places)

    def alike(self, index: int) -> list[int]:
        """The outputs that say exactly the same as one, itself included."""
        return self._places[self.forms[index].key]

    def weight(self, indices: Collection[int]) -> float:
        return fsum(self.weights[index] for index in indices)

    def share(self, indices: Collection[int]) -> float:
        """The share that some have of the weight of all that have come."""
        whole = self.weight(self.outputs)
        return self.weight(indices) / whole if whole else 0.0

    def agree(self, a: int, b: int) -> bool:
        return b in self._allies[a]

    def supporters(self, index: int, among: Collection[int] | None = None) -> list[int]:
        """The outputs that agree with one, itself included, in their order."""
        allies = self._allies[index]
        return sorted(allies if among is None else allies.intersection(among))

    def leader(self, among: Collection[int] | None = None) -> int:
        """The output that those of most weight agree with.

        Of equals it is the one that is most similar to all, then the one whose very text is found most often; and then
        the one whose text comes first by the alphabet, since the order of the outputs must not decide.
        """
        some = self.forms if among is None else among

        def rank(index: int) -> tuple[Any, ...]:
            text = self.outputs[index].text
            letter_by_letter = [j for j in self.alike(index) if j in some and self.outputs[j].text == text]
            similar = fsum(self.matrix[index][other] * self.weights[other] for other in some)
            return (
                -round(self.share(self.supporters(index, some)), PRECISION),
                -round(similar, PRECISION),
                -round(self.share(letter_by_letter), PRECISION),
                text,
            )

        return min(some, key=rank)

    def nearest(self) -> int:
        """The output whose similarities to all, by their weights, are the most in sum."""

        def rank(index: int) -> tuple[Any, ...]:
            row = self.matrix[index]
            return -round(fsum(row[j] * self.weights[j] for j in self.forms), PRECISION), self.outputs[index].text

        return min(self.forms, key=rank)

    def groups(self) -> list[list[int]]:
        """The outputs by what they say: those that agree with the leader, then with the leader of the others, ..."""
        found, left = [], set(self.forms)
        while left:
            leader = self.leader(left)
            group = self.supporters(leader, left)
            found.append([leader, *(index for index in group if index != leader)])
            left.difference_update(group)
        return found

    def cohesion(self, indices: Sequence[int]) -> float:
        """The similarity of the two of some that are least similar, and 1 if there are no two."""
        return min((self.matrix[a][b] for at, a in enumerate(indices) for b in indices[:at]), default=1.0)

    def pairs(self) -> list[float]:
        """The similarities of all pairs."""
        indices = [*self.forms]
        return [self.matrix[a][b] for at, a in enumerate(indices) for b in indices[:at]]


def as_outputs(values: Sequence[Any]) -> list[ConsensusOutput]:
    """Outputs, and values as outputs."""
    return [
        value if isinstance(value, ConsensusOutput) else ConsensusOutput(index, text_of(value), value, success=True)
        for index, value in enumerate(values)
    ]


def tally_of(
    values: Sequence[Any], threshold: float = DEFAULT_THRESHOLD, weights: Sequence[float] | None = None
) -> Tally:
    """A tally of outputs, or of values: those that were cancelled are left out. The weights are those of the outputs.

    Raises ValueError if there are not as many weights.
    """
    outputs = as_outputs(values)
    if weights is not None and len(weights) != len(outputs):
        raise ValueError(f"there are {len(weights)} weights for {len(outputs)} outputs")
    tally = Tally([output.weight for output in outputs] if weights is None else weights, threshold)
    for place, output in enumerate(outputs):
        if not output.cancelled:
            at_once(tally.add(place, output, at_once(form(output.value)) if output.success else None))
    return tally
