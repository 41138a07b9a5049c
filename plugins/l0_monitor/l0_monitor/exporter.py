"""Telemetry as text: JSON, JSON lines, CSV, a line for a log, and the text format of Prometheus."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any

from l0_monitor.telemetry import Telemetry

__all__ = ["TelemetryExporter"]

_COLUMNS = {
    "stream_id": "stream_id",
    "session_id": "session_id",
    "model": "model",
    "started_at": "timing.started_at",
    "completed_at": "timing.completed_at",
    "duration": "timing.duration",
    "time_to_first_token": "metrics.time_to_first_token",
    "token_count": "metrics.token_count",
    "tokens_per_second": "metrics.tokens_per_second",
    "content_length": "content_length",
    "attempts": "retries.attempt",
    "total_retries": "retries.total_retries",
    "model_retries": "retries.model_retries",
    "network_retries": "retries.network_retries",
    "violations": "guardrails.violations",
    "guardrails_passed": "guardrails.passed",
    "error_occurred": "error.occurred",
    "error_category": "error.category",
    "completed": "completed",
    "aborted": "aborted",
}
"""The columns of CSV, and where their values are. Of violations, it is the number."""

_LOGGED = {
    "stream": "stream_id",
    "model": "model",
    "tokens": "metrics.token_count",
    "characters": "content_length",
    "duration": "timing.duration",
    "first_token": "metrics.time_to_first_token",
    "attempts": "retries.attempt",
    "violations": "guardrails.violations",
    "error": "error.category",
    "last_error": "retries.last_error",
}

_GAUGES = {
    "token_count": ("metrics.token_count", "Tokens delivered."),
    "content_length": ("content_length", "Characters delivered."),
    "duration_seconds": ("timing.duration", "Seconds from the beginning of the stream to its end."),
    "time_to_first_token_seconds": ("metrics.time_to_first_token", "Seconds from the beginning to the first token."),
    "tokens_per_second": ("metrics.tokens_per_second", "Tokens delivered per second of the stream."),
    "attempts": ("retries.attempt", "Attempts made, over all sources."),
    "guardrail_violations": ("guardrails.violations", "Violations that guardrails found."),
    "errors": ("error.occurred", "Whether the stream failed."),
    "completed": ("completed", "Whether the stream was completed."),
    "aborted": ("aborted", "Whether the stream was aborted."),
}


class TelemetryExporter:
    """Writes telemetry as text. Every method may be called on the class."""

    @staticmethod
    def to_dict(telemetry: Telemetry) -> dict[str, Any]:
        """The telemetry as JSON has it. Of the metadata, what JSON does not know becomes its `str`."""
        plain: dict[str, Any] = _plain(telemetry.model_dump())
        return plain

    @classmethod
    def to_json(cls, telemetry: Telemetry, *, indent: int | None = 2) -> str:
        """A JSON object."""
        return json.dumps(cls.to_dict(telemetry), indent=indent, allow_nan=False)

    @classmethod
    def to_jsonl(cls, telemetry_list: Iterable[Telemetry]) -> str:
        """A JSON object on each line, and each line ended."""
        return "".join(f"{cls.to_json(telemetry, indent=None)}\n" for telemetry in telemetry_list)

    @staticmethod
    def to_csv(telemetry_list: Iterable[Telemetry]) -> str:
        """CSV with a header and 20 columns; what is not known is empty, and booleans are `true` and `false`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for telemetry in telemetry_list:
            writer.writerow(_cell(_at(telemetry, path)) for path in _COLUMNS.values())
        return text.getvalue()

    @staticmethod
    def to_log_format(telemetry: Telemetry) -> str:
        """One line of `key=value`, without what is not known. Values with spaces and the like are quoted as in JSON."""
        pairs: dict[str, Any] = {"outcome": _outcome(telemetry)}
        pairs |= {key: _at(telemetry, path) for key, path in _LOGGED.items()}
        return " ".join(f"{key}={_logged(value)}" for key, value in pairs.items() if value is not None)

    @staticmethod
    def to_metrics(telemetry: Telemetry, *, prefix: str = "l0", labels: Mapping[str, str] | None = None) -> str:
        """Gauges of one stream in the text format of Prometheus, all with the given labels, and `model` if known.

        Raises ValueError for a prefix or a label that Prometheus does not allow.
        """
        if not re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", prefix):
            raise ValueError(f"{prefix!r} cannot begin the name of a metric")
        known: dict[str, Any] = {} if telemetry.model is None else {"model": telemetry.model}
        known |= labels or {}
        lines: list[str] = []
        for name, (path, text) in _GAUGES.items():
            value = _at(telemetry, path)
            if value is not None:
                lines += _metric(f"{prefix}_{name}", text, [(known, value)])
        kinds = (("model", telemetry.retries.model_retries), ("network", telemetry.retries.network_retries))
        samples = [({**known, "kind": kind}, count) for kind, count in kinds]
        return "".join(f"{line}\n" for line in [*lines, *_metric(f"{prefix}_retries", "Retries made.", samples)])


def _at(telemetry: Telemetry, path: str) -> Any:
    value: Any = telemetry
    for name in path.split("."):
        value = getattr(value, name)
    return len(value) if isinstance(value, list) else value


def _outcome(telemetry: Telemetry) -> str:
    if telemetry.error.occurred:
        return "error"
    if telemetry.aborted:
        return "aborted"
    return "complete" if telemetry.completed else "incomplete"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else str(value)


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _logged(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if re.fullmatch(r"[!#-<>-~]+", text) else json.dumps(text)


def _metric(name: str, text: str, samples: Iterable[tuple[Mapping[str, Any], float]]) -> list[str]:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    return [*lines, *(f"{name}{_labels(labels)} {float(value)!r}" for labels, value in samples)]


def _labels(labels: Mapping[str, Any]) -> str:
    for name in labels:
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) or name.startswith("__"):
            raise ValueError(f"{name!r} cannot be the name of a label")
    pairs = ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
