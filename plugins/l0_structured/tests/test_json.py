"""The documented functions: what they return, what they report, what they refuse."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import get_args

import pytest
from l0_structured import (
    JSON,
    MAX_DEPTH,
    AutoCorrectResult,
    CorrectionType,
    Edit,
    auto_correct_json,
    extract_json,
    extract_json_from_markdown,
    is_valid_json,
    safe_json_parse,
)

sys.path.insert(0, str(Path(__file__).parent))
from json_documents import CASES, SEED, Document, exact


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ('{"a": 1,}', '{"a": 1}'),
        ('{"a": {"b": 1}', '{"a": {"b": 1}}'),
        ("[1, 2, 3", "[1, 2, 3]"),
        ("[1, 2", "[1, 2]"),
        ('  {"a": 1}  ', '{"a": 1}'),
    ],
)
def test_the_documented_corrections(text: str, corrected: str) -> None:
    assert auto_correct_json(text).text == corrected


def test_blanks_around_json_are_no_correction() -> None:
    assert auto_correct_json('  {"a": 1}  ', True) == AutoCorrectResult('{"a": 1}', corrected=False)


def test_every_edit_is_reported_if_asked_for() -> None:
    text = "Here: {'a': 1, /* c */ b: True,"
    result = auto_correct_json(text, track_corrections=True)

    assert result.text == '{"a": 1,  "b": true}'
    assert result.corrected
    assert result.corrections == [
        "remove_prefix_text",
        "remove_comments",
        "fix_quotes",
        "remove_trailing_comma",
        "close_brace",
        "quote_key",
        "fix_literal",
    ]
    assert result.edits == [
        Edit("remove_prefix_text", 0, 6, ""),
        Edit("fix_quotes", 7, 1, '"'),
        Edit("fix_quotes", 9, 1, '"'),
        Edit("remove_comments", 15, 7, ""),
        Edit("quote_key", 23, 1, '"b"'),
        Edit("fix_literal", 26, 4, "true"),
        Edit("close_brace", 30, 0, "}"),
        Edit("remove_trailing_comma", 30, 1, ""),
    ]


def test_edits_are_not_reported_if_not_asked_for() -> None:
    result = auto_correct_json("{'a': 1,}")

    assert result.corrected
    assert result.corrections == []
    assert result.edits == []


def test_the_documented_kinds_come_first_and_in_their_order() -> None:
    assert get_args(CorrectionType)[:13] == (
        "strip_markdown_fence",
        "strip_json_prefix",
        "remove_prefix_text",
        "remove_comments",
        "remove_suffix_text",
        "fix_quotes",
        "remove_trailing_comma",
        "close_brace",
        "close_bracket",
        "escape_control_chars",
        "fill_missing_fields",
        "remove_unknown_fields",
        "coerce_types",
    )


def test_what_is_no_json_comes_back_as_it_is_with_an_error() -> None:
    result = auto_correct_json("  I cannot do that. ", track_corrections=True)

    assert result.text == "I cannot do that."
    assert not result.success
    assert not result.corrected
    assert "no JSON object or array" in str(result.error)
    assert result.edits == []


def test_of_several_objects_the_first_is_taken_and_the_rest_reported() -> None:
    result = auto_correct_json('{"a": 1}\n{"b": 2}', track_corrections=True)

    assert result.text == '{"a": 1}'
    assert result.edits == [Edit("remove_suffix_text", 8, 9, "")]


def test_faults_around_strings_leave_every_string_as_it_is() -> None:
    literals = {"true": "True", "false": "False", "null": "None"}
    comments = ["/* x, ] */", "// it's }\n", ' # "no"\n', "\u00a0", "\n\n"]
    for seed in range(SEED, SEED + CASES // 10):
        rng = random.Random(seed)
        document = Document(rng)
        pieces = []
        for place, piece in enumerate(document.pieces):
            if piece in ("}", "]") and document.pieces[place - 1] not in ("{", "[") and rng.random() < 0.5:
                pieces.append(",")
            pieces.append(literals.get(piece, piece) if rng.random() < 0.5 else piece)
            if 0 < place < len(document.pieces) - 1 and rng.random() < 0.2:
                pieces.append(rng.choice(comments))
        broken = "".join(pieces).rstrip("}]")
        whole = exact(document.text)

        if broken.endswith(","):
            assert exact(auto_correct_json(broken).text) == whole, (seed, broken)
        assert exact(auto_correct_json("".join(pieces)).text) == whole, (seed, broken)


def test_nesting_is_limited_and_no_depth_raises_anything_but_the_error() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert auto_correct_json(deepest).success
    assert auto_correct_json("[" * MAX_DEPTH).text == deepest

    for depth in (MAX_DEPTH + 1, 1000, 100_000):
        for text in ("[" * depth + "]" * depth, "[" * depth, '{"a":' * depth, '{"a":' * depth + "1" + "}" * depth):
            result = auto_correct_json(text)
            assert not result.success
            assert result.text == text
            assert f"deeper than {MAX_DEPTH}" in str(result.error)
            assert not is_valid_json(text)
            with pytest.raises(json.JSONDecodeError, match="deeper than"):
                safe_json_parse(text)


def test_brackets_in_strings_and_beside_each_other_are_not_nesting() -> None:
    text = json.dumps(["[" * 500, *[[] for _ in range(500)]])

    assert safe_json_parse(text) == json.loads(text)


def test_integers_are_exact_and_too_long_ones_refused() -> None:
    assert safe_json_parse("[12345678901234567890123]") == [12345678901234567890123]
    assert safe_json_parse(f"[{'9' * 4300},]") == [int("9" * 4300)]

    result = auto_correct_json(f"[{'9' * 5000}]")
    assert not result.success
    assert result.text == f"[{'9' * 5000}]"
    assert "digits" in str(result.error)


def test_nan_and_infinity_are_no_json() -> None:
    for text in ("NaN", "[NaN]", "[Infinity]", "[-Infinity]"):
        assert not is_valid_json(text)
        with pytest.raises(json.JSONDecodeError):
            safe_json_parse(text, auto_correct=False)
    assert safe_json_parse("[NaN, -Infinity]") == [None, None]


def test_of_equal_keys_the_last_holds_and_the_text_keeps_both() -> None:
    text = '{"a": 1, "a": 2}'

    assert auto_correct_json(text).text == text
    assert auto_correct_json('{"a": 1, "a": 2,}').text == text
    assert safe_json_parse(text) == {"a": 2}


def test_half_a_surrogate_pair_is_replaced_wherever_it_is() -> None:
    for text in ('{"a\\ud800": 1}', '{"a\ud800": 1}', "{'x': 0, a\ud800: 1}"):
        assert not is_valid_json(text)
        assert safe_json_parse(text)["a\ufffd"] == 1
    assert auto_correct_json('["\\ud83d\\ude00", 1e999]').corrected is False


def test_a_string_alone_is_json_and_may_be_cut() -> None:
    assert auto_correct_json('"all of it"').text == '"all of it"'
    assert auto_correct_json('"some of i').text == '"some of i"'
    assert auto_correct_json('"some\\u00').text == '"some"'
    assert auto_correct_json("```json\n42\n```").text == "42"


def test_parsing_repairs_unless_told_not_to() -> None:
    assert safe_json_parse("{'a': [1,]}") == {"a": [1]}
    assert safe_json_parse('{"a": 1}', auto_correct=False) == {"a": 1}
    with pytest.raises(json.JSONDecodeError):
        safe_json_parse('{"a": 1,}', auto_correct=False)
    with pytest.raises(json.JSONDecodeError, match="no JSON object or array"):
        safe_json_parse("nothing")


@pytest.mark.parametrize(
    ("text", "extracted"),
    [
        ('Sure: {"a": {"b": "}"}} and more', '{"a": {"b": "}"}}'),
        ("As in [1], {x} or [y], it is [{'a': 1}], not {}.", "[{'a': 1}]"),
        ('{"a": 1}{"b": 2}', '{"a": 1}'),
        ('{"a": 1', '{"a": 1'),
        ('So: {"a": [1, 2\n', '{"a": [1, 2'),
        ("only words", "only words"),
        ("only [1]", "[1]"),
        ('  {"a": 1} ', '  {"a": 1} '),
        ("", ""),
    ],
)
def test_the_first_object_or_array_is_extracted(text: str, extracted: str) -> None:
    assert extract_json(text) == extracted


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('Here is the JSON:\n```json\n{"key": "value"}\n```', '{"key": "value"}'),
        ('Here\'s the data:\n```json\n{"key": "value"}\n', '{"key": "value"}'),
        ("```python\nx = 1\n```\n```json\n[1]\n```\n```json\n[2]\n```", "[1]"),
        ("```\nwords\n```\n```\n[1]\n```", "[1]"),
        ("```\nwords\n```", "words"),
        ('```json {"a": 1} ```', '{"a": 1}'),
        ('{"a": "```json\\n[]\\n```"}', '{"a": "```json\\n[]\\n```"}'),
        ("no block", "no block"),
        ("````json\n```\n[1]\n````", "```\n[1]"),
    ],
)
def test_the_block_that_is_marked_as_json_is_extracted(text: str, content: str) -> None:
    assert extract_json_from_markdown(text) == content


def test_a_fence_within_a_broken_document_is_not_taken_for_its_beginning() -> None:
    text = '{"md": "see\n```json\n{"x": 1}\n```\n", "n": 1,'

    assert safe_json_parse(text)["n"] == 1


def test_the_class_holds_the_functions() -> None:
    broken = "See: {'a': 1,}"

    assert JSON.extract(broken) == extract_json(broken) == "{'a': 1,}"
    assert JSON.is_valid("{}")
    assert not JSON.is_valid(broken)
    assert JSON.parse(broken) == {"a": 1}
    assert JSON.auto_correct(broken, track_corrections=True) == auto_correct_json(broken, True)
    assert JSON.extract_from_markdown("```json\n{}\n```") == "{}"
    assert JSON().parse("[1]", auto_correct=False) == [1]
