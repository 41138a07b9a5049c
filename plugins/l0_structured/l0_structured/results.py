"""What `structured()` and its like return, raise and are set by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from l0_core import GuardrailViolation, GuardrailViolationError, Retry, State

__all__ = [
    "MINIMAL_STRUCTURED",
    "RECOMMENDED_STRUCTURED",
    "STRICT_STRUCTURED",
    "AutoCorrectInfo",
    "StructuredConfig",
    "StructuredOutputError",
    "StructuredResult",
    "StructuredState",
    "StructuredTelemetry",
]

T = TypeVar("T")


@dataclass(frozen=True)
class StructuredConfig:
    """What to do about answers that are not valid: `structured(User, ask, **config.options())`.

    `attempts` is how often the model is asked again, as `Retry.attempts` is; `strict_mode` refuses unknown fields.
    """

    auto_correct: bool = True
    attempts: int = 1
    strict_mode: bool = False

    def options(self) -> dict[str, Any]:
        """The same as options of `structured()`."""
        return {
            "auto_correct": self.auto_correct,
            "strict_mode": self.strict_mode,
            "retry": Retry(attempts=self.attempts),
        }


MINIMAL_STRUCTURED = StructuredConfig(auto_correct=False)
RECOMMENDED_STRUCTURED = StructuredConfig(attempts=2)
STRICT_STRUCTURED = StructuredConfig(attempts=3, strict_mode=True)


@dataclass
class AutoCorrectInfo:
    """A repair: the text as it was answered, the JSON that was made of it, and the kinds of corrections."""

    original: str
    corrected: str
    corrections: list[str]
    success: bool = True


@dataclass
class StructuredState:
    """What it took to get a valid answer, over all attempts. `validation_time_ms` is in milliseconds."""

    validation_failures: int = 0
    auto_corrections: int = 0
    validation_errors: list[Exception] = field(default_factory=list)
    correction_types: list[str] = field(default_factory=list)
    validation_time_ms: float | None = None


@dataclass
class StructuredTelemetry:
    """The same as numbers and names: nothing in it is of the answer. `validation_time_ms` is in milliseconds."""

    schema_name: str | None = None
    validation_attempts: int = 0
    validation_failures: int = 0
    auto_corrections: int = 0
    correction_types: list[str] = field(default_factory=list)
    validation_success: bool = False
    validation_time_ms: float | None = None


@dataclass
class StructuredResult(Generic[T]):
    """A valid answer: `data`, and the text that it was read from. An attribute that it has not is that of `data`.

    `raw` is the text as the model answered it; `corrected` says whether it had to be repaired, `corrections` how.
    `errors` are those that were survived. `telemetry` is there with `monitoring=True`.
    """

    data: T
    raw: str
    corrected: bool = False
    corrections: list[str] = field(default_factory=list)
    state: State | None = None
    structured_state: StructuredState | None = None
    telemetry: StructuredTelemetry | None = None
    errors: list[BaseException] = field(default_factory=list)
    _aborted: bool = field(default=False, init=False, repr=False, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name == "data" or name.startswith("__"):
            raise AttributeError(name)  # Of a result that copy or pickle has not filled yet.
        try:
            return getattr(self.data, name)
        except AttributeError:
            raise AttributeError(
                f"neither the result nor its data, a {type(self.data).__name__}, has {name!r}"
            ) from None

    def abort(self) -> None:
        """Say that the result is not wanted any more. Its stream has ended: there is nothing left to stop."""
        self._aborted = True

    @property
    def is_aborted(self) -> bool:
        """Whether `abort()` was called."""
        return self._aborted


class StructuredOutputError(GuardrailViolationError, ValueError):
    """No attempt answered what the schema asks for.

    The message and `violation` say what is wrong with the last answer, and nothing of what is in it. `raw` is its text;
    `validation_errors` are the errors of all attempts, in order. `partial`, `offset` and `attempts` are as on any error
    of a stream.
    """

    def __init__(self, violation: GuardrailViolation, raw: str, validation_errors: list[Exception]) -> None:
        super().__init__(violation)
        self.raw, self.validation_errors = raw, validation_errors
