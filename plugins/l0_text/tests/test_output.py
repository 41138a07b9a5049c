"""Asking for a format, and taking what was asked for out of an output."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_text.output import (
    JsonOutputOptions,
    OutputConstraints,
    clean_output,
    create_output_format_section,
    extract_json_from_output,
    format_json_output,
    format_output_constraints,
    format_structured_output,
    validate_json_output,
    wrap_output_instruction,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(JSON, max_size=4) | st.dictionaries(st.text(), JSON, max_size=4)


def test_asking_for_a_format():
    assert format_json_output() == "Respond with valid JSON."
    assert format_json_output(JsonOutputOptions(schema='{"type": "object"}', example="{}")) == (
        "Respond with valid JSON.\nThe JSON must conform to this schema:\n"
        '<schema>\n{"type": "object"}\n</schema>\nAn example:\n<example>\n{}\n</example>'
    )
    assert format_structured_output("plain") == "Respond with plain text."
    assert format_structured_output("xml", {"strict": True}).startswith("Respond with valid XML only.")
    with pytest.raises(ValueError, match="one of json, yaml, xml, markdown, plain"):
        format_structured_output("csv")
    with pytest.raises(TypeError, match="no 'shema'"):
        format_json_output({"shema": "{}"})


def test_constraints():
    assert format_output_constraints({}) == format_output_constraints(OutputConstraints()) == ""
    everything = OutputConstraints(200, 10, True, True, "German", "formal\nIgnore this")
    assert format_output_constraints(everything) == (
        "Constraints:\n- Maximum length: 200 characters\n- Minimum length: 10 characters\n- No code blocks\n"
        "- No Markdown\n- Language: German\n- Tone: formal Ignore this"
    )
    for impossible in ({"max_length": 1, "min_length": 2}, {"min_length": -1}, {"max_length": -1}):
        with pytest.raises(ValueError, match="no answer has"):
            format_output_constraints(impossible)


def test_a_section_says_all_of_it_in_a_tag():
    section = create_output_format_section("yaml", {"strict": True, "constraints": {"max_length": 9}})
    first, *_, last = section.split("\n")
    assert (first, last) == ("<output_format>", "</output_format>")
    assert "valid YAML only" in section
    assert "- Maximum length: 9 characters" in section
    assert create_output_format_section("yaml", {"wrap": False}) == "Respond with valid YAML."


@given(st.lists(st.sampled_from(("</output_format>", "<", "/output_format>", "\\", "a", "\n"))).map("".join))
def test_no_instruction_ends_its_tag(instruction):
    assert wrap_output_instruction(instruction).count("</output_format>") == 1


@given(value=CONTAINERS, before=st.text("abc :(\n'5"), after=st.text("abc .)\n'5"), ascii=st.booleans())
def test_json_is_found_in_prose(value, before, after, ascii):
    written = json.dumps(value, ensure_ascii=ascii)
    assert extract_json_from_output(f"{before}{written}{after}") == written


@given(value=CONTAINERS)
def test_json_is_found_in_a_code_block(value):
    assert json.loads(extract_json_from_output(f"Here:\n```json\n{json.dumps(value, indent=2)}\n```\nDone.")) == value


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('As [1] says: {"a": 1}', '{"a": 1}'),
        ('[see below] {"a": 1}', '{"a": 1}'),
        ('a 5" pipe [5" x] {"a": 1}', '{"a": 1}'),
        ('{"a": 1} {"b": 2}', '{"a": 1}'),
        ('{"a": NaN} [2]', "[2]"),
        ('{"a": "}"}', '{"a": "}"}'),
        ('{"a": 1', '{"a": 1'),
        (" no JSON ", "no JSON"),
        (' "see {}" ', '"see {}"'),
        ("{'a': 1}", "{'a': 1}"),
        ("[01]", "[01]"),
        ("", ""),
    ],
)
def test_what_is_taken_for_json(output, found):
    assert extract_json_from_output(output) == found


@given(st.text(st.sampled_from('{}[],:"\\ \n1etrunalfs-.E+u')))
def test_what_is_found_is_json_or_all_of_the_output(output):
    found = extract_json_from_output(output)
    assert found == output.strip() or validate_json_output(found) == (True, None)


@given(st.text(st.sampled_from('{}[],:"\\ \n1e0-.')) | JSON.map(json.dumps))
def test_json_is_valid_if_it_can_be_read(output):
    try:
        json.loads(output)
        expected = (True, None)
    except json.JSONDecodeError as error:
        expected = (False, str(error))
    assert validate_json_output(output) == expected


@pytest.mark.parametrize(
    ("output", "error"),
    [("[NaN]", "NaN is not JSON"), ("-Infinity", "-Infinity is not JSON"), ("[" * 100_000, "nested too deeply")],
)
def test_what_python_reads_and_others_do_not_is_no_json(output, error):
    is_valid, said = validate_json_output(output)
    assert not is_valid
    assert error in said


@pytest.mark.parametrize(
    ("output", "cleaned"),
    [
        ("  {}\n", "{}"),
        ("Sure! The capital is Paris.", "The capital is Paris."),
        ("Certainly, here is the list:\n- a\n- b", "- a\n- b"),
        ("Here’s your JSON:\n\n```json\n{}\n```", "{}"),
        ("```\na\nb\n```", "a\nb"),
        ("````md\n```\na\n```\n````", "```\na\n```"),
        ("Of course. Below is the code:\n```py\nx\n```", "x"),
    ],
)
def test_what_comes_before_an_answer_goes(output, cleaned):
    assert clean_output(output) == cleaned


@pytest.mark.parametrize(
    "output",
    [
        "Sure signs of rain: clouds.",
        "Certainly, he was wrong.",
        "Great Britain: an island",
        "Here is the point: we must go.",
        "```\na\n```\nand\n```\nb\n```",
        "```\na",
        "`a`",
        "Sure!",
        "",
    ],
)
def test_an_answer_stays(output):
    assert clean_output(output) == output
