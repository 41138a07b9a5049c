"""What the consumer gets of what arrives.

Text that was delivered is a fact: a later attempt continues it, repeats it silently or withdraws it out loud. Only this
room changes the content of the state, so what the state holds is what the consumer has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from l0_core.errors import Error, ErrorCode, GuardrailViolationError, OutputLimitExceeded
from l0_core.events import Event, EventType
from l0_core.gates import Gate, Passed
from l0_core.tool_calls import ToolCalls, as_call, is_whole

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.deadline import Watch
    from l0_core.observers import Observers
    from l0_core.settings import Settings
    from l0_core.state import State

__all__ = ["TEXT", "Channel", "Delivery"]

Channel = tuple[EventType, int]
"""A kind of text and the choice that it belongs to."""

TEXT = (EventType.TOKEN, EventType.REASONING, EventType.REFUSAL)
"""The kinds of events that are text."""

ANSWER: Channel = (EventType.TOKEN, 0)


class Delivery:
    """What one stream's consumer has, and what it gets next."""

    __slots__ = ("_checked", "_items", "_observers", "_settings", "_size", "_state", "_watch")

    def __init__(self, state: State, settings: Settings, watch: Watch, observers: Observers | None) -> None:
        self._state = state
        self._settings = settings
        self._watch = watch
        self._observers = observers
        self._items: list[Event] | None = None
        self._checked = self._size = 0

    def begin(self, attempt: Attempt) -> None:
        """An attempt begins: what it says is reckoned with what the consumer has."""
        self._size = 0
        self._checked = len(self._state._tokens)
        if attempt.number == 1 or attempt.kept:
            return
        state, verify = self._state, self._settings.on_interrupt == "verify"
        delivered: dict[Channel, str] = {
            ANSWER: state.content,
            (EventType.REASONING, 0): state.reasoning,
            (EventType.REFUSAL, 0): state.refusal,
            **{(EventType.TOKEN, choice): text for choice, text in state.choices.items()},
        }
        attempt.gates = {channel: Gate(text, verify) for channel, text in delivered.items() if text}

    async def admit(self, attempt: Attempt, event: Event) -> Iterable[Event]:
        """Take in one event, whatever it is; return what the consumer gets of it."""
        kind = event.type
        if kind in TEXT:
            if not event.text:
                return ()
            self._progress(attempt)
            return await self._admit_text(attempt, event, event.text)
        if kind is EventType.COMPLETE:
            self._prove(attempt, event)
            return ()
        if kind is EventType.ERROR:
            raise event.error or Error("The adapter reported an error and did not say which", ErrorCode.INVALID_STREAM)
        self._progress(attempt)
        if kind is EventType.PROGRESS and event.data is not None and "tool_call" in event.data:
            return self._admit_fragment(attempt, event.data["tool_call"], event)
        if kind is EventType.TOOL_CALL:
            data = event.data or {}
            if is_whole(data):
                # The adapter says that this call is complete: it need not wait for the end of the stream.
                attempt.released = True
                return (self._release(as_call(data), event.choice),)
            fragment = Event(EventType.PROGRESS, data={"tool_call": data}, choice=event.choice)
            return self._admit_fragment(attempt, data, fragment)
        if kind is EventType.PROGRESS:
            self._state.last_progress = event.progress
            return (event,)
        return self._admit_item(attempt, event)

    def _progress(self, attempt: Attempt) -> None:
        """Output has arrived: the first of it ends the wait for a first token, and more of it takes back a proof."""
        attempt.progressed = True
        attempt.proof = None
        if self._watch.phase != "inter_token":
            self._watch.enter("inter_token", self._settings.inter_token)
        if self._state.first_token_at is None:
            self._state.first_token_at = self._watch.wall_clock()

    def stop_clock(self) -> None:
        """Note when the last output came."""
        if self._state.first_token_at is not None:
            self._state.last_token_at = self._watch.wall_clock()

    def _prove(self, attempt: Attempt, event: Event) -> None:
        self.stop_clock()
        proof = attempt.proof
        if proof is None:
            attempt.proof = event
        else:
            proof.usage = event.usage or proof.usage
            proof.data = {**(proof.data or {}), **(event.data or {})} or None

    # Text.

    async def _admit_text(self, attempt: Attempt, event: Event, text: str) -> Iterable[Event]:
        channel = (event.type, event.choice)
        self._limit(text)
        if event.type is not EventType.REASONING and not text.isspace():
            attempt.spoke = True
        gate = attempt.gates.get(channel)
        if gate is not None:
            return await self._admit_repeated(attempt, event, text, gate)
        if attempt.seam is not None and channel == ANSWER:
            passed = self._past_seam(attempt, attempt.seam.feed(text))
            if not passed:
                return ()
            event, text = Event(EventType.TOKEN, passed, timestamp=event.timestamp), passed
        self._append(channel, text)
        if channel == ANSWER:
            try:
                await self._check(attempt, text)
            except BaseException:
                self._reject()
                raise
            self._show(text)
            attempt.flowing = True
        return (event,)

    def _past_seam(self, attempt: Attempt, passed: str | None) -> str | None:
        """Note what a seam cut, once it is decided."""
        if passed is not None and attempt.seam is not None:
            if attempt.seam.removed:
                self._state.deduplication_applied, self._state.overlap_removed = True, attempt.seam.removed
            attempt.seam = None
            attempt.flowing = not passed  # Nothing is left over of this delta, and what follows need not wait.
        return passed

    async def end_seam(self, attempt: Attempt) -> Iterable[Event]:
        """The source has ended before its seam was decided."""
        if attempt.seam is None:
            return ()
        passed = self._past_seam(attempt, attempt.seam.end())
        if not passed:
            return ()
        return await self._admit_text(attempt, Event(EventType.TOKEN, passed), passed)

    async def _admit_repeated(self, attempt: Attempt, event: Event, text: str, gate: Gate) -> Iterable[Event]:
        """Text of a restart, on a channel of which the consumer has something."""
        if (event.type, event.choice) == ANSWER:
            await self._check(attempt, text)
        return self._repeated(attempt, event, gate.feed(text))

    def _repeated(self, attempt: Attempt, event: Event, passed: Passed | None) -> Iterator[Event]:
        # A generator, so that the state changes with each event, and holds what the consumer has even if it leaves
        # between them.
        channel = (event.type, event.choice)
        if channel == ANSWER:
            # The answer has come, so what was reasoned before it has been said.
            yield from self.shut(attempt, EventType.REASONING)
        if passed is None:
            return
        del attempt.gates[channel]
        yield from self._withdraw(channel, passed.keep)
        attempt.flowing = attempt.flowing or channel == ANSWER
        if passed.text:
            self._append(channel, passed.text)
            if channel == ANSWER:
                self._show(passed.text)
            yield Event(event.type, passed.text, choice=event.choice, timestamp=event.timestamp)

    def shut(self, attempt: Attempt, *kinds: EventType) -> Iterator[Event]:
        """Withdraw what was delivered of channels that have ended, and have said less than before."""
        for channel in [channel for channel in attempt.gates if channel[0] in kinds]:
            passed = attempt.gates.pop(channel).end()
            if passed is not None:
                yield from self._withdraw(channel, passed.keep)

    def _append(self, channel: Channel, text: str) -> None:
        state = self._state
        kind, choice = channel
        if channel == ANSWER:
            state._tokens.append(text)
            self._checked = len(state._tokens)
        elif kind is EventType.TOKEN:
            state.choices[choice] = state.choices.get(choice, "") + text
        elif kind is EventType.REASONING:
            state._reasoning = state._reasoning or []
            state._reasoning.append(text)
        else:
            state._refusal = state._refusal or []
            state._refusal.append(text)

    def _withdraw(self, channel: Channel, keep: int | None) -> Iterator[Event]:
        """Take back all but the first `keep` characters of a channel, out loud."""
        if keep is None:
            return
        state = self._state
        kind, choice = channel
        if self._observers is not None:
            self._observers.flush()
        if channel == ANSWER:
            state._keep(keep)
            self._checked = len(state._tokens)
            data = {"keep": keep}
        elif kind is EventType.TOKEN:
            state.choices[choice] = state.choices[choice][:keep]
            data = {"keep": keep}
        else:
            name = "reasoning" if kind is EventType.REASONING else "refusal"
            setattr(state, name, getattr(state, name)[:keep])
            data = {"keep": len(state.content), name: keep}
        event = Event(EventType.RESET, data=data, choice=choice)
        if self._observers is not None:
            self._observers.reset(event)
        yield event

    def _limit(self, text: str) -> None:
        limits = self._settings.limits
        if limits.max_event_bytes is not None and len(text) * 4 > limits.max_event_bytes:
            size = len(text.encode("utf-8", "surrogatepass"))
            if size > limits.max_event_bytes:
                raise OutputLimitExceeded(
                    f"One event holds {size} bytes of text; Limits.max_event_bytes is {limits.max_event_bytes}"
                )
        if limits.max_output_chars is not None:
            self._size += len(text)
            if self._size > limits.max_output_chars:
                raise OutputLimitExceeded(
                    f"The output is longer than Limits.max_output_chars: {limits.max_output_chars}"
                )

    def _show(self, text: str) -> None:
        if self._observers is not None:
            self._observers.token(text)

    def _reject(self) -> None:
        """The newest token was taken in, and does not reach the consumer."""
        self._state._tokens.pop()
        self._checked = len(self._state._tokens)

    # Everything but text.

    def _admit_fragment(self, attempt: Attempt, fragment: dict[str, Any], event: Event) -> Iterable[Event]:
        if attempt.tools is None:
            attempt.tools = ToolCalls()
        attempt.tools.add(fragment, event.choice)
        return () if self._settings.buffer_tool_calls else (event,)

    def _release(self, call: dict[str, Any], choice: int) -> Event:
        self._state.tool_calls.append(call)
        if self._observers is not None:
            self._observers.tool_call(call)
        return Event(EventType.TOOL_CALL, data=call, choice=choice)

    def _admit_item(self, attempt: Attempt, event: Event) -> Iterable[Event]:
        """A message or a data output: one that an earlier attempt delivered is not delivered again."""
        if self._items is None:
            self._items = []
        place, attempt.items = attempt.items, attempt.items + 1
        if place < len(self._items) and self._items[place] == event:
            return ()
        self._items.append(event)
        if event.payload is not None:
            self._state.data_outputs.append(event.payload)
        return (event,)

    # The fast lane.

    def taker(self, attempt: Attempt) -> Callable[[str], Any]:
        """What takes in a token of the answer, made for what is switched on: the bare append if nothing is.

        It returns None, or the verdicts that have to be awaited before the token may go on (pass them to `resolve`). It
        raises where a guardrail objects, and then the token is not part of the text.
        """
        limits, observers = self._settings.limits, self._observers
        append = self._state._tokens.append
        handlers = () if observers is None else observers.on_token
        interval = self._interval(attempt)
        take: Callable[[str], Any]
        if interval:
            countdown = interval
            at_interval = self._at_interval

            def take(text: str) -> Any:
                nonlocal countdown
                append(text)
                countdown -= 1
                if not countdown:
                    countdown = interval
                    pending = at_interval(attempt)
                    if pending is not None:
                        return pending
                for handle in handlers:
                    try:
                        handle(text)
                    except BaseException as error:
                        observers.broken(handle, error)  # type: ignore[union-attr]
                return None
        elif handlers:

            def take(text: str) -> Any:
                append(text)
                for handle in handlers:
                    try:
                        handle(text)
                    except BaseException as error:
                        observers.broken(handle, error)  # type: ignore[union-attr]

        else:
            take = append
        if limits.max_event_bytes is None and limits.max_output_chars is None:
            return take
        unlimited, limit = take, self._limit

        def limited(text: str) -> Any:
            limit(text)
            return unlimited(text)

        return limited

    def _interval(self, attempt: Attempt) -> int:
        """After how many tokens something is to be done besides taking them; 0 for never."""
        if attempt.checks is not None:
            return self._settings.intervals.guardrails
        return 0 if self._observers is None else self._observers.tokens_per_run

    def _at_interval(self, attempt: Attempt) -> Any:
        pending = None
        if attempt.checks is not None:
            try:
                pending = attempt.checks.feed(self._unchecked())
            except GuardrailViolationError:
                self._reject()
                raise
        if pending is None and self._observers is not None:
            self._observers.tokens_taken()
        return pending

    async def resolve(self, attempt: Attempt, pending: Any, text: str) -> None:
        """Await the verdicts that hold a token back."""
        assert attempt.checks is not None
        try:
            await attempt.checks.wait(pending)
        except BaseException:
            self._reject()
            raise
        self._show(text)
        if self._observers is not None:
            self._observers.tokens_taken()

    # Guardrails, and the end.

    def is_empty(self, attempt: Attempt) -> bool:
        """Whether an attempt has said nothing: no text but blanks, no tool call, no other output."""
        if attempt.spoke or attempt.kept or attempt.released or attempt.items or attempt.tools is not None:
            return False
        return not (attempt.flowing and any(not token.isspace() for token in self._state._tokens))

    def _unchecked(self) -> str:
        """The text that no guardrail has seen."""
        tokens = self._state._tokens
        text = "".join(tokens[self._checked :])
        self._checked = len(tokens)
        return text

    async def _check(self, attempt: Attempt, text: str, final: bool = False) -> None:
        if attempt.checks is not None and (pending := attempt.checks.feed(text, final)) is not None:
            await attempt.checks.wait(pending)

    async def last_check(self, attempt: Attempt, incomplete: bool) -> None:
        """Let the guardrails have the last word. Raises GuardrailViolationError."""
        state = self._state
        calls = [call for _, call in attempt.tools.whole()] if attempt.tools is not None else []
        state.tool_calls += calls  # The guardrails are to see them; the consumer gets them if they agree.
        try:
            if rest := self._unchecked():
                await self._check(attempt, rest)
            await self._check(attempt, "", final=True)
        except GuardrailViolationError as error:
            # An answer that the provider cut short is what it is: a rule about whole answers cannot ask for another.
            if not incomplete or error.violation.halts:
                raise
        finally:
            del state.tool_calls[len(state.tool_calls) - len(calls) :]

    def finish(self, attempt: Attempt) -> list[Event]:
        """The last events of a stream that ended well: its tool calls, and COMPLETE."""
        proof, state = attempt.proof, self._state
        assert proof is not None
        reason = (proof.data or {}).get("finish_reason")
        calls = attempt.tools.whole() if attempt.tools is not None else ()
        out = [self._release(call, choice) for choice, call in calls]
        state.finish_reason, state.usage = reason, proof.usage
        return [*out, Event(EventType.COMPLETE, usage=proof.usage, data={"finish_reason": reason} if reason else None)]
