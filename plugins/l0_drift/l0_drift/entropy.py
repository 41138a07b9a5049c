"""Entropy spike: characters that become random."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, deque
from itertools import pairwise

__all__ = ["Entropy"]

WINDOW = 64
"""A sample is of this many characters at a fixed place of each block, so that it does not depend on the deltas."""

SAMPLES = 10
"""No text is judged before so many samples of it are known."""

EVERY = 8
"""Once they are known, the mean is kept up by the sample of every so many blocks."""

DISTINCT = 31
"""Prose and code have fewer different characters in a window."""

RISE = 0.5
"""By how many bits a window must exceed the mean at least, however even the text was."""

CHANGES = 55
"""In noise at least this percentage of neighbours within words are of different kinds."""

SCRIPTS = 3
"""Words of so many scripts in every window of a block are noise. A list of languages is shorter."""

_PLOGP = [0.0, *(n * math.log2(n) for n in range(1, WINDOW + 1))]
# What is encoded, hashed or addressed is random by nature, and one long word.
_DATA = re.compile(r"[\w+/=%.:?&#~,;@!*'()-]{24,}", re.ASCII)


class Entropy:
    """Follows one text by its blocks."""

    __slots__ = ("_blocks", "_deviations", "_samples")

    def __init__(self, deviations: float, samples: int) -> None:
        self._deviations = deviations
        self._samples: deque[float] = deque(maxlen=samples)
        self._blocks = 0

    @property
    def samples(self) -> list[float]:
        """The entropies that the mean is of, in bits per character."""
        return list(self._samples)

    def block(self, block: str) -> bool:
        """Take the next block of text. Whether it ends in noise."""
        window = block[-WINDOW:]
        if len(window) < WINDOW:
            return False
        samples = self._samples
        self._blocks += 1
        if len(samples) < SAMPLES:
            samples.append(_entropy(block[:WINDOW]))
        elif len(set(window)) < DISTINCT and self._blocks % EVERY:
            return False
        entropy = _entropy(window)
        spike = len(samples) >= SAMPLES and self._is_spike(entropy) and _is_noise(block)
        samples.append(entropy)
        return spike

    def _is_spike(self, entropy: float) -> bool:
        samples = self._samples
        mean = sum(samples) / len(samples)
        variance = sum((sample - mean) ** 2 for sample in samples) / len(samples)
        return entropy > mean + max(RISE, self._deviations * math.sqrt(variance))


def _entropy(window: str) -> float:
    return math.log2(WINDOW) - sum(map(_PLOGP.__getitem__, Counter(window).values())) / WINDOW


def _is_noise(block: str) -> bool:
    """Whether characters of different kinds follow one another within words, or words of many scripts."""
    rest = _DATA.sub(" ", block)
    kinds = [_kind(char) for char in rest]
    pairs = [(one, other) for one, other in pairwise(kinds) if one and other]
    changes = sum(one != other for one, other in pairs)
    if len(pairs) >= WINDOW and changes * 100 >= len(pairs) * CHANGES:
        return True
    windows = [block[at : at + WINDOW] for at in range(0, len(block), WINDOW)]
    return all(len({_script(char) for char in window if char.isalpha()}) >= SCRIPTS for window in windows)


def _kind(char: str) -> str:
    if char.isspace():
        return ""
    if char.isalpha():
        return "upper" if char.isupper() else "letter"
    # One sign after another is a change too, unless it is the same.
    return "digit" if char.isdigit() else char


def _script(char: str) -> str:
    script = unicodedata.name(char, "UNKNOWN").partition(" ")[0]
    return "CJK" if script in ("HIRAGANA", "KATAKANA") else script
