"""Who decides about a failure besides L0: the policies of plugins, and the caller's veto."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from l0_core.deadline import unless_cancelled
from l0_core.hookspecs import Decision, Failure, FallBack, Halt, RetryAfter
from l0_core.log import log_raised
from l0_core.views import view

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.session import Session

__all__ = ["decided"]


async def decided(session: Session, attempt: Attempt, failure: Failure) -> Decision:
    """What plugins and the caller's veto make of the default."""
    decision = failure.default
    for bound in session.settings.plugins:
        decide = bound.hooks.get("decide_retry")
        if decide is None:
            continue
        try:
            answer = await _answer(session, decide, attempt, failure)
        except Exception as broken:
            log_raised(f"the policy {bound.name!r} of {bound.origin}", broken, "the next decides")
            continue
        if answer is not None:
            decision = answer
            break
    if isinstance(decision, RetryAfter) and not await _allowed(session, failure):
        return FallBack()
    return decision


async def _answer(session: Session, decide: Callable[..., Any], attempt: Attempt, failure: Failure) -> Decision | None:
    """What a policy decides. Raises what it raises, and TypeError for what is no decision."""
    try:
        answer = decide(view(attempt), replace(failure))
    except asyncio.CancelledError as error:
        raise RuntimeError("it raised CancelledError, and nobody had cancelled it") from error
    if hasattr(answer, "__await__"):
        session.watch.begin("policy", None)
        answer = await unless_cancelled(answer)
    if answer is not None and not isinstance(answer, RetryAfter | FallBack | Halt):
        raise TypeError(f"decide_retry must return a decision or None, not {type(answer).__name__}")
    return answer


async def _allowed(session: Session, failure: Failure) -> bool:
    """Whether the caller lets a retry happen. One who cannot say does not."""
    veto = session.settings.retry.should_retry
    if veto is None:
        return True
    if session.observers is not None:
        session.observers.veto_begins(failure)
    try:
        answer = veto(failure.error, session.state, session.attempts - 1, failure.category)
        if hasattr(answer, "__await__"):
            session.watch.begin("policy", None)
            answer = await unless_cancelled(answer)
    except Exception as broken:
        log_raised("Retry.should_retry", broken, "not retried")
        if session.observers is not None:
            session.observers.veto_raised(failure, broken)
        return False
    if session.observers is not None:
        session.observers.veto_ended(failure, bool(answer))
    return bool(answer)
