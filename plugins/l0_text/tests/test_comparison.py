"""Similarity of strings, and differences of values."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_text import similarity
from l0_text.comparison import (
    Compare,
    Difference,
    DifferenceSeverity,
    DifferenceType,
    ObjectComparisonOptions,
    StringComparisonOptions,
    calculate_similarity_score,
    compare_arrays,
    compare_numbers,
    compare_strings,
    compare_values,
    cosine_similarity,
    count_fields,
    deep_equal,
    get_type,
    jaro_winkler_similarity,
    levenshtein_distance,
    levenshtein_similarity,
)

SHORT = st.text("abc", max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from((0.5, 1.0)) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab.", max_size=2), inner, max_size=3),
    max_leaves=10,
)


def distance(a: str, b: str) -> int:
    """By definition."""

    @lru_cache(None)
    def at(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return at(len(a), len(b))


@pytest.mark.parametrize("strip", [1, 2, 3, 8192])
@given(a=SHORT, b=SHORT)
def test_the_distance_is_that_of_the_definition(strip, a, b):
    before, similarity.STRIP = similarity.STRIP, strip
    try:
        assert levenshtein_distance(a, b) == distance(a, b)
    finally:
        similarity.STRIP = before


def test_the_distance_of_long_strings_is_right_across_strips():
    rng = random.Random(1)
    a = "".join(rng.choices("abcd", k=9000))
    b = a[:4000] + "XY" + a[4000:8500] + a[8501:]
    assert levenshtein_distance("P" + a + "Q", "R" + b + "S") == 5


def jaro(a: str, b: str) -> float:
    """By definition: for each character the first partner within reach that is not taken."""
    reach = max(0, max(len(a), len(b)) // 2 - 1)
    taken: list[int] = []
    of_a = []
    for i, char in enumerate(a):
        for j in range(max(0, i - reach), min(len(b), i + reach + 1)):
            if j not in taken and b[j] == char:
                taken.append(j)
                of_a.append(char)
                break
    if not taken:
        return float(a == b)
    moved = sum(one != b[j] for one, j in zip(of_a, sorted(taken), strict=True))
    return (len(taken) / len(a) + len(taken) / len(b) + (len(taken) - moved // 2) / len(taken)) / 3


@given(a=SHORT, b=SHORT)
def test_jaro_winkler_is_that_of_the_definition(a, b):
    expected = jaro(a, b)
    prefix = next((i for i, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    assert jaro_winkler_similarity(a, b) == pytest.approx(expected + min(prefix, 4) * 0.1 * (1 - expected))


def test_known_similarities():
    assert levenshtein_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert jaro_winkler_similarity("MARTHA", "MARHTA") == pytest.approx(0.9611, abs=1e-4)
    assert jaro_winkler_similarity("DWAYNE", "DUANE") == pytest.approx(0.84, abs=1e-4)
    assert jaro_winkler_similarity("DIXON", "DICKSONX") == pytest.approx(0.8133, abs=1e-4)
    assert cosine_similarity("a b c", "a b d") == pytest.approx(2 / 3)
    assert cosine_similarity("b a", "a b") == 1.0


@pytest.mark.parametrize("algorithm", ["levenshtein", "jaro-winkler", "cosine"])
@given(a=st.text("ab c"), b=st.text("ab c"))
def test_a_similarity_is_from_0_to_1_and_1_for_what_is_equal(algorithm, a, b):
    assert 0 <= compare_strings(a, b, algorithm=algorithm) <= 1
    assert compare_strings(a, a, algorithm=algorithm) == 1
    assert compare_strings("", "a", algorithm=algorithm) == 0


def test_case_and_whitespace():
    assert compare_strings(" a  b\n", "a b") == 1
    assert compare_strings("a  b", "a b", normalize_whitespace=False) == 0.75
    assert compare_strings("STRASSE", "straße", case_sensitive=False) == 1
    assert compare_strings("A", "a") == compare_strings("A", "a", StringComparisonOptions()) == 0
    assert compare_strings("A", "a", StringComparisonOptions(case_sensitive=False)) == 1
    with pytest.raises(ValueError, match="one of levenshtein, jaro-winkler, cosine"):
        compare_strings("a", "b", algorithm="soundex")


def test_numbers():
    assert compare_numbers(1, 1.001)
    assert not compare_numbers(1, 1.002)
    assert compare_numbers(math.inf, math.inf)
    assert not compare_numbers(math.inf, -math.inf)
    assert compare_numbers(math.nan, math.nan)
    assert not compare_numbers(math.nan, 1)
    assert not compare_numbers(10**400, 0.5)
    assert compare_numbers(5, 7, tolerance=2)


def test_types_are_those_of_json():
    values = [None, True, 1, 1.5, "a", [], (), {}, {1}]
    names = ["null", "boolean", "number", "number", "string", "array", "array", "object", "set"]
    assert [get_type(value) for value in values] == names


@given(a=JSON, b=JSON)
def test_values_are_equal_if_their_types_are_and_python_says_so(a, b):
    def tagged(value):
        if isinstance(value, list):
            return [tagged(item) for item in value]
        if isinstance(value, dict):
            return {key: tagged(item) for key, item in value.items()}
        return (get_type(value), value)

    assert deep_equal(a, b) == (tagged(a) == tagged(b))
    assert deep_equal(a, a)


def test_equality_of_what_python_would_not_say():
    assert not deep_equal(True, 1)
    assert deep_equal([math.nan], [math.nan])
    assert deep_equal([1], (1.0,))
    deep_a, deep_b = [], []
    for _ in range(50_000):
        deep_a, deep_b = [deep_a], [deep_b]
    assert deep_equal(deep_a, deep_b)
    assert count_fields(deep_a) == 1
    while deep_a:  # Python cannot let go of so deep a list at once.
        deep_a, deep_b = deep_a.pop(), deep_b.pop()
    cycle_a, cycle_b = [1], [1]
    cycle_a.append(cycle_a)
    cycle_b.append(cycle_b)
    assert deep_equal(cycle_a, cycle_b)


def brief(differences: list[Difference]) -> list[tuple[str, str, str]]:
    return [(found.path, found.type.value, found.severity.value) for found in differences]


EXPECTED = {"user": {"name": "Ann", "age": 30}, "tags": ["a", "b", "c"], "n": 1.0, "x.y": 1}


def test_differences():
    actual = {"user": {"name": "Bob", "mail": "b"}, "tags": ["a", "x"], "n": "1", "x.y": 1.0005, "more": []}
    differences = compare_values(EXPECTED, actual)
    assert brief(differences) == [
        ("user.name", "different", "error"),
        ("user.age", "missing", "error"),
        ("user.mail", "extra", "error"),
        ("tags[1]", "different", "error"),
        ("tags[2]", "missing", "error"),
        ("n", "type-mismatch", "error"),
        ("more", "extra", "error"),
    ]
    assert differences[1] == Difference(
        "user.age", 30, None, DifferenceType.MISSING, DifferenceSeverity.ERROR, "user.age: is missing"
    )
    assert differences[5].message == "n: expected number, not string"


@given(JSON)
def test_a_value_does_not_differ_from_itself(value):
    for style, extra, order in product(("strict", "lenient"), (True, False), (True, False)):
        assert compare_values(value, value, ObjectComparisonOptions(style, extra, order)) == []


@given(a=JSON, b=JSON)
def test_values_are_equal_if_nothing_differs(a, b):
    differences = compare_values(a, b, ObjectComparisonOptions(numeric_tolerance=0))
    assert (differences == []) == deep_equal(a, b)
    assert 0 <= calculate_similarity_score(differences, count_fields(a)) <= 1


def test_paths_can_be_told_apart():
    assert [found.path for found in compare_values({"a.b": 1, "a": {"b": 1}, "": [1], 3: 1}, {"a": {}, "": []})] == [
        "['a.b']",
        "a.b",
        "[''][0]",
        "[3]",
    ]
    assert brief(compare_values(1, 2, path="root")) == [("root", "different", "error")]


def test_lenient_weighs_strings_by_their_likeness():
    lenient = ObjectComparisonOptions("lenient")
    expected = {"same": "The tide rises", "near": "The tide rises", "far": "The tide rises"}
    actual = {"same": "the tide  rises", "near": "The tide rose", "far": "No", "more": 1}
    differences = compare_values(expected, actual, lenient)
    assert brief(differences) == [
        ("same", "different", "info"),
        ("near", "different", "warning"),
        ("far", "different", "error"),
        ("more", "extra", "warning"),
    ]
    assert differences[0].similarity == 1
    assert 0.8 <= differences[1].similarity < 1
    assert calculate_similarity_score(differences, 4) == pytest.approx(1 - (0.1 + 0.5 + 1 + 0.5) / 4)


def test_extra_fields_can_be_ignored():
    options = ObjectComparisonOptions(ignore_extra_fields=True)
    assert compare_values({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}, options) == []


def test_custom_comparisons_are_by_path():
    options = ObjectComparisonOptions(
        custom_comparisons={"a.b": lambda one, other: len(one) == len(other), "c[0]": lambda one, other: 0.9}
    )
    assert compare_values({"a": {"b": "xy"}}, {"a": {"b": "zz"}}, options) == []
    (found,) = compare_values({"c": [1]}, {"c": ["1"]}, options)
    assert (found.path, found.severity, found.similarity) == ("c[0]", DifferenceSeverity.ERROR, 0.9)
    options.style = "lenient"
    assert compare_values({"c": [1]}, {"c": ["1"]}, options)[0].severity is DifferenceSeverity.WARNING


UNORDERED = ObjectComparisonOptions(ignore_array_order=True)


@given(items=st.lists(JSON, max_size=8), seed=st.randoms(use_true_random=False))
def test_order_can_be_ignored(items, seed):
    shuffled = list(items)
    seed.shuffle(shuffled)
    assert compare_arrays(items, shuffled, UNORDERED) == []
    assert {found.type for found in compare_arrays([*items, "new"], shuffled, UNORDERED)} == {DifferenceType.MISSING}
    assert {found.type for found in compare_arrays(items, [*shuffled, "new"], UNORDERED)} == {DifferenceType.EXTRA}


def test_nearly_equal_items_find_each_other_without_order():
    rng = random.Random(1)
    items = [{"id": i, "at": i / 7} for i in range(1000)]
    found = [{"id": item["id"], "at": item["at"] + 0.0004, "more": 0} for item in items]
    rng.shuffle(found)
    options = ObjectComparisonOptions(ignore_array_order=True, ignore_extra_fields=True)
    assert compare_arrays(items, found, options) == []
    assert brief(compare_arrays([1.0, 5.0, 7.0], [7.0005, 5.0], UNORDERED)) == [("[0]", "missing", "error")]


def test_what_has_no_partner_is_compared_in_order():
    a, b = [{"id": 1, "v": "x"}, {"id": 2, "v": "y"}], [{"id": 2, "v": "y"}, {"id": 1, "v": "z"}]
    assert brief(compare_arrays(a, b, UNORDERED)) == [("[0].v", "different", "error")]


def test_a_style_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="one of strict, lenient"):
        ObjectComparisonOptions(style="loose")


def test_scores():
    assert calculate_similarity_score([], 0) == 1
    missing = compare_values({"a": 1}, {})
    assert calculate_similarity_score(missing, 4) == 0.75
    assert calculate_similarity_score(missing * 9, 4) == 0
    assert count_fields({"a": 1, "b": {"c": [1, 2], "d": {}}}) == 4
    assert count_fields("a") == 1


def test_compare_has_the_functions_under_short_names():
    assert Compare.similarity_score(Compare.values({"a": 1}, {"a": 1}), Compare.count_fields({"a": 1})) == 1
    assert Compare.strings("a", "a") == Compare.jaro_winkler("a", "a") == Compare.cosine("a", "a") == 1
    assert Compare.objects({}, {}) == Compare.arrays([], []) == []
