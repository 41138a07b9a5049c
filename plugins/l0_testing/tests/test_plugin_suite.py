"""Each promise of the suite for every plugin fails for a plugin that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from l0_testing import GuardrailSuite, PluginSuite

Failures = Callable[..., dict[str, str]]

GOOD = """
class Acme:
    @dataclass(frozen=True, kw_only=True)
    class Options:
        word: str = "foo"

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @hookimpl
    def on_token(self, ctx):
        count = 0

        def handle(text):
            nonlocal count
            count += text.count(self.options.word)

        return handle
"""

FILE = "test_its_options_are_configured_in_a_file"
LIGHT = "test_importing_it_is_light"
OPTIONS = "test_its_options_are_a_frozen_dataclass"
HOOKS = "test_its_hooks_are_hooks"
MADE = "test_it_works_without_configuration"
TOGETHER = "test_two_streams_at_once_share_nothing"
CANCELLED = "test_a_cancelled_stream_leaves_nothing"
WAITS = "test_nothing_in_it_sleeps_or_waits_for_the_network"
LONG = "test_no_call_of_it_takes_long"
EMPTY = "test_an_empty_answer_is_left_alone"


def suite(cls: Any, plugin_kind: str = "monitor", **given: Any) -> type:
    class TestAcme(PluginSuite):
        kind = plugin_kind
        name = given.pop("name", "acme")
        plugin = cls
        options = given.pop("options", {})

    return TestAcme


def test_a_good_plugin_passes(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD, "monitor")

    assert failures(suite(cls), FILE, LIGHT) == {}
    assert failures(suite(cls, options={"word": "bar"}), FILE) == {}


def hook(body: str, hook: str = "on_token(self, ctx)", more: str = "") -> str:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return f"class Acme:\n{more}    @hookimpl\n    def {hook}:\n{lines}"


# A judge that does nothing but what is wrong with it.
def judge(body: str, more: str = "", **opening: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    start = opening.get("start", "")
    kind = opening.get("kind", "def")
    return hook(f"{start}\n{kind} judge(delta, final):\n{lines}return judge", "check(self, ctx)", more)


BAD = {
    "its options can be changed": (
        GOOD.replace("frozen=True, ", ""), {OPTIONS: "can be changed.*frozen=True, kw_only=True"},
    ),
    "its options go by position": (GOOD.replace(", kw_only=True", ""), {OPTIONS: "take word by position"}),
    "its options are no dataclass": (
        GOOD.replace("    @dataclass(frozen=True, kw_only=True)\n", ""), {OPTIONS: "no dataclass"},
    ),
    "it keeps a stream's text in itself": (
        judge('if final: self.text = ""\nself.text += delta\n'
              'if "4." in self.text: return Violation("acme", "says 4.", position=len(self.text))',
              more='    text = ""\n'),
        {TOGETHER: "(?s)it keeps in itself what belongs to a stream.*alone: .*together: "},
    ),
    "it takes up what an earlier stream left": (
        judge('if final: self.texts += 1\nif self.texts > 1: return Violation("acme", "says more")',
              more="    texts = 0\n"),
        {TOGETHER: "(at the same time|after others) are not what they are alone"},
    ),
    "it leaves a task": (
        judge("pass", start="self.task = asyncio.create_task(asyncio.sleep(1000))"),
        {CANCELLED: "(?s)left behind.*task"},
    ),
    "it sleeps": (judge("time.sleep(0.001)"), {WAITS: r"time.sleep\(0.001\) at .*acme_\d+.py:\d+.*asyncio.to_thread"}),
    "it sleeps under another name": (
        "from time import sleep\n" + judge("sleep(0.001)"), {WAITS: r"time.sleep\(0.001\) at .*acme_"},
    ),
    "it looks up a host": (
        judge("socket.getaddrinfo('127.0.0.1', 80)"), {WAITS: r"socket.getaddrinfo at .*acme_\d+.py"},
    ),
    "it connects to a host": (
        judge("with socket.socket() as sock:\n    sock.settimeout(1)\n    sock.connect_ex(('127.0.0.1', 1))"),
        {WAITS: r"socket.connect at .*acme_\d+.py"},
    ),
    "it takes long": (
        judge("end = time.thread_time() + 0.06 * final\nwhile time.thread_time() < end: sum(range(1000))"),
        {LONG: "a call of its judge took [67]. ms"},
    ),
    "it takes long as a coroutine": (
        judge("await asyncio.sleep(0)\nend = time.thread_time() + 0.06 * final\n"
              "while time.thread_time() < end: sum(range(1000))", kind="async def"),
        {LONG: "a call of its judge took [67]. ms"},
    ),
    "it has a say in an empty answer": (
        hook("if isinstance(failure.error, Exception) and not ctx.state.content:\n    failure.error.args = ('none',)\n"
             "    raise ValueError(f'nothing was said')", "decide_retry(self, ctx, failure)"),
        {EMPTY: "its decide_retry raised ValueError: nothing was said"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_plugin_that_breaks_one_promise_fails_by_it(what: str, site: Any, failures: Failures) -> None:
    source, expected = BAD[what]
    found = failures(suite(site.install(source, "monitor")))

    assert found.keys() == expected.keys(), found
    for test, message in expected.items():
        assert re.search(message, found[test]), found[test]
        assert found[test].startswith("monitor 'acme' (acme_")


UNUSABLE = {
    "it cannot be made without options that it does not ask for": (
        GOOD.replace(': str = "foo"', ": str"), MADE, r"raises TypeError.*Give every field of its Options a default",
    ),
    "its hook takes what no hook gives": (
        hook("return None", "on_token(self, token)"), HOOKS, r"(?s)'token', which the hook does not give.*@hookimpl",
    ),
    "its hook is not marked": (GOOD.replace("    @hookimpl\n", ""), HOOKS, "on_token .* is not marked as a hook"),
    "it has no hook": ("class Acme:\n    def on_tokn(self, ctx): ...", HOOKS, "'on_tokn' meant to be 'on_token'"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_plugin_of_which_nothing_works_fails_wherever_it_is_needed(what: str, site: Any, failures: Failures) -> None:
    source, test, message = UNUSABLE[what]
    found = failures(suite(site.install(source, "monitor")))

    assert found.keys() >= {test, TOGETHER, CANCELLED, WAITS, LONG, EMPTY}
    assert re.search(message, found[test]), found[test]


SLOW = {
    "it imports an SDK": (GOOD + "\nimport pydantic", LIGHT, "importing it imports pydantic"),
    "it asks the network": (
        GOOD + "\ntry: socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError: pass", LIGHT,
        "asks for the network",
    ),
    "it cannot be imported twice": (
        GOOD + "\nif 'L0_TESTING_HERE' not in os.environ: raise OSError('no device')", LIGHT,
        "cannot be imported in a process of its own: OSError: no device",
    ),
    "it ends the process": (
        GOOD + "\nif 'L0_TESTING_HERE' not in os.environ: os._exit(3)", LIGHT, "ended with exit code 3",
    ),
    "an option has no type": (
        GOOD.replace("word: str", "word: Any"), FILE, r'accepts word = \{"l0_testing" = \[\[\]\]\}: give that field',
    ),
    "an option's type cannot be read": (
        "from __future__ import annotations\n" + GOOD.replace("word: str", "word: Word"), FILE,
        "types of its Options cannot be read: NameError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SLOW)
def test_a_plugin_that_is_not_at_home_elsewhere_fails(
    what: str, site: Any, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, test, message = SLOW[what]
    future = "from __future__ import annotations\n"
    if source.startswith(future):
        monkeypatch.setattr(site, "START", future + site.START)
        source = source.removeprefix(future)
    monkeypatch.setenv("L0_TESTING_HERE", "1")
    found = failures(suite(site.install(source, "monitor")), test)

    assert found.keys() == {test}
    assert re.search(message, found[test]), found[test]


def test_a_plugin_that_needs_options_and_does_not_say_so(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD.replace("options or self.Options()", "options"), "monitor")
    found = failures(suite(cls, options={"word": "bar"}))

    assert found.keys() == {MADE}
    assert re.search("its token raised AttributeError: .* at acme_", found[MADE])


def test_a_plugin_that_says_that_it_needs_options_may(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD.replace("options: Options | None = None", "options: Options"), "monitor")

    assert failures(suite(cls, options={"word": "bar"})) == {}


def test_options_that_no_file_can_hold(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD.replace("word: str", "word: object"), "monitor")
    found = failures(suite(cls, options={"word": re.compile("foo")}), FILE)

    assert "a Pattern cannot be written in a file" in found[FILE]


def test_options_that_are_refused(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD.replace("word: str", "word: int"), "monitor")
    found = failures(suite(cls, options={"word": "foo"}), FILE)

    assert re.search(r"(?s)cannot be configured with the options of this suite.*word.*\[monitor", found[FILE])


ENTRY = "test_its_entry_point_names_the_class"
CORE = "test_its_distribution_requires_this_core"
NAME = "test_its_name_can_be_configured"


def test_a_plugin_that_is_not_installed(site: Any, failures: Failures) -> None:
    found = failures(suite(site.install(GOOD, "monitor", points={"acne": "acme:Acme"})))

    assert found.keys() == {ENTRY, CORE, NAME}
    assert re.search(
        r"(?s)no entry point 'acme' is installed in the group 'l0.monitors' \(there is .*acne.*"
        r'\[project.entry-points."l0.monitors"\]\nacme = "acme_\d+:Acme"\n\nand install it again',
        found[ENTRY],
    )


def test_an_entry_point_that_names_another_class(site: Any, failures: Failures) -> None:
    site.install(GOOD, "monitor")
    other = site.install(GOOD, "monitor", "other")
    found = failures(suite(other))

    assert found.keys() == {ENTRY}
    assert re.search(r"names acme_\d+.Acme, and the suite tests acme_\d+.Acme", found[ENTRY])


def test_an_entry_point_that_names_nothing(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD, "monitor", points={"acme": "acme_nowhere:Acme"})

    assert "cannot be loaded: ModuleNotFoundError" in failures(suite(cls))[ENTRY]


def test_a_name_that_no_file_can_hold(site: Any, failures: Failures) -> None:
    found = failures(suite(site.install(GOOD, "monitor", "Acme!"), name="Acme!"))

    assert found.keys() == {NAME}
    assert "a name is lower-case letters" in found[NAME]


def test_a_name_that_two_distributions_have(site: Any, failures: Failures) -> None:
    cls = site.install(GOOD, "monitor")
    site.install(GOOD, "monitor")
    found = failures(suite(cls))

    assert "2 distributions provide this name" in found[NAME]


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ([], "does not require l0-core"),
        (["l0-core-extras>=1"], "does not require l0-core"),
        (["l0-core>=99"], "requires l0-core>=99, and l0-core"),
    ],
)
def test_a_distribution_for_another_core(requires: list[str], message: str, site: Any, failures: Failures) -> None:
    found = failures(suite(site.install(GOOD, "monitor", requires=requires)))

    assert found.keys() == {CORE}
    assert message in found[CORE]


def test_a_kind_without_its_hook(site: Any, failures: Failures) -> None:
    class TestAcme(GuardrailSuite):
        name = "acme"
        plugin = site.install(GOOD)
        accepts = ["It is noon, and all is well."]
        refuses = ["foo"]

    assert "has no check hook, so it is no guardrail" in failures(TestAcme)[HOOKS]


def test_a_cancellation_that_is_swallowed_is_told(site: Any, failures: Failures) -> None:
    """L0 keeps plugins from swallowing one, so it is the suite's own streams that are tried here."""

    class TestAcme(suite(site.install(GOOD, "monitor"))):  # type: ignore[misc]
        async def _played(self, sample: Any, plugin: object) -> Any:
            import asyncio

            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return None

    assert "whoever catches CancelledError must raise it again" in failures(TestAcme)[CANCELLED]
