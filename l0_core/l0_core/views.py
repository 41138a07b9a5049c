"""What plugins are shown of a stream: they may look at everything, and change nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["StateView", "view"]

_MAY_SET = frozenset(("drift_detected",))
"""What of a state guardrails say by setting it."""


class StateView:
    """A state to look at. Its lists and dicts are copies."""

    __slots__ = ("_state",)

    def __init__(self, state: Any) -> None:
        object.__setattr__(self, "_state", state)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._state, name)
        return value.copy() if isinstance(value, list | dict) else value

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _MAY_SET:
            raise AttributeError(f"a plugin may look at the state of a stream, and not change it: {name} is read-only")
        setattr(self._state, name, value)

    def __repr__(self) -> str:
        return repr(self._state)


class _View:
    """A stream's or an attempt's context, with its state to look at."""

    __slots__ = ("_seen", "state")

    def __init__(self, seen: Any) -> None:
        object.__setattr__(self, "_seen", seen)
        object.__setattr__(self, "state", StateView(seen.state))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._seen, name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a plugin may look at a stream's context, and not change it: {name} is read-only")

    def __repr__(self) -> str:
        return repr(self._seen)


def view(seen: Any) -> Any:
    """A `StreamContext` or an `AttemptContext`, for a plugin."""
    return _View(seen)
