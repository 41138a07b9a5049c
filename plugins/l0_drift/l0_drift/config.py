"""The kinds of drift, how sure each is, and what can be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["CONFIDENCE", "DriftConfig", "DriftType", "Finding"]

DriftType = Literal[
    "tone_shift",
    "meta_commentary",
    "format_collapse",
    "repetition",
    "entropy_spike",
    "markdown_collapse",
    "hedging",
]
"""The kinds of drift."""

CONFIDENCE: dict[DriftType, float] = {
    "tone_shift": 0.7,
    "meta_commentary": 0.9,
    "format_collapse": 0.8,
    "repetition": 0.8,
    "entropy_spike": 0.6,
    "markdown_collapse": 0.7,
    "hedging": 0.5,
}
"""How sure each kind of finding is, from 0 to 1."""


class Finding(NamedTuple):
    """A drift: of which kind, at which offset in characters, and in words that hold nothing of the text."""

    kind: DriftType
    position: int
    detail: str


@dataclass(frozen=True)
class DriftConfig:
    """Which detectors look, and how closely.

    `repetition_threshold` is how many copies are a repetition, `entropy_threshold` how many standard deviations make a
    spike, `entropy_window` of how many samples the mean is, and `sliding_window_size` how many characters belong
    together. Raises ValueError for a number with which nothing could be found, or anything would be.
    """

    detect_tone_shift: bool = True
    detect_meta_commentary: bool = True
    detect_repetition: bool = True
    detect_entropy_spike: bool = True
    repetition_threshold: int = 3
    entropy_threshold: float = 2.5
    entropy_window: int = 50
    sliding_window_size: int = 500
    detect_format_collapse: bool = True
    detect_markdown_collapse: bool = True
    detect_hedging: bool = True

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            kinds = (int, float) if name == "entropy_threshold" else int
            if not isinstance(value, kinds) or isinstance(value, bool) or not value >= least:
                number = "a number" if name == "entropy_threshold" else "a whole number"
                raise ValueError(f"drift: {name} is {value!r}; it must be {number}, {least} or more")


_LEAST = {"repetition_threshold": 2, "entropy_threshold": 0, "entropy_window": 10, "sliding_window_size": 100}
