"""A policy: how long to wait before an answer that was refused is asked for again, and whom not to wait for."""

from __future__ import annotations

from dataclasses import dataclass

from l0_core import AttemptContext, Decision, ErrorCategory, Failure, FallBack, RetryAfter, hookimpl

__all__ = ["Options", "Patience"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """`seconds` is the wait after an answer that was refused; `leave` are kinds of failure to fall back after."""

    seconds: float = 1.0
    leave: tuple[ErrorCategory, ...] = ()


class Patience:
    """Decides about refused answers and about kinds of failure that it was told; leaves the rest to others."""

    Options = Options

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    @hookimpl
    async def decide_retry(self, ctx: AttemptContext, failure: Failure) -> Decision | None:
        if failure.category in self._options.leave:
            return FallBack()
        if failure.category is ErrorCategory.CONTENT:
            return RetryAfter(self._options.seconds)
        return None
