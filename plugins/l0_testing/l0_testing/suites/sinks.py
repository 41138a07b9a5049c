"""A monitor whose sink is tampered with: it fails, is slow, or is told what a later version would tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from enum import Enum
from typing import Any, cast

from l0_core import Envelope, ObservabilityEventType, Sink, bind, hookimpl

__all__ = ["FAILURES", "LATER", "Change", "Tapped", "noting", "without"]

Change = Callable[[Sink], Sink]
Write = Callable[[Sequence[Envelope]], Awaitable[None] | None]

E = ObservabilityEventType

HALTED = 1000.0
"""Virtual seconds that a backend takes which does not answer."""


class Tapped:
    """A monitor with the same hooks for streams. What it raises is taken down in `raised`, as pairs of where and what.

    `change` makes another sink of the one that it returned. Raises PluginError for what is no plugin.
    """

    def __init__(self, plugin: object, name: str, change: Change | None = None) -> None:
        self._hooks = bind(plugin, name).hooks
        self._change = change
        self.raised: list[tuple[str, BaseException]] = []
        self.required = False
        """Whether a sink that it returned is required."""

    @hookimpl
    def on_token(self, ctx: Any) -> Any:
        handler = self._called("on_token", ctx)
        return None if handler is None else self._noted("token", handler)

    @hookimpl
    def store_event(self, ctx: Any) -> Any:
        sink = self._called("store_event", ctx)
        if sink is None:
            return None
        self.required = self.required or sink.required
        around = None if sink.around is None else self._around(sink.around)
        sink = replace(sink, write=self._noted("write", sink.write), around=around)
        return sink if self._change is None else self._change(sink)

    def _called(self, hook: str, ctx: Any) -> Any:
        return self._noted(hook, self._hooks[hook])(ctx) if hook in self._hooks else None

    def _noted(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def awaited(answer: Awaitable[Any]) -> Any:
            with self._noting(what):
                return await answer

        def noted(*given: Any) -> Any:
            with self._noting(what):
                answer = call(*given)
            return awaited(answer) if hasattr(answer, "__await__") else answer

        return noted

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.raised.append((what, error))
            raise

    def _around(self, around: Callable[[Any], AbstractContextManager[Any]]) -> Callable[[Any], Any]:
        def opened(attempt: Any) -> _Manager:
            manager = self._noted("around", around)(attempt)
            return _Manager(self._noted("around", manager.__enter__), self._noted("around", manager.__exit__))

        return opened


class _Manager:
    """A context manager of two functions."""

    def __init__(self, enter: Callable[[], Any], leave: Callable[..., Any]) -> None:
        self._enter, self._leave = enter, leave

    def __enter__(self) -> Any:
        return self._enter()

    def __exit__(self, *raised: Any) -> Any:
        return self._leave(*raised)


# A backend that fails.


def _fails(*_: Any) -> Any:
    raise ConnectionError("the backend of a monitor is gone, says its test")


def _fails_before(sink: Sink) -> Sink:
    return replace(sink, write=_fails)


def _fails_afterwards(sink: Sink) -> Sink:
    async def write(batch: Sequence[Envelope]) -> None:
        if (written := sink.write(batch)) is not None:
            await written
        _fails()

    return replace(sink, write=write)


def _takes(seconds: float) -> Change:
    def change(sink: Sink) -> Sink:
        async def write(batch: Sequence[Envelope]) -> None:
            await asyncio.sleep(seconds)
            if (written := sink.write(batch)) is not None:
                await written

        return replace(sink, write=write)

    return change


def _cannot_be_entered(sink: Sink) -> Sink:
    return replace(sink, around=lambda attempt: _Manager(_fails, _fails))


def _cannot_be_left(sink: Sink) -> Sink:
    def around(attempt: Any) -> Any:
        manager = None if sink.around is None else sink.around(attempt)

        def leave(*raised: Any) -> Any:
            if manager is not None:
                manager.__exit__(*raised)
            _fails()

        return _Manager((lambda: None) if manager is None else manager.__enter__, leave)

    return replace(sink, around=around)


FAILURES: Mapping[str, Change] = {
    "write raises": _fails_before,
    "write raises after it has told all": _fails_afterwards,
    "write takes half a second": _takes(0.5),
    "write does not come back": _takes(HALTED),
    "around cannot be entered": _cannot_be_entered,
    "around raises when it is left": _cannot_be_left,
}
"""What may go wrong with a monitor, none of which is to be seen in a stream."""


# Events of another version.


class _Later(str, Enum):
    """What a later version tells of."""

    UNHEARD_OF = "L0_TESTING_UNHEARD_OF"


def _retold(tell: Callable[[Envelope], list[Envelope]]) -> Change:
    """A sink that is told other envelopes in the place of each."""

    def change(sink: Sink) -> Sink:
        return replace(sink, write=lambda batch: sink.write([told for each in batch for told in tell(each)]))

    return change


def _with_meta(envelope: Envelope, kind: Any, meta: dict[str, Any]) -> Envelope:
    return replace(envelope, event=replace(envelope.event, type=cast("E", kind), meta=meta))


def _with_unheard_of(envelope: Envelope) -> list[Envelope]:
    return [_with_meta(envelope, _Later.UNHEARD_OF, {"l0Testing": [{}]}), envelope]


def _with_more_keys(envelope: Envelope) -> list[Envelope]:
    more = {"l0Testing": {"nested": [None]}, "l0TestingObject": object()}
    return [_with_meta(envelope, envelope.event.type, {**envelope.event.meta, **more})]


def _with_every_type(envelope: Envelope) -> list[Envelope]:
    """After the first event one of each type, of a version that says no more of it than that."""
    if envelope.event.type is not E.SESSION_START:
        return [envelope]
    return [envelope, *(_with_meta(envelope, kind, {}) for kind in E if not kind.value.startswith("SESSION_"))]


def noting(told: set[tuple[str, str]]) -> Change:
    """The same sink. The types of the events that it is told, each with each of its keys, are added to `told`."""

    def tell(envelope: Envelope) -> list[Envelope]:
        told.update((envelope.event.type.value, key) for key in envelope.event.meta)
        return [envelope]

    return _retold(tell)


def without(key: str | None) -> Change:
    """A sink that is told no such key of any event, or no key at all."""

    def tell(envelope: Envelope) -> list[Envelope]:
        meta = {name: value for name, value in envelope.event.meta.items() if key is not None and name != key}
        return [_with_meta(envelope, envelope.event.type, meta)]

    return _retold(tell)


LATER: Mapping[str, Change] = {
    "of a type that it does not know": _retold(_with_unheard_of),
    "with keys that it does not know": _retold(_with_more_keys),
    "of every type, without any key": _retold(_with_every_type),
    "without any key": without(None),
}
"""Events that another version may tell."""
