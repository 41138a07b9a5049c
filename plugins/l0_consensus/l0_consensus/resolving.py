"""One output made of several, or chosen among them, whatever they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from l0_consensus.fields import Held, joined
from l0_consensus.results import ConsensusOutput
from l0_consensus.tally import Tally, tally_of
from l0_consensus.values import Parts, at_once, form, text_of

__all__ = ["heaviest", "made_of", "resolve_best", "resolve_majority", "resolve_merge", "united"]


def resolve_majority(outputs: Sequence[ConsensusOutput], weights: Sequence[float] | None = None) -> ConsensusOutput:
    """The output that is most similar to all others; of structures, one made of what most of them say in each field.

    If that is not what their model allows, it is the most similar of them. Raises ValueError if no output has a value,
    or there are not as many weights.
    """
    tally = _with_values(outputs, weights)
    nearest = tally.outputs[tally.nearest()]
    if not _are_structures(tally):
        return nearest
    try:
        value = joined(_held(tally), union=False)
    except ValueError:
        return nearest
    key = at_once(form(value)).key
    same = (tally.outputs[place] for place, made in sorted(tally.forms.items()) if made.key == key)
    return next(same, None) or made_of(nearest, value)


def resolve_best(outputs: Sequence[ConsensusOutput], weights: Sequence[float] | None = None) -> ConsensusOutput:
    """The output of most weight, the first of those. Raises as `resolve_majority` does."""
    tally = _with_values(outputs, weights)
    return tally.outputs[heaviest(tally)]


def resolve_merge(outputs: Sequence[ConsensusOutput]) -> ConsensusOutput:
    """An output that has all in it: the different texts as paragraphs, the fields and items of all structures.

    Where structures have different values in a field, it is the one that most of them have. If that is not what their
    model allows, it is the output that is most similar to the others. Raises ValueError if no output has a value.
    """
    tally = _with_values(outputs, None)
    try:
        value = united(tally, "\n\n")
    except ValueError:
        return tally.outputs[tally.nearest()]
    return made_of(tally.outputs[min(tally.forms)], value)


def heaviest(tally: Tally) -> int:
    """The place of the output of most weight, of those with a value; the first of equals."""
    return max(sorted(tally.forms), key=lambda index: tally.weights[index])


def united(tally: Tally, between: str) -> Any:
    """A value that has those of all outputs in it. Raises ValueError if their model does not allow it."""
    if _are_structures(tally):
        return joined(_held(tally), union=True)
    different: dict[Any, ConsensusOutput] = {}
    for index in sorted(tally.forms):
        different.setdefault(tally.forms[index].key, tally.outputs[index])
    if len(different) == 1:
        return next(iter(different.values())).value
    return between.join(output.text for output in different.values())


def _with_values(outputs: Sequence[ConsensusOutput], weights: Sequence[float] | None) -> Tally:
    tally = tally_of(outputs, weights=weights)
    if not tally.forms:
        raise ValueError("no output has a value")
    return tally


def _are_structures(tally: Tally) -> bool:
    return all(isinstance(made, Parts) for made in tally.forms.values())


def _held(tally: Tally) -> list[Held]:
    return [Held(index, tally.forms[index], tally.weights[index]) for index in sorted(tally.forms)]


def made_of(output: ConsensusOutput, value: Any) -> ConsensusOutput:
    """An output like another, with another value."""
    data = None if isinstance(value, str) else value
    return replace(output, value=value, data=data, text=text_of(value))
