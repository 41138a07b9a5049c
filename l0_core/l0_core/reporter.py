"""What observers are told of a stream's life: every documented event and callback, where it belongs.

    SESSION_START
      ATTEMPT_START, on_start                                 each attempt
        [CONTINUATION_START, RESUME_START, on_resume]
        STREAM_INIT, [TIMEOUT_START]
        ADAPTER_WRAP_START, ADAPTER_DETECTED, ADAPTER_WRAP_END, STREAM_READY
        [NETWORK_RECOVERY, CONNECTION_RESTORED], [TIMEOUT_RESET]     with the first token
        [CONTINUATION_END]
        [CHECKPOINT_SAVED, on_checkpoint]*  [GUARDRAIL_RULE_RESULT, on_violation]*  [RESET]*
        [GUARDRAIL_PHASE_START (RULE_START, RULE_RESULT, RULE_END)* GUARDRAIL_PHASE_END]      at its end
      failing:     [TIMEOUT_TRIGGERED, on_timeout], [NETWORK_ERROR, [CONNECTION_DROPPED]], on_error, ERROR, [RETRY_END]
        retry:     RETRY_START, on_retry, RETRY_ATTEMPT
        fallback:  [FALLBACK_END], FALLBACK_START, FALLBACK_MODEL_SELECTED, on_fallback
        end:       RETRY_GIVE_UP
      succeeding:  FINALIZATION_START, [RETRY_END], [FALLBACK_END], (TOOL_REQUESTED, TOOL_START, on_tool_call)*,
                   COMPLETE, on_complete, FINALIZATION_END
      leaving:     ABORT_REQUESTED, on_abort, ABORT_COMPLETED
    SESSION_SUMMARY, SESSION_END

`meta` has camelCase keys. It holds no text of the answer, and errors by their type: what a provider says in a message
may be a part of the prompt.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from l0_core.errors import Error, ErrorCategory, ZeroOutput
from l0_core.errors import TimeoutError as StreamTimeout
from l0_core.events import Event
from l0_core.guardrails import DriftViolation, GuardrailViolation
from l0_core.hookspecs import Decision, Failure, FallBack, RetryAfter
from l0_core.lifecycle import FailureType, ObservabilityEventType, RecoveryPolicy, RecoveryStrategy
from l0_core.observers import Observers
from l0_core.raised import message_of

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.session import Session
    from l0_core.state_machine import StateMachine

__all__ = ["Reporter"]

E = ObservabilityEventType


class Reporter(Observers):
    """Tells one stream's observers of its life."""

    __slots__ = (
        "_broken_since",
        "_checkpoints",
        "_failed_in_a_row",
        "_finalizing",
        "_retry_since",
        "_rule",
        "_rule_since",
        "_start",
        "_veto_since",
        "_waiting",
        "machine",
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._start = self._now()
        self._checkpoints = self._failed_in_a_row = 0
        self._broken_since: float | None = None
        self._retry_since: float | None = None
        self._finalizing = self._rule_since = self._veto_since = 0.0
        self._rule: int | None = None
        self._waiting: dict[int, float] = {}
        self.machine: StateMachine | None = None
        self.emit(E.SESSION_START)

    def _enter(self, state: str) -> None:
        if self.machine is not None:
            from l0_core.state_machine import RuntimeState

            self.machine.transition(RuntimeState(state))

    # An attempt begins.

    def attempt_begins(self, attempt: Attempt) -> None:
        retry, fallback = attempt.number > 1, attempt.source > 0
        if self._session.resuming:
            self._enter("checkpoint_verifying")
        self.emit(E.ATTEMPT_START, attempt=attempt.number, isRetry=retry, isFallback=fallback)
        self._call("on_start", attempt.number, retry, fallback)

    def resuming(self, attempt: Attempt) -> None:
        count = self._session.state.token_count
        self.emit(E.CONTINUATION_START, checkpointLength=len(attempt.kept))
        self.emit(E.RESUME_START, checkpointLength=len(attempt.kept), tokenCount=count)
        self._call("on_resume", attempt.kept, count)

    def opening(self) -> None:
        """The factory is about to be called, and the first-token deadline runs."""
        self._enter("waiting_for_token")
        self.emit(E.STREAM_INIT)
        seconds = self._session.settings.initial_token
        if seconds is not None:
            self.emit(E.TIMEOUT_START, timeoutType="initial", configuredMs=seconds * 1000)

    def attempt_opened(self, attempt: Attempt) -> None:
        assert attempt.reading is not None
        kind = type(attempt.made)
        name = attempt.reading.adapter.name
        self.emit(E.ADAPTER_WRAP_START, streamType=f"{kind.__module__}.{kind.__qualname__}", adapterId=name)
        self.emit(E.ADAPTER_DETECTED, adapterId=name)
        self.emit(E.ADAPTER_WRAP_END, adapterId=name)
        self.emit(E.STREAM_READY)

    def first_output(self, attempt: Attempt) -> None:
        """The source has begun to speak."""
        self._enter("continuation_matching" if attempt.seam is not None or attempt.gates else "streaming")
        if self._broken_since is not None:
            took = self._now() - self._broken_since
            self.emit(E.NETWORK_RECOVERY, attemptCount=self._failed_in_a_row, durationMs=took)
            self.emit(E.CONNECTION_RESTORED, durationMs=took)
            self._broken_since = None
        self._failed_in_a_row = 0
        self.woke()
        seconds = self._session.settings.inter_token
        if seconds is not None:
            self.emit(E.TIMEOUT_RESET, timeoutType="inter", configuredMs=seconds * 1000, tokenIndex=0)

    # While it speaks.

    def sewn(self, overlap: str) -> None:
        """The answer goes on from what the consumer has; `overlap` is what it repeated of that."""
        self.emit(E.CONTINUATION_END, overlapLength=len(overlap))
        self.matched()

    def matched(self) -> None:
        """It is known how what is said joins what the consumer has."""
        self._enter("streaming")

    def tool_call_begins(self) -> None:
        self._enter("tool_call_detected")

    @property
    def watches_events(self) -> bool:
        """Whether somebody wants every event of the consumer's."""
        return "on_stream_event" in self._calls

    def stream_event(self, event: Event) -> None:
        self._call("on_stream_event", event)

    def checkpoint(self, tokens: int) -> None:
        self._checkpoints += 1
        self.emit(E.CHECKPOINT_SAVED, tokenCount=tokens)
        if "on_checkpoint" in self._calls:
            # The text is put together for whoever asks for it, and for nobody else.
            self._call("on_checkpoint", self._session.state.checkpoint, tokens)

    def violation(self, violation: GuardrailViolation, is_new: bool) -> None:
        """An attempt is objected to; not `is_new` if another attempt was, in the same words."""
        if is_new:
            self._output(violation=violation)
        self.emit(
            E.GUARDRAIL_RULE_RESULT,
            **({} if self._rule is None else {"index": self._rule}),
            ruleId=violation.rule,
            passed=False,
            violation={"severity": violation.severity, "recoverable": violation.recoverable},
        )
        if is_new:
            self._call("on_violation", violation)

    def drift(self, violation: DriftViolation) -> None:
        metrics = dict.fromkeys(violation.types, True)
        self.emit(E.DRIFT_CHECK_RESULT, detected=True, score=violation.confidence, metrics=metrics)
        self._call("on_drift", list(violation.types), violation.confidence)

    def reset(self, event: Event) -> None:
        self.withdrawn()
        self.emit(E.RESET, **(event.data or {}))
        self.output(event)

    def tool_call(self, call: dict[str, Any]) -> None:
        import json

        self.emit(E.TOOL_REQUESTED, toolName=call["name"], toolCallId=call["id"])
        self.emit(E.TOOL_START, toolName=call["name"], toolCallId=call["id"])
        if "on_tool_call" in self._calls:
            self._call("on_tool_call", call["name"], call["id"], json.loads(call["arguments"]))

    # The last judgement.

    def phase_begins(self, rules: int) -> None:
        self._finalizing = self._now()
        self._enter("finalizing")
        self.emit(E.GUARDRAIL_PHASE_START, phase="post", ruleCount=rules)

    def rule_begins(self, index: int, rule: str) -> None:
        self._rule, self._rule_since = index, self._now()
        self.emit(E.GUARDRAIL_RULE_START, index=index, ruleId=rule)

    def rule_ended(self, index: int, rule: str, passed: bool) -> None:
        if passed:
            self.emit(E.GUARDRAIL_RULE_RESULT, index=index, ruleId=rule, passed=True, violation=None)
        took, self._rule = self._now() - self._rule_since, None
        self.emit(E.GUARDRAIL_RULE_END, index=index, ruleId=rule, passed=passed, durationMs=took)

    def callback_begins(self, index: int, rule: str) -> None:
        """The verdict of a rule is to be waited for."""
        self._rule, self._waiting[index] = None, self._rule_since
        self.emit(E.GUARDRAIL_CALLBACK_START, callbackId=f"{rule}-{index}", index=index, ruleId=rule)

    def callback_ended(self, index: int, rule: str, error: BaseException | None) -> None:
        """The verdict is in; what is found next is found by this rule."""
        self._rule, self._rule_since = index, self._waiting.pop(index)
        self.emit(
            E.GUARDRAIL_CALLBACK_END,
            callbackId=f"{rule}-{index}",
            index=index,
            ruleId=rule,
            durationMs=self._now() - self._rule_since,
            success=error is None,
            error=None if error is None else type(error).__name__,
        )

    def phase_ended(self, violations: int) -> None:
        took = self._now() - self._finalizing
        self.emit(E.GUARDRAIL_PHASE_END, phase="post", passed=not violations, violations=violations, durationMs=took)

    # A failure.

    def veto_begins(self, failure: Failure) -> None:
        """`Retry.should_retry` is about to be asked."""
        self._veto_since = self._now()
        self._veto(E.RETRY_FN_START, failure, defaultShouldRetry=True)

    def veto_ended(self, failure: Failure, allowed: bool) -> None:
        took = self._now() - self._veto_since
        self._veto(E.RETRY_FN_RESULT, failure, userResult=allowed, finalShouldRetry=allowed, durationMs=took)

    def veto_raised(self, failure: Failure, error: BaseException) -> None:
        took = self._now() - self._veto_since
        said = type(error).__name__
        self._veto(E.RETRY_FN_ERROR, failure, error=said, finalShouldRetry=False, durationMs=took)

    def _veto(self, kind: ObservabilityEventType, failure: Failure, **meta: Any) -> None:
        self.emit(kind, attempt=self._session.attempts - 1, category=failure.category.value, **meta)

    def failed(self, attempt: Attempt, failure: Failure, decision: Decision) -> None:
        error, retry, fallback = failure.error, isinstance(decision, RetryAfter), isinstance(decision, FallBack)
        self._failed_in_a_row += 1
        self._output(error=self._session.errors[-1])
        if isinstance(error, StreamTimeout):
            kind, milliseconds = error.timeout_type, error.timeout_seconds * 1000
            short = {"initial_token": "initial", "inter_token": "inter"}.get(kind, kind)
            self.emit(E.TIMEOUT_TRIGGERED, timeoutType=short, elapsedMs=milliseconds, configuredMs=milliseconds)
            self._call("on_timeout", kind, error.timeout_seconds)
        if failure.category is ErrorCategory.NETWORK:
            from l0_core.network import analyze_network_error

            code = analyze_network_error(error).type.value
            self._broken_since = self._broken_since or self._now()
            self.emit(E.NETWORK_ERROR, error=type(error).__name__, code=code, retryable=True, willRetry=retry)
            if failure.delivered:
                self.emit(E.CONNECTION_DROPPED, reason=code)
        self._call("on_error", error, retry, fallback)
        self.emit(
            E.ERROR,
            error=type(error).__name__,
            errorCode=error.code.value if isinstance(error, Error) else None,
            category=failure.category.value,
            failureType=_failure_type(failure).value,
            recoveryStrategy=self._strategy(retry, fallback).value,
            policy=self._policy(attempt),
            **({} if attempt.proof is None or attempt.proof.usage is None else {"usage": dict(attempt.proof.usage)}),
        )
        self._retry_ended(success=False)

    def _strategy(self, retry: bool, fallback: bool) -> RecoveryStrategy:
        if fallback:
            return RecoveryStrategy.FALLBACK
        if not retry:
            return RecoveryStrategy.HALT
        return RecoveryStrategy.CONTINUE if self._session.resuming else RecoveryStrategy.RETRY

    def _policy(self, attempt: Attempt) -> dict[str, Any]:
        retries, sources = self._session.settings.retry.max_retries or 0, self._session.source_count
        policy = RecoveryPolicy(
            retry_enabled=retries > 0,
            fallback_enabled=sources > 1,
            max_retries=retries,
            max_fallbacks=sources - 1,
            attempt=attempt.number,
            fallback_index=attempt.source,
        )
        return {_camel(name): value for name, value in asdict(policy).items()}

    def retrying(self, failure: Failure, delay: float) -> None:
        """A retry follows, in `delay` seconds."""
        state = self._session.state
        retries = state.model_retry_count + state.network_retry_count
        reason = failure.reason.value if failure.reason is not None else failure.category.value
        network = failure.category in (ErrorCategory.NETWORK, ErrorCategory.TRANSIENT)
        self._retry_since = self._now()
        self._enter("retrying")
        self.emit(E.RETRY_START, attempt=retries, maxAttempts=self._session.settings.retry.max_retries)
        self._call("on_retry", retries, message_of(failure.error))
        self.emit(
            E.RETRY_ATTEMPT,
            attempt=retries,
            index=retries - 1,
            reason=reason,
            isNetwork=failure.category is ErrorCategory.NETWORK,
            isModelIssue=not network,
            countsTowardLimit=not network and not isinstance(failure.error, ZeroOutput),
            delay=delay,
        )

    def _retry_ended(self, success: bool) -> None:
        if self._retry_since is not None:
            took, self._retry_since = self._now() - self._retry_since, None
            self.emit(E.RETRY_END, attempt=self._session.attempts, success=success, durationMs=took)

    def fell_back(self, source: int) -> None:
        self._enter("fallback")
        if source > 1:
            self.emit(E.FALLBACK_END, index=source - 1)
        self.emit(E.FALLBACK_START, fromIndex=source - 1, toIndex=source, reason="previous_failed")
        self.emit(E.FALLBACK_MODEL_SELECTED, index=source)
        self._call("on_fallback", source - 1, "previous_failed")

    def gave_up(self, error: BaseException) -> None:
        self.emit(E.RETRY_GIVE_UP, attempts=self._session.attempts, lastError=type(error).__name__)

    # The end.

    def finalizing(self) -> None:
        """The source is closed, and all is well."""
        self._finalizing = self._now()
        self._enter("finalizing")
        self.emit(E.FINALIZATION_START)
        self._retry_ended(success=True)
        if self._session.state.fallback_index:
            self.emit(E.FALLBACK_END, index=self._session.state.fallback_index)

    def completed(self) -> None:
        state = self._session.state
        self.emit(
            E.COMPLETE,
            tokenCount=state.token_count,
            contentLength=len(state.content),
            duration=state.duration,
            finishReason=state.finish_reason,
        )
        self._call("on_complete", state)
        self.emit(E.FINALIZATION_END, durationMs=self._now() - self._finalizing)

    def aborting(self) -> None:
        state = self._session.state
        self.emit(E.ABORT_REQUESTED, source="user")
        self._call("on_abort", state.token_count, len(state.content))

    def ended(self) -> None:
        state = self._session.state
        # A stream that was left is no success: of the two ends that there are, it is this one.
        self._enter("complete" if state.outcome in ("complete", "incomplete") else "error")
        if state.outcome == "aborted":
            self.emit(
                E.ABORT_COMPLETED, tokenCount=state.token_count, contentLength=len(state.content), resourcesFreed=True
            )
        self.emit(
            E.SESSION_SUMMARY,
            outcome=state.outcome,
            tokenCount=state.token_count,
            startTs=self._start,
            endTs=self._now(),
            driftDetected=state.drift_detected,
            guardrailViolations=len(state.violations),
            fallbackDepth=state.fallback_index,
            retryCount=state.model_retry_count + state.network_retry_count,
            checkpointsCreated=self._checkpoints,
        )
        self.emit(E.SESSION_END, outcome=state.outcome)
        self.flush()
        self.close()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _failure_type(failure: Failure) -> FailureType:
    if isinstance(failure.error, TimeoutError):
        return FailureType.TIMEOUT
    if isinstance(failure.error, ZeroOutput):
        return FailureType.ZERO_OUTPUT
    if failure.category is ErrorCategory.NETWORK:
        return FailureType.NETWORK
    return FailureType.UNKNOWN if failure.category is ErrorCategory.INTERNAL else FailureType.MODEL
