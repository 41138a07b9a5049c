"""A guardrail for models that loop: `Repetition` finds text that goes round in circles, and sentences that return."""

from __future__ import annotations

from dataclasses import dataclass

from l0_core import AttemptContext, Check, GuardrailContext, Violation, hookimpl
from l0_guard_repetition.loops import Loop, Loops
from l0_guard_repetition.sentences import SHORT, Again, Sentences, normalised, split_sentences, with_starts
from l0_guard_repetition.words import is_line, is_sentence

__all__ = ["Repetition", "detect_repetition"]

READ_AT_ONCE = 3
"""How many windows of text are gathered before they are read: joined text costs half of what its pieces cost."""


class Repetition:
    """Finds the same text again and again, and the same sentence again and again."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """When a repetition is one too many. Raises ValueError for what is out of range.

        `window`: how many characters are compared with those before them, at least 10.
        `threshold`: the share of the last two windows that may repeat what was said before; 0 to 1, 1 allows all.
        `sentence_check`: whether sentences are counted.
        `sentence_repeat_count`: how often a sentence must come, at least 2.
        """

        window: int = 100
        threshold: float = 0.5
        sentence_check: bool = True
        sentence_repeat_count: int = 3

        def __post_init__(self) -> None:
            if self.window < 10:
                raise ValueError(f"repetition: window is {self.window!r}, and must be 10 characters or more")
            if not 0 <= self.threshold <= 1:
                raise ValueError(f"repetition: threshold is {self.threshold!r}, and must be between 0 and 1")
            if self.sentence_repeat_count < 2:
                raise ValueError(
                    f"repetition: sentence_repeat_count is {self.sentence_repeat_count!r}, and must be 2 or more; "
                    "sentence_check=False counts no sentences"
                )

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        options = self.options
        gathering = READ_AT_ONCE * options.window
        loops = Loops(options.window, options.threshold) if options.threshold < 1 else None
        sentences = Sentences(options.sentence_repeat_count) if options.sentence_check else None
        unread: list[str] = []
        # What comes first is read as it comes: it may be all.
        due = 1

        def judge(delta: str, final: bool) -> list[Violation] | None:
            nonlocal due, loops, sentences
            unread.append(delta)
            due -= len(delta)
            if due > 0 and not final:
                return None
            due = gathering
            text = "".join(unread)
            unread.clear()
            loop = again = None
            if loops is not None and (loop := loops.feed(text, final)) is not None:
                loops = None
            if sentences is not None and (again := sentences.feed(text, final)) is not None:
                sentences = None
            return None if loop is None and again is None else found(loop, again)

        def found(loop: Loop | None, again: Again | None) -> list[Violation]:
            ctx.state.drift_detected = True
            violations = []
            if loop is not None:
                message = f"Repetitive output detected ({loop.similarity:.0%} character similarity)"
                violations.append(Violation("repetition", message, position=loop.position))
            if again is not None:
                message = f"Sentence repeated {again.times} times"
                violations.append(Violation("repetition", message, position=again.position))
            return violations

        # What is unread may be the rest of a loop that has only just gone round.
        return Check(judge, holdback=2 * gathering)


def detect_repetition(context: GuardrailContext, threshold: int = 2) -> list[Violation]:
    """The sentences of a whole text, of more than 20 characters, that come more than `threshold` times.

    It finds nothing in a text that is not `completed`. `position` is the offset of the first one.
    """
    if not context.completed:
        return []
    starts: dict[str, list[int]] = {}
    for start, part in with_starts(split_sentences(context.content)):
        if len(sentence := normalised(part)) > SHORT:
            starts.setdefault(sentence, []).append(start)
    return [
        Violation("pattern-repetition", f"Sentence repeated {len(found)} times", position=found[0])
        for sentence, found in starts.items()
        if len(found) > threshold and (is_sentence(sentence) or is_line(sentence))
    ]
