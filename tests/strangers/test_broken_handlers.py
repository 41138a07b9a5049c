"""A plugin that misbehaves at work: the text, the other observers and the caller's own things are what they are
without it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ORIGIN = "acme-broken 1.2.3"
SOURCE = Path(__file__).with_name("acme_handlers.py").read_text()
GROUPS = {"Monitor": "l0.monitors", "Store": "l0.stores", "Guardrail": "l0.guardrails", "Policy": "l0.policies"}


def plugin_names(*bases: str) -> dict[str, str]:
    """The classes of `acme_handlers.py` with one of these base classes, by the name of their entry point."""
    classes = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.ClassDef) and node.name not in GROUPS]
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", node.name).lower(): node.name
        for node in classes
        if [ast.unparse(base) for base in node.bases] in ([[base] for base in bases] or [[]])
    }


OBSERVERS, POLICIES, GUARDRAILS = plugin_names("Monitor", "Store"), plugin_names("Policy"), plugin_names("Guardrail")
ADAPTERS = plugin_names()
UNOPENED = [name for name in GUARDRAILS if name.startswith("guardrail_") and "blocks" not in name]
PATIENT = [name for name in GUARDRAILS if "blocks" in name or "time" in name]
QUIET = re.compile("blocks|changed|time|cancels_task$|hangs")
"""What does not raise, and so is not told of."""


@pytest.fixture(scope="module")
def played(new_site: Callable[[], Any]) -> dict[str, Any]:
    """What came of a stream with each of the plugins, by its name."""
    site = new_site()
    named = {group: plugin_names(base) for base, group in GROUPS.items()}
    points = {group: {name: f"acme_broken:{kind}" for name, kind in each.items()} for group, each in named.items()}
    site.install(SOURCE, points, noted=False)
    phases = {
        **{name: {"plugins": [name], "guardrails": []} for name in {**OBSERVERS, **POLICIES}},
        **{name: {"plugins": [], "guardrails": [name]} for name in GUARDRAILS},
        "closed": {"plugins": [], "guardrails": ["judge_raises"], "retry": None},
        "on_event": {"plugins": [], "guardrails": [], "on_event": "blocks"},
    }
    configs = {"closed": '[retry]\nattempts = 1\n[guardrail.judge_raises]\non_error = "closed"\n'}
    results = site.play(*({"options": options, "config": configs.get(name, "")} for name, options in phases.items()))
    return dict(zip(phases, results, strict=True))


def same(found: dict[str, Any], alone: dict[str, Any], *but: str) -> None:
    keys = ("message", "error", "text", "content", "outcome", "violations", "events", "requests", "timeline",
            "recorded", "recorded_text", "context", "cancelling")  # fmt: skip
    for key in keys:
        if key not in but:
            assert found[key] == alone[key], key


CANCEL = [
    name
    for name in [*OBSERVERS, *POLICIES, *GUARDRAILS]
    if "cancels_task" in name and not name.startswith(("async_token", "async_sink"))
]
"""What cancels the task that reads the stream, as the stream's user may: it cannot be told from the user."""


@pytest.mark.parametrize("name", CANCEL)
def test_a_plugin_that_cancels_the_reader_ends_the_stream_as_its_user_would(name: str, played: dict[str, Any]) -> None:
    if name.startswith("sink"):  # It is told of a short stream at its end, when all has been delivered.
        assert played[name]["outcome"] == "complete"
    else:
        assert "CancelledError" in played[name]["error"]
        assert played[name]["outcome"] == "aborted"


@pytest.mark.parametrize("name", [name for name in [*OBSERVERS, *POLICIES] if name not in CANCEL])
def test_nobody_else_is_touched(name: str, played: dict[str, Any], alone: dict[str, Any]) -> None:
    same(played[name], alone)


@pytest.mark.parametrize("name", [name for name in [*OBSERVERS, *POLICIES] if not QUIET.search(name)])
def test_what_it_raised_is_told_with_its_name_and_version(name: str, played: dict[str, Any]) -> None:
    told = [line for line in played[name]["said"] if ORIGIN in line]
    assert [line for line in told if name in line]
    assert len(told) == 1


@pytest.mark.parametrize("name", [name for name in GUARDRAILS if name not in UNOPENED + PATIENT + CANCEL])
def test_a_guardrail_that_breaks_is_recorded_and_the_answer_stands(
    name: str, played: dict[str, Any], alone: dict[str, Any]
) -> None:
    found = played[name]
    same(found, alone, "violations", "timeline", "recorded")
    assert sorted(found["violations"]) == sorted([name, "warns"])
    assert [line for line in found["said"] if name in line and ORIGIN in line], found["said"]


@pytest.mark.parametrize("name", PATIENT)
def test_a_guardrail_that_takes_its_time_is_not_charged_to_the_provider(
    name: str, played: dict[str, Any], alone: dict[str, Any]
) -> None:
    same(played[name], alone, "timeline", "recorded")
    assert "TIMEOUT_TRIGGERED" not in played[name]["timeline"]


@pytest.mark.parametrize("name", UNOPENED)
def test_a_guardrail_that_cannot_be_opened_is_an_error_and_not_absent(name: str, played: dict[str, Any]) -> None:
    found = played[name]
    assert found["error"]
    assert "PluginError" in found["error"]
    assert name in found["message"]
    assert ORIGIN in found["message"]
    assert (found["requests"], found["events"]) == (0, [])


def test_a_guardrail_that_breaks_and_is_closed_ends_the_attempt(played: dict[str, Any]) -> None:
    found = played["closed"]
    assert "GuardrailViolationError" in found["error"]
    assert found["outcome"] == "error"
    assert "judge_raises" in found["violations"]


def test_a_callback_that_blocks_is_not_charged_to_the_provider(played: dict[str, Any], alone: dict[str, Any]) -> None:
    same(played["on_event"], alone, "timeline")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_that_was_not_asked_for_touches_no_stream(name: str, site: Any, bare: dict[str, Any]) -> None:
    site.install(SOURCE, {"l0.adapters": {name: f"acme_broken:{ADAPTERS[name]}"}}, noted=False)
    (found,) = site.play({})
    same(found, bare, "violations")
    assert [line for line in found["said"] if name in line and ORIGIN in line]
    (item,) = [item for item in found["listed"] if item["name"] == name]
    assert item["reason"]


@pytest.mark.parametrize("name", ["adapt_raises", "adapt_raises_cancellation", "adapt_returns_no_adapter"])
def test_an_adapter_that_was_asked_for_is_named_in_the_error(name: str, site: Any) -> None:
    site.install(SOURCE, {"l0.adapters": {name: f"acme_broken:{ADAPTERS[name]}"}}, noted=False)
    (found,) = site.play({"options": {"adapter": name}})
    assert found["error"]
    assert "PluginError" in found["error"]
    assert name in found["message"]
    assert ORIGIN in found["message"]
    assert found["events"] == []
