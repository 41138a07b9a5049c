"""Events that are made by hand: where what is given goes, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from l0_multimodal import Multimodal

from l0_core import ContentType, DataPayload, Event, EventType, Progress

MEDIA = {
    "image": (ContentType.IMAGE, "image/png"),
    "audio": (ContentType.AUDIO, "audio/mp3"),
    "video": (ContentType.VIDEO, "video/mp4"),
    "file": (ContentType.FILE, None),
    "binary": (ContentType.BINARY, "application/octet-stream"),
}
KNOWN = {
    "image": {"width": 3, "height": 4, "seed": 5, "model": "m"},
    "audio": {"duration": 1.5, "model": "m"},
    "video": {"width": 3, "height": 4, "duration": 1.5, "model": "m"},
    "file": {"filename": "a.txt", "size": 2},
    "binary": {"size": 2},
    "json": {"model": "m"},
}


def media(name: str) -> Callable[..., Event]:
    return getattr(Multimodal, name)  # type: ignore[no-any-return]


def payload_of(event: Event) -> DataPayload:
    assert event.type is EventType.DATA
    assert event.payload is not None
    return event.payload


@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("content", [{"base64": "aGk="}, {"url": "https://example.com/a"}, {"data": b"hi"}])
def test_content_is_where_it_was_given_and_nothing_else_is_made_up(name: str, content: dict[str, Any]) -> None:
    assert payload_of(media(name)(**content)) == DataPayload(*MEDIA[name], **content)


@pytest.mark.parametrize("name", KNOWN)
def test_metadata_is_what_is_known_and_what_is_extra(name: str) -> None:
    first = {"a": 1} if name == "json" else "aGk="
    payload = payload_of(media(name)(first, **KNOWN[name], camera="c", lens=None))
    assert payload.metadata == {**KNOWN[name], "camera": "c"}
    assert all(getattr(payload, field) == value for field, value in KNOWN[name].items())
    assert payload_of(media(name)(first, lens=None)).metadata is None


@given(st.dictionaries(st.sampled_from(["width", "height", "seed", "model", "style"]), st.none() | st.integers()))
def test_metadata_omits_none_and_only_none(fields: dict[str, Any]) -> None:
    known = {name: value for name, value in fields.items() if value is not None}
    assert payload_of(Multimodal.image(url="u", **fields)).metadata == (known or None)


@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("content", [{}, {"url": ""}, {"b64_json": "aGk="}])
def test_what_has_no_content_is_refused_with_what_to_give(name: str, content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{name} has no content: give base64= \(text\), url= or data= \(bytes\)"):
        media(name)(**content)


def test_a_file_of_zero_bytes_is_a_file() -> None:
    assert payload_of(Multimodal.file(data=b"", filename="empty")).data == b""
    assert payload_of(Multimodal.file(base64="")).base64 == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"data": "aGk="}, r"data takes bytes \(base64 text goes into base64=\), not str"),
        ({"base64": b"aGk="}, r"base64 takes text \(bytes go into data=\), not bytes"),
        ({"url": b"https://example.com"}, "url takes text, not bytes"),
    ],
)
def test_content_of_a_wrong_type_is_refused(content: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Multimodal.image(**content)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png;base64,aGk="])
def test_a_url_in_the_place_of_base64_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="that goes into url="):
        Multimodal.image(url)
    assert payload_of(Multimodal.image(url=url)).url == url


@pytest.mark.parametrize("buffer", [bytearray(b"hi"), memoryview(bytearray(b"hi"))])
def test_a_buffer_that_is_used_again_does_not_change_what_was_delivered(buffer: Any) -> None:
    payload = payload_of(Multimodal.audio(data=buffer))
    buffer[0] = 0
    assert payload.data == b"hi"


@pytest.mark.parametrize("value", [None, False, 0, "", [], {"a": [1, {"b": None}]}])
def test_json_is_the_value_itself(value: Any) -> None:
    assert payload_of(Multimodal.json(value)) == DataPayload(ContentType.JSON, "application/json", json=value)


def test_a_payload_of_ones_own_goes_out_as_it_is() -> None:
    payload = DataPayload(ContentType.FILE, metadata={"file_id": "f"})
    assert payload_of(Multimodal.data(payload)) is payload
    with pytest.raises(TypeError, match="payload takes a DataPayload, not Event"):
        Multimodal.data(Multimodal.image(url="u"))  # type: ignore[arg-type]


def test_progress_is_what_was_given() -> None:
    event = Multimodal.progress(50, 1, 2, "drawing", 3.5)
    assert event == Event(EventType.PROGRESS, progress=Progress(50, 1, 2, "drawing", 3.5))
    assert Multimodal.progress() == Event(EventType.PROGRESS, progress=Progress())


@given(st.floats() | st.integers())
def test_a_percentage_is_from_0_to_100_or_is_refused(percent: float) -> None:
    if -1e-6 <= percent <= 100 + 1e-6:
        told = Multimodal.progress(percent).progress
        assert told is not None
        assert told.percent is not None
        assert 0 <= told.percent <= 100
        assert told.percent == percent or not 0 <= percent <= 100
    else:
        with pytest.raises(ValueError, match="percent is from 0 to 100, not"):
            Multimodal.progress(percent)


def test_rounding_is_not_an_error() -> None:
    above = math.nextafter(100.0, 101.0)
    assert Multimodal.progress(above) == Multimodal.progress(100)
    with pytest.raises(TypeError, match="percent takes a number, not str"):
        Multimodal.progress("50")  # type: ignore[arg-type]


def test_text_messages_and_ends() -> None:
    assert Multimodal.token("a", 1.5) == Event(EventType.TOKEN, "a", timestamp=1.5)
    assert Multimodal.message("a") == Event(EventType.MESSAGE, "a")
    assert Multimodal.message("a", "user", 1.5) == Event(EventType.MESSAGE, "a", {"role": "user"}, timestamp=1.5)
    usage = {"output_tokens": 2}
    assert Multimodal.complete(usage) == Event(EventType.COMPLETE, usage=usage)
    error = ConnectionResetError("gone")
    assert Multimodal.error(error) == Event(EventType.ERROR, error=error)


def test_a_message_that_is_a_mapping_is_kept_whole_and_not_changed() -> None:
    given_one = {"value": "a", "role": "user", "id": 7}
    assert Multimodal.message(given_one) == Event(EventType.MESSAGE, "a", {"role": "user", "id": 7})
    assert given_one == {"value": "a", "role": "user", "id": 7}
    assert Multimodal.message({"content": "a"}, role="user") == Event(
        EventType.MESSAGE, data={"content": "a", "role": "user"}
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Multimodal.token(7), "text takes text, not int"),  # type: ignore[arg-type]
        (lambda: Multimodal.message(7), "value takes text or a mapping, not int"),  # type: ignore[arg-type]
        (lambda: Multimodal.error("gone"), "error takes an exception, not str"),  # type: ignore[arg-type]
        (lambda: Multimodal.error(KeyboardInterrupt()), "not KeyboardInterrupt"),  # type: ignore[arg-type]
    ],
)
def test_what_is_of_a_wrong_type_is_refused_where_it_is_made(make: Callable[[], Event], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make()
