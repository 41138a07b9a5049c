"""What a monitor promises: it changes nothing, leaves nothing open, and tells nobody what was said."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import l0
import pytest

from l0_core import bind
from l0_testing.measuring import least, no_collection
from l0_testing.suites import definition
from l0_testing.suites.base import PluginSuite
from l0_testing.suites.canaries import ANSWER, SECRETS
from l0_testing.suites.playing import of_text, play
from l0_testing.suites.scenarios import ALL, COMPLETE, FAILED, RETRIED, Ended, Scenario
from l0_testing.suites.sinks import FAILURES, LATER, Change, Tapped, noting, without
from l0_testing.suites.telling import context_value, counts, excerpt, logged, text_of_told, unlogged
from l0_testing.suites.watching import Call, placed, watched

__all__ = ["MonitorSuite"]

EVERY_KEY = "*"
"""In `told_context`, every key of the context."""

USUAL_KEYS = (
    *("model", "provider", "user", "user_id", "session_id", "tenant", "tags", "prompt", "api_key"),
    *("messages", "gen_ai.input.messages", "headers", "metadata"),
)
"""Keys of a context that a monitor might think of telling."""

HOOKS = frozenset(("store_event", "on_token"))

ROUNDS = (10, 10, 40, 20)
"""How often every scenario is played before memory is measured. What is bounded has met its bound by the last."""

LEAKED = 0.1
"""Blocks of memory for each stream from which on memory grows with the streams."""

TOKENS = 500

MEASUREMENTS = 6

FOURFOLD = 8.0
"""How many times as long four times the tokens may take."""

TOO_SHORT = 0.002
"""Seconds of the thread's time below which times are not compared."""


class MonitorSuite(PluginSuite, abstract=True):
    """The tests of a monitor. They play streams that come to every end that there is.

    `told()` returns all that the monitor has told the outside so far: a text, bytes, or a list of them. `told_context`
    are the keys of the caller's context that it is documented to tell, `{"*"}` for all.

    These may be left out: `make()` makes a monitor that tells where `told` reads, if `options` are not enough for that;
    `make_capturing()` makes one that is to tell what the model says, too; `open()` returns how many things it has begun
    and not finished, such as spans; `forget()` empties what `told` reads, so that memory can be measured.
    """

    kind = "monitor"
    told_context: ClassVar[Collection[str]] = ()

    _methods = ("told", "make", "make_capturing", "open", "forget")
    _known = (*PluginSuite._known, "told_context", *_methods)

    def told(self) -> str | bytes | Iterable[str | bytes]:
        """All that it has told the outside so far."""
        raise NotImplementedError

    def make(self) -> Any:
        """A monitor that tells where `told` reads. May be left out."""
        return super()._made()

    def make_capturing(self) -> Any:
        """A monitor that is to tell what the model says, too. May be left out."""
        raise NotImplementedError

    def open(self) -> int:
        """How many things it has begun and not finished. May be left out."""
        raise NotImplementedError

    def forget(self) -> None:
        """Empty what `told` reads. May be left out."""
        raise NotImplementedError

    @classmethod
    def _check_samples(cls) -> None:
        super()._check_samples()
        if not cls._defines("told"):
            raise definition.mistake(
                cls, "told is missing: a method that returns what it has told the outside so far, as text or bytes"
            )
        for name in cls._methods:
            if not callable(getattr(cls, name)):
                raise definition.mistake(cls, f"{name} must be a method, not {getattr(cls, name)!r}")
        keys: object = cls.told_context
        if isinstance(keys, str) or not isinstance(keys, Collection) or not all(isinstance(key, str) for key in keys):
            raise definition.mistake(cls, f'told_context must be a set of keys, {{"model"}}, not {keys!r}')

    @classmethod
    def _defines(cls, name: str) -> bool:
        return inspect.getattr_static(cls, name) is not vars(MonitorSuite)[name]

    # It only looks on.

    def test_a_stream_is_the_same_with_it(self) -> None:
        """Text, events, state, errors and requests are what they are without it, however the stream ends."""
        for scenario in ALL:
            with_it = self._play(scenario)
            if problem := self._run(scenario.play()).difference(with_it):
                self._fail(f"{scenario.what} is not the same with it: a monitor looks on, and changes nothing{problem}")

    def test_a_stream_is_the_same_when_its_backend_fails(self) -> None:
        """The stream is the same where the monitor raises, is slow, or does not come back."""
        for scenario in ALL:
            without_it = self._run(scenario.play())
            for what, change in FAILURES.items():
                tapped = Tapped(self._made(), self.name, change)
                with_it = self._run(scenario.play([tapped]))
                if tapped.required:
                    self._fail(
                        "its Sink is required=True, so streams fail where its backend does. A monitor looks on: leave "
                        "required out"
                    )
                if problem := without_it.difference(with_it):
                    self._fail(f"{scenario.what} is not the same where its {what}{problem}")

    def test_what_it_puts_around_a_source_is_left(self) -> None:
        """No context variable that it sets is still set where the consumer gets an event, or after the end."""

        async def main(scenario: Scenario, plugin: object) -> Ended:
            await scenario.play([plugin])  # What is made once, when it is first needed, is there from now on.
            return await scenario.play([plugin])

        for scenario in ALL:
            if changed := self._run(main(scenario, self._made())).changed:
                self._fail(
                    f"in {scenario.what}, the consumer has another value of {', '.join(sorted(changed))}: reset where "
                    "`around` is left what was set where it was entered"
                )

    def test_events_of_other_versions_do_not_break_it(self) -> None:
        """It passes over events that it does not know, and does without keys that it knows."""
        tried = set[tuple[str, str, str]]()
        for scenario in ALL:
            told, plugin, before = set[tuple[str, str]](), self._made(), self._open()
            ended = self._run(scenario.play([Tapped(plugin, self.name, noting(told))]))
            left = self._open() - before
            # What is done with a key may depend on how the stream ends.
            new = {(ended.state["outcome"], *each) for each in told} - tried
            tried |= new
            less = {f"without the key {key!r}": without(key) for key in sorted({key for *_, key in new})}
            for what, change in {**LATER, **less}.items():
                self._retold(scenario, plugin, what, change, left)

    # It comes to an end.

    def test_it_finishes_every_stream(self) -> None:
        """Nothing that it has begun is unfinished when the stream has ended."""
        if not self._defines("open"):
            pytest.skip("the suite has no open(): how many things it has begun, such as spans, and not finished")
        plugin, before = self._made(), self._open()
        for scenario in ALL:
            self._play(scenario, plugin)
            if left := self._open() - before:
                self._fail(
                    f"after {scenario.what}, {left} of the things that it has begun are unfinished. The last event of "
                    "a stream is SESSION_END: finish there whatever is open. One that nobody reads has no events: "
                    "begin nothing in store_event"
                )

    def test_it_lets_go_of_a_stream_that_has_ended(self) -> None:
        """It keeps neither the state nor the context of a stream that has ended, nor what was raised in it."""
        plugin = self._made()
        ended = [(scenario.what, self._play(scenario, plugin).attached) for scenario in ALL]
        gc.collect()
        for stream, attached in ended:
            for what, reference in attached.items():
                if reference() is not None:
                    self._fail(
                        f"of {stream}, {what} is still there after the end: it is kept by the plugin, which lives as "
                        "long as the process. Keep what belongs to a stream in the closure of its sink"
                    )

    def test_its_memory_does_not_grow_with_the_streams(self) -> None:
        """Of the streams that have ended it keeps nothing, or no more than the latest so many."""
        if not self._defines("forget"):
            pytest.skip("the suite has no forget(): what empties what told() reads, so that memory can be measured")
        grown = self._grown()
        if grown is not None:
            self._fail(
                f"after {sum(ROUNDS) * len(ALL):,} streams, each further one takes {grown:.1f} blocks of memory that "
                "are not given back. Forget a stream when it ends, however it ends, or keep the latest alone: "
                "deque(maxlen=...). What told() reads is to be gone after forget()"
            )

    def test_a_token_does_not_cost_more_in_a_longer_answer(self) -> None:
        """What it takes for an answer grows as the answer does, and no faster."""
        small = large = 0.0

        def measured() -> float:
            nonlocal small, large
            with no_collection():
                first, large, again = (self._spent(count) for count in (TOKENS, 4 * TOKENS, TOKENS))
            small = min(first, again)
            return max(large, TOO_SHORT) / max(small, TOO_SHORT)

        if least(measured, FOURFOLD, MEASUREMENTS) > FOURFOLD:
            self._fail(
                f"{TOKENS:,} tokens take it {small * 1000:.1f} ms, and four times as many {large * 1000:.1f} ms. Look "
                "at what is new in each call, and never again at the whole answer"
            )

    # What it tells.

    def test_streams_at_once_are_not_mixed_up(self) -> None:
        """What is told with the id of a stream is the same, whether others run at the same time or not."""
        scenarios = [scenario.slowly() for scenario in (COMPLETE, RETRIED, FAILED)]
        alone = [self._marked([scenario], self._made())[0] for scenario in scenarios]
        plugin = self._made()
        together = self._marked(scenarios, plugin)
        afterwards = [self._marked([scenario], plugin)[0] for scenario in scenarios]
        told = self._told()
        if not any(counts(told, words) for words in alone):
            pytest.skip("it tells no ids of streams")
        for when, others in (("at the same time as others", together), ("after others", afterwards)):
            for scenario, words, its in zip(scenarios, alone, others, strict=True):
                expected, found = ([told.count(word) for word in each] for each in (words, its))
                if found != expected:
                    self._fail(
                        f"{scenario.what} is told of otherwise {when} than alone: its id, and what it alone has in its "
                        f"context, {found} times, and alone {expected} times. The plugin keeps in itself what belongs "
                        "to a stream: keep that in the closure of the sink"
                    )

    def test_nothing_of_what_was_said_leaves(self) -> None:
        """Nothing that was said is told or logged: no prompt, no answer, no message of an error, no other context."""
        values = {key: context_value(key) for key in (*USUAL_KEYS, *sorted(self.told_context)) if key != EVERY_KEY}
        keys = {word: key for key, (word, _) in values.items()}
        documented = {word for word, key in keys.items() if {key, EVERY_KEY} & set(self.told_context)}
        before = self._told()
        with logged() as log:
            for scenario in ALL:
                self._play(scenario, context={key: value for key, (_, value) in values.items()})
        after = self._told()
        if after == before:
            self._fail(
                f"told() says the same before and after {len(ALL)} streams, so nothing could be found in it. It is to "
                "return what the monitor has told that make() makes"
            )
        earlier = counts(before, SECRETS)
        for where, told in (("told()", after), ("the log, from INFO up", "\n".join(log))):
            for word, count in counts(told, SECRETS).items():
                if word not in documented and count > earlier.get(word, 0):
                    self._fail(f"{_advice(word, keys.get(word))}\n  {where}: {excerpt(told, word)}")
        for word in sorted(documented):
            if EVERY_KEY not in self.told_context and not counts(after, [word]):
                self._fail(f"told_context says that {keys[word]!r} of the context is told, and it is not: leave it out")

    def test_it_tells_the_answer_where_it_is_to(self) -> None:
        """One that is to tell what the model says tells the answer."""
        if not self._defines("make_capturing"):
            pytest.skip("the suite has no make_capturing(): a monitor that is to tell what the model says")
        before = self._told()
        self._play(COMPLETE, self.make_capturing())
        if counts(self._told(), [ANSWER]) == counts(before, [ANSWER]):
            self._fail(
                "the monitor of make_capturing() does not tell the answer. A Sink(write, tokens=True) is given the "
                "text as it comes, and ctx.state.content is the whole of it at SESSION_END"
            )

    # What these tests do.

    def _made(self) -> Any:
        made = self.make()
        try:
            hooks = bind(made, self.name).hooks
        except l0.PluginError as error:
            self._fail(str(error))
        if not hooks.keys() & HOOKS:
            self._fail("it has no store_event hook, and no on_token hook, so it is no monitor")
        if more := hooks.keys() - HOOKS:
            self._fail(f"its {min(more)} hook has a say in streams, and a monitor looks on: let another plugin have it")
        return made

    def _play(self, scenario: Scenario, plugin: Any = None, context: Mapping[str, Any] | None = None) -> Ended:
        """A stream with the monitor. Fails for what the monitor raised."""
        tapped = Tapped(self._made() if plugin is None else plugin, self.name)
        ended = self._run(scenario.play([tapped], context))
        for where, error in tapped.raised:
            self._fail(f"in {scenario.what}, its {where} raised {placed(error)}")
        return ended

    def _retold(self, scenario: Scenario, plugin: Any, what: str, change: Change, allowed: int) -> None:
        """Play a stream of which it is told otherwise. Fails for what it raises, and for more unfinished than that."""
        tapped, before = Tapped(plugin, self.name, change), self._open()
        self._run(scenario.play([tapped]))
        for where, error in tapped.raised:
            self._fail(
                f"told of events {what}, in {scenario.what}, its {where} raised {placed(error)}. Another version may "
                "tell of more, and say less: pass over what is not known, and use event.meta.get(...)"
            )
        if (left := self._open() - before) > allowed:
            self._fail(f"told of events {what}, in {scenario.what}, it left {left} of what it had begun unfinished")

    def _open(self) -> int:
        count = self.open() if self._defines("open") else 0
        if not isinstance(count, int):
            self._fail(f"open() must return how many things are unfinished, not {count!r}")
        return count

    def _told(self) -> str:
        try:
            return text_of_told(self.told())
        except TypeError as error:
            self._fail(str(error))

    def _marked(self, scenarios: Sequence[Scenario], plugin: object) -> list[list[str]]:
        """Play streams at the same time. Returns the words that are each one's own: its id, and its context's."""
        keys = sorted({*self.told_context} - {EVERY_KEY})
        contexts = [{key: uuid4().hex for key in keys} for _ in scenarios]

        async def begin(place: int, scenario: Scenario) -> Ended:
            await asyncio.sleep(place)
            return await scenario.play([plugin], contexts[place])

        async def main() -> list[Ended]:
            return await asyncio.gather(*(begin(place, scenario) for place, scenario in enumerate(scenarios)))

        return [[ended.stream_id, *contexts[place].values()] for place, ended in enumerate(self._run(main()))]

    def _grown(self) -> float | None:
        """How many blocks of memory a stream leaves behind for ever, or None if it leaves none."""
        plugin, held, grown = self._made(), 0, 0.0

        async def main() -> None:
            for scenario in ALL:
                await scenario.play([plugin])

        for rounds in ROUNDS:
            with unlogged():  # pytest keeps what is logged.
                for _ in range(rounds):
                    self._run(main())  # On a loop of its own, since the retry budget of one would be spent.
            self.forget()
            gc.collect()
            before, held = held, sys.getallocatedblocks()
            grown = (held - before) / (rounds * len(ALL))
            if before and grown < LEAKED:
                return None
        return grown

    def _spent(self, tokens: int) -> float:
        """Seconds that its handlers take for an answer of so many tokens."""
        calls: list[Call] = []
        text = [f"token{place % 1000:03} and more " for place in range(tokens)]
        self._run(play(of_text(text), [watched(self._made(), self.name, calls)], pace=0.001), calls)
        return sum(call.seconds for call in calls)


def _advice(word: str, key: str | None) -> str:
    """What to do about a word that was told. `key` is the one of the context that it belongs to, if it does."""
    if key is not None:
        return (
            f"it tells {key!r} of the caller's context. Name the key in told_context if it is documented to be told, "
            "and leave it out otherwise"
        )
    return (
        f"it tells {SECRETS[word]}. Tell names, numbers and times, unless the user asks for more; and of an error its "
        "type, since its message may quote the prompt"
    )
