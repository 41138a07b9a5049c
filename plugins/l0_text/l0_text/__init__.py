"""Text for L0: `Format` makes prompts of it, `Text` normalizes it, `Compare` compares it.

Each has its functions in a module: `l0_text.formatting`, `l0_text.normalize`, `l0_text.comparison`.
"""

from __future__ import annotations

from l0_text.comparison import (
    Compare,
    Difference,
    DifferenceSeverity,
    DifferenceType,
    ObjectComparisonOptions,
    StringComparisonOptions,
)
from l0_text.formatting import Format
from l0_text.normalize import NormalizeOptions, Text, WhitespaceOptions

__all__ = [
    "Compare",
    "Difference",
    "DifferenceSeverity",
    "DifferenceType",
    "Format",
    "NormalizeOptions",
    "ObjectComparisonOptions",
    "StringComparisonOptions",
    "Text",
    "WhitespaceOptions",
]
