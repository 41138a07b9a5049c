"""Guardrails at work on one attempt: opening them, feeding them, and what their verdicts mean."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from l0_core import config
from l0_core.errors import DriftDetected, GuardrailViolationError, PluginError
from l0_core.guardrails import DriftViolation, GuardrailRule, GuardrailViolation
from l0_core.holding import FOREVER
from l0_core.hookspecs import AttemptContext, Check, Judge
from l0_core.log import log_raised
from l0_core.plugins import bind, registry
from l0_core.state import State

if TYPE_CHECKING:
    from l0_core.reporter import Reporter

__all__ = ["Checks", "Guardrail", "open_rule", "resolve_guardrails", "rule_of"]

Open = Callable[[AttemptContext], "Check | Judge | None"]


class Guardrail:
    """A guardrail that a stream is to run: its name, what opens it, and what happens when it breaks."""

    __slots__ = ("name", "on_error", "open")

    def __init__(self, name: str, open: Open, on_error: Literal["open", "closed"] = "open") -> None:
        self.name, self.open, self.on_error = name, open, on_error


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
    hook = bound.hooks.get("check")
    if hook is None:
        raise PluginError(f"{bound.name} ({bound.origin}) has no check hook, so it is not a guardrail")
    configured = config.current() if isinstance(item, str) else None
    return Guardrail(bound.name, hook, "open" if configured is None else configured.on_error(bound.name))


def open_rule(rule: GuardrailRule, ctx: AttemptContext) -> Check | Judge | None:
    """Open a documented rule for one attempt."""
    if rule.open is not None:
        return rule.open(ctx)
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
    """A plugin with a check hook, as a documented rule: incremental in a stream, and `check(state)` by itself."""
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

    return GuardrailRule(name, check, description or inspect.getdoc(type(plugin)), open=hook)


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
        raise TypeError("this guardrail is asynchronous: it can judge a stream, and not a state by itself")
    return answer  # type: ignore[no-any-return]


class Checks:
    """The guardrails of one attempt. `feed` and `end` raise GuardrailViolationError for what ends the attempt.

    Their result is None, or what is still to be awaited: pass it to `wait`.
    """

    __slots__ = ("_guardrails", "_judges", "_reporter", "_retries", "_seen", "holdback", "state")

    def __init__(
        self,
        guardrails: Sequence[Guardrail],
        state: State,
        seen: set[tuple[object, ...]],
        reporter: Reporter | None,
        retries: Callable[[BaseException], bool],
    ) -> None:
        self._guardrails = guardrails
        self._judges: list[tuple[Guardrail, Judge]] = []
        self._seen = seen
        self._reporter = reporter
        self._retries = retries
        self.state = state
        self.holdback = 0
        """How many of the last characters that were fed a judge may still object to."""

    def open(self, ctx: AttemptContext) -> None:
        for guardrail in self._guardrails:
            try:
                opened = guardrail.open(ctx)
            except Exception as error:
                raise PluginError(f"The guardrail {guardrail.name!r} cannot be opened: {error!r}") from error
            if isinstance(opened, Check):
                self._judges.append((guardrail, opened.judge))
                self.holdback = max(self.holdback, opened.holdback)
            elif opened is not None:
                self._judges.append((guardrail, opened))

    def feed(self, delta: str, final: bool = False) -> list[tuple[Guardrail, Awaitable[Any]]] | None:
        """Give the judges new text, or tell them that it has ended."""
        waiting: list[tuple[Guardrail, Awaitable[Any]]] = []
        worst: GuardrailViolation | None = None
        reporter = self._reporter if final else None
        before = len(self.state.violations) if reporter is not None else 0
        if reporter is not None:
            reporter.phase_begins(len(self._judges))
        for index, entry in enumerate(tuple(self._judges)):
            if reporter is None:
                worst = self._ask(entry, delta, final, waiting, worst)
            else:
                found = len(self.state.violations)
                reporter.rule_begins(index, entry[0].name)
                worst = self._ask(entry, delta, final, waiting, worst)
                reporter.rule_ended(index, entry[0].name, len(self.state.violations) == found)
        if reporter is not None:
            reporter.phase_ended(len(self.state.violations) - before)
        if worst is not None:
            for _, unawaited in waiting:
                if inspect.iscoroutine(unawaited):
                    unawaited.close()
            raise _error(worst)
        return waiting or None

    def _ask(
        self,
        entry: tuple[Guardrail, Judge],
        delta: str,
        final: bool,
        waiting: list[tuple[Guardrail, Awaitable[Any]]],
        worst: GuardrailViolation | None,
    ) -> GuardrailViolation | None:
        """Ask one judge; an asynchronous verdict is added to `waiting`. Returns the worst violation so far."""
        guardrail, judge = entry
        try:
            answer = judge(delta, final)
            if answer is None:
                return worst
            if hasattr(answer, "__await__"):
                waiting.append((guardrail, cast("Awaitable[Any]", answer)))
                return worst
            for violation in _violations(answer):
                worst = self._record(violation, worst)
        except BaseException as error:
            worst = self._broken(entry, error, worst)
        return worst

    async def wait(self, waiting: Sequence[tuple[Guardrail, Awaitable[Any]]]) -> None:
        """Await the verdicts of asynchronous judges."""
        worst: GuardrailViolation | None = None
        for guardrail, verdict in waiting:
            task = asyncio.current_task()
            before = task.cancelling() if task is not None else 0
            try:
                for violation in _violations(await verdict):
                    worst = self._record(violation, worst)
            except asyncio.CancelledError as error:
                if task is None or task.cancelling() > before:
                    raise
                worst = self._broken_by_name(guardrail, error, worst)
            except BaseException as error:
                worst = self._broken_by_name(guardrail, error, worst)
        if worst is not None:
            raise _error(worst)

    def _record(self, violation: GuardrailViolation, worst: GuardrailViolation | None) -> GuardrailViolation | None:
        if isinstance(violation, DriftViolation):
            self._drifts(violation)
        if violation._identity not in self._seen:
            self._seen.add(violation._identity)
            self.state.violations.append(violation)
            if self._reporter is not None:
                self._reporter.violation(violation)
        if violation.severity == "warning":
            return worst
        return violation if worst is None or (violation.halts and not worst.halts) else worst

    def _drifts(self, violation: DriftViolation) -> None:
        self.state.drift_detected = True
        if self._reporter is not None:
            self._reporter.drift(violation)
        if violation.severity == "error" and not self._retries(DriftDetected(violation)):
            violation.severity = "warning"  # A heuristic must not turn the last answer that can be had into an error.

    def _broken_by_name(
        self, guardrail: Guardrail, error: BaseException, worst: GuardrailViolation | None
    ) -> GuardrailViolation | None:
        entry = next((entry for entry in self._judges if entry[0] is guardrail), None)
        return worst if entry is None else self._broken(entry, error, worst)

    def _broken(
        self, entry: tuple[Guardrail, Judge], error: BaseException, worst: GuardrailViolation | None
    ) -> GuardrailViolation | None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        guardrail = entry[0]
        self._judges.remove(entry)
        closed = guardrail.on_error == "closed"
        consequence = "it is closed: this is a violation" if closed else "it is out for this attempt"
        log_raised(f"the guardrail {guardrail.name!r}", error, consequence)
        violation = GuardrailViolation(
            rule=guardrail.name,
            message=f"The guardrail raised {type(error).__name__} and could not judge",
            severity="error" if closed else "warning",
        )
        return self._record(violation, worst)


def _error(violation: GuardrailViolation) -> GuardrailViolationError:
    return DriftDetected(violation) if isinstance(violation, DriftViolation) else GuardrailViolationError(violation)
