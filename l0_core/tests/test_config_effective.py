"""An adapter that is named has to be there; the effective configuration: every value, and where it comes from."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_core.config import ConfigError, effective, reload
from l0_core.config_values import KEYS
from l0_core.settings import compile_settings

Write = Callable[..., Path]


def _neighbour() -> Any:
    """The tests of the reader, for their plugins."""
    spec = importlib.util.spec_from_file_location(
        "l0_core_test_config_plugins", Path(__file__).with_name("test_config.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cases = _neighbour()
_alone, write = cases._alone, cases.write


class Documented:
    name = "documented"

    @staticmethod
    def detect(stream: object) -> bool:
        return False

    @staticmethod
    def wrap(stream: Any) -> Any:
        return stream


@pytest.mark.parametrize("name", ["reader", "event", "documented"])
def test_an_adapter_by_name_is_one_that_is_installed_or_registered(write: Write, name: str) -> None:
    l0.Adapters.register(Documented, silent=True)  # type: ignore[arg-type]
    try:
        write(f"adapter = '{name}'")
        assert compile_settings({}).adapter == name
    finally:
        l0.Adapters.unregister("documented")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raeder", "no adapter named 'raeder' is there; did you mean 'reader'? Accepted are event, reader"),
        ("documented", "no adapter named 'documented' is there; accepted are event, reader"),
    ],
)
def test_an_adapter_that_is_not_there_is_an_error_at_first_use(write: Write, name: str, says: str) -> None:
    path = write(f"adapter = '{name}'")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path} adapter: {says}')}"):
        compile_settings({})
    assert compile_settings({"adapter": "event"}).adapter == "event"


def test_an_adapter_that_may_not_be_loaded_is_an_error(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("adapter = 'reader'")
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "reader")
    reload()
    with pytest.raises(ConfigError, match=r"adapter: The adapter 'reader' .* is disabled") as caught:
        compile_settings({})
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("guardrails = ['jsn']", r"l0\.toml guardrails: no guardrail named 'jsn' is installed; did you mean 'json'\?"),
        ("guardrails = 'strict'", r"l0\.toml guardrails: the preset 'strict' needs more guardrails: pip install"),
        ("monitors = ['otl']", r"l0\.toml monitors: no monitor named 'otl' is installed; did you mean 'otel'\?"),
        ("policies = ['patient']", r"l0\.toml policies: the policy 'patient' .* is disabled: L0_DISABLE_PLUGINS"),
        ("store = 'pg://me:pw@host/x'", r"l0\.toml store: no store named 'pg' is installed; accepted are sqlite"),
    ],
)
def test_the_effective_configuration_names_only_what_there_is(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "patient")
    write(text)
    with pytest.raises(ConfigError, match=says):
        effective()


def test_the_options_of_named_plugins_are_told_with_their_defaults(write: Write) -> None:
    path = write(
        "guardrails = ['pattern']\nmonitors = ['otel']\nstore = 'sqlite:///x'\n[guardrail.pattern]\nsize = 2\n"
        "[guardrail.json]\non_error = 'closed'"
    )
    assert [setting.key for setting in effective()][len(KEYS) :] == [
        "guardrail.pattern.size",
        "guardrail.json.on_error",
    ]
    shown = {setting.key: (setting.value, setting.source) for setting in effective(plugins=True)[len(KEYS) :]}
    assert shown == {
        "guardrail.pattern.size": (2, f"{path} [guardrail.pattern]"),
        "guardrail.pattern.categories": ((), "default"),
        "guardrail.pattern.mode": ("soft", "default"),
        "guardrail.pattern.where": ({"folder": Path(), "depth": 1}, "default"),
        "guardrail.pattern.api_key": ("", "default"),
        "guardrail.pattern.on_error": ("open", "default"),
        "store.sqlite.size": (1, "default"),
        "monitor.otel.dsn": ("", "default"),
        "guardrail.json.on_error": ("closed", f"{path} [guardrail.json]"),
    }
    write("[guardrail.pattern]\nsize = 10")
    assert effective()
    with pytest.raises(ConfigError, match="size must be 9 or less"):
        effective(plugins=True)
    write("guardrails = ['broken']")
    assert effective()
    with pytest.raises(ConfigError, match=r"l0\.toml guardrails: The guardrail 'broken' .* no such luck"):
        effective(plugins=True)


def test_the_effective_configuration_says_where_each_value_is_from(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {setting.source for setting in effective()} == {"default"}
    assert [setting.key for setting in effective()] == list(KEYS)
    path = write(
        "[timeout]\ntotal = '1m'\n[store.sqlite]\nurl = 'sqlite://me:hush@host/x?api_key=hush'\n"
        "[guardrail.pattern]\napi_key = 'hush'\nsize = 2"
    )
    monkeypatch.setenv("L0_RETRY_ATTEMPTS", "5")
    reload()
    shown = {setting.key: (setting.value, setting.source) for setting in effective()}
    assert shown["timeout.total"] == (60_000, f"{path} [timeout]")
    assert shown["timeout.initial_token"] == (5000, "default")
    assert shown["retry.attempts"] == (5, "L0_RETRY_ATTEMPTS")
    assert shown["retry.max_retries"] == (6, "default")
    assert shown["retry.strategy"] == ("fixed-jitter", "default")
    assert shown["release"] == ("live", "default")
    assert shown["store"] == ("sqlite://me:***@host/x?api_key=***", f"{path} [store.sqlite]")
    assert shown["guardrail.pattern.api_key"] == ("***", f"{path} [guardrail.pattern]")
    assert shown["guardrail.pattern.size"] == (2, f"{path} [guardrail.pattern]")
    assert "hush" not in repr(shown)


def test_the_effective_configuration_says_that_a_table_asks_for_continuation(write: Write) -> None:
    path = write("[continuation]\ncheckpoint_interval = 2")
    shown = {setting.key: (setting.value, setting.source) for setting in effective()}
    assert shown["continue_from_last_good_token"] == (True, f"{path} [continuation]")
    write("[continuation]\nenabled = false")
    assert {setting.key: setting.value for setting in effective()}["continue_from_last_good_token"] is False
