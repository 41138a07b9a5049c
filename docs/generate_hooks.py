"""Writes `docs/hooks.md`, the page of the five hooks, from their specs.

./dev run python docs/generate_hooks.py            # write it
./dev run python docs/generate_hooks.py --check    # exit with 1, and the difference, if it is not what it should be
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import sys
import textwrap
from pathlib import Path

from l0_core.plugins import GROUPS

from l0_core import guardrails, hookspecs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "hooks.md"
SPECS = "l0_core/l0_core/hookspecs.py"

SECTIONS = ("Called", "Order", "Return", "Raises", "State", "Cost", "Example")
"""What a hook's docstring says after its first line, in this order."""

HOOKS = {
    "adapt": ("adapter",),
    "on_token": ("monitor",),
    "check": ("guardrail",),
    "decide_retry": ("policy",),
    "store_event": ("store", "monitor"),
}
"""The hooks, and the kinds of plugins that usually implement each. Any plugin may implement any of them."""

SWITCHED_ON = {
    "adapter": "by being installed: it acts on what it recognises",
    "guardrail": '`guardrails=["NAME"]`',
    "store": '`plugins=["NAME"]`, `store = "NAME://..."` in a file',
    "monitor": '`plugins=["NAME"]`, `monitors = ["NAME"]` in a file',
    "policy": '`plugins=["NAME"]`, `policies = ["NAME"]` in a file',
}

TYPES = (
    "StreamContext AttemptContext StreamAdapter ClientAdapter Continued Check Judge GuardrailViolation "
    "Failure Decision RetryAfter FallBack Halt Sink Envelope"
).split()

PROMISES: dict[str, dict[str, str]] = {
    "": {
        "A record of what a plugin raised names it, its distribution, its version and the line": (
            "l0_core/tests/test_hooks.py::test_a_record_says_who_raised_and_where_and_not_what"
        ),
        "What ends the process passes through": (
            "l0_core/tests/test_stream.py::test_keyboard_interrupt_in_a_handler_passes_through"
        ),
        "What is naturally got wrong is answered with the right form": (
            "l0_core/tests/test_plugins.py::test_natural_mistakes_are_answered_with_the_right_form"
        ),
        "A hook may leave out arguments": "l0_core/tests/test_plugins.py::test_a_hook_may_leave_out_arguments",
    },
    "adapt": {
        "It is asked for each attempt, with what the factory returned": (
            "l0_core/tests/test_hooks.py::test_adapt_is_asked_for_each_attempt_with_what_the_factory_returned"
        ),
        "It is asked once for a client, without a context": (
            "l0_core/tests/test_hooks.py::test_adapt_is_asked_once_for_a_client_and_has_no_context_then"
        ),
        "The first answer counts, and `adapter=` goes before all": (
            "l0_core/tests/test_hooks.py::test_adapt_the_first_answer_counts"
        ),
        "The documented form of an adapter is accepted": (
            "l0_core/tests/test_plugins.py::test_an_adapter_of_the_documented_form_may_be_installed"
        ),
        "One that raises is passed over": (
            "l0_core/tests/test_plugins.py::test_an_installed_adapter_that_raises_is_passed_over_and_listed"
        ),
        "An exception in `decode` is a failure of the attempt": (
            "l0_core/tests/test_hooks.py::test_adapt_what_decode_raises_is_a_failure_of_the_attempt"
        ),
    },
    "on_token": {
        "It is opened before the first attempt, and told of each token before the consumer": (
            "l0_core/tests/test_hooks.py::test_on_token_is_told_before_the_consumer"
        ),
        "It is told of nothing twice": "l0_core/tests/test_hooks.py::test_on_token_is_told_of_nothing_twice",
        "All run, in order, after the caller's own": (
            "l0_core/tests/test_hooks.py::test_on_token_all_run_in_order_after_the_callers_own"
        ),
        "A coroutine function runs in its turn": (
            "l0_core/tests/test_hooks.py::test_on_token_a_coroutine_function_runs_in_its_turn"
        ),
        "One that raises is logged once, and called on": (
            "l0_core/tests/test_hooks.py::test_a_record_says_who_raised_and_where_and_not_what"
        ),
        "One object serves many streams at once": (
            "l0_core/tests/test_hooks.py::test_on_token_one_object_serves_two_streams_at_once"
        ),
    },
    "check": {
        "A judge is fed the text once, and then told of the end": (
            "l0_core/tests/test_checks.py::test_a_judge_is_fed_the_text_once_and_then_told_of_the_end"
        ),
        "It is fed first what the attempt continues": (
            "l0_core/tests/test_hooks.py::test_check_is_fed_first_what_the_attempt_continues"
        ),
        "All run in the order of their names, and the strictest violation decides": (
            "l0_core/tests/test_hooks.py::test_check_all_run_in_order_and_the_strictest_violation_decides"
        ),
        "A judge may be a coroutine function, and the text waits": (
            "l0_core/tests/test_checks.py::test_a_judge_may_be_asynchronous_and_its_token_waits"
        ),
        '`release="checked"` lets nothing out that a guardrail objects to': (
            "l0_core/tests/test_release.py::test_checked_lets_nothing_out_that_a_guardrail_objects_to"
        ),
        "One that raises is left out and recorded": (
            "l0_core/tests/test_checks.py::test_a_guardrail_that_breaks_is_left_out_and_recorded"
        ),
        '`on_error = "closed"` makes it a violation': (
            "l0_core/tests/test_config.py::test_on_error_closed_makes_a_violation_of_a_guardrail_that_raises"
        ),
        "One that cannot be opened ends the stream": (
            "l0_core/tests/test_hooks.py::test_check_one_that_cannot_be_opened_ends_the_stream"
        ),
        "An attempt that is made again opens its guardrails anew": (
            "l0_core/tests/test_checks.py::test_a_restart_opens_its_guardrails_anew"
        ),
        "One object serves many streams at once": (
            "l0_core/tests/test_checks.py::test_two_streams_share_a_guardrail_and_nothing_else"
        ),
    },
    "decide_retry": {
        "The first answer counts, and the caller's veto comes after it": (
            "l0_core/tests/test_hooks.py::test_decide_retry_the_first_answer_counts_and_the_veto_comes_last"
        ),
        "No answer exceeds the caps": "l0_core/tests/test_recovery.py::test_policies_decide_within_the_caps",
        "It is not asked where nothing can follow": (
            "l0_core/tests/test_hooks.py::test_decide_retry_is_not_asked_where_nothing_can_follow"
        ),
        "Where one raises, the next decides": (
            "l0_core/tests/test_hooks.py::test_decide_retry_where_one_raises_the_next_decides"
        ),
        "Its time counts against `Timeout.total`": (
            "l0_core/tests/test_hooks.py::test_decide_retry_takes_its_time_within_the_deadline"
        ),
    },
    "store_event": {
        "A sink gets every event, numbered, and all the text if it asks for it": (
            "l0_core/tests/test_hooks.py::test_store_event_a_sink_gets_every_event_numbered_and_all_the_text"
        ),
        "A source is opened within what `around` returns, each time": (
            "l0_core/tests/test_hooks.py::test_store_event_a_source_is_opened_within_what_a_sink_puts_around_it"
        ),
        "It gets no text otherwise": "l0_core/tests/test_hooks.py::test_store_event_a_sink_without_tokens_gets_no_text",
        "Batches come before text is withdrawn and at the end, which is SESSION_END": (
            "l0_core/tests/test_hooks.py::test_store_event_batches_come_before_a_reset_and_at_the_end"
        ),
        "Tokens are handed over when the stream waits: 60 of them, or after a fifth of a second": (
            "l0_core/tests/test_hooks.py::test_store_event_tokens_are_handed_over_when_the_stream_waits"
        ),
        "All receive, and one that raises loses alone": (
            "l0_core/tests/test_hooks.py::test_store_event_all_receive_and_one_that_raises_loses_alone"
        ),
        "Async writes run in order, and the end waits for them": (
            "l0_core/tests/test_hooks.py::test_store_event_async_writes_run_in_order_and_the_end_waits"
        ),
        "A stream that is closed unread is told as aborted": (
            "l0_core/tests/test_hooks.py::test_store_event_a_stream_that_is_closed_unread_is_told_as_aborted"
        ),
    },
}
"""What is promised of each hook, and of all (""), with the test that holds it."""

OPENING = '''
## A plugin, whole

A plugin is a class with hooks. A complete guardrail:

```python
from l0_core import Violation, hookimpl

class MaxLength:
    @hookimpl
    def check(self, ctx):
        length = 0
        def judge(delta, final):
            nonlocal length
            length += len(delta)
            if length > 2000:
                return Violation("max_length", "More than 2000 characters")
        return judge
```

It works as it stands, given to a call as a class or as an object. Plugins of other kinds go to `plugins=[...]`.

```python
stream = await l0.run(model, guardrails=[MaxLength])
text = await stream.read()
```

What may be configured is a nested `Options`, a frozen dataclass with keywords only. A value of the wrong type and an
unknown key are refused when the configuration is read, with the name of the file, the table and the key.

```python
from dataclasses import dataclass

from l0_core import Violation, hookimpl


class MaxLength:
    """Finds answers that are too long."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        characters: int = 2000

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @hookimpl
    def check(self, ctx):
        limit, length = self.options.characters, 0

        def judge(delta, final):
            nonlocal length
            length += len(delta)
            if length > limit:
                return Violation("max_length", f"More than {limit} characters", position=limit)

        return judge
```

An entry point publishes it. The group is the kind, the name is what users write:

```toml
[project]
name = "acme-max-length"
version = "1.0"
dependencies = ["l0-core>=0.1,<0.2"]

[project.entry-points."l0.guardrails"]
max_length = "acme_max_length:MaxLength"
```

Once it is installed, its name switches it on, in a call (`guardrails=["max_length"]`) or in a file:

```toml
# l0.toml
guardrails = ["max_length"]

[guardrail.max_length]
characters = 500
on_error = "closed"
```

`l0 plugins` lists what is installed, with its version, its state and the reason if it cannot be used.
[l0-guard-json](../plugins/l0_guard_json) is a distribution to copy.
'''


def page() -> str:
    """The whole page."""
    parts = [
        f"<!-- Written by docs/generate_hooks.py from {SPECS}: change those, not this. -->\n",
        "# The five hooks\n",
        _introduction(),
        _promises(""),
        _overview(),
        OPENING.strip() + "\n",
        _kinds(),
        "The examples below leave out their imports: every name in them comes from `l0_core`.\n",
        *(_hook(name) for name in HOOKS),
        "## What hooks are given and return\n",
        *(_type(name) for name in TYPES),
    ]
    return "\n".join(parts)


def signature(name: str) -> str:
    """A hook's signature as the code has it."""
    spec = inspect.signature(getattr(hookspecs, name))
    arguments = ", ".join(f"{each.name}: {each.annotation}" for each in spec.parameters.values())
    return f"def {name}({arguments}) -> {spec.return_annotation}"


def sections(docstring: str) -> tuple[str, dict[str, str]]:
    """What comes before the labelled sections of a docstring, and each section by its label, in order."""
    head, *rest = re.split(r"^([A-Z][a-z]+): ?", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return head.strip(), dict(zip(rest[::2], map(_dedented, rest[1::2]), strict=True))


def example(name: str) -> str:
    """The code of a hook's example."""
    return sections(getattr(hookspecs, name).__doc__)[1]["Example"]


def _dedented(section: str) -> str:
    first, _, rest = section.partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}".strip()


def _introduction() -> str:
    head, common = sections(hookspecs.__doc__ or "")
    _, _, head = head.partition("\n\n")
    return "\n".join([f"{head}\n", *(_bullet(label, text) for label, text in common.items()), ""])


def _bullet(label: str, text: str) -> str:
    said = f"- **{label}**: {' '.join(text.split())}"
    return textwrap.fill(said, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _overview() -> str:
    rows = [f"| [`{name}`](#{name}) | {_first_line(name)} | {', '.join(kinds)} |" for name, kinds in HOOKS.items()]
    return "\n".join(["| hook | what it does | usual kind |", "|---|---|---|", *rows, ""])


def _first_line(name: str) -> str:
    line = (getattr(hookspecs, name).__doc__ or "").partition("\n")[0]
    return line.rstrip(".")


def _kinds() -> str:
    rows = []
    for kind, group in GROUPS.items():
        usual = ", ".join(f"`{name}`" for name, kinds in HOOKS.items() if kind in kinds)
        rows.append(f"| {kind} | `{group}` | {usual} | {SWITCHED_ON[kind]} |")
    return "\n".join(["| kind | entry-point group | usual hook | switched on |", "|---|---|---|---|", *rows, ""])


def _hook(name: str) -> str:
    head, said = sections(getattr(hookspecs, name).__doc__)
    groups = " and ".join(f"`{GROUPS[kind]}`" for kind in HOOKS[name])
    return "\n".join(
        [
            f"## `{name}`\n",
            f"```python\n{signature(name)}\n```\n",
            f"{head}\n",
            *(_bullet(label, said[label]) for label in SECTIONS[:-1]),
            f"\n```python\n{said['Example']}\n```\n",
            f"Usually found in {groups}.\n",
            _promises(name),
        ]
    )


def _promises(name: str) -> str:
    rows = []
    for promise, test in PROMISES[name].items():
        path, _, function = test.partition("::")
        rows.append(f"| {promise} | [`{function}`](../{path}) |")
    return "\n".join(["| promise | held by |", "|---|---|", *rows, ""])


def _type(name: str) -> str:
    module = hookspecs if hasattr(hookspecs, name) and name != "GuardrailViolation" else guardrails
    tree = ast.parse(Path(module.__file__ or "").read_text())
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _class(node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return "\n".join(filter(None, [_title(name), _code(ast.unparse(node)), _docstring_of(following)]))
    raise LookupError(f"{name} is not defined in {module.__name__}")


def _class(node: ast.ClassDef) -> str:
    members = list(_members(node.body))
    bases = [base for base in map(ast.unparse, node.bases) if base != "Protocol"]
    rows = []
    for member, kind, meaning in members:
        cells = (f"`{member}`", f"`{kind}`" if kind else "", " ".join(meaning.split()))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    table = ["| member | type | meaning |", "|---|---|---|", *rows, ""] if rows else []
    also = [f"It has what [`{base}`](#{base.lower()}) has, and:\n" for base in bases]
    said = inspect.cleandoc(ast.get_docstring(node) or "")
    return "\n".join([_title(node.name), f"{said}\n", *also, *table])


def _title(name: str) -> str:
    return "### `Violation`\n" if name == "GuardrailViolation" else f"### `{name}`\n"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _members(body: list[ast.stmt]) -> list[tuple[str, str, str]]:
    """Name, type and meaning of each public member of a class."""
    found = []
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            default = f" = {ast.unparse(node.value)}" if node.value is not None else ""
            found.append((node.target.id, ast.unparse(node.annotation) + default, _docstring_of(following)))
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            kind = ast.unparse(node.returns) if node.returns else ""
            name = node.name
            if not any(ast.unparse(each) == "property" for each in node.decorator_list):
                name = f"{name}({', '.join(each.arg for each in node.args.args[1:])})"
            found.append((name, kind, ast.get_docstring(node) or ""))
    return found


def _docstring_of(following: ast.stmt | None) -> str:
    """The docstring below a field."""
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return inspect.cleandoc(str(following.value.value)) + "\n"
    return ""


def main(arguments: list[str]) -> None:
    written = PAGE.read_text() if PAGE.exists() else ""
    wanted = page()
    if arguments == ["--check"]:
        difference = difflib.unified_diff(
            written.splitlines(), wanted.splitlines(), "docs/hooks.md", "as it should be", lineterm=""
        )
        if written != wanted:
            sys.exit("\n".join([*difference, "run: ./dev run python docs/generate_hooks.py"]))
    elif arguments:
        sys.exit(f"unknown arguments {' '.join(arguments)!r}; --check is the only one")
    else:
        PAGE.write_text(wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
