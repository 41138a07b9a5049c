"""`create_sentry_handler`: a function for `on_event` that reports to a client of Sentry's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from l0_core import ObservabilityEvent
from l0_core import ObservabilityEventType as E
from l0_sentry.client import client_of
from l0_sentry.execution import Sentry, SentryConfig
from l0_sentry.life import GUARDRAIL_CODES
from l0_sentry.safe import name_of

__all__ = ["create_sentry_handler"]

MOST_STREAMS = 1000
"""Streams whose end is waited for at once. Beyond, the oldest is forgotten: its next event begins it anew."""

SURVIVED = ("retry", "fallback", "continue")


def create_sentry_handler(sentry: Any, config: SentryConfig | None = None) -> Callable[[ObservabilityEvent], None]:
    """A handler of the events of any number of streams: each is an execution of its own.

    The keys of `meta` may be in camelCase, as the runtime has them, or in snake_case. An error that is followed by a
    retry or a fallback is a breadcrumb; one that ends the stream is an issue.
    """
    streams: OrderedDict[str, Sentry] = OrderedDict()

    def handle(event: ObservabilityEvent) -> None:
        execution = streams.get(event.stream_id)
        if execution is None:
            execution = streams[event.stream_id] = Sentry(client_of(sentry, event.stream_id), config)
            if len(streams) > MOST_STREAMS:
                streams.popitem(last=False)[1].finish("cancelled")
        tell = _TOLD.get(event.type)
        if tell is not None:
            tell(execution, _Meta(event.meta))
        if event.type is E.SESSION_END:
            streams.pop(event.stream_id).finish("ok")

    return handle


class _Meta:
    """What an event says, by the snake_case names of its keys."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self._meta = meta

    def get(self, *names: str) -> Any:
        """The value of the first name that there is, None if there is none; of an enum its value."""
        for name in names:
            for key in (name, _camel(name)):
                if self._meta.get(key) is not None:
                    return getattr(self._meta[key], "value", self._meta[key])
        return None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _begins(execution: Sentry, meta: _Meta) -> None:
    execution.start_execution()


def _opens(execution: Sentry, meta: _Meta) -> None:
    execution.start_stream()


def _token(execution: Sentry, meta: _Meta) -> None:
    execution.record_token(meta.get("token", "value", "content"))


def _network_failed(execution: Sentry, meta: _Meta) -> None:
    # Whether it ends the stream is said by the ERROR that follows.
    data = {"error": name_of(meta.get("error")), "error_type": meta.get("code", "error_type")}
    execution.note("l0.network", "Network error", "warning", **data)


def _failed(execution: Sentry, meta: _Meta) -> None:
    strategy, error = meta.get("recovery_strategy"), meta.get("error")
    survived = strategy in SURVIVED or (strategy is None and bool(meta.get("will_retry", "will_fallback")))
    category, code = meta.get("category"), meta.get("error_code", "code")
    if category == "network":
        execution.record_network_error(error, str(code or category), survived)
    elif survived or (execution.objected and code in GUARDRAIL_CODES):
        level = "warning" if survived else "error"
        execution.note("l0", "Error", level, error=name_of(error), category=category, error_code=code)
    else:
        execution.record_failure(error)
    if not survived:
        execution.finish("internal_error")


def _retries(execution: Sentry, meta: _Meta) -> None:
    is_network = meta.get("is_network", "is_network_error") or meta.get("category") == "network"
    execution.record_retry(meta.get("attempt") or 0, str(meta.get("reason") or "unknown"), bool(is_network))


def _falls_back(execution: Sentry, meta: _Meta) -> None:
    data = {"from_index": meta.get("from_index"), "to_index": meta.get("to_index", "index")}
    execution.note("l0.fallback", "Fallback", "warning", **data)


def _gives_up(execution: Sentry, meta: _Meta) -> None:
    execution.note("l0.retry", "Given up", "error", attempts=meta.get("attempts", "attempt"))


def _judged(execution: Sentry, meta: _Meta) -> None:
    found = meta.get("violations")
    if isinstance(found, list | tuple):
        execution.record_guardrail_violations(found)
    elif isinstance(violation := meta.get("violation"), Mapping):
        rule = {} if (said := meta.get("rule_id")) is None else {"rule": said}
        execution.record_guardrail_violations([{**rule, **violation}])
    elif violation is not None:
        execution.record_guardrail_violations([violation])


def _drifts(execution: Sentry, meta: _Meta) -> None:
    execution.record_drift(bool(meta.get("detected")), meta.get("types", "metrics") or ())


def _reset(execution: Sentry, meta: _Meta) -> None:
    execution.note("l0.stream", "Reset: text was withdrawn", "warning", keep=meta.get("keep"))


def _complete(execution: Sentry, meta: _Meta) -> None:
    execution.complete_stream(meta.get("token_count") or 0)
    execution.complete_execution(None)


def _aborted(execution: Sentry, meta: _Meta) -> None:
    execution.note("l0.stream", "Stream aborted", "info", token_count=meta.get("token_count"))
    execution.finish("cancelled")


_TOLD: dict[E, Callable[[Sentry, _Meta], None]] = {
    E.SESSION_START: _begins,
    E.STREAM_INIT: _opens,
    E.TOKEN: _token,
    E.NETWORK_ERROR: _network_failed,
    E.ERROR: _failed,
    E.RETRY_ATTEMPT: _retries,
    E.FALLBACK_START: _falls_back,
    E.RETRY_GIVE_UP: _gives_up,
    E.GUARDRAIL_RULE_RESULT: _judged,
    E.DRIFT_CHECK_RESULT: _drifts,
    E.RESET: _reset,
    E.COMPLETE: _complete,
    E.ABORT_COMPLETED: _aborted,
}
