"""The page of the hooks (`docs/hooks.md`) says what the code does: it is generated, its code runs, its tests exist."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import AsyncIterator, Callable
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_core.plugins import GROUPS, Registry
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

import l0_core
from l0_core import config, hookspecs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "hooks.md"
GENERATOR = ROOT / "docs" / "generate_hooks.py"
FAST = l0.Retry(base_delay=0)

specification = importlib.util.spec_from_file_location("generate_hooks", GENERATOR)
assert specification is not None
assert specification.loader is not None
generate = importlib.util.module_from_spec(specification)
specification.loader.exec_module(generate)

HOOKS: list[str] = list(generate.HOOKS)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def of(hook: str) -> str:
    """What the page says of one hook."""
    found = re.search(rf"^## `{hook}`\n(.*?)(?=^## )", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_page_is_what_the_generator_makes() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_check_says_what_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generate, "PAGE", tmp_path / "hooks.md")
    (tmp_path / "hooks.md").write_text(PAGE.read_text().replace("Watch the text", "Watch the words"))
    with pytest.raises(SystemExit, match=r"(?s)-Watch the words.*\+Watch the text.*generate_hooks\.py"):
        generate.main(["--check"])
    generate.main([])
    generate.main(["--check"])


def test_every_hook_is_there_with_every_section_in_order() -> None:
    specified = [name for name, value in vars(hookspecs).items() if hasattr(value, "l0_spec")]
    assert specified == HOOKS
    for hook in HOOKS:
        _, said = generate.sections(getattr(hookspecs, hook).__doc__)
        assert tuple(said) == generate.SECTIONS
        assert all(said.values())
        places = [of(hook).find(f"**{section}**") for section in generate.SECTIONS[:-1]]
        assert -1 not in places
        assert places == sorted(places)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_signature_is_the_codes(hook: str) -> None:
    shown = re.search(r"```python\n(def .*?)\n```", of(hook))
    assert shown is not None
    names: dict[str, Any] = {}
    exec(f"from __future__ import annotations\n{shown[1]}: ...", names)
    assert inspect.signature(names[hook]) == inspect.signature(getattr(hookspecs, hook))


def test_the_tests_that_hold_the_promises_exist() -> None:
    assert list(generate.PROMISES) == ["", *HOOKS]
    for test in (test for promises in generate.PROMISES.values() for test in promises.values()):
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_every_test_of_the_contract_is_on_the_page() -> None:
    tree = ast.parse((ROOT / "l0_core/tests/test_hooks.py").read_text())
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert {name for name in tests if f"[`{name}`]" not in PAGE.read_text()} == set()


def test_kinds_and_groups_are_the_kernels() -> None:
    for kind, group in GROUPS.items():
        assert f"| {kind} | `{group}` |" in PAGE.read_text()
    assert set(generate.SWITCHED_ON) == set(GROUPS)


def test_every_type_is_there_with_every_field() -> None:
    for name in generate.TYPES:
        title = "Violation" if name == "GuardrailViolation" else name
        said = re.search(rf"^### `{title}`\n(.*?)(?=^### |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert said is not None, name
        kind = getattr(l0_core, name)
        for field in inspect.get_annotations(kind) if isinstance(kind, type) else ():
            assert f"| `{field}` |" in said[1], f"{name}.{field}"


def test_links_lead_somewhere() -> None:
    page = PAGE.read_text()
    titles = {re.sub(r"[^\w-]", "", title.lower()) for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    for path, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page):
        assert (PAGE.parent / path).exists(), path
        assert path or anchor in titles, anchor


# The examples.


def plugin_of(hook: str) -> type:
    """The plugin of a hook's example, which is run with the kernel's public names and nothing else."""
    names = {name: getattr(l0_core, name) for name in l0_core.__all__}
    exec(generate.example(hook), names)
    made = [value for value in names.values() if isinstance(value, type)]
    (plugin,) = [kind for kind in made if hasattr(vars(kind).get(hook), "l0_impl")]
    assert generate.example(hook) in of(hook)
    return plugin


async def read(provider: Any, **options: Any) -> l0.Stream:
    stream = await l0.run(provider, **{"retry": FAST, **options})
    await stream.read()
    return stream


def test_the_example_of_adapt_reads_a_stream() -> None:
    module = types.ModuleType("acme.sdk")

    class Chunk:
        def __init__(self, text: str, done: bool = False) -> None:
            self.text, self.done = text, done

    class Answer:
        def __aiter__(self) -> AsyncIterator[Chunk]:
            return self._chunks()

        async def _chunks(self) -> AsyncIterator[Chunk]:
            for text in ("Hello ", "there"):
                yield Chunk(text)
            yield Chunk("", done=True)

    Answer.__module__ = module.__name__
    stream = run(read(Answer, plugins=[plugin_of("adapt")]))
    assert (stream.state.content, stream.state.finish_reason) == ("Hello there", "stop")


def test_the_example_of_on_token_counts(capsys: pytest.CaptureFixture[str]) -> None:
    provider = FakeProvider(["x" * 400] * 6)
    run(read(provider, adapter=provider, plugins=[plugin_of("on_token")]))
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1200", "2000"]


def test_the_example_of_check_objects() -> None:
    provider = FakeProvider(["Fine. ", "Thank you!"], texts=[["No!", "!!", "!"]])
    stream = run(read(provider, adapter=provider, guardrails=[plugin_of("check")]))
    assert stream.state.content == provider.text
    assert [violation.rule for violation in stream.state.violations] == ["no_shouting"]


def test_the_example_of_decide_retry_waits() -> None:
    async def main() -> None:
        busy = RuntimeError("busy")
        busy.status_code, busy.headers = 429, {"retry-after": "3"}  # type: ignore[attr-defined]
        provider = FakeProvider(["a"], [Mishap("refuse", error=busy)])
        await read(provider, adapter=provider, plugins=[plugin_of("decide_retry")])
        assert asyncio.get_running_loop().time() == pytest.approx(6, abs=0.01)

    run(main())


def test_the_example_of_store_event_writes(capsys: pytest.CaptureFixture[str]) -> None:
    provider = FakeProvider(["a"])
    run(read(provider, adapter=provider, plugins=[plugin_of("store_event")]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(number) for number, _ in lines] == list(range(len(lines)))
    assert (lines[0][1], lines[-1][1]) == ("SESSION_START", "SESSION_END")


# The plugin at the beginning.


def opening() -> tuple[str, str, str, dict[str, Any], str]:
    """The small guardrail, its use, the one with Options, its pyproject, and the file that switches it on."""
    small, use, whole, *_ = blocks("python")
    pyproject, configured = blocks("toml")
    return small, use, whole, tomllib.loads(pyproject), configured


def test_the_small_guardrail_is_complete_and_switched_on_as_shown() -> None:
    small, use, *_ = opening()
    code = small.partition("class ")[2].strip().splitlines()
    assert len(code) == 10
    names: dict[str, Any] = {"l0": l0, "model": None}
    exec(small, names)

    async def main() -> None:
        provider = FakeProvider(["long " * 500])
        names["model"] = watched(provider)
        await eval(compile(use, "hooks.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)

    with pytest.raises(l0.GuardrailViolationError, match="More than 2000 characters"):
        run(main())


def watched(provider: FakeProvider) -> Callable[[], AsyncIterator[str]]:
    """A provider's text as a plain iterator."""

    async def model() -> AsyncIterator[str]:
        for token in provider.tokens:
            yield token

    return model


def test_the_package_is_installed_and_configured_as_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    *_, whole, pyproject, configured = opening()
    project = pyproject["project"]

    requires = "".join(f"Requires-Dist: {requirement}\n" for requirement in project["dependencies"])

    class Installed(Distribution):
        def read_text(self, filename: str) -> str:
            return f"Name: {project['name']}\nVersion: {project['version']}\n{requires}"

        def locate_file(self, path: Any) -> Any: ...

    ((group, points),) = project["entry-points"].items()
    ((name, target),) = points.items()
    module = types.ModuleType(target.partition(":")[0])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(f"from __future__ import annotations\n{whole}", module.__dict__)
    registry = Registry([EntryPoint(name, target, group)._for(Installed())])  # type: ignore[attr-defined]
    monkeypatch.setattr("l0_core.plugins._registry", registry)
    (tmp_path / "l0.toml").write_text(configured)
    monkeypatch.setenv("L0_CONFIG", str(tmp_path / "l0.toml"))
    config.reload()
    try:
        provider = FakeProvider(["long " * 500], texts=[["long " * 120], ["short"]])
        stream = run(read(provider, adapter=provider))
        current = config.current()
        assert current is not None
        assert current.on_error(name) == "closed"
    finally:
        config.reload()
    assert stream.state.content == "short"
    assert [violation.message for violation in stream.state.violations] == ["More than 500 characters"]
    assert [item.origin for item in registry.installed()] == ["acme-max-length 1.0"]
