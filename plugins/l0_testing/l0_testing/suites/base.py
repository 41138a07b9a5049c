"""What every plugin promises, of whatever kind."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from statistics import median
from typing import Any, ClassVar, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import l0
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from l0_core import GROUPS, Installed, Registry, bind, hookimpl
from l0_testing.leaks import LeakCheck
from l0_testing.suites import definition, processes
from l0_testing.suites.blocking import blocking_calls
from l0_testing.suites.playing import Played, Sample, of_text, pieces, play, side_by_side, virtually
from l0_testing.suites.watching import Call, placed, raised, watched
from l0_testing.virtual import VirtualDeadlock, VirtualLimit

__all__ = ["PluginSuite"]

T = TypeVar("T")

SDKS = frozenset(
    (
        *("aiohttp", "anthropic", "boto3", "botocore", "cohere", "google", "groq", "httpx", "httpx2", "litellm"),
        *("mistralai", "ollama", "openai", "opentelemetry", "pydantic", "requests", "sentry_sdk", "together"),
    )
)
"""Packages that are slow to import: whoever needs one imports it where it is used."""

LONG = 0.05
"""Seconds of the thread's time that one call may keep the event loop."""

PACE = 0.01
"""Virtual seconds between two tokens where a stream is to be interrupted."""

TEXTS = ("It is noon, and all is well.", "Two and two are four: 2 + 2 = 4.", "No.")


class PluginSuite:
    """The tests of a plugin. Derive a class `Test...` of it, say what it is about, and pytest runs them.

    `kind` is what the plugin is (`guardrail`, `adapter`, `store`, `monitor`, `policy`), `name` its entry point,
    `plugin` the class that this names, `options` what its `Options` are made of, if it is to have any. `skips` are the
    tests that it is excused from, each with the reason, which pytest reports. `abstract=True` in the class statement
    makes a suite of one's own to derive from.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    plugin: ClassVar[type[Any]]
    options: ClassVar[Mapping[str, Any]] = {}
    skips: ClassVar[Mapping[str, str]] = {}

    _is_suite = True
    _hook = ""
    """The hook without which it is no plugin of its kind."""
    _on = " on 60 characters"
    """What its calls are measured on."""
    _known: ClassVar[tuple[str, ...]] = ("kind", "name", "plugin", "options", "skips")
    """What the class of an author may say."""

    def __init_subclass__(cls, *, abstract: bool = False, **more: Any) -> None:
        super().__init_subclass__(**more)
        definition.check_overrides(cls)
        cls._is_suite = abstract
        if not abstract:
            definition.check_skips(cls, cls.skips)
            definition.check_spelling(cls, cls._known)
            cls._check_samples()

    @classmethod
    def _check_samples(cls) -> None:
        """Raise TypeError for a sample that is missing or of the wrong type."""
        if definition.given(cls, "kind", f"one of {', '.join(GROUPS)}") not in GROUPS:
            raise definition.mistake(cls, f"kind is {cls.kind!r}; it must be one of {', '.join(GROUPS)}")
        if not isinstance(definition.given(cls, "name", "the name of the plugin's entry point"), str):
            raise definition.mistake(cls, f"name must be the name of the plugin's entry point, not {cls.name!r}")
        if not isinstance(definition.given(cls, "plugin", "the class that the entry point names"), type):
            raise definition.mistake(cls, f"plugin must be the class that the entry point names, not {cls.plugin!r}")
        if not isinstance(cls.options, Mapping):
            raise definition.mistake(cls, f"options must be a dict of what Options are made of, not {cls.options!r}")
        if cls.options and not hasattr(cls.plugin, "Options"):
            raise definition.mistake(cls, f"{cls.plugin.__qualname__} has no Options: leave options out")

    @pytest.fixture(autouse=True)
    def _skipped_for_a_reason(self, request: pytest.FixtureRequest) -> None:
        reason = self.skips.get(getattr(request.node, "originalname", ""))
        if reason is not None:
            pytest.skip(reason)

    # What an author publishes.

    def test_its_name_can_be_configured(self) -> None:
        """The name of the entry point is one that a file and a URL can hold, and nobody else's."""
        problem = self._installed().problem
        if problem is not None and "l0-core" not in problem:
            self._fail(problem)

    def test_its_entry_point_names_the_class(self) -> None:
        """The installed entry point resolves to the class under test."""
        point = self._installed().entry_point
        try:
            found = point.load()
        except Exception as error:
            self._fail(
                f"its entry point {point.value!r} cannot be loaded: {placed(error)}. Correct it in pyproject.toml"
            )
        if found is not self.plugin:
            self._fail(
                f"its entry point {point.value!r} names {_named(found)}, and the suite tests {_named(self.plugin)}: "
                "correct one of the two, and install again"
            )

    def test_its_distribution_requires_this_core(self) -> None:
        """The distribution says which versions of l0-core it works with, and the running one is among them."""
        item = self._installed()
        needed = [Requirement(each) for each in item.requirements]
        if not any(canonicalize_name(each.name) == "l0-core" for each in needed):
            self._fail(
                f"{item.origin} does not require l0-core, so nobody is told when it is too old or too new: add "
                f'"l0-core>={l0.__version__}" with an upper bound to its dependencies, and install again'
            )
        if item.problem is not None and "l0-core" in item.problem:
            self._fail(item.problem)

    def test_importing_it_is_light(self) -> None:
        """Importing the plugin loads no SDK and not pydantic, and asks nothing of the network."""
        self._check_light(self._look("import", self.plugin.__module__))

    # How it is made.

    def test_its_options_are_a_frozen_dataclass(self) -> None:
        """`Options`, if there are any, cannot be changed, and are given by keyword alone."""
        options = getattr(self.plugin, "Options", None)
        if options is None:
            return
        right = "write @dataclass(frozen=True, kw_only=True)"
        if not isinstance(options, type) or not is_dataclass(options):
            self._fail(f"its Options are no dataclass: {right}")
        if not options.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            self._fail(f"its Options can be changed while streams are running: {right}")
        positional = [each.name for each in fields(options) if each.init and not each.kw_only]
        if positional:
            self._fail(f"its Options take {', '.join(positional)} by position, which a new field would break: {right}")

    def test_it_works_without_configuration(self) -> None:
        """A plugin that can be made without options works without them; any other asks for them by its signature."""
        needed = [
            parameter.name
            for parameter in inspect.signature(self.plugin).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if needed:
            return
        calls: list[Call] = []
        try:
            plugin = watched(self.plugin(), self.name, calls)
        except Exception as error:
            self._fail(
                f"{self.plugin.__qualname__}() raises {placed(error)}. Give every field of its Options a default, or "
                "let it not be made without: def __init__(self, options: Options)"
            )
        for sample in self._samples():
            self._run(play(sample, [plugin]), calls)

    def test_its_options_are_configured_in_a_file(self) -> None:
        """An `l0.toml` can hold the options of the suite; an unknown key and a wrong type are refused."""
        if self.kind == "adapter":
            pytest.skip("no file configures an adapter: it acts when it is installed")
        self._installed()
        tables = {"": self._table(self.options), "an unknown key": self._table({**self.options, "l0_testing": 1})}
        for name, odd in self._odd_options().items():
            tables[f"{name} = {processes.as_toml(odd)}"] = self._table({**self.options, name: odd})
        answers = self._looks(("load", self.kind, self.name), tuple(tables.values()))
        for (what, text), answer in zip(tables.items(), answers, strict=True):
            if not what and answer["error"]:
                self._fail(f"it cannot be configured with the options of this suite: {answer['message']}\n\n{text}")
            if what and answer["error"] is None:
                self._fail(
                    f"it accepts {what}: give that field of its Options a type that says what may be given\n\n{text}"
                )
            if what and answer["error"] != "ConfigError":
                self._fail(f"of {what} it says what no user can understand: {answer['error']}: {answer['message']}")

    def test_its_hooks_are_hooks(self) -> None:
        """Every hook is marked, spelt as L0 spells it, and takes what the hook gives."""
        self._made()

    # How it behaves.

    def test_two_streams_at_once_share_nothing(self) -> None:
        """Two streams through one plugin object, in lock step, are each as they are alone."""
        samples = self._samples()
        for pair in zip(samples, [*samples[1:], samples[0]], strict=True):
            alone = [self._run(side_by_side([sample], [self._made()]))[0] for sample in pair]
            shared, calls = self._watched()
            for when in ("at the same time", "after others"):
                together = self._run(side_by_side(pair, [shared]), calls)
                for sample, expected, found in zip(pair, alone, together, strict=True):
                    if found != expected:
                        self._fail(
                            f"two streams of one object {when} are not what they are alone: it keeps in itself what "
                            "belongs to a stream. Keep that in the closure of the handler that the hook returns.\n"
                            f"  {sample.what}\n  alone:    {expected.told()}\n  together: {found.told()}"
                        )

    def test_a_cancelled_stream_leaves_nothing(self) -> None:
        """A task that reads a stream is cancelled when it is cancelled, and no task and no timer is left of it."""
        try:
            self._run(self._cancelled(self._made()))
        except AssertionError as error:
            self._fail(f"streams were cancelled in the middle: {error}")

    def test_nothing_in_it_sleeps_or_waits_for_the_network(self) -> None:
        """No call of it keeps the event loop waiting: not `time.sleep`, and no socket that blocks."""
        shared, calls = self._watched()

        async def main(sample: Sample) -> list[str]:
            with blocking_calls(self.plugin.__module__) as found:
                await play(sample, [shared])
            return found

        for sample in self._samples():
            if found := self._run(main(sample), calls):
                self._fail(
                    f"it blocks the event loop, and with it every stream of the process, by {found[0]}. Make the "
                    "handler a coroutine function, and await there: asyncio.sleep, or asyncio.to_thread for what blocks"
                )

    def test_no_call_of_it_takes_long(self) -> None:
        """No call of a hook or handler takes more than 50 ms of the event loop's time."""
        slow: Call | None = None
        for sample in self._samples():
            # What is slow once, an import or a collection of garbage, is not slow again.
            for _ in range(3):
                shared, calls = self._watched()
                self._run(play(sample, [shared]), calls)
                slow = max(calls, key=lambda call: call.seconds, default=None)
                if slow is None or slow.seconds <= LONG:
                    break
            else:
                assert slow is not None
                self._fail(
                    f"a call of its {slow.what} took {slow.seconds * 1000:.0f} ms, {sample.what}: no other stream went "
                    "on meanwhile. Do less for each piece, or await asyncio.to_thread in a coroutine function"
                )

    def test_an_empty_answer_is_left_alone(self) -> None:
        """A stream that says nothing is, with the plugin, as it is without."""
        empty = of_text((), what="a stream without text")
        shared, calls = self._watched()
        without, found = self._run(play(empty)), self._run(play(empty, [shared]), calls)
        if found != without:
            self._fail(
                f"a stream that says nothing is not left alone\n  without: {without.told()}\n  with:    {found.told()}"
            )

    def test_what_it_costs_is_reported(self, request: pytest.FixtureRequest) -> None:
        """What a call costs is reported at the end of the run, and judged by nobody."""
        shared, calls = self._watched()
        self._run(self._measured(shared), calls)
        none = _idle()
        spent: dict[str, list[float]] = {}
        for call in calls:
            spent.setdefault(call.what, []).append(max(0.0, call.seconds - none))
        told = ", ".join(f"{what} {median(seconds) * 1e6:.1f} µs" for what, seconds in spent.items())
        # Not by record_property, which warns where a JUnit report is written.
        cost = f"{self.kind} {self.name}: {told or 'nothing was called'}{self._on}"
        request.node.user_properties.append(("l0_cost", cost))

    # For the suites below.

    def _samples(self) -> Sequence[Sample]:
        """Streams in which the plugin has something to do; at least two that differ."""
        return [of_text(pieces(text)) for text in TEXTS]

    async def _measured(self, plugin: object) -> None:
        """A stream in which each handler is called often, with 60 characters."""
        await play(of_text(pieces(TEXTS[0] * 400, 60)), [plugin])

    def _fail(self, what: str) -> NoReturn:
        pytest.fail(f"{self.kind} {self.name!r} ({_named(self.plugin)}): {what}", pytrace=False)

    def _made(self) -> Any:
        """A plugin object, as the suite's options make it, whose hooks are hooks."""
        try:
            made = self.plugin(self.plugin.Options(**self.options)) if self.options else self.plugin()
        except Exception as error:
            self._fail(f"it cannot be made with options {dict(self.options)!r}: {placed(error)}")
        try:
            hooks = bind(made, self.name).hooks
        except l0.PluginError as error:
            self._fail(str(error))
        if self._hook and self._hook not in hooks:
            self._fail(f"it has no {self._hook} hook, so it is no {self.kind}")
        return made

    def _watched(self) -> tuple[object, list[Call]]:
        """A plugin object, and the list in which its calls are taken down."""
        calls: list[Call] = []
        return watched(self._made(), self.name, calls), calls

    def _run(self, main: Coroutine[Any, Any, T], calls: Iterable[Call] = ()) -> T:
        """Run in virtual time. Fails for what never ends, and for what the plugin raised."""
        try:
            found = virtually(main)
        except (VirtualDeadlock, VirtualLimit) as error:
            self._fail(f"a stream with it never ends: {error}")
        self._check_raised(calls)
        return found

    def _check_raised(self, calls: Iterable[Call]) -> None:
        if (call := raised(calls)) is not None:
            assert call.error is not None
            self._fail(f"its {call.what} raised {placed(call.error)}")

    def _installed(self) -> Installed:
        """The plugin as it is installed."""
        group = GROUPS[self.kind]
        items = [item for item in Registry().examined() if (item.kind, item.name) == (self.kind, self.name)]
        if not items:
            others = sorted(
                point.name for point in entry_points(group=group) if point.value.endswith(self.plugin.__name__)
            )
            hint = f" (there is {', '.join(others)})" if others else ""
            self._fail(
                f"no entry point {self.name!r} is installed in the group {group!r}{hint}. In its pyproject write\n\n"
                f'[project.entry-points."{group}"]\n'
                f'{self.name} = "{self.plugin.__module__}:{self.plugin.__qualname__}"\n\n'
                "and install it again: pip install -e ."
            )
        return items[0]

    def _look(self, *arguments: str) -> dict[str, Any]:
        return self._looks(arguments, ("",))[0]

    def _looks(self, arguments: Sequence[str], files: Sequence[str]) -> list[dict[str, Any]]:
        try:
            return processes.look(*arguments, files=files)
        except RuntimeError as error:
            self._fail(str(error))

    def _slow_packages(self) -> frozenset[str]:
        """What is not to be imported with the plugin."""
        return SDKS

    def _check_light(self, found: Mapping[str, Any]) -> None:
        """Fail for what was found in a process that only imported the plugin."""
        if found["network"]:
            self._fail(f"importing it asks for the network ({found['network'][0]}): do that where it is first used")
        if found["error"]:
            self._fail(f"it cannot be imported in a process of its own: {found['error']}")
        if heavy := sorted(self._slow_packages().intersection(found["packages"])):
            self._fail(
                f"importing it imports {', '.join(heavy)}, which everybody pays for who has it installed: import that "
                "in the function that needs it, and under TYPE_CHECKING for annotations"
            )

    def _table(self, options: Mapping[str, Any]) -> str:
        try:
            return processes.table(self.kind, self.name, options)
        except TypeError as error:
            self._fail(
                f"its options cannot be configured: {error}. Let its Options have fields that a file can hold, or "
                "leave this test out by skips, with the reason"
            )

    def _odd_options(self) -> dict[str, Any]:
        """For each of its options, something that no value of its type looks like."""
        options = getattr(self.plugin, "Options", None)
        if options is None:
            return {}
        try:
            hints = get_type_hints(options)
        except Exception as error:
            self._fail(
                f"the types of its Options cannot be read: {placed(error)}. Import what they name outside of "
                "TYPE_CHECKING"
            )
        return {each.name: _odd(hints[each.name]) for each in fields(options) if each.init}

    async def _cancelled(self, plugin: Any) -> None:
        """Cancel streams in the middle, each at another moment. Raises AssertionError for what is left or swallowed."""
        async with LeakCheck():
            for sample in self._samples():
                for moment in range(12):
                    task = asyncio.create_task(self._played(sample, plugin))
                    await asyncio.sleep((moment + 0.5) * PACE)
                    if not task.cancel():
                        break
                    try:
                        await task
                    except asyncio.CancelledError:
                        continue
                    raise AssertionError(
                        f"a cancellation did not arrive, {sample.what}: "
                        "whoever catches CancelledError must raise it again"
                    )
            close = getattr(plugin, "aclose", None)
            if close is not None:
                await close()

    async def _played(self, sample: Sample, plugin: object) -> Played:
        return await play(sample, [plugin], pace=PACE, turn=PACE / 4)


class _Idle:
    """A monitor that does nothing."""

    @hookimpl
    def on_token(self) -> Callable[[str], None]:
        return lambda text: None


@cache
def _idle() -> float:
    """What a call that does nothing is said to take, in seconds."""
    calls: list[Call] = []
    virtually(play(of_text(pieces(TEXTS[0] * 400, 60)), [watched(_Idle(), "idle", calls)]))
    return median(call.seconds for call in calls if call.what == "token")


def _named(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', thing)}"


def _odd(hint: Any) -> Any:
    """What is not of a type: a table, or lists in lists where the type may be one of tables."""
    return [[[]]] if any(isinstance(kind, type) and _is_table(kind) for kind in _kinds(hint)) else {"l0_testing": [[]]}


def _is_table(kind: type) -> bool:
    return issubclass(kind, Mapping) or is_dataclass(kind)


def _kinds(hint: Any) -> Iterable[Any]:
    """A type, and all that it is made of."""
    yield get_origin(hint) or hint
    for inner in get_args(hint):
        yield from _kinds(inner)
