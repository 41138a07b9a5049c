"""The state of a running stream, as a small machine: what it does now, what it did, and who wants to be told.

A stream drives one only for whoever asks for it before reading: `stream.state_machine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from l0_core.log import log_raised

__all__ = ["RuntimeState", "RuntimeStates", "StateMachine", "StateTransition", "create_state_machine"]


class RuntimeState(str, Enum):
    """What a stream is doing."""

    INIT = "init"
    WAITING_FOR_TOKEN = "waiting_for_token"
    STREAMING = "streaming"
    TOOL_CALL_DETECTED = "tool_call_detected"
    CONTINUATION_MATCHING = "continuation_matching"
    CHECKPOINT_VERIFYING = "checkpoint_verifying"
    RETRYING = "retrying"
    FALLBACK = "fallback"
    FINALIZING = "finalizing"
    COMPLETE = "complete"
    ERROR = "error"


RuntimeStates = RuntimeState

Listener = Callable[[RuntimeState], None]


@dataclass(slots=True)
class StateTransition:
    """One change. `timestamp` is in seconds since the epoch."""

    from_state: RuntimeState
    to_state: RuntimeState
    timestamp: float


class StateMachine:
    """Holds one `RuntimeState`. Any state may follow any other; a change to the same one is none."""

    def __init__(self) -> None:
        self._state = RuntimeState.INIT
        self._history: list[StateTransition] = []
        self._listeners: list[Listener] = []

    @classmethod
    def create(cls) -> StateMachine:
        """A machine at INIT, as `StateMachine()` makes it."""
        return cls()

    def transition(self, next_state: RuntimeState) -> None:
        """Change the state, and tell the listeners. A listener that raises is logged."""
        if next_state == self._state:
            return
        before, self._state = self._state, RuntimeState(next_state)
        self._history.append(StateTransition(before, self._state, time.time()))
        self._tell()

    def get(self) -> RuntimeState:
        """The state that it is in."""
        return self._state

    def is_(self, *states: RuntimeState) -> bool:
        """Whether the state is one of these."""
        return self._state in states

    is_state = is_

    def is_terminal(self) -> bool:
        """Whether the stream is over: COMPLETE or ERROR."""
        return self._state in (RuntimeState.COMPLETE, RuntimeState.ERROR)

    def reset(self) -> None:
        """Go back to INIT, without a history. Listeners stay, and are told if that is a change."""
        changed, self._state = self._state is not RuntimeState.INIT, RuntimeState.INIT
        self._history.clear()
        if changed:
            self._tell()

    def get_history(self) -> list[StateTransition]:
        """Every change so far, in order."""
        return list(self._history)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener(state)` called after every change. Returns what ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def _tell(self) -> None:
        state = self._state
        for listener in tuple(self._listeners):
            try:
                listener(state)
            except Exception as error:
                log_raised("a listener of a state machine", error, "the others are told")


def create_state_machine() -> StateMachine:
    """A machine at INIT, as `StateMachine()` makes it."""
    return StateMachine()
