"""`LifecycleCallbacks`: the callbacks of a stream in one object."""

from __future__ import annotations

import dataclasses
from typing import Any

import l0
import pytest
from l0_core.lifecycle_callbacks import LifecycleCallbacks
from l0_core.settings import CALLBACKS
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

TEXT = ("one ", "two")


def test_it_holds_every_callback_and_no_other() -> None:
    # Its `on_event` is `on_stream_event` of a call; the `on_event` of a call gets what observers get.
    assert {field.name for field in dataclasses.fields(LifecycleCallbacks)} == CALLBACKS - {"on_stream_event"}


def played(**options: Any) -> None:
    async def main() -> None:
        provider = FakeProvider(TEXT, [Mishap("raise")])
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(base_delay=0), **options)
        await stream.read()

    run(main())


def test_each_is_called_whether_plain_or_async() -> None:
    told: list[object] = []

    async def on_complete(state: l0.State) -> None:
        told.append(state.content)

    async def on_token(text: str) -> None:
        told.append(text)

    played(
        callbacks=LifecycleCallbacks(
            on_start=lambda *args: told.append(args),
            on_retry=lambda *args: told.append(args),
            on_event=lambda event: told.append(event.type.value),
            on_complete=on_complete,
            on_token=on_token,
        )
    )
    plain = [item for item in told if item not in ("one ", "two", "one two")]
    later = [item for item in told if item in ("one ", "two", "one two")]
    assert plain == [(1, False, False), (1, "scripted"), (2, True, False), "token", "token", "complete"]
    assert later == ["one ", "two", "one two"]


def test_one_given_to_the_call_goes_before_it() -> None:
    told: list[str] = []
    together = LifecycleCallbacks(
        on_token=lambda text: told.append("together"), on_complete=lambda state: told.append("end")
    )
    played(callbacks=together, on_token=lambda text: told.append("alone"))
    assert told == ["alone", "alone", "end"]


@pytest.mark.parametrize("wrong", [{"on_token": print}, print, object()])
def test_what_cannot_be_callbacks_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="callbacks must be a LifecycleCallbacks"):
        played(callbacks=wrong)


def test_every_event_of_the_consumers_can_be_watched() -> None:
    async def main() -> None:
        seen: list[l0.Event] = []
        provider = FakeProvider(TEXT, [Mishap("raise", 1)])
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(base_delay=0), on_stream_event=seen.append)
        got = [event async for event in stream]
        assert seen == got
        provider = FakeProvider(TEXT, [Mishap("stall", 1)])
        stream = await l0.run(
            provider, adapter=provider, retry=l0.Retry(max_retries=0), on_stream_event=seen.append,
            timeout=l0.Timeout(inter_token=1000),
        )  # fmt: skip
        with pytest.raises(l0.TimeoutError):
            await stream.read()
        provider = FakeProvider(TEXT, pace=0.1)
        async with await l0.run(provider, adapter=provider, on_stream_event=seen.append) as stream:
            async for _ in stream:
                break
        assert provider.open == 0

    run(main())
