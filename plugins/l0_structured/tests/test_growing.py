"""Growing values of JSON, without a type: what is there at every moment, whatever the pieces are that it comes in."""

from __future__ import annotations

import random
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import jiter
import pytest
from l0_structured.growing import Growing
from l0_structured.json_text import MAX_DEPTH

sys.path.insert(0, str(Path(__file__).parent))
from json_documents import CASES, SEED, Document, Pairs, exact, fuzzed
from test_growing_order import grows, paths, same

AROUND = [
    ("", ""),
    (" \n\ufeff", " \n"),
    ("Here is the JSON:\n```json\n", "\n```\nThat is all [1]: {}"),
]


def fed(text: str, schema: Any = None) -> Growing:
    growing = Growing(schema)
    growing.feed(text)
    return growing


def moment(growing: Growing) -> tuple[str, bool, str | None]:
    return repr(growing.value), growing.done, growing.stopped


def pieces_of(rng: random.Random, text: str) -> list[str]:
    """A text cut at random: into few pieces or many, some of them empty."""
    size = rng.choice([1, 2, 4, 8, 50, 1000])
    pieces = []
    while text:
        end = rng.randint(0, size)
        pieces.append(text[:end])
        text = text[end:]
    return pieces


def has_key_twice(value: Any) -> bool:
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        return len(set(keys)) < len(keys) or any(has_key_twice(child) for _, child in value)
    return isinstance(value, list) and any(has_key_twice(child) for child in value)


def document_of(rng: random.Random) -> Document:
    """A random document in which no key comes twice."""
    while has_key_twice(exact((document := Document(rng)).text)):
        pass
    return document


def is_number(text: str) -> bool:
    return text[0] in "-0123456789"


# Every prefix.


def expected(document: Document, cut: int) -> Any:
    """What jiter makes of the first `cut` characters, at least one: without the number that is cut, or may be."""
    for leaf in document.leaves:
        start = leaf.end - len(leaf.text)
        if start < cut <= leaf.end and is_number(leaf.text):
            cut = start
    return jiter.from_json(document.text[:cut].encode(), partial_mode="trailing-strings")


def test_every_prefix_of_a_document_has_the_value_that_jiter_gives_it_but_for_numbers_that_may_go_on() -> None:
    for seed in range(SEED, SEED + CASES // 500):
        rng = random.Random(seed)
        document = document_of(rng)
        growing, compared = Growing(), 1500 / len(document.text)
        for cut, char in enumerate(document.text, 1):
            growing.feed(char)
            if rng.random() < compared:
                assert repr(growing.value) == repr(expected(document, cut)), (seed, cut)
            assert growing.stopped is None, (seed, cut)
        assert growing.done, seed
        assert repr(growing.value) == repr(jiter.from_json(document.text.encode())), seed


def steps_to(whole: Any, path: tuple[int, ...]) -> tuple[str | int, ...]:
    """The path in a value of a path that counts the items of objects too."""
    steps: list[str | int] = []
    for place in path:
        step, whole = whole[place] if isinstance(whole, Pairs) else (place, whole[place])
        steps.append(step)
    return tuple(steps)


def test_a_leaf_is_done_when_its_last_character_is_there_and_a_number_when_the_next_one_is() -> None:
    for seed in range(SEED, SEED + CASES // 500):
        document = document_of(random.Random(seed))
        whole = exact(document.text)
        leaves = [(steps_to(whole, leaf.path), leaf.end + is_number(leaf.text)) for leaf in document.leaves]
        growing = Growing()
        for cut, char in enumerate(document.text, 1):
            growing.feed(char)
            if cut % 7 == 0:
                for steps, end in leaves:
                    assert growing.is_done(*steps) == (cut >= end), (seed, cut, steps)
                    assert not any(growing.is_done(*steps[:depth]) for depth in range(len(steps)) if cut < end)


# Any pieces.


def test_a_value_does_not_depend_on_the_pieces_and_only_grows_and_what_is_done_stays() -> None:
    for seed in range(SEED, SEED + CASES // 50):
        rng = random.Random(seed)
        before, after = rng.choice(AROUND)
        text = before + document_of(rng).text + after
        growing, snapshot, done = Growing(), None, {}
        read = 0
        for piece in pieces_of(rng, text):
            changed = growing.feed(piece)
            read += len(piece)
            if rng.random() > 10 * len(piece) / len(text):
                continue
            assert moment(growing) == moment(fed(text[:read])), (seed, read)
            if snapshot is not None:
                assert grows(snapshot, growing.value), (seed, read)
            assert changed != same(growing.value, fed(text[: read - len(piece)]).value), (seed, read)
            snapshot = deepcopy(growing.value)
            done |= {path: child for path, child in paths(snapshot) if path not in done and growing.is_done(*path)}
        assert growing.done, seed
        final = dict(paths(growing.value))
        assert all(same(child, final[path]) for path, child in done.items()), seed
        assert all(growing.is_done(*path) for path in final), seed


def test_nothing_raises_and_broken_texts_do_not_depend_on_the_pieces_either() -> None:
    for seed in range(SEED, SEED + CASES // 50):
        rng = random.Random(seed)
        text = fuzzed(rng)
        growing, snapshot = Growing(), None
        for piece in pieces_of(rng, text):
            growing.feed(piece)
            if rng.random() < 0.1:
                assert snapshot is None or grows(snapshot, growing.value), seed
                snapshot = deepcopy(growing.value)
        assert moment(growing) == moment(fed(text)), seed
        assert not (growing.done and growing.stopped), seed
        assert snapshot is None or grows(snapshot, growing.value), seed


# One by one.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("no JSON here", None),
        ('{"a', {}),
        ('{"a":', {}),
        ('{"a": "', {"a": ""}),
        ('{"a": "x', {"a": "x"}),
        ('{"a": 12', {}),
        ('{"a": 12 ', {"a": 12}),
        ('{"a": tru', {}),
        ('{"a": true', {"a": True}),
        ('{"a": [', {"a": []}),
        ('{"a": [null, {', {"a": [None, {}]}),
        ('["x\\', ["x"]),
        ('["x\\u00e', ["x"]),
        ('["x\\u00e9', ["xé"]),
        ('["\\ud83d', [""]),
        ('["\\ud83d\\ude0', [""]),
        ('["\\ud83d\\ude00', ["😀"]),
        ('["\\ud83dx', ["\ufffdx"]),
        ('["\\ud83d\\n', ["\ufffd\n"]),
        ('["\\ud83d\\ud83d\\ude00', ["\ufffd😀"]),
        ('["\\ud83d\\u0041', ["\ufffdA"]),
        ('["\\ud83d"', ["\ufffd"]),
        ('["\\ude00', ["\ufffd"]),
        ('["\ud83d', ["\ufffd"]),
        ('{"\\u00e9\\n": 1}', {"é\n": 1}),
    ],
)
def test_what_is_there_of_a_text(text: str, value: Any) -> None:
    for growing in (fed(text), Growing()):
        if growing.value is None:
            for char in text:
                growing.feed(char)

        assert growing.value == value
        assert growing.stopped is None


def test_the_value_is_one_object_that_grows() -> None:
    growing = fed('{"a": [{"b": "x')
    value, inner = growing.value, growing.value["a"][0]
    growing.feed('y"}, 2]}')

    assert growing.value is value
    assert value["a"][0] is inner
    assert value == {"a": [{"b": "xy"}, 2]}


def test_feed_says_whether_the_value_has_changed() -> None:
    growing = Growing()
    pieces = ["so ", '{"', 'a"', ": ", '"', "", "x", "", "\\", "n", '"', ', "b":', "1", " ", "", "}"]
    changing = [piece for piece in pieces if growing.feed(piece)]

    assert changing == ['{"', '"', "x", "n", " "]


def test_what_a_path_must_be_to_be_done() -> None:
    growing = fed('{"a": {"b": [1, "x"], "c": "y')

    assert growing.is_done("a", "b", 0)
    assert growing.is_done("a", "b", -1)
    assert growing.is_done("a", "b")
    assert not growing.is_done("a", "b", 2)
    assert not growing.is_done("a", "b", "0")
    assert not growing.is_done("a", "c")
    assert not growing.is_done("a", "c", 0)
    assert not growing.is_done("a", "d")
    assert not growing.is_done("a")
    assert not growing.is_done()
    assert not Growing().is_done()


def test_the_last_item_is_not_done_while_it_is_open() -> None:
    growing = fed("[[1], [2")

    assert growing.is_done(0)
    assert growing.is_done(-2)
    assert not growing.is_done(-1)
    assert not growing.is_done(1)


def test_an_item_that_is_done_is_done_whatever_of_the_same_name_is_open() -> None:
    growing = fed('[{"a": "x"}, {"a": "y')

    assert growing.is_done(0, "a")
    assert not growing.is_done(1, "a")


def test_what_stops_the_text_says_why_and_where_and_leaves_the_value() -> None:
    for text, value, stopped in [
        ("{'a': 1}", {}, 'a key is due at offset 1'),
        ('x {a: 1}', {}, 'a key is due at offset 3'),
        ('{"a" 1}', {}, 'a colon is due at offset 5'),
        ('{"a": }', {}, 'a value is due at offset 6'),
        ('{"a": 1 "b": 2}', {"a": 1}, "a comma or '}' is due at offset 8"),
        ('[1}', [1], "a comma or ']' is due at offset 2"),
        ('[1, , 2]', [1], 'a value is due at offset 4'),
        ('[1, trux]', [1], 'a value is due at offset 4'),
        ('[True]', [], 'a value is due at offset 1'),
        ('[01]', [], "'01' is no number at offset 3"),
        ('[1.]', [], "'1.' is no number at offset 3"),
        ('[1 // one\n]', [1], "a comma or ']' is due at offset 3"),
        ('["ab\\q"]', ["ab"], 'there is no such escape at offset 4'),
        ('["ab\\u12x4"]', ["ab"], 'there is no such escape at offset 4'),
        ('{"a": "x", "a": "y"}', {"a": "x"}, 'a key comes twice at offset 13'),
        ("[" + "1" * 5000 + "]", [], "the number has more digits than Python converts at offset 5001"),
    ]:  # fmt: skip
        whole, by_character = fed(text), Growing()
        for char in text:
            by_character.feed(char)
        for growing in (whole, by_character):
            assert growing.value == value, text
            assert growing.stopped == stopped, text
            assert not growing.done
            assert not growing.is_done()
            assert not growing.feed(' "more"]')
            assert growing.value == value


def test_what_is_not_json_but_leaves_no_doubt_is_taken() -> None:
    assert fed('{"a": [1, 2,], "b": "line\nbreak\ttab",}').value == {"a": [1, 2], "b": "line\nbreak\ttab"}
    assert fed("[1,]").done


def test_depth_is_bounded() -> None:
    allowed = fed('{"a":' * (MAX_DEPTH - 1) + "[" + "]" + "}" * (MAX_DEPTH - 1))
    stopped = fed("[" * 5000)

    assert allowed.done
    assert stopped.stopped == f"nested deeper than {MAX_DEPTH} levels at offset {MAX_DEPTH}"


def test_what_stands_around_the_value_is_passed_over() -> None:
    assert fed('See [1] for {"a": 1} and [2]').value == [1]
    assert fed('See [1] for {"a": 1} and [2]', dict).value == {"a": 1}
    assert fed("Given {x}: [1, 2] {", list[int]).value == [1, 2]
