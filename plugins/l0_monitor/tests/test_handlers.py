"""Handlers put together: what reaches whom, and what is left behind."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import l0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_monitor import (
    EventDispatcher,
    Monitoring,
    batch_events,
    combine_events,
    create_event_dispatcher,
    debounce_events,
    exclude_events,
    filter_events,
    sample_events,
    tap_events,
)
from l0_testing import FakeProvider
from l0_testing.virtual import run

from l0_core import ObservabilityEvent, ObservabilityEventType

E = ObservabilityEventType
KINDS = st.lists(st.sampled_from(list(E)), max_size=20)


def events(kinds: list[E]) -> list[ObservabilityEvent]:
    return [ObservabilityEvent(kind, float(place), "a") for place, kind in enumerate(kinds)]


def broken(event: object) -> None:
    raise ValueError("the secret")


def timers() -> int:
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


@given(KINDS, st.sets(st.sampled_from(list(E))))
def test_filter_and_exclude_part_the_events_and_keep_their_order(kinds: list[E], types: set[E]) -> None:
    kept: list[Any] = []
    left: list[Any] = []
    every: list[Any] = []
    handle = combine_events(
        filter_events(types, kept.append), exclude_events(types, left.append), tap_events(every.append)
    )
    given = events(kinds)
    for event in given:
        handle(event)
    assert kept == [event for event in given if event.type in types]
    assert left == [event for event in given if event.type not in types]
    assert every == given


def test_types_may_be_given_by_name_and_one_alone() -> None:
    seen: list[Any] = []
    for event in events([E.ERROR, E.TOKEN, E.COMPLETE]):
        filter_events(["TOKEN"], seen.append)(event)
        filter_events(E.ERROR, seen.append)(event)
        filter_events("COMPLETE", seen.append)(event)
    assert [event.type for event in seen] == [E.ERROR, E.TOKEN, E.COMPLETE]
    with pytest.raises(ValueError):
        exclude_events("TOKENS", seen.append)


def test_what_a_handler_raises_is_logged_and_the_others_go_on(caplog: Any, capsys: Any) -> None:
    seen: list[Any] = []
    handle = combine_events(broken, tap_events(broken), sample_events(1, broken), seen.append)
    handle(events([E.TOKEN])[0])
    assert len(seen) == 1
    line = broken.__code__.co_firstlineno + 1
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"broken raised ValueError at test_handlers.py:{line}; the event is lost to it"] * 3
    assert {record.name for record in caplog.records} == {"l0"}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [0, 0.5, 1])
def test_sampling_keeps_about_its_rate(rate: float) -> None:
    seen: list[Any] = []
    handle = sample_events(rate, seen.append)
    for event in events([E.TOKEN] * 1000):
        handle(event)
    assert abs(len(seen) - 1000 * rate) < (150 if rate == 0.5 else 1)


def test_what_makes_no_sense_is_refused() -> None:
    async def later(event: object) -> None: ...

    with pytest.raises(TypeError, match="coroutine function"):
        combine_events(later)
    with pytest.raises(TypeError, match="function of one event"):
        tap_events(3)  # type: ignore[arg-type]
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError):
            sample_events(rate, print)
    for seconds in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError):
            debounce_events(seconds, print)
    with pytest.raises(ValueError):
        batch_events(0, 1, print)


WAITS = st.lists(st.sampled_from([0.0, 0.4, 0.6, 1.5, 3.0]), max_size=15)


@given(WAITS)
def test_debounce_hands_on_the_last_before_each_silence(waits: list[float]) -> None:
    async def main() -> None:
        seen: list[Any] = []
        given = events([E.TOKEN] * len(waits))
        with debounce_events(1.0, seen.append) as handle:
            for event, wait in zip(given, waits, strict=True):
                handle(event)
                await asyncio.sleep(wait)
            last = len(given) - 1
            silences = [event for place, event in enumerate(given) if waits[place] > 1]
            assert seen == silences
        assert seen == silences + (given[last:] if given and waits[last] <= 1 else [])
        assert timers() == 0

    run(main())


@given(WAITS, st.integers(1, 5))
def test_batches_lose_nothing_and_wait_no_longer_than_they_may(waits: list[float], size: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, list[Any]]] = []
        came: dict[float, float] = {}
        given = events([E.TOKEN] * len(waits))
        with batch_events(size, 1.0, lambda batch: seen.append((loop.time(), batch))) as handle:
            for event, wait in zip(given, waits, strict=True):
                came[event.ts] = loop.time()
                handle(event)
                await asyncio.sleep(wait)
        assert [event for _, batch in seen for event in batch] == given
        assert all(1 <= len(batch) <= size for _, batch in seen)
        assert all(at - came[event.ts] <= 1.001 for at, batch in seen for event in batch)
        assert timers() == 0

    run(main())


@pytest.mark.parametrize("make", [lambda seen: debounce_events(60, seen), lambda seen: batch_events(99, 60, seen)])
def test_closing_hands_on_what_is_held_back_and_then_holds_back_nothing(make: Any) -> None:
    async def main() -> None:
        seen: list[Any] = []
        handle = make(seen.append)
        first, second = events([E.TOKEN, E.ERROR])
        handle(first)
        assert (seen, timers()) == ([], 1)
        handle.close()
        handle.close()
        assert (len(seen), timers()) == (1, 0)
        handle(second)
        assert (len(seen), timers()) == (2, 0)

    run(main())


def test_a_batch_outlives_its_event_loop() -> None:
    seen: list[Any] = []
    handle = batch_events(99, 5, seen.append)
    given = events([E.TOKEN] * 2)

    async def once(event: ObservabilityEvent, wait: float) -> None:
        handle(event)
        await asyncio.sleep(wait)

    run(once(given[0], 1))
    assert seen == []
    run(once(given[1], 6))
    assert seen == [given]


def test_without_an_event_loop_nothing_is_lost() -> None:
    given = events([E.TOKEN] * 5)
    latest: list[Any] = []
    batches: list[Any] = []
    with debounce_events(60, latest.append) as debounced, batch_events(2, 60, batches.append) as batched:
        for event in given:
            debounced(event)
            batched(event)
    assert latest == given
    assert batches == [given[:2], given[2:4], given[4:]]


def test_a_batch_handler_that_raises_is_logged(caplog: Any) -> None:
    handle = batch_events(1, 1, broken)
    handle(events([E.TOKEN])[0])
    assert "broken raised ValueError" in caplog.text


def test_they_go_into_on_event() -> None:
    async def main() -> None:
        ends: list[Any] = []
        batches: list[Any] = []
        with batch_events(4, 1, batches.append) as batched:
            provider = FakeProvider(["a"])
            handle = combine_events(filter_events("SESSION_END", ends.append), batched, broken)
            assert await (await l0.run(provider, adapter=provider, on_event=handle)).read() == "a"
        assert len(ends) == 1
        assert [event.type for batch in batches for event in batch][-1] is E.SESSION_END

    run(main())


def test_monitoring_has_them_all() -> None:
    for name in ("combine", "filter", "exclude", "debounce", "batch", "sample", "tap"):
        assert getattr(Monitoring, name) is getattr(sys.modules["l0_monitor.handlers"], f"{name}_events")


@pytest.mark.parametrize(
    ("name", "call"),
    [("l0_otel", Monitoring.opentelemetry), ("l0_sentry", lambda: Monitoring.sentry(object()))],
)
def test_a_package_that_is_missing_is_named(name: str, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        @staticmethod
        def find_spec(wanted: str, *rest: object) -> None:
            if wanted == name:
                raise ModuleNotFoundError(name=name)

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Nothing, *sys.meta_path])
    with pytest.raises(ImportError, match=f"pip install {name.replace('_', '-')}"):
        call()


def test_packages_get_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    otel: Any = ModuleType("l0_otel")
    otel.OpenTelemetryConfig = lambda **given: given
    otel.create_opentelemetry_handler = lambda *given: given
    sentry: Any = ModuleType("l0_sentry")
    sentry.SentryConfig = lambda **given: given
    sentry.create_sentry_handler = lambda *given: given
    monkeypatch.setitem(sys.modules, "l0_otel", otel)
    monkeypatch.setitem(sys.modules, "l0_sentry", sentry)
    tracer, client = SimpleNamespace(), SimpleNamespace()
    assert Monitoring.opentelemetry(tracer, service_name="mine") == (
        tracer,
        None,
        {
            "service_name": "mine",
            "trace_tokens": False,
            "record_token_content": False,
            "record_guardrail_violations": True,
            "default_attributes": {},
        },
    )
    found: Any = Monitoring.sentry(client, tags={"a": "b"}, environment="test")
    assert found[0] is client
    assert found[1]["tags"] == {"a": "b"}
    assert (found[1]["environment"], found[1]["min_guardrail_severity"]) == ("test", "error")


def test_a_dispatcher_hands_out_at_once_or_on_the_next_turn() -> None:
    async def main() -> None:
        seen: list[Any] = []
        dispatcher = create_event_dispatcher({"tenant": "acme"})
        dispatcher.on_event(broken)
        dispatcher.on_event(seen.append)
        dispatcher.emit(E.TOKEN, value=1)
        assert seen == []
        await asyncio.sleep(0)
        dispatcher.emit_sync("ERROR", code="x")
        assert [(event.type, event.meta) for event in seen] == [(E.TOKEN, {"value": 1}), (E.ERROR, {"code": "x"})]
        assert {event.stream_id for event in seen} == {dispatcher.stream_id}
        assert [event.context for event in seen] == [dispatcher.meta] * 2 == [{"tenant": "acme"}] * 2
        seen[0].context["tenant"] = "other"
        assert dispatcher.meta == {"tenant": "acme"}
        assert dispatcher.handler_count == 2
        dispatcher.off_event(seen.append)
        dispatcher.off_event(print)
        assert dispatcher.handler_count == 1
        with pytest.raises(ValueError):
            dispatcher.emit("NOTHING")

    run(main())


def test_a_dispatcher_works_without_an_event_loop() -> None:
    seen: list[Any] = []
    dispatcher = EventDispatcher()
    dispatcher.on_event(seen.append)
    dispatcher.emit(E.TOKEN)
    assert len(seen) == 1
    assert dispatcher.stream_id != EventDispatcher().stream_id
