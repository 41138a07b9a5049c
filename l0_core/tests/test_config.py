"""Configuration: what goes before what, where it is found, what it may say, and what is said of what it may not."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, fields
from email.message import Message
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import l0
import pytest
from l0_core.config import ConfigError, current, effective, reload
from l0_core.config_values import KEYS, ONLY_IN_CODE, PLUGIN_KINDS, Given, duration
from l0_core.delays import ErrorTypeDelays
from l0_core.plugins import GROUPS, Registry
from l0_core.settings import compile_settings

from l0_core import hookimpl, plugins, presets


@dataclass(frozen=True, kw_only=True)
class Where:
    folder: Path = Path()
    depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    categories: tuple[str, ...] = ()
    mode: Literal["soft", "hard"] = "soft"
    size: int = 1
    where: Where = field(default_factory=Where)
    api_key: str = ""

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError("size must be 9 or less")


class Pattern:
    """A guardrail with Options, that raises where it is told to."""

    Options = Options
    made: list[Pattern] = []

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.made.append(self)

    @hookimpl
    def check(self, ctx: Any) -> Callable[[str, bool], None]:
        def judge(delta: str, final: bool) -> None:
            if final and self.options.mode == "hard":
                raise RuntimeError("hard")

        return judge


class Plain:
    @hookimpl
    def check(self, ctx: Any) -> None:
        return None


class Watcher:
    @dataclass(frozen=True, kw_only=True)
    class Options:
        dsn: str = ""

    def __init__(self, options: Any = None) -> None:
        self.options = options

    @hookimpl
    def on_token(self, ctx: Any) -> None:
        return None


class Store:
    @dataclass(frozen=True, kw_only=True)
    class Options:
        url: str
        size: int = 1

    def __init__(self, options: Options) -> None:
        self.options = options

    @hookimpl
    def store_event(self, ctx: Any) -> None:
        return None


class Reader:
    @hookimpl
    def adapt(self, ctx: Any, source: object) -> None:
        return None


def broken() -> None:
    raise RuntimeError("no such luck")


def point(kind: str, name: str, value: str, distribution: str) -> EntryPoint:
    made = EntryPoint(name, f"l0_test_config_plugins:{value}", GROUPS[kind])
    metadata = Message()
    metadata["Name"], metadata["Version"] = distribution, "1.2"
    vars(made).update(dist=types.SimpleNamespace(metadata=metadata))
    return made


INSTALLED = [
    point("guardrail", "pattern", "Pattern", "l0-guard-pattern"),
    point("guardrail", "json", "Plain", "l0-guard-json"),
    point("guardrail", "zero_output", "Plain", "l0-guard-zero-output"),
    point("guardrail", "broken", "broken", "l0-guard-broken"),
    point("monitor", "otel", "Watcher", "l0-monitor-otel"),
    point("policy", "patient", "Watcher", "l0-policies"),
    point("store", "sqlite", "Store", "l0-store-sqlite"),
    point("adapter", "reader", "Reader", "l0-reader"),
]

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration but the test's own, and plugins of its own."""
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("l0_test_config_plugins")
    module.__dict__.update({name: thing for name, thing in globals().items() if not name.startswith("__")})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(plugins, "_registry", Registry(INSTALLED))
    Pattern.made.clear()
    reload()
    yield
    reload()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "l0.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        reload()
        return path

    return write


def names(settings: Any) -> list[str]:
    return [guardrail.name for guardrail in settings.guardrails]


async def stream(**options: Any) -> l0.Stream:
    async def source() -> AsyncIterator[str]:
        yield "hello"

    result = await l0.run(source, **options)
    await result.read()
    return result


def test_a_call_goes_before_the_environment_before_the_file_before_the_defaults(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compile_settings({}).release == "live"
    write('release = "checked"')
    assert compile_settings({}).release == "checked"
    monkeypatch.setenv("L0_RELEASE", "complete")
    reload()
    assert compile_settings({}).release == "complete"
    assert compile_settings({"release": "live"}).release == "live"
    assert compile_settings({"release": None}).release == "complete"


def test_tables_are_joined_field_by_field_and_a_call_replaces_them(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write('[retry]\nattempts = 7\nbase_delay = "500ms"\n[timeout]\ntotal = "1m"\ninter_token = "2s"')
    monkeypatch.setenv("L0_RETRY_ATTEMPTS", "5")
    monkeypatch.setenv("L0_TIMEOUT_INITIAL_TOKEN", "3s")
    monkeypatch.setenv("L0_TIMEOUT_INTER_TOKEN", "none")
    reload()
    settings = compile_settings({})
    assert (settings.retry.attempts, settings.retry.base_delay, settings.retry.max_retries) == (5, 0.5, 6)
    assert (settings.initial_token, settings.inter_token, settings.total) == (3, None, 60)
    settings = compile_settings({"retry": l0.Retry(max_retries=2), "timeout": l0.Timeout(total=90_000)})
    assert (settings.retry.attempts, settings.retry.base_delay, settings.retry.max_retries) == (3, 1, 2)
    assert (settings.initial_token, settings.inter_token, settings.total) == (5, 10, 90)


def test_the_retries_of_a_wrapped_client_keep_what_is_not_configured(write: Write) -> None:
    write("[retry]\nattempts = 7")
    retry = compile_settings({}, l0.Retry.recommended).retry
    assert (retry.attempts, retry.error_type_delays) == (7, ErrorTypeDelays())
    write("[retry.error_type_delays]\ntimeout = '2m'")
    assert compile_settings({}).retry.error_type_delays == ErrorTypeDelays(timeout=120)


def test_none_means_the_configured_ones_and_an_empty_list_none(write: Write) -> None:
    write('guardrails = ["json", "pattern"]\nmonitors = ["otel"]\npolicies = ["patient"]')
    assert names(compile_settings({"guardrails": None})) == ["json", "pattern"]
    assert names(compile_settings({"guardrails": []})) == []
    assert names(compile_settings({"guardrails": ["pattern"]})) == ["pattern"]
    assert [bound.name for bound in compile_settings({"plugins": None}).plugins] == ["otel", "patient"]
    assert compile_settings({"plugins": []}).plugins == ()


def test_the_nearest_file_is_read_and_l0_toml_first(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def release() -> str:
        reload()
        return compile_settings({}).release

    write('release = "checked"')
    write("[tool.other]\nl0 = 1", "a/b/pyproject.toml")
    write("not TOML", "a/b/c/pyproject.toml")
    monkeypatch.chdir("a/b/c")
    assert release() == "checked"
    write('[tool.l0]\nrelease = "complete"', "a/pyproject.toml")
    assert release() == "complete"
    write("", "a/l0.toml")
    assert release() == "live"


def test_l0_config_names_a_file_or_none(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write('release = "checked"')
    other = write('[tool.l0]\nrelease = "complete"', "other/pyproject.toml")
    monkeypatch.setenv("L0_CONFIG", str(other))
    reload()
    assert compile_settings({}).release == "complete"
    monkeypatch.setenv("L0_CONFIG", "")
    reload()
    assert current() is None
    monkeypatch.setenv("L0_CONFIG", "missing.toml")
    reload()
    with pytest.raises(ConfigError, match=r"missing\.toml cannot be read: No such file"):
        compile_settings({})


def test_it_is_read_once_and_an_error_is_not_kept(write: Write) -> None:
    write('release = "cheked"')
    with pytest.raises(ConfigError):
        current()
    Path("l0.toml").write_text('release = "checked"')
    assert compile_settings({}).release == "checked"
    Path("l0.toml").write_text('release = "live"')
    assert compile_settings({}).release == "checked"
    reload()
    assert compile_settings({}).release == "live"


@pytest.mark.parametrize(
    ("written", "milliseconds", "seconds"),
    [
        ("5s", 5000, 5),
        ("250ms", 250, 0.25),
        ("2m", 120_000, 120),
        ("1h", 3_600_000, 3600),
        ("1.5s", 1500, 1.5),
        ("5 s", 5000, 5),
        ("70", 70, 70),
        (70, 70, 70),
        (0.5, 0.5, 0.5),
    ],
)
def test_durations(written: object, milliseconds: float, seconds: float) -> None:
    assert duration(written, "ms") == milliseconds
    assert duration(written, "s") == seconds


@pytest.mark.parametrize("written", ["", "s", "-5s", "5 days", "1m30s", -1, True, float("nan"), float("inf"), [], "5S"])
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError):
        duration(written, "s")


FILE_ERRORS = [
    ("[timeout", r"l0\.toml is not TOML: .*\(at "),
    (
        'guardrials = ["json"]',
        r"l0\.toml: unknown key 'guardrials'; did you mean 'guardrails'\? Accepted are adapter, ",
    ),
    (
        "[timeout]\ninital_token = 1",
        r"l0\.toml \[timeout\]: unknown key 'inital_token'; did you mean 'initial_token'\?",
    ),
    ("[timeout]\nzzz = 1", r"unknown key 'zzz'; accepted are initial_token, inter_token, total"),
    ("timeout = 5", r"l0\.toml timeout = 5: it must be a table of initial_token, inter_token, total"),
    ('[timeout]\ntotal = "soon"', r"\[timeout\] total = 'soon': it must be a time like '5s' or '250ms', or millisec"),
    ("[timeout]\ntotal = 0", r"l0\.toml \[timeout\]: Timeout\.total is 0; it must be more than 0 milliseconds"),
    ("[retry]\nattempts = true", r"l0\.toml \[retry\] attempts = True: it must be a whole number, 0 or more"),
    ("[retry]\nattempts = '5'", r"it must be a whole number"),
    ("[retry]\nbase_delay = -1", r"it must be a time like '5s' or '250ms', or seconds"),
    ("[retry]\nstrategy = 'linaer'", r"it must be one of 'exponential', 'linear', 'fixed', 'full-jitter'"),
    ("[retry]\nretry_on = ['sun']", r"it must be a list of 'zero_output', 'guardrail_violation'"),
    ("[retry]\nshould_retry = 'x'", r"\[retry\] should_retry: it is a function, which only code can give"),
    ("[check_intervals]\ndrift = 0", r"\[check_intervals\] drift = 0: it must be a whole number, 1 or more"),
    (
        "[continuation.deduplication_options]\nmin_overlap = 501",
        r"\[continuation\.deduplication_options\]: min_overlap is 501 ",
    ),
    ("keep_raw = 'yes'", r"keep_raw = 'yes': it must be true or false"),
    ("guardrails = 'minmal'", r"a list of names of installed guardrails, or the name of a preset"),
    ("monitors = 'otel'", r"monitors = 'otel': it must be a list of names"),
    ("store = 3", r"store = 3: it must be a URL whose scheme is the name of an installed store"),
    ("store = 'events.db'", r"it must be a URL whose scheme is the name of an installed store"),
    ("store = 'pg://me:pw@host/x'", r"l0\.toml store: No store named 'pg' is installed"),
    ("[store.sqlite]\nurl = 'pg:///x'", r"\[store\.sqlite\] url = 'pg:///x': it must be a URL that begins with 'sql"),
    ("on_interrupt = 'resum'", r"it must be one of 'resume', 'verify', 'reset', 'fail'"),
    ("guardrails = ['jsn']", r"l0\.toml guardrails: No guardrail named 'jsn' is installed. Did you mean 'json'\?"),
    (
        "guardrails = ['broken']",
        r"The guardrail 'broken' of l0-guard-broken 1\.2 cannot be used: RuntimeError: no such",
    ),
    ("guardrails = 'recommended'", r"'recommended' needs more guardrails: pip install l0-guard-markdown$"),
    ("guardrails = 'strict'", r"install l0-guard-markdown l0-guard-latex l0-guard-stall l0-guard-repetition$"),
    ("monitors = ['otl']", r"l0\.toml monitors: No monitor named 'otl' is installed. Did you mean 'otel'\?"),
    ("[guardrail.patern]\nsize = 1", r"\[guardrail\.patern\]: no guardrail named 'patern' is installed; did you mean"),
    ("[guardrail]\npattern = 1", r"\[guardrail\] pattern = 1: it must be a table of Options"),
    ("[guardrail.json]\non_error = 'shut'", r"\[guardrail\.json\] on_error = 'shut': it must be one of 'open', 'clo"),
]


@pytest.mark.parametrize(("text", "says"), FILE_ERRORS)
def test_errors_say_where_what_and_what_is_accepted(write: Write, text: str, says: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=says) as caught:
        asyncio.run(stream())
    assert str(caught.value).startswith(str(path))
    assert "pw" not in str(caught.value)


OPTION_ERRORS = [
    ("categories = 1", r"categories = 1: Input should be a valid array"),
    ("categories = ['a', 1]", r"categories = \['a', 1\]: 1: Input should be a valid string"),
    ("mode = 'loud'", r"mode = 'loud': Input should be 'soft' or 'hard'"),
    ("size = '1'", r"size = '1': Input should be a valid integer"),
    ("size = 10", r": size must be 9 or less"),
    ("api_key = ['hush']", r"api_key = \['\*\*\*'\]: Input should be a valid string"),
    (
        "categoris = []",
        r": unknown key 'categoris' .*did you mean 'categories'\? Accepted are api_key, categories, mode",
    ),
    ("where = {folder = 'x', dept = 1}", r"where: unknown key 'dept' .*did you mean 'depth'\?"),
]


@pytest.mark.parametrize(("text", "says"), OPTION_ERRORS)
def test_options_are_validated_and_the_plugin_is_named(write: Write, text: str, says: str) -> None:
    path = write(f"guardrails = ['pattern']\n[guardrail.pattern]\n{text}")
    with pytest.raises(ConfigError, match=says) as caught:
        compile_settings({})
    assert str(caught.value).startswith(f"{path} [guardrail.pattern]")
    assert "the guardrail 'pattern' of l0-guard-pattern 1.2" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_plugin_without_options_takes_none(write: Write) -> None:
    write("guardrails = ['json']\n[guardrail.json]\nsize = 1")
    with pytest.raises(ConfigError, match=r"the guardrail 'json' of l0-guard-json 1\.2 takes no Options"):
        compile_settings({})


def test_options_reach_a_plugin_however_it_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        "guardrails = ['pattern']\nmonitors = ['otel']\n[monitor.otel]\ndsn = 'x'\n[guardrail.pattern]\nsize = 3\n"
        "categories = ['refusal']\nwhere = {folder = 'here'}"
    )
    monkeypatch.setenv("L0_GUARDRAIL_PATTERN_CATEGORIES", "a,b")
    monkeypatch.setenv("L0_GUARDRAIL_PATTERN_MODE", "hard")
    reload()
    settings = compile_settings({})
    assert names(settings) == ["pattern"]
    expected = Options(categories=("a", "b"), mode="hard", size=3, where=Where(folder=Path("here")))
    assert [made.options for made in Pattern.made] == [expected]
    (otel,) = settings.plugins
    assert otel.plugin.options.dsn == "x"  # type: ignore[attr-defined]
    compile_settings({"guardrails": ["pattern"]})
    presets.Guardrails.pattern()
    assert [made.options for made in Pattern.made] == [expected]
    presets.Guardrails.pattern(size=4)
    assert Pattern.made[-1].options == Options(size=4)


@pytest.mark.parametrize("text", ["store = 'sqlite:///x.db'", "[store.sqlite]\nurl = 'sqlite:///x.db'\nsize = 1"])
def test_a_store_gets_its_url(write: Write, text: str) -> None:
    write(text)
    (store,) = compile_settings({}).plugins
    assert store.plugin.options == Store.Options(url="sqlite:///x.db")  # type: ignore[attr-defined]


@pytest.mark.parametrize("named", ["configured", "name", "rule"])
def test_on_error_closed_makes_a_violation_of_a_guardrail_that_raises(write: Write, named: str) -> None:
    def given() -> Any:
        return {"configured": None, "name": ["pattern"], "rule": [presets.Guardrails.pattern(mode="hard")]}[named]

    table = "guardrails = ['pattern']\n[guardrail.pattern]\nmode = 'hard'\n"
    write(table)
    assert asyncio.run(stream(guardrails=given())).state.outcome == "complete"
    write(f"{table}on_error = 'closed'")
    with pytest.raises(l0.GuardrailViolationError, match="could not judge"):
        asyncio.run(stream(guardrails=given(), retry=l0.Retry(attempts=1, base_delay=0)))


def test_presets_by_name(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("guardrails = 'minimal'")
    assert names(compile_settings({})) == ["json", "zero_output"]
    for text, expected in [("none", []), ("", []), ("minimal", ["json", "zero_output"]), ("json, pattern", None)]:
        monkeypatch.setenv("L0_GUARDRAILS", text)
        reload()
        assert names(compile_settings({})) == (["json", "pattern"] if expected is None else expected)
    with pytest.raises(l0.PluginError, match=r"pip install l0-guard-markdown$"):
        presets.Guardrails.recommended()


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("L0_TIMOUT_TOTAL", "1s", "unknown variable L0_TIMOUT_TOTAL; did you mean L0_TIMEOUT_TOTAL?"),
        ("L0_GUARDRAIL_PATERN_SIZE", "1", "unknown variable L0_GUARDRAIL_PATERN_SIZE; "),
        ("L0_STORE_SQLITE_URL", "sqlite:///x.db", "L0_STORE_SQLITE_URL: which store records is said by L0_STORE"),
        ("L0_RETRY_ATTEMPTS", "x", "L0_RETRY_ATTEMPTS = 'x': it must be a whole number, 0 or more"),
        ("L0_KEEP_RAW", "maybe", "L0_KEEP_RAW = 'maybe': it must be true or false"),
        ("L0_GUARDRAILS", "jsn", "L0_GUARDRAILS: No guardrail named 'jsn' is installed. Did you mean 'json'?"),
        ("L0_TIMEOUT_TOTAL", "0", "L0_TIMEOUT_TOTAL: Timeout.total is 0.0; it must be more than 0 milliseconds"),
    ],
)
def test_errors_of_variables_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, says: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match=f"^{re.escape(says)}"):
        compile_settings({})


def test_the_option_of_a_variable_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L0_GUARDRAIL_PATTERN_SIZE", "many")
    with pytest.raises(ConfigError, match=r"^L0_GUARDRAIL_PATTERN_SIZE = 'many': Input should be a valid integer"):
        compile_settings({"guardrails": ["pattern"]})


def test_variables_of_tests_are_not_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("L0_TEST_X", "L0_SEAM_CASES"):
        monkeypatch.setenv(name, "1")
    assert current() is None
    for name in ("L0_PLUGINS", "L0_DISABLE_PLUGINS"):
        monkeypatch.setenv(name, "json")
    assert current() is None


@pytest.mark.parametrize(
    ("variable", "text", "adapters", "has_json"),
    [
        ("L0_DISABLE_PLUGINS", "reader", [], True),
        ("L0_DISABLE_PLUGINS", "L0_Reader, json", [], False),
        ("L0_DISABLE_PLUGINS", "", ["reader"], True),
        ("L0_PLUGINS", "l0-reader", ["reader"], False),
        ("L0_PLUGINS", "json", [], True),
        ("L0_PLUGINS", "", [], False),
    ],
)
def test_which_plugins_may_be_loaded(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, adapters: list[str], has_json: bool
) -> None:
    monkeypatch.setenv(variable, text)
    reload()
    registry = plugins.registry()
    assert [bound.name for bound in registry.adapters()] == adapters
    if has_json:
        assert registry.load("guardrail", "json").name == "json"
    else:
        with pytest.raises(l0.PluginError, match=rf"'json' of l0-guard-json 1\.2 is disabled: {variable} "):
            registry.load("guardrail", "json")
        assert {item.state for item in registry.installed("guardrail") if item.name == "json"} == {"disabled"}


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        (
            "L0_PLUGINS",
            "json, otle",
            "L0_PLUGINS names 'otle', and no plugin of that name is installed; did you mean 'ot",
        ),
        ("L0_DISABLE_PLUGINS", "l0-raeder", "L0_DISABLE_PLUGINS names 'l0-raeder', .*; did you mean 'l0-reader'"),
        ("L0_DISABLE_PLUGINS", "1", "L0_DISABLE_PLUGINS names '1', .*; accepted are broken, json, l0-guard-broken, "),
    ],
)
def test_a_choice_of_what_is_not_installed_is_an_error_at_first_use(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, says: str
) -> None:
    monkeypatch.setenv(variable, text)
    reload()
    assert plugins.registry().installed()
    for use in (lambda: compile_settings({}), lambda: asyncio.run(stream(plugins=[])), effective):
        with pytest.raises(ConfigError, match=f"^{says}"):
            use()
    monkeypatch.setenv(variable, "json")
    assert current() is None


def test_disabling_one_of_two_that_clash_leaves_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry([*INSTALLED, point("guardrail", "json", "Plain", "other-json")])
    monkeypatch.setattr(plugins, "_registry", registry)
    with pytest.raises(l0.PluginError, match="Two distributions"):
        registry.load("guardrail", "json")
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "other-json")
    registry.forget()
    assert registry.load("guardrail", "json").origin == "l0-guard-json 1.2"


def test_continuation_is_asked_for_by_its_table_and_shaped_by_it(write: Write) -> None:
    assert compile_settings({}).continuation is None
    write("continue_from_last_good_token = true")
    assert compile_settings({}).continuation == l0.ContinuationConfig()
    table = "[continuation]\ncheckpoint_interval = 2\n[continuation.deduplication_options]\nmin_overlap = 4\n"
    shaped = l0.ContinuationConfig(checkpoint_interval=2, deduplication_options=l0.DeduplicationOptions(min_overlap=4))
    write(table)
    assert compile_settings({}).continuation == shaped
    assert compile_settings({"continue_from_last_good_token": False}).continuation is None
    write(f"continue_from_last_good_token = false\n{table}")
    assert compile_settings({}).continuation is None
    assert compile_settings({"continue_from_last_good_token": True}).continuation == shaped
    write("[continuation]\nenabled = false")
    assert compile_settings({}).continuation is None
    assert compile_settings({"continue_from_last_good_token": True}).continuation == l0.ContinuationConfig()


def test_everything_else_reaches_the_settings(write: Write) -> None:
    write(
        "adapter = 'event'\non_interrupt = 'fail'\nbuffer_tool_calls = true\nkeep_raw = true\n"
        "[limits]\nmax_output_chars = 10\nmax_duration = '2m'\n[check_intervals]\nguardrails = 3"
    )
    settings = compile_settings({})
    assert (settings.adapter, settings.on_interrupt, settings.buffer_tool_calls) == ("event", "fail", True)
    assert (settings.keep_raw, settings.limits) == (True, l0.Limits(max_output_chars=10, max_duration=120))
    assert settings.intervals == l0.CheckIntervals(guardrails=3)


def test_the_keys_are_the_fields_of_what_code_takes() -> None:
    tables = {
        "timeout": l0.Timeout,
        "retry": l0.Retry,
        "retry.error_type_delays": l0.ErrorTypeDelays,
        "limits": l0.Limits,
        "check_intervals": l0.CheckIntervals,
        "continuation": l0.ContinuationConfig,
        "continuation.deduplication_options": l0.DeduplicationOptions,
    }
    taken = {f"{table}.{item.name}" for table, kind in tables.items() for item in fields(kind)}
    older = {"retry.max_attempts"}
    assert {key for key in KEYS if "." in key} == taken - {*tables} - ONLY_IN_CODE - older


def test_every_accepted_word_is_parsed() -> None:
    for key in ("on_interrupt", "release", "retry.strategy"):
        for word in re.findall(r"'([^']+)'", KEYS[key].accepts):
            assert KEYS[key].parse(Given(word, "")) == word
    several = KEYS["retry.retry_on"]
    words = re.findall(r"'([^']+)'", several.accepts)
    assert several.parse(Given(",".join(words), "", is_text=True)) == list(l0.RetryableErrorType)


def test_without_configuration_nothing_is_imported_for_it(tmp_path: Path) -> None:
    code = """
import asyncio, sys, l0
async def source():
    yield "hello"
async def main():
    assert await (await l0.run(source)).read() == "hello"
asyncio.run(main())
heavy = {"pydantic", "tomllib", "l0_core.config_read", "l0_core.config_values"}
sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_for_users_lists_every_key_and_nothing_else() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    if not page.exists():
        pytest.skip("the page is in the repository")
    listed = re.findall(r"^\| `([a-z][\w.]*)` \|", page.read_text(), re.MULTILINE)
    plugins_keys = {f"{kind}.NAME.OPTION" for kind in PLUGIN_KINDS} | {"guardrail.NAME.on_error"}
    assert len(listed) == len(set(listed))
    assert set(listed) == {*KEYS, *plugins_keys}


def test_a_table_of_ours_that_is_no_table_is_an_error(write: Write) -> None:
    path = write("[tool]\nl0 = 3", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"pyproject\.toml \[tool\] l0 = 3: it must be a table"):
        asyncio.run(stream())
    assert path.exists()


def test_reading_anew_makes_no_registry_where_there_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_registry", None)
    reload()
    assert plugins._registry is None
