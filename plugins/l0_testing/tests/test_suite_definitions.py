"""What the class of an author's tests may not leave out, mistake or override; and what pytest makes of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from l0_testing import AdapterSuite, GuardrailSuite, PluginSuite, PolicySuite

README = Path(__file__).parents[1] / "README.md"


class Plugin:
    """Stands for a plugin that has no Options."""


SUITES = {"plugin": PluginSuite, "guardrail": GuardrailSuite, "adapter": AdapterSuite, "policy": PolicySuite}
WHOLE: dict[str, dict[str, Any]] = {
    "plugin": {"kind": "monitor", "name": "acme", "plugin": Plugin},
    "guardrail": {"name": "acme", "plugin": Plugin, "accepts": ["yes"], "refuses": ["no"]},
    "adapter": {"name": "acme", "plugin": Plugin, "text": "yes", "make_source": lambda self: None},
    "policy": {"name": "acme", "plugin": Plugin},
}


def define(which: str, leave: tuple[str, ...] = (), bases: tuple[type, ...] = (), **more: Any) -> type:
    said = {name: value for name, value in (WHOLE[which] | more).items() if name not in leave}
    return type("TestAcme", (*bases, SUITES[which]), said)


@pytest.mark.parametrize("which", WHOLE)
def test_what_is_whole_is_taken(which: str) -> None:
    assert define(which).__mro__[1] is SUITES[which]


@pytest.mark.parametrize(("which", "name"), [(which, name) for which, said in WHOLE.items() for name in said])
def test_what_is_missing_is_named(which: str, name: str) -> None:
    with pytest.raises(TypeError, match=rf"TestAcme: {name} is missing: \w+"):
        define(which, (name,))


@pytest.mark.parametrize(
    ("which", "said", "message"),
    [
        ("plugin", {"kind": "guard"}, "kind is 'guard'; it must be one of adapter, guardrail"),
        ("plugin", {"name": 3}, "name must be the name of the plugin's entry point, not 3"),
        ("plugin", {"plugin": Plugin()}, "plugin must be the class that the entry point names"),
        ("plugin", {"options": ["foo"]}, "options must be a dict"),
        ("plugin", {"options": {"word": "foo"}}, "Plugin has no Options: leave options out"),
        ("plugin", {"option": {}}, "the suite knows no 'option'. Did you mean 'options'?"),
        ("guardrail", {"accepts": "yes"}, "accepts must be a list of texts, not str: texts in which it finds nothing"),
        ("guardrail", {"refuses": []}, "refuses is empty: texts in which it finds something"),
        ("guardrail", {"refuses": ["no", b"no"]}, r"refuses\[1\] must be a text, not b'no'"),
        ("guardrail", {"refuses": ["no", "yes"]}, "'yes' is in accepts and in refuses"),
        ("guardrail", {"accept": ["yes"]}, "knows no 'accept'. Did you mean 'accepts'?"),
        ("adapter", {"text": " "}, "text must be the answer that make_source's sources hold, not ' '"),
        ("adapter", {"make_source": ["yes"]}, "make_source must be a method"),
        ("adapter", {"make_truncatd": lambda self: None}, "Did you mean 'make_truncated'?"),
        ("policy", {"skips": ["test_it_never_raises"]}, "skips must be a dict of reasons by test"),
        ("policy", {"skips": {"test_it_never_rises": "it does"}}, "no such test. Did you mean 'test_it_never_raises'?"),
        ("policy", {"skips": {"test_it_never_raises": " "}}, "gives no reason for test_it_never_raises"),
        (
            "policy",
            {"test_it_never_raises": lambda self: None},
            "test_it_never_raises is a test of PolicySuite, which would not run any more. .*skips = {",
        ),
        ("policy", {"test_its_hooks_are_hooks": None}, "test_its_hooks_are_hooks is a test of PluginSuite"),
    ],
)
def test_what_is_mistaken_is_told(which: str, said: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        define(which, **said)


def test_a_test_cannot_be_overridden_from_the_side_or_from_above() -> None:
    mixed_in = type("Mixin", (), {"test_it_never_raises": lambda self: None})
    with pytest.raises(TypeError, match="is a test of PolicySuite"):
        define("policy", bases=(mixed_in,))

    with pytest.raises(TypeError, match="is a test of PolicySuite"):

        class Ours(PolicySuite, abstract=True):
            def test_it_never_raises(self) -> None: ...


def test_a_suite_of_ones_own_has_tests_of_its_own() -> None:
    class Ours(PolicySuite, abstract=True):
        def test_it_is_ours(self) -> None: ...

    with pytest.raises(TypeError, match="name is missing"):
        type("TestAcme", (Ours,), {})
    with pytest.raises(TypeError, match="test_it_is_ours is a test of Ours"):
        type("TestAcme", (Ours,), WHOLE["policy"] | {"test_it_is_ours": None})
    assert type("TestAcme", (Ours,), WHOLE["policy"])


ACME = """
from l0_core import RetryAfter, hookimpl
from l0_testing import PolicySuite

class Acme:
    @hookimpl
    def decide_retry(self, ctx, failure):
        return RetryAfter(1.0)

class TestAcme(PolicySuite):
    name = "acme"
    plugin = Acme
    {more}
"""


def run_pytest(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "l0_testing.pytest_plugin", "-p", "no:cacheprovider", "-q", "-rs"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "L0_TEST_CASES": "10"}
    done = subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout


def test_a_skip_is_reported_with_its_reason_and_what_calls_cost(tmp_path: Path) -> None:
    skips = {"test_two_streams_at_once_share_nothing": "it learns from one stream for the next"}
    (tmp_path / "test_acme.py").write_text(ACME.format(more=f"skips = {skips!r}"))
    said = run_pytest(tmp_path, "-k", "share_nothing or is_reported or never_raises")

    assert re.search(r"SKIPPED \[1\] .*: it learns from one stream for the next", said)
    assert re.search(r"=== what a call of a plugin takes ===+\npolicy acme: decide_retry \d+\.\d µs\n", said)
    assert "2 passed, 1 skipped" in said


def test_a_failure_says_what_to_do_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(ACME.format(more="options = {}"))
    said = run_pytest(tmp_path, "-k", "names_the_class")

    assert "1 failed" in said
    assert re.search(
        r"(?m)^policy 'acme' \(test_acme.Acme\): no entry point 'acme' is installed in the group 'l0.policies'", said
    )
    assert "l0_testing/suites" not in said


def test_a_class_that_overrides_a_test_is_not_collected(tmp_path: Path) -> None:
    (tmp_path / "test_acme.py").write_text(ACME.format(more="test_it_never_raises = None"))
    said = run_pytest(tmp_path)

    assert "TypeError: test_acme.TestAcme: test_it_never_raises is a test of PolicySuite" in said
    assert "1 error" in said


def test_the_example_of_the_readme_runs(site: Any) -> None:
    blocks = r"### A guardrail, tested.*?```python\n(.*?)```.*?```toml\n(.*?)```.*?```python\n(.*?)```"
    found = re.search(blocks, README.read_text("utf-8"), re.DOTALL)
    assert found
    plugin, project, test = found.groups()
    metadata = tomllib.loads(project)["project"]
    (points,) = metadata["entry-points"].items()
    (site.folder / "acme_words.py").write_text(plugin)
    info = site.folder / "acme_words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {metadata['name']}\nVersion: {metadata['version']}\n"
        f"Requires-Dist: {metadata['dependencies'][0]}\n"
    )
    (info / "entry_points.txt").write_text(f"[{points[0]}]\nwords = {points[1]['words']}\n")
    (site.folder / "test_words.py").write_text(test)
    said = run_pytest(site.folder, "test_words.py")

    assert re.search(r"\n2\d passed", said), said
