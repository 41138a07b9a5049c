"""Recognises what comes from the openai package, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from l0_core import AdapterNotFound, AttemptContext, Continued, hookimpl

if TYPE_CHECKING:
    from l0_openai.streams import OpenAIAdapter

__all__ = ["ChatCompletions", "OpenAIPlugin"]

# None of the answer stands in it: what a model said is not put into a user's mouth.
GO_ON = (
    "Your last message was cut off. Continue it from exactly where it stops: begin by repeating its last 40 characters "
    "as they are, and then go on. Write nothing else, and do not begin anew."
)


class OpenAIPlugin:
    """Reads streams of chat completions, and wraps asynchronous clients."""

    @hookimpl
    def adapt(self, ctx: AttemptContext | None, source: object) -> Any:
        kind = _openai_kind(type(source))  # type: ignore[arg-type]  # every type is hashable
        if kind is None:
            return None
        if ctx is None:
            return _client_adapter(kind, source)
        if kind == "AsyncStream":
            _check_what_it_streams(source)
            return self.stream_adapter().stream_adapter()
        if kind == "Stream":
            raise AdapterNotFound("the stream comes from a synchronous client; make it with openai.AsyncOpenAI")
        return None

    @staticmethod
    def stream_adapter() -> OpenAIAdapter:
        """What reads streams that are said to be OpenAI's, whatever their type."""
        from l0_openai.streams import OpenAIAdapter

        return OpenAIAdapter()


@lru_cache(maxsize=256)
def _openai_kind(kind: type[Any]) -> str | None:
    """Which of the SDK's classes a class is, or is derived from."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "openai" and base.__name__ in _KINDS:
            return base.__name__
    return None


def _check_what_it_streams(stream: object) -> None:
    """Raises AdapterNotFound for streams of other APIs, whose end would otherwise never be proved."""
    item = getattr(stream, "_cast_to", None)
    if item is not None and getattr(item, "__name__", None) != "ChatCompletionChunk":
        raise AdapterNotFound(
            "the stream is not one of chat completions, which L0 reads; make it with client.chat.completions.create"
        )


_KINDS = frozenset(("AsyncStream", "Stream", "AsyncOpenAI", "OpenAI"))


def _client_adapter(kind: str, client: object) -> ChatCompletions | None:
    if kind == "AsyncOpenAI":
        return ChatCompletions()
    if kind == "OpenAI":
        name = type(client).__name__
        raise AdapterNotFound(
            f"l0.wrap() got {name}, a synchronous client; L0 is asynchronous: wrap Async{name} instead"
        )
    return None


class ChatCompletions:
    """How an AsyncOpenAI client, or an Azure one, is wrapped."""

    name = "openai"
    paths = frozenset(("chat.completions.create",))

    def streams(self, path: str, kwargs: Mapping[str, Any]) -> bool:
        """Whether `stream` was asked for."""
        return bool(kwargs.get("stream"))

    def for_streams(self, client: Any) -> Any:
        """A client like it that does not retry, and asks for answers that are not compressed."""
        # One owner of retries: with the SDK's own, attempts would multiply. And no compression, in which a small body
        # can hold an endless stream, and each token would wait for the compressor's next block.
        return client.with_options(max_retries=0, default_headers={"Accept-Encoding": "identity"})

    strategies = ("instruct", "prefill", "vllm")
    prefill: Mapping[str, Any] = {"role": "assistant"}
    """What the message has, besides the text, that the model is to begin its answer with."""

    def continuing(self, path: str, kwargs: Mapping[str, Any], kept: str, strategy: str) -> Continued | None:
        """Ask for the rest of `kept`.

        | strategy | how | for |
        |---|---|---|
        | `instruct` | the text as the assistant's, and a user's turn that asks to go on | any model |
        | `prefill` | the text as the assistant's last message | servers that continue such a message |
        | `vllm` | the same, with `continue_final_message` | vLLM and SGLang, which begin a new turn otherwise |

        A continuation of a tool call or of structured output is not asked for.
        """
        if "messages" not in kwargs or kwargs.get("response_format") or (kwargs.get("n") or 1) != 1:
            return None
        messages = list(kwargs["messages"])
        if strategy == "prefill":
            return Continued({**kwargs, "messages": [*messages, {**self.prefill, "content": kept}]}, exact=True)
        messages.append({"role": "assistant", "content": kept})
        if strategy == "instruct":
            return Continued({**kwargs, "messages": [*messages, {"role": "user", "content": GO_ON}]})
        body = {**(kwargs.get("extra_body") or {}), "continue_final_message": True, "add_generation_prompt": False}
        return Continued({**kwargs, "messages": messages, "extra_body": body}, exact=True)

    def prompted(self, path: str, kwargs: Mapping[str, Any], prompt: str) -> Continued | None:
        """The call with `prompt` in the place of the user's last message; None if there is no such message."""
        messages = list(kwargs.get("messages", ()))
        for place in range(len(messages) - 1, -1, -1):
            if messages[place].get("role") == "user":
                messages[place] = {**messages[place], "content": prompt}
                return Continued({**kwargs, "messages": messages})
        return None
