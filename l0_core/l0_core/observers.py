"""Those who watch a stream: callbacks, token handlers and sinks. What they do wrong does not reach the stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from l0_core.errors import Error, ErrorCategory, ZeroOutput
from l0_core.errors import TimeoutError as StreamTimeout
from l0_core.events import Event
from l0_core.guardrails import GuardrailViolation
from l0_core.hookspecs import Decision, Envelope, Failure, FallBack, RetryAfter, Sink
from l0_core.lifecycle import (
    FailureType,
    ObservabilityEvent,
    ObservabilityEventType,
    RecoveryPolicy,
    RecoveryStrategy,
)

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.session import Session

__all__ = ["Observers"]

logger = logging.getLogger("l0")

SINK_BATCH = 60
"""Tokens that go to a sink in one envelope."""

E = ObservabilityEventType

_reported: set[str] = set()


class Observers:
    """The observers of one stream."""

    __slots__ = (
        "_batch",
        "_calls",
        "_later",
        "_names",
        "_seq",
        "_session",
        "_sinks",
        "_task",
        "on_token",
        "sunk",
        "tokens_per_run",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = session.settings.callbacks
        self._names: dict[Any, str] = {}
        self._sinks: list[Sink] = []
        self._batch: list[Envelope] = []
        self._later: deque[Awaitable[Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seq = self.sunk = 0
        handlers = []
        if "on_token" in self._calls:
            handlers.append(self._calls["on_token"])
            self._names[handlers[0]] = "the callback on_token"
        for bound in session.settings.plugins:
            for hook, opened in (("on_token", handlers), ("store_event", self._sinks)):
                if hook not in bound.hooks:
                    continue
                name = f"{bound.name} ({bound.origin})"
                try:
                    handler = bound.hooks[hook](session)
                except Exception as error:
                    _report(name, error)
                    continue
                if handler is not None:
                    opened.append(handler)
                    self._names[handler.write if hook == "store_event" else handler] = name
        self.on_token: tuple[Callable[[str], Any], ...] = tuple(self._isolated(handler) for handler in handlers)
        self.tokens_per_run = SINK_BATCH if any(sink.tokens for sink in self._sinks) else 0
        self._emit(E.SESSION_START)

    def _isolated(self, handler: Callable[[str], Any]) -> Callable[[str], Any]:
        """An async token callback runs in order, later; a plain one in place."""
        if not asyncio.iscoroutinefunction(handler):
            return handler

        def handle(text: str) -> None:
            self._defer(handler(text))

        self._names[handle] = self._names[handler]
        return handle

    def broken(self, handler: Any, error: BaseException) -> None:
        """A handler raised: the stream goes on. What ends the process passes through."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        _report(self._names.get(handler, "a handler"), error)

    # What the session reports.

    def token(self, text: str) -> None:
        for handle in self.on_token:
            try:
                handle(text)
            except BaseException as error:
                self.broken(handle, error)

    def tokens_taken(self) -> None:
        if self.tokens_per_run and len(self._session.state._tokens) - self.sunk >= self.tokens_per_run:
            self.flush()

    def attempt_begins(self, attempt: Attempt) -> None:
        self._call("on_start", attempt.number, attempt.number > 1, attempt.source > 0)
        self._emit(E.ATTEMPT_START, attempt=attempt.number, isRetry=attempt.number > 1, isFallback=attempt.source > 0)

    def attempt_opened(self, attempt: Attempt) -> None:
        assert attempt.reading is not None
        self._emit(E.ADAPTER_DETECTED, adapterId=attempt.reading.adapter.name)
        self._emit(E.STREAM_READY)

    def checkpoint(self, tokens: int) -> None:
        self._emit(E.CHECKPOINT_SAVED, tokenCount=tokens)
        if "on_checkpoint" in self._calls:
            # The text is put together for whoever asks for it, and for nobody else.
            self._call("on_checkpoint", self._session.state.checkpoint, tokens)

    def resuming(self, attempt: Attempt) -> None:
        count = self._session.state.token_count
        self._emit(E.RESUME_START, contentLength=len(attempt.kept), tokenCount=count)
        self._call("on_resume", attempt.kept, count)

    def violation(self, violation: GuardrailViolation) -> None:
        self._emit(E.GUARDRAIL_RULE_RESULT, ruleId=violation.rule, passed=False, severity=violation.severity)
        self._call("on_violation", violation)

    def tool_call(self, call: dict[str, Any]) -> None:
        import json

        self._emit(E.TOOL_REQUESTED, toolName=call["name"], toolCallId=call["id"])
        self._call("on_tool_call", call["name"], call["id"], json.loads(call["arguments"]))

    def reset(self, event: Event) -> None:
        self.sunk = len(self._session.state._tokens)
        self._emit(E.RESET, **(event.data or {}))

    def failed(self, attempt: Attempt, failure: Failure, decision: Decision) -> None:
        error, retry, fallback = failure.error, isinstance(decision, RetryAfter), isinstance(decision, FallBack)
        if isinstance(error, StreamTimeout):
            self._emit(E.TIMEOUT_TRIGGERED, timeoutType=error.timeout_type, configuredMs=error.timeout_seconds * 1000)
            self._call("on_timeout", error.timeout_type, error.timeout_seconds)
        if failure.category is ErrorCategory.NETWORK:
            self._emit(E.NETWORK_ERROR, error=type(error).__name__, retryable=retry)
        self._call("on_error", error, retry, fallback)
        settings, session = self._session.settings, self._session
        strategy = RecoveryStrategy.HALT
        if retry or fallback:
            continuing = RecoveryStrategy.CONTINUE if session.resuming else RecoveryStrategy.RETRY
            strategy = continuing if retry else RecoveryStrategy.FALLBACK
        policy = RecoveryPolicy(
            retry_enabled=bool(settings.retry.max_retries),
            fallback_enabled=session.source_count > 1,
            max_retries=settings.retry.max_retries or 0,
            max_fallbacks=session.source_count - 1,
            attempt=attempt.number,
            fallback_index=attempt.source,
        )
        self._emit(
            E.ERROR,
            error=type(error).__name__,
            errorCode=error.code.value if isinstance(error, Error) else None,
            category=failure.category.value,
            failureType=_failure_type(failure).value,
            recoveryStrategy=strategy.value,
            policy=asdict(policy),
        )

    def retrying(self, failure: Failure, delay: float) -> None:
        retries = self._session.state.model_retry_count + self._session.state.network_retry_count
        self._emit(E.RETRY_ATTEMPT, attempt=retries, isNetwork=failure.category is ErrorCategory.NETWORK, delay=delay)
        self._call("on_retry", retries, str(failure.error))

    def fell_back(self, source: int) -> None:
        self._emit(E.FALLBACK_START, fromIndex=source - 1, toIndex=source, reason="previous_failed")
        self._call("on_fallback", source - 1, "previous_failed")

    def gave_up(self, error: BaseException) -> None:
        self._emit(E.RETRY_GIVE_UP, attempts=self._session.attempts, lastError=type(error).__name__)

    def aborting(self) -> None:
        state = self._session.state
        self._emit(E.ABORT_REQUESTED, source="user")
        self._call("on_abort", state.token_count, len(state.content))

    def completed(self) -> None:
        state = self._session.state
        self._emit(
            E.COMPLETE,
            tokenCount=state.token_count,
            contentLength=len(state.content),
            finishReason=state.finish_reason,
        )
        self._call("on_complete", state)

    def ended(self) -> None:
        state = self._session.state
        if state.outcome == "aborted":
            self._emit(E.ABORT_COMPLETED, tokenCount=state.token_count, contentLength=len(state.content))
        self._emit(E.SESSION_END, outcome=state.outcome)
        self.flush()

    # Sinks.

    def flush(self) -> None:
        """Hand what has gathered to the sinks."""
        if not self._sinks:
            return
        tokens = self._session.state._tokens
        if self.tokens_per_run and self.sunk < len(tokens):
            run = tuple(tokens[self.sunk :])
            self._envelope(E.TOKEN, {"tokens": run, "index": self.sunk})
            self.sunk = len(tokens)
        batch, self._batch = self._batch, []
        for sink in self._sinks:
            wanted = batch if sink.tokens else [envelope for envelope in batch if envelope.event.type is not E.TOKEN]
            try:
                if wanted and (written := sink.write(wanted)) is not None:
                    self._defer(written)
            except BaseException as error:
                self.broken(sink.write, error)

    def _emit(self, kind: ObservabilityEventType, **meta: Any) -> None:
        handler = self._calls.get("on_event")
        if handler is None and not self._sinks:
            return
        event = ObservabilityEvent(kind, time.time() * 1000, self._session.stream_id, self._session.context, meta)
        if handler is not None:
            self._call("on_event", event)
        if self._sinks:
            self._envelope(kind, meta, event)

    def _envelope(
        self, kind: ObservabilityEventType, meta: dict[str, Any], event: ObservabilityEvent | None = None
    ) -> None:
        session = self._session
        event = event or ObservabilityEvent(kind, time.time() * 1000, session.stream_id, session.context, meta)
        self._batch.append(Envelope(session.stream_id, self._seq, event))
        self._seq += 1

    # Callbacks.

    def _call(self, name: str, *args: Any) -> None:
        callback = self._calls.get(name)
        if callback is None:
            return
        try:
            result = callback(*args)
            if asyncio.iscoroutine(result):
                self._defer(result)
        except BaseException as error:
            self._names.setdefault(callback, f"the callback {name}")
            self.broken(callback, error)

    def _defer(self, awaitable: Awaitable[Any]) -> None:
        """Run something asynchronous in its turn, without holding up the stream."""
        self._later.append(awaitable)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run_later())

    async def _run_later(self) -> None:
        while self._later:
            try:
                await self._later.popleft()
            except Exception as error:
                _report("an async observer", error)

    @property
    def unfinished(self) -> bool:
        return self._task is not None and not self._task.done()

    async def finished(self) -> None:
        """Wait for what was deferred."""
        if self._task is not None:
            await self._task


def _failure_type(failure: Failure) -> FailureType:
    if isinstance(failure.error, TimeoutError):
        return FailureType.TIMEOUT
    if isinstance(failure.error, ZeroOutput):
        return FailureType.ZERO_OUTPUT
    if failure.category is ErrorCategory.NETWORK:
        return FailureType.NETWORK
    return FailureType.MODEL if failure.category is not ErrorCategory.INTERNAL else FailureType.UNKNOWN


def _report(name: str, error: BaseException) -> None:
    """Log what an observer did wrong: once with its traceback, then in brief."""
    if name in _reported:
        logger.debug("%s raised %r again", name, error)
        return
    _reported.add(name)
    logger.warning("%s raised %r; the stream goes on", name, error, exc_info=error)
