"""The fields of structures: what the outputs say in each, and a structure made of what most of them say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import Any, NamedTuple

from l0_consensus.results import FieldAgreement, FieldConsensus
from l0_consensus.tally import PRECISION, Tally
from l0_consensus.values import Form, Parts, similarity, text_of

__all__ = ["Field", "agreeing", "field_consensus", "fields_of", "joined", "most_common", "path_of"]

_PLAIN = re.compile(r"[^\W\d][\w-]*")

Path = tuple[str | int, ...]


class Held(NamedTuple):
    """What an output has in a field: the place of the output, what is compared, and its weight."""

    place: int
    form: Form
    weight: float


class Field(NamedTuple):
    """A field, and the outputs that have it by what they say in it, the most common first."""

    path: str
    said: list[list[Held]]


def path_of(path: Path) -> str:
    """`a.b[0].c`; a name that would be read otherwise is in quotation marks: `["a.b"]`."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            written += f".{step}" if written else step
        else:
            written += f"[{json.dumps(step, ensure_ascii=False)}]"
    return written


def fields_of(tally: Tally) -> list[Field]:
    """The fields of the outputs: whatever has no parts, by its path. A value that is no structure has none."""
    found: dict[Path, list[Held]] = {}
    for index in sorted(tally.forms):
        made = tally.forms[index]
        if isinstance(made, Parts) and made.parts:
            for path, leaf in _leaves(made, ()):
                found.setdefault(path, []).append(Held(index, leaf, tally.weights[index]))
    return [Field(path_of(path), _said(held)) for path, held in found.items()]


def _leaves(made: Form, path: Path) -> Iterator[tuple[Path, Form]]:
    if not isinstance(made, Parts) or not made.parts:
        yield path, made
        return
    for step, part in made.parts.items():
        yield from _leaves(part, (*path, step))


def _said(held: Iterable[Held]) -> list[list[Held]]:
    """Outputs by what they say, those of most weight first; of equals, by the alphabet."""
    groups: dict[Any, list[Held]] = {}
    for each in held:
        groups.setdefault(each.form.key, []).append(each)
    return sorted(groups.values(), key=lambda group: (-_weight(group), min(text_of(each.form.value) for each in group)))


def agreeing(said: Sequence[Sequence[Held]], threshold: float) -> list[list[Held]]:
    """The same with what is similar by a threshold taken together, those of most weight first."""
    found: list[list[Held]] = []
    for group in said:
        near = (other for other in found if similarity(group[0].form, other[0].form) >= threshold)
        other = next(near, None)
        if other is None:
            found.append([*group])
        else:
            other.extend(group)
    return sorted(found, key=lambda group: -_weight(group))


def _weight(held: Iterable[Held]) -> float:
    return round(fsum(each.weight for each in held), PRECISION)


def most_common(held: Sequence[Held]) -> Any:
    """The value that outputs have that say the same: as most of them write it; of equals, by the alphabet."""
    written: dict[str, list[Held]] = {}
    for each in held:
        written.setdefault(text_of(each.form.value), []).append(each)
    return min(written.items(), key=lambda item: (-_weight(item[1]), item[0]))[1][0].form.value


def field_consensus(tally: Tally) -> FieldConsensus:
    """What the outputs say in each field, each output counting once."""
    whole = len(tally.outputs)
    made = FieldConsensus()
    for path, said in fields_of(tally):
        said = sorted(said, key=lambda group: -len(group))
        count = len(said[0])
        held = sorted((each for group in said for each in group), key=lambda each: each.place)
        made.fields[path] = FieldAgreement(
            path,
            most_common(said[0]),
            agreement=count / whole,
            votes=_votes(said),
            values=[each.form.value for each in held],
            unanimous=count == whole,
            confidence=count / whole,
        )
        (made.agreed_fields if count == whole else made.disagreed_fields).append(path)
    if made.fields:
        made.overall_agreement = fsum(field.agreement for field in made.fields.values()) / len(made.fields)
    return made


def _votes(said: Sequence[Sequence[Held]]) -> dict[str, int]:
    """How many say what. Values of one text that are not the same, like 1 and "1", are told apart."""
    votes: dict[str, int] = {}
    for group in said:
        value = most_common(group)
        text = text_of(value)
        votes[repr(value) if text in votes else text] = len(group)
    return votes


def joined(held: Sequence[Held], union: bool) -> Any:
    """A value made of several: of objects, field by field; of arrays, place by place; else what most of them say.

    What most of them have is in it; with `union` what any has, and arrays have the items of all. Of objects of a model
    an object of it is made; raises ValueError if it does not allow that.
    """
    kinds: dict[str, list[Held]] = {}
    for each in held:
        kind = each.form.key[0] if isinstance(each.form, Parts) else "whole"
        kinds.setdefault(kind, []).append(each)
    kind, some = min(kinds.items(), key=lambda item: (-_weight(item[1]), item[0]))
    if kind == "whole":
        return most_common(_said(some)[0])
    if kind == "array" and union:
        items = {part.key: part.value for each in some for part in _parts(each).values()}
        return [*items.values()]
    made: dict[Any, Any] = {}
    for step in dict.fromkeys(step for each in some for step in _parts(each)):
        having = [Held(each.place, _parts(each)[step], each.weight) for each in some if step in _parts(each)]
        if union or _weight(having) > _weight(some) / 2:
            made[step] = joined(having, union)
    if kind == "array":
        return [*made.values()]
    validate = getattr(type(some[0].form.value), "model_validate", None)
    return validate(made) if validate else made


def _parts(held: Held) -> Mapping[Any, Form]:
    assert isinstance(held.form, Parts)
    return held.form.parts
