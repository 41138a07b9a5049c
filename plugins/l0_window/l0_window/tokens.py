"""How many tokens a text has: as a tokenizer counts them if one is there, otherwise by a rule."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

__all__ = ["QUARTERS", "TokenEstimator", "estimate_chars_for_tokens", "estimate_tokens", "quarters", "vocabulary_count"]

TokenEstimator = Callable[[str], int]
"""Counts the tokens of a text."""

QUARTERS = 4
"""So many quarters are a token."""

_HALF = re.compile("[\u0250-\u2e7f]")
_WHOLE = re.compile("[\u2e80-\U0010ffff]")

_VOCABULARIES = {
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
}
"""The file of each vocabulary in tiktoken's cache, and its SHA-256: tiktoken downloads one that is not just that."""

_AT_ONCE = 32_768
"""tiktoken is given no more characters than these at a time: it aborts on very long runs of blanks."""


def estimate_tokens(text: str) -> int:
    """How many tokens a text has.

    Counted by tiktoken if it is installed and has a vocabulary in its cache (o200k_base, otherwise cl100k_base);
    nothing is ever downloaded. Otherwise by a rule, rounded up: a Latin character, a digit or a blank is a quarter of a
    token, one of the scripts from Greek to Thai half of one, and one of Chinese, Japanese, Korean or an emoji a whole
    one. So "abc" is 1 token, "abcde" 2, and 8 Chinese characters are 8.
    """
    count = vocabulary_count()
    return -(-quarters(text) // QUARTERS) if count is None else count(text)


def estimate_chars_for_tokens(token_count: int) -> int:
    """How many characters of Latin text so many tokens are: four each."""
    return token_count * QUARTERS


def quarters(text: str) -> int:
    """How many quarters of a token a text is, by the rule. Its parts add up to the whole."""
    if text.isascii():
        return len(text)
    return len(text) + len(_HALF.findall(text)) + 3 * len(_WHOLE.findall(text))


@cache
def vocabulary_count() -> TokenEstimator | None:
    """What counts tokens with tiktoken; None if that, or its vocabulary, is not here."""
    if find_spec("tiktoken") is None:
        return None
    name = next((name for name, (file, digest) in _VOCABULARIES.items() if _is_cached(file, digest)), None)
    if name is None:
        return None
    encode: Callable[[str], list[int]] = import_module("tiktoken").get_encoding(name).encode_ordinary
    return lambda text: sum(len(encode(text[at : at + _AT_ONCE])) for at in range(0, len(text), _AT_ONCE))


def _is_cached(file: str, digest: str) -> bool:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    if folder == "":  # By this tiktoken is told to have no cache.
        return False
    try:
        return hashlib.sha256((Path(folder) / file).read_bytes()).hexdigest() == digest
    except OSError:
        return False
