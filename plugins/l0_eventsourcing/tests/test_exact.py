"""What is recorded is what the consumer got, and replaying it gives that again: whole, and at every prefix."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import l0
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from l0_eventsourcing import EventReplayer, InMemoryEventStore, RecordOptions, Replay, ReplayedState, replay
from l0_eventsourcing.recorder import EventRecorder
from l0_testing.virtual import run

from l0_core import Check, hookimpl

CASES = int(os.environ.get("L0_TEST_REPLAY_CASES", "400"))

WORDS = ("the ", "quick ", "brown fox ", "jumps", " over", "! ", "🙂", "\ud800", "\x00", "a lazy dog and goes home ")


def said(kind: l0.EventType, text: str, choice: int = 0) -> l0.Event:
    return l0.Event(kind, text, choice=choice)


def call(name: str, whole: bool) -> l0.Event:
    data = {"id": f"call-{name}", "name": name, "arguments": "{}", "index": 0}
    if whole:
        return l0.Event(l0.EventType.TOOL_CALL, data=data)
    return l0.Event(l0.EventType.PROGRESS, data={"tool_call": data})


OUTPUTS = st.one_of(
    st.builds(said, st.just(l0.EventType.TOKEN), st.sampled_from(WORDS)),
    st.builds(said, st.just(l0.EventType.TOKEN), st.sampled_from(WORDS)),
    st.builds(said, st.sampled_from([l0.EventType.REASONING, l0.EventType.REFUSAL]), st.sampled_from(WORDS)),
    st.builds(said, st.just(l0.EventType.TOKEN), st.sampled_from(WORDS), st.integers(1, 2)),
    st.builds(call, st.sampled_from("fg"), st.booleans()),
    st.builds(lambda n: l0.Event(l0.EventType.PROGRESS, progress=l0.Progress(percent=float(n))), st.integers(0, 100)),
    st.builds(
        lambda data: l0.Event(l0.EventType.DATA, payload=l0.DataPayload(l0.ContentType.IMAGE, data=data)),
        st.binary(max_size=4),
    ),
    st.builds(lambda text: l0.Event(l0.EventType.MESSAGE, text, data={"role": "assistant"}), st.sampled_from(WORDS)),
)


@dataclass(frozen=True)
class Plan:
    """A stream: what each attempt says and how it ends, what the caller chose, and when the consumer leaves."""

    attempts: Sequence[tuple[Sequence[l0.Event], str]]
    on_interrupt: str
    release: str
    continues: bool
    leaves_at: int | None
    door: str


PLANS = st.builds(
    Plan,
    st.lists(
        st.tuples(st.lists(OUTPUTS, max_size=40), st.sampled_from(["stop", "length", "raise", "cut"])),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["verify", "reset", "fail", "resume"]),
    st.sampled_from(["live", "checked", "complete"]),
    st.booleans(),
    st.none() | st.integers(0, 30),
    st.sampled_from(["break", "abort", "raise"]),
)


class NoShouting:
    """Objects to `!`, and warns of `fox`."""

    @hookimpl
    def check(self) -> Check:
        def judge(delta: str, final: bool) -> Any:
            if "!" in delta:
                return l0.Violation("no_shouting", "It shouts", position=3)
            return l0.Violation("fox", "There is a fox", severity="warning") if "fox" in delta else None

        return Check(judge, holdback=2)


@dataclass
class Played:
    """What the consumer got, what the state was after each of that, and what the stream ended in."""

    stream: l0.Stream
    got: list[l0.Event]
    states: list[dict[str, Any]]
    error: BaseException | None


STATE = (
    *("content", "token_count", "checkpoint", "drift_detected", "fallback_index", "completed"),
    *("outcome", "finish_reason", "usage", "reasoning", "refusal", "choices", "tool_calls"),
)


def known(state: l0.State) -> dict[str, Any]:
    """What a replayed state says of a stream, of the stream's own."""
    found = {name: getattr(state, name) for name in STATE}
    found["choices"], found["tool_calls"] = dict(state.choices), [dict(each) for each in state.tool_calls]
    found["violations"] = [asdict(violation) for violation in state.violations]
    found["retries"] = state.model_retry_count + state.network_retry_count
    return found


def replayed(state: ReplayedState) -> dict[str, Any]:
    found = {name: getattr(state, name) for name in STATE}
    found["violations"] = state.violations
    found["retries"] = state.retry_attempts + state.network_retry_count
    return found


async def play(plan: Plan, store: InMemoryEventStore) -> Played:
    turns = iter(plan.attempts)

    async def attempt(ctx: Any) -> AsyncIterator[l0.Event]:
        events, end = next(turns, ([said(l0.EventType.TOKEN, "the last attempt says this")], "stop"))
        for event in events:
            yield replace(event)
        if end == "raise":
            raise ConnectionResetError("scripted")
        if end != "cut":
            yield l0.Event(l0.EventType.COMPLETE, data={"finish_reason": end}, usage={"output_tokens": len(events)})

    class Plain:
        takes_attempt = plan.continues

        def __call__(self, ctx: Any = None) -> Any:
            return attempt(ctx)

    stream = await l0.run(
        Plain(),
        fallbacks=[Plain()],
        adapter="event",
        guardrails=[NoShouting()],
        record=store,
        check_intervals=l0.CheckIntervals(guardrails=3),
        retry=l0.Retry(attempts=2, max_retries=3, base_delay=0),
        on_interrupt=plan.on_interrupt,  # type: ignore[arg-type]
        release=plan.release,  # type: ignore[arg-type]
        continue_from_last_good_token=plan.continues,
        context={"user": "u-1"},
    )
    played = Played(stream, [], [], None)
    try:
        async with stream:
            async for event in stream:
                played.got.append(event)
                played.states.append(known(stream.state))
                if len(played.got) - 1 == plan.leaves_at:
                    if plan.door == "break":
                        break
                    if plan.door == "abort":
                        stream.abort()
                    else:
                        raise KeyError("the consumer's own")
    except Exception as error:
        played.error = error
    return played


def bare(event: l0.Event) -> l0.Event:
    """An event without its time, which the consumer's tokens have not."""
    return replace(event, timestamp=None)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(PLANS)
def test_a_replay_is_what_the_consumer_saw(plan: Plan) -> None:
    """The same events in the same order, RESETs included, the same state after each of them, and the same end."""

    async def main() -> None:
        store = InMemoryEventStore()
        played = await play(plan, store)
        envelopes = await store.get_events(played.stream.stream_id)
        assert [envelope.seq for envelope in envelopes] == list(range(len(envelopes)))
        fold, got, states = Replay(), [], []
        for envelope in envelopes:
            for event in fold.apply(envelope.event):
                got.append(bare(event))
                states.append(replayed(fold.state()).copy())
        if plan.leaves_at is not None and played.stream.state.outcome in ("complete", "incomplete"):
            # Its last events come together: a consumer that leaves between two of them has a stream that ended well.
            assert {event.type for event in got[len(played.got) :]} <= {l0.EventType.TOOL_CALL, l0.EventType.COMPLETE}
            del got[len(played.got) :], states[len(played.got) :]
        assert got == [bare(event) for event in played.got]
        end = known(played.stream.state)
        assert replayed(fold.state()) == end
        assert fold.state().outcome == played.stream.state.outcome
        for at, (expected, found) in enumerate(zip(played.states, states, strict=True)):
            # What the runtime does on its own account is told with the next thing that happens, and no later.
            for name in ("content", "token_count", "reasoning", "refusal"):
                assert found[name] == expected[name], f"{name} after event {at}"
        if played.stream.state.outcome == "error":
            state = fold.state()
            assert state.error is not None
            assert state.error.name == type(played.stream.errors[-1]).__name__

    run(main())


@settings(max_examples=max(20, CASES // 8), deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(PLANS, st.integers(1, 30))
def test_a_snapshot_and_what_follows_it_are_the_whole(plan: Plan, interval: int) -> None:
    """For every number: a replay up to it from the newest snapshot is a replay from the beginning."""

    async def main() -> None:
        store, copy = InMemoryEventStore(), InMemoryEventStore()
        played = await play(plan, store)
        stream_id = played.stream.stream_id
        envelopes = await store.get_events(stream_id)
        recorder = EventRecorder(copy, stream_id, RecordOptions(save_snapshots=True, snapshot_interval=interval))
        for envelope in envelopes:
            await recorder.record(envelope.event)
        for seq in range(len(envelopes)):
            whole = await EventReplayer(store).replay_to_state(stream_id, seq)
            assert await EventReplayer(copy).replay_to_state(stream_id, seq) == whole
        middle = len(envelopes) // 2
        result = await replay(stream_id, copy, from_seq=middle)
        async for _ in result:
            pass
        assert replayed(result.state) == known(played.stream.state)

    run(main())


@pytest.mark.parametrize("release", ["live", "checked", "complete"])
def test_tokens_come_back_one_by_one_at_their_times(release: str) -> None:
    """However they were gathered for the store."""

    async def main() -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        pauses = [0.01 * (number % 7) for number in range(150)]

        async def source() -> AsyncIterator[str]:
            for number, pause in enumerate(pauses):
                if pause:
                    await asyncio.sleep(pause)
                yield f"{number} "

        store = InMemoryEventStore()
        stream = await l0.run(source, record=store, release=release)  # type: ignore[arg-type]
        await stream.read()
        tokens = [each.event for each in await store.get_events(stream.stream_id) if each.event.type == "TOKEN"]
        assert [token.value for token in tokens] == [f"{number} " for number in range(150)]  # type: ignore[union-attr]
        assert [token.index for token in tokens] == list(range(150))  # type: ignore[union-attr]
        records = await store.read_records(stream.stream_id)
        assert len(records) < 40
        start = loop.time()
        async for _ in (await replay(stream.stream_id, store, speed=2)).stream:
            pass
        assert loop.time() - start < sum(pauses)

    run(main())
