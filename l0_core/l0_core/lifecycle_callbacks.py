"""`LifecycleCallbacks`: the callbacks of a stream in one object, to be shared between calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Union

from l0_core.events import Event
from l0_core.guardrails import GuardrailViolation
from l0_core.state import State

__all__ = ["LifecycleCallbacks"]

Nothing = Union[Awaitable[None], None]


@dataclass(slots=True)
class LifecycleCallbacks:
    """What to call in the life of a stream: `l0.run(..., callbacks=LifecycleCallbacks(...))`.

    Each may be plain, and is called in place, or a coroutine function, and runs in its turn without holding up the
    stream. One that raises is logged, and the stream goes on. A callback that is given to the call itself goes before
    the one of the same name here.
    """

    on_start: Callable[[int, bool, bool], Nothing] | None = None
    """`(attempt, is_retry, is_fallback)`: an attempt begins; attempts count from 1."""
    on_complete: Callable[[State], Nothing] | None = None
    """`(state)`: the stream is complete, or incomplete as `state.outcome` says."""
    on_error: Callable[[Exception, bool, bool], Nothing] | None = None
    """`(error, will_retry, will_fallback)`: an attempt failed."""
    on_event: Callable[[Event], Nothing] | None = None
    """`(event)`: every event that the consumer gets; `on_stream_event` of `run()` and `wrap()`."""
    on_violation: Callable[[GuardrailViolation], Nothing] | None = None
    """`(violation)`: a guardrail found something. Each violation is told once."""
    on_retry: Callable[[int, str], Nothing] | None = None
    """`(retry, reason)`: a retry follows; retries count from 1."""
    on_fallback: Callable[[int, str], Nothing] | None = None
    """`(index, reason)`: the next source follows; `index` is that of the one that failed, from 0."""
    on_resume: Callable[[str, int], Nothing] | None = None
    """`(checkpoint, token_count)`: the next attempt continues this text."""
    on_checkpoint: Callable[[str, int], Nothing] | None = None
    """`(checkpoint, token_count)`: the text so far is a place to go on from."""
    on_timeout: Callable[[str, float], Nothing] | None = None
    """`(kind, seconds)`: a deadline passed: "initial_token", "inter_token" or "total"."""
    on_abort: Callable[[int, int], Nothing] | None = None
    """`(token_count, content_length)`: `abort()` was called; the length is in characters."""
    on_drift: Callable[[list[str], float | None], Nothing] | None = None
    """`(types, confidence)`: the answer drifts; the confidence is between 0 and 1."""
    on_tool_call: Callable[[str, str, dict[str, Any]], Nothing] | None = None
    """`(name, id, arguments)`: a whole tool call reached the consumer."""
    on_token: Callable[[str], Nothing] | None = None
    """`(text)`: the text of a token."""
