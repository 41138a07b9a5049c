"""Recognises what comes from the litellm package, without importing it."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from l0_core import AdapterNotFound, AttemptContext, hookimpl
from l0_openai import ChatCompletions

if TYPE_CHECKING:
    from l0_litellm.streams import LiteLLMAdapter

__all__ = ["Completions", "LiteLLMPlugin"]


class LiteLLMPlugin:
    """Reads the streams of LiteLLM, and wraps its routers."""

    @hookimpl
    def adapt(self, ctx: AttemptContext | None, source: object) -> Any:
        kind = _litellm_kind(type(source))  # type: ignore[arg-type]  # every type is hashable
        if kind is None:
            return None
        if kind == "Router":
            return Completions() if ctx is None else None
        if ctx is None:
            return None
        call = getattr(getattr(source, "logging_obj", None), "call_type", None)
        if call == "completion":
            raise AdapterNotFound("the stream comes from completion(), which blocks; make it with acompletion()")
        from l0_litellm.streams import LiteLLMStream

        return LiteLLMStream(source=source)

    @staticmethod
    def stream_adapter() -> LiteLLMAdapter:
        """What reads streams that are said to be LiteLLM's, whatever their type."""
        from l0_litellm.streams import LiteLLMAdapter

        return LiteLLMAdapter()


@lru_cache(maxsize=256)
def _litellm_kind(kind: type[Any]) -> str | None:
    """Which of LiteLLM's classes a class is, or is derived from."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "litellm" and base.__name__ in _KINDS:
            return base.__name__
    return None


_KINDS = frozenset(("CustomStreamWrapper", "Router"))


class Completions(ChatCompletions):
    """How a router is wrapped."""

    name = "litellm"
    paths = frozenset(("acompletion",))
    prefill = MappingProxyType({"role": "assistant", "prefix": True})

    def for_streams(self, client: Any) -> Any:
        return _AskedOnce(client)


class _AskedOnce:
    """A router that makes each call once: with retries of its own, attempts would multiply."""

    def __init__(self, router: Any) -> None:
        self._router = router

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        return await self._router.acompletion(*args, **{**kwargs, "num_retries": 0, "max_retries": 0})
