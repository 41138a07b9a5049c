"""The face: every documented name under every documented path, and nothing imported before it is used."""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import types
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import l0
import pytest
from l0.types import State
from l0_core.plugins import Registry
from l0_core.presets import PRESETS
from l0_core.settings import OPTIONS
from l0_testing import FakeProvider
from l0_testing.virtual import run

from l0_core import hookimpl

Spec = str | bool | dict[str, str]

with (Path(__file__).parent / "surface.toml").open("rb") as file:
    SURFACE: dict[str, Any] = tomllib.load(file)

TOP_LEVEL: list[str] = SURFACE.pop("top_level").split()
ELSEWHERE: dict[str, dict[str, Spec]] = SURFACE.pop("elsewhere")

DOCUMENTED = [(f"{module}.{name}", spec) for module, names in SURFACE.items() for name, spec in names.items()]
PROVIDED = [(top, path, spec) for top, names in ELSEWHERE.items() for path, spec in names.items()]

MODULES = [module.name for module in pkgutil.iter_modules(l0.__path__) if module.name != "_lazy"]
PROGRAM = Path(__file__).parents[2] / "tests" / "typed_user.py"


def reach(path: str) -> Any:
    """What stands at a dotted path, the modules in it imported by their names."""
    parts = path.split(".")
    found: Any = importlib.import_module(parts[0])
    for i, name in enumerate(parts[1:], 2):
        found = importlib.import_module(f"l0.{name}") if i == 2 and name in MODULES else getattr(found, name)
    return found


def owner(path: str) -> Any:
    return reach(path.rpartition(".")[0])


def parameters(text: str) -> dict[str, inspect.Parameter]:
    """Parameters as the documentation writes them."""
    function = eval(f"lambda {' '.join(text.split())}: None", {"__builtins__": {}})
    return dict(inspect.signature(function).parameters)


def of(found: Any, path: str) -> dict[str, inspect.Parameter]:
    """The parameters of what is there, as a caller sees them."""
    taken = dict(inspect.signature(found).parameters)
    holder = owner(path)
    if inspect.isclass(holder) and inspect.isfunction(inspect.getattr_static(holder, path.rpartition(".")[2])):
        taken.pop("self")
    return taken


def by_keyword_alone(found: Any) -> set[str]:
    """What a function takes as `**options`: what the TypedDict says that annotates them, or what a stream takes."""
    for parameter in inspect.signature(found).parameters.values():
        said = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
        if said and (options := getattr(sys.modules[found.__module__], said[1], None)):
            return set(options.__annotations__)
    return {*OPTIONS, "fallbacks"}


def is_default(documented: object, ours: object) -> bool:
    if documented is ...:
        return type(ours).__name__ == "_HAS_DEFAULT_FACTORY_CLASS" or dataclasses.is_dataclass(ours)
    return documented == ours and type(documented) in (type(ours), *type(ours).__mro__)


def check_parameters(path: str, text: str) -> None:
    """What is documented can be passed, in that order and under that name; what may be left out means the same."""
    found = reach(path)
    taken = of(found, path)
    positional = [p for p in taken.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_keyword = any(p.kind is p.VAR_KEYWORD for p in taken.values())
    documented = parameters(text)
    for place, (name, wanted) in enumerate(documented.items()):
        ours = taken.get(name)
        if ours is None and by_keyword and wanted.kind is wanted.KEYWORD_ONLY:
            assert name in by_keyword_alone(found), f"{path} takes no {name}"
            continue
        assert ours is not None, f"{path} takes no {name}"
        if wanted.kind is wanted.POSITIONAL_OR_KEYWORD:
            assert positional[place].name == name, f"{path}: {name} stands elsewhere"
        elif wanted.kind is not wanted.KEYWORD_ONLY:
            assert ours.kind is wanted.kind
        if wanted.default is not wanted.empty:
            assert is_default(wanted.default, ours.default), f"{path}: {name} is {ours.default!r}"
    for name, ours in taken.items():
        if name not in documented:
            assert ours.default is not ours.empty or ours.kind in (ours.VAR_KEYWORD, ours.VAR_POSITIONAL), (
                f"{path} cannot be called without {name}, which is not documented"
            )


def check(path: str, spec: Spec) -> None:
    found = reach(path)
    if spec is True:
        return
    if isinstance(spec, str):
        check_parameters(path, spec)
        return
    assert isinstance(spec, dict)
    if "because" in spec:
        assert list(of(found, path)) == list(parameters(spec["ours"])), "different in another way than is written down"
        with pytest.raises(AssertionError):
            check_parameters(path, spec["documented"])
        return
    names = spec.get("values_are_names")
    values = spec if names is None else {name: name for name in names.split()}
    assert issubclass(found, str)
    assert issubclass(found, enum.Enum)
    assert {name: found[name].value for name in values} == values


@pytest.mark.parametrize(("path", "spec"), DOCUMENTED, ids=[path for path, _ in DOCUMENTED])
def test_a_documented_name_is_there_and_takes_what_is_documented(path: str, spec: Spec) -> None:
    check(path, spec)


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_a_name_of_the_top_level_is_that_of_its_module(name: str) -> None:
    found = getattr(l0, name)
    homes = [module for module, names in SURFACE.items() if name in names and module != "l0"]
    for module in homes:
        assert found is reach(f"{module}.{name}")
    assert name in l0.__all__
    assert name in dir(l0)


@pytest.mark.parametrize(("top", "path", "spec"), PROVIDED, ids=[path for _, path, _ in PROVIDED])
def test_a_name_of_another_distribution_is_there_or_says_what_to_install(top: str, path: str, spec: Spec) -> None:
    if find_spec(top):
        check(path, spec)
        return
    with pytest.raises(ImportError, match=f"needs the {top.replace('_', '-')} package: pip install l0-"):
        reach(path)


def test_a_state_has_the_documented_fields() -> None:
    fields = parameters(SURFACE["l0.types"]["State"]["documented"])
    fresh = dataclasses.asdict(State())
    for name, documented in fields.items():
        if documented.default is ...:
            assert fresh[name] == []
        else:
            assert fresh[name] == documented.default
    said = State("abc", checkpoint="ab", token_count=2, duration=1.5, completed=True)
    assert (said.content, said.checkpoint, said.token_count, said.duration, said.completed) == (
        "abc",
        "ab",
        2,
        1.5,
        True,
    )


def test_a_state_is_made_by_hand() -> None:
    state = l0.state.create_state()
    for token in ("Hel", "lo"):
        l0.state.append_token(state, token)
    l0.state.update_checkpoint(state)
    l0.state.append_token(state, "!")
    l0.state.mark_completed(state)
    assert (state.content, state.checkpoint, state.token_count, state.completed) == ("Hello!", "Hello", 3, True)


# Names, modules and imports.


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    source_paths = {str(Path(module.__path__[0]).parent) for module in (l0, importlib.import_module("l0_core"))}
    path = ":".join([*filter(None, [environment.pop("PYTHONPATH", "")]), *sorted(source_paths)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": path},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_face_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import l0; print(*set(sys.modules) - before)"
    assert python(code).split() == ["l0"]


@pytest.mark.parametrize("module", ["types", "errors", "events", "guardrails", "adapters", "retry", "runtime"])
def test_a_module_of_the_face_imports_no_sdk_and_no_pydantic(module: str) -> None:
    heavy = {"pydantic", "openai", "litellm", "httpx", "l0_openai", "l0_guard_json"}
    imported = python(f"import sys, l0.{module}; print(*sys.modules)").split()
    assert not heavy.intersection(imported)
    if module in ("types", "errors", "events"):
        assert not {"asyncio", "pluggy"}.intersection(imported)


@pytest.mark.parametrize("module", ["l0", *(f"l0.{name}" for name in MODULES)])
def test_all_that_a_module_promises_is_there(module: str) -> None:
    try:
        face = importlib.import_module(module)
        assert face.__all__
    except ImportError:
        with pytest.raises(ImportError, match=rf"^{module} needs the l0-[a-z]+ package: pip install l0-[a-z]+$"):
            exec(f"from {module} import *", {})
        return
    assert len(set(face.__all__)) == len(face.__all__)
    for name in face.__all__:
        getattr(face, name)
    namespace: dict[str, Any] = {}
    exec(f"from {module} import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(face.__all__)


@pytest.mark.parametrize("module", ["l0", "l0.types", "l0.adapters", "l0.guardrails", "l0.errors"])
def test_an_unknown_name_is_an_attribute_error(module: str) -> None:
    face = importlib.import_module(module)
    with pytest.raises(AttributeError, match=rf"^module '{module}' has no attribute 'Rety'$"):
        face.Rety  # noqa: B018
    assert not hasattr(face, "__wrapped__")


def test_using_names_does_not_change_what_is_listed() -> None:
    code = """
import l0
listed, promised = dir(l0), l0.__all__
l0.Retry, l0.wrap, l0.errors, l0.json_rule
import l0.state_machine
assert dir(l0) == listed == sorted(promised) and l0.__all__ == promised
assert not {"errors", "types", "logging", "import_module", "TYPE_CHECKING"} & set(listed)
assert l0.l0 is l0.run
"""
    python(code)


def test_modules_are_attributes_without_being_imported() -> None:
    python("import l0; assert l0.errors.categorize_error(KeyError()) is l0.types.ErrorCategory.INTERNAL")


# Modules that are functions: as functions they are seen.
CALLED_MODULES = {"consensus", "parallel"}


def test_type_checkers_see_what_is_there() -> None:
    assert l0.__file__ is not None
    tree = ast.parse(Path(l0.__file__).read_text())
    seen = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    provided = {name: f"{module}.{name}" for module, names in l0._TABLE.items() for name in names.split()}
    assert seen == provided | {name: f"l0.{name}" for name in MODULES if name not in CALLED_MODULES}
    assert set(l0._MODULES.split()) == set(MODULES)
    assert provided.keys() >= CALLED_MODULES
    assert "l0 = run" in map(ast.unparse, ast.walk(tree))


@pytest.mark.skipif(not PROGRAM.exists(), reason="the program that type checkers read is not beside these tests")
def test_type_checkers_read_a_program_that_uses_every_documented_name() -> None:
    nodes = list(ast.walk(ast.parse(PROGRAM.read_text())))
    imported = {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    rooms = {module.name for module in pkgutil.walk_packages(l0.__path__, "l0.")} - {"l0._lazy"}

    def without_members(path: str) -> str:
        before = path.rpartition(".")[0]
        return path if before in {"l0", *rooms} else without_members(before)

    top_level = {f"l0.{name}" for name in [*TOP_LEVEL, *" ".join(l0._TABLE.values()).split()]}
    documented = {
        without_members(path) for path in [path for path, _ in DOCUMENTED] + [path for _, path, _ in PROVIDED]
    }
    assert (top_level | documented) - imported == set()
    assert rooms - used == set()


def test_a_room_of_another_distribution_is_there_without_the_one_around_it(tmp_path: Path) -> None:
    (tmp_path / "l0_sentry").mkdir()
    (tmp_path / "l0_sentry" / "__init__.py").write_text("__all__ = ['Sentry']\nclass Sentry: pass\n")
    code = """
import sys
sys.modules["l0_monitor"] = None  # Not installed.
import l0.monitoring
from l0.monitoring.sentry import Sentry
assert l0.monitoring.sentry.Sentry is Sentry and "sentry" in dir(l0.monitoring)
for wanted in ("Monitor", "*"):
    try:
        exec(f"from l0.monitoring import {wanted}")
    except ImportError as error:
        print(error)
"""
    said = python(code, PYTHONPATH=str(tmp_path)).splitlines()
    assert said == ["l0.monitoring needs the l0-monitor package: pip install l0-monitor"] * 2


# Modules that are functions.

MADE_UP = {
    "l0_parallel": """
__all__ = ["ParallelResult", "parallel", "race"]
class ParallelResult: pass
async def parallel(tasks, *, concurrency=5): return tasks, concurrency
async def race(tasks): return tasks[0]
""",
    "l0_consensus": "class ConsensusResult: pass\nasync def consensus(tasks): return 'agreed'\n",
    # What is made of the first, where it is installed.
    "l0_pipeline": "",
    "l0_window": "",
}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("distributions")
    for name, source in MADE_UP.items():
        (folder / name).mkdir()
        promised = l0._TABLE[name]
        rest = f"for name in {promised!r}.split(): globals().setdefault(name, object())"
        (folder / name / "__init__.py").write_text(f"{source}\n{rest}\n")
    return str(folder)


CALLED = "assert asyncio.run(l0.parallel([1], concurrency=2)) == ([1], 2)"
STEPS = {
    "call": CALLED,
    "import from the module": "from l0.parallel import ParallelResult; assert ParallelResult is l0.ParallelResult",
    "import the function": "from l0.parallel import parallel as f; assert asyncio.run(f([1])) == ([1], 5)",
    "import from the face": "from l0 import parallel as p; assert asyncio.run(p([1])) == ([1], 5)",
    "import the module": "import l0.parallel as m; assert asyncio.run(m.race([1])) == 1; assert asyncio.run(m([1]))",
    "another name": "assert asyncio.run(l0.race([7])) == 7",
    "everything": "exec('from l0 import *; assert asyncio.run(parallel([1]))', {'asyncio': asyncio})",
}


@pytest.mark.parametrize("first", STEPS)
def test_a_module_that_is_a_function_is_both_in_every_order(first: str, made_up: str) -> None:
    others = [step for step in STEPS.values() if step is not STEPS[first]]
    forwards = "\n".join(["import asyncio, l0", STEPS[first], CALLED, *others, CALLED])
    backwards = "\n".join(["import asyncio, l0", STEPS[first], *reversed(others), CALLED])
    python(forwards, PYTHONPATH=made_up)
    python(backwards, PYTHONPATH=made_up)


def test_a_module_that_shows_another_is_like_it(made_up: str) -> None:
    code = """
import inspect, asyncio, l0, l0.consensus, l0.pool
assert str(inspect.signature(l0.parallel)) == "(tasks, *, concurrency=5)"
assert asyncio.run(l0.consensus([])) == "agreed"
assert "race" in dir(l0.parallel) and l0.parallel.__name__ == "l0.parallel"
assert {"parallel", "consensus", "ParallelResult"} <= set(l0.__all__)
assert not callable(l0.pool) and not hasattr(l0.parallel, "__path__")
for module in (l0.parallel, l0.pool, l0.consensus):
    try:
        module.Paralel
    except AttributeError as error:
        assert str(error) == f"module {module.__name__!r} has no attribute 'Paralel'", error
    else:
        raise AssertionError
"""
    python(code, PYTHONPATH=made_up)


def test_a_broken_distribution_is_not_called_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "l0_consensus.py").write_text("import nothing_of_this_name\n")
    code = """
import l0
try:
    l0.consensus
except ModuleNotFoundError as error:
    assert error.name == "nothing_of_this_name", error
else:
    raise AssertionError
"""
    python(code, PYTHONPATH=str(tmp_path))


# Older forms.


@pytest.mark.parametrize(
    ("rule", "name", "given", "expected"),
    [
        ("json_rule", "json", {}, {}),
        ("strict_json_rule", "strict_json", {}, {}),
        ("markdown_rule", "markdown", {}, {}),
        ("latex_rule", "latex", {}, {}),
        ("zero_output_rule", "zero_output", {}, {}),
        ("pattern_rule", "pattern", {}, {}),
        ("pattern_rule", "pattern", {"include_categories": ["refusal"]}, {"include_categories": ["refusal"]}),
        (
            "custom_pattern_rule",
            "custom_pattern",
            {"patterns": ["x"]},
            {"patterns": ["x"], "message": "Custom pattern violation", "severity": "error"},
        ),
        ("stall_rule", "stall", {}, {}),
        ("stall_rule", "stall", {"max_gap": 2}, {"max_gap": 2}),
        ("repetition_rule", "repetition", {}, {}),
        (
            "repetition_rule",
            "repetition",
            {"window": 50},
            {"window": 50, "threshold": 0.5, "sentence_check": True, "sentence_repeat_count": 3},
        ),
    ],
)
def test_a_rule_takes_the_documented_parameters_and_leaves_the_rest_to_the_configuration(
    rule: str, name: str, given: dict[str, Any], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(l0.guardrails, "rule", lambda name, **options: passed.append((name, options)))
    getattr(l0.guardrails, rule)(**given)
    getattr(l0.Guardrails, name)(**given)
    assert passed == [(name, expected)] * 2


def test_presets_of_guardrails_have_an_older_name_each() -> None:
    for name in ("minimal", "recommended", "strict", "json_only", "markdown_only", "latex_only"):
        assert getattr(l0, f"{name.upper()}_GUARDRAILS") is getattr(l0.Guardrails, name)


def test_a_guardrail_that_is_not_installed_is_no_attribute() -> None:
    assert not hasattr(l0.Guardrails, "nonsense")
    with pytest.raises(l0.PluginError, match="no guardrail named 'nonsense' is installed"):
        l0.Guardrails.nonsense()


def test_older_forms_of_options() -> None:
    async def main() -> None:
        contexts = []
        provider = FakeProvider(("a", "b"))
        stream = l0.wrap(
            provider(),
            adapter=provider,
            meta={"user": 1},
            check_intervals={"guardrails": 2},
            on_event=lambda event: contexts.append(event.context),
        )
        assert await stream.read() == "ab"
        assert contexts[0]["user"] == 1

    run(main())
    assert l0.Retry(max_attempts=5) == l0.Retry(attempts=5)
    with pytest.raises(TypeError, match="nonsense"):
        l0.CheckIntervals.of({"nonsense": 1})


def test_a_state_has_no_fields_but_its_own() -> None:
    with pytest.raises(TypeError, match="State has no field 'contents'"):
        State(contents="abc")


def test_a_state_says_one_outcome_however_it_is_told() -> None:
    state = State(completed=True)
    assert state.outcome == "complete"
    state.aborted = False
    assert state.outcome == "complete"
    state.completed = False
    assert (state.outcome, state.completed) == (None, False)


def test_an_event_says_what_it_is() -> None:
    kinds = [kind for kind in l0.EventType if hasattr(l0.Event, f"is_{kind.value}")]
    assert len(kinds) == 10
    for kind in l0.EventType:
        event = l0.Event(kind)
        assert [other for other in kinds if getattr(event, f"is_{other.value}")] == [kind] * (kind in kinds)


def test_presets_of_guardrails_hold_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l0_core.presets.rule", lambda name: name)
    monkeypatch.setattr("l0_core.presets.names_of", PRESETS.__getitem__)
    for name, names in PRESETS.items():
        assert getattr(l0.Guardrails, name)() == list(names)


def test_a_guardrail_without_options_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        @hookimpl
        def check(self, ctx: Any) -> None: ...

    module = types.ModuleType("l0_test_plain_guardrail")
    module.Plain = Plain  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint("plain", f"{module.__name__}:Plain", "l0.guardrails")
    monkeypatch.setattr("l0_core.plugins._registry", Registry([point]))
    assert l0.Guardrails.plain().name == "plain"
    with pytest.raises(TypeError, match=r"the guardrail 'plain' of .*takes no options"):
        l0.Guardrails.plain(strict=True)
    assert not hasattr(l0.Guardrails, "_plain")


def test_what_is_no_client_and_no_stream_is_an_error_that_says_what_it_is() -> None:
    provider = FakeProvider(("a", "b"))
    with pytest.raises(TypeError, match=r"wrap\(\) takes a client or a stream, not a .*; a factory of streams goes to"):
        l0.wrap(provider)
    with pytest.raises(l0.AdapterNotFound, match=r"wrap\(\) got a builtins\.int: no installed adapter knows it as a c"):
        l0.wrap(42)
    with pytest.raises(l0.AdapterNotFound, match=r"no installed adapter knows a builtins\.int as a client"):
        l0.client.wrap_client(42)

    async def stream() -> Any:
        yield l0.Event(l0.EventType.TOKEN, "a")

    with pytest.raises(TypeError, match="a raw stream has no fallbacks"):
        l0.wrap(stream(), fallbacks=[provider])


@pytest.mark.parametrize("name", ["retry", "timeout", "limits"])
def test_an_option_of_the_wrong_kind_is_named(name: str) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=f"{name} must be a {name.capitalize()}, not 3"):
            await l0.run(FakeProvider(("a", "b")), **{name: 3})

    run(main())


def test_intervals_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match=r"CheckIntervals\.drift is 0; it must be 1 or more tokens"):
        l0.CheckIntervals(drift=0)


def test_a_payload_says_what_its_metadata_says() -> None:
    said = {"width": 3, "height": 4, "duration": 1.5, "size": 9, "filename": "a.png", "seed": 7, "model": "m"}
    payload = l0.DataPayload(l0.ContentType.IMAGE, metadata=said)
    for name, value in said.items():
        assert getattr(payload, name) == value
        assert getattr(l0.DataPayload(l0.ContentType.IMAGE), name) is None
