"""LiteLLM streams and routers for L0: `litellm.acompletion` and `litellm.Router`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from l0_litellm.plugin import LiteLLMPlugin

if TYPE_CHECKING:
    from l0_litellm.streams import LiteLLMAdapter, LiteLLMStream

__all__ = ["LiteLLMAdapter", "LiteLLMPlugin", "LiteLLMStream"]


def __getattr__(name: str) -> Any:
    # The plugin is imported with the first stream of whatever kind; what reads a stream, with the first of LiteLLM's.
    if name not in __all__:
        raise AttributeError(f"module 'l0_litellm' has no attribute {name!r}")
    from l0_litellm import streams

    return getattr(streams, name)
