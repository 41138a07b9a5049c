"""Chat-completion chunks as events.

The chunks are read by attribute, so that objects of either SDK major, of compatible servers, and of SDKs that imitate
them are understood alike. What a chunk may lack, servers have been seen to leave out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from l0_core import Event, EventType, StreamAdapter
from l0_openai.fast_lane import FastLane, is_untouched

__all__ = ["ChatCompletionStream", "OpenAIAdapter", "OpenAIAdapterOptions"]

LINGER = 0.25
"""Seconds to read on after the finish reason: usage comes last, and some servers never end the stream."""


@dataclass(frozen=True)
class OpenAIAdapterOptions:
    """How chat-completion chunks are read.

    `choice_index` is the choice whose text is the answer; events of the others carry their `event.choice`. With `"all"`
    the text of every choice is the answer. `require_finish_reason=False` takes a stream's end as the proof that it is
    whole, for servers that send no finish reason.
    """

    include_usage: bool = True
    include_tool_calls: bool = True
    emit_function_calls_as_tokens: bool = False
    choice_index: int | Literal["all"] = 0
    require_finish_reason: bool = True


class ChatCompletionStream:
    """Reads one stream of chat-completion chunks.

    The proof of the end is a finish reason for every choice that was seen.
    """

    name = "openai"
    linger = LINGER

    def __init__(self, options: OpenAIAdapterOptions | None = None) -> None:
        self.options = options or OpenAIAdapterOptions()
        self.end_is_proof = not self.options.require_finish_reason
        self._finished: dict[int, str | None] = {}
        self._primary = 0 if self.options.choice_index == "all" else self.options.choice_index
        self.decode: Callable[[Any], Event | list[Event] | None] = self.decode_chunk
        self.raw: Callable[[Any], Iterable[Any]] = lambda chunk: (chunk,)

    def iterate(self, source: Any) -> Any:
        """What is iterated: the bytes of a stream that is as the SDK made it, and `decode` is then for these.

        Of any other stream it is the SDK's own iterator, without the generator that `aiter(stream)` puts around it.
        """
        if is_untouched(source):
            lane = FastLane(source, self)
            self.decode, self.raw = lane.decode, lane.raw
            return lane
        iterator = getattr(source, "_iterator", None)
        return iterator if hasattr(iterator, "__anext__") else source

    def is_open(self, index: int) -> bool:
        """Whether a choice is the one whose text is the answer, and has not finished."""
        return index == self._primary and self._finished.setdefault(index) is None

    def decode_chunk(self, chunk: Any) -> Event | list[Event] | None:
        """The events that are in a chunk of the SDK's, in order: one, several, or None."""
        choices = getattr(chunk, "choices", None)
        if choices and len(choices) == 1:
            (choice,) = choices
            delta: Any = getattr(choice, "delta", None)
            # The common case first: a piece of the answer's text, and nothing else. What the SDK's model does not
            # know (reasoning, for one) is in `model_extra`.
            if (
                type(content := getattr(delta, "content", None)) is str
                and content
                and not getattr(delta, "model_extra", True)
                and not delta.tool_calls
                and not delta.refusal
                and choice.finish_reason is None
                and self.is_open(choice.index)
            ):
                return Event(EventType.TOKEN, content)
        return self.decode_rest(chunk)

    def decode_rest(self, chunk: Any) -> list[Event]:
        """The events of any chunk."""
        events: list[Event] = []
        finished = False
        for position, choice in enumerate(getattr(chunk, "choices", None) or ()):
            index = getattr(choice, "index", None)
            index = index if isinstance(index, int) else position
            number = self._number(index)
            delta = getattr(choice, "delta", None)
            reason = getattr(choice, "finish_reason", None)
            before = len(events)
            if delta is not None:
                self._decode_delta(events, delta, number)
            if len(events) > before or reason:
                self._finished.setdefault(index, None)
            if reason:
                self._finished[index] = reason
                finished = True
        usage = _usage(chunk) if self.options.include_usage else None
        if (events or finished or usage) and self._finished and all(self._finished.values()):
            reason = self._finished.get(self._primary) or next(iter(self._finished.values()))
            events.append(Event(EventType.COMPLETE, usage=usage, data={"finish_reason": reason}))
        return events

    def _number(self, index: int) -> int:
        """The number under which a choice is delivered: the answer is 0."""
        if self.options.choice_index == "all" or index == self._primary:
            return 0
        return index if index > self._primary else index + 1

    def _decode_delta(self, events: list[Event], delta: Any, choice: int) -> None:
        for name in ("reasoning_content", "reasoning"):
            reasoning = getattr(delta, name, None)
            if isinstance(reasoning, str) and reasoning:
                events.append(Event(EventType.REASONING, reasoning, choice=choice))
                break
        content = getattr(delta, "content", None)
        if isinstance(content, str):
            if content:
                events.append(Event(EventType.TOKEN, content, choice=choice))
        elif content:
            # Some servers send the parts of a message where the protocol has a string.
            for part in content:
                text = part.get("text") if isinstance(part, dict) else getattr(part, "text", None)
                if isinstance(text, str) and text:
                    events.append(Event(EventType.TOKEN, text, choice=choice))
        refusal = getattr(delta, "refusal", None)
        if isinstance(refusal, str) and refusal:
            events.append(Event(EventType.REFUSAL, refusal, choice=choice))
        if not self.options.include_tool_calls:
            return
        for call in getattr(delta, "tool_calls", None) or ():
            self._decode_call(events, call, choice)
        function = getattr(delta, "function_call", None)
        if function is not None:
            # The protocol's older form: one call, without index or id.
            fragment = {"index": 0, "id": None, "name": function.name, "arguments": function.arguments}
            events.append(Event(EventType.PROGRESS, data={"tool_call": fragment}, choice=choice))

    def _decode_call(self, events: list[Event], call: Any, choice: int) -> None:
        function = getattr(call, "function", None)
        arguments = getattr(function, "arguments", None)
        if arguments and self.options.emit_function_calls_as_tokens:
            events.append(Event(EventType.TOKEN, arguments, choice=choice))
        fragment = {
            "index": getattr(call, "index", None),
            "id": getattr(call, "id", None),
            "name": getattr(function, "name", None),
            "arguments": arguments,
        }
        events.append(Event(EventType.PROGRESS, data={"tool_call": fragment}, choice=choice))


def _usage(chunk: Any) -> dict[str, int] | None:
    usage = getattr(chunk, "usage", None)
    if usage is None:
        return None
    counted = {}
    for ours, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        value = getattr(usage, theirs, None)
        if isinstance(value, int):
            counted[ours] = value
    return counted or None


class OpenAIAdapter:
    """The documented adapter. The runtime reads chunks by `stream_adapter`; `wrap` yields a stream's events."""

    name = "openai"

    def __init__(self, options: OpenAIAdapterOptions | None = None) -> None:
        self.options = options

    def stream_adapter(self) -> StreamAdapter:
        """What reads one stream with these options."""
        reader: StreamAdapter = self._reader(self.options)
        return reader

    def detect(self, stream: Any) -> bool:
        """Whether a stream is of the SDK, or of LiteLLM, whose chunks are alike."""
        return type(stream).__module__.partition(".")[0] in ("openai", "litellm")

    async def wrap(self, stream: Any, options: OpenAIAdapterOptions | None = None) -> AsyncIterator[Event]:
        """The events of a stream. COMPLETE is the last, and missing if nothing proves that the model was done.

        `options` go before those of the adapter. Raises what the stream raises.
        """
        reader = self._reader(options or self.options, stream)
        proof: Event | None = None
        async for chunk in stream:
            decoded = reader.decode(chunk)
            for event in [decoded] if isinstance(decoded, Event) else decoded or ():
                if event.type is EventType.COMPLETE:
                    proof = event
                else:
                    yield event
        if proof is None and reader.end_is_proof:
            proof = Event(EventType.COMPLETE)
        if proof is not None:
            yield proof

    def _reader(self, options: OpenAIAdapterOptions | None, stream: Any = None) -> Any:
        return ChatCompletionStream(options)
