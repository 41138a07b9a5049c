"""A plugin that cannot work: an error for whoever named it, and nothing at all for whoever did not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

ORIGIN = "acme-broken 1.2.3"
GROUPS = {"adapter": "l0.adapters", "guardrail": "l0.guardrails", "store": "l0.stores", "monitor": "l0.monitors",
          "policy": "l0.policies"}  # fmt: skip
START = "from l0_core import Sink, Violation, hookimpl\n"
FINE = {
    "adapter": "    @hookimpl\n    def adapt(self, ctx, source): return None\n",
    "guardrail": "    @hookimpl\n    def check(self, ctx): return None\n",
    "store": "    @hookimpl\n    def store_event(self, ctx): return Sink(lambda batch: None)\n",
    "monitor": "    @hookimpl\n    def on_token(self, ctx): return None\n",
    "policy": "    @hookimpl\n    def decide_retry(self, ctx, failure): return None\n",
}
"""What makes a working plugin of each kind."""


@dataclass(frozen=True)
class Case:
    """One way to be broken. `says`, `advises` and `listed` are patterns of what a user is told of it.

    `known`: it is listed as broken before anything was imported. `unimportable`: it is never imported. `table` is what
    l0.toml says of it, and `misconfigured` that this is what is wrong: the plugin itself is well.
    """

    source: str
    says: Sequence[str]
    advises: str
    kind: str = "guardrail"
    target: str = "acme_broken:Broken"
    point: str = "broken"
    requires: Sequence[str] = ()
    table: str = ""
    known: bool = False
    unimportable: bool = False
    misconfigured: bool = False

    @property
    def in_code(self) -> dict[str, Any]:
        """The options of a call that names it."""
        if self.kind == "adapter":
            return {"adapter": self.point}
        return {"guardrails" if self.kind == "guardrail" else "plugins": [self.point]}

    @property
    def in_file(self) -> str:
        """An l0.toml that switches it on."""
        if self.kind == "store" and self.table:
            return self.table
        key = {"guardrail": "guardrails", "monitor": "monitors", "policy": "policies"}.get(self.kind)
        named = f'{key} = ["{self.point}"]' if key else f'{self.kind} = "{self.point}{"://x" * (self.kind == "store")}"'
        return f"{named}\n{self.table}"


def plugin(body: str, kind: str = "guardrail") -> str:
    return f"{START}class Broken:\n{FINE[kind]}{body}"


RAISES = Case(
    "raise RuntimeError('no such device')\n", ["RuntimeError", "no such device"], r"upgrade|uninstall|report|leave"
)
EXITS = Case("raise SystemExit(3)\n", ["SystemExit"], r"upgrade|uninstall|report|leave")
NEWER = Case(
    "raise AssertionError('imported')\n", [r"l0-core\s?>=\s?99", r"\b0\.1\.0\b"], r"pip install",
    requires=["l0-core>=99"], known=True, unimportable=True,
)  # fmt: skip
OPTIONS = (
    "from dataclasses import dataclass\n"
    "@dataclass(frozen=True, kw_only=True)\n"
    "class Options:\n    size: int = 1\n    url: str = ''\n"
    f"{START}class Broken:\n    Options = Options\n"
    "    def __init__(self, options=None): self.options = options\n"
)
SIZE = r"\[guardrail\.broken\]"

CASES: dict[str, Case] = {
    **{f"raises when the {kind} is imported": replace(RAISES, kind=kind) for kind in GROUPS},
    **{f"exits when the {kind} is imported": replace(EXITS, kind=kind) for kind in ("adapter", "guardrail", "monitor")},
    **{f"the {kind} needs a later kernel": replace(NEWER, kind=kind) for kind in GROUPS},
    "needs another kernel than this by a compatible release": replace(
        NEWER, requires=["l0-core~=0.0.1"], says=[r"l0-core\s?~=\s?0\.0\.1", r"\b0\.1\.0\b"]
    ),
    "needs another kernel under an unusual spelling": replace(NEWER, requires=["L0_Core (>=99)"]),
    "is cancelled when it is imported": replace(
        RAISES, source="import asyncio\nraise asyncio.CancelledError\n", says=["CancelledError"]
    ),
    "has a syntax error": replace(RAISES, source="def broken(:\n", says=["SyntaxError"]),
    "misspells a hook": Case(
        f"{START}class Broken:\n    @hookimpl\n    def chekc(self, ctx): ...\n", ["chekc"], "Did you mean 'check'"
    ),
    "does not mark a hook": Case(
        f"{START}class Broken:\n    def check(self, ctx): ...\n", ["not marked"],
        r"@hookimpl\n    def check\(self, ctx\)",
    ),
    "asks to go first": Case(
        f"{START}class Broken:\n    @hookimpl(tryfirst=True)\n    def check(self, ctx): ...\n", ["tryfirst"],
        r"order that the user configures",
    ),
    "asks to wrap": Case(
        f"{START}class Broken:\n    @hookimpl(wrapper=True)\n    def check(self, ctx): yield\n", ["wrapper"],
        r"order that the user configures",
    ),
    "makes the natural mistake": Case(
        f"{START}class Broken:\n    @hookimpl\n    def check(self, text): ...\n", ["'text'"], r"def check\(self, ctx\)"
    ),
    "makes the natural mistake in a monitor": Case(
        f"{START}class Broken:\n    @hookimpl\n    def on_token(self, token): ...\n", ["'token'"],
        r"def on_token\(self, ctx\)", kind="monitor",
    ),
    "makes the natural mistake in an adapter": Case(
        f"{START}class Broken:\n    @hookimpl\n    def adapt(self, stream): ...\n", ["'stream'"],
        r"def adapt\(self, ctx, source\)", kind="adapter",
    ),
    "is not there": Case(
        "", ["no_such_module"], r"install|upgrade|report", target="no_such_module:Broken", known=True,
        unimportable=True,
    ),
    "names a module that is not in its package": Case(
        "", ["acme_broken.nowhere"], r"install|upgrade|report|leave", target="acme_broken.nowhere:Broken"
    ),
    "names what its module does not have": Case(
        START, ["Broken"], r"upgrade|uninstall|report|leave", target="acme_broken:Broken"
    ),
    "is an adapter that is not there": Case(
        "", ["no_such_module"], r"install|upgrade|report", kind="adapter", target="no_such_module:Broken", known=True,
        unimportable=True,
    ),
    "has a name that no configuration can say": Case(
        plugin(""), ["Broken Guard"], r"lower|letter|a-z|name", point="Broken Guard", known=True, unimportable=True
    ),
    "has a name in capitals": Case(
        plugin("", "monitor"), ["Broken"], r"lower|letter|a-z|name", kind="monitor", point="Broken", known=True,
        unimportable=True,
    ),
    "has a name that begins with a digit": Case(
        plugin("", "adapter"), ["7zip"], r"lower|letter|a-z|name", kind="adapter", point="7zip", known=True,
        unimportable=True,
    ),
    **{
        f"has no hook, as {kind}": Case(OPTIONS, ["hook"], "The hooks are", kind=kind)
        for kind in GROUPS
    },
    "is a factory that makes no rule": Case(
        "def Broken(): return 3\n", ["GuardrailRule"], "must return a GuardrailRule"
    ),
    "is a factory that raises": replace(RAISES, source="def Broken(): raise RuntimeError('no such device')\n"),
    "raises when it is made": replace(
        RAISES, source=plugin("    def __init__(self): raise RuntimeError('no such device')\n")
    ),
    "exits when it is made": replace(EXITS, source=plugin("    def __init__(self): raise SystemExit(3)\n")),
    "cannot be made without Options": Case(
        plugin("    def __init__(self, options): ...\n"), ["options"], r"Options|configure|table|default"
    ),
    "does not know a key of its table": Case(
        f"{OPTIONS}{FINE['guardrail']}", [SIZE, "unknown key 'sise'"], "did you mean 'size'",
        table="[guardrail.broken]\nsise = 3\n", misconfigured=True,
    ),
    "cannot take a value of its table": Case(
        f"{OPTIONS}{FINE['guardrail']}", [SIZE, "size", "'big'"], "valid integer",
        table='[guardrail.broken]\nsize = "big"\n', misconfigured=True,
    ),
    "cannot take the value of a monitor's table": Case(
        f"{OPTIONS}{FINE['monitor']}", [r"\[monitor\.broken\]", "size", "'big'"], "valid integer", kind="monitor",
        table='[monitor.broken]\nsize = "big"\n', misconfigured=True,
    ),
    "is a store that knows no url": Case(
        f"{OPTIONS.replace('url', 'path')}{FINE['store']}", [r"\[store\.broken\]", "unknown key 'url'"], "path",
        kind="store", table='[store.broken]\nurl = "broken://x"\n', misconfigured=True,
    ),
    "has a table and takes no Options": Case(
        plugin(""), [SIZE, "takes no Options"], "takes no Options", table="[guardrail.broken]\nsize = 3\n",
        misconfigured=True,
    ),
    "has Options that are no dataclass": Case(
        plugin("    class Options:\n        size = 1\n    def __init__(self, options=None): ...\n"),
        ["Options"], "dataclass", table="[guardrail.broken]\nsize = 3\n",
    ),
    "has Options and does not take them": Case(
        f"{OPTIONS}    def __init__(self): ...\n{FINE['guardrail']}", ["Options"], r"__init__|argument",
        table="[guardrail.broken]\nsize = 3\n",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tried(new_site: Callable[[], Any]) -> Callable[[str], tuple[dict[str, Any], ...]]:
    """What came of a stream where the plugin was only installed, of one that names it, and of one whose file does."""

    @cache
    def tried(name: str) -> tuple[dict[str, Any], ...]:
        case, site = CASES[name], new_site()
        site.install(case.source, {GROUPS[case.kind]: {case.point: case.target}}, requires=case.requires)
        # A store's table switches it on.
        merely = "" if case.kind == "store" else case.table
        return tuple(
            site.play({"config": merely}, {"config": merely, "options": case.in_code}, {"config": case.in_file})
        )

    return tried


def listed(phase: dict[str, Any], name: str = "broken", key: str = "listed") -> dict[str, Any]:
    (item,) = [item for item in phase[key] if item["name"] == name and item["distribution"] == "acme-broken"]
    return item  # type: ignore[no-any-return]


def same(phase: dict[str, Any], other: dict[str, Any]) -> None:
    for key in ("error", "text", "content", "outcome", "events", "requests", "timeline", "context"):
        assert phase[key] == other[key], key


@pytest.mark.parametrize("name", CASES)
def test_a_stream_that_did_not_ask_for_it_is_untouched(name: str, tried: Any, bare: dict[str, Any]) -> None:
    case, phase = CASES[name], tried(name)[0]
    same(phase, bare)
    if case.kind != "adapter" or case.unimportable:
        assert phase["imported"] == []
    if case.kind == "adapter":
        item = listed(phase, case.point)
        assert item["state"] == "broken"
        for pattern in case.says:
            assert re.search(pattern, item["reason"])
        assert [line for line in phase["said"] if ORIGIN in line]
    else:
        assert phase["said"] == []


@pytest.mark.parametrize("where", ["code", "file"])
@pytest.mark.parametrize("name", CASES)
def test_whoever_names_it_is_told_what_is_wrong(name: str, where: str, tried: Any) -> None:
    case, phase = CASES[name], tried(name)[1 if where == "code" else 2]
    if where == "code" and case.kind == "store" and case.misconfigured:
        assert phase["error"] is None  # What is wrong is the URL, which only a file gives.
        return
    assert phase["error"] is not None
    assert phase["events"] == []
    assert phase["requests"] == 0
    kinds = ("ConfigError",) if case.misconfigured else ("PluginError", "ConfigError")
    assert [kind for kind in phase["error"] if kind in kinds], phase["message"]
    assert ORIGIN in phase["message"]
    for pattern in case.says:
        assert re.search(pattern, phase["message"]), phase["message"]
    if where == "file":
        assert "l0.toml" in phase["message"], phase["message"]
    if case.unimportable:
        assert phase["imported"] == []


@pytest.mark.parametrize("name", CASES)
def test_whoever_names_it_is_told_what_to_do_next(name: str, tried: Any) -> None:
    case = CASES[name]
    phase = tried(name)[2]
    assert re.search(case.advises, phase["message"]), phase["message"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.misconfigured])
def test_it_is_listed_as_broken_with_its_reason(name: str, tried: Any) -> None:
    case, (merely, in_code, in_file) = CASES[name], tried(name)
    for phase in (in_code, in_file):
        item = listed(phase, case.point)
        assert (item["state"], item["version"]) == ("broken", "1.2.3")
        for pattern in case.says:
            assert re.search(pattern, item["reason"]), item
    assert (listed(merely, case.point, "listed_before")["state"] == "broken") is case.known


@pytest.mark.parametrize("kind", GROUPS)
def test_two_distributions_of_one_name(kind: str, site: Any, bare: dict[str, Any]) -> None:
    for name, version in (("acme-broken", "1.2.3"), ("acme-other", "4.5")):
        source = f"{START}class Broken:\n{FINE[kind]}"
        site.install(source, {GROUPS[kind]: {"broken": f"{name.replace('-', '_')}:Broken"}}, name=name, version=version)
    case = Case("", (), "", kind)
    merely, in_code, in_file = site.play({}, {"options": case.in_code}, {"config": case.in_file})
    same(merely, bare)
    assert merely["imported"] == []
    for phase in (in_code, in_file):
        assert {"PluginError", "ConfigError"} & set(phase["error"])
        for pattern in (r"acme-broken 1\.2\.3", r"acme-other 4\.5", "[Uu]ninstall"):
            assert re.search(pattern, phase["message"]), phase["message"]
    states = [item["state"] for item in merely["listed_before"] if item["name"] == "broken"]
    assert states == ["broken", "broken"]


def test_requirements_that_hold_or_are_not_asked_for_refuse_nothing(site: Any) -> None:
    requires = ["l0-core>=0.1,<0.2", "l0-core", 'l0-core>=99; extra == "later"', 'l0-core>=99; python_version < "3"']
    site.install(plugin(""), {"l0.guardrails": {"broken": "acme_broken:Broken"}}, requires=requires)
    (phase,) = site.play({"options": {"guardrails": ["broken"]}})
    assert phase["message"] is None
    assert listed(phase)["state"] == "loaded"


def test_names_of_every_documented_form_are_accepted(site: Any) -> None:
    names = ["a", "acme_guard", "acme+file", "acme.file", "acme-file2"]
    site.install(plugin(""), {"l0.guardrails": dict.fromkeys(names, "acme_broken:Broken")})
    (phase,) = site.play({"options": {"guardrails": names}})
    assert phase["message"] is None
    assert [item["state"] for item in phase["listed"] if item["distribution"] == "acme-broken"] == ["loaded"] * 5


def test_a_property_of_a_plugin_is_not_looked_into(site: Any) -> None:
    """Many connect when they are first used, and say so in a property that raises until then."""
    site.install(
        plugin("    @property\n    def connection(self): raise RuntimeError('not connected')\n"),
        {"l0.guardrails": {"broken": "acme_broken:Broken"}},
    )
    (phase,) = site.play({"options": {"guardrails": ["broken"]}})
    assert (phase["error"], phase["message"]) == (None, None)


def test_one_that_is_disabled_is_not_even_imported(site: Any, bare: dict[str, Any]) -> None:
    for number, setting in enumerate(({"L0_DISABLE_PLUGINS": "acme-broken"}, {"L0_PLUGINS": "openai"})):
        if not number:
            site.install("import threading\nthreading.Event().wait()\n", {"l0.adapters": {"broken": "acme_broken:X"}})
        (phase,) = site.play({}, **setting)
        same(phase, bare)
        assert phase["imported"] == []
        assert listed(phase)["state"] == "disabled"


HANGS = "import sys\nsys.stderr.write('hanging\\n')\nsys.stderr.flush()\nsys.stdin.readline()\n"


@pytest.mark.parametrize("kind", ["guardrail", "store", "monitor", "policy"])
def test_one_that_hangs_is_not_imported_for_a_stream_that_did_not_ask(
    kind: str, site: Any, bare: dict[str, Any]
) -> None:
    site.install("import threading\nthreading.Event().wait()\n", {GROUPS[kind]: {"broken": "acme_broken:Broken"}})
    (phase,) = site.play({})
    same(phase, bare)
    assert phase["imported"] == []
    assert listed(phase)["state"] == "installed"


@pytest.mark.parametrize("kind", GROUPS)
def test_what_is_about_to_be_imported_is_logged_so_that_one_that_hangs_has_a_name(kind: str, site: Any) -> None:
    site.install(f"{HANGS}{plugin('', kind)}", {GROUPS[kind]: {"broken": "acme_broken:Broken"}})
    code = (
        "import asyncio, builtins, l0, logging\n"
        "builtins.imported = []\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "async def model():\n    yield 'done'\n"
        f"async def main(): return await (await l0.run(model, **{Case('', (), '', kind).in_code!r})).read()\n"
        "print(asyncio.run(main()))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=site.work, env=site.environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        logged = []
        for line in process.stderr:
            if line == "hanging\n":
                break
            logged.append(line)
        _, rest = process.communicate("go on\n")
    assert process.returncode == 0 or kind == "adapter", rest
    assert [line for line in logged if "broken" in line and ORIGIN in line], "".join(logged) + rest
