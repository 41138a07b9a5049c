"""What `run()` and `wrap()` take besides sources, for type checkers: `**options: Unpack[RunOptions]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Literal

    from l0_core.continuation import ContinuationConfig
    from l0_core.drift import DriftDetector
    from l0_core.events import Event
    from l0_core.guardrails import GuardrailRule, GuardrailViolation
    from l0_core.lifecycle import ObservabilityEvent
    from l0_core.lifecycle_callbacks import LifecycleCallbacks
    from l0_core.options import CheckIntervals, Limits, Retry, Timeout
    from l0_core.state import State

    Nothing = Awaitable[None] | None

__all__ = ["RunOptions"]


class RunOptions(TypedDict, total=False):
    """What `run()` and `wrap()` take besides sources."""

    guardrails: Sequence[GuardrailRule | str | object] | None
    plugins: Sequence[object] | None
    drift_detector: DriftDetector | None
    retry: Retry | None
    timeout: Timeout | None
    limits: Limits | None
    check_intervals: CheckIntervals | Mapping[str, int] | None
    adapter: Any
    context: Mapping[str, Any] | None
    meta: Mapping[str, Any] | None
    buffer_tool_calls: bool
    continue_from_last_good_token: bool | ContinuationConfig
    build_continuation_prompt: Callable[[str], str] | None
    on_interrupt: Literal["resume", "verify", "reset", "fail"]
    release: Literal["live", "checked", "complete"]
    keep_raw: bool
    record: object
    callbacks: LifecycleCallbacks | Any
    on_event: Callable[[ObservabilityEvent], Nothing] | None
    on_token: Callable[[str], Nothing] | None
    on_start: Callable[[int, bool, bool], Nothing] | None
    on_complete: Callable[[State], Nothing] | None
    on_error: Callable[[Exception, bool, bool], Nothing] | None
    on_stream_event: Callable[[Event], Nothing] | None
    on_violation: Callable[[GuardrailViolation], Nothing] | None
    on_retry: Callable[[int, str], Nothing] | None
    on_fallback: Callable[[int, str], Nothing] | None
    on_resume: Callable[[str, int], Nothing] | None
    on_checkpoint: Callable[[str, int], Nothing] | None
    on_timeout: Callable[[str, float], Nothing] | None
    on_abort: Callable[[int, int], Nothing] | None
    on_drift: Callable[[list[str], float | None], Nothing] | None
    on_tool_call: Callable[[str, str, dict[str, Any]], Nothing] | None
