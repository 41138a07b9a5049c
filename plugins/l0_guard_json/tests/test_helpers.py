from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_guard_json import (
    IncrementalJsonState,
    JsonAnalysis,
    analyze_json_structure,
    looks_like_json,
    update_json_state_incremental,
)

README = Path(__file__).parents[1] / "README.md"
MISSING = "Missing closing braces: 1 open vs 0 close"


@pytest.mark.parametrize(
    ("content", "analysis"),
    [
        ("", JsonAnalysis(True, 0, 0, 0, 0, False, False)),
        ('{"a": ["}"]}', JsonAnalysis(True, 1, 1, 1, 1, False, False)),
        ('{"a', JsonAnalysis(False, 1, 0, 0, 0, True, True, ["Unclosed string detected", MISSING])),
        ("Well, {", JsonAnalysis(False, 1, 0, 0, 0, False, False, [MISSING])),
        ("}{", JsonAnalysis(False, 1, 1, 0, 0, False, False, ["Too many closing braces: 1 close vs 0 open"])),
        ("{[}]", JsonAnalysis(False, 1, 1, 1, 1, False, False, ["Mismatched closing brace: '}' where ']' is due"])),
        ("[1,,,2]", JsonAnalysis(True, 0, 0, 1, 1, False, False, ["Multiple consecutive commas"])),
    ],
)
def test_the_analysis_of_a_whole_text(content: str, analysis: JsonAnalysis) -> None:
    assert analyze_json_structure(content) == analysis


@given(st.lists(st.text(alphabet='{}[]",\\ a', max_size=6)))
def test_the_state_does_not_depend_on_the_cuts(deltas: list[str]) -> None:
    state, content = IncrementalJsonState(), "".join(deltas)
    for delta in deltas:
        assert update_json_state_incremental(state, delta) is state

    assert state == update_json_state_incremental(IncrementalJsonState(), content)
    analysis = analyze_json_structure(content)
    assert state == IncrementalJsonState(
        analysis.open_braces,
        analysis.close_braces,
        analysis.open_brackets,
        analysis.close_brackets,
        analysis.in_string,
        state.escape_next,
        len(content),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", True), (" \n[1", True), ("```json\n{", True), ("", False), ("so: {}", False), ("42", False), ("}", False)],
)
def test_looks_like_json(content: str, expected: bool) -> None:
    assert looks_like_json(content) is expected


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
