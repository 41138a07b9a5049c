"""Those who watch a stream: callbacks, token handlers and sinks. What they do wrong does not reach the stream.

What they are told, and when, is in `reporter.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from l0_core.hookspecs import Envelope, Sink
from l0_core.lifecycle import ObservabilityEvent, ObservabilityEventType
from l0_core.log import log_raised, logger

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
        "_logs",
        "_names",
        "_seq",
        "_session",
        "_sinks",
        "_task",
        "on_token",
        "sunk",
        "tokens_per_run",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = session.settings.callbacks
        self._names: dict[Any, str] = {}
        self._sinks: list[Sink] = []
        self._batch: list[Envelope] = []
        self._later: deque[Awaitable[Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seq = self.sunk = 0
        self._logs = logger.isEnabledFor(logging.DEBUG)
        handlers = []
        if "on_token" in self._calls:
            handlers.append(self._calls["on_token"])
            self._names[handlers[0]] = "the callback on_token"
        for bound in session.settings.plugins:
            for hook, opened in (("on_token", handlers), ("store_event", self._sinks)):
                if hook not in bound.hooks:
                    continue
                name = f"{bound.name} ({bound.origin})"
                try:
                    handler = bound.hooks[hook](session)
                except Exception as error:
                    _report(name, error)
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

        def handle(text: str) -> None:
            self._defer(handler(text))

        self._names[handle] = self._names[handler]
        return handle

    def broken(self, handler: Any, error: BaseException) -> None:
        """A handler raised: the stream goes on. What ends the process passes through."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        _report(self._names.get(handler, "a handler"), error)

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
            wanted = batch if sink.tokens else [envelope for envelope in batch if envelope.event.type is not E.TOKEN]
            try:
                if wanted and (written := sink.write(wanted)) is not None:
                    self._defer(written)
            except BaseException as error:
                self.broken(sink.write, error)

    def _gather_tokens(self) -> None:
        """Put the run of tokens since the last one into an envelope, before whatever comes after them."""
        tokens = self._session.state._tokens
        if self.tokens_per_run and self.sunk < len(tokens):
            run, index = tuple(tokens[self.sunk :]), self.sunk
            self.sunk = len(tokens)
            self._envelope(E.TOKEN, {"tokens": run, "index": index})

    def _emit(self, kind: ObservabilityEventType, **meta: Any) -> None:
        handler = self._calls.get("on_event")
        if self._logs:
            logger.debug("stream %s: %s %s", self._session.stream_id, kind.value, meta)
        if handler is None and not self._sinks:
            return
        event = ObservabilityEvent(kind, time.time() * 1000, self._session.stream_id, self._session.context, meta)
        if handler is not None:
            self._call("on_event", event)
        if self._sinks:
            self._gather_tokens()
            self._envelope(kind, meta, event)

    def _envelope(
        self, kind: ObservabilityEventType, meta: dict[str, Any], event: ObservabilityEvent | None = None
    ) -> None:
        session = self._session
        event = event or ObservabilityEvent(kind, time.time() * 1000, session.stream_id, session.context, meta)
        self._batch.append(Envelope(session.stream_id, self._seq, event))
        self._seq += 1

    # Callbacks.

    def _call(self, name: str, *args: Any) -> None:
        callback = self._calls.get(name)
        if callback is None:
            return
        try:
            result = callback(*args)
            if asyncio.iscoroutine(result):
                self._defer(result)
        except BaseException as error:
            self._names.setdefault(callback, f"the callback {name}")
            self.broken(callback, error)

    def _defer(self, awaitable: Awaitable[Any]) -> None:
        """Run something asynchronous in its turn, without holding up the stream."""
        self._later.append(awaitable)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run_later())

    async def _run_later(self) -> None:
        while self._later:
            try:
                await self._later.popleft()
            except Exception as error:
                _report("an async observer", error)

    @property
    def unfinished(self) -> bool:
        return self._task is not None and not self._task.done()

    async def finished(self) -> None:
        """Wait for what was deferred."""
        if self._task is not None:
            await self._task


def _report(name: str, error: BaseException) -> None:
    """Log what an observer did wrong: as a warning the first time."""
    if name not in _reported:
        _reported.add(name)
        log_raised(name, error, "the stream goes on")
    else:
        logger.debug("%s raised", name, exc_info=error)
