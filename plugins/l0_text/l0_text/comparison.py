"""Comparing what came with what was expected: strings, numbers, objects, and their differences."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, get_args

from l0_text.options import one_of
from l0_text.similarity import (
    StringComparisonOptions,
    compare_strings,
    cosine_similarity,
    jaro_winkler_similarity,
    levenshtein_distance,
    levenshtein_similarity,
)

__all__ = [
    "Compare",
    "Difference",
    "DifferenceSeverity",
    "DifferenceType",
    "ObjectComparisonOptions",
    "StringComparisonOptions",
    "calculate_similarity_score",
    "compare_arrays",
    "compare_numbers",
    "compare_objects",
    "compare_strings",
    "compare_values",
    "cosine_similarity",
    "count_fields",
    "deep_equal",
    "get_type",
    "jaro_winkler_similarity",
    "levenshtein_distance",
    "levenshtein_similarity",
]

NEAR = 0.8
"""A string that is so similar to the expected one draws a warning in the style "lenient"."""

REACH = 64
"""Where order does not matter: so many items on either side are tried for one that has no exact equal."""

Style = Literal["strict", "lenient"]

_PLAIN_KEY = re.compile(r"[^.\[\]\"\s]+")


class DifferenceSeverity(str, Enum):
    """How much a difference matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class DifferenceType(str, Enum):
    """What a difference is."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    TYPE_MISMATCH = "type-mismatch"


_WEIGHTS = {DifferenceSeverity.ERROR: 1.0, DifferenceSeverity.WARNING: 0.5, DifferenceSeverity.INFO: 0.1}


@dataclass
class Difference:
    """One difference. `path` is like `a.b[0]`; `similarity`, from 0 to 1, is there where it was measured."""

    path: str
    expected: Any
    actual: Any
    type: DifferenceType
    severity: DifferenceSeverity
    message: str
    similarity: float | None = None


@dataclass
class ObjectComparisonOptions:
    """How values are compared.

    In the style "strict" every difference is an error. In "lenient" what is extra is a warning, and so is a string of a
    similarity of 0.8 or more, upper and lower case and whitespace apart; one that differs in nothing else is an info.
    `numeric_tolerance` is absolute. `custom_comparisons` are by path; each says whether two values are equal, or how
    similar they are, from 0 to 1.
    """

    style: Style = "strict"
    ignore_extra_fields: bool = False
    ignore_array_order: bool = False
    numeric_tolerance: float = 0.001
    custom_comparisons: dict[str, Callable[[Any, Any], bool | float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of("compare: style", self.style, get_args(Style))


def compare_numbers(a: float, b: float, tolerance: float = 0.001) -> bool:
    """Whether two numbers are no farther apart than that. NaN is equal to NaN."""
    if _same(a, b):
        return True
    try:
        return abs(a - b) <= tolerance
    except OverflowError:  # A whole number that no float can hold, and a float.
        return False


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def get_type(value: Any) -> str:
    """The type as JSON has it: null, boolean, number, string, array, object; what JSON has not, by its class."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list | tuple):
        return "array"
    return "object" if isinstance(value, Mapping) else type(value).__name__


def deep_equal(a: Any, b: Any) -> bool:
    """Whether two values are equal, all that is in them included. True is not 1; a tuple is equal to a list."""
    pairs, seen = [(a, b)], set()
    while pairs:
        one, other = pairs.pop()
        kind = get_type(one)
        if kind != get_type(other):
            return False
        if kind not in ("array", "object"):
            if not _same(one, other):
                return False
        elif (id(one), id(other)) not in seen:
            seen.add((id(one), id(other)))
            if len(one) != len(other) or (kind == "object" and one.keys() != other.keys()):
                return False
            pairs += zip(one, other, strict=True) if kind == "array" else ((one[key], other[key]) for key in one)
    return True


def compare_values(
    expected: Any, actual: Any, options: ObjectComparisonOptions | None = None, path: str = ""
) -> list[Difference]:
    """All differences between two values, in the order of the expected one. `path` is where they are."""
    given = options or ObjectComparisonOptions()
    if (custom := given.custom_comparisons.get(path)) is not None:
        return _custom(float(custom(expected, actual)), expected, actual, given, path)
    kind, found = get_type(expected), get_type(actual)
    if kind != found:
        message = f"expected {kind}, not {found}"
        return [_difference(path, expected, actual, DifferenceType.TYPE_MISMATCH, message)]
    if kind == "object":
        return compare_objects(expected, actual, given, path)
    if kind == "array":
        return compare_arrays(expected, actual, given, path)
    equal = compare_numbers(expected, actual, given.numeric_tolerance) if kind == "number" else _same(expected, actual)
    if equal:
        return []
    if kind == "string" and given.style == "lenient":
        similarity = compare_strings(expected, actual, case_sensitive=False)
        return [_different(similarity, expected, actual, given, path)]
    return [_difference(path, expected, actual, DifferenceType.DIFFERENT, "the values differ")]


def _custom(
    similarity: float, expected: Any, actual: Any, options: ObjectComparisonOptions, path: str
) -> list[Difference]:
    return [] if similarity >= 1 else [_different(similarity, expected, actual, options, path)]


def _different(
    similarity: float, expected: Any, actual: Any, options: ObjectComparisonOptions, path: str
) -> Difference:
    severity = DifferenceSeverity.ERROR
    if options.style == "lenient" and similarity >= NEAR:
        severity = DifferenceSeverity.INFO if similarity >= 1 else DifferenceSeverity.WARNING
    message = f"the values differ; their similarity is {similarity:.2f}"
    return _difference(path, expected, actual, DifferenceType.DIFFERENT, message, severity, similarity)


def _difference(
    path: str,
    expected: Any,
    actual: Any,
    kind: DifferenceType,
    message: str,
    severity: DifferenceSeverity = DifferenceSeverity.ERROR,
    similarity: float | None = None,
) -> Difference:
    return Difference(path, expected, actual, kind, severity, f"{path}: {message}" if path else message, similarity)


def _missing(path: str, expected: Any) -> Difference:
    return _difference(path, expected, None, DifferenceType.MISSING, "is missing")


def _extra(path: str, actual: Any, options: ObjectComparisonOptions) -> Difference:
    severity = DifferenceSeverity.WARNING if options.style == "lenient" else DifferenceSeverity.ERROR
    return _difference(path, None, actual, DifferenceType.EXTRA, "is not expected", severity)


def compare_objects(
    expected: Mapping[str, Any],
    actual: Mapping[str, Any],
    options: ObjectComparisonOptions | None = None,
    path: str = "",
) -> list[Difference]:
    """All differences between two objects: of the fields expected, in their order, and then of those that are extra."""
    given = options or ObjectComparisonOptions()
    differences: list[Difference] = []
    for key, value in expected.items():
        where = _field(path, key)
        if key in actual:
            differences += compare_values(value, actual[key], given, where)
        else:
            differences.append(_missing(where, value))
    if not given.ignore_extra_fields:
        extra = (key for key in actual if key not in expected)
        differences += [_extra(_field(path, key), actual[key], given) for key in extra]
    return differences


def _field(path: str, key: object) -> str:
    if not isinstance(key, str) or not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key


def compare_arrays(
    a: Sequence[Any], b: Sequence[Any], options: ObjectComparisonOptions | None = None, path: str = ""
) -> list[Difference]:
    """All differences between two arrays, `a` being the expected one.

    With `ignore_array_order`, items that are equal belong together wherever they are, and what is left over is compared
    in its order. If numbers are equal only by tolerance, the item is looked for among the 64 on either side of where it
    would be if the others were sorted.
    """
    given = options or ObjectComparisonOptions()
    of_a, of_b = list(range(len(a))), list(range(len(b)))
    if given.ignore_array_order:
        of_a, of_b = _unmatched(a, b, given, path)
    differences: list[Difference] = []
    for i, j in zip(of_a, of_b, strict=False):
        differences += compare_values(a[i], b[j], given, f"{path}[{i}]")
    differences += [_missing(f"{path}[{i}]", a[i]) for i in of_a[len(of_b) :]]
    differences += [_extra(f"{path}[{j}]", b[j], given) for j in of_b[len(of_a) :]]
    return differences


Key = tuple[str, tuple[float, ...]]


def _unmatched(
    a: Sequence[Any], b: Sequence[Any], options: ObjectComparisonOptions, path: str
) -> tuple[list[int], list[int]]:
    """The places of those items that have no equal in the other array."""
    names = _names(a) if options.ignore_extra_fields else None

    def are_equal(i: int, j: int) -> bool:
        return not compare_values(a[i], b[j], options, f"{path}[{i}]")

    alike: defaultdict[Key, list[int]] = defaultdict(list)
    for j in range(len(b) - 1, -1, -1):
        alike[_key(b[j], names)].append(j)
    of_a: list[int] = []
    for i, item in enumerate(a):
        places = alike.get(_key(item, names))
        if places and are_equal(i, places[-1]):
            places.pop()
        else:
            of_a.append(i)
    left = sorted((key, j) for key, places in alike.items() for j in places)
    keys = [key for key, _ in left]
    used: set[int] = set()
    unmatched: list[int] = []
    for i in of_a:
        place = bisect_left(keys, _key(a[i], names))
        near = (j for _, j in left[max(0, place - REACH) : place + REACH] if j not in used)
        partner = next((j for j in near if are_equal(i, j)), None)
        if partner is None:
            unmatched.append(i)
        else:
            used.add(partner)
    return unmatched, sorted(j for _, j in left if j not in used)


def _names(value: Any) -> set[Any]:
    """The names of all fields in a value."""
    names: set[Any] = set()
    values = [value]
    while values:
        inner = values.pop()
        kind = get_type(inner)
        if kind == "array":
            values += inner
        elif kind == "object":
            names.update(inner)
            values += inner.values()
    return names


def _key(value: Any, names: set[Any] | None) -> Key:
    """What equal values have in common: all but the numbers, and the numbers; of the fields those with such names.

    It sorts what is alike side by side.
    """
    shape: list[str] = []
    numbers: list[float] = []
    _gather(value, names, shape, numbers)
    return "".join(shape), tuple(numbers)


def _gather(value: Any, names: set[Any] | None, shape: list[str], numbers: list[float]) -> None:
    kind = get_type(value)
    if kind == "number" and value == value:
        shape.append("0")
        numbers.append(value)
    elif kind == "array":
        shape.append("[")
        for item in value:
            _gather(item, names, shape, numbers)
        shape.append("]")
    elif kind == "object":
        shape.append("{")
        for key in sorted((key for key in value if names is None or key in names), key=repr):
            shape.append(f"{key!r}:")
            _gather(value[key], names, shape, numbers)
        shape.append("}")
    else:
        shape.append(repr(value))


def calculate_similarity_score(differences: Iterable[Difference], total_fields: int) -> float:
    """1 less the share of the fields that differ, an error counting 1, a warning 0.5 and an info 0.1; never below 0."""
    weight = sum(_WEIGHTS[difference.severity] for difference in differences)
    return max(0.0, 1 - weight / max(1, total_fields))


def count_fields(value: Any) -> int:
    """How many values there are in a value that hold no others. An empty array or object is one."""
    total, values = 0, [value]
    while values:
        inner = values.pop()
        kind = get_type(inner)
        if kind in ("array", "object") and inner:
            values += inner if kind == "array" else inner.values()
        else:
            total += 1
    return total


class Compare:
    """The functions of this module under short names."""

    strings = staticmethod(compare_strings)
    levenshtein_distance = staticmethod(levenshtein_distance)
    levenshtein = staticmethod(levenshtein_similarity)
    jaro_winkler = staticmethod(jaro_winkler_similarity)
    cosine = staticmethod(cosine_similarity)
    numbers = staticmethod(compare_numbers)
    deep_equal = staticmethod(deep_equal)
    values = staticmethod(compare_values)
    arrays = staticmethod(compare_arrays)
    objects = staticmethod(compare_objects)
    similarity_score = staticmethod(calculate_similarity_score)
    count_fields = staticmethod(count_fields)
    get_type = staticmethod(get_type)
