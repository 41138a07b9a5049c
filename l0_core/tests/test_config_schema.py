"""The JSON Schema of the configuration takes what the reader takes, and refuses the keys that the reader refuses."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import sys
import tomllib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_core.config import ConfigError, effective, reload
from l0_core.config_schema import schema
from l0_core.config_values import KEYS, PLUGIN_KINDS
from l0_core.plugins import Registry
from l0_core.settings import compile_settings

from l0_core import hookimpl, plugins

NEIGHBOUR = Path(__file__).with_name("test_config.py")


def _neighbour() -> Any:
    """The tests of the reader, for their cases and their plugins."""
    spec = importlib.util.spec_from_file_location("l0_core_test_config_cases", NEIGHBOUR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cases = _neighbour()


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int
    """How deep."""


class Documented:
    """Finds what is documented."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        needed: str
        limit: float = 1.5
        """Seconds of patience."""
        key: Callable[[str], str] | None = None
        decide: Callable[[str], str] = str
        inner: tuple[Inner, ...] = ()
        parts: dict[str, Inner] = field(default_factory=dict)
        made: int = field(default=3, init=False)

    def __init__(self, options: Any = None) -> None:
        self.options = options

    @hookimpl
    def on_token(self, ctx: Any) -> None:
        return None


class Odd:
    """Has Options that pydantic cannot describe."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        lock: types.SimpleNamespace = field(default_factory=types.SimpleNamespace)
        size: int = 1


class Bare:
    """Has Options that are none."""

    Options = dict


class Nested:
    """Has Options that may hold Options."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        size: int = 1
        """How many."""
        within: Options | None = None  # noqa: F821 - pydantic knows the class by its name while it describes it


Sourceless = types.new_class("Sourceless")
Sourceless.Options = make_dataclass(  # type: ignore[attr-defined]
    "Options", [("size", int, 1)], frozen=True, kw_only=True
)


INSTALLED = [
    *cases.INSTALLED,
    cases.point("monitor", "acme.doc+x", "Documented", "acme"),
    cases.point("monitor", "odd", "Odd", "acme"),
    cases.point("monitor", "gone", "Missing", "acme"),
    cases.point("monitor", "bare", "Bare", "acme"),
    cases.point("monitor", "nested", "Nested", "acme"),
    cases.point("monitor", "sourceless", "Sourceless", "acme"),
    cases.point("store", "pg+acme", "Store", "acme"),
]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("L0_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("l0_test_config_plugins")
    vars(module).update({name: getattr(cases, name) for name in ("Pattern", "Plain", "Watcher", "Store", "broken")})
    vars(module).update(Reader=cases.Reader, Documented=Documented, Odd=Odd)
    vars(module).update(Bare=Bare, Nested=Nested, Sourceless=Sourceless)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(plugins, "_registry", Registry(INSTALLED))
    reload()
    yield
    reload()


def made(*, tool: bool = False) -> dict[str, Any]:
    return schema(plugins.registry(), tool=tool)


TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
TELLING = {"$schema", "$defs", "$comment", "title", "description", "default", "examples", "format", "properties"}


def refusals(schema: Any, value: Any, root: Any = None) -> list[str]:
    """What a schema says against a value, where that is. It knows the words that our schemas use, and no others."""
    root = schema if root is None else root
    found: list[str] = []
    for word, said in schema.items():
        match word:
            case "$ref":
                found += refusals(root["$defs"][said.removeprefix("#/$defs/")], value, root)
            case "type":
                found += (
                    [] if any(TYPES[each](value) for each in ([said] if isinstance(said, str) else said)) else [word]
                )
            case "enum":
                found += [] if value in said else [word]
            case "const":
                found += [] if value == said else [word]
            case "anyOf":
                answers = [refusals(each, value, root) for each in said]
                found += [] if any(not answer for answer in answers) else min(answers, key=len)
            case "pattern":
                found += [word] if isinstance(value, str) and not re.search(said, value) else []
            case "minLength":
                found += [word] if isinstance(value, str) and len(value) < said else []
            case "minimum":
                found += [word] if TYPES["number"](value) and value < said else []
            case "required":
                found += [word] if isinstance(value, dict) and not value.keys() >= {*said} else []
            case "items":
                found += (
                    [each for inner in value for each in refusals(said, inner, root)] if TYPES["array"](value) else []
                )
            case "additionalProperties":
                for key in value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ():
                    found += (
                        [f"unknown {key}"]
                        if said is False
                        else []
                        if said is True
                        else refusals(said, value[key], root)
                    )
            case _:
                assert word in TELLING, f"{word} is not checked here"
    if isinstance(value, dict):
        for key, inner in schema.get("properties", {}).items():
            found += refusals(inner, value[key], root) if key in value else []
    return found


def configurations() -> list[str]:
    """Every text that a test of the reader writes, as far as it stands there as it is, and each of its errors."""
    calls = [node for node in ast.walk(ast.parse(NEIGHBOUR.read_text())) if isinstance(node, ast.Call)]
    texts = [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "write" and len(call.args) == 1
        if isinstance(call.args[0], ast.Constant)
    ]
    texts += [text for text, _ in cases.FILE_ERRORS]
    texts += [f"guardrails = ['pattern']\n[guardrail.pattern]\n{text}" for text, _ in cases.OPTION_ERRORS]
    return [text for text in dict.fromkeys(texts) if _is_toml(text)]


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def said_by_the_reader(text: str) -> str | None:
    """What is wrong with a configuration, or None."""
    Path("l0.toml").write_text(text)
    reload()
    try:
        effective(plugins=True)
        compile_settings({})
    except ConfigError as error:
        return str(error)
    return None


def test_it_takes_what_the_reader_takes_and_refuses_the_keys_that_it_refuses() -> None:
    whole, wrapped = made(), made(tool=True)
    accepted = refused = 0
    for text in configurations():
        problem, document = said_by_the_reader(text), tomllib.loads(text)
        answers = refusals(whole, document)
        assert refusals(wrapped, {"tool": {"other": {"a": 1}, "l0": document}, "project": {}}) == answers
        if problem is None:
            accepted += 1
            assert answers == [], text
        elif "unknown key" in problem or "it is a function" in problem:
            refused += 1
            assert any(answer.startswith("unknown ") for answer in answers), text
    assert accepted >= 10
    assert refused >= 5


@pytest.mark.parametrize(
    "text",
    [
        "timeout = 5",
        "[timeout]\ntotal = 'soon'",
        "[timeout]\ntotal = -1",
        "[retry]\nattempts = true",
        "[retry]\nstrategy = 'linaer'",
        "[retry]\nretry_on = ['sun']",
        "[check_intervals]\ndrift = 0",
        "guardrails = 'minmal'",
        "monitors = 'otel'",
        "store = 'events.db'",
        "[store.sqlite]\nurl = 'pg:///x'",
        "[guardrail]\npattern = 1",
        "[guardrail.json]\non_error = 'shut'",
        "[guardrail.json]\nsize = 1",
        "[guardrail.pattern]\nmode = 'loud'",
        "[guardrail.patern]",
        "[monitor.'acme.doc+x']\nmade = 1",
        "[monitor.'acme.doc+x']\ndecide = 'x'",
        "[monitor.'acme.doc+x'.parts.a]\ndept = 1",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    assert refusals(made(), tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "guardrails = ['of_another_machine']\nmonitors = ['elsewhere']\npolicies = ['far.away']\nadapter = 'My own'",
        "store = 'elsewhere:///x'",
        "[store.'pg+acme']\nurl = 'pg+acme://host'",
        "[monitor.'acme.doc+x']\nlimit = 1\ninner = [{depth = 1}]",
        "[monitor.odd]\nanything = 1",
        "[monitor.gone]\nanything = 1",
        "[guardrail.broken]\non_error = 'closed'",
    ],
)
def test_what_another_machine_may_have_is_not_refused(text: str) -> None:
    assert refusals(made(), tomllib.loads(text)) == []


def test_every_key_is_described_with_its_default() -> None:
    whole = made()
    for key in KEYS:
        inside = whole
        for part in key.split("."):
            inside = inside["properties"][part]
        if key == "store":
            inside = inside["anyOf"][0]
        assert KEYS[key].accepts in inside["description"]
    assert whole["properties"]["release"]["default"] == "live"
    retry = whole["properties"]["retry"]
    assert retry["properties"]["max_delay"]["default"] == 10
    assert retry["properties"]["max_retry_after"]["description"].startswith(
        "The longest wait that a server may ask for"
    )
    assert retry["description"] == l0.Retry.__doc__.replace("\n    ", "\n").strip()  # type: ignore[union-attr]
    assert {*PLUGIN_KINDS} < whole["properties"].keys()


def test_installed_plugins_are_offered_and_described() -> None:
    whole = made()
    guardrails = whole["properties"]["guardrails"]["anyOf"]
    assert guardrails[0]["items"]["anyOf"][0]["enum"] == ["broken", "json", "pattern", "zero_output"]
    assert "recommended" in guardrails[1]["enum"]
    documented = whole["properties"]["monitor"]["properties"]["acme.doc+x"]
    assert documented["description"] == "Finds what is documented."
    assert documented["properties"]["limit"] == {
        "default": 1.5,
        "description": "Seconds of patience.",
        "type": "number",
    }
    assert "required" not in documented
    inner = documented["properties"]["inner"]["items"]["$ref"].removeprefix("#/$defs/")
    assert whole["$defs"][inner]["required"] == ["depth"]
    assert whole["$defs"][inner]["properties"]["depth"]["description"] == "How deep."


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("guardrail", "broken", None),
        ("monitor", "gone", "acme 1.2 cannot tell its Options: AttributeError: "),
        ("monitor", "bare", "acme 1.2 cannot tell its Options: TypeError: <class 'dict'> is not a dataclass"),
        ("monitor", "odd", "acme 1.2 cannot tell its Options: PydanticSchemaGenerationError: "),
        ("guardrail", "json", "l0-guard-json 1.2 cannot tell its Options: L0_DISABLE_PLUGINS names it"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_breaks_nothing_and_is_named(
    kind: str, name: str, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L0_DISABLE_PLUGINS", "l0-guard-json")
    plugins.registry().forget()
    table = made()["properties"][kind]["properties"][name]
    if says is None:
        # Its Options are told by its class; what it does when it is called is not asked.
        assert "$comment" not in table
    else:
        assert table["$comment"].startswith(says)
        assert table.get("additionalProperties") is None


def test_it_is_json_and_says_its_draft() -> None:
    for tool in (False, True):
        whole = made(tool=tool)
        assert json.loads(json.dumps(whole)) == whole
        assert whole["$schema"].endswith("/draft/2020-12/schema")
        assert json.dumps(whole) == json.dumps(made(tool=tool))


def test_options_that_may_hold_options_are_described_once() -> None:
    whole = made()
    table = whole["properties"]["monitor"]["properties"]["nested"]
    assert table["properties"]["size"]["default"] == 1
    (inner,) = [name for name in whole["$defs"] if name.startswith("monitor.nested.")]
    assert {"$ref": f"#/$defs/{inner}"} in table["properties"]["within"]["anyOf"]
    assert refusals(whole, {"monitor": {"nested": {"within": {"within": {"size": 2}}}}}) == []
    assert refusals(whole, {"monitor": {"nested": {"within": {"within": {"sise": 2}}}}}) != []


def test_options_whose_source_is_not_at_hand_are_described_without_their_docstrings() -> None:
    assert made()["properties"]["monitor"]["properties"]["sourceless"]["properties"]["size"] == {
        "default": 1,
        "type": "integer",
    }


def test_describing_plugins_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "l0_test_config_plugins", Interrupting("l0_test_config_plugins"))
    with pytest.raises(KeyboardInterrupt):
        made()
