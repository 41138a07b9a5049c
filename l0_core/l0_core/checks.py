"""Guardrails at work on one attempt: opening them, feeding them, and what their verdicts mean."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, cast

from l0_core import config
from l0_core.deadline import unless_cancelled
from l0_core.errors import DriftDetected, GuardrailViolationError, PluginError
from l0_core.guardrails import DriftViolation, GuardrailRule, GuardrailViolation
from l0_core.holding import FOREVER
from l0_core.hookspecs import AttemptContext, Check, Judge
from l0_core.log import log_raised
from l0_core.plugins import Bound, bind, registry
from l0_core.raised import described
from l0_core.state import State
from l0_core.views import view

if TYPE_CHECKING:
    from l0_core.reporter import Reporter

__all__ = ["Checks", "Guardrail", "open_rule", "resolve_guardrails", "rule_of"]

Open = Callable[[AttemptContext], "Check | Judge | None"]


class Guardrail:
    """A guardrail that a stream is to run: its name, what opens it, and what happens when it breaks.

    `origin` is the distribution and version, or the module, that it comes from.
    """

    __slots__ = ("name", "on_error", "open", "origin")

    def __init__(self, name: str, open: Open, on_error: Literal["open", "closed"] = "open", origin: str = "") -> None:
        self.name, self.open, self.on_error, self.origin = name, open, on_error, origin

    @classmethod
    def of(cls, bound: Bound, on_error: Literal["open", "closed"] = "open") -> Guardrail:
        """The guardrail of a plugin. Raises PluginError if it is none."""
        hook = bound.hooks.get("check")
        if hook is None:
            raise PluginError(f"{bound.name} ({bound.origin}) has no check hook, so it is not a guardrail")
        return cls(bound.name, lambda ctx: hook(view(ctx)), on_error, bound.origin)

    def __str__(self) -> str:
        return f"the guardrail {self.name!r}{f' of {self.origin}' if self.origin else ''}"


def resolve_guardrails(given: Iterable[object]) -> tuple[Guardrail, ...]:
    """The guardrails that a caller means: rules, plugin objects or classes, and names of installed ones.

    Those that are named have the Options and the `on_error` that are configured for them. Raises PluginError for a name
    that is not installed, and TypeError for anything else.
    """
    if isinstance(given, str | GuardrailRule):
        given = [given]
    elif not isinstance(given, Iterable):
        raise TypeError(
            f"guardrails must be a list of rules, plugins and names, not {given!r}; "
            "a preset is called: Guardrails.minimal()"
        )
    return tuple(_resolve(item) for item in given)


def _resolve(item: object) -> Guardrail:
    if isinstance(item, Guardrail):
        return item
    if isinstance(item, GuardrailRule):
        return Guardrail(item.name, lambda ctx: open_rule(item, ctx), getattr(item, "on_error", "open"))
    if isinstance(item, str):
        bound = registry().load("guardrail", item)
    elif (
        not isinstance(item, type)
        and callable(getattr(item, "check", None))
        and hasattr(item, "name")
        and not hasattr(getattr(item, "check", None), "l0_impl")
    ):
        # The documented form, on an object of the user's own.
        rule = GuardrailRule(item.name, item.check, streaming=getattr(item, "streaming", True))  # type: ignore[attr-defined]
        return Guardrail(rule.name, lambda ctx: open_rule(rule, ctx))
    elif isinstance(item, type) or hasattr(item, "check"):
        bound = bind(item)
    else:
        raise TypeError(
            f"{item!r} is not a guardrail: it must be a GuardrailRule, a plugin with a check hook, or a name"
        )
    configured = config.current() if isinstance(item, str) else None
    return Guardrail.of(bound, "open" if configured is None else configured.on_error(bound.name))


def open_rule(rule: GuardrailRule, ctx: AttemptContext) -> Check | Judge | None:
    """Open a documented rule for one attempt."""
    if rule.open is not None:
        return rule.open(view(ctx))
    state, said = ctx.state, []

    def judge(delta: str, final: bool) -> list[GuardrailViolation]:
        said.append(delta)
        if not (final or rule.streaming):
            return []
        if getattr(ctx, "mirrors_state", False):
            seen = state
        else:
            # The state holds what the consumer has, and the rule is to see what this attempt has said.
            seen = copy.copy(state)
            seen.content = "".join(said)
        # A documented rule knows the end by `completed`. The stream is not complete before its guardrails agree.
        outcome, seen.completed = seen.outcome, final
        try:
            return rule.check(seen)
        finally:
            seen.outcome = outcome

    # A rule that looks only at the end may object to all of it.
    return judge if rule.streaming else Check(judge, FOREVER)


def rule_of(plugin: object, name: str, description: str | None = None) -> GuardrailRule:
    """A plugin with a check hook, as a documented rule: incremental in a stream, and `check(state)` by itself.

    What the rule tells people of itself, its `severity` and whether it is `streaming`, the plugin has as attributes.
    """
    hook = bind(plugin, name).hooks["check"]

    def check(state: State) -> list[GuardrailViolation]:
        opened = hook(_Alone(state))
        if opened is None:
            return []
        judge = opened.judge if isinstance(opened, Check) else opened
        found = list(_violations(judge(state.content, False)))
        if state.completed:
            found += _violations(judge("", True))
        return found

    return GuardrailRule(
        name,
        check,
        description or inspect.getdoc(type(plugin)),
        streaming=getattr(plugin, "streaming", True),
        severity=getattr(plugin, "severity", "error"),
        open=hook,
    )


class _Alone:
    """An attempt's context where there is no stream."""

    stream_id, number, source, kept = "", 1, 0, ""
    deadline = None

    def __init__(self, state: State) -> None:
        self.state = state
        self.context: dict[str, Any] = {}

    @property
    def silence(self) -> float:
        import time

        last = self.state.last_token_at
        return 0.0 if last is None else time.time() - last

    @staticmethod
    def clock() -> float:
        import time

        return time.monotonic()


def _violations(answer: Any) -> Iterable[GuardrailViolation]:
    if answer is None:
        return ()
    if isinstance(answer, GuardrailViolation):
        return (answer,)
    if hasattr(answer, "__await__"):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError("this guardrail is asynchronous: it can judge a stream, and not a state by itself")
    return answer  # type: ignore[no-any-return]


Entry = tuple[Guardrail, Check]
Waiting = tuple[Entry, Awaitable[Any]]
"""A guardrail at work, and a verdict of it that is still to be awaited."""
Pending = Union[list[Waiting], Coroutine[Any, Any, None]]
"""What feeding the judges leaves to be awaited."""

SLICE = 1 << 15
"""Characters that are judged without letting the event loop turn."""


async def _verdict(entry: Entry, verdict: Awaitable[Any]) -> Any:
    """What an asynchronous judge answers, or the exception that it raises."""
    try:
        async with asyncio.timeout(entry[1].timeout):
            return await unless_cancelled(verdict)
    except Exception as error:
        return error


def unwaited(waiting: Pending) -> None:
    """Nobody is going to await this."""
    if not isinstance(waiting, list):
        waiting.close()
        return
    for _, verdict in waiting:
        if inspect.iscoroutine(verdict):
            verdict.close()


class Checks:
    """The guardrails of one attempt. `feed` and `end` raise GuardrailViolationError for what ends the attempt.

    Their result is None, or what is still to be awaited: pass it to `wait`.
    """

    __slots__ = (
        "_before",
        "_found",
        "_guardrails",
        "_judges",
        "_places",
        "_reporter",
        "_retries",
        "_seen",
        "_told",
        "cut_short",
        "holdback",
        "state",
    )

    def __init__(
        self,
        guardrails: Sequence[Guardrail],
        state: State,
        seen: set[tuple[object, ...]],
        told: set[tuple[object, ...]],
        reporter: Reporter | None,
        retries: Callable[[BaseException], bool],
    ) -> None:
        """`seen` are the violations of the stream, `told` those of them that observers know to be of this attempt."""
        self._guardrails = guardrails
        self._judges: tuple[Entry, ...] = ()
        self._seen = seen
        self._told = told
        self._found = 0
        """Violations that were found, again or for the first time."""
        self._reporter = reporter
        self._retries = retries
        self._before = 0
        self._places: dict[Guardrail, int] = {}
        """Of those whose last verdict is awaited, the place in the phase."""
        self.state = state
        self.cut_short = False
        """Whether the provider stopped before the answer was whole."""
        self.holdback = 0
        """How many of the last characters that were fed a judge may still object to."""

    def open(self, ctx: AttemptContext) -> None:
        for guardrail in self._guardrails:
            try:
                opened = guardrail.open(ctx)
            except (Exception, asyncio.CancelledError) as error:
                raise PluginError(f"{guardrail} cannot be opened: {described(error)}") from error
            if opened is None:
                continue
            check = opened if isinstance(opened, Check) else Check(opened)
            if not callable(check.judge):
                raise PluginError(
                    f"{guardrail} opened a {type(check.judge).__name__}: its check must return a function "
                    "judge(delta, final), a Check of one, or None"
                )
            self._judges += ((guardrail, check),)
            self.holdback = max(self.holdback, check.holdback)

    def feed(self, delta: str, final: bool = False) -> Pending | None:
        """Give the judges new text, or tell them that it has ended."""
        if final or len(delta) > SLICE:
            return self._last(delta) if final else self._feed_in_slices(delta)
        # Every few tokens of every stream that has a guardrail go this way: nearly always nothing is found.
        waiting: list[Waiting] | None = None
        worst: GuardrailViolation | None = None
        for entry in self._judges:
            try:
                answer = entry[1].judge(delta, False)
                if answer is not None:
                    waiting = waiting or []
                    worst = self._heard(entry, answer, waiting, worst)
            except BaseException as error:
                worst = self._broken(entry, error, worst)
        if worst is not None:
            unwaited(waiting or [])
            raise _error(worst)
        return waiting or None

    async def _feed_in_slices(self, delta: str) -> None:
        """Give the judges a long text, and let the event loop turn meanwhile."""
        for at in range(0, len(delta), SLICE):
            if (pending := self.feed(delta[at : at + SLICE])) is not None:
                await self.wait(pending)
            await asyncio.sleep(0)

    def _last(self, delta: str) -> list[Waiting] | None:
        """The last judgement: observers are told of each rule."""
        waiting: list[Waiting] = []
        worst: GuardrailViolation | None = None
        reporter = self._reporter
        if reporter is not None:
            self._before = self._found
            reporter.phase_begins(len(self._judges))
        for index, entry in enumerate(self._judges):
            found, awaited = self._found, len(waiting)
            if reporter is not None:
                reporter.rule_begins(index, entry[0].name)
            try:
                if (answer := entry[1].judge(delta, True)) is not None:
                    worst = self._heard(entry, answer, waiting, worst)
            except BaseException as error:
                worst = self._broken(entry, error, worst)
            if reporter is None:
                continue
            if len(waiting) > awaited:
                self._places[entry[0]] = index
                reporter.callback_begins(index, entry[0].name)
            else:
                reporter.rule_ended(index, entry[0].name, self._found == found)
        if reporter is not None and (worst is not None or not waiting):
            reporter.phase_ended(self._found - self._before)
        if worst is not None:
            unwaited(waiting)
            raise _error(worst)
        return waiting or None

    def _heard(
        self, entry: Entry, answer: Any, waiting: list[Waiting], worst: GuardrailViolation | None
    ) -> GuardrailViolation | None:
        """Take an answer; an asynchronous one is added to `waiting`. Returns the worst violation so far."""
        if hasattr(answer, "__await__"):
            waiting.append((entry, cast("Awaitable[Any]", answer)))
            return worst
        for violation in _violations(answer):
            worst = self._record(entry, violation, worst)
        return worst

    async def wait(self, waiting: Pending) -> None:
        """Await what feeding left. Asynchronous verdicts come side by side, each in the time of its `Check.timeout`."""
        if not isinstance(waiting, list):
            await waiting
            return
        if len(waiting) == 1:
            answers = [await _verdict(*waiting[0])]
        else:
            answers = await asyncio.gather(*(_verdict(*each) for each in waiting))
        worst: GuardrailViolation | None = None
        last = bool(self._places)
        for (entry, _), answer in zip(waiting, answers, strict=True):
            guardrail, found = entry[0], self._found
            place = self._places.pop(guardrail, None)
            if place is not None:
                error = answer if isinstance(answer, Exception) else None
                self._reporter.callback_ended(place, guardrail.name, error)  # type: ignore[union-attr]
            try:
                if isinstance(answer, Exception):
                    raise answer
                for violation in _violations(answer):
                    worst = self._record(entry, violation, worst)
            except Exception as broken:
                worst = self._broken(entry, broken, worst)
            if place is not None:
                self._reporter.rule_ended(place, guardrail.name, self._found == found)  # type: ignore[union-attr]
        if last:
            self._reporter.phase_ended(self._found - self._before)  # type: ignore[union-attr]
        if worst is not None:
            raise _error(worst)

    def _record(
        self, entry: Entry, violation: GuardrailViolation, worst: GuardrailViolation | None
    ) -> GuardrailViolation | None:
        if isinstance(violation, DriftViolation):
            self._drifts(violation)
        self._found += 1
        identity = violation._identity
        is_new = identity not in self._seen
        if is_new:
            self._seen.add(identity)
            self.state.violations.append(violation)
        if self._reporter is not None and identity not in self._told:
            self._told.add(identity)
            self._reporter.violation(violation, is_new)
        if violation.severity == "warning":
            return worst
        # An answer that the provider cut short is what it is: a rule about whole answers cannot ask for another.
        if self.cut_short and not (violation.halts or entry[1].whole):
            return worst
        return violation if worst is None or (violation.halts and not worst.halts) else worst

    def _drifts(self, violation: DriftViolation) -> None:
        self.state.drift_detected = True
        if self._reporter is not None:
            self._reporter.drift(violation)
        if violation.severity == "error" and not self._retries(DriftDetected(violation)):
            violation.severity = "warning"  # A heuristic must not turn the last answer that can be had into an error.

    def _broken(
        self, entry: Entry, error: BaseException, worst: GuardrailViolation | None
    ) -> GuardrailViolation | None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        guardrail = entry[0]
        self._judges = tuple(each for each in self._judges if each is not entry)
        closed = guardrail.on_error == "closed"
        consequence = "it is closed: this is a violation" if closed else "it is out for this attempt"
        log_raised(str(guardrail), error, consequence)
        violation = GuardrailViolation(
            rule=guardrail.name,
            message=f"The guardrail raised {type(error).__name__} and could not judge",
            severity="error" if closed else "warning",
        )
        return self._record(entry, violation, worst)


def _error(violation: GuardrailViolation) -> GuardrailViolationError:
    return DriftDetected(violation) if isinstance(violation, DriftViolation) else GuardrailViolationError(violation)
