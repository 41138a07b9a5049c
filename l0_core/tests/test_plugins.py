"""Plugins: found from metadata, bound with the mistakes that are naturally made answered, and loaded when needed."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_core.plugins import GROUPS, Registry, bind, bind_all, bind_store, recognitions
from l0_core.versions import skew

from l0_core import Failure, GuardrailRule, hookimpl


class Good:
    @hookimpl
    def check(self, ctx: Any) -> None:
        return None

    @hookimpl
    def decide_retry(self, failure: Failure) -> Any:
        return failure


def module(name: str, **contents: object) -> str:
    sys.modules[name] = made = types.ModuleType(name)
    made.__dict__.update(contents)
    return name


def point(name: str, value: str, kind: str = "guardrail") -> EntryPoint:
    return EntryPoint(name, value, GROUPS[kind])


def test_a_hook_may_leave_out_arguments() -> None:
    bound = bind(Good)
    assert set(bound.hooks) == {"check", "decide_retry"}
    assert bound.hooks["decide_retry"]("ctx", "failure") == "failure"
    assert bound.name == "Good"


def test_the_hooks_take_what_the_design_says() -> None:
    import inspect

    from l0_core import hookspecs

    spec = {name: list(inspect.signature(getattr(hookspecs, name)).parameters) for name in
            ("adapt", "on_token", "check", "decide_retry", "store_event")}  # fmt: skip
    assert spec == {
        "adapt": ["ctx", "source"],
        "on_token": ["ctx"],
        "check": ["ctx"],
        "decide_retry": ["ctx", "failure"],
        "store_event": ["ctx"],
    }
    sections = ["Called:", "Order:", "Return:", "Raises:", "State:", "Cost:", "Example:"]
    for name in spec:
        docstring = inspect.getdoc(getattr(hookspecs, name)) or ""
        places = [docstring.find(f"\n{section}") for section in sections]
        assert -1 not in places, name
        assert places == sorted(places), name


class Unmarked:
    def check(self, ctx: Any) -> None: ...


class Misspelt:
    @hookimpl
    def chekc(self, ctx: Any) -> None: ...


class WrongArgument:
    @hookimpl
    def check(self, text: str) -> None: ...


class Wrapper:
    @hookimpl(tryfirst=True)
    def check(self, ctx: Any) -> None: ...


class NearMiss:
    def on_tokens(self, ctx: Any) -> None: ...


class Hookless: ...


class NeedsAnArgument:
    def __init__(self, url: str) -> None: ...

    @hookimpl
    def check(self, ctx: Any) -> None: ...


class Catchall:
    @hookimpl
    def check(self, **given: Any) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        (Unmarked, "not marked as a hook"),
        (Misspelt, "Did you mean 'check'"),
        (WrongArgument, "def check\\(self, ctx\\)"),
        (Wrapper, "asks for tryfirst, which L0 refuses"),
        (NearMiss, "Is 'on_tokens' meant to be 'on_token'\\?(?s:.*)def on_token\\(self, ctx\\)"),
        (Hookless, "has no hook. The hooks are adapt, on_token"),
        (NeedsAnArgument, "cannot be made without url: give a default"),
        (Catchall, "takes \\*args or \\*\\*kwargs"),
    ],
)
def test_natural_mistakes_are_answered_with_the_right_form(plugin: type, says: str) -> None:
    with pytest.raises(l0.PluginError, match=says):
        bind(plugin)


def test_what_is_installed_is_listed_without_importing_it() -> None:
    registry = Registry([point("b", "no.such.module:B"), point("a", "no.such.module:A"), point("x", "y:z", "monitor")])
    assert [(item.kind, item.name, item.target) for item in registry.installed()] == [
        ("guardrail", "a", "no.such.module:A"),
        ("guardrail", "b", "no.such.module:B"),
        ("monitor", "x", "y:z"),
    ]
    assert [item.name for item in registry.installed("monitor")] == ["x"]


def test_a_plugin_is_loaded_once() -> None:
    registry = Registry([point("good", f"{module('l0_test_good', Good=Good)}:Good")])
    assert registry.load("guardrail", "good") is registry.load("guardrail", "good")
    assert registry.installed()[0].state == "loaded"


def test_an_entry_point_may_name_a_factory_of_a_rule() -> None:
    def make() -> GuardrailRule:
        return GuardrailRule("made", lambda state: [])

    registry = Registry([point("made", f"{module('l0_test_rule', make=make)}:make")])
    assert set(registry.load("guardrail", "made").hooks) == {"check"}


@pytest.mark.parametrize(
    ("points", "name", "says"),
    [
        ([], "json", "No guardrail named 'json' is installed. No guardrail is installed"),
        ([point("json", "x:y")], "jsno", "Did you mean 'json'"),
        ([point("a", "x:y")], "zzz", "Installed are 'a'"),
        ([point("a", "no.such.module:A")], "a", "ModuleNotFoundError"),
        ([point("a", "x:A"), point("a", "y:A")], "a", "Two distributions provide the guardrail 'a'"),
    ],
)
def test_what_cannot_be_had_is_an_error_that_says_why(points: list[EntryPoint], name: str, says: str) -> None:
    with pytest.raises(l0.PluginError, match=says):
        Registry(points).load("guardrail", name)


def test_a_broken_adapter_is_skipped_and_listed_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry([point("broken", "no.such.module:A", "adapter")])
    assert registry.adapters() == ()
    assert "no.such.module" not in (registry.installed()[0].state)
    assert "ModuleNotFoundError" in (registry.installed()[0].problem or "")
    assert "skipped the adapter 'broken'" in caplog.text


@pytest.mark.parametrize(
    ("requires", "says"),
    [
        ([], None),
        (["openai>=2"], None),
        (["l0-core"], None),
        (["l0-core<0.2,>=0.1"], None),
        (["l0_core (>=0.1.0)"], None),
        (["l0-core~=0.1.0"], None),
        (["L0.Core==0.1.*"], None),
        (["l0-core[openai]>=0.1 ; python_version > '3'"], None),
        (["l0-core>=9; extra == 'new'"], None),
        (["l0-core-extras>=9"], None),
        (["l0-core>=9 ; nonsense"], None),
        (
            ["l0-core>=0.2"],
            "acme 1.0 requires l0-core>=0.2, and l0-core 0.1.0 is installed: pip install --upgrade acme",
        ),
        (["x", "l0-core<0.1"], "requires l0-core<0.1"),
        (["l0-core!=0.1.0"], "requires l0-core!=0.1.0"),
        (["l0-core is new"], "requires l0-coreis new"),
    ],
)
def test_version_skew_is_told_from_metadata(requires: list[str], says: str | None) -> None:
    told = skew("acme", "1.0", requires, "0.1.0")
    assert told is None if says is None else says in (told or "")


def test_what_is_wrong_without_an_import_is_told_without_one() -> None:
    registry = Registry(
        [point("A b", "no.such:A"), point("x", "no.such:X"), point("x", "no.such:Y"), point("y", "no.such:Z")]
    )
    told = {(item.name, item.target): (item.state, item.problem or "") for item in registry.examined()}
    assert told["A b", "no.such:A"][0] == "broken"
    assert "a name is lower-case letters" in told["A b", "no.such:A"][1]
    assert "2 distributions provide this name" in told["x", "no.such:X"][1]
    assert told["y", "no.such:Z"] == ("installed", "")
    with pytest.raises(l0.PluginError, match="its entry point is called 'A b'"):
        registry.load("guardrail", "A b")


def test_a_module_that_ends_the_process_is_a_broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "l0_test_exits.py").write_text("raise SystemExit('bye')")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry([point("exits", "l0_test_exits:A")])
    with pytest.raises(l0.PluginError, match="cannot be used: SystemExit: bye"):
        registry.load("guardrail", "exits")
    assert registry.installed()[0].state == "broken"


def test_an_installed_adapter_that_raises_is_passed_over_and_listed(caplog: pytest.LogCaptureFixture) -> None:
    mine = types.SimpleNamespace(decode=print)

    class Broken:
        @hookimpl
        def adapt(self, source: object) -> Any:
            raise KeyError(source)

    class Working:
        @hookimpl
        def adapt(self, source: object) -> Any:
            return mine

    found = module("l0_test_adapters", Broken=Broken, Working=Working)
    registry = Registry([point("a", f"{found}:Broken", "adapter"), point("b", f"{found}:Working", "adapter")])
    assert [list(registry.recognitions(None, "secret")) for _ in range(2)] == [[mine], [mine]]
    assert caplog.text.count("it is passed over") == 1
    assert "secret" not in caplog.text
    assert (registry.installed()[0].problem or "").startswith("adapt raised KeyError at test_plugins.py")


def test_an_adapter_of_the_documented_form_may_be_installed() -> None:
    class Acme:
        name = "acme"

        def detect(self, stream: Any) -> bool:
            return isinstance(stream, list)

        def wrap(self, stream: Any, options: Any = None) -> Any: ...

    registry = Registry([point("acme", f"{module('l0_test_documented', Acme=Acme)}:Acme", "adapter")])
    assert [type(found) for found in registry.recognitions(None, [])] == [Acme]
    assert list(registry.recognitions(None, "")) == []


class Store:
    """A store whose URL may be wrong."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        url: str = ""

    def __init__(self, options: Options) -> None:
        if "?" in options.url:
            raise ValueError(f"{options.url!r} asks for what there is not")

    @hookimpl
    def store_event(self, ctx: Any) -> None: ...


class Bare:
    Options = dict

    @hookimpl
    def check(self, ctx: Any) -> None: ...


class Deaf:
    @dataclass(frozen=True, kw_only=True)
    class Options:
        size: int = 1

    @hookimpl
    def check(self, ctx: Any) -> None: ...


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Unmarked, r"cannot be used: Unmarked.check \(.*\) is not marked as a hook"),
        (Bare, r"Bare.Options is no dataclass: write(?s:.*)class Options"),
        (Deaf, r"Deaf has Options and does not take them: write(?s:.*)def __init__"),
        (lambda: 42, "The guardrail 'it' is a function; it must return a GuardrailRule, not 42"),
    ],
)
def test_what_an_entry_point_names_is_looked_at(target: Any, says: str) -> None:
    registry = Registry([point("it", f"{module('l0_test_targets', it=target)}:it")])
    with pytest.raises(l0.PluginError, match=says):
        registry.load("guardrail", "it")
    assert registry.installed()[0].state == "broken"


def test_loading_a_plugin_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    registry = Registry([point("slow", f"{module('l0_test_slow', slow=interrupted)}:slow")])
    with pytest.raises(KeyboardInterrupt):
        registry.load("guardrail", "slow")
    assert registry.installed()[0].state == "installed"


class TestAStoreByItsUrl:
    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = module("l0_test_store", Store=Store)
        registry = Registry([point("acme", f"{found}:Store", "store")])
        monkeypatch.setattr("l0_core.plugins._registry", registry)

    def test_is_made_once_for_each_url(self) -> None:
        one, other = bind_store("acme://one"), bind_store("acme://other")
        assert set(one.hooks) == {"store_event"}
        assert bind_store("acme://one") is one
        assert other is not one

    def test_that_is_wrong_is_an_error_and_the_plugin_is_not_broken(self) -> None:
        with pytest.raises(l0.PluginError, match=r"The store 'acme' .*cannot be opened: 'acme://one\?x' asks for"):
            bind_store("acme://one?x")
        assert bind_store("acme://one")

    @pytest.mark.parametrize(
        ("record", "says"),
        [
            ("runs.db", "'runs.db' is no URL of a store"),
            ("acne://x", "No store named 'acne' is installed. Did you mean 'acme'"),
            (42, "a stream cannot be recorded by 42, which has no store_event hook"),
        ],
    )
    def test_that_names_none_is_an_error_that_says_what_does(self, record: object, says: str) -> None:
        with pytest.raises(l0.PluginError, match=says):
            bind_store(record)

    def test_need_not_be_one(self) -> None:
        assert bind_store(Store(Store.Options())).name == "Store"


def test_a_plugin_may_be_named_where_its_name_is_that_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    found = module("l0_test_kinds", Good=Good)
    points = [point("one", f"{found}:Good", "policy")]
    points += [point("both", f"{found}:Good", kind) for kind in ("policy", "monitor", "adapter")]
    monkeypatch.setattr("l0_core.plugins._registry", Registry(points))
    assert [bound.name for bound in bind_all(["one", Good])] == ["one", "Good"]
    with pytest.raises(
        l0.PluginError, match=r"'both' names the monitor of .* and the policy of .*: give the plugin obj"
    ):
        bind_all(["both"])
    with pytest.raises(l0.PluginError, match=r"No plugin named 'on' is installed\. Did you mean 'one'"):
        bind_all(["on"])
    with pytest.raises(l0.PluginError, match=r"No plugin named 'zzz' is installed\.$"):
        bind_all(["zzz"])


def test_a_class_whose_signature_cannot_be_read_is_made_without_arguments() -> None:
    class Opaque(Good):
        __signature__ = "none"

    assert set(bind(Opaque).hooks) == {"check", "decide_retry"}


def test_a_hook_may_have_arguments_of_its_own_that_have_defaults() -> None:
    class More:
        @hookimpl
        def check(self, ctx: Any, size: int = 3) -> Any:
            return (ctx, size)

    assert bind(More).hooks["check"]("ctx") == ("ctx", 3)


def test_an_adapter_given_to_a_call_that_raises_is_passed_over_and_names_its_module(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        @hookimpl
        def adapt(self, source: object) -> Any:
            raise KeyError(source)

    bound = bind(Broken)
    assert list(recognitions([bind(Good), bound], None, "secret")) == []
    assert (bound.problem or "").startswith("adapt raised KeyError at test_plugins.py")
    assert f"the adapter 'Broken' of {__name__} raised" in caplog.text
