"""Chunks as events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_monitor import normalize
from l0_monitor.normalize import L0Event, L0EventType, normalize_stream_event, normalize_stream_events

from l0_core import Event, EventType

T = L0EventType


@given(st.lists(st.text()))
def test_text_is_tokens_and_comes_back(texts: list[str]) -> None:
    events = normalize_stream_events([*texts, Event(EventType.COMPLETE)])
    assert normalize.extract_tokens(events) == texts
    assert normalize.reconstruct_text(events) == "".join(texts)
    assert normalize.filter_events_by_type(events, "complete") == events[-1:]
    assert [normalize.is_token_event(event) for event in events] == [True] * len(texts) + [False]
    assert normalize.is_complete_event(events[-1])
    assert normalize.get_first_error(events) is None


def openai(text: str | None, reason: str | None = None) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=text), finish_reason=reason)])


@pytest.mark.parametrize(
    ("chunk", "kind", "value", "role"),
    [
        ("hi", T.TOKEN, "hi", None),
        ("", T.TOKEN, "", None),
        (Event(EventType.TOKEN, "hi"), T.TOKEN, "hi", None),
        (Event(EventType.MESSAGE, "hi", data={"role": "user"}), T.MESSAGE, "hi", "user"),
        (Event(EventType.COMPLETE), T.COMPLETE, None, None),
        (Event(EventType.REASONING, "hm"), T.DATA, None, None),
        (Event(EventType.PROGRESS), T.PROGRESS, None, None),
        ({"type": "token", "value": "hi"}, T.TOKEN, "hi", None),
        ({"type": "token", "text": "hi"}, T.TOKEN, "hi", None),
        ({"type": "message", "content": "hi", "role": "assistant"}, T.MESSAGE, "hi", "assistant"),
        ({"type": "content_block_delta", "delta": {"text": "hi"}}, T.TOKEN, "hi", None),
        ({"type": "response.output_text.delta", "delta": "hi"}, T.TOKEN, "hi", None),
        ({"type": "message_stop"}, T.COMPLETE, None, None),
        ({"choices": [{"delta": {"content": "hi"}}]}, T.TOKEN, "hi", None),
        (openai("hi"), T.TOKEN, "hi", None),
        (openai(None, "stop"), T.COMPLETE, None, None),
        (openai(None), T.DATA, None, None),
        ({"choices": []}, T.DATA, None, None),
        (None, T.DATA, None, None),
        (3, T.DATA, None, None),
        ({"type": ["odd"]}, T.DATA, None, None),
    ],
)
def test_chunks_of_any_form(chunk: object, kind: T, value: str | None, role: str | None) -> None:
    event = normalize_stream_event(chunk)
    assert (event.type, event.value, event.role) == (kind, value, role)
    assert event.timestamp > 1_600_000_000
    assert normalize_stream_event(event) is event


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_comes_is_an_event(chunk: object) -> None:
    assert isinstance(normalize_stream_event(chunk), L0Event)
    for name in ("type", "choices", "delta", "error"):
        assert isinstance(normalize_stream_event({name: chunk}), L0Event)
        assert isinstance(normalize_stream_event({"type": "error", name: chunk}), L0Event)


@pytest.mark.parametrize(
    "failed",
    [ValueError("no"), {"type": "error", "error": {"message": "no"}}, {"type": "error", "message": "no"}],
)
def test_errors_are_exceptions(failed: object) -> None:
    event = normalize_stream_event(failed)
    assert normalize.is_error_event(event)
    assert str(normalize.get_first_error([normalize.create_complete_event(), event])) == "no"


def test_an_error_is_the_same_exception() -> None:
    error = ValueError("no")
    for event in (
        normalize.normalize_error(error),
        normalize.create_error_event(error),
        normalize_stream_event(Event(EventType.ERROR, error=error)),
    ):
        assert event.error is error
    assert str(normalize.normalize_error("no").error) == "no"


def test_a_time_that_is_known_is_kept() -> None:
    assert normalize_stream_event(Event(EventType.TOKEN, "a", timestamp=5.0)).timestamp == 5.0


def test_events_are_made() -> None:
    token, message = normalize.create_token_event("a"), normalize.create_message_event("b")
    assert (token.is_token, token.is_error, token.is_complete, token.value) == (True, False, False, "a")
    assert (message.type, message.value, message.role) == (T.MESSAGE, "b", "assistant")
