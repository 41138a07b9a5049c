"""What a consumer gets besides the answer's text, as dicts for JSON and back."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import Any

from l0_core import ContentType, DataPayload, Event, EventType, Progress
from l0_eventsourcing.codec import written_down

__all__ = ["event_as_dict", "event_from_dict"]


def event_as_dict(event: Event) -> dict[str, Any]:
    """An `l0.Event` as a dict: what it does not say is left out."""
    found: dict[str, Any] = {"type": event.type.value}
    for each in fields(event):
        value = getattr(event, each.name)
        if each.name != "type" and value is not None and not (each.name == "choice" and value == 0):
            found[each.name] = (
                _bare(written_down(value)) if each.name in ("payload", "progress") else written_down(value)
            )
    return found


def _bare(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def event_from_dict(data: dict[str, Any]) -> Event:
    """The event that `event_as_dict` made a dict of. One of a type that is not known here is a MESSAGE, with it all."""
    known = {name: value for name, value in data.items() if name in Event.__dataclass_fields__}
    try:
        known["type"] = EventType(data.get("type"))
    except ValueError:
        return Event(EventType.MESSAGE, data=data)
    if isinstance(payload := known.get("payload"), dict):
        made = {name: value for name, value in payload.items() if name in DataPayload.__dataclass_fields__}
        made["content_type"] = ContentType(made.get("content_type", "binary"))
        if isinstance(held := made.get("data"), dict):
            made["data"] = base64.b64decode(held.get("base64", ""))
        known["payload"] = DataPayload(**made)
    if isinstance(progress := known.get("progress"), dict):
        known["progress"] = Progress(
            **{name: value for name, value in progress.items() if name in Progress.__dataclass_fields__}
        )
    if isinstance(error := known.get("error"), dict):
        known["error"] = Exception(f"{error.get('name')}: {error.get('message')}")
    return Event(**known)
