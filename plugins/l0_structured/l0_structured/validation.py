"""The guardrail of structured output: an answer is JSON, if need be once repaired, and what the schema asks for."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from l0_core import (
    Check,
    GuardrailViolation,
    GuardrailViolationError,
    ObservabilityEventType,
    Stream,
    hookimpl,
)
from l0_structured.auto_correct import auto_correct_json
from l0_structured.json_text import loads
from l0_structured.results import (
    AutoCorrectInfo,
    StructuredOutputError,
    StructuredResult,
    StructuredState,
    StructuredTelemetry,
)
from l0_structured.schemas import InvalidJSON, Schema

if TYPE_CHECKING:
    from l0_core import AttemptContext

    OnValidationError = Callable[[Any, int], Awaitable[None] | None]
    OnAutoCorrect = Callable[[AutoCorrectInfo], Awaitable[None] | None]

__all__ = ["Validation"]

E = ObservabilityEventType
T = TypeVar("T")

logger = logging.getLogger("l0")

ALL_OF_IT = 1 << 62
"""Characters that may still be objected to: an answer is valid as a whole or not at all."""


class Validation(Generic[T]):
    """The validation of one stream's answers, attempt by attempt, and what came of it."""

    name = "structured"

    def __init__(
        self,
        schema: Schema[T],
        auto_correct: bool,
        on_validation_error: OnValidationError | None = None,
        on_auto_correct: OnAutoCorrect | None = None,
    ) -> None:
        self.schema, self.auto_correct = schema, auto_correct
        self.state = StructuredState()
        self.attempts = 0
        self.broken: Exception | None = None
        """What the schema's own validators raised that is no verdict."""
        self._on_validation_error, self._on_auto_correct = on_validation_error, on_auto_correct
        self._answer: tuple[T] | None = None
        self._raw = ""
        self._corrections: list[str] = []
        self._waiting: list[Awaitable[None]] = []

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        pieces: list[str] = []

        def judge(delta: str, final: bool) -> Any:
            pieces.append(delta)
            if not final:
                return None
            violation = self._judged(ctx, "".join(pieces))
            return self._after_callbacks(violation) if self._waiting else violation

        return Check(judge, ALL_OF_IT, whole=True)

    async def _after_callbacks(self, violation: GuardrailViolation | None) -> GuardrailViolation | None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            try:
                await callback
            except Exception as error:
                _passed_over(error)
        return violation

    def _judged(self, ctx: AttemptContext, text: str) -> GuardrailViolation | None:
        self.attempts += 1
        self._raw, self._corrections = text, []
        began = ctx.clock()
        ctx.emit(E.PARSE_START, content_length=len(text))
        try:
            self._answer = (self._valid(ctx, self._json(ctx, text)),)
            problem = None
        except Exception as error:
            problem = error
        took = (ctx.clock() - began) * 1000
        self.state.validation_time_ms = (self.state.validation_time_ms or 0.0) + took
        ctx.emit(E.PARSE_END, success=problem is None, duration_ms=took)
        return None if problem is None else self._refused(problem)

    def _json(self, ctx: AttemptContext, text: str) -> str:
        """The JSON of an answer. Raises InvalidJSON."""
        problem: Exception | None
        try:
            loads(text)
            return text
        except json.JSONDecodeError as error:
            problem = error
        if ctx.cut_short is not None:
            ctx.emit(E.PARSE_ERROR, reason="cut_short")
            raise InvalidJSON(f"the answer was cut off before it was whole JSON (finish reason {ctx.cut_short!r})")
        if self.auto_correct:
            ctx.emit(E.AUTO_CORRECT_START)
            result = auto_correct_json(text, track_corrections=True)
            ctx.emit(E.AUTO_CORRECT_END, corrected=result.corrected, corrections=[*result.corrections])
            problem = result.error
            if problem is None:
                self._corrected(text, result.text, result.corrections)
                return result.text
        ctx.emit(E.PARSE_ERROR, reason="not_json")
        raise InvalidJSON(f"the answer is not JSON: {problem}")

    def _corrected(self, original: str, corrected: str, corrections: list[str]) -> None:
        self._corrections = corrections
        self.state.auto_corrections += 1
        self.state.correction_types += [kind for kind in corrections if kind not in self.state.correction_types]
        self._tell(self._on_auto_correct, AutoCorrectInfo(original, corrected, corrections))

    def _valid(self, ctx: AttemptContext, text: str) -> T:
        """The value of a JSON text. Raises what the schema raises."""
        ctx.emit(E.SCHEMA_VALIDATION_START, schema_type=self.schema.kind, schema_name=self.schema.name)
        began, valid = ctx.clock(), False
        try:
            value = self.schema.read(text)
            valid = True
        except Exception as error:
            ctx.emit(E.SCHEMA_VALIDATION_ERROR, schema_name=self.schema.name, error=type(error).__name__)
            raise
        finally:
            ctx.emit(E.SCHEMA_VALIDATION_END, valid=valid, duration_ms=(ctx.clock() - began) * 1000)
        return value

    def _refused(self, problem: Exception) -> GuardrailViolation:
        if isinstance(problem, InvalidJSON):
            message = str(problem)
        elif self.schema.is_fault(problem):
            message = f"the answer does not match the schema {self.schema.name}: {self.schema.faults(problem)}"
        else:
            self.broken = problem
            return GuardrailViolation(self.name, f"A validator raised {type(problem).__name__}", severity="fatal")
        self.state.validation_failures += 1
        self.state.validation_errors.append(problem)
        self._tell(self._on_validation_error, problem, self.attempts)
        return GuardrailViolation(self.name, message[0].upper() + message[1:])

    def _tell(self, callback: Callable[..., Any] | None, *args: Any) -> None:
        if callback is None:
            return
        try:
            answer = callback(*args)
        except Exception as error:
            _passed_over(error)
            return
        if hasattr(answer, "__await__"):
            self._waiting.append(cast("Awaitable[None]", answer))

    # What came of it.

    def result(self, stream: Stream, monitoring: bool = False) -> StructuredResult[T]:
        """What to return for a stream that ended well. Raises RuntimeError for one that was left."""
        if self._answer is None:
            raise RuntimeError("the stream was left before its answer was whole")
        return StructuredResult(
            self._answer[0],
            self._raw,
            corrected=bool(self._corrections),
            corrections=self._corrections,
            state=stream.state,
            structured_state=self.state,
            telemetry=self._telemetry() if monitoring else None,
            errors=[*stream.errors],
        )

    def error(self, raised: GuardrailViolationError) -> Exception:
        """What to raise for a guardrail's objection that ended the stream."""
        if raised.violation.rule != self.name:
            return raised
        if self.broken is not None:
            return self.broken
        error = StructuredOutputError(raised.violation, self._raw, self.state.validation_errors)
        for name in ("partial", "offset", "attempts"):
            setattr(error, name, getattr(raised, name, None))
        return error

    def _telemetry(self) -> StructuredTelemetry:
        state = self.state
        return StructuredTelemetry(
            self.schema.name,
            validation_attempts=self.attempts,
            validation_failures=state.validation_failures,
            auto_corrections=state.auto_corrections,
            correction_types=[*state.correction_types],
            validation_success=self._answer is not None,
            validation_time_ms=state.validation_time_ms,
        )


def _passed_over(error: Exception) -> None:
    logger.warning("a callback of structured() raised %s; the stream goes on", type(error).__name__)
    logger.debug("a callback of structured() raised", exc_info=error)
