"""What the consumer gets of what arrives.

Text that was delivered is a fact: a later attempt continues it, repeats it silently or withdraws it out loud. Only this
room changes the content of the state, so what the state holds is what the consumer has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from l0_core.checks import Pending, unwaited
from l0_core.errors import Error, ErrorCode, GuardrailViolationError, OutputLimitExceeded
from l0_core.events import Event, EventType
from l0_core.gates import Gate, Passed
from l0_core.holding import Hold, LetGo
from l0_core.tool_calls import ToolCalls, as_call, is_whole

if TYPE_CHECKING:
    from l0_core.attempt import Attempt
    from l0_core.continuation import Seam
    from l0_core.deadline import Watch
    from l0_core.reporter import Reporter
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

    __slots__ = (
        "_checked",
        "_hold",
        "_items",
        "_saved",
        "_settings",
        "_size",
        "_state",
        "_watch",
        "observers",
    )

    def __init__(self, state: State, settings: Settings, watch: Watch, observers: Reporter | None) -> None:
        self._state = state
        self._settings = settings
        self._watch = watch
        self.observers = observers
        self._items: list[Event] = []
        self._checked = self._saved = self._size = 0
        self._hold: Hold | None = None

    def begin(self, attempt: Attempt) -> None:
        """An attempt begins: what it says is reckoned with what the consumer has."""
        self._size = 0
        self._checked = self._saved = len(self._state._tokens)
        if self._settings.release != "live":
            # What an earlier attempt had held is forgotten: nobody has seen it.
            self._hold = Hold(until_end=self._settings.release == "complete")
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

    async def admit(self, attempt: Attempt, event: Event) -> Iterator[Event]:
        """Take in one event, whatever it is; return what the consumer gets of it, and of what was held."""
        # An iterator, so that the state changes with each event and is what the consumer has, even if it leaves between
        # two of them.
        admitted = await self._admit(attempt, event)
        return admitted if self._hold is None else self._then_release(admitted, self._hold)

    def _then_release(self, admitted: Iterator[Event], hold: Hold) -> Iterator[Event]:
        yield from admitted
        yield from hold.release()

    def _send(self, event: Event, let_go: LetGo) -> Iterator[Event]:
        """Deliver an event, or hold it until it is cleared: `let_go` then does what comes with delivering it."""
        if self._hold is None:
            return let_go(event)
        self._hold.put(event, let_go)
        return iter(())

    async def _admit(self, attempt: Attempt, event: Event) -> Iterator[Event]:
        kind = event.type
        if kind in TEXT:
            if not event.text:
                return iter(())
            self._progress(attempt)
            return await self._admit_text(attempt, event, event.text)
        if kind is EventType.COMPLETE:
            self._prove(attempt, event)
            return iter(())
        if kind is EventType.RESET:
            raise attempt.withdrawn()
        if kind is EventType.ERROR:
            raise event.error or Error("The adapter reported an error and did not say which", ErrorCode.INVALID_STREAM)
        self._progress(attempt)
        if self.observers is not None and (kind is EventType.TOOL_CALL or "tool_call" in (event.data or ())):
            self.observers.tool_call_begins()
        if kind is EventType.PROGRESS and event.data is not None and "tool_call" in event.data:
            return self._admit_fragment(attempt, event.data["tool_call"], event)
        if kind is EventType.TOOL_CALL:
            data = event.data or {}
            if is_whole(data):
                # The adapter says that this call is complete: it need not wait for the end of the stream.
                call = Event(EventType.TOOL_CALL, data=as_call(data), choice=event.choice)
                return self._send(call, lambda call: self._call(call, attempt))
            fragment = Event(EventType.PROGRESS, data={"tool_call": data}, choice=event.choice)
            return self._admit_fragment(attempt, data, fragment)
        if kind is EventType.PROGRESS:
            return self._send(event, self._advance)
        return self._admit_item(attempt, event)

    def _progress(self, attempt: Attempt) -> None:
        """Output has arrived: the first of it ends the wait for a first token, and more of it takes back a proof."""
        attempt.progressed = True
        attempt.proof = None
        if self._watch.phase != "inter_token":
            if self.observers is not None and self._watch.phase == "initial_token":
                self.observers.first_output(attempt)
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

    async def _admit_text(self, attempt: Attempt, event: Event, text: str) -> Iterator[Event]:
        self._limit(text)
        if event.type is not EventType.REASONING and not text.isspace():
            attempt.spoke = True
        if (event.type, event.choice) == ANSWER:
            if attempt.seam is not None:
                joined = attempt.seam.feed(text)
                if joined is None:
                    return iter(())
                self._sewn(attempt, attempt.seam)
                text = joined
            await self._judge(attempt, text)
        if self._hold is None and not attempt.gates and text == event.text:
            # Nothing to join it to and nothing to wait for, as in most streams.
            attempt.flowing = attempt.flowing or (event.type, event.choice) == ANSWER
            self._note(event, text)
            return iter((event,))
        return self._join(attempt, event, text)

    async def _judge(self, attempt: Attempt, text: str) -> None:
        """Let the guardrails see a piece of the answer: at once, or at intervals while it is held."""
        hold = self._hold
        if not text or (hold is None and attempt.checks is None):
            return
        if hold is None:
            await self._check(attempt, text)
            return
        hold.arrived += len(text)
        if attempt.checks is None:
            hold.clear(0)
            return
        hold.unjudged.append(text)
        if len(hold.unjudged) >= self._settings.intervals.guardrails:
            await self._check(attempt, self._unchecked())
            hold.clear(attempt.checks.holdback)

    def _join(self, attempt: Attempt, event: Event, text: str) -> Iterator[Event]:
        """Join a piece of text to what the consumer has of its channel."""
        channel = (event.type, event.choice)
        if channel == ANSWER and attempt.gates:
            # The answer has come, so what was reasoned before it has been said.
            yield from self.shut(attempt, EventType.REASONING)
        gate = attempt.gates.get(channel)
        if gate is not None:
            passed = gate.feed(text)
            if passed is None:
                return
            del attempt.gates[channel]
            if self.observers is not None and not attempt.gates:
                self.observers.matched()
            yield from self._withdraw(channel, passed)
            text = passed.text
        if channel == ANSWER:
            attempt.flowing = self._hold is None
        if text:
            same = text == event.text
            piece = event if same else Event(event.type, text, choice=event.choice, timestamp=event.timestamp)
            yield from self._send(piece, self._say)

    def _say(self, event: Event) -> Iterator[Event]:
        self._note(event, event.text or "")
        yield event

    def _note(self, event: Event, text: str) -> None:
        """Text reaches the consumer."""
        self._append((event.type, event.choice), text)
        if self.observers is not None:
            if event.type is EventType.TOKEN and not event.choice:
                self.observers.token(text)
            else:
                self.observers.output(event)

    def _sewn(self, attempt: Attempt, seam: Seam) -> None:
        """A seam is decided."""
        if seam.removed:
            self._state.deduplication_applied, self._state.overlap_removed = True, seam.removed
        attempt.seam = None
        if self.observers is not None:
            self.observers.sewn(seam.removed)

    async def end_seam(self, attempt: Attempt, seam: Seam) -> Iterator[Event]:
        """The source has ended before its seam was decided."""
        text = seam.end()
        self._sewn(attempt, seam)
        if not text:
            return iter(())
        await self._judge(attempt, text)
        return self._join(attempt, Event(EventType.TOKEN, text), text)

    def shut(self, attempt: Attempt, *kinds: EventType) -> Iterator[Event]:
        """Withdraw what was delivered of channels that have ended, and have said less than before."""
        for channel in [channel for channel in attempt.gates if channel[0] in kinds]:
            yield from self._withdraw(channel, attempt.gates.pop(channel).end())

    def _withdraw(self, channel: Channel, passed: Passed) -> Iterator[Event]:
        """Take back what a gate found to be different, out loud."""
        keep = passed.keep
        if keep is None:
            return iter(())
        reset = Event(EventType.RESET, data={"keep": keep}, choice=channel[1])
        return self._send(reset, lambda event: self._reset(event, channel, keep))

    def _reset(self, event: Event, channel: Channel, keep: int) -> Iterator[Event]:
        state = self._state
        kind, choice = channel
        if self.observers is not None:
            self.observers.flush()
        if channel == ANSWER:
            state._keep(keep)
            self._checked = len(state._tokens)
        elif kind is EventType.TOKEN:
            state.choices[choice] = state.choices[choice][:keep]
        else:
            name = "reasoning" if kind is EventType.REASONING else "refusal"
            setattr(state, name, getattr(state, name)[:keep])
            event.data = {"keep": len(state.content), name: keep}
        if self.observers is not None:
            self.observers.reset(event)
        yield event

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

    # Everything but text.

    def _admit_fragment(self, attempt: Attempt, fragment: dict[str, Any], event: Event) -> Iterator[Event]:
        if attempt.tools is None:
            attempt.tools = ToolCalls()
        attempt.tools.add(fragment, event.choice)
        return iter(()) if self._settings.buffer_tool_calls else self._send(event, self._pass)

    def _call(self, event: Event, attempt: Attempt) -> Iterator[Event]:
        """A whole tool call reaches the consumer; from here on the stream cannot be restarted."""
        attempt.released = True
        call = event.data or {}
        self._state.tool_calls.append(call)
        if self.observers is not None:
            self.observers.tool_call(call)
            self.observers.output(event)
        yield event

    def _admit_item(self, attempt: Attempt, event: Event) -> Iterator[Event]:
        """A message or a data output: one that an earlier attempt delivered is not delivered again."""
        attempt.spoke = True
        if attempt.repeatable is None:
            attempt.repeatable = [*self._items]
        for place, delivered in enumerate(attempt.repeatable):
            if _says_the_same(delivered, event):
                del attempt.repeatable[place]
                return iter(())
        return self._send(event, self._item)

    def _item(self, event: Event) -> Iterator[Event]:
        self._items.append(event)
        if event.payload is not None:
            self._state.data_outputs.append(event.payload)
        yield from self._pass(event)

    def _advance(self, event: Event) -> Iterator[Event]:
        self._state.last_progress = event.progress
        yield from self._pass(event)

    def _pass(self, event: Event) -> Iterator[Event]:
        if self.observers is not None:
            self.observers.output(event)
        yield event

    # The fast lane.

    def taker(self, attempt: Attempt) -> Callable[[str], Any]:
        """What takes in a token of the answer, made for what is switched on: the bare append if nothing is.

        It returns None, or the verdicts that have to be awaited before the token may go on (pass them to `resolve`). It
        raises where a guardrail objects, and then the token is not part of the text.
        """
        limits, observers = self._settings.limits, self.observers
        append = self._state._tokens.append
        handlers = () if observers is None else observers.on_token
        countdown = self._until_due(attempt)
        take: Callable[[str], Any] = append

        def at_interval() -> Any:
            nonlocal countdown
            pending = self._at_interval(attempt)
            countdown = self._until_due(attempt)
            return pending

        if attempt.checks is not None and self._settings.continuation is None and observers is None:
            checks, tokens, interval = attempt.checks, self._state._tokens, self._settings.intervals.guardrails

            def at_interval() -> Any:
                """What is left of `_at_interval` where there is nothing but guardrails."""
                nonlocal countdown
                countdown, start, self._checked = interval, self._checked, len(tokens)
                try:
                    return checks.feed("".join(tokens[start:]))
                except GuardrailViolationError:
                    self._reject()
                    raise

        # Three near-copies, for a call or a loop over nothing is a third of what a token costs here.
        if countdown and handlers:

            def take_at_interval_and_show(text: str) -> Any:
                nonlocal countdown
                append(text)
                countdown -= 1
                if not countdown and (pending := at_interval()) is not None:
                    return pending
                for handle in handlers:
                    try:
                        handle(text)
                    except BaseException as error:
                        observers.broken(handle, error)  # type: ignore[union-attr]
                return None

            take = take_at_interval_and_show
        elif countdown:

            def take_at_interval(text: str) -> Any:
                nonlocal countdown
                append(text)
                countdown -= 1
                return None if countdown else at_interval()

            take = take_at_interval
        elif handlers:

            def take_and_show(text: str) -> Any:
                append(text)
                for handle in handlers:
                    try:
                        handle(text)
                    except BaseException as error:
                        observers.broken(handle, error)  # type: ignore[union-attr]

            take = take_and_show
        if limits.max_event_bytes is None and limits.max_output_chars is None:
            return take
        unlimited, limit = take, self._limit

        def limited(text: str) -> Any:
            limit(text)
            return unlimited(text)

        return limited

    def _until_due(self, attempt: Attempt) -> int:
        """After how many more tokens something is to be done besides taking them; 0 for never."""
        due = []
        if attempt.checks is not None:
            due.append(self._checked + self._settings.intervals.guardrails)
        if self._settings.continuation is not None:
            due.append(self._saved + self._settings.continuation.checkpoint_interval)
        return max(1, min(due) - len(self._state._tokens)) if due else 0

    def _at_interval(self, attempt: Attempt) -> Any:
        pending = None
        count = len(self._state._tokens)
        if attempt.checks is not None and count - self._checked >= self._settings.intervals.guardrails:
            if self.observers is not None:
                self.observers.undelivered = 1
            try:
                pending = attempt.checks.feed(self._unchecked())
            except GuardrailViolationError:
                self._reject()
                raise
            if self.observers is not None and pending is None:
                self.observers.undelivered = 0
        continuation = self._settings.continuation
        if continuation is not None and pending is None and count - self._saved >= continuation.checkpoint_interval:
            self._saved = count
            self._save_checkpoint(self._checked if attempt.checks is not None else count)
        return pending

    def _save_checkpoint(self, at: int) -> None:
        """What the guardrails have seen and not objected to is a checkpoint: an offset, and no copy of the text."""
        state = self._state
        if at != state._checkpoint_at:
            state._checkpoint_at = at
            if self.observers is not None:
                self.observers.checkpoint(at)

    def _reject(self) -> None:
        """The newest token was taken in, and does not reach the consumer."""
        self._state._drop_newest()
        self._checked = len(self._state._tokens)
        if self.observers is not None:
            self.observers.undelivered = 0

    async def resolve(self, attempt: Attempt, pending: Any, text: str) -> None:
        """Await the verdicts that hold a token back."""
        try:
            await self.verdicts(attempt, pending)
        except BaseException:
            self._reject()
            raise
        if self.observers is not None:
            self.observers.undelivered = 0
            self.observers.token(text)

    # Guardrails, and the end.

    def is_empty(self, attempt: Attempt) -> bool:
        """Whether an attempt has said nothing: no text but blanks, no tool call, no other output.

        Where a text is continued exactly, nothing more is an answer. Where some of it was to be repeated, it is not.
        """
        if attempt.spoke or attempt.released or attempt.tools is not None:
            return False
        if attempt.kept:
            return not (attempt.exact or attempt.flowing)
        return not (attempt.flowing and any(not token.isspace() for token in self._state._tokens))

    def _unchecked(self) -> str:
        """The text that no guardrail has seen."""
        if self._hold is not None:
            text, self._hold.unjudged = "".join(self._hold.unjudged), []
            return text
        tokens = self._state._tokens
        text = "".join(tokens[self._checked :])
        self._checked = len(tokens)
        return text

    async def _check(self, attempt: Attempt, text: str, final: bool = False) -> None:
        if attempt.checks is not None and (pending := attempt.checks.feed(text, final)) is not None:
            await self.verdicts(attempt, pending)

    async def verdicts(self, attempt: Attempt, pending: Pending) -> None:
        """Await the verdicts of asynchronous judges. Their time is not the source's."""
        watch, checks = self._watch, attempt.checks
        assert checks is not None
        phase, limit = watch.phase, watch.limit
        try:
            watch.begin("check", None)
        except BaseException:
            unwaited(pending)
            raise
        await checks.wait(pending)
        watch.enter(phase, limit)

    async def last_check(self, attempt: Attempt, incomplete: bool) -> None:
        """Let the guardrails have the last word. Raises GuardrailViolationError."""
        state = self._state
        calls = [call for _, call in attempt.tools.whole()] if attempt.tools is not None else []
        state.tool_calls += calls  # The guardrails are to see them; the consumer gets them if they agree.
        try:
            attempt.checks.cut_short = incomplete  # type: ignore[union-attr]
            if rest := self._unchecked():
                await self._check(attempt, rest)
            await self._check(attempt, "", final=True)
        finally:
            del state.tool_calls[len(state.tool_calls) - len(calls) :]

    def last_text(self, attempt: Attempt) -> Iterator[Event]:
        """Nobody objects: what a restart never said again is withdrawn, and what was held goes out."""
        yield from self.shut(attempt, *TEXT)
        if self._hold is not None:
            self._hold.open()
            yield from self._hold.release()

    def finish(self, attempt: Attempt) -> list[Event]:
        """The last events of a stream that ended well: its tool calls, and COMPLETE."""
        proof, state = attempt.proof, self._state
        assert proof is not None
        reason = (proof.data or {}).get("finish_reason")
        calls = attempt.tools.whole() if attempt.tools is not None else ()
        out: list[Event] = []
        for choice, call in calls:
            out += self._call(Event(EventType.TOOL_CALL, data=call, choice=choice), attempt)
        state.finish_reason, state.usage = reason, proof.usage
        out += self._pass(
            Event(EventType.COMPLETE, usage=proof.usage, data={"finish_reason": reason} if reason else None)
        )
        return out


def _says_the_same(one: Event, other: Event) -> bool:
    """Whether two events differ in nothing but when they were made."""
    fields = ("type", "text", "data", "payload", "choice")
    return all(getattr(one, name) == getattr(other, name) for name in fields)
