"""What an adapter promises: it knows its own, leaves the rest, and tells a whole answer from one that was cut short."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, ClassVar

import l0
import pytest

from l0_core import AdaptedEvent, Event, bind
from l0_testing.leaks import LeakCheck
from l0_testing.suites import definition
from l0_testing.suites.base import PluginSuite
from l0_testing.suites.playing import Played, Sample, play, short, virtually
from l0_testing.suites.watching import Call, placed

__all__ = ["AdapterSuite"]


class AdapterSuite(PluginSuite, abstract=True):
    """The tests of an adapter of streams.

    `make_source()` makes a fresh source of the SDK, whole and healthy, or a coroutine of one; `text` is the answer in
    it.
    """

    kind = "adapter"
    text: ClassVar[str]

    _hook = "adapt"
    _on = " on a chunk"
    _known = (*PluginSuite._known, "text", "make_source", "make_truncated", "is_closed")

    def make_source(self) -> Any:
        """A fresh source that says `text` and proves its end."""
        raise NotImplementedError

    def make_truncated(self) -> Any:
        """A source that ends too early, as it looks when nothing raises. May be left out."""
        raise NotImplementedError

    def is_closed(self, source: Any) -> bool:
        """Whether a source that `make_source` made is closed. May be left out."""
        raise NotImplementedError

    @classmethod
    def _check_samples(cls) -> None:
        super()._check_samples()
        if not cls._defines("make_source"):
            raise definition.mistake(cls, "make_source is missing: a method that makes a fresh source of the SDK")
        for name in ("make_source", "make_truncated", "is_closed"):
            if not callable(getattr(cls, name)):
                raise definition.mistake(cls, f"{name} must be a method, not {getattr(cls, name)!r}")
        text = definition.given(cls, "text", "the answer that make_source's sources hold")
        if not isinstance(text, str) or not text.strip():
            raise definition.mistake(cls, f"text must be the answer that make_source's sources hold, not {text!r}")

    @classmethod
    def _defines(cls, name: str) -> bool:
        return inspect.getattr_static(cls, name) is not vars(AdapterSuite)[name]

    def test_it_recognises_its_own(self) -> None:
        """It answers for a source of its SDK."""
        _, calls = self._read()
        answers = [call.answer for call in calls if call.what == "adapt"]
        if not answers or answers[0] is None:
            self._fail(
                f"its adapt returned None for a {self._source_type()}, which make_source made: it must return an "
                "adapter for that. Look at type(source).__module__, and at the classes that it is derived from"
            )

    def test_it_leaves_what_is_not_its_own(self) -> None:
        """It returns None for whatever another SDK, or nobody, made; with and without an attempt."""
        adapt = bind(self._made(), self.name).hooks["adapt"]
        for what, source in self._foreign().items():
            shared, calls = self._watched()
            self._run(play(self._sample(what, partial(_itself, source)), [shared]), calls)
            in_a_stream = next((call.answer for call in calls if call.what == "adapt"), None)
            if in_a_stream is not None or adapt(None, source) is not None:
                self._fail(
                    f"it takes {what} for its own, which others are to read: return None unless the type of the source "
                    "is one of its SDK"
                )

    def test_it_recognises_without_importing_an_sdk(self) -> None:
        """Being asked about the sources of others imports no SDK, its own neither."""
        self._check_light(self._look("import", self.plugin.__module__, self.name))

    def test_the_text_is_the_sources(self) -> None:
        """The answer arrives character for character."""
        played, _ = self._read()
        if played.error is not None:
            self._fail(f"a stream of a healthy source raised {placed(played.error)}")
        if played.text != self.text:
            self._fail(f"the text of the stream is {short(played.text)}, and that of the source {short(self.text)}")

    def test_it_makes_events(self) -> None:
        """Whatever it makes of a chunk is an `Event`, several, or None."""
        _, calls = self._read()
        for call in calls:
            if call.what not in ("decode", "wrap") or call.error is not None or call.answer is None:
                continue
            kinds = (Event, AdaptedEvent) if call.what == "wrap" else (Event,)
            for event in call.answer if isinstance(call.answer, list) else [call.answer]:
                if not isinstance(event, kinds):
                    self._fail(f"its {call.what} made {event!r} of a chunk: return an Event, a list of them, or None")

    def test_it_proves_the_end(self) -> None:
        """A whole source is proved to be whole: the stream is complete."""
        played, _ = self._read()
        if isinstance(played.error, l0.Truncated):
            self._fail(
                "it proves the end of no source. Return Event(EventType.COMPLETE) for the chunk that says the answer "
                "is whole; only if the SDK has no such chunk, set end_is_proof = True"
            )
        if played.outcome != "complete":
            self._fail(f"a stream of a healthy source ended as {played.told()}")

    def test_a_source_that_is_cut_short_is_not_complete(self) -> None:
        """A source that ends without its proof is `Truncated`."""
        if not self._defines("make_truncated"):
            pytest.skip("the suite has no make_truncated(): a source that ends too early, without an error")
        played = self._run(play(self._sample("a source that is cut short", self.make_truncated), [self._made()]))
        if not isinstance(played.error, l0.Truncated):
            self._fail(
                f"a source that is cut short ended as {played.told()}, and must be Truncated: what it takes for the "
                "proof of the end proves nothing"
            )

    def test_leaving_early_closes_the_source(self) -> None:
        """Whoever leaves the stream before its end leaves nothing open."""
        made: list[Any] = []

        async def main() -> None:
            async with LeakCheck():
                stream = await l0.run(self._remembered(made), plugins=[self._made()], guardrails=[])
                async with stream:
                    async for _ in stream:
                        break

        try:
            self._run(main())
        except AssertionError as error:
            self._fail(f"a stream was left after its first event: {error}")
        except Exception as error:
            self._fail(f"a stream of a healthy source raised {placed(error)}")
        if self._defines("is_closed") and not self.is_closed(made[0]):
            self._fail(
                "a stream was left after its first event, and its source is still open: L0 closes what the factory "
                "returned by its aclose() or close(), and whatever else is open is the adapter's to close"
            )

    # What these tests do.

    def _samples(self) -> Sequence[Sample]:
        whole = self._sample("a healthy source", self.make_source)
        if not self._defines("make_truncated"):
            return [whole, whole]
        return [whole, self._sample("a source that is cut short", self.make_truncated)]

    async def _measured(self, plugin: object) -> None:
        await play(self._samples()[0], [plugin])

    def _sample(self, what: str, make: Any) -> Sample:
        return Sample(what, lambda pace: {"stream": partial(make)})

    def _read(self) -> tuple[Played, list[Call]]:
        """A healthy source, read with the plugin."""
        shared, calls = self._watched()
        return self._run(play(self._samples()[0], [shared]), calls), calls

    def _remembered(self, made: list[Any]) -> Any:
        async def make() -> Any:
            source = self.make_source()
            if hasattr(source, "__await__"):
                source = await source
            made.append(source)
            return source

        return make

    def _source_type(self) -> str:
        return ", derived from ".join(f"{kind.__module__}.{kind.__qualname__}" for kind in self._kinds()[:3])

    def _kinds(self) -> list[type]:
        """The classes of a source, without `object`."""
        made: list[Any] = []

        async def main() -> None:
            source = await self._remembered(made)()
            close = getattr(source, "aclose", None) or getattr(source, "close", None)
            if close is not None and hasattr(closing := close(), "__await__"):
                await closing

        virtually(main())
        return [kind for kind in type(made[0]).__mro__ if kind is not object]

    def _slow_packages(self) -> frozenset[str]:
        return super()._slow_packages() | self._packages()

    def _packages(self) -> frozenset[str]:
        """The packages that a source and the classes that it is derived from come from: the SDK."""
        own = {kind.__module__.partition(".")[0] for kind in self._kinds()}
        return frozenset(own - sys.stdlib_module_names - {self.plugin.__module__.partition(".")[0]})

    def _foreign(self) -> dict[str, Any]:
        """Sources that are not this adapter's, by what they are."""
        found = {
            "an async generator of text": _words(),
            "a dict": {"choices": [{"delta": {"content": "text"}}]},
            "an object()": object(),
            "a text": "text",
            "what looks like a chunk of OpenAI's": SimpleNamespace(choices=[], model="m"),
        }
        if "openai" not in self._packages() and find_spec("openai") is not None:
            stream = import_module("openai").AsyncStream
            found["a stream of the openai package"] = stream.__new__(stream)
        return found


async def _words() -> AsyncIterator[str]:
    for word in ("not ", "yours"):
        yield word


def _itself(source: Any) -> Any:
    return source
