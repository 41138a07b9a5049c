"""LiteLLM's chunks as events.

Whatever the provider, LiteLLM hands on chunks in the form of OpenAI's chat completions, so they are read as those are.
What differs is the proof of the end: some releases of LiteLLM make up a finish reason where the provider sent none, and
of several choices only one gets its finish reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from l0_core import Event
from l0_openai import ChatCompletionStream, OpenAIAdapter, OpenAIAdapterOptions

__all__ = ["LiteLLMAdapter", "LiteLLMStream"]

LINGER = 2.0
"""Seconds to read on after the finish reason: LiteLLM counts tokens and calls the user's callbacks between it and the
end, and other choices may still speak. A stream that ends is not waited for."""


class LiteLLMStream:
    """Reads one stream of LiteLLM's.

    `source` is the stream, where it is known before it is iterated. The proof of the end is a finish reason that the
    provider has sent, or LiteLLM for it, for any of the choices: LiteLLM drops those of the others.
    """

    name = "litellm"
    linger = LINGER

    def __init__(self, options: OpenAIAdapterOptions | None = None, source: Any = None) -> None:
        self._chunks = ChatCompletionStream(options)
        self.end_is_proof = self._chunks.end_is_proof
        self._source = source
        self._seen: set[int] = set()
        self._reason: str | None = None

    def iterate(self, source: Any) -> Any:
        """The stream itself, which is now known."""
        self._source = source
        return source

    def decode(self, chunk: Any) -> list[Event]:
        """The events that are in a chunk of LiteLLM's, in order. A COMPLETE that LiteLLM made up is not among them."""
        reason = None
        for choice in getattr(chunk, "choices", None) or ():
            self._seen.add(choice.index)
            reason = reason or choice.finish_reason
        if reason and _is_ended_by_litellm(self._source):
            return self._chunks.decode_rest(_without_its_end(chunk))
        self._reason = reason or self._reason
        events = self._chunks.decode_rest(chunk)
        if self._reason is not None and len(self._seen) > 1:
            events += self._chunks.decode_rest(_end_of(self._seen, self._reason))
        return events


def _without_its_end(chunk: Any) -> SimpleNamespace:
    choices = [SimpleNamespace(index=choice.index, delta=choice.delta, finish_reason=None) for choice in chunk.choices]
    return SimpleNamespace(choices=choices, usage=getattr(chunk, "usage", None))


def _end_of(indices: Iterable[int], reason: str) -> SimpleNamespace:
    choices = [SimpleNamespace(index=index, delta=None, finish_reason=reason) for index in sorted(indices)]
    return SimpleNamespace(choices=choices, usage=None)


def _is_ended_by_litellm(stream: Any) -> bool:
    """Whether LiteLLM is ending a stream for which no provider has sent a finish reason."""
    return any(
        getattr(layer, "sent_last_chunk", None) is True
        and getattr(layer, "received_finish_reason", "") is None
        and getattr(layer, "intermittent_finish_reason", "") is None
        and not _is_mocked(layer)
        for layer in _layers(stream)
    )


def _is_mocked(stream: Any) -> bool:
    """Whether a stream is the `mock_response` of a call: no provider speaks there, and LiteLLM's word has to do."""
    code = getattr(getattr(stream, "completion_stream", None), "ag_code", None)
    return code is not None and code.co_name == "async_mock_completion_streaming_obj"


def _layers(stream: Any) -> Iterator[Any]:
    """A stream, and those that it reads if it is a router's, which keeps them in the variables of a generator."""
    while stream is not None:
        yield stream
        frame = getattr(getattr(stream, "_async_generator", None), "ag_frame", None)
        variables = {} if frame is None else frame.f_locals
        stream = variables.get("fallback_response") or variables.get("model_response")


class LiteLLMAdapter(OpenAIAdapter):
    """The documented adapter. The runtime reads chunks by `stream_adapter`; `wrap` yields a stream's events."""

    name = "litellm"

    def detect(self, stream: Any) -> bool:
        return type(stream).__module__.partition(".")[0] == "litellm"

    def _reader(self, options: OpenAIAdapterOptions | None, stream: Any = None) -> LiteLLMStream:
        return LiteLLMStream(options, stream)
