"""Outputs that are not text: events for images, audio, video, files, JSON and progress, and streams of them.

`Multimodal` has everything; each of its methods is a function here too. `DataPayload`, `Progress` and `ContentType`
are the kernel's.
"""

from __future__ import annotations

from l0_multimodal.events import (
    create_audio_event,
    create_binary_event,
    create_complete_event,
    create_data_event,
    create_error_event,
    create_file_event,
    create_image_event,
    create_json_event,
    create_message_event,
    create_progress_event,
    create_token_event,
    create_video_event,
)
from l0_multimodal.streams import to_events, to_events_with_messages, to_multimodal_events

__all__ = [
    "Multimodal",
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
    "to_events",
    "to_events_with_messages",
    "to_multimodal_events",
]


class Multimodal:
    """The functions of this package under one name. `to_events` and `from_stream` are `to_multimodal_events`."""

    data = staticmethod(create_data_event)
    progress = staticmethod(create_progress_event)
    image = staticmethod(create_image_event)
    audio = staticmethod(create_audio_event)
    video = staticmethod(create_video_event)
    file = staticmethod(create_file_event)
    json = staticmethod(create_json_event)
    binary = staticmethod(create_binary_event)
    token = staticmethod(create_token_event)
    message = staticmethod(create_message_event)
    complete = staticmethod(create_complete_event)
    error = staticmethod(create_error_event)
    to_events = staticmethod(to_multimodal_events)
    from_stream = staticmethod(to_multimodal_events)
