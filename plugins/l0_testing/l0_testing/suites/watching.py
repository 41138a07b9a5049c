"""A plugin with an eye on it: every call of its hooks and handlers is timed, and taken down with what came of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from dataclasses import replace
from functools import partial
from time import thread_time
from typing import Any, NamedTuple

from l0_core import AdapterNotFound, Check, GuardrailViolation, bind, hookimpl

__all__ = ["Call", "placed", "raised", "violations", "watched"]


class Call(NamedTuple):
    """One call of a hook, named for it, or of a handler: `judge`, `token`, `write`, `decode` or `wrap`.

    `seconds` is the time of this thread that it took; of what was `awaited`, the longest time that it kept the loop.
    """

    what: str
    given: tuple[Any, ...]
    answer: Any
    error: BaseException | None
    seconds: float
    awaited: bool = False


def watched(plugin: object, name: str, calls: list[Call]) -> object:
    """A plugin with the same hooks, which takes down every call. Raises PluginError for what is no plugin."""
    hooks = {hook: _WATCHED[hook](call, calls) for hook, call in bind(plugin, name).hooks.items()}
    return type(name, (), {hook: hookimpl(method) for hook, method in hooks.items()})()


def raised(calls: Iterable[Call]) -> Call | None:
    """The first call that raised what a plugin should not, if there is one."""
    # Of an adapter, an error may be what the source said, or what it has to say of the source.
    allowed = {"adapt": AdapterNotFound, "decode": Exception, "wrap": Exception}
    errors = (call for call in calls if isinstance(call.error, Exception))
    return next((call for call in errors if not isinstance(call.error, allowed.get(call.what, ()))), None)


def placed(error: BaseException) -> str:
    """An error, its message, and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    said = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    if trace is None:
        return said
    return f"{said} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


def violations(answer: Any) -> list[GuardrailViolation]:
    """What a judge's answer holds. Raises TypeError for what no judge may answer."""
    found = [] if answer is None else [answer] if isinstance(answer, GuardrailViolation) else answer
    if not isinstance(found, list) or not all(isinstance(item, GuardrailViolation) for item in found):
        raise TypeError(f"a judge returns a Violation, several, or None, and this one returned {answer!r}")
    return found


def _timed(what: str, call: Callable[..., Any], calls: list[Call], seen: Callable[[Any], Any]) -> Callable[..., Any]:
    """The same callable, taken down. `seen` is applied to what it answers: it makes lists of what is read once."""

    def timed(*given: Any) -> Any:
        began = thread_time()
        try:
            answer = call(*given)
            if not hasattr(answer, "__await__"):
                answer = seen(answer)
        except BaseException as error:
            calls.append(Call(what, given, None, error, thread_time() - began))
            raise
        spent = thread_time() - began
        if hasattr(answer, "__await__"):
            return awaited(given, answer, spent)
        calls.append(Call(what, given, answer, None, spent))
        return answer

    async def awaited(given: tuple[Any, ...], answer: Any, spent: float) -> Any:
        steps = [spent]
        try:
            found = seen(await _Stepped(answer, steps))
        except BaseException as error:
            calls.append(Call(what, given, None, error, max(steps), True))
            raise
        calls.append(Call(what, given, found, None, max(steps), True))
        return found

    return timed


class _Stepped:
    """An awaitable, and how long each of its steps kept the loop."""

    def __init__(self, awaitable: Any, steps: list[float]) -> None:
        self._awaitable, self._steps = awaitable, steps

    def __await__(self) -> Generator[Any, Any, Any]:
        iterator = self._awaitable.__await__()
        step = partial(next, iterator)
        while True:
            began = thread_time()
            try:
                waited_for = step()
            except StopIteration as end:
                return end.value
            finally:
                self._steps.append(thread_time() - began)
            try:
                yield waited_for
            except BaseException as error:
                if not hasattr(iterator, "throw"):
                    raise
                step = partial(iterator.throw, error)
            else:
                step = partial(next, iterator)


def _as_is(answer: Any) -> Any:
    return answer


def _listed(answer: Any) -> Any:
    alone = not isinstance(answer, Iterable) or isinstance(answer, GuardrailViolation | str)
    return answer if alone else list(answer)


def _check(call: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    opening = _timed("check", call, calls, _as_is)

    def judged(answer: Any) -> Any:
        answer = _listed(answer)
        violations(answer)
        return answer

    def check(self: object, ctx: Any) -> Any:
        opened = opening(ctx)
        if isinstance(opened, Check):
            return Check(_timed("judge", opened.judge, calls, judged), opened.holdback, opened.timeout)
        return None if opened is None else _timed("judge", opened, calls, judged)

    return check


def _on_token(call: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    opening = _timed("on_token", call, calls, _as_is)

    def on_token(self: object, ctx: Any) -> Any:
        handler = opening(ctx)
        return None if handler is None else _timed("token", handler, calls, _as_is)

    return on_token


def _store_event(call: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    opening = _timed("store_event", call, calls, _as_is)

    def store_event(self: object, ctx: Any) -> Any:
        sink = opening(ctx)
        return None if sink is None else replace(sink, write=_timed("write", sink.write, calls, _as_is))

    return store_event


def _decide_retry(call: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    deciding = _timed("decide_retry", call, calls, _as_is)

    def decide_retry(self: object, ctx: Any, failure: Any) -> Any:
        return deciding(ctx, failure)

    return decide_retry


def _adapt(call: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    recognising = _timed("adapt", call, calls, _as_is)

    def adapt(self: object, ctx: Any, source: Any) -> Any:
        adapter = recognising(ctx, source)
        return None if adapter is None else _Adapter(adapter, calls)

    return adapt


_WATCHED = {
    "adapt": _adapt,
    "on_token": _on_token,
    "check": _check,
    "decide_retry": _decide_retry,
    "store_event": _store_event,
}


class _Adapter:
    """An adapter whose reading is taken down."""

    def __init__(self, adapter: Any, calls: list[Call]) -> None:
        self._adapter, self._calls = adapter, calls

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._adapter, name)
        if name == "decode":
            return _timed("decode", value, self._calls, _listed)
        if name == "wrap":
            return lambda *given: self._wrapped(value(*given))
        if name == "stream_adapter":
            return lambda: _Adapter(value(), self._calls)
        return value

    async def _wrapped(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for event in events:
                self._calls.append(Call("wrap", (), event, None, 0.0))
                yield event
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()
