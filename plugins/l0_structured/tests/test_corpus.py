"""What models get wrong, one fault after the other: every text of the corpus becomes what it was meant to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from l0_structured import auto_correct_json, safe_json_parse

CORPUS = [json.loads(line) for line in (Path(__file__).parent / "corpus.jsonl").read_text("utf-8").splitlines()]


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CORPUS) >= 300
    assert len({case["kind"] for case in CORPUS}) >= 25
    assert len({case["broken"] for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case['kind']}: {case['broken'][:40]!r}")
def test_it_becomes_what_it_was_meant_to_be(case: dict[str, Any]) -> None:
    if "error" in case:
        assert not auto_correct_json(case["broken"]).success
    else:
        # As texts they differ where true is not 1, and 1.0 not 1.
        assert json.dumps(safe_json_parse(case["broken"])) == json.dumps(case["expected"])
