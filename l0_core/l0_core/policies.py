"""What follows a failure, and who decides about it besides L0: the policies of plugins, and the caller's veto."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from l0_core.attempt import WORTH_RESUMING
from l0_core.deadline import unless_cancelled
from l0_core.errors import ErrorCategory, GuardrailViolationError
from l0_core.hookspecs import Decision, Failure, FallBack, Halt, RetryAfter
from l0_core.log import log_raised
from l0_core.raised import record_of
from l0_core.views import view

if TYPE_CHECKING:
    from l0_core.attempt import Attempt, Source
    from l0_core.session import Session

__all__ = ["recovered"]


async def recovered(session: Session, attempt: Attempt, error: Exception) -> Exception | None:
    """Decide what follows a failure, and wait if it is a retry. Returns the error if nothing follows."""
    recovery = session.recoverer()
    failure = _failure(session, attempt, error)
    decision = failure.default
    if not isinstance(decision, Halt):
        decision = recovery.bounded(await _decided(session, attempt, failure), failure, session.watch.remaining())
    if not isinstance(decision, Halt):
        next_source = session.sources[recovery.source + isinstance(decision, FallBack)]
        session.resuming = _can_resume(session, attempt, failure, next_source)
        if failure.delivered and not session.resuming and session.settings.on_interrupt == "fail":
            decision = Halt()
    _record(session, attempt, failure)
    if session.observers is not None:
        session.observers.failed(attempt, failure, decision)
    if isinstance(decision, Halt):
        return session.failed(error)
    if isinstance(decision, FallBack):
        recovery.fall_back()
        if session.observers is not None:
            session.observers.fell_back(recovery.source)
        return None
    recovery.retrying(failure)
    if session.observers is not None:
        session.observers.retrying(failure, decision.seconds)
    if decision.seconds > 0:
        session.watch.begin("backoff", None)
        await asyncio.sleep(decision.seconds)
        session.watch.woke()
    return None


def _failure(session: Session, attempt: Attempt, error: Exception) -> Failure:
    """What failed, with what L0 would do about it."""
    recovery = session.recoverer()
    failure = recovery.failure(error, len(session.state.content))
    if attempt.released:
        failure.default = Halt()  # A tool call that was delivered must not be delivered again.
    elif attempt.was_retried(error):
        failure.default = FallBack()
    elif attempt.kept and not attempt.progressed and not attempt.spoke and recovery.is_refusal(failure):
        # It may be the continuation that is refused, and not the request.
        session.sources[attempt.source].refused()
        failure.default = RetryAfter(0.0)
    return failure


def _can_resume(session: Session, attempt: Attempt, failure: Failure, source: Source) -> bool:
    """Whether the next attempt goes on from what was delivered."""
    settings = session.settings
    if settings.continuation is None or attempt.tools is not None or failure.delivered < WORTH_RESUMING:
        return False
    if failure.category is ErrorCategory.CONTENT and attempt.proof is not None:
        return False  # The answer was whole, and as a whole not acceptable: there is nothing to continue.
    return source.can_continue(settings)


def _record(session: Session, attempt: Attempt, failure: Failure) -> None:
    session.errors.append(record := record_of(failure.error))
    if failure.category is ErrorCategory.NETWORK:
        session.state.network_errors.append(record)
    if isinstance(failure.error, GuardrailViolationError):
        attempt.feedback = failure.error.violation.message


async def _decided(session: Session, attempt: Attempt, failure: Failure) -> Decision:
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
