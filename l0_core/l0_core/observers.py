"""Those who watch a stream: callbacks, token handlers and sinks. What they do wrong does not reach the stream.

What they are told, and when, is in `reporter.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from l0_core.deadline import finish
from l0_core.hookspecs import Envelope, Sink
from l0_core.lifecycle import ObservabilityEvent, ObservabilityEventType
from l0_core.log import log_raised, logger
from l0_core.views import view

if TYPE_CHECKING:
    from l0_core.session import Session

__all__ = ["Observers"]

SINK_BATCH = 60
"""Tokens that go to a sink in one envelope."""

E = ObservabilityEventType

_reported: set[str] = set()


class Observers:
    """The observers of one stream."""

    __slots__ = (
        "_batch",
        "_calls",
        "_later",
        "_left",
        "_logs",
        "_names",
        "_running",
        "_seq",
        "_session",
        "_sinks",
        "_task",
        "on_token",
        "sunk",
        "tokens_per_run",
        "undelivered",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = session.settings.callbacks
        self._names: dict[Any, str] = {}
        self._sinks: list[Sink] = []
        self._batch: list[Envelope] = []
        self._later: deque[tuple[Awaitable[Any], str]] = deque()
        self._running, self._left = "", False
        self.undelivered = 0
        """Tokens of the state that guardrails are still judging."""
        self._task: asyncio.Task[None] | None = None
        self._seq = self.sunk = 0
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
        self.tokens_per_run = SINK_BATCH if any(sink.tokens for sink in self._sinks) else 0

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

    def tokens_taken(self) -> None:
        if self.tokens_per_run and len(self._session.state._tokens) - self.sunk >= self.tokens_per_run:
            self.flush()

    # Sinks.

    def flush(self) -> None:
        """Hand what has gathered to the sinks."""
        if not self._sinks:
            return
        self._gather_tokens()
        batch, self._batch = self._batch, []
        for sink in self._sinks:
            wanted = [envelope for envelope in batch if sink.tokens or envelope.event.type is not E.TOKEN]
            if sink is not self._sinks[-1]:
                wanted = [_copied(envelope) for envelope in wanted]  # What one does to them, the next must not see.
            try:
                if wanted and (written := sink.write(wanted)) is not None:
                    self._defer(written, self._names[sink.write])
            except BaseException as error:
                self.broken(sink.write, error)

    def _gather_tokens(self) -> None:
        """Put the run of tokens since the last one into an envelope, before whatever comes after them."""
        tokens = self._session.state._tokens
        delivered = len(tokens) - self.undelivered
        if self.tokens_per_run and self.sunk < delivered:
            run, index = tuple(tokens[self.sunk : delivered]), self.sunk
            self.sunk = delivered
            self._envelope(E.TOKEN, {"tokens": run, "index": index})

    def _emit(self, kind: ObservabilityEventType, **meta: Any) -> None:
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
        return ObservabilityEvent(kind, time.time() * 1000, self._session.stream_id, self._session.context, meta)

    def _envelope(self, kind: ObservabilityEventType, meta: dict[str, Any]) -> None:
        self._batch.append(Envelope(self._session.stream_id, self._seq, self._event(kind, meta)))
        self._seq += 1

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

    def _defer(self, awaitable: Awaitable[Any], name: str) -> None:
        """Run something asynchronous in its turn, without holding up the stream."""
        self._later.append((awaitable, name))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run_later())

    async def _run_later(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while self._later:
            awaitable, self._running = self._later.popleft()
            try:
                await awaitable
                if task.cancelling():
                    await asyncio.sleep(0)  # It asked for the end of the task that all observers run in.
            except BaseException as error:
                if self._left:
                    raise
                self._passed_over(self._running, error)
            while task.cancelling():
                task.uncancel()

    @property
    def unfinished(self) -> bool:
        return self._task is not None and not self._task.done()

    async def finished(self, seconds: float) -> BaseException | None:
        """Wait for what was deferred, so long and no longer: what hangs is left, and the log says what it is.

        Returns a cancellation that arrived meanwhile.
        """
        task = self._task
        assert task is not None
        held = await finish(_settled(task, seconds), 2 * seconds)
        if not task.done():
            self._left = True
            task.cancel()
            logger.warning("%s did not finish within %g s of the end, and is left", self._running, seconds)
        return held


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
