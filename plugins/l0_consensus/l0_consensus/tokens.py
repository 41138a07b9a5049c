"""The words, numbers, dates and signs of a text, each in one form: `42.0` is `42`, `isn't` is `is not`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

__all__ = ["Token", "moment", "number", "tokens"]

LONGEST_NORMALIZED = 256
"""Characters of a word up to which its Unicode forms are made one: that can take quadratic time."""


class Token(NamedTuple):
    """A piece of a text. `kind` is "word", "name", "figure", "date", "sign", "minus" or "negation"."""

    kind: str
    text: str


_COMPARING = "%‰°±×÷+^<>$¢£¤¥\u20a0-\u20cf\u2200-\u2211\u2213-\u22ff％＋＜＞＄"
_JOINING = "=/&＝／＆\u2190-\u21ff"
_SEPARATING = (
    r"\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xa1§«¶·»¿\u060c\u061b\u061f\u06d4\u0964\u0965"
    r"\u2212\u2000-\u206f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTERS = f"[^{_SEPARATING}{_COMPARING}{_JOINING}{_IDEOGRAPHS}]++"

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]+")
_TOKEN = re.compile(
    r"(?P<marker>^[ \t]*+(?:[>+]++(?=\s)|={3,}+[ \t]*+$))"  # a quotation, an item or a heading in Markdown
    r"|(?P<date>(?<![\d-])\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?!\d))"
    r"|(?P<plus>(?<![\w)\]])\+(?=\.?\d))"
    r"|(?P<minus>(?<![\w)\]])[-\u2212\u2013](?=[$£€¥]?\.?\d))"
    r"|(?P<figure>(?:\d{1,3}(?:[,\u00a0\u202f]\d{3}(?!\d))++(?:\.\d++)?|\d++(?:\.\d++)*+|(?<!\.)\.\d++)"
    r"(?:[eE][-+]?\d++(?!\w))?)"
    r"|(?P<sign>[-=]>|[<>!=]=++|(?<=\w)\#"
    r"|(?<=[\w)\]] )\*(?= [\w(\[])|(?<=\w)\*(?=\w)"  # an operator, and no Markdown
    f"|[{_COMPARING}{_JOINING}])"
    r"|(?P<option>(?:(?<=[\w:,;)*] )|(?<=[(\[*:]))[A-HJ-Z](?![\w'’]))"  # "option A", and no article
    f"|(?P<negation>ない|ません)|(?P<ideograph>[{_IDEOGRAPHS}])"
    f"|(?P<word>{_LETTERS}(?:['’]{_LETTERS})*+)",
    re.MULTILINE,
)
_NUMBER = re.compile(r"(-?)(\d+)?(?:\.(\d+))?(?:[eE]([-+]?\d{1,6}))?")

_UNSAID = frozenset("the is are".split())
"""What a text may have or lack and say the same: `Capital: Paris`."""

_ENDINGS = {"'s": "", "'re": "", "'m": "am", "n't": "not", "'ll": "will", "'ve": "have"}
_WHOLE = {"cannot": "can not", "can't": "can not", "won't": "will not", "percent": "%"}

_NUMBERS = (
    "two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 ten 1e1 eleven 11 twelve 12 thirteen 13 fourteen 14 "
    "fifteen 15 sixteen 16 seventeen 17 eighteen 18 nineteen 19 twenty 2e1 thirty 3e1 forty 4e1 fifty 5e1 sixty 6e1 "
    "seventy 7e1 eighty 8e1 ninety 9e1"
).split()
_FIGURES = dict(zip(_NUMBERS[::2], _NUMBERS[1::2], strict=True))
"""Numbers that are words, in the form of `number`. "One" is not: it is a pronoun as well."""

_AMOUNTS = frozenset(
    "zero half third quarter dozen hundred thousand million billion trillion first second third fourth fifth sixth "
    "seventh eighth ninth tenth twice thrice".split()
)
_NEGATIONS = frozenset(
    (
        "no not never none neither nor nothing nobody nowhere without hardly barely scarcely rarely seldom except "
        "unless false wrong "
        "nicht kein keine keinen keinem keiner keines nie niemals nein ohne weder nichts niemand falsch außer kaum "
        "ne pas jamais non sans aucun aucune rien ni faux sauf "
        "nunca jamás sin ningún ninguna ninguno nada nadie tampoco falso salvo "
        "não nem sem nenhum nenhuma mai senza nessuno nessuna niente né "
        "niet geen nooit zonder niets nee nie bez żaden nigdy не нет ни без никогда ничего değil yok hayır "
        "नहीं मत न बिना لا ليس ليست لم لن غير 不 没 沒 無 无 非 未 別 别 勿"
    ).split()
)
_OPENERS = frozenset(
    (
        "a an the it this that these those there here he she they we you i my your our its their his her if when "
        "while as and but or so because since after before however also then thus therefore yes no not in on at for "
        "to with from by of some many most all each both is are was were do does did can could will would should"
    ).split()
)
"""Words that begin sentences: a capital does not make names of them."""


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, in order. Case, punctuation, Markdown and blanks are no part of them."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    known: dict[str, tuple[Token, ...]] = {}
    for found in _TOKEN.finditer(text):
        kind, said = found.lastgroup or "", found[0]
        if kind == "word":
            if said not in known:
                known[said] = tuple(_words(said))
            yield from known[said]
        elif kind == "figure":
            yield Token("figure", number(said) or said)
        elif kind == "option":
            yield Token("figure", said.casefold())
        elif kind == "date":
            yield Token("date", moment(said) or said)
        elif kind == "ideograph":
            yield Token("negation" if said in _NEGATIONS else "word", said)
        elif kind == "minus":
            yield Token("minus", "-")
        elif kind == "sign":
            yield from _sign(unicodedata.normalize("NFKC", said))
        elif kind == "negation":
            yield Token("negation", said)


def _sign(said: str) -> Iterator[Token]:
    if said == "&":
        yield Token("word", "and")
    elif said in ("->", "=>"):
        yield Token("word", "→")
    else:
        yield Token("word" if said in "=/#*" or "\u2190" <= said <= "\u21ff" else "sign", said)


def _words(said: str) -> Iterator[Token]:
    """What a word stands for: more than one if it is a contraction, none if it says nothing by itself."""
    plain = said if said.isascii() or len(said) > LONGEST_NORMALIZED else unicodedata.normalize("NFKC", said)
    word = plain.casefold().replace("’", "'")
    if word in _WHOLE:
        parts = _WHOLE[word]
    elif "'" in word:
        parts = next((f"{word.removesuffix(end)} {more}" for end, more in _ENDINGS.items() if word.endswith(end)), word)
    else:
        parts = word
    for part in parts.split():
        if part not in _UNSAID:
            yield _token(part, plain[0].isupper())


def _token(word: str, has_capital: bool) -> Token:
    if word in _FIGURES:
        return Token("figure", _FIGURES[word])
    if word in _AMOUNTS or any(map(str.isdigit, word)):
        return Token("figure", word)
    if word in _NEGATIONS:
        return Token("negation", word)
    if word == "%":
        return Token("sign", word)
    return Token("name" if has_capital and word not in _OPENERS else "word", word)


def number(text: str) -> str | None:
    """A decimal number in one form, however it is written: its digits, and what power of ten they count.

    None for what is no number, and for what only looks like one: a version, or digits with zeros before them.
    """
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    text = text.replace(",", "").replace("\u00a0", "").replace("\u202f", "")
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    sign, whole, fraction, exponent = found[1], found[2] or "0", found[3] or "", int(found[4] or 0)
    if whole[0] == "0" and len(whole) > 1:
        return None
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    kept = digits.rstrip("0")
    exponent += len(digits) - len(kept) - len(fraction)
    return f"{sign}{kept}e{exponent}" if exponent else f"{sign}{kept}"


def moment(text: str) -> str | None:
    """A date of ISO 8601 in one form, with a time in UTC if it has one and says its zone. None for what is none."""
    try:
        if len(text) == len("2000-01-01"):
            return date.fromisoformat(text).isoformat()
        found = datetime.fromisoformat(text)
        return (found.astimezone(UTC) if found.tzinfo else found).isoformat()
    except (ValueError, OverflowError):
        return None
