"""Those who watch a stream: callbacks, token handlers and sinks. What they do wrong does not reach the stream.

What they are told, and when, is in `reporter.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from l0_core.deadline import finish
from l0_core.errors import StoreError
from l0_core.hookspecs import Envelope, Sink
from l0_core.lifecycle import ObservabilityEvent, ObservabilityEventType
from l0_core.log import log_raised, logger
from l0_core.raised import described
from l0_core.views import view

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.events import Event
    from l0_core.session import Session

__all__ = ["Observers"]

SINK_BATCH = 60
"""Tokens that go to a sink at once, as soon as the source keeps the stream waiting."""

SINK_PERIOD = 0.2
"""Seconds that a token is kept before it goes to a sink."""

E = ObservabilityEventType

_reported: set[str] = set()


class Observers:
    """The observers of one stream."""

    __slots__ = (
        "_arrivals",
        "_batch",
        "_calls",
        "_due",
        "_later",
        "_left",
        "_logs",
        "_lost",
        "_names",
        "_running",
        "_seq",
        "_session",
        "_since",
        "_sinks",
        "_task",
        "_tells_outputs",
        "on_token",
        "sunk",
        "surrounds",
        "tells_tokens",
        "undelivered",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = session.settings.callbacks
        self._names: dict[Any, str] = {}
        self._sinks: list[Sink] = []
        self._batch: list[Envelope] = []
        self._later: deque[tuple[Awaitable[Any], str, bool]] = deque()
        self._running, self._left = ("", False), False
        self._lost: StoreError | None = None
        self._arrivals: list[tuple[int, float]] = []
        self._since = 0.0
        self._due: asyncio.TimerHandle | None = None
        self.undelivered = 0
        """Tokens of the state that guardrails are still judging."""
        self._task: asyncio.Task[None] | None = None
        self._seq, self.sunk = 0, len(session.state._tokens)
        self._logs = logger.isEnabledFor(logging.DEBUG)
        handlers: list[Any] = []
        seen = view(session)
        if "on_token" in self._calls:
            handlers.append(self._calls["on_token"])
            self._names[handlers[0]] = "the callback on_token"
        for bound in session.settings.plugins:
            for hook, opened in (("on_token", handlers), ("store_event", self._sinks)):
                if hook not in bound.hooks:
                    continue
                name = f"{bound.name} ({bound.origin})"
                try:
                    handler = _opened(hook, bound.hooks[hook](seen))
                except BaseException as error:
                    self._passed_over(name, error)
                    continue
                if handler is not None:
                    opened.append(handler)
                    self._names[handler.write if hook == "store_event" else handler] = name
        self.on_token: tuple[Callable[[str], Any], ...] = tuple(self._isolated(handler) for handler in handlers)
        self.tells_tokens = any(sink.tokens for sink in self._sinks)
        self.surrounds = any(sink.around for sink in self._sinks)
        self._tells_outputs = any(sink.outputs for sink in self._sinks)
        if self.tells_tokens:
            session.watch.on_wake = self.woke

    def _isolated(self, handler: Callable[[str], Any]) -> Callable[[str], Any]:
        """An async token callback runs in order, later; a plain one in place."""
        if not asyncio.iscoroutinefunction(handler):
            return handler

        name = self._names[handler]

        def handle(text: str) -> None:
            self._defer(handler(text), name)

        self._names[handle] = name
        return handle

    def broken(self, handler: Any, error: BaseException) -> None:
        """A handler raised: the stream goes on. What ends the process passes through."""
        self._passed_over(self._names.get(handler, "a handler"), error)

    @staticmethod
    def _passed_over(name: str, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        _report(name, error)

    # Tokens.

    def token(self, text: str) -> None:
        for handle in self.on_token:
            try:
                handle(text)
            except BaseException as error:
                self.broken(handle, error)

    def woke(self) -> None:
        """A wait for the source is over: what it says now arrives now, and goes to the sinks before long."""
        if not self.tells_tokens:
            return
        count = len(self._session.state._tokens)
        if count - self.sunk >= SINK_BATCH:
            self.flush()
        self._arrivals.append((count, self._now()))
        self._hand_over_soon()

    def _hand_over_soon(self) -> None:
        if self._due is None and self.tells_tokens and (loop := self._session.watch.loop) is not None:
            self._due = loop.call_later(SINK_PERIOD, self._period_ended)

    def _period_ended(self) -> None:
        self._due = None
        watch = self._session.watch
        begun = watch.loop.time()
        self.flush()
        watch.excuse(watch.loop.time() - begun)

    def output(self, event: Event) -> None:
        """Something other than text of the answer reaches the consumer."""
        self._output(event=event, token_count=self._session.state.token_count)

    def _output(self, **content: Any) -> None:
        """Tell the sinks that want to know what has content."""
        if self._tells_outputs:
            self._gather_tokens()
            self._envelope(E.OUTPUT, content)

    # Sinks.

    @contextmanager
    def around(self, attempt: Attempt) -> Iterator[None]:
        """What sinks want the source of an attempt to be opened within."""
        left: list[tuple[AbstractContextManager[Any], str]] = []
        for sink in self._sinks:
            if sink.around is None:
                continue
            name = self._names[sink.write]
            try:
                manager = sink.around(view(attempt))
                manager.__enter__()
                left.append((manager, name))
            except BaseException as error:
                self._passed_over(name, error)
        try:
            yield
        finally:
            for manager, name in reversed(left):
                try:
                    manager.__exit__(None, None, None)
                except BaseException as error:
                    self._passed_over(name, error)

    def flush(self) -> None:
        """Hand what has gathered to the sinks."""
        if not self._sinks:
            return
        self._gather_tokens()
        batch, self._batch = self._batch, []
        for sink in self._sinks:
            unwanted = (None if sink.tokens else E.TOKEN, None if sink.outputs else E.OUTPUT)
            wanted = [envelope for envelope in batch if envelope.event.type not in unwanted]
            if sink is not self._sinks[-1]:
                wanted = [_copied(envelope) for envelope in wanted]  # What one does to them, the next must not see.
            try:
                if wanted and (written := sink.write(wanted)) is not None:
                    self._defer(written, self._names[sink.write], sink.required)
            except BaseException as error:
                self._failed(self._names[sink.write], sink.required, error)

    def _failed(self, name: str, required: bool, error: BaseException) -> None:
        """A sink or a callback raised: the stream goes on, unless it must not go on without it."""
        if not required or not isinstance(error, Exception):
            self._passed_over(name, error)
        elif self._lost is None:
            self._lost = _lost(name, error)
            if self._session.state.outcome is None:
                self._session.watch.interrupt(self._lost)

    def _gather_tokens(self) -> None:
        """Put the run of tokens since the last one into an envelope, before whatever comes after them."""
        tokens = self._session.state._tokens
        delivered = len(tokens) - self.undelivered
        if self.tells_tokens and self.sunk < delivered:
            run, index = tuple(tokens[self.sunk : delivered]), self.sunk
            self.sunk = delivered
            self._envelope(E.TOKEN, {"tokens": run, "index": index, "arrivals": self._arrived(index, delivered)})

    def _arrived(self, start: int, end: int) -> tuple[tuple[int, float], ...]:
        """When the tokens of a run arrived."""
        places = {0: self._since}
        places |= {max(0, place - start): at for place, at in self._arrivals if place < end}
        self._arrivals = [arrival for arrival in self._arrivals if arrival[0] >= end]
        self._since = places[max(places)]
        return tuple(sorted(places.items()))

    def withdrawn(self) -> None:
        """Text was withdrawn: what arrives next stands where the text ends now."""
        self.sunk = len(self._session.state._tokens)
        self._arrivals = [(self.sunk, at) for _, at in self._arrivals[-1:]]

    def emit(self, kind: ObservabilityEventType, **meta: Any) -> None:
        handler = self._calls.get("on_event")
        if self._logs:
            logger.debug("stream %s: %s %s", self._session.stream_id, kind.value, meta)
        if handler is None and not self._sinks:
            return
        if self._sinks:
            self._gather_tokens()
            self._envelope(kind, dict(meta) if handler is not None else meta)
        if handler is not None:
            self._call("on_event", self._event(kind, meta))

    def _event(self, kind: ObservabilityEventType, meta: dict[str, Any]) -> ObservabilityEvent:
        return ObservabilityEvent(kind, self._now(), self._session.stream_id, self._session.context, meta)

    def _now(self) -> float:
        """Milliseconds since the epoch, by the clock of the stream: they never go back."""
        watch = self._session.watch
        return (time.time() if watch.loop is None else watch.epoch + watch.loop.time()) * 1000

    def _envelope(self, kind: ObservabilityEventType, meta: dict[str, Any]) -> None:
        self._batch.append(Envelope(self._session.stream_id, self._seq, self._event(kind, meta)))
        self._seq += 1
        self._hand_over_soon()

    # Callbacks.

    def _call(self, name: str, *args: Any) -> None:
        callback = self._calls.get(name)
        if callback is None:
            return
        try:
            result = callback(*args)
            if asyncio.iscoroutine(result):
                self._defer(result, f"the callback {name}")
        except BaseException as error:
            self._names.setdefault(callback, f"the callback {name}")
            self.broken(callback, error)

    def _defer(self, awaitable: Awaitable[Any], name: str, required: bool = False) -> None:
        """Run something asynchronous in its turn, without holding up the stream."""
        self._later.append((awaitable, name, required))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run_later())

    async def _run_later(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while self._later:
            awaitable, name, required = self._later.popleft()
            self._running = name, required
            try:
                await awaitable
                if task.cancelling():
                    await asyncio.sleep(0)  # It asked for the end of the task that all observers run in.
            except BaseException as error:
                if self._left:
                    raise
                self._failed(name, required, error)
            while task.cancelling():
                task.uncancel()

    def close(self) -> None:
        """The stream is over: nothing is told any more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def let_go(self) -> None:
        """Forget whom to tell, and of what: the stream is not kept by those who watched it."""
        self._sinks, self._batch, self._names = [], [], {}
        self.on_token = ()
        del self._session

    @property
    def unfinished(self) -> bool:
        return self._lost is not None or (self._task is not None and not self._task.done())

    async def finished(self, seconds: float) -> BaseException | None:
        """Wait for what was deferred, so long and no longer: what hangs is left, and the log says what it is.

        Returns a cancellation that arrived meanwhile, or a StoreError if a required sink has lost something.
        """
        task, held = self._task, None
        if task is not None and not task.done():
            held = await finish(_settled(task, seconds), 2 * seconds)
            if not task.done():
                self._left = True
                task.cancel()
                for awaitable, *_ in self._later:
                    if asyncio.iscoroutine(awaitable):
                        awaitable.close()  # It never began.
                name, required = self._running
                late = f"did not finish within {seconds:g} s of the end"
                if required or any(required for *_, required in self._later):
                    self._lost = self._lost or _lost(name, TimeoutError(late))
                else:
                    logger.warning("%s %s, and is left", name, late)
        return held or self._lost


def _lost(name: str, error: Exception) -> StoreError:
    """The error of a stream that goes not on without a record of it."""
    if isinstance(error, StoreError):
        return error
    lost = StoreError(f"{name} could not keep what happened in the stream: {described(error)}")
    lost.__cause__ = error
    return lost


async def _settled(task: asyncio.Task[None], seconds: float) -> None:
    await asyncio.wait((task,), timeout=seconds)


def _opened(hook: str, handler: Any) -> Any:
    """What a hook returned, if it is what the hook is to return. Raises TypeError."""
    if hook == "store_event":
        if handler is not None and not callable(getattr(handler, "write", None)):
            raise TypeError(f"store_event must return a Sink(write) or None, not {type(handler).__name__}")
    elif handler is not None and not callable(handler):
        raise TypeError(f"on_token must return a function of one string or None, not {type(handler).__name__}")
    return handler


def _copied(envelope: Envelope) -> Envelope:
    event = envelope.event
    return Envelope(envelope.stream_id, envelope.seq, replace(event, meta=dict(event.meta)))


def _report(name: str, error: BaseException) -> None:
    """Log what an observer did wrong: as a warning the first time."""
    if name not in _reported:
        _reported.add(name)
        log_raised(name, error, "the stream goes on")
    else:
        logger.debug("%s raised", name, exc_info=error)
