"""What a caller chose for a stream, compiled once: a wrapped client's streams share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from l0_core import config
from l0_core.checks import Guardrail, resolve_guardrails
from l0_core.frozen import Frozen, frozen
from l0_core.options import DEFAULT_CHECK_INTERVALS, NO_LIMITS, CheckIntervals, Limits, Retry, Timeout
from l0_core.plugins import Bound, bind_all, bind_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from l0_core.config_read import Configuration
    from l0_core.continuation import ContinuationConfig


__all__ = ["OPTIONS", "Settings", "compile_settings", "guardrails_or_configured"]

CALLBACKS = frozenset(
    (
        "on_abort",
        "on_checkpoint",
        "on_complete",
        "on_drift",
        "on_error",
        "on_event",
        "on_fallback",
        "on_resume",
        "on_retry",
        "on_start",
        "on_stream_event",
        "on_timeout",
        "on_token",
        "on_tool_call",
        "on_violation",
    )
)

OPTIONS = CALLBACKS | {
    "adapter",
    "buffer_tool_calls",
    "build_continuation_prompt",
    "callbacks",
    "check_intervals",
    "context",
    "continue_from_last_good_token",
    "drift_detector",
    "guardrails",
    "keep_raw",
    "limits",
    "meta",
    "on_interrupt",
    "plugins",
    "record",
    "release",
    "retry",
    "timeout",
}
"""What `run()` and `wrap()` take, besides sources: `RunOptions` has their types."""

NO_CONTEXT: Mapping[str, Any] = Frozen()

RELEASE = ("live", "checked", "complete")

ON_INTERRUPT = ("resume", "verify", "reset", "fail")


class Settings:
    """What a caller chose, compiled. Deadlines are in seconds."""

    # Not a dataclass: making one takes a tenth of what a first stream has to import.
    __slots__ = (
        "adapter",
        "buffer_tool_calls",
        "callbacks",
        "context",
        "continuation",
        "continuation_prompt",
        "guardrails",
        "initial_token",
        "inter_token",
        "intervals",
        "keep_raw",
        "limits",
        "on_interrupt",
        "plugins",
        "release",
        "retry",
        "total",
    )

    @property
    def is_simple(self) -> bool:
        """Whether a first attempt needs no preparation."""
        return not (self.guardrails or self.continuation or self.keep_raw or self.watched or self.release != "live")

    @property
    def watched(self) -> bool:
        """Whether anybody observes the stream."""
        return bool(self.callbacks or self.plugins)

    def __init__(
        self,
        retry: Retry,
        *,
        guardrails: tuple[Guardrail, ...] = (),
        plugins: tuple[Bound, ...] = (),
        timeout: Timeout | None = None,
        limits: Limits = NO_LIMITS,
        intervals: CheckIntervals = DEFAULT_CHECK_INTERVALS,
        adapter: Any = None,
        context: Mapping[str, Any] = NO_CONTEXT,
        callbacks: Mapping[str, Callable[..., Any]] = NO_CONTEXT,
        buffer_tool_calls: bool = False,
        on_interrupt: str = "verify",
        keep_raw: bool = False,
        continuation: ContinuationConfig | None = None,
        continuation_prompt: Callable[[str], str] | None = None,
        release: str = "live",
    ) -> None:
        self.retry, self.guardrails, self.plugins = retry, guardrails, plugins
        self.initial_token = self.inter_token = self.total = None
        if timeout is not None:
            self.initial_token = timeout.initial_token and timeout.initial_token / 1000
            self.inter_token = timeout.inter_token and timeout.inter_token / 1000
            self.total = timeout.total and timeout.total / 1000
        self.limits, self.intervals, self.adapter = limits, intervals, adapter
        self.context, self.callbacks = context, callbacks
        self.continuation, self.continuation_prompt = continuation, continuation_prompt
        self.release = release
        self.buffer_tool_calls, self.on_interrupt, self.keep_raw = buffer_tool_calls, on_interrupt, keep_raw


_DEFAULT = Settings(Retry())
_COMMON = frozenset(("retry", "timeout", "limits"))
"""What most callers say, and nothing else."""


def compile_settings(options: Mapping[str, Any], default_retry: Callable[[], Retry] | None = None) -> Settings:
    """Compile what a caller chose; None is not chosen, and is as it is configured.

    Raises TypeError and ValueError for what cannot be meant, PluginError for a plugin that cannot be had, and
    ConfigError for what is configured.
    """
    given = {name: value for name, value in options.items() if value is not None}
    configured = config.current()
    if configured is not None:
        given = configured.under(given)
    elif not given:
        return _DEFAULT if default_retry is None else Settings(default_retry())
    if not given.keys() <= OPTIONS:
        raise TypeError(_unknown(min(given.keys() - OPTIONS)))
    take = given.get
    retry, timeout, limits = take("retry"), take("timeout"), take("limits")
    for name, value, kind in (("retry", retry, Retry), ("timeout", timeout, Timeout), ("limits", limits, Limits)):
        if value is not None and type(value) is not kind and not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, not {value!r}")
    if retry is None:
        retry = default_retry() if default_retry else _DEFAULT.retry
        retry = retry if configured is None else configured.retry(retry)
    if configured is None and given.keys() <= _COMMON:
        return Settings(retry, timeout=timeout, limits=limits or NO_LIMITS)
    on_interrupt = take("on_interrupt", "verify")
    if on_interrupt not in ON_INTERRUPT:
        raise ValueError(f"on_interrupt is {on_interrupt!r}; it must be one of {', '.join(map(repr, ON_INTERRUPT))}")
    release = take("release", "live")
    if release not in RELEASE:
        raise ValueError(f"release is {release!r}; it must be one of {', '.join(map(repr, RELEASE))}")
    plugins = _plugins(given, configured)
    guardrails = guardrails_or_configured(given.get("guardrails"))
    if plugins:
        guardrails += tuple(Guardrail.of(bound) for bound in plugins if "check" in bound.hooks)
    intervals = CheckIntervals.of(given["check_intervals"]) if "check_intervals" in given else DEFAULT_CHECK_INTERVALS
    if "drift_detector" in given:
        from l0_core.drift import drift_guardrail

        guardrails += (drift_guardrail(given["drift_detector"], intervals.drift),)
    return Settings(
        retry,
        guardrails=guardrails,
        plugins=plugins,
        timeout=timeout,
        limits=limits or NO_LIMITS,
        intervals=intervals,
        adapter=take("adapter"),
        context=frozen(context) if (context := take("context") or take("meta")) else NO_CONTEXT,
        callbacks=_callbacks(given) if "callbacks" in given or not CALLBACKS.isdisjoint(given) else NO_CONTEXT,
        buffer_tool_calls=bool(take("buffer_tool_calls")),
        on_interrupt=on_interrupt,
        keep_raw=bool(take("keep_raw")),
        continuation=_continuation(given, on_interrupt, configured),
        continuation_prompt=take("build_continuation_prompt"),
        release=release,
    )


def _plugins(given: Mapping[str, Any], configured: Configuration | None) -> tuple[Bound, ...]:
    if "plugins" in given:
        plugins = bind_all(given["plugins"])
    else:
        plugins = () if configured is None else configured.plugins(store="record" not in given)
    record = given.get("record", False)
    return plugins if record is False else (*plugins, bind_store(record))


def guardrails_or_configured(given: Sequence[Any] | None = None) -> tuple[Guardrail, ...]:
    """The guardrails that `guardrails=` means: those given, or those configured for None; to add some of one's own."""
    if given is not None:
        return resolve_guardrails(given)
    configured = config.current()
    return () if configured is None else configured.guardrails()


def _continuation(
    given: Mapping[str, Any], on_interrupt: str, configured: Configuration | None
) -> ContinuationConfig | None:
    """How to go on after an interruption, or None if a stream is not to be continued."""
    chosen = given.get("continue_from_last_good_token", on_interrupt == "resume")
    if chosen is False:
        return None
    from l0_core.continuation import ContinuationConfig

    if chosen is True:
        known = configured.continuation if configured else None
        if known is None and "check_intervals" in given:
            return ContinuationConfig(checkpoint_interval=CheckIntervals.of(given["check_intervals"]).checkpoint)
        return known or ContinuationConfig()
    if not isinstance(chosen, ContinuationConfig):
        raise TypeError(f"continue_from_last_good_token must be a bool or a ContinuationConfig, not {chosen!r}")
    return chosen if chosen.enabled else None


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, OPTIONS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(OPTIONS))}"
    return f"unknown option {name!r}; {hint}"


def _callbacks(given: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The callbacks by name; those given one by one go before those of a LifecycleCallbacks object."""
    together = given.get("callbacks")
    if together is not None and not any(hasattr(together, name) for name in CALLBACKS):
        raise TypeError(f"callbacks must be a LifecycleCallbacks, or have some of its attributes; not {together!r}")
    found = {}
    for name in CALLBACKS:
        callback = given.get(name)
        if callback is None and together is not None and name != "on_event":
            # The object's `on_event` gets what the consumer gets, which is `on_stream_event` here.
            callback = getattr(together, "on_event" if name == "on_stream_event" else name, None)
        if callback is not None:
            if not callable(callback):
                raise TypeError(f"{name} must be callable, not {callback!r}")
            found[name] = callback
    return found
