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
from l0_guard_latex import Latex
from l0_guard_latex.structure import MAX_CODE, MAX_DEPTH, Reader

from l0_core import State

Found = list[tuple[str, int | None]]
NO_CONTEXT: Any = None  # The guardrail does not ask for it.
FOLDER = Path(__file__).parents[1]
README = FOLDER / "README.md"
CASES = int(os.environ.get("L0_TEST_GUARD_CASES", "10000"))

DISPLAY = "Unbalanced display math ($$)"
BRACKETS = r"Unbalanced bracket math (\[ \], \( \))"
INLINE = "Unbalanced inline math ($)"


class Stream:
    """One attempt of one stream through a plugin."""

    def __init__(self, plugin: Latex) -> None:
        self.judge: Any = plugin.check(NO_CONTEXT)
        self.found: Found = []

    def feed(self, delta: str, final: bool = False) -> Stream:
        violations = self.judge(delta, final) or ()
        assert all((found.rule, found.severity, found.recoverable) == ("latex", "error", True) for found in violations)
        self.found += [(found.message, found.position) for found in violations]
        return self

    def end(self) -> Found:
        return self.feed("", final=True).found


def judged(deltas: Iterable[str]) -> Found:
    stream = Stream(Latex())
    for delta in deltas:
        stream.feed(delta)
    return stream.end()


ANSWER = r"""The sum of the first $n$ numbers is $\frac{n(n+1)}{2}$, so for $n = 10$ it is **55**.

$$
\sum_{i=1}^{n} i = \frac{n(n+1)}{2}
$$

1. It costs $20 and $30, or 5\% of $1,000; that is $x$ dollars.
2. In brackets: \( a^2 + b^2 \), and \[ \int_0^1 x\,dx = \frac{1}{2} \]

\begin{align*}
  f(x) &= \begin{cases} 1 & x > 0 \\[2pt] 0 & \text{otherwise, at \$5 or $x$} \end{cases} \\
  g(x) &= \left( \alpha, \beta \right]   % \end{nothing} $
\end{align*}

Write `\begin{align}` and `$`, or:

```latex
\begin{document}
$$
```
"""
DOCUMENT = r"""% \begin{nothing}
\documentclass[12pt]{article}
\usepackage{amsmath} % costs $5
\begin{document}
``Quoted'' and `single', as in ```Really?' he said'' for 50\% of it.
\begin{verbatim}
\begin{nothing} $ \[ ```
\end{verbatim}
\begin{lstlisting}[language=TeX]
\end{verbatim} $$
\end{lstlisting}
\verb|$| and \verb*+\[+ are $x$.
\begin{comment} \end{document} \) \end{comment}
\end{document}

The code `\begin{nothing}` is over.
"""
SOUND = [
    "",
    ANSWER,
    DOCUMENT,
    r"\begin{a}\begin{b}\end{b}\end{a}",
    r"\begin {a} x \end {a}",
    r"\\begin{a} \\[2pt] \\( \\alpha",
    r"\alpha \$ \{ \\\$ \% \`",
    r"\alpha \beginning{a} \endless \verbatiminput{x}",
    r"\begin{minted}{python} x = '$' \end{lstlisting} \end{minted}",
    "\\begin{a}\n% \\end{b} $\n\\end{a}",
    "% \\begin{a}\n\\alpha",
    # Math.
    "$$x$$ $$ y $$",
    "$$\n\nx\n\n$$",
    r"$x$$y$ \alpha",
    r"\[ \text{costs $5 or \(x\)} \] $$ \text{$x$} $$",
    r"\( \text{costs $5} \) \alpha",
    "$x\ny$ \\alpha",
    r"\alpha H$_2$0",
    # Code.
    "`\\begin{a}` \\alpha",
    "``\\begin{a} ` $`` \\alpha",
    "`\\begin{a}\n$` \\alpha",
    "```\n\\begin{a} $\n```\n\\alpha",
    "~~~~tex\n\\begin{a}\n~~~\n~~~~\n\\alpha",
    "> - ```\n>   \\begin{a}\n>   ```\n\\alpha",
    "```\n\\begin{a}",
    "````\n```\n\\begin{a}\n````\n\\alpha",
    # No math: what Markdown escapes.
    r"\alpha \[1] and \[x] are \[done], \[#12]",
]
PRICES = [
    "$5",
    "$5, $10 and $x",
    r"It costs $5. \alpha",
    r"\alpha for $5",
    r"\alpha costs $1,000",
    r"\alpha costs $20 and $30",
    r"\alpha costs $20-$30, $20/$30 or $1.50.",
    r"\alpha costs $20 and $x$ costs $30",
    r"\alpha costs $5 ($x$ each)",
    r"\alpha costs $5/$x$",
    r"\alpha costs 5$ or 5 $, US$ 5 or R$5",
    r"\alpha costs $5 where \(x\) is" + "\n\n" + r"\(y\)",
    r"\alpha in $HOME and ($PRODUCT_DIR)",
    r'\alpha and the $ sign, "$" or ($)',
    r"\alpha with $ x $ and $ y $.",
    r"\alpha is rated $$$ of $$$$",
]
NOT_LATEX = ["$x", r"the regex \(a", r"a \) smiley", "a `b", "$HOME", r"\sqrt and $x", r"\alphabet $x", "`$$` $x"]


@pytest.mark.parametrize("text", SOUND)
def test_what_is_sound(text: str) -> None:
    assert judged([text]) == []


@pytest.mark.parametrize("text", PRICES)
def test_prices_variables_and_lone_signs_are_no_math(text: str) -> None:
    assert judged([text]) == []


@pytest.mark.parametrize("text", NOT_LATEX)
def test_math_does_not_count_in_a_text_that_does_not_look_like_latex(text: str) -> None:
    assert judged([text]) == []
    assert judged([text, "\n\n\\alpha $y"])[-1][0] == INLINE


AT_ONCE = [
    (r"\begin{a} x \end{b}", r"Mismatched environment: \begin{a} ends with \end{b}", 12),
    (r"x \end{a}", r"Unexpected \end{a}: no environment is open", 2),
    (r"\begin{a}\end{a}\end{a}", r"Unexpected \end{a}: no environment is open", 16),
    ("`x` ```\n\n\\end{a}", r"Unexpected \end{a}: no environment is open", 9),
    ("a `b\n\n\\end{a}", r"Unexpected \end{a}: no environment is open", 6),
    ("a `b\n- \\end{a}", r"Unexpected \end{a}: no environment is open", 7),
    (r"\begin{verbatim}\end{a}\end{verbatim}\end{b}", r"Unexpected \end{b}: no environment is open", 37),
    (r"\\\end{a}", r"Unexpected \end{a}: no environment is open", 2),
    ("```a` b\n\n\\end{a}", r"Unexpected \end{a}: no environment is open", 9),
]
AT_THE_END = [
    (r"\begin{a}", [("Unclosed environments: a", 0)]),
    (r"x \begin{a} \begin{b*} \[ y \]", [("Unclosed environments: a, b*", 2)]),
    (r"\begin{verbatim} \end{verb", [("Unclosed environments: verbatim", 0)]),
    ("$$ x", [(DISPLAY, 0)]),
    ("$$ x $$ $$ y", [(DISPLAY, 8)]),
    (r"\[ x", [(BRACKETS, 0)]),
    (r"x \]", [(BRACKETS, 2)]),
    (r"\[ x \)", [(BRACKETS, 0)]),
    (r"\( x \]", [(BRACKETS, 5)]),
    (r"\[ x \[ y \]", [(BRACKETS, 5)]),
    (r"\( x \alpha", [(BRACKETS, 0)]),
    ("\\( x\n\n\\) \\alpha", [(BRACKETS, 0)]),
    (r"\alpha \) \( \(", [(BRACKETS, 7)]),
    (r"\alpha $x", [(INLINE, 7)]),
    ("$x = 1\n\n$y$ \\alpha", [(INLINE, 0)]),
    (r"\alpha and $x and then $y$", [(INLINE, 11)]),
    (r"\alpha $2x$ and $y", [(INLINE, 16)]),
    (r"\alpha $AB$ and $y", [(INLINE, 16)]),
    (r"\alpha x$ and more", [(INLINE, 8)]),
    (r"\alpha costs $5 and $x", [(INLINE, 20)]),
    (
        r"\begin{a} $$ \frac{1}{2}" + "\n\n" + r"$$ \( $x",
        [("Unclosed environments: a", 0), (BRACKETS, 29)],
    ),
]


@pytest.mark.parametrize(("text", "message", "position"), AT_ONCE)
def test_environments_that_do_not_match_are_found_at_once(text: str, message: str, position: int) -> None:
    stream = Stream(Latex())

    assert stream.feed(text[:position]).found == []
    assert stream.feed(text[position:]).found == [(message, position)]
    assert stream.feed(" and so on").end() == [(message, position)]


@pytest.mark.parametrize(("text", "faults"), AT_THE_END)
def test_what_is_open_or_unbalanced_at_the_end(text: str, faults: Found) -> None:
    stream = Stream(Latex())

    assert stream.feed(text).found == []
    assert stream.end() == faults


@pytest.mark.parametrize("text", [ANSWER, DOCUMENT])
def test_an_answer_that_is_cut_in_an_environment_is_found(text: str) -> None:
    begin = text.rindex(r"\begin{c" if "cases" in text else r"\begin{comment}")

    assert [message.split(":")[0] for message, _ in judged([text[: begin + 15]])] == ["Unclosed environments"]


def test_a_sign_of_latex_counts_wherever_it_comes() -> None:
    assert judged(["$x\n\n", "and \\alpha"]) == [(INLINE, 0)]
    assert judged(["$x\n\n", "and `\\alpha`"]) == []


PIECES = [
    *("\\", "$", "$$", "`", "``", "```", "~~~", "\n", "\n\n", "\r\n", " ", "{", "}", "[", "]", "(", "%", "x", "5", "|"),
    *("\\begin{a}", "\\end{a}", "\\begin", "\\end", "{a}", "\\begin{verbatim}", "\\end{verbatim}", "\\[", "\\]", "\\("),
    *("\\)", "\\$", "\\alpha", "\\documentclass", "\\end{document}", "\\verb", "*", "> ", "- ", "1. ", "AB", "'", '"'),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(texts, st.lists(st.integers(0, 80)))
@example("\\begin{a}\\\\\\end{b}", [1, 3, 9, 10, 11, 12, 16])
@example("`` ` `` $x$$y$ \\alpha", [1, 2, 9, 10, 11, 12])
def test_the_verdict_does_not_depend_on_the_cuts(text: str, cuts: list[int]) -> None:
    whole = judged([text])

    assert judged(pieces(text, cuts)) == whole
    assert judged(text) == whole


@pytest.mark.parametrize("text", [ANSWER, DOCUMENT])
def test_every_cut_of_an_answer_in_two(text: str) -> None:
    for at in range(len(text)):
        assert judged([text[:at], text[at:]]) == []


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
        "`" + "x" * (MAX_CODE - 2) + "` \\end{a}",
        "`" + "x" * MAX_CODE + "` \\end{a}",
        "`" * (MAX_CODE + 5) + "\\end{a}`",
        "```" + "x" * MAX_CODE + "\n\\end{a}\n```\n",
        "\\verb|" + "x" * MAX_CODE + "\\end{a}|",
        "\\" * 5001 + "end{a}",
        "\\" * 5000 + "end{a}",
        "$" * 5001 + "\\end{a}",
        "\n" + " " * 5000 + "```\n\\end{a}\n```\n",
        "\\begin{" + "x" * 5000 + "}\\end{a}",
        "\\" + "x" * 5000 + "\\end{a}",
        "\\[" + "x" * 5000 + "\\end{a}]",
        "\\begin{a}\n" + "% $\n" * 500 + "\\end{a}",
    ],
)
def test_long_ones_are_the_same_however_they_are_cut(text: str) -> None:
    whole = judged([text])

    assert judged(text) == judged(pieces(text, range(0, len(text), 60))) == whole


def test_two_streams_through_one_plugin_do_not_meet() -> None:
    plugin = Latex()
    first, second = Stream(plugin), Stream(plugin)
    for one, two in zip(r"\begin{a} x", r"`\begin{b}`", strict=True):
        first.feed(one)
        second.feed(two)

    assert first.end() == [("Unclosed environments: a", 0)]
    assert second.end() == []


def test_nesting_deeper_than_is_remembered_is_counted() -> None:
    depth = MAX_DEPTH + 500

    assert judged([r"\begin{a}" * depth, r"\end{a}" * depth]) == []
    assert [message for message, _ in judged([r"\begin{a}" * depth, r"\end{a}" * (depth + 1)])] == [
        r"Unexpected \end{a}: no environment is open"
    ]


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


PATTERNS = [
    *(
        "word ",
        "text\n",
        "\n",
        "$",
        "$x$ ",
        "$ ",
        "`",
        "` ",
        "`a` ``",
        "\\",
        "\\a ",
        "\\[ ",
        "```\n",
        "\\verb|",
        "\\begin{",
    ),
    *("\\begin{a}", "\\end{a}", "\\begin{verbatim}", "% a\n", "> ", " \n", "\n```x", "\\documentclass\n"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [1, 60, 10**9], ids=["by character", "in batches", "at once"])
def test_work_grows_with_the_text_and_not_faster(pattern: str, size: int) -> None:
    def deltas(length: int) -> list[str]:
        text = (pattern * length)[:length]
        return [text[start : start + size] for start in range(0, length, size)]

    assert work(deltas(16_000)) < 2.3 * work(deltas(8_000)) + 200


@pytest.mark.parametrize("pattern", PATTERNS)
def test_little_is_kept(pattern: str) -> None:
    reader = Reader()
    for _ in range(500):
        reader.feed((pattern * 60)[:60])
        assert len(reader._carry) < 3 * MAX_CODE

    reader.feed(pattern * 100_000)
    assert len(reader._carry) < 3 * MAX_CODE
    assert len(reader.open_environments) <= MAX_DEPTH


def documents() -> list[Path]:
    """The project's own texts; outside of its repository only this README."""
    root = FOLDER.parents[1]
    if not (root / "l0_core" / "l0_core").is_dir():
        return [README]
    return [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("l0_*/*.md"), *root.glob("plugins/*/*.md")]


@pytest.mark.parametrize("path", documents(), ids=lambda path: "/".join(path.parts[-2:]))
def test_real_documents_have_no_fault(path: Path) -> None:
    assert judged([path.read_text("utf-8")]) == []


def test_its_name_leads_to_it() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    module, name = project["entry-points"]["l0.guardrails"]["latex"].split(":")

    assert getattr(import_module(module), name) is Latex


def test_in_a_stream_an_answer_with_a_fault_is_asked_for_again() -> None:
    answers = iter([r"\begin{a} x \end{b} and more", r"\begin{a} x \end{a}"])

    async def model() -> AsyncIterator[str]:
        for token in next(answers):
            yield token

    async def read() -> tuple[str, State]:
        stream = await l0.run(model, guardrails=[Latex()], retry=l0.Retry(base_delay=0))
        return await stream.read(), stream.state

    text, state = asyncio.run(read())

    assert text == r"\begin{a} x \end{a}"
    assert [(found.rule, found.severity, found.position) for found in state.violations] == [("latex", "error", 12)]


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", code_blocks())
def test_the_code_of_the_readme_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
