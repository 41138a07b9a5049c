"""Events by hand, one function for each kind.

What holds content takes `base64` (text), `url` or `data` (bytes), at least one of them. Known metadata and
`extra_metadata` go into `DataPayload.metadata`; what is None is left out, and without any the metadata is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from l0_core import ContentType, DataPayload, Event, EventType, Progress

__all__ = [
    "create_audio_event",
    "create_binary_event",
    "create_complete_event",
    "create_data_event",
    "create_error_event",
    "create_file_event",
    "create_image_event",
    "create_json_event",
    "create_message_event",
    "create_progress_event",
    "create_token_event",
    "create_video_event",
]


def create_image_event(
    base64: str | None = None,
    url: str | None = None,
    data: bytes | None = None,
    width: int | None = None,
    height: int | None = None,
    seed: int | None = None,
    model: str | None = None,
    mime_type: str = "image/png",
    **extra_metadata: Any,
) -> Event:
    """An image; width and height are in pixels. Raises ValueError without content, TypeError for a wrong type."""
    metadata = {"width": width, "height": height, "seed": seed, "model": model, **extra_metadata}
    return _media_event(ContentType.IMAGE, mime_type, base64, url, data, metadata)


def create_audio_event(
    base64: str | None = None,
    url: str | None = None,
    data: bytes | None = None,
    duration: float | None = None,
    model: str | None = None,
    mime_type: str = "audio/mp3",
    **extra_metadata: Any,
) -> Event:
    """A recording; the duration is in seconds. Raises ValueError without content, TypeError for a wrong type."""
    metadata = {"duration": duration, "model": model, **extra_metadata}
    return _media_event(ContentType.AUDIO, mime_type, base64, url, data, metadata)


def create_video_event(
    base64: str | None = None,
    url: str | None = None,
    data: bytes | None = None,
    width: int | None = None,
    height: int | None = None,
    duration: float | None = None,
    model: str | None = None,
    mime_type: str = "video/mp4",
    **extra_metadata: Any,
) -> Event:
    """A video; width and height are in pixels, the duration in seconds.

    Raises ValueError without content, TypeError for a wrong type.
    """
    metadata = {"width": width, "height": height, "duration": duration, "model": model, **extra_metadata}
    return _media_event(ContentType.VIDEO, mime_type, base64, url, data, metadata)


def create_file_event(
    base64: str | None = None,
    url: str | None = None,
    data: bytes | None = None,
    filename: str | None = None,
    size: int | None = None,
    mime_type: str | None = None,
    **extra_metadata: Any,
) -> Event:
    """A file, of zero bytes perhaps; the size is in bytes.

    Raises ValueError without content, TypeError for a wrong type.
    """
    metadata = {"filename": filename, "size": size, **extra_metadata}
    return _media_event(ContentType.FILE, mime_type, base64, url, data, metadata)


def create_binary_event(
    base64: str | None = None,
    url: str | None = None,
    data: bytes | None = None,
    mime_type: str = "application/octet-stream",
    size: int | None = None,
    **extra_metadata: Any,
) -> Event:
    """Bytes of any kind; the size is in bytes. Raises ValueError without content, TypeError for a wrong type."""
    return _media_event(ContentType.BINARY, mime_type, base64, url, data, {"size": size, **extra_metadata})


def create_json_event(json_data: Any, model: str | None = None, **extra_metadata: Any) -> Event:
    """A value of JSON, as Python has it: not its text."""
    metadata = _known({"model": model, **extra_metadata})
    return _data_event(DataPayload(ContentType.JSON, "application/json", json=json_data, metadata=metadata))


def create_data_event(payload: DataPayload) -> Event:
    """A payload that is already made, whatever it holds. Raises TypeError for anything else."""
    _check_type("payload", payload, DataPayload, "a DataPayload")
    return _data_event(payload)


def create_progress_event(
    percent: float | None = None,
    step: int | None = None,
    total_steps: int | None = None,
    message: str | None = None,
    eta: float | None = None,
) -> Event:
    """How far something has come: `percent` from 0 to 100, `eta` in seconds.

    Raises ValueError if `percent` is outside of its range by more than what rounding explains.
    """
    return Event(EventType.PROGRESS, progress=Progress(_percent(percent), step, total_steps, message, eta))


def create_token_event(text: str, timestamp: float | None = None) -> Event:
    """A piece of the answer's text; the timestamp is in seconds since the epoch. Raises TypeError."""
    _check_type("text", text, str, "text")
    return Event(EventType.TOKEN, text, timestamp=timestamp)


def create_message_event(
    value: str | Mapping[str, Any], role: str | None = None, timestamp: float | None = None
) -> Event:
    """A whole message; the timestamp is in seconds since the epoch.

    Text goes into `Event.text`, the role into `Event.data["role"]`. A mapping goes into `Event.data`, except for the
    text that it has as `value`. Raises TypeError for anything else.
    """
    _check_type("value", value, (str, Mapping), "text or a mapping")
    text = value if isinstance(value, str) else None
    data = {} if isinstance(value, str) else dict(value)
    if isinstance(data.get("value"), str):
        text = data.pop("value")
    if role is not None:
        data["role"] = role
    return Event(EventType.MESSAGE, text, data or None, timestamp=timestamp)


def create_complete_event(usage: dict[str, int] | None = None) -> Event:
    """The end of a stream that ended well, with the tokens that it used."""
    return Event(EventType.COMPLETE, usage=usage)


def create_error_event(error: Exception) -> Event:
    """The end of a stream that failed: the runtime treats the source as if it had raised `error`.

    Raises TypeError for what is not an exception.
    """
    _check_type("error", error, Exception, "an exception")
    return Event(EventType.ERROR, error=error)


def _media_event(
    content_type: ContentType,
    mime_type: str | None,
    base64: str | None,
    url: str | None,
    data: bytes | None,
    metadata: dict[str, Any],
) -> Event:
    if base64 is None and data is None and not url:
        raise ValueError(
            f"The {content_type.value} has no content: give base64= (text), url= or data= (bytes). "
            "What is elsewhere still can be a DataPayload of your own"
        )
    if base64 is not None:
        _check_type("base64", base64, str, "text (bytes go into data=)")
        # The documented order of arguments is not the same everywhere, and no colon is in base64.
        if ":" in base64[:16]:
            raise ValueError("base64 is given a URL: that goes into url=, a data URL too")
    if url is not None:
        _check_type("url", url, str, "text")
    if data is not None:
        _check_type("data", data, (bytes, bytearray, memoryview), "bytes (base64 text goes into base64=)")
        data = bytes(data)  # A buffer may be overwritten by the time that somebody looks.
    return _data_event(DataPayload(content_type, mime_type, base64, url, data, metadata=_known(metadata)))


def _data_event(payload: DataPayload) -> Event:
    return Event(EventType.DATA, payload=payload)


def _known(metadata: dict[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in metadata.items() if value is not None} or None


def _percent(percent: float | None) -> float | None:
    if percent is None:
        return None
    _check_type("percent", percent, Real, "a number")
    if not -1e-6 <= percent <= 100 + 1e-6:
        raise ValueError(f"percent is from 0 to 100, not {percent}")
    return min(max(percent, 0), 100)


def _check_type(name: str, value: object, wanted: type | tuple[type, ...], said: str) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{name} takes {said}, not {type(value).__name__}")
