"""What is exported is read back."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from l0_monitor import Telemetry, TelemetryExporter

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HOSTILE = st.sampled_from('\\"\n\r{}=,;# \u2028é')
TEXT = st.text(HOSTILE | st.characters(exclude_categories=("Cs",)), max_size=20)
LINE = TEXT.filter(lambda text: "\r" not in text and "\0" not in text)
SECONDS = st.none() | st.floats(0, 1e9)


@st.composite
def telemetries(draw: st.DrawFn, text: st.SearchStrategy[str] = TEXT) -> Telemetry:
    known = Telemetry(stream_id=draw(text), model=draw(st.none() | text), session_id=draw(st.none() | text))
    known.timing.started_at, known.timing.duration = draw(SECONDS), draw(SECONDS)
    known.metrics.token_count, known.content_length = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    known.metrics.time_to_first_token = known.timing.time_to_first_token = draw(SECONDS)
    known.retries.model_retries, known.retries.network_retries = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    known.guardrails.violations = [{"rule": draw(text)} for _ in range(draw(st.integers(0, 3)))]
    known.error.category = draw(st.none() | text)
    known.completed = draw(st.booleans())
    known.metadata = draw(st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
    return known


@given(telemetries(), st.none() | st.integers(0, 4))
def test_json_holds_everything(known: Telemetry, indent: int | None) -> None:
    text = TelemetryExporter.to_json(known, indent=indent)
    assert Telemetry.model_validate_json(text) == known
    assert json.loads(text) == TelemetryExporter().to_dict(known)


@given(st.lists(telemetries(), max_size=4))
def test_json_lines_hold_one_each(several: list[Telemetry]) -> None:
    text = TelemetryExporter.to_jsonl(several)
    assert [Telemetry.model_validate_json(line) for line in text.splitlines()] == several
    assert text.count("\n") == len(several)


def test_what_json_does_not_know_becomes_text() -> None:
    odd: dict[str, Any] = {
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "nan": float("nan"),
        "set": {1},
        "number": complex(1, 2),
        "inner": {1: (1, float("inf"))},
    }
    assert json.loads(TelemetryExporter.to_json(Telemetry(stream_id="a", metadata=odd)))["metadata"] == {
        "at": "2026-01-02T00:00:00+00:00",
        "nan": None,
        "set": [1],
        "number": "(1+2j)",
        "inner": {"1": [1, None]},
    }


@given(st.lists(telemetries(LINE), max_size=4))
def test_csv_is_read_back(several: list[Telemetry]) -> None:
    rows = list(csv.DictReader(io.StringIO(TelemetryExporter.to_csv(several), newline="")))
    assert len(rows) == len(several)
    for row, known in zip(rows, several, strict=True):
        assert len(row) == 20
        assert None not in row
        assert row["stream_id"] == known.stream_id
        assert row["error_category"] == (known.error.category or "")
        assert row["duration"] == ("" if known.timing.duration is None else repr(known.timing.duration))
        assert int(row["token_count"]) == known.metrics.token_count
        assert int(row["violations"]) == len(known.guardrails.violations)
        assert row["completed"] == str(known.completed).lower()


def test_csv_of_nothing_is_a_header() -> None:
    assert len(TelemetryExporter.to_csv([]).splitlines()) == 1


@given(telemetries())
def test_a_log_entry_is_one_line_of_pairs(known: Telemetry) -> None:
    line = TelemetryExporter.to_log_format(known)
    pairs = re.findall(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)', line)
    assert " ".join(f"{key}={value}" for key, value in pairs) == line
    assert line.isascii()
    assert line.isprintable()
    found = {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}
    assert found["stream"] == known.stream_id
    assert found["tokens"] == str(known.metrics.token_count)


NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)", re.DOTALL)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,|$)', re.DOTALL)
UNESCAPED = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


def prometheus(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by metric, read strictly: HELP, TYPE and then the samples, once for each metric."""
    assert text.endswith("\n")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    lines = text[:-1].split("\n")
    described = ""
    while lines:
        line = lines.pop(0)
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert re.fullmatch(NAME, name)
            assert name not in found
            assert lines.pop(0) == f"# TYPE {name} gauge"
            described, found[name] = name, []
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] == described
        labels, rest = {}, match[2] or ""
        while rest:
            label = LABEL.match(rest)
            assert label is not None, rest
            assert label[1] not in labels
            labels[label[1]] = re.sub(r'\\[\\n"]', lambda pair: UNESCAPED[pair[0]], label[2])
            rest = rest[label.end() :]
        found[described].append((labels, float(match[3])))
    assert all(found.values())
    return found


@given(telemetries(), st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,5}", fullmatch=True), TEXT, max_size=3))
@example(Telemetry(stream_id="a", model='a\nb"c\\d'), {})
@example(Telemetry(stream_id="a"), {"x": "a\nb"})
@example(Telemetry(stream_id="a"), {"x": 'a"b'})
@example(Telemetry(stream_id="a"), {"x": "a\\nb"})
def test_prometheus_text_is_read_back(known: Telemetry, labels: dict[str, str]) -> None:
    labels.pop("kind", None)
    found = prometheus(TelemetryExporter.to_metrics(known, prefix="my_app", labels=labels))
    expected = ({} if known.model is None else {"model": known.model}) | labels
    assert found["my_app_token_count"] == [(expected, float(known.metrics.token_count))]
    assert found["my_app_retries"] == [
        ({**expected, "kind": "model"}, known.retries.model_retries),
        ({**expected, "kind": "network"}, known.retries.network_retries),
    ]
    assert ("my_app_duration_seconds" in found) == (known.timing.duration is not None)
    assert found["my_app_completed"] == [(expected, float(known.completed))]


def test_prometheus_text_without_labels_has_no_braces() -> None:
    text = TelemetryExporter.to_metrics(Telemetry(stream_id="a"))
    assert "l0_token_count 0.0\n" in text
    assert prometheus(text)["l0_errors"] == [({}, 0.0)]


@pytest.mark.parametrize(
    "given", [{"prefix": "1"}, {"prefix": "a b"}, {"labels": {"a-b": "c"}}, {"labels": {"__a": ""}}]
)
def test_names_that_prometheus_does_not_allow_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        TelemetryExporter.to_metrics(Telemetry(stream_id="a"), **given)
