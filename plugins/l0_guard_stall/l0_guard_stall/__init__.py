"""A guardrail for streams that pause: `Stall` warns when two tokens of an answer lie too far apart."""

from __future__ import annotations

from dataclasses import dataclass

from l0_core import AttemptContext, Judge, Violation, hookimpl

__all__ = ["Stall"]

MARKEDLY = 2
"""A stall that is so many times as long as the one that was reported is reported too."""


class Stall:
    """Finds pauses between two tokens. It warns, and the stream goes on."""

    severity = "warning"

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """`max_gap` is the longest pause in seconds that is no stall. Raises ValueError unless it is positive."""

        max_gap: float = 5.0

        def __post_init__(self) -> None:
            if not self.max_gap > 0:
                raise ValueError(
                    f"stall: max_gap is {self.max_gap!r}, and must be a positive number of seconds, such as 5.0"
                )

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @hookimpl
    def check(self, ctx: AttemptContext) -> Judge:
        longest = self.options.max_gap

        def judge(delta: str, final: bool) -> Violation | None:
            nonlocal longest
            silence = ctx.silence
            if silence <= longest:
                return None
            longest = silence * MARKEDLY
            ctx.state.drift_detected = True
            return Violation("stall", f"Token stall: {silence:.1f}s since last token", "warning")

        return judge
