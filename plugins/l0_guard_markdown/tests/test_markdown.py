from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Iterable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import l0
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from l0_guard_markdown import Markdown
from l0_guard_markdown.structure import MAX_LINE, Reader

from l0_core import State

Found = list[tuple[str, int | None, str]]
NO_CONTEXT: Any = None  # The guardrail does not ask for it.
FOLDER = Path(__file__).parents[1]
README = FOLDER / "README.md"
CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))


class Stream:
    """One attempt of one stream through a plugin."""

    def __init__(self, plugin: Markdown) -> None:
        self.judge: Any = plugin.check(NO_CONTEXT)
        self.found: Found = []

    def feed(self, delta: str, final: bool = False) -> Stream:
        self.found += [(found.message, found.position, found.severity) for found in self.judge(delta, final) or ()]
        return self

    def end(self) -> Found:
        return self.feed("", final=True).found


def judged(deltas: Iterable[str]) -> Found:
    stream = Stream(Markdown())
    for delta in deltas:
        stream.feed(delta)
    return stream.end()


def unclosed(position: int) -> Found:
    return [("Unclosed code fence", position, "error")]


def uneven(*places: tuple[int, int]) -> Found:
    return [(f"Inconsistent table columns at line {line}", position, "warning") for line, position in places]


CLOSED = [
    "",
    "No fence at all.",
    "```\ncode\n```",
    "```\ncode\n```\n",
    "~~~\ncode\n~~~",
    "```python\nprint()\n```\nmore text",
    "   ```\n   code\n   ```",
    "```\ncode\n   ```",
    "```\n```",
    "```\ncode\n`````  ",
    "```\r\ncode\r\n```\r\n",
    # Only a fence of the same character, as long, and with nothing behind it, closes.
    "```\n~~~\n```",
    "~~~\n```\n~~~",
    "````markdown\n```python\nprint()\n```\n````",
    "```\n``\n```",
    "```\n``` python\n```",
    "```\n    ```\n```",
    "~~~ info with ` and ~~~\ncode\n~~~",
    # These are no fences.
    "``\ncode",
    "Inline ``` is text",
    "``` inline ``` code",
    "``` info with a ` in it",
    "    ```\n    indented code",
    "- item\n\nParagraph\n\n    ```\n    indented code",
    "> ```\n> code\n> ```",
    ">```\n>code\n>```\n",
    "> > ```\n> > code\n> > ```",
    "```\n> ```\n```",
    "```\n- ```\n```",
    "- item\n  ```\n  code\n  ```",
    "1. item\n\n   ```\n   code\n   ```\n2. next",
    "- a\n  - b\n    1. c\n       ```sh\n       code\n       ```\n",
    "- a\n    - b\n        - c\n\n            ```sh\n            code\n            ```\n",
    "10. item\n    ```\n    code\n    ```",
    "- ```sh\n  code\n  ```",
    "- > ```\n  > code\n  > ```",
    "> - ```\n>   code\n>   ```",
    "-\n  ```\n  code\n  ```",
    "\t- item\n\n\t  ```\n",
]
CLOSED_BY_ITS_CONTAINER = [
    "> ```\n> code\n\ntext",
    "> ```\n> code\ntext",
    "- ```\n  code\n\ntext",
    "1. ```\n   code\n2. next",
    "> ```\n> code\n\n```python\ncode\n```",
]
CLOSED_BY_ANY_READING = [
    # The fence of an item, closed less indented or holding less indented lines: CommonMark opens another one there.
    "1. item\n   ```python\n   code\n```\n",
    "1. item\n   ```python\ncode\n   ```\ntext",
    "> ```\n> code\n```\n",
    "> ```\n> code\n\n```\ncode\n```",
]
OPEN = [
    ("```", 0),
    ("```\ncode", 0),
    ("```python\ncode\n\nmore\n", 0),
    ("~~~\ncode\n```", 0),
    ("```\ncode\n~~~", 0),
    ("````\ncode\n```", 0),
    ("```\ncode\n``` x", 0),
    ("```\ncode\n    ```", 0),
    ("   ```\ncode", 3),
    ("a\n\n```\nb\n```\n\n```\nc", 14),
    ("> ```\n> code", 2),
    ("- ```sh\n  code", 2),
    ("- item\n\n  ```sh\n  code", 10),
    ("- a\n  - b\n    - c\n      ```\n      code", 24),
    ("1. item\n   ```python\n   code\n```\n\n```sh\ncode", 34),
    # Of the same length, the inner fence ends the outer one, and the last one opens another.
    ("```markdown\n```python\nprint()\n```\n```", 34),
    ("    code\n\n```", 10),
    ("- item\n\nText\n\n   ```", 17),
]


@pytest.mark.parametrize("text", CLOSED + CLOSED_BY_ITS_CONTAINER + CLOSED_BY_ANY_READING)
def test_fences_that_are_closed_or_none(text: str) -> None:
    assert judged([text]) == []


@pytest.mark.parametrize(("text", "position"), OPEN)
def test_a_fence_that_is_open_at_the_end(text: str, position: int) -> None:
    stream = Stream(Markdown())

    assert stream.feed(text).found == []
    assert stream.end() == unclosed(position)


EVEN = [
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "a | b\n--|:-:\n1 | 2",
    "| a | b\n|---|---\n1 | 2 |\n",
    "| a |\n|---|\n| 1 |\n",
    "|a|b|\r\n|-|-|\r\n|1|2|\r\n",
    "| a | b |\n|---|---|\n| x \\| y | 2 |\n| \\\\| 2 |\n",
    "| a | b |\n|---|---|\n| `x | y` | ``a ` | b`` |\n",
    "| a | b |\n|---|---|\n| ` | ` |\n| `a | b` |\n",
    "| a | b |\n|---|---|\n|  |  |\n| | 2 |\n",
    "| a \\| b |\n|---|\n| 1 |\n",
    # What ends a table is no row.
    "| a | b |\n|---|---|\n\n| alone |\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\nText after it.\nA | pipe | in | text\n",
    "| a | b |\n|---|---|\n# A | heading | more\n",
    "| a | b |\n|---|---|\n- an | item | more\n",
    "| a | b |\n|---|---|\n> a | quote | more\n",
    "| a | b |\n|---|---|\n```\n| 1 |\n```\n",
    "| a | b |\n|---|---|\na \\| b\n",
    # No tables: no delimiter row, one of another size, in code.
    "| a | b |\n| 1 | 2 | 3 |\n",
    "|a|b|\n|---|\n|1|2|3|\n",
    "a | b\n---\n1 | 2 | 3\n",
    "\n|---|---|\n| 1 |\n",
    "# a | b\n|---|---|\n| 1 |\n",
    "```\n| a | b |\n|---|---|\n| 1 |\n```\n",
    "    | a | b |\n    |---|---|\n    | 1 |\n",
    "cat a | sort | uniq\n",
    "> | a | b |\n> |---|---|\n> | 1 | 2 |\n\n| x |\n",
    "> | a | b |\n> |---|---|\n| 1 |\n",
    "- | a | b |\n  |---|---|\n  | 1 | 2 |\n",
    "1. item\n\n   | a | b |\n   |---|---|\n   | 1 | 2 |\n",
]
UNEVEN = [
    ("| a | b |\n|---|---|\n| 1 |\n", (3, 20)),
    ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", (3, 20)),
    ("a | b\n-|-\n1 | 2\n1 | 2 | 3\n1 | 2 | 3\n", (4, 16)),
    ("x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| `1 | 2 | 3` |\n", (6, 33)),
    ("> | a | b |\n> |---|---|\n> | 1 |\n", (3, 24)),
    ("- | a | b |\n  |---|---|\n  | 1 |\n", (3, 24)),
    ("- a\n  - b\n    - c\n\n      | a | b |\n      |---|---|\n      | 1 |\n", (7, 51)),
]


@pytest.mark.parametrize("text", EVEN)
def test_tables_that_are_even_or_none(text: str) -> None:
    assert judged([text]) == []


@pytest.mark.parametrize(("text", "place"), UNEVEN)
def test_the_first_uneven_row_of_a_table(text: str, place: tuple[int, int]) -> None:
    assert judged([text]) == uneven(place)


def test_each_table_is_reported_once_and_as_soon_as_its_row_is_there() -> None:
    table = "| a | b |\n|---|---|\n| 1 |\n| 1 |\n\n"
    stream = Stream(Markdown())

    assert stream.feed(table[:25]).found == []
    assert stream.feed(table[25:]).found == uneven((3, 20))
    assert stream.feed(table).end() == uneven((3, 20), (8, 53))


def test_an_uneven_table_and_an_open_fence_are_both_found() -> None:
    assert judged(["| a |\n|---|\n| 1 | 2 |\n```\n"]) == [*uneven((3, 12)), *unclosed(22)]


PIECES = [
    *("```", "````", "~~~", "`", "\n", "\n\n", "\r\n", " ", "    ", "\t", "> ", "- ", "1. ", "10) ", "# ", "-", ":"),
    *("|", "\\|", "a", "text ", "```py\n", "| a | b |\n", "|---|---|\n", "| 1 |\n", "`x | y`"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(texts, st.lists(st.integers(0, 80)))
@example("```\r\na\r\n```", [9, 10, 11])
@example("| a | b |\n|---|---|\n| 1 |", [19, 20, 25])
def test_the_verdict_does_not_depend_on_the_cuts(text: str, cuts: list[int]) -> None:
    whole = judged([text])

    assert judged(pieces(text, cuts)) == whole
    assert judged(text) == whole


def test_many_random_texts_and_cuts() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    for _ in range(CASES):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 25)))
        deltas = pieces(text, [chance.randrange(100) for _ in range(chance.randint(0, 8))])
        assert judged(deltas) == judged([text]), (seed, deltas)


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * MAX_LINE + "\n",
        " " * MAX_LINE + "```\n",
        "```\n```" + " " * MAX_LINE + "x\n```\n",
        "|a|b|\n|-|-|\n|1|" + "x" * MAX_LINE + "\n|1|\n",
        "- " + "x" * MAX_LINE + "\n\n      ```\n",
        "-" * MAX_LINE + "|-\n" + "|" * MAX_LINE + "\n",
        "```\n" + "x" * 3 * MAX_LINE + "\n",
    ],
)
def test_lines_too_long_to_be_kept_are_text_however_they_are_cut(text: str) -> None:
    whole = judged([text])

    assert judged(text) == judged(pieces(text, range(0, len(text), 60))) == whole
    assert whole in ([], unclosed(0))


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Markdown()
    fenced, plain = Stream(plugin), Stream(plugin)
    for one, two in zip("a\n```\nb\n", "abc def ", strict=True):
        fenced.feed(one)
        plain.feed(two)

    assert fenced.end() == unclosed(2)
    assert plain.end() == []


def work(deltas: list[str]) -> int:
    """How many functions are called, of Python and of C."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        judged(deltas)
    finally:
        sys.setprofile(None)
    return calls


PATTERNS = ["word ", "text\n", "\n", "```\na\n```\n", "- a\n", "|a|b|\n", "|a|b|\n|-|-|\n", "> ```\n> a\n", "`", "- - "]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [1, 60, 10**9], ids=["by character", "in batches", "at once"])
def test_work_grows_with_the_text_and_not_faster(pattern: str, size: int) -> None:
    def deltas(length: int) -> list[str]:
        text = (pattern * length)[:length]
        return [text[start : start + size] for start in range(0, length, size)]

    assert work(deltas(16_000)) < 2.2 * work(deltas(8_000)) + 100


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_more_than_two_lines_are_kept(pattern: str) -> None:
    reader = Reader()
    for _ in range(3000):
        reader.feed((pattern * 60)[:60])
        assert len(reader._tail) <= 4 * MAX_LINE

    reader.feed(pattern * 100_000)
    assert len(reader._tail) <= 4 * MAX_LINE


def documents() -> list[Path]:
    """The project's own texts; outside of its repository only this README."""
    root = FOLDER.parents[1]
    if not (root / "l0_core" / "l0_core").is_dir():
        return [README]
    return [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("l0_*/*.md"), *root.glob("plugins/*/*.md")]


@pytest.mark.parametrize("path", documents(), ids=lambda path: "/".join(path.parts[-2:]))
def test_real_documents_have_no_fault(path: Path) -> None:
    text = path.read_text("utf-8")

    assert judged([text]) == []
    for fence in re.finditer(r"^```\w+\n", text, re.MULTILINE):
        if judged([text[: fence.start()]]) == []:  # Otherwise it is in another one.
            assert judged([text[: fence.end()]]) == unclosed(fence.start())


def test_its_name_leads_to_it() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    module, name = project["entry-points"]["l0.guardrails"]["markdown"].split(":")

    assert getattr(import_module(module), name) is Markdown


def test_in_a_stream_a_cut_answer_is_asked_for_again_and_a_table_is_only_noted() -> None:
    table = "| a | b |\n|---|---|\n| 1 |\n\n"
    answers = iter([table + "```sh\nls", table + "```sh\nls\n```"])

    async def model() -> AsyncIterator[str]:
        for token in next(answers):
            yield token

    async def read() -> tuple[str, State]:
        stream = await l0.run(model, guardrails=[Markdown()], retry=l0.Retry(base_delay=0))
        return await stream.read(), stream.state

    text, state = asyncio.run(read())

    assert text == table + "```sh\nls\n```"
    assert {(found.rule, found.severity, found.position) for found in state.violations} == {
        ("markdown", "warning", 20),
        ("markdown", "error", 27),
    }


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
