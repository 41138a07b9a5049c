"""What the patterns find in a text outside a stream, category by category."""

from __future__ import annotations

import re
from collections.abc import Sequence

from l0_core import GuardrailContext, Violation
from l0_guard_pattern.matchers import bounded
from l0_guard_pattern.phrases import BAD_PATTERNS

__all__ = [
    "detect_excessive_hedging",
    "detect_first_last_duplicate",
    "detect_format_collapse",
    "detect_instruction_leakage",
    "detect_meta_commentary",
    "detect_placeholders",
    "detect_refusal",
    "find_bad_patterns",
]

FIRST_LINES = 3
SHORTEST_TEXT = 100
SHORTEST_SENTENCE = 20


def find_bad_patterns(content: str, patterns: Sequence[str | re.Pattern[str]]) -> list[tuple[str, re.Match[str]]]:
    """Every match of the patterns in a text, with its pattern, in the order of the patterns.

    A string is taken with `re.IGNORECASE | re.MULTILINE`, a compiled pattern with its own flags. Raises ValueError for
    a pattern that can take too long, as `custom_pattern` does without RE2.
    """
    found = []
    for pattern in patterns:
        source = pattern if isinstance(pattern, str) else pattern.pattern
        found += [(source, match) for match in bounded(pattern).finditer(content)]
    return found


def detect_meta_commentary(context: GuardrailContext) -> list[Violation]:
    """Where the text speaks of the model instead of the matter. Errors of the rule `pattern-meta-commentary`."""
    return _violations("pattern-meta-commentary", "Meta commentary", context.content, BAD_PATTERNS.META_COMMENTARY)


def detect_excessive_hedging(context: GuardrailContext) -> list[Violation]:
    """An empty opening in the first line. Warnings of the rule `pattern-hedging`."""
    first = _first_lines(context.content, 1)
    return _violations("pattern-hedging", "Excessive hedging", first, BAD_PATTERNS.HEDGING, warning=True)


def detect_refusal(context: GuardrailContext) -> list[Violation]:
    """Where the model refuses. Errors of the rule `pattern-refusal` that are not recoverable: it would refuse again."""
    found = _violations("pattern-refusal", "Refusal", context.content, BAD_PATTERNS.REFUSAL)
    for violation in found:
        violation.recoverable = False
    return found


def detect_instruction_leakage(context: GuardrailContext) -> list[Violation]:
    """Where the prompt or its markup shows. Errors of the rule `pattern-instruction-leak`."""
    patterns = BAD_PATTERNS.INSTRUCTION_LEAK
    return _violations("pattern-instruction-leak", "Instruction leakage", context.content, patterns)


def detect_placeholders(context: GuardrailContext) -> list[Violation]:
    """What was left to be filled in, when the text is complete. Errors of the rule `pattern-placeholders`."""
    if not context.completed:
        return []
    return _violations("pattern-placeholders", "Placeholder", context.content, BAD_PATTERNS.PLACEHOLDERS)


def detect_format_collapse(context: GuardrailContext) -> list[Violation]:
    """Talk about the answer in the first three lines of it. Warnings of the rule `pattern-format-collapse`."""
    first = _first_lines(context.content, FIRST_LINES)
    return _violations("pattern-format-collapse", "Format collapse", first, BAD_PATTERNS.FORMAT_COLLAPSE, warning=True)


def detect_first_last_duplicate(context: GuardrailContext) -> list[Violation]:
    """A last sentence that is the first one again, when the text is complete and has 100 characters or more.

    Sentences of more than 20 characters count; case and blanks do not. An error of the rule
    `pattern-first-last-duplicate`.
    """
    content = context.content
    if not context.completed or len(content) < SHORTEST_TEXT:
        return []
    sentences = [match for match in _SENTENCE.finditer(content) if len(match[0].strip()) > SHORTEST_SENTENCE]
    if len(sentences) < 2 or _plain(sentences[0][0]) != _plain(sentences[-1][0]):
        return []
    return [
        Violation(
            "pattern-first-last-duplicate",
            "The last sentence is the first one again",
            position=sentences[-1].start(),
            context={"matched": sentences[-1][0].strip()},
        )
    ]


_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]*")


def _plain(sentence: str) -> str:
    return " ".join(sentence.lower().split())


def _first_lines(content: str, count: int) -> str:
    """The first lines of a text that are not blank, with the blanks before them."""
    end, seen = 0, 0
    while seen < count and end < len(content):
        start, end = end, content.find("\n", end) + 1 or len(content)
        seen += bool(content[start:end].strip())
    return content[:end]


def _violations(
    rule: str, message: str, content: str, patterns: Sequence[str], warning: bool = False
) -> list[Violation]:
    found = sorted(find_bad_patterns(content, patterns), key=lambda item: item[1].start())
    return [
        Violation(
            rule,
            f"{message}: {match[0]}",
            severity="warning" if warning else "error",
            position=match.start(),
            context={"matched": match[0]},
        )
        for _, match in found
    ]
