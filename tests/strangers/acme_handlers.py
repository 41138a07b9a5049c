"""Plugins that load well and misbehave at work. Each class is one, named by its entry point as in `plugin_names()`.

Their base classes say what kind they are. `broken` is called where the kind has its handler.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable, Sequence
from typing import Any

from l0_core import Envelope, Failure, Sink, Violation, hookimpl

block: Callable[[float], None] = builtins.block  # type: ignore[attr-defined]


def cancel_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


class Monitor:
    """`broken` is the token handler."""

    ctx: Any

    @hookimpl
    def on_token(self, ctx: Any) -> Any:
        self.ctx = ctx
        return self.broken

    def broken(self, text: str) -> Any: ...


class Store:
    """`broken` writes."""

    @hookimpl
    def store_event(self, ctx: Any) -> Any:
        self.ctx = ctx
        return Sink(self.broken, tokens=True)

    def broken(self, batch: Sequence[Envelope]) -> Any: ...


class Guardrail:
    """`broken` judges."""

    @hookimpl
    def check(self, ctx: Any) -> Any:
        self.ctx = ctx
        return self.broken

    def broken(self, delta: str, final: bool) -> Any: ...


class Policy:
    """`broken` decides."""

    @hookimpl
    def decide_retry(self, ctx: Any, failure: Failure) -> Any:
        return self.broken(failure)

    def broken(self, failure: Failure) -> Any: ...


# Observers that raise, or cancel the task that they are called in.


class TokenRaises(Monitor):
    def broken(self, text: str) -> None:
        raise ValueError("no")


class TokenRaisesCancellation(Monitor):
    def broken(self, text: str) -> None:
        raise asyncio.CancelledError


class TokenCancelsTask(Monitor):
    def broken(self, text: str) -> None:
        cancel_task()


class TokenCancelsTaskAndRaises(Monitor):
    def broken(self, text: str) -> None:
        cancel_task()
        raise asyncio.CancelledError


class AsyncTokenRaises(Monitor):
    async def broken(self, text: str) -> None:
        raise ValueError("no")


class AsyncTokenRaisesCancellation(Monitor):
    async def broken(self, text: str) -> None:
        raise asyncio.CancelledError


class AsyncTokenCancelsTask(Monitor):
    async def broken(self, text: str) -> None:
        cancel_task()
        await asyncio.sleep(0)


class SinkRaises(Store):
    def broken(self, batch: Sequence[Envelope]) -> None:
        raise ValueError("no")


class SinkRaisesCancellation(Store):
    def broken(self, batch: Sequence[Envelope]) -> None:
        raise asyncio.CancelledError


class SinkCancelsTask(Store):
    def broken(self, batch: Sequence[Envelope]) -> None:
        cancel_task()


class AsyncSinkRaises(Store):
    async def broken(self, batch: Sequence[Envelope]) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")


class AsyncSinkRaisesCancellation(Store):
    async def broken(self, batch: Sequence[Envelope]) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError


class AsyncSinkCancelsTask(Store):
    async def broken(self, batch: Sequence[Envelope]) -> None:
        cancel_task()
        await asyncio.sleep(0)


class AsyncSinkHangs(Store):
    async def broken(self, batch: Sequence[Envelope]) -> None:
        await asyncio.get_running_loop().create_future()


class OpeningRaises(Monitor):
    @hookimpl
    def on_token(self, ctx: Any) -> Any:
        raise ValueError("no")


class OpeningRaisesCancellation(Store):
    @hookimpl
    def store_event(self, ctx: Any) -> Any:
        raise asyncio.CancelledError


class OpeningCancelsTask(Monitor):
    @hookimpl
    def on_token(self, ctx: Any) -> Any:
        cancel_task()


class OpeningReturnsNoHandler(Monitor):
    @hookimpl
    def on_token(self, ctx: Any) -> Any:
        return 3


class OpeningReturnsNoSink(Store):
    @hookimpl
    def store_event(self, ctx: Any) -> Any:
        return self.broken


# Policies that raise, cancel or answer with nonsense: the next in order decides.


class DecidingRaises(Policy):
    def broken(self, failure: Failure) -> None:
        raise ValueError("no")


class DecidingRaisesCancellation(Policy):
    def broken(self, failure: Failure) -> None:
        raise asyncio.CancelledError


class DecidingCancelsTask(Policy):
    def broken(self, failure: Failure) -> None:
        cancel_task()


class DecidingReturnsNonsense(Policy):
    def broken(self, failure: Failure) -> Any:
        return "retry, please"


class AsyncDecidingRaises(Policy):
    async def broken(self, failure: Failure) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")


class AsyncDecidingRaisesCancellation(Policy):
    async def broken(self, failure: Failure) -> None:
        raise asyncio.CancelledError


class AsyncDecidingCancelsTask(Policy):
    async def broken(self, failure: Failure) -> None:
        cancel_task()
        await asyncio.sleep(0)


# Guardrails that raise, cancel or answer with nonsense: recorded, and out for the attempt.


class JudgeRaises(Guardrail):
    def broken(self, delta: str, final: bool) -> None:
        raise ValueError("no")


class JudgeRaisesCancellation(Guardrail):
    def broken(self, delta: str, final: bool) -> None:
        raise asyncio.CancelledError


class JudgeCancelsTask(Guardrail):
    def broken(self, delta: str, final: bool) -> None:
        cancel_task()
        raise ValueError("no")


class JudgeReturnsNonsense(Guardrail):
    def broken(self, delta: str, final: bool) -> Any:
        return "bad"


class AsyncJudgeRaises(Guardrail):
    async def broken(self, delta: str, final: bool) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")


class AsyncJudgeRaisesCancellation(Guardrail):
    async def broken(self, delta: str, final: bool) -> None:
        raise asyncio.CancelledError


class AsyncJudgeCancelsTask(Guardrail):
    async def broken(self, delta: str, final: bool) -> None:
        cancel_task()
        await asyncio.sleep(0)
        raise ValueError("no")


# Guardrails that cannot be opened: an error, for one must not be silently absent.


class GuardrailCannotBeOpened(Guardrail):
    @hookimpl
    def check(self, ctx: Any) -> Any:
        raise ValueError("no")


class GuardrailIsCancelledWhenOpened(Guardrail):
    @hookimpl
    def check(self, ctx: Any) -> Any:
        raise asyncio.CancelledError


class GuardrailReturnsItsVerdict(Guardrail):
    @hookimpl
    def check(self, ctx: Any) -> Any:
        return [Violation("early", "there is no text yet")]


# Plugins that keep the event loop busy for longer than any deadline.


class TokenBlocks(Monitor):
    seen = 0

    def broken(self, text: str) -> None:
        self.seen += 1
        if self.seen in (1, 4, 10, 23):
            block(60)


class SinkBlocks(Store):
    def broken(self, batch: Sequence[Envelope]) -> None:
        block(60)


class OpeningBlocks(Monitor):
    @hookimpl
    def on_token(self, ctx: Any) -> None:
        block(60)


class DecidingBlocks(Policy):
    def broken(self, failure: Failure) -> None:
        block(60)


class AsyncDecidingTakesItsTime(Policy):
    async def broken(self, failure: Failure) -> None:
        await asyncio.sleep(60)


class JudgeBlocks(Guardrail):
    def broken(self, delta: str, final: bool) -> None:
        block(60)


class AsyncJudgeTakesItsTime(Guardrail):
    async def broken(self, delta: str, final: bool) -> None:
        await asyncio.sleep(9)


class GuardrailBlocksWhenOpened(Guardrail):
    @hookimpl
    def check(self, ctx: Any) -> None:
        block(60)


# Plugins that change what they are given.


def changing(*changes: Callable[[], Any]) -> None:
    """Make each change that can be made."""
    for change in changes:
        try:
            change()
        except (AttributeError, TypeError):
            continue


class ContextIsChanged(Monitor):
    def broken(self, text: str) -> None:
        context = self.ctx.context
        changing(
            lambda: context.update(user="eve"), lambda: context.__setitem__("user", "eve"), lambda: context.clear(),
            lambda: setattr(self.ctx, "context", {}),
        )  # fmt: skip


class BatchIsChanged(Store):
    def broken(self, batch: Any) -> None:
        changing(lambda: batch.reverse(), lambda: batch.clear())


class EnvelopeIsChanged(Store):
    def broken(self, batch: Any) -> None:
        for envelope in batch:
            changing(lambda: setattr(envelope, "seq", -1), lambda: setattr(envelope, "event", None))  # noqa: B023


class EventIsChanged(Store):
    def broken(self, batch: Any) -> None:
        for envelope in batch:
            changing(lambda: setattr(envelope.event, "type", "ERROR"), lambda: setattr(envelope.event, "meta", {}))  # noqa: B023


class MetaIsChanged(Store):
    def broken(self, batch: Any) -> None:
        for envelope in batch:
            changing(lambda: envelope.event.meta.clear(), lambda: envelope.event.meta.update(secret="of another"))  # noqa: B023


class ContentIsChanged(Monitor):
    def broken(self, text: str) -> None:
        changing(lambda: setattr(self.ctx.state, "content", "quite another text"))


class ViolationsAreChanged(Monitor):
    def broken(self, text: str) -> None:
        changing(lambda: self.ctx.state.violations.clear())


class OutcomeIsChanged(Monitor):
    def broken(self, text: str) -> None:
        changing(lambda: setattr(self.ctx.state, "outcome", "error"))


class CountsAreChanged(Monitor):
    def broken(self, text: str) -> None:
        state = self.ctx.state
        changing(
            lambda: setattr(state, "token_count", 0), lambda: setattr(state, "fallback_index", 7),
            lambda: setattr(state, "network_retry_count", 99), lambda: setattr(state, "model_retry_count", 99),
        )  # fmt: skip


class FailureIsChanged(Policy):
    def broken(self, failure: Failure) -> None:
        changing(
            lambda: setattr(failure, "error", KeyError("another")), lambda: setattr(failure, "default", None),
            lambda: setattr(failure, "delivered", 0), lambda: setattr(failure, "category", None),
        )  # fmt: skip


# Adapters.


class AdaptRaises:
    @hookimpl
    def adapt(self, ctx: Any, source: Any) -> Any:
        raise RuntimeError("never seen the like")


class AdaptRaisesCancellation:
    @hookimpl
    def adapt(self, ctx: Any, source: Any) -> Any:
        raise asyncio.CancelledError


class AdaptReturnsNoAdapter:
    @hookimpl
    def adapt(self, ctx: Any, source: Any) -> Any:
        return True
