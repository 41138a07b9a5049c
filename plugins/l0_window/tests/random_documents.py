"""Documents of all sorts, made of graphemes that are known, so that it is known where they may be cut."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from itertools import accumulate

CASES = int(os.environ.get("L0_TEST_WINDOW_CASES", "2000"))
SEED = 20240229

# Each is what a reader takes for one character, and no two of them make one together.
LETTERS = (
    *("a", "b", "Z", "1", "é", "e\u0301", "o\u0302\u0323", "ж", "λ", "ש", "م", "漢", "字", "あ", "각"),
    *("\u1100\u1161\u11a8", "नि", "क्षि", "กำ", "ﾊﾟ"),
)
EMOJI = (
    *("😀", "👍🏽", "❤️", "1️⃣", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇫🇷", "🏴\U000e0067\U000e0062\U000e007f"),
    "\ud83d\ude00",
)
BLANKS = (" ", " ", " ", "\n", "\r\n", "\t", "\n\n", "\u3000")
MARKS = (".", "!", "?", "。", "…", ")", '"', ",")


@dataclass
class Document:
    """A text, and every place in it that is between two graphemes."""

    text: str
    joints: set[int]


def made_of(graphemes: list[str]) -> Document:
    split = [part for grapheme in graphemes for part in (("\n", "\n") if grapheme == "\n\n" else (grapheme,))]
    return Document("".join(split), {0, *accumulate(map(len, split))})


def random_document(rng: random.Random) -> Document:
    kind = rng.choice((words, words, paragraphs, paragraphs, blanks, no_blanks, anything, lines, one_script, emoji))
    return made_of(kind(rng))


def word(rng: random.Random, letters: tuple[str, ...] = LETTERS) -> list[str]:
    return [rng.choice(letters) for _ in range(rng.choice((1, 2, 3, 5, 8, 30)))]


def sentence(rng: random.Random) -> list[str]:
    letters = LETTERS[rng.randrange(len(LETTERS)) :]
    found: list[str] = []
    for _ in range(rng.randint(1, 12)):
        found += [*word(rng, letters), " "]
    return [*found[:-1], rng.choice(MARKS[:4]), " "]


def words(rng: random.Random) -> list[str]:
    return [part for _ in range(rng.randint(0, 60)) for part in (*word(rng), rng.choice(BLANKS))]


def paragraphs(rng: random.Random) -> list[str]:
    line_end = rng.choice((["\n"], ["\r\n"]))
    found: list[str] = []
    for _ in range(rng.randint(1, 8)):
        for _ in range(rng.choice((1, 1, 2, 3, 10))):
            found += sentence(rng)
        found += line_end * rng.choice((1, 2, 2, 2, 3))
    return found


def lines(rng: random.Random) -> list[str]:
    return [part for _ in range(rng.randint(1, 40)) for part in (*word(rng, LETTERS[:4]), "\r\n")]


def blanks(rng: random.Random) -> list[str]:
    return rng.choices(BLANKS, k=rng.randint(1, 200))


def no_blanks(rng: random.Random) -> list[str]:
    return rng.choices(LETTERS, k=rng.randint(1, 300))


def one_script(rng: random.Random) -> list[str]:
    return [rng.choice(LETTERS)] * rng.randint(1, 300)


def emoji(rng: random.Random) -> list[str]:
    return rng.choices(EMOJI, k=rng.randint(1, 80))


def anything(rng: random.Random) -> list[str]:
    return rng.choices((*LETTERS, *EMOJI, *BLANKS, *MARKS), k=rng.randint(0, 300))
