"""The life of one stream, whole: its sources, its attempts, and what the consumer gets of them.

`Session.events` is the only asynchronous generator between a provider and a consumer, and reads from top to bottom as
the life of a stream: open an attempt, read until its text flows, read fast, read to the end, prove the end, close the
source, and then complete, try again or raise. Everything rare is a method below it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from l0_core.attempt import WORTH_RESUMING, Attempt, BeganAnew, Source
from l0_core.budget import earn
from l0_core.checks import Checks
from l0_core.deadline import Aborted, Interrupted, Watch, finish
from l0_core.delivery import Delivery
from l0_core.errors import GuardrailViolationError, OutputLimitExceeded, StoreError, ZeroOutput
from l0_core.events import Event, EventType
from l0_core.log import logger, placed
from l0_core.raised import record_of, without_our_frames
from l0_core.state import Outcome, State

if TYPE_CHECKING:
    from l0_core.continuation import ContinuationConfig
    from l0_core.raw_chunks import RawChunks
    from l0_core.recovery import Recovery
    from l0_core.reporter import Reporter
    from l0_core.settings import Settings
    from l0_core.state_machine import StateMachine

__all__ = ["Session"]

CLOSE_BOUND = 1.0
"""Seconds that closing a source may take before it is cancelled."""

TOKEN = EventType.TOKEN


class Session:
    """One stream. To observers it is the stream's context (`StreamContext`)."""

    __slots__ = (
        "__weakref__",
        "_background",
        "_ended",
        "_recovery",
        "_seen",
        "_stream_id",
        "attempt",
        "attempts",
        "delivery",
        "errors",
        "observers",
        "raw",
        "resuming",
        "settings",
        "sources",
        "state",
        "watch",
    )

    def __init__(
        self, sources: Sequence[Any], settings: Settings, stream_id: str | None = None, begun: State | None = None
    ) -> None:
        self.settings = settings
        self.state = begun or State()
        self.watch = Watch(settings.total)
        self.errors: list[BaseException] = []
        self.attempt: Attempt | None = None
        self.attempts = 0
        self.raw: RawChunks | None = None
        if settings.keep_raw:
            from l0_core.raw_chunks import RawChunks

            self.raw = RawChunks()
        self.observers: Reporter | None = None
        self.sources = [Source(given) for given in sources]
        self._recovery: Recovery | None = None
        self.resuming = False
        self._ended: asyncio.Event | None = None
        self._seen: set[tuple[object, ...]] | None = None
        self._background: asyncio.Task[None] | None = None
        self._stream_id = stream_id
        self.delivery = Delivery(self.state, settings, self.watch, None)
        if begun is not None:
            self._take_up(begun)
        if settings.watched or logger.isEnabledFor(logging.DEBUG):
            self.observe()

    def _take_up(self, begun: State) -> None:
        """Go on with a stream of which the consumer has something: the first attempt here is not its first."""
        self.attempts, begun.fallback_index = 1, 0
        continues = self.settings.continuation is not None and len(begun.content) >= WORTH_RESUMING
        self.resuming = continues and self.sources[0].can_continue(self.settings)
        if begun.outcome is not None:
            self.watch.close()

    def observe(self) -> Reporter:
        """Whoever tells the stream's observers of its life; made if there is none yet."""
        if self.observers is None:
            from l0_core.reporter import Reporter

            self.observers = self.delivery.observers = Reporter(self)
        return self.observers

    @property
    def machine(self) -> StateMachine:
        """The state machine that the stream drives. Raises RuntimeError where it would have missed the beginning."""
        observers = self.observe() if self.watch.loop is None else self.observers
        if observers is None or (observers.machine is None and self.watch.loop is not None):
            raise RuntimeError("the stream has begun without a state machine; ask for state_machine before reading it")
        if observers.machine is None:
            from l0_core.state_machine import StateMachine

            observers.machine = StateMachine()
        return observers.machine

    @property
    def stream_id(self) -> str:
        """A UUIDv7, made when it is first asked for."""
        if self._stream_id is None:
            from l0_core.lifecycle import new_stream_id

            self._stream_id = new_stream_id()
        return self._stream_id

    @property
    def source_count(self) -> int:
        return len(self.sources)

    @property
    def context(self) -> Mapping[str, Any]:
        return self.settings.context

    @property
    def clock(self) -> Callable[[], float]:
        """The event loop's, in seconds."""
        return (self.watch.loop or asyncio.get_running_loop()).time

    async def events(self) -> AsyncGenerator[Event, None]:
        """The stream, as the consumer gets it."""
        watch, settings, state = self.watch, self.settings, self.state
        if watch.stopped:
            return
        error: BaseException | None = None
        attempt: Attempt | None = None
        iterator: Any = None
        decode: Any = None
        take: Any = None
        try:
            watch.start(settings.limits.max_duration)
            simple = settings.is_simple and self.observers is None
            while True:
                attempt = self._next_attempt()
                error = None
                try:
                    watch.begin("initial_token", settings.initial_token)
                    if not simple or self.attempts > 1:
                        await self._prepare(attempt)
                    await attempt.open(self.sources[attempt.source], settings.adapter)
                    reading = attempt.reading
                    iterator = reading.iterator  # type: ignore[union-attr]
                    if not simple:
                        self._opened(attempt)
                    # Until the text flows past every gate, each event is looked at closely.
                    async for chunk in iterator:
                        if not watch.noted:
                            watch.woke()
                        for decoded in attempt.decoded(chunk):
                            for event in await self.delivery.admit(attempt, decoded):
                                yield event
                                if watch.stopped:
                                    raise Interrupted
                        if attempt.progressed:
                            attempt.progressed = False
                            if not watch.noted:
                                watch.note()
                        if attempt.flowing or attempt.proof is not None:
                            break
                    # From here on a token costs what it must.
                    if attempt.flowing and attempt.proof is None:
                        take, decode = self.delivery.taker(attempt), reading.decode  # type: ignore[union-attr]
                        if decode is None:
                            async for event in iterator:
                                if not watch.noted:
                                    watch.woke()
                                if event.type is TOKEN and (text := event.text) and not event.choice:
                                    if (pending := take(text)) is not None:
                                        await self.delivery.resolve(attempt, pending, text)
                                    yield event
                                    if not watch.noted:
                                        watch.note()
                                    continue
                                for admitted in await self.delivery.admit(attempt, event):
                                    yield admitted
                                if attempt.progressed:
                                    attempt.progressed = False
                                    if not watch.noted:
                                        watch.note()
                                if attempt.proof is not None:
                                    break
                        else:
                            async for chunk in iterator:
                                if not watch.noted:
                                    watch.woke()
                                if (decoded := decode(chunk)) is None:
                                    continue
                                for event in (decoded,) if decoded.__class__ is Event else decoded:
                                    if event.type is TOKEN and (text := event.text) and not event.choice:
                                        if (pending := take(text)) is not None:
                                            await self.delivery.resolve(attempt, pending, text)
                                        yield event
                                        if not watch.noted:
                                            watch.note()
                                        continue
                                    for admitted in await self.delivery.admit(attempt, event):
                                        yield admitted
                                    if attempt.progressed:
                                        attempt.progressed = False
                                        if not watch.noted:
                                            watch.note()
                                if attempt.proof is not None:
                                    break
                    # What comes after the proof: usage, other choices, or nothing.
                    if attempt.proof is not None and reading.linger:  # type: ignore[union-attr]
                        watch.begin("linger", reading.linger)  # type: ignore[union-attr]
                        async for chunk in iterator:
                            if not watch.noted:
                                watch.woke()
                            for decoded in attempt.decoded(chunk):
                                for event in await self.delivery.admit(attempt, decoded):
                                    yield event
                                    if watch.stopped:
                                        raise Interrupted
                            self._lingering(attempt)
                    if attempt.seam is not None and attempt.is_proved:
                        for event in await self.delivery.end_seam(attempt, attempt.seam):
                            yield event
                    if watch.stopped:
                        raise Interrupted
                except GeneratorExit:
                    raise
                except BaseException as raised:
                    error = self._settle(attempt, raised)
                if error is None:
                    try:
                        for event in await self._conclude(attempt):
                            yield event
                            if watch.stopped:
                                raise Interrupted
                    except GeneratorExit:
                        raise
                    except BaseException as raised:
                        error = watch.settle(raised)
                if isinstance(error, BeganAnew) and settings.on_interrupt != "fail":
                    self.sources[attempt.source].go_on_with(attempt)
                    continue
                if error is not None and not isinstance(error, Exception | Aborted):
                    raise error  # The user's cancellation, or the end of the process.
                if (closing := self._closing(attempt)) is not None and (held := await self._close(closing)) is not None:
                    raise held
                if watch.stopped or isinstance(error, Aborted):
                    return
                if error is None:
                    if self.observers is not None:
                        self.observers.finalizing()
                    last = self.delivery.finish(attempt)
                    self._decide("incomplete" if attempt.cut_short else "complete")
                    self._succeeded()
                    for event in last:
                        yield event
                        if watch.stopped:
                            return
                    return
                try:
                    from l0_core.policies import recovered  # Most streams do not fail.

                    error = await recovered(self, attempt, error)
                except (Interrupted, asyncio.CancelledError) as raised:
                    # The wait before a retry was cut short: by the user, by abort(), or by the total deadline.
                    error = self._cut_short(watch.settle(raised))
                if error is not None:
                    if isinstance(error, Aborted):
                        return
                    raise error
        except Exception:
            self._decide("error")
            raise
        finally:
            try:
                if attempt is not None and (closing := self._closing(attempt)) is not None:
                    held = await self._close(closing)
                    if held is not None:
                        raise held
            finally:
                self._end()
                try:
                    if self.observers is not None and self.observers.unfinished:
                        held = await self.observers.finished(CLOSE_BOUND)
                        if held is not None and self._ends_in(held):
                            raise held
                finally:
                    if self.observers is not None:
                        self.observers.let_go()
                    # A raised exception keeps this frame, and must not keep the stream through it.
                    del watch, settings, state, attempt, iterator, decode, take, error
                    self = None  # type: ignore[assignment]

    # Opening.

    def _next_attempt(self) -> Attempt:
        self.attempts += 1
        feedback = None if self.attempt is None else self.attempt.feedback
        attempt = self.attempt = Attempt(self, self.attempts, self.state.fallback_index, feedback)
        if self.attempts > 1 and not self.resuming:
            self.state.drift_detected = False  # It is said of the answer that the consumer has.
        if self.observers is not None:
            self.observers.attempt_begins(attempt)
        return attempt

    async def _prepare(self, attempt: Attempt) -> None:
        """Open the guardrails, and let them judge what the attempt is to continue, if it is to."""
        continuation = self.settings.continuation
        if continuation is not None and self.resuming:
            attempt.kept, self.resuming = self.state.content, False
        if self.settings.guardrails:
            self._open_checks(attempt)
        if continuation is not None and attempt.kept:
            if attempt.checks is not None and not await self._is_good(attempt, continuation):
                attempt.kept = ""
                self._open_checks(attempt)
            else:
                self._resume(attempt, continuation)
        self.delivery.begin(attempt)
        if self.observers is not None:
            self.observers.opening()

    def _open_checks(self, attempt: Attempt) -> None:
        self._seen = self._seen or set()
        # What is wrong with a text that is continued has been told; a new answer that errs as the last did has not.
        told = set(self._seen) if attempt.kept else set()
        attempt.checks = Checks(
            self.settings.guardrails, self.state, self._seen, told, self.observers, self._would_retry
        )
        attempt.checks.open(attempt)

    async def _is_good(self, attempt: Attempt, continuation: ContinuationConfig) -> bool:
        """Whether the guardrails would have what was delivered continued."""
        assert attempt.checks is not None
        try:
            if (pending := attempt.checks.feed(attempt.kept)) is not None:
                await self.delivery.verdicts(attempt, pending)
        except GuardrailViolationError:
            return not continuation.validate_checkpoint
        return True

    def _resume(self, attempt: Attempt, continuation: ContinuationConfig) -> None:
        state, build = self.state, self.settings.continuation_prompt
        state.resumed = state.continuation_used = True
        state.checkpoint = state.resume_point = attempt.kept
        state.resume_from, state.overlap_removed = len(attempt.kept), None
        if build is not None and not self.sources[attempt.source].builds_prompts:
            build(attempt.kept)  # The factory is to look at what the caller made of it.
        if self.observers is not None:
            self.observers.resuming(attempt)

    def _opened(self, attempt: Attempt) -> None:
        """The source is open, and known how to be read."""
        continuation = self.settings.continuation
        if continuation is not None and attempt.kept and not continuation.deduplicate:
            attempt.exact = True
        elif continuation is not None and attempt.kept and not attempt.exact:
            from l0_core.continuation import Seam

            attempt.seam = Seam(attempt.kept, continuation.deduplication_options)
        if self.raw is not None:
            attempt.keep_raw(self.raw)
        if self.observers is not None:
            self.observers.attempt_opened(attempt)

    # The end of an attempt.

    def _lingering(self, attempt: Attempt) -> None:
        """After the proof only little time is left; a new delta makes it an ordinary stream again."""
        watch, reading = self.watch, attempt.reading
        assert reading is not None
        if attempt.progressed:
            attempt.progressed = False
            watch.note()
        if attempt.proof is not None and watch.phase != "linger":
            watch.begin("linger", reading.linger)

    def _settle(self, attempt: Attempt, raised: BaseException) -> BaseException | None:
        """What an attempt's end in an exception means; None where its proof makes it an end like any other."""
        self.delivery.stop_clock()
        error = self.watch.settle(raised)
        lingering = attempt.proof is not None and self.watch.phase == "linger"
        if lingering and isinstance(error, Exception) and not isinstance(error, OutputLimitExceeded):
            return None
        return error

    async def _conclude(self, attempt: Attempt) -> Iterable[Event]:
        """The source is done: prove it, and let the guardrails have the last word."""
        if attempt.proof is None:
            self.delivery.stop_clock()
        attempt.proof = attempt.prove()
        incomplete = attempt.cut_short is not None
        if incomplete:
            attempt.tools = None
        elif self.delivery.is_empty(attempt):
            # Before the guardrails: they would call it a fault of the model's, which an empty answer is not.
            raise ZeroOutput
        if attempt.checks is not None:
            self.watch.begin("check", None)
            await self.delivery.last_check(attempt, incomplete)
        elif attempt.tools is not None:
            attempt.tools.whole()
        return self.delivery.last_text(attempt)

    def _closing(self, attempt: Attempt) -> Coroutine[Any, Any, None] | None:
        """What closes the source, if it is not closed."""
        closing = attempt.closing()
        if closing is None and self._background is not None and not self._background.done():
            return _ended(self._background)  # abort() has begun it.
        return closing

    async def _close(self, closing: Coroutine[Any, Any, None]) -> BaseException | None:
        """Close the source, whatever happens meanwhile. Returns a cancellation that arrived."""
        watch = self.watch
        watch.rest()
        watch.shielded = True
        try:
            return await finish(closing, CLOSE_BOUND)
        except Exception as error:
            logger.debug("closing the source of a stream raised %s", placed(error))
            return None
        finally:
            watch.shielded = False

    # Failure. What follows one is decided in `policies`.

    def recoverer(self) -> Recovery:
        """What counts the failures of this stream."""
        if self._recovery is None:
            from l0_core.recovery import Recovery  # Most streams do not fail.

            self._recovery = Recovery(self.sources, self.settings.retry, self.state, self.watch.loop)
        return self._recovery

    def _would_retry(self, error: BaseException) -> bool:
        """Whether this attempt would be made again if it failed with `error`."""
        attempt = self.attempt
        if attempt is None or attempt.released:
            return False
        if self.settings.on_interrupt == "fail" and self.state.token_count:
            return False
        return self.recoverer().would_retry(error, self.watch.remaining())

    def _cut_short(self, reason: BaseException) -> BaseException:
        """A wait between two attempts ended before its time."""
        if not isinstance(reason, Exception):
            return reason
        self.errors.append(record_of(reason))
        return self.failed(reason)

    def failed(self, error: Exception) -> Exception:
        """Nothing follows: the error is to be raised, with what was delivered."""
        self._decide("error")
        text = self.state.content
        for name, value in (("partial", text), ("offset", len(text)), ("attempts", self.attempts)):
            try:
                setattr(error, name, value)
            except AttributeError:
                break  # An exception with slots takes no attributes.
        without_our_frames(error)
        if self.observers is not None:
            self.observers.gave_up(error)
        return error

    # The end of the stream.

    def _succeeded(self) -> None:
        if self._recovery is not None:
            self._recovery.succeeded()
        else:
            earn(self.sources[0], self.watch.loop)
        if self.observers is not None:
            self.observers.completed()

    def _decide(self, outcome: Outcome) -> None:
        if self.state.outcome is None:
            self.state.outcome = outcome

    def _ends_in(self, held: BaseException) -> bool:
        """Whether what came while observers had their time is what the consumer gets."""
        if isinstance(held, StoreError):
            stopped_by_it = self.watch.reason is held and self.state.outcome == "aborted"
            if self.state.outcome not in ("complete", "incomplete") and not stopped_by_it:
                return False  # It has failed already, or was left.
            self.state.outcome = "error"
            self.errors.append(record_of(held))
        return True

    def _end(self) -> None:
        """The stream is over, by whatever door."""
        self._decide("aborted")
        self.attempt = None
        if self.state.last_token_at is None and self.watch.loop is not None:
            self.delivery.stop_clock()
        self.watch.close()
        if self.observers is not None:
            self.observers.ended()
        if self._ended is not None:
            self._ended.set()

    # From outside.

    def abort(self, generator: AsyncGeneratorType[Event, None]) -> None:
        """Stop the stream now. Iteration ends quietly, and the source is closed."""
        if self.state.outcome is not None:
            return
        watch = self.watch
        if watch.loop is None:  # Never started: no frame of the generator will run.
            self._decide("aborted")
            if self.observers is not None:
                self.observers.aborting()
            self._discard_sources()
            self._end()
            return
        watch.interrupt(Aborted())
        self._decide("aborted")
        if self.observers is not None:
            self.observers.aborting()
        if generator.ag_running or self.attempt is None:
            return
        closing = self.attempt.closing()
        if closing is not None:
            self._background = watch.loop.create_task(_close_quietly(closing))

    def _discard_sources(self) -> None:
        """Close coroutines that were handed over and will never be awaited."""
        for source in self.sources:
            if source.once and asyncio.iscoroutine(made := source.make(None)):  # type: ignore[arg-type]
                made.close()

    async def wait_ended(self) -> None:
        """Wait until the generator has run to its end."""
        if self._ended is None:
            self._ended = asyncio.Event()
        await self._ended.wait()


async def _ended(task: asyncio.Task[None]) -> None:
    await task


async def _close_quietly(closing: Any) -> None:
    try:
        await finish(closing, CLOSE_BOUND)
    except Exception as error:
        logger.debug("closing the source of a stream raised %s", placed(error))
