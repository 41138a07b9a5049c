"""What holds for every text, measured over many. `L0_TEST_JSON_CASES` says over how many; a failure names its seed."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

from l0_structured import auto_correct_json, extract_json, extract_json_from_markdown
from l0_structured.corrections import apply
from l0_structured.json_text import loads
from l0_testing.measuring import seconds

sys.path.insert(0, str(Path(__file__).parent))
import pytest
from json_documents import CASES, SEED, Document, Pairs, exact, fuzzed

SECONDS_PER_KB = 0.010

pytestmark = pytest.mark.timeout(int(60 + CASES * 0.005))


def test_json_is_returned_as_it_is() -> None:
    for seed in range(SEED, SEED + CASES):
        rng = random.Random(seed)
        document = Document(rng, rng.choice(["{", "[", "{", "[", '"', "1", "t"])).text
        given = document if rng.random() < 0.8 else f" \n{document}\r\n\t"
        result = auto_correct_json(given, track_corrections=True)

        assert result.success, seed
        assert result.text == document, seed
        assert not result.corrected, seed
        assert result.corrections == result.edits == [], seed


def test_json_within_prose_or_a_block_is_not_changed() -> None:
    around = [
        "Here it is: %s That is all.",
        "```json\n%s\n```",
        "Sure!\n\n```\n%s\n```\nAnything else?",
        "JSON: %s",
        "%s\n\n(done)",
    ]
    for seed in range(SEED, SEED + CASES // 10):
        rng = random.Random(seed)
        document = Document(rng).text
        if not document.strip("[]{} \t\r\n") or document[1:].strip("0123456789-., \t\r\n]") == "":
            continue  # An empty pair of brackets, or a number in brackets, might be prose.
        result = auto_correct_json(rng.choice(around) % document)

        assert result.success, seed
        assert result.text == document, seed


def is_structural_prefix(part: Any, whole: Any) -> bool:
    """Whether `part` is what is there of `whole` when its text ends early.

    Objects and arrays hold the first items of the whole ones. All but the last of these are equal to the whole ones;
    the last is a structural prefix. A string, and the text of a number, is a prefix. Literals are equal.
    """
    if isinstance(whole, Pairs):
        if not isinstance(part, Pairs) or len(part) > len(whole):
            return False
        if [key for key, _ in part] != [key for key, _ in whole[: len(part)]]:
            return False
        part, whole = [value for _, value in part], [value for _, value in whole]
    elif isinstance(whole, list):
        if not isinstance(part, list) or isinstance(part, Pairs) or len(part) > len(whole):
            return False
    elif isinstance(whole, str):
        return type(part) is type(whole) and whole.startswith(part)
    else:
        return part is whole
    return not part or (part[:-1] == whole[: len(part) - 1] and is_structural_prefix(part[-1], whole[len(part) - 1]))


def at_path(value: Any, path: tuple[int, ...]) -> Any:
    for place in path:
        value = value[place][1] if isinstance(value, Pairs) else value[place]
    return value


def test_what_a_structural_prefix_is() -> None:
    whole = exact('{"a": [1, "two", {"b": 34.5}], "c": true}')
    for part in (
        "{}",
        '{"a": []}',
        '{"a": [1, "tw"]}',
        '{"a": [1, "two", {"b": 34}]}',
        '{"a": [1, "two", {"b": 34.5}]}',
    ):
        assert is_structural_prefix(exact(part), whole), part
    for part in ("[]", '{"b": []}', '{"a": ["1"]}', '{"a": ["two"]}', '{"a": [1, "o"]}', '{"a": [], "c": true}'):
        assert not is_structural_prefix(exact(part), whole), part


def test_every_prefix_of_a_document_is_repaired_to_a_structural_prefix_in_which_nothing_complete_is_missing() -> None:
    for seed in range(SEED, SEED + CASES // 100):
        document = Document(random.Random(seed))
        text, whole = document.text, exact(document.text)
        leaves = [(leaf.path, leaf.end, exact(leaf.text)) for leaf in document.leaves]
        for cut in range(1, len(text)):
            result = auto_correct_json(text[:cut])
            assert result.success, (seed, cut, text[:cut])
            part = exact(result.text)
            assert is_structural_prefix(part, whole), (seed, cut, text[:cut], result.text)
            for path, end, leaf in leaves:
                if end > cut:
                    break
                assert at_path(part, path) == leaf, (seed, cut, text[:cut], result.text)


def test_nothing_raises_and_nothing_takes_long_and_the_edits_are_the_whole_of_it() -> None:
    repaired = 0
    for seed in range(SEED, SEED + CASES):
        text = fuzzed(random.Random(seed))
        limit = SECONDS_PER_KB * max(1, len(text) / 1000)
        started = time.thread_time()
        result = auto_correct_json(text, track_corrections=True)
        if time.thread_time() - started > limit:
            again = seconds(lambda: auto_correct_json(text, track_corrections=True), limit)  # noqa: B023
            assert again <= limit, (seed, len(text))

        if result.success:
            repaired += 1
            loads(result.text)
            assert apply(text, result.edits).strip() == result.text, (seed, text)
            assert all(edit.removed or edit.inserted for edit in result.edits), (seed, text)
            ends = [0, *(edit.offset + edit.removed for edit in result.edits)]
            assert all(edit.offset >= end for edit, end in zip(result.edits, ends, strict=False)), (seed, text)
            assert result.corrected == (result.text != text.strip()), (seed, text)
        else:
            assert isinstance(result.error, ValueError), (seed, text)
            assert result.text == text.strip(), (seed, text)
            assert not result.corrected, (seed, text)
        extract_json(text)
        extract_json_from_markdown(text)
    sys.stdout.write(f"\n{repaired} of {CASES} broken texts become JSON\n")

    assert repaired > CASES * 0.7


def test_whatever_begins_with_an_object_is_repaired() -> None:
    for seed in range(SEED, SEED + CASES // 2):
        text = '{"a": ' + fuzzed(random.Random(seed))
        result = auto_correct_json(text)

        assert result.success, (seed, text, result.error)
