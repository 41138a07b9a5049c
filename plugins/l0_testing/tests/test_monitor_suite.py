"""Each promise of the suite for monitors fails for a monitor that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from l0_testing import MonitorSuite

Failures = Callable[..., dict[str, str]]

SAME = "test_a_stream_is_the_same_with_it"
BACKEND = "test_a_stream_is_the_same_when_its_backend_fails"
AROUND = "test_what_it_puts_around_a_source_is_left"
VERSIONS = "test_events_of_other_versions_do_not_break_it"
FINISHES = "test_it_finishes_every_stream"
LETS_GO = "test_it_lets_go_of_a_stream_that_has_ended"
MEMORY = "test_its_memory_does_not_grow_with_the_streams"
LINEAR = "test_a_token_does_not_cost_more_in_a_longer_answer"
MIXED = "test_streams_at_once_are_not_mixed_up"
LEAVES = "test_nothing_of_what_was_said_leaves"
CAPTURES = "test_it_tells_the_answer_where_it_is_to"
HOOKS = "test_its_hooks_are_hooks"

GOOD = """
import contextlib, contextvars, logging, traceback
from collections import deque

current = contextvars.ContextVar("acme_current", default=None)

class Acme:
    LINES = []
    OPEN = []

    def __init__(self, captures=False):
        self.captures = captures
        self.kept = {}

    @hookimpl
    def store_event(self, ctx):
        counts, texts = {}, []

        def write(batch):
            for envelope in batch:
                take(envelope.event.type.value, envelope.event.meta)

        def take(kind, meta):
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "SESSION_START":
                self.OPEN.append(ctx.stream_id)
            if kind == "TOKEN":
                texts.extend(meta.get("tokens", ()))
            if kind == "SESSION_END":
                self.OPEN.remove(ctx.stream_id)
                said = "".join(texts) if self.captures else ""
                self.LINES.append(f"{ctx.stream_id} {ctx.context.get('model')} {meta.get('outcome')} {counts} {said}")

        @contextlib.contextmanager
        def around(attempt):
            token = current.set(attempt.number)
            yield
            current.reset(token)

        return Sink(write, tokens=self.captures, around=around)
"""


def changed(*changes: str) -> str:
    source = GOOD
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    return source


def also(line: str, more: str = "") -> str:
    """A monitor that does something else with each event. `more` is what its sink asks for, too."""
    counting = "counts[kind] = counts.get(kind, 0) + 1"
    asked = more if "tokens" in more else f"tokens=self.captures, {more}"
    return changed(
        counting, f"{counting}\n            {line}", "tokens=self.captures, ", f"{asked}, ".replace(", , ", ", ")
    )


def suite(cls: Any, **given: Any) -> type:
    class TestAcme(MonitorSuite):
        name = "acme"
        plugin = cls
        told_context = given.get("told_context", {"model"})

        def told(self) -> Any:
            return given.get("told", cls.LINES)

        def make_capturing(self) -> Any:
            return cls(captures=True)

        def open(self) -> Any:
            return given.get("open", len(cls.OPEN))

        def forget(self) -> None:
            cls.LINES.clear()

    return TestAcme


ASYNC = changed("def write(batch):", "async def write(batch):\n            await asyncio.sleep(0.2)")
BOUNDED = also("self.kept.setdefault('latest', deque(maxlen=700)).append(ctx.stream_id)")


@pytest.mark.parametrize("source", [GOOD, ASYNC, BOUNDED], ids=["plain", "asynchronous", "it keeps the latest"])
def test_a_good_monitor_passes(source: str, site: Any, failures: Failures) -> None:
    assert failures(suite(site.install(source, "monitor")), LINEAR) == {}


def test_a_good_monitor_of_tokens_alone_passes(site: Any, failures: Failures) -> None:
    source = """
class Acme:
    LINES, OPEN = [], []

    def __init__(self, captures=False):
        self.captures = captures

    @hookimpl
    def on_token(self, ctx):
        return lambda text: self.LINES.append(text if self.captures else str(len(text)))
"""
    assert failures(suite(site.install(source, "monitor"), told_context=())) == {}


BAD = {
    "it changes what others are told": (
        also('meta.get("policy", {}).clear()'), {SAME, BACKEND}, SAME,
        r"(?s)a stream that breaks and is retried is not the same with it.*told to others without it: .*maxRetries.*"
        r"told to others with it: .*'policy': {}",
    ),
    "it changes the state": (
        also("ctx.state.drift_detected = True"), {SAME, BACKEND}, SAME,
        r"(?s)a stream that is complete is not the same with it.*state without it: {'drift_detected': 'False'}.*"
        r"state with it:    {'drift_detected': 'True'}",
    ),
    "it fails streams whose record is lost": (
        also("pass", "required=True"), {BACKEND}, BACKEND, "its Sink is required=True, so streams fail where its",
    ),
    "it leaves what it has set": (
        changed("            current.reset(token)\n", "", "set(attempt.number)", "set(object())"), {AROUND}, AROUND,
        "in a stream that is complete, the consumer has another value of acme_current: reset where `around` is left",
    ),
    "it needs a key": (
        also('if kind == "RETRY_ATTEMPT": meta["delay"]'), {VERSIONS}, VERSIONS,
        r"told of events of every type, without any key, in .*, its write raised KeyError: 'delay' at acme_\d+.py:\d+. "
        r".*use event.meta.get",
    ),
    "it needs a key where another has a value": (
        also('if meta.get("passed") is False: meta["ruleId"]'), {VERSIONS}, VERSIONS,
        "told of events without the key 'ruleId', in a stream that a guardrail warns of, its write raised KeyError",
    ),
    "it needs a key where a stream has failed": (
        also('if kind == "SESSION_SUMMARY" and meta.get("outcome") == "error": meta["startTs"]'), {VERSIONS}, VERSIONS,
        "told of events without the key 'startTs', in a stream that a guardrail ends, its write raised KeyError",
    ),
    "it needs to know each type": (
        also("ObservabilityEventType(kind)"), {VERSIONS}, VERSIONS, "told of events of a type that it does not know",
    ),
    "it needs to know each key": (
        also('if kind == "RESET": (lambda keep: keep)(**meta)'), {VERSIONS}, VERSIONS,
        "told of events .*, in a stream that .*, its write raised TypeError",
    ),
    "it does not finish without a key": (
        changed('if kind == "SESSION_END":', 'if kind == "SESSION_END" and "outcome" in meta:'), {VERSIONS}, VERSIONS,
        "told of events without any key, in a stream that is complete, it left 1 of what it had begun unfinished",
    ),
    "it does not finish what is aborted": (
        changed('if kind == "SESSION_END":', 'if kind == "SESSION_END" and meta.get("outcome") != "aborted":'),
        {FINISHES, MEMORY}, FINISHES, "after a stream that is aborted, 1 of the things that it has begun are unfin",
    ),
    "it begins what never happens": (
        changed("counts, texts = {}, []", "counts, texts = {}, []\n        self.OPEN.append(ctx.stream_id)",
                'if kind == "SESSION_START":', "if False:"),
        {FINISHES}, FINISHES, "after a stream that is never read, 1 .* begin nothing in store_event",
    ),
    "it keeps the context": (
        also('self.kept["latest"] = ctx'), {LETS_GO}, LETS_GO, "of a stream that .*, its state is still there after",
    ),
    "it keeps what was raised": (
        also('if kind == "OUTPUT" and "error" in meta: self.kept["latest"] = meta["error"]', "outputs=True"),
        {LETS_GO}, LETS_GO, "of a stream that .*, an exception that was raised is still there after the end",
    ),
    "it keeps a line of each stream": (
        also('self.kept[ctx.stream_id] = kind'), {MEMORY}, MEMORY,
        r"after 1,600 streams, each further one takes \d\.\d blocks of memory .*deque\(maxlen=...\)",
    ),
    "it takes one stream for another": (
        changed("counts, texts = {}, []", "counts, texts = {}, []\n        self.latest = ctx.stream_id",
                "f\"{ctx.stream_id}", "f\"{self.latest}"),
        {MIXED}, MIXED,
        r"a stream that is complete is told of otherwise at the same time as others than alone: .*\[0, 1\] times, and "
        r"alone \[1, 1\] times. The plugin keeps in itself",
    ),
    "it tells what an earlier stream had": (
        changed("{ctx.context.get('model')}", "{self.kept.setdefault('model', ctx.context.get('model'))}"),
        {MIXED}, MIXED, r"is told of otherwise at the same time as others than alone",
    ),
    "it logs the answer": (
        also("logging.getLogger('acme').info('said %s', ctx.state.content)"),
        {LEAVES}, LEAVES, r"(?s)it tells the answer. Tell names, numbers and times.*the log, from INFO up: .*Canary",
    ),
    "it tells the context": (
        changed("{ctx.context.get('model')}", "{ctx.context}"), {LEAVES}, LEAVES,
        "it tells 'provider' of the caller's context. Name the key in told_context if",
    ),
    "it does not tell the answer where it is to": (
        changed("if self.captures", "if False"), {CAPTURES}, CAPTURES, "does not tell the answer. A Sink",
    ),
    "it looks at the whole answer for each piece": (
        changed("tokens=self.captures", "tokens=True", "texts.extend(meta.get(\"tokens\", ()))",
                "for text in meta.get('tokens', ()):\n                    texts.append(text)\n"
                "                    ''.join(texts).split()"),
        {LINEAR}, LINEAR, "500 tokens take it .* ms, and four times as many .* ms. Look at what is new",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_monitor_that_breaks_one_promise_fails_by_it(what: str, site: Any, failures: Failures) -> None:
    source, expected, test, message = BAD[what]
    found = failures(suite(site.install(source, "monitor")))

    assert found.keys() == expected, found
    assert all(said.startswith("monitor 'acme' (acme_") for said in found.values())
    assert re.search(message, found[test]), found[test]


SAID = {
    "the answer": ("ctx.state.content", ""),
    "the reasoning": ("ctx.state.reasoning", ""),
    "a refusal": ("ctx.state.refusal", ""),
    "another choice": ("ctx.state.choices", ""),
    "data": ("ctx.state.data_outputs", ""),
    "the arguments of a tool call": ("ctx.state.tool_calls", ""),
    "what a guardrail says": ("ctx.state.violations", ""),
    "an answer that was refused": ("meta.get('tokens', ())[:1]", "tokens=True"),
    "the message of an error": (
        "meta['error'] if hasattr(meta.get('error'), 'status_code') else ''",
        "outputs=True",
    ),
    "the message of a network error": ("getattr(meta.get('error'), 'strerror', '')", "outputs=True"),
    "the attributes of a network error": ("getattr(meta.get('error'), 'host', '')", "outputs=True"),
    "the body of an error": ("getattr(meta.get('error'), 'body', '')", "outputs=True"),
    "the cause of an error": ("getattr(meta.get('error'), '__cause__', '')", "outputs=True"),
    "the note of an error": ("getattr(meta.get('error'), '__notes__', '')", "outputs=True"),
}


@pytest.mark.parametrize("what", SAID)
def test_a_monitor_that_tells_what_was_said_fails(what: str, site: Any) -> None:
    told, more = SAID[what]
    source = also(f"self.LINES.append(repr({told}))", more)

    with pytest.raises(pytest.fail.Exception, match=f"it tells {what}. Tell names, numbers and times, unless"):
        getattr(suite(site.install(source, "monitor"))(), LEAVES)()


RAISES = {
    "in write": (also('if kind == "FALLBACK_START": raise ValueError(kind)'), "goes on with another source, its write"),
    "in a coroutine": (
        changed("def write(batch):", "async def write(batch):\n            raise ValueError(0)"), "complete, its write",
    ),
    "in around": (changed("yield\n", "yield\n            raise ValueError(0)\n"), "complete, its around"),
    "in store_event": (changed("counts, texts =", "raise ValueError(0)\n        counts, texts ="), "its store_event"),
}  # fmt: skip


@pytest.mark.parametrize("where", RAISES)
def test_a_monitor_that_raises_fails(where: str, site: Any) -> None:
    source, message = RAISES[where]

    with pytest.raises(pytest.fail.Exception, match=rf"in a stream that .*{message} raised ValueError: \w+ at acme_"):
        getattr(suite(site.install(source, "monitor"))(), SAME)()


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("def adapt(self): ...", "it has no store_event hook, and no on_token hook, so it is no monitor"),
        ("def on_token(self): ...\n    @hookimpl\n    def check(self): ...", "its check hook has a say in streams"),
    ],
)
def test_what_is_no_monitor_fails(hook: str, message: str, site: Any) -> None:
    cls = site.install(f"class Acme:\n    @hookimpl\n    {hook}", "monitor")

    with pytest.raises(pytest.fail.Exception, match=message):
        getattr(suite(cls)(), HOOKS)()


@pytest.mark.parametrize(
    ("given", "test", "message"),
    [
        ({"told": ""}, LEAVES, "told.. says the same before and after 20 streams"),
        ({"told": 3}, LEAVES, "told.. must return text, bytes, or a list of them, not 3"),
        ({"told_context": {"model", "user"}}, LEAVES, "told_context says that 'user' of the context is told, and it"),
        ({"open": None}, FINISHES, "open.. must return how many things are unfinished, not None"),
    ],
)
def test_what_the_class_says_wrongly_is_told(given: dict[str, Any], test: str, message: str, site: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match=message):
        getattr(suite(site.install(GOOD, "monitor"), **given)(), test)()


def test_what_is_told_may_be_bytes(site: Any) -> None:
    cls = site.install(changed("{ctx.context.get('model')}", "{ctx.context}"), "monitor")

    class TestAcme(suite(cls)):  # type: ignore[misc]
        def told(self) -> list[bytes]:
            return [line.encode() for line in cls.LINES]

    with pytest.raises(pytest.fail.Exception, match="of the caller's context"):
        getattr(TestAcme(), LEAVES)()


def test_a_monitor_may_be_documented_to_tell_the_whole_context(site: Any) -> None:
    cls = site.install(changed("{ctx.context.get('model')}", "{ctx.context}"), "monitor")

    getattr(suite(cls, told_context={"*"})(), LEAVES)()


@pytest.mark.parametrize("test", [FINISHES, MEMORY, CAPTURES])
def test_what_is_left_out_is_skipped_and_said(test: str, site: Any) -> None:
    cls = site.install(GOOD, "monitor")

    class TestAcme(MonitorSuite):
        name = "acme"
        plugin = cls

        def told(self) -> Any:
            return cls.LINES

    with pytest.raises(pytest.skip.Exception, match=r"the suite has no (open|forget|make_capturing)\(\): "):
        getattr(TestAcme(), test)()


class Plugin:
    """Stands for a plugin that has no Options."""


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"told": None}, "told must be a method, not None"),
        ({"told_context": "model"}, "told_context must be a set of keys, .'model'., not 'model'|told_context must be"),
        ({"told_contxt": {"model"}}, "knows no 'told_contxt'. Did you mean 'told_context'?"),
        ({"forget": "all"}, "forget must be a method, not 'all'"),
    ],
)
def test_what_is_mistaken_is_told_when_the_class_is_defined(said: dict[str, Any], message: str) -> None:
    whole = {"name": "acme", "plugin": Plugin, "told": lambda self: ""}
    assert type("TestAcme", (MonitorSuite,), whole)
    with pytest.raises(TypeError, match="TestAcme: told is missing: a method that returns what it has told"):
        type("TestAcme", (MonitorSuite,), {"name": "acme", "plugin": Plugin})
    with pytest.raises(TypeError, match=message):
        type("TestAcme", (MonitorSuite,), whole | said)
