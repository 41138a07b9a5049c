"""Going on with a stream whose process is gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from l0_core import State, StoreError, take_up
from l0_eventsourcing.adapters import open_store
from l0_eventsourcing.recording import OnStoreError, Recording
from l0_eventsourcing.state import Replay, ReplayedState
from l0_eventsourcing.store import EventStore, StreamEnded

if TYPE_CHECKING:
    from l0_core import Stream

__all__ = ["resume"]


async def resume(
    stream_id: str,
    *,
    store: EventStore | str,
    stream: Any,
    fallbacks: Iterable[Any] | None = None,
    on_store_error: OnStoreError = "degrade",
    **options: Any,
) -> Stream:
    """Go on with a recorded stream that did not end, in this process, from its last recorded character.

    `store` is where it is recorded, or that store's URL; `stream` and `fallbacks` are factories as `l0.run` takes them,
    and the options are its as well. A factory that takes the attempt continues `attempt.kept`; one that does not begins
    anew, and what it repeats is withheld. What is recorded stands in the `state` of the stream that is returned, its
    iteration gives what follows, and `read()` the whole text. What follows is recorded under the same id.

    A stream that ended well is returned as it ended, and no factory is called. Raises StreamEnded for one that failed
    or was left, and StoreError for one that is not recorded, or that delivered a tool call, which would be called
    twice. Raises TypeError for the option `record`: what follows is recorded where the stream is.
    """
    if "record" in options:
        raise TypeError("resume() records what follows where the stream is recorded: leave record out")
    store = open_store(store) if isinstance(store, str) else store
    events = await store.get_events(stream_id)
    if not events:
        raise StoreError(f"the stream {stream_id!r} cannot be resumed: the store has no event of it")
    replay = Replay()
    for envelope in events:
        replay.apply(envelope.event)
    recorded = replay.state()
    if recorded.outcome in ("error", "aborted"):
        raise StreamEnded(stream_id)
    if recorded.tool_calls and recorded.outcome is None:
        raise StoreError(
            f"the stream {stream_id!r} cannot be resumed: a tool call of it was delivered, and must not be again"
        )
    options.setdefault("continue_from_last_good_token", True)
    record = Recording(store, on_store_error=on_store_error, next_seq=events[-1].seq + 1)
    return take_up(_as_state(recorded), stream, fallbacks=fallbacks, stream_id=stream_id, record=record, **options)


def _as_state(recorded: ReplayedState) -> State:
    return State(
        recorded.content,
        token_count=recorded.token_count,
        drift_detected=recorded.drift_detected,
        outcome=recorded.outcome,
        finish_reason=recorded.finish_reason,
        usage=recorded.usage,
        tool_calls=recorded.tool_calls,
        choices=recorded.choices,
        **{name: text for name in ("reasoning", "refusal") if (text := getattr(recorded, name))},
    )
