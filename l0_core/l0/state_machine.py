"""What a stream is doing, as a small machine."""

from __future__ import annotations

from l0_core.state_machine import RuntimeState, RuntimeStates, StateMachine, StateTransition, create_state_machine

__all__ = [
    "RuntimeState",
    "RuntimeStates",
    "StateMachine",
    "StateTransition",
    "create_state_machine",
]
