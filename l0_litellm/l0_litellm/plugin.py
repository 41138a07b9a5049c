"""Recognises what comes from the litellm package, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from l0_core import AdapterNotFound, AttemptContext, Continued, hookimpl

if TYPE_CHECKING:
    from l0_litellm.streams import LiteLLMAdapter

__all__ = ["Completions", "LiteLLMPlugin"]

# None of the answer stands in it: what a model said is not put into a user's mouth.
GO_ON = (
    "Your last message was cut off. Continue it from exactly where it stops: begin by repeating its last 40 characters "
    "as they are, and then go on. Write nothing else, and do not begin anew."
)


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


class Completions:
    """How a router is wrapped."""

    name = "litellm"
    paths = frozenset(("acompletion",))

    def streams(self, path: str, kwargs: Mapping[str, Any]) -> bool:
        return bool(kwargs.get("stream"))

    def for_streams(self, client: Any) -> Any:
        return _AskedOnce(client)

    strategies = ("instruct", "prefill", "vllm")

    def continuing(self, path: str, kwargs: Mapping[str, Any], kept: str, strategy: str) -> Continued | None:
        """Ask for the rest of `kept`.

        | strategy | how | for |
        |---|---|---|
        | `instruct` | the text as the assistant's, and a user's turn that asks to go on | any model |
        | `prefill` | the text as the assistant's last message, with LiteLLM's `prefix` | models that take one |
        | `vllm` | the same, with `continue_final_message` | vLLM and SGLang, which begin a new turn otherwise |

        A continuation of a tool call or of structured output is not asked for.
        """
        if "messages" not in kwargs or kwargs.get("response_format") or (kwargs.get("n") or 1) != 1:
            return None
        said = {"role": "assistant", "content": kept}
        messages = list(kwargs["messages"])
        if strategy == "instruct":
            return Continued({**kwargs, "messages": [*messages, said, {"role": "user", "content": GO_ON}]})
        if strategy == "prefill":
            return Continued({**kwargs, "messages": [*messages, {**said, "prefix": True}]}, exact=True)
        body = {**(kwargs.get("extra_body") or {}), "continue_final_message": True, "add_generation_prompt": False}
        return Continued({**kwargs, "messages": [*messages, said], "extra_body": body}, exact=True)

    def prompted(self, path: str, kwargs: Mapping[str, Any], prompt: str) -> Continued | None:
        messages = list(kwargs.get("messages", ()))
        for place in range(len(messages) - 1, -1, -1):
            if messages[place].get("role") == "user":
                messages[place] = {**messages[place], "content": prompt}
                return Continued({**kwargs, "messages": messages})
        return None


class _AskedOnce:
    """A router that makes each call once: with retries of its own, attempts would multiply."""

    def __init__(self, router: Any) -> None:
        self._router = router

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._router.acompletion(*args, **{**kwargs, "num_retries": 0, "max_retries": 0})
        except Exception as error:
            _say_when_to_try_again(error)
            raise


def _say_when_to_try_again(error: Any) -> None:
    """A router whose deployments all rest says for how long: put it where a server's answer has it."""
    seconds = getattr(error, "cooldown_time", None)
    if isinstance(seconds, int | float):
        error.status_code, error.headers = 429, {"retry-after": str(seconds)}
