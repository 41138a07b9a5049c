"""The one timer of a stream, and the one way to interrupt it.

Deadlines, `abort()` and `aclose()` from another task all stop a waiting stream in the same way: the task that waits in
the stream's generator is cancelled, and when the `CancelledError` arrives the generator takes it back. A user's own
cancellation always wins over that.

How waiting is known without touching the clock for every token: the generator says `note()` before it waits. The first
note of a turn of the event loop asks the loop to look again in its next turn; whoever still waits then really waits,
and only then is a timer armed. While `noted` is set, nothing is done for a token at all. Where notes come more than
`BURST` apart, waits are real, and the note reads the clock itself, which spares the loop the extra turn.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import time
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from l0_core.errors import OutputLimitExceeded, TimeoutError

__all__ = ["Aborted", "Interrupted", "Watch", "finish", "unless_cancelled"]

T = TypeVar("T")

BURST = 0.0001
"""Seconds between two notes under which the stream is taken to be delivering without waiting."""

LOOK_AGAIN = 0.01
"""Seconds in which a cancellation that is under way arrives, or has been taken back."""

_NEVER = float("inf")


class Interrupted(BaseException):
    """Raised inside a stream's generator where it finds that it was stopped. Never leaves it."""


class Aborted(BaseException):
    """The reason of an interruption by `abort()` or `aclose()`. Never leaves the stream."""


async def unless_cancelled(awaitable: Awaitable[T]) -> T:
    """Await what another's code returned. A CancelledError of its own making is a RuntimeError; a real one passes."""
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > before:
            raise
        raise RuntimeError("it raised CancelledError, and nobody had cancelled it") from error


class Watch:
    """Watches one stream: its deadlines, and whether it was told to stop.

    All times are in seconds of the event loop's clock. `limit` holds for the present phase (until the first token,
    between tokens, after the end), `total` for all waiting together, `end` is the time by which the stream ends
    whatever happens. `silence` is the longest wait between two outputs of the present attempt.
    `on_wake` is called when a real wait has ended, before what ended it is looked at.
    """

    __slots__ = (
        "__weakref__",
        "_cancelled",
        "_generator",
        "_timer",
        "baseline",
        "before",
        "end",
        "epoch",
        "limit",
        "loop",
        "mark",
        "noted",
        "on_wake",
        "phase",
        "reason",
        "shielded",
        "silence",
        "since",
        "stopped",
        "task",
        "timed",
        "total",
        "waited",
    )

    def __init__(self, total: float | None = None) -> None:
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self.noted = False
        self.on_wake: Callable[[], None] | None = None
        self.stopped = False
        self.shielded = False
        self.reason: BaseException | None = None
        self.total = total
        self.end: float | None = None
        self.waited = self.epoch = 0.0
        self.mark = self.since = self.silence = 0.0
        self.phase = ""
        self.limit: float | None = None
        self.timed = False
        self.task: asyncio.Task[Any] | None = None
        self.baseline = self.before = 0
        self._cancelled: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._generator: weakref.ref[types.AsyncGeneratorType[Any, None]] | None = None

    def watch(self, generator: types.AsyncGeneratorType[Any, None]) -> None:
        """Say whose waiting it is. Held weakly: dropping the generator is a way to leave a stream."""
        self._generator = weakref.ref(generator)

    def start(self, max_duration: float | None) -> None:
        """The stream begins: called from within the running loop."""
        self.loop = asyncio.get_running_loop()
        self.mark = self.loop.time()
        self.epoch = time.time() - self.mark
        if max_duration is not None:
            self.end = self.mark + max_duration

    # What the generator calls.

    def begin(self, phase: str, limit: float | None) -> None:
        """A phase begins, and with it a wait, under `limit` seconds (None: no limit of its own)."""
        self.enter(phase, limit)
        if self.stopped:
            raise Interrupted
        task = self.task = asyncio.current_task(self.loop)
        self.baseline = 0 if task is None else task.cancelling()
        self.since = self.mark = self.loop.time()
        self.noted = True
        self.loop.call_soon(self._turned)

    def enter(self, phase: str, limit: float | None) -> None:
        """The next wait belongs to another phase."""
        self.phase, self.limit = phase, limit
        if phase == "initial_token":
            self.silence = 0.0
        self.timed = limit is not None or self.total is not None or self.end is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rest(self) -> None:
        """No deadline holds until the next phase: what is done meanwhile has a bound of its own."""
        self.enter("", None)
        self.timed = False

    def note(self) -> None:
        """A wait begins: the consumer has had its time. Raises `Interrupted` if the stream was stopped meanwhile."""
        if self.stopped:
            raise Interrupted
        loop = self.loop
        now = loop.time()
        task = self.task = asyncio.current_task(loop)
        self.baseline = 0 if task is None else task.cancelling()
        burst = now - self.since < BURST
        self.since = self.mark = now
        if burst:
            self.noted = True
            loop.call_soon(self._turned)
        elif self.timed and self._timer is None:
            self._arm()

    def woke(self) -> None:
        """A wait that was real is over. Raises `Interrupted` if the stream was stopped meanwhile."""
        self._charge()
        if self.on_wake is not None:
            self.on_wake()
        if self.stopped:
            raise Interrupted

    def _charge(self) -> None:
        now = self.loop.time()
        self.waited += now - self.mark
        self.mark = now
        if self.phase == "inter_token" and now - self.since > self.silence:
            self.silence = now - self.since

    def settle(self, error: BaseException) -> BaseException:
        """What really happened, where a wait ended with `error`.

        Takes back our own cancellation first. Raises CancelledError if the user cancelled too, even if the source
        made something else of it.
        """
        self._charge()
        cancelled, self._cancelled = self._cancelled, None
        if cancelled is not None:
            if cancelled.uncancel() > self.before:
                raise asyncio.CancelledError
        elif self.task is not None and self.task.cancelling() > self.baseline and not self.task.done():
            if not isinstance(error, asyncio.CancelledError) and asyncio.current_task(self.loop) is self.task:
                raise asyncio.CancelledError from error
            return error
        if cancelled is None and not isinstance(error, Interrupted):
            return error
        reason = self.reason
        assert reason is not None
        if not isinstance(reason, Aborted):
            # A deadline ends an attempt, and perhaps not the stream.
            self.stopped, self.reason = False, None
        return reason

    def wall_clock(self) -> float:
        """When the source last spoke, in seconds since the epoch; now, if it does not keep the stream waiting."""
        return self.epoch + (self.loop.time() if self.noted else self.mark)

    def remaining(self) -> float | None:
        """Seconds of waiting left to the stream, or None without a bound."""
        due = min(self._bound(), _NEVER)
        return None if due == _NEVER else max(0.0, due - self.loop.time())

    def close(self) -> None:
        """The stream is over."""
        self.stopped = True
        self.timed = False
        self.on_wake = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What others call.

    def excuse(self, seconds: float) -> None:
        """So much of the present wait was not the provider's."""
        self.since += seconds
        self.mark += seconds

    def interrupt(self, reason: BaseException) -> bool:
        """Stop the stream for `reason`; return whether it was waiting and is being woken.

        The first reason counts, but for an abort, which ends the stream whatever else it was stopped for. A stream that
        is not waiting finds out when it next would.
        """
        if self.stopped:
            if isinstance(reason, Aborted):
                self.reason = reason
            return self._cancelled is not None
        return self._stop(reason)

    def _stop(self, reason: BaseException) -> bool:
        task = self._waiting_task()
        if task is not None and task is self.task and task.cancelling() > self.baseline:
            # A cancellation of another's is under way, and wins. But it may be taken back, as anyio's scopes do.
            self._look_again_later()
            if not isinstance(reason, Aborted):
                return True
        elif task is not None:
            self._cancelled, self.before = task, task.cancelling()
            task.cancel()
        self.reason = reason
        self.stopped = True
        self.noted = False
        return task is not None

    def _waiting_task(self) -> asyncio.Task[Any] | None:
        """The task that waits in the stream, and is to be woken."""
        generator = None if self._generator is None else self._generator()
        if generator is None or not generator.ag_running or self.shielded:
            return None
        task = self._driver(generator)
        return None if task is _current_task() else task

    def _driver(self, generator: types.AsyncGeneratorType[Any, None]) -> asyncio.Task[Any] | None:
        """The task that waits in the generator.

        Usually the one that was noted; another one if two tasks took turns within one turn of the loop.
        """
        noted = self.task
        if noted is not None and not noted.done() and _waits_in(noted.get_coro(), generator):
            return noted
        for task in asyncio.all_tasks(self.loop):
            if task is not noted and _waits_in(task.get_coro(), generator):
                return task
        return noted if noted is not None and not noted.done() else None

    # The timer.

    def _turned(self) -> None:
        """The loop has turned since the first note of a turn."""
        self.noted = False
        generator = None if self._generator is None else self._generator()
        if generator is None or not generator.ag_running or self.stopped:
            return
        self.since = self.mark = self.loop.time()
        if self.timed and self._timer is None:
            self._arm()

    def _bound(self) -> float:
        bound = _NEVER
        if self.total is not None:
            bound = self.mark + self.total - self.waited
        if self.end is not None and self.end < bound:
            bound = self.end
        return bound

    def _due(self) -> float:
        due = self._bound()
        if self.limit is not None and self.since + self.limit < due:
            due = self.since + self.limit
        return due

    def _arm(self) -> None:
        due = self._due()
        if due != _NEVER:
            self._timer = self.loop.call_at(due, self._fire)

    def _look_again_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        """A cancellation that was under way when the stream was to be stopped has come, or was taken back."""
        self._timer = None
        if not self.stopped:
            self._fire()
        elif self.reason is not None and self._cancelled is None:
            self._stop(self.reason)

    def _fire(self) -> None:
        self._timer = None
        generator = None if self._generator is None else self._generator()
        if generator is None or self.stopped or not generator.ag_running:
            return  # The consumer has it. The next wait arms the timer again.
        if self.loop.time() < self._due():
            self._arm()
            return
        self.interrupt(self._overdue())

    def _overdue(self) -> BaseException:
        if self.limit is not None and self.since + self.limit <= self._bound():
            what = "the first token" if self.phase == "initial_token" else "the next token"
            return TimeoutError(f"Waited {self.limit:g} s for {what}", self.phase, self.limit)
        if self.end is not None and self.end <= self._bound():
            return OutputLimitExceeded("The stream was stopped: it ran for longer than Limits.max_duration")
        assert self.total is not None
        return TimeoutError(f"Waited {self.total:g} s for the provider in all", "total", self.total)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _waits_in(waiting: Any, generator: types.AsyncGeneratorType[Any, None]) -> bool:
    """Whether a coroutine waits, however deep, in a generator.

    The awaitable that stands between a generator and whoever iterates it shows its generator to the garbage collector
    only.
    """
    for _ in range(1000):
        if waiting is generator:
            return True
        inner = None
        for name in ("cr_await", "ag_await", "gi_yieldfrom"):
            inner = getattr(waiting, name, None)
            if inner is not None:
                break
        if inner is None:
            held = gc.get_referents(waiting)
            if any(thing is generator for thing in held):
                return True
            inner = next((thing for thing in held if type(thing).__name__ in _STEPS), None)
        if inner is None:
            return False
        waiting = inner
    return False


_STEPS = frozenset(
    [
        "coroutine",
        "async_generator",
        "generator",
        "async_generator_asend",
        "async_generator_athrow",
        "anext_awaitable",
        "coroutine_wrapper",
    ]
)


class _Gate:
    """Where `finish` waits: opened by what it waits for, or by its bound."""

    __slots__ = ("_future", "expired")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self.expired = 0

    def open(self, _: object = None) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def expire(self) -> None:
        self.expired += 1
        self.open()

    def renew(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        self._future = loop.create_future()
        return self._future


@types.coroutine
def finish(coroutine: Coroutine[Any, Any, Any], bound: float) -> Generator[Any, Any, BaseException | None]:
    """Run a coroutine to its end in place, whatever happens to the task meanwhile.

    A cancellation that arrives is held, and returned for the caller to raise. After `bound` seconds the coroutine is
    cancelled itself, and after as long again it is given up. Raises what the coroutine raises, or a builtin
    TimeoutError.
    """
    held: BaseException | None = None
    timer: asyncio.TimerHandle | None = None
    gate = _Gate()
    strikes = 0
    try:
        while True:
            try:
                if gate.expired > strikes:
                    strikes = gate.expired
                    awaited = coroutine.throw(asyncio.CancelledError())
                else:
                    awaited = coroutine.send(None)
            except StopIteration:
                return held
            except asyncio.CancelledError as error:
                if strikes:
                    raise builtins.TimeoutError(f"gave up after {bound:g} s") from None
                raise RuntimeError("it raised CancelledError, and nobody had cancelled it") from error
            loop = asyncio.get_running_loop()
            if timer is None:
                timer = loop.call_later(bound, gate.expire)
            if awaited is None:
                try:
                    yield None
                except asyncio.CancelledError as error:
                    held = error
                continue
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(gate.open)
            while not awaited.done() and gate.expired == strikes:
                try:
                    yield from gate.renew(loop)
                except asyncio.CancelledError as error:
                    held = error
            awaited.remove_done_callback(gate.open)
            if strikes and gate.expired > strikes:
                raise builtins.TimeoutError(f"gave up after {2 * bound:g} s")
            if gate.expired:
                timer.cancel()
                timer = loop.call_later(bound, gate.expire)
    finally:
        if timer is not None:
            timer.cancel()
        coroutine.close()
