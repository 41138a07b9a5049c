"""Adapters: how a provider's stream is read, and helpers for writing one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from l0_core.adapters import (
    AdaptedEvent,
    Adapter,
    Adapters,
    EventPassthroughAdapter,
    clear_adapters,
    create_audio_event,
    create_complete_event,
    create_data_event,
    create_error_event,
    create_image_event,
    create_progress_event,
    create_token_event,
    detect_adapter,
    get_adapter,
    get_registered_adapters,
    has_matching_adapter,
    register_adapter,
    to_l0_events,
    to_l0_events_with_messages,
    to_multimodal_l0_events,
    unregister_adapter,
    unregister_all_except,
)

from l0._lazy import find, installed

if TYPE_CHECKING:
    from l0_litellm import LiteLLMAdapter as LiteLLMAdapter
    from l0_openai import OpenAIAdapter as OpenAIAdapter
    from l0_openai import OpenAIAdapterOptions as OpenAIAdapterOptions

_TABLE = {
    "l0_openai": "OpenAIAdapter OpenAIAdapterOptions",
    "l0_litellm": "LiteLLMAdapter",
}
"""What other distributions provide."""

__all__ = [
    "AdaptedEvent",
    "Adapter",
    "Adapters",
    "EventPassthroughAdapter",
    "clear_adapters",
    "create_audio_event",
    "create_complete_event",
    "create_data_event",
    "create_error_event",
    "create_image_event",
    "create_progress_event",
    "create_token_event",
    "detect_adapter",
    "get_adapter",
    "get_registered_adapters",
    "has_matching_adapter",
    "register_adapter",
    "to_l0_events",
    "to_l0_events_with_messages",
    "to_multimodal_l0_events",
    "unregister_adapter",
    "unregister_all_except",
]
__all__ += installed(_TABLE)

if not TYPE_CHECKING:

    def __getattr__(name):
        return find(name, globals(), _TABLE)
