"""How similar two texts are, by their words; and not at all if a number, a date, a negation or a name is another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import chain

from l0_consensus.tokens import Token, tokens

__all__ = ["TURN", "Reading", "reading", "text_similarity"]

TURN = 2048
"""Tokens that are read in one turn of the event loop."""

REPLACED, ADDED = 4, 2
"""What a word that is replaced by another counts, and one that only one of two texts has.

By that, texts agree at a threshold of 0.8 that differ in one word of 16, or in one more of 10: to take any fewer would
be to take an answer of a sentence for another that differs in the word that matters.
"""

NEARLY = 0.999
"""The most that texts can have in common that are not the same."""

OPPOSING = ("un", "in", "im", "il", "ir", "dis", "non", "de", "anti", "mis")
"""What makes the opposite of a word at its beginning."""

NOTHING = Token("", "")


@dataclass(slots=True, eq=False)
class Reading:
    """A text as it is compared.

    `key` is the same for texts that say the same, and `value` is the number or date that a text is, if it is one and
    nothing else. `words` and `pairs` are the words and the neighbors among them, as hashes with how often each has come
    by then. `around` has the names with the words before and after them. `facts` are numbers, dates, signs and
    negations, in order; `placed` are the same with the words before them, `units` the words after them.
    """

    key: str = ""
    value: str | None = None
    words: set[int] = field(default_factory=set)
    pairs: set[int] = field(default_factory=set)
    vocabulary: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    around: set[tuple[str, str, str]] = field(default_factory=set)
    facts: list[str] = field(default_factory=list)
    placed: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: list[str] = field(default_factory=list)


def reading(text: str) -> Generator[None, None, Reading]:
    """Read a text, some of it in each turn."""
    made, said, pairs, counts = Reading(), list[Token](), Counter[tuple[str, str]](), Counter[str]()
    coming = tokens(text)
    before, token = NOTHING, next(coming, NOTHING)
    if token is NOTHING:
        made.key = text.strip()
        return made
    for after in chain(coming, (NOTHING,)):
        said.append(token)
        counts[token.text] += 1
        made.words.add(hash((token.text, counts[token.text])))
        if after is not NOTHING:
            pair = token.text, after.text
            pairs[pair] += 1
            made.pairs.add(hash((pair, pairs[pair])))
        if token.kind != "word":
            _take(made, before, token, after)
        if not len(said) % TURN:
            yield
        before, token = token, after
    made.key = " ".join([token.text for token in said])
    made.vocabulary.update(counts)
    made.value = _value(said[:3])
    return made


def _value(said: list[Token]) -> str | None:
    if [token.kind for token in said] in (["figure"], ["date"], ["minus", "figure"]):
        value = "".join(token.text for token in said)
        return value if any(map(str.isdigit, value)) else None
    return None


def _take(made: Reading, before: Token, token: Token, after: Token) -> None:
    """Take down what bears the meaning."""
    kind, text = token
    if kind == "name":
        made.names.add(text)
        made.around.update(((text, "after", before.text), (text, "before", after.text)))
        return
    fact, unit = (f"{text} {after.text}", "") if kind == "negation" else (text, after.text)
    made.facts.append(fact)
    made.placed[before.text, fact] += 1
    made.units.append(unit)


def text_similarity(a: Reading, b: Reading) -> float:
    """From 0 to 1: the share of the words and of the pairs of neighbors that two texts have in common, on average.

    It is 1 if they say the same, and 0 if they contradict each other. It takes time by the words of both.
    """
    if a.key == b.key:
        return 1.0
    if not (a.words and b.words):
        return 0.0
    common = len(a.words & b.words)
    lost, gained = len(a.words) - common, len(b.words) - common
    difference = REPLACED * min(lost, gained) + ADDED * abs(lost - gained)
    by_words = 1 - difference / max(len(a.words), len(b.words))
    if by_words <= 0 or _contradict(a, b):
        return 0.0
    all_pairs = len(a.pairs) + len(b.pairs)
    by_pairs = 2 * len(a.pairs & b.pairs) / all_pairs if all_pairs else by_words
    return min(NEARLY, (by_words + by_pairs) / 2)


def _contradict(a: Reading, b: Reading) -> bool:
    """Whether two texts differ in what bears the meaning, whatever else they have in common."""
    # In another order facts are the same if each is still where it belongs: "5 in 2020", "in 2020 5".
    if a.facts != b.facts and a.placed != b.placed:
        return True
    if a.facts == b.facts and any(
        one != other and one not in b.vocabulary and other not in a.vocabulary
        for one, other in zip(a.units, b.units, strict=True)
    ):
        return True
    only_a, only_b = a.vocabulary - b.vocabulary, b.vocabulary - a.vocabulary
    if not (only_a.isdisjoint(a.names) or only_b.isdisjoint(b.names)):
        return True
    return _opposed(only_a, only_b) or _opposed(only_b, only_a) or _exchanged(a, b)


def _opposed(some: set[str], others: set[str]) -> bool:
    return any(prefix + word in others for word in some for prefix in OPPOSING)


def _exchanged(a: Reading, b: Reading) -> bool:
    """Whether several names have changed places: "from London to Paris", "from Paris to London"."""
    kept = {name for name, _, _ in a.around & b.around}
    return len((a.names & b.names) - kept) > 1
