"""OpenAI streams and clients for L0: chat completions of openai 2.x and 3.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l0_openai.plugin import ChatCompletions, OpenAIPlugin

if TYPE_CHECKING:
    from l0_openai.streams import ChatCompletionStream, OpenAIAdapter, OpenAIAdapterOptions

__all__ = ["ChatCompletionStream", "ChatCompletions", "OpenAIAdapter", "OpenAIAdapterOptions", "OpenAIPlugin"]


def __getattr__(name: str) -> Any:
    # The plugin is imported with the first stream of whatever kind; what reads a stream, with the first of OpenAI's.
    if name not in __all__:
        raise AttributeError(f"module 'l0_openai' has no attribute {name!r}")
    from l0_openai import streams

    return getattr(streams, name)
