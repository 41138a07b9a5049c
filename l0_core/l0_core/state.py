"""The state of a stream: what is known of it at any moment. What can be derived is derived on read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

if TYPE_CHECKING:
    from l0_core.events import DataPayload, Progress
    from l0_core.guardrails import GuardrailViolation

__all__ = ["Outcome", "State", "append_token", "create_state", "mark_completed", "update_checkpoint"]

Outcome = Literal["complete", "incomplete", "error", "aborted"]

T = TypeVar("T")


class _Fresh(Generic[T]):
    """A list or dict of the state's own, made when it is first looked at: most streams never look."""

    def __init__(self, make: type[T]) -> None:
        self.make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Fresh[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | _Fresh[T]:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.make()
        return value


@dataclass(init=False, repr=False)
class State:
    """What is known of one stream. Everything in it describes what the consumer has been given.

    | field | meaning |
    |---|---|
    | `content` | the answer's text so far |
    | `checkpoint` | the text up to the last checkpoint |
    | `token_count` | deltas of text delivered |
    | `model_retry_count`, `network_retry_count` | retries so far, over all sources |
    | `fallback_index` | the source in use: 0 is the primary |
    | `violations` | what guardrails found, each once |
    | `outcome` | `complete`, `incomplete`, `error`, `aborted`; None while the stream runs |
    | `completed`, `aborted` | the outcome, as flags |
    | `finish_reason` | what the provider said of the end |
    | `usage` | tokens as the provider counted them |
    | `tool_calls` | the whole tool calls, as delivered |
    | `reasoning`, `refusal` | text that is not the answer |
    | `choices` | the text of the other choices, by index, where several were asked for |
    | `first_token_at`, `last_token_at` | seconds since the epoch |
    | `duration` | seconds from the first token to the proof that the answer is whole, or to where it broke off |

    Raises TypeError for a field that there is not.
    """

    content: str = ""
    checkpoint: str = ""
    token_count: int = 0
    model_retry_count: int = 0
    network_retry_count: int = 0
    fallback_index: int = 0
    violations: list[GuardrailViolation] = _Fresh(list)  # type: ignore[assignment]
    drift_detected: bool = False
    completed: bool = False
    aborted: bool = False
    first_token_at: float | None = None
    last_token_at: float | None = None
    duration: float | None = None
    resumed: bool = False
    network_errors: list[Any] = _Fresh(list)  # type: ignore[assignment]
    data_outputs: list[DataPayload] = _Fresh(list)  # type: ignore[assignment]
    last_progress: Progress | None = None
    resume_point: str | None = None
    resume_from: int | None = None
    continuation_used: bool = False
    deduplication_applied: bool = False
    overlap_removed: str | None = None
    outcome: Outcome | None = None
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    tool_calls: list[dict[str, Any]] = _Fresh(list)  # type: ignore[assignment]
    reasoning: str = ""
    refusal: str = ""
    choices: dict[int, str] = _Fresh(dict)  # type: ignore[assignment]

    def __init__(self, content: str = "", **fields: Any) -> None:
        self._tokens: list[str] = [content] if content else []
        for name, value in fields.items():
            if name not in self.__dataclass_fields__:
                raise TypeError(f"State has no field {name!r}")
            setattr(self, name, value)

    def __copy__(self) -> State:
        copied = State.__new__(State)
        copied.__dict__.update(self.__dict__)
        copied._tokens = list(self._tokens)
        return copied

    def __repr__(self) -> str:
        return (
            f"<State {self.outcome or 'running'}: {self.token_count} tokens, {len(self.content)} characters, "
            f"source {self.fallback_index}>"
        )

    # The runtime's way in: O(1) each.

    _read = ""
    _read_upto = 0
    _uncounted = 0
    # Annotated they would be fields.
    _checkpoint_at = 0  # type: int | str  # an offset in tokens, or a text that was set
    _reasoning = None  # type: list[str] | None
    _refusal = None  # type: list[str] | None

    def _drop_newest(self) -> None:
        """Take back the newest token, which somebody may have read already."""
        self._tokens.pop()
        self._read, self._read_upto = "", 0

    def _keep(self, characters: int) -> None:
        """Withdraw all but the first `characters` of the content."""
        kept = self.content[:characters]
        tokens, left = 0, characters
        for token in self._tokens:
            if left <= 0:
                break
            left -= len(token)
            tokens += 1
        self._tokens[:] = [kept] if kept else []
        self._read, self._read_upto = "", 0
        self._uncounted = tokens - len(self._tokens)
        self._checkpoint_at = 0


def _content(self: State) -> str:
    tokens = self._tokens
    count = len(tokens)
    if count != self._read_upto:
        # With no other name for the text, += grows it in place: reading after every token stays linear.
        text, self._read = self._read, ""
        text += "".join(tokens[self._read_upto :])
        self._read, self._read_upto = text, count
    return self._read


def _set_content(self: State, text: str) -> None:
    count = self.token_count
    self._tokens[:] = [text] if text else []
    self._read, self._read_upto = "", 0
    self._uncounted = count - len(self._tokens) if text else 0
    self._checkpoint_at = 0


def _set_token_count(self: State, count: int) -> None:
    self._uncounted = count - len(self._tokens)


def _checkpoint(self: State) -> str:
    at = self._checkpoint_at
    return at if isinstance(at, str) else "".join(self._tokens[:at])


def _set_checkpoint(self: State, text: str) -> None:
    self._checkpoint_at = text


def _duration(self: State) -> float | None:
    given: float | None = self.__dict__.get("duration")
    if given is None and self.first_token_at is not None and self.last_token_at is not None:
        return self.last_token_at - self.first_token_at
    return given


def _joined(name: str) -> property:
    def read(self: State) -> str:
        return "".join(getattr(self, name) or ())

    def write(self: State, text: str) -> None:
        setattr(self, name, [text])

    return property(read, write)


def _is_outcome(outcome: Outcome) -> property:
    def read(self: State) -> bool:
        return self.outcome == outcome

    def write(self: State, value: bool) -> None:
        if value:
            self.outcome = outcome
        elif self.outcome == outcome:
            self.outcome = None

    return property(read, write)


# A dataclass for `asdict` and `fields`, with the derived fields as properties put over its defaults.
_derived: dict[str, Any] = {
    "content": property(_content, _set_content),
    "token_count": property(lambda self: len(self._tokens) + self._uncounted, _set_token_count),
    "checkpoint": property(_checkpoint, _set_checkpoint),
    "duration": property(_duration, lambda self, value: self.__dict__.__setitem__("duration", value)),
    "reasoning": _joined("_reasoning"),
    "refusal": _joined("_refusal"),
    "completed": _is_outcome("complete"),
    "aborted": _is_outcome("aborted"),
}
for _name, _property in _derived.items():
    setattr(State, _name, _property)


def create_state() -> State:
    """A fresh state."""
    return State()


def update_checkpoint(state: State) -> None:
    """Make the content so far the checkpoint."""
    state.checkpoint = state.content


def append_token(state: State, token: str) -> None:
    """Add a token's text, and note the time."""
    state._tokens.append(token)
    now = time.time()
    if state.first_token_at is None:
        state.first_token_at = now
    state.last_token_at = now


def mark_completed(state: State) -> None:
    """Mark the stream as complete."""
    state.completed = True
