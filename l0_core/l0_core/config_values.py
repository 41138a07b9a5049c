"""The keys of the configuration, what each accepts, and how a value is made of what is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from l0_core.config import masked
from l0_core.options import BackoffStrategy, RetryableErrorType

__all__ = ["KEYS", "ONLY_IN_CODE", "ON_ERROR", "PLUGIN_KINDS", "Given", "Kind", "duration", "masked_value", "unknown"]


class Given(NamedTuple):
    """A value as it is written: in a file under `key`, or as the text of a variable."""

    value: Any
    source: str
    key: str = ""
    is_text: bool = False

    @property
    def where(self) -> str:
        return f"{self.source} {self.key}".strip()


class Kind(NamedTuple):
    """What a key accepts: in words, as what makes its value of what was written, and as JSON Schema.

    `parse` raises ValueError if nothing can be made of it. `unit` is that of a time, "ms" or "s".
    """

    accepts: str
    parse: Callable[[Given], Any]
    schema: Mapping[str, Any]
    unit: str = ""


_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_TIME = r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h)?"
_SCHEME = "[a-z][a-z0-9+.-]*://"


def duration(value: object, unit: str) -> float:
    """A time in `unit` ("ms" or "s"): text like "5s", "250ms", "2m", "1h", or a bare number of that unit.

    Raises ValueError.
    """
    if isinstance(value, str) and (match := re.fullmatch(_TIME, value.strip())):
        factor = _MS[match[2] or unit] / _MS[unit]
        return float(match[1]) * factor
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError
    return value


def _boolean(given: Given) -> bool:
    value = given.value.lower() if given.is_text else given.value
    if given.is_text:
        value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(value)
    if not isinstance(value, bool):
        raise ValueError
    return value


def _count(given: Given) -> int:
    value = int(given.value) if given.is_text else given.value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def _positive(given: Given) -> int:
    value = _count(given)
    if value < 1:
        raise ValueError
    return value


def _text(given: Given) -> str:
    if not isinstance(given.value, str) or not given.value:
        raise ValueError
    return given.value


def _names(given: Given) -> tuple[str, ...]:
    value = given.value
    if given.is_text:
        value = [name.strip() for name in value.split(",") if name.strip()]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError
    return tuple(value)


def _guardrails(given: Given) -> tuple[str, ...] | str:
    from l0_core.presets import PRESETS

    if isinstance(given.value, str) and given.value in PRESETS:
        return given.value
    return _names(given)


def _url(given: Given) -> str:
    if not re.match(_SCHEME, _text(given)):
        raise ValueError
    return given.value  # type: ignore[no-any-return]


def _one_of(*choices: str) -> Kind:
    def parse(given: Given) -> str:
        if given.value not in choices:
            raise ValueError
        return given.value  # type: ignore[no-any-return]

    return Kind(f"one of {', '.join(map(repr, choices))}", parse, {"enum": [*choices]})


def _some_of(*choices: str) -> Kind:
    def parse(given: Given) -> list[RetryableErrorType]:
        return [RetryableErrorType(name) for name in _names(given)]

    schema = {"type": "array", "items": {"enum": [*choices]}}
    return Kind(f"a list of {', '.join(map(repr, choices))}", parse, schema)


def _or_none(kind: Kind) -> Kind:
    return Kind(
        f"{kind.accepts}, or 'none' for no limit",
        lambda given: None if given.value == "none" else kind.parse(given),
        {"anyOf": [kind.schema, {"const": "none"}]},
        kind.unit,
    )


def _time(unit: str, words: str) -> Kind:
    schema = {"anyOf": [{"type": "string", "pattern": rf"^\s*{_TIME}\s*$"}, {"type": "number", "minimum": 0}]}
    accepts = f"a time like '5s' or '250ms', or {words}"
    return Kind(accepts, lambda given: duration(given.value, unit), schema, unit)


BOOLEAN = Kind("true or false", _boolean, {"type": "boolean"})
COUNT = Kind("a whole number, 0 or more", _count, {"type": "integer", "minimum": 0})
POSITIVE = Kind("a whole number, 1 or more", _positive, {"type": "integer", "minimum": 1})
NAMES = Kind("a list of names of installed plugins", _names, {"type": "array", "items": {"type": "string"}})
TEXT = Kind("text", _text, {"type": "string", "minLength": 1})
ADAPTER = TEXT._replace(accepts="the name of an adapter that is installed or registered in code, or 'event'")
GUARDRAILS = Kind(
    "a list of names of installed guardrails, or the name of a preset", _guardrails, {"type": ["array", "string"]}
)
URL = Kind("a URL whose scheme is the name of an installed store", _url, {"type": "string", "pattern": f"^{_SCHEME}"})
MILLISECONDS = _time("ms", "milliseconds")
SECONDS = _time("s", "seconds")

KEYS: dict[str, Kind] = {
    "guardrails": GUARDRAILS,
    "monitors": NAMES,
    "policies": NAMES,
    "store": URL,
    "adapter": ADAPTER,
    "on_interrupt": _one_of("resume", "verify", "reset", "fail"),
    "release": _one_of("live", "checked", "complete"),
    "continue_from_last_good_token": BOOLEAN,
    "buffer_tool_calls": BOOLEAN,
    "keep_raw": BOOLEAN,
    **{f"timeout.{name}": _or_none(MILLISECONDS) for name in ("initial_token", "inter_token", "total")},
    "retry.attempts": COUNT,
    "retry.max_retries": COUNT,
    "retry.base_delay": SECONDS,
    "retry.max_delay": SECONDS,
    "retry.strategy": _one_of(*(strategy.value for strategy in BackoffStrategy)),
    "retry.retry_on": _some_of(*(kind.value for kind in RetryableErrorType)),
    "retry.max_retry_after": SECONDS,
    **{
        f"retry.error_type_delays.{name}": SECONDS
        for name in (
            "connection_dropped fetch_error econnreset econnrefused sse_aborted no_bytes partial_chunks runtime_killed "
            "background_throttle dns_error ssl_error timeout unknown"
        ).split()
    },
    "limits.max_output_chars": _or_none(COUNT),
    "limits.max_event_bytes": _or_none(COUNT),
    "limits.max_duration": _or_none(SECONDS),
    "check_intervals.guardrails": POSITIVE,
    "check_intervals.drift": POSITIVE,
    "check_intervals.checkpoint": POSITIVE,
    "continuation.enabled": BOOLEAN,
    "continuation.checkpoint_interval": POSITIVE,
    "continuation.deduplicate": BOOLEAN,
    "continuation.validate_checkpoint": BOOLEAN,
    "continuation.strategy": TEXT,
    "continuation.deduplication_options.min_overlap": POSITIVE,
    "continuation.deduplication_options.max_overlap": POSITIVE,
    "continuation.deduplication_options.case_sensitive": BOOLEAN,
    "continuation.deduplication_options.normalize_whitespace": BOOLEAN,
}
"""Every key of the kernel, with its tables, and what it accepts."""

PLUGIN_KINDS = ("guardrail", "monitor", "store", "policy")
"""The tables of plugins' Options, each by the name of a plugin."""

ON_ERROR = _one_of("open", "closed")
ONLY_IN_CODE = frozenset(("retry.should_retry", "retry.calculate_delay"))


_SECRET = re.compile(r"(^|_)(password|passwd|secret|token|key|dsn|authorization|credentials?)$", re.IGNORECASE)


def masked_value(name: str, value: Any) -> Any:
    """A value of the key `name` as people may see it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return "***" if value and _SECRET.search(name) else masked(value)
    if isinstance(value, Mapping):
        return {key: masked_value(key, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked_value(name, inner) for inner in value)
    return value


def unknown(name: str, names: Iterable[str]) -> str:
    """What to say of a name that is none of `names`: the nearest, and what is accepted."""
    import difflib

    names = sorted(names)
    near = difflib.get_close_matches(name, names, 1)
    accepted = ", ".join(names) or "none"
    return f"; did you mean {near[0]!r}? Accepted are {accepted}" if near else f"; accepted are {accepted}"
