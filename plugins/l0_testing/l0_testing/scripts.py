"""What a model of the fault server answers: scripts, and the chunks that they become."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import Any, Literal

__all__ = [
    "Answer",
    "Choice",
    "Fault",
    "Piece",
    "PrefillRejectedError",
    "Script",
    "ToolCall",
    "load_scripts",
    "split_tokens",
]

DEFAULT_TEXT = (
    "A stream of tokens is a promise made one word at a time. Déjà vu? Nein: 流 flows, 🌊 breaks, and the sender\n"
    "may stall, repeat itself or leave in the middle of a thought. Whoever reads must know which of these it was.\n"
)
CREATED = 1_700_000_000  # a constant, so that the same request gives the same bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour of one attempt.

    Args:
        kind: a name in `l0_testing.FAULTS`.
        at: index of the token before which it happens. Every delta that carries content counts: reasoning, text,
            refusal and fragments of tool calls, in the order sent. Beyond the end: after the last one.
        seconds: the pause of trickling kinds, the interval of pings, and the `Retry-After` of `*_ra` kinds.
        size: bytes of content of `huge`, `flood` and `gzipbomb`; None is the size that the catalogue gives.
        location: where `redirect_loop` sends the client; empty is the server itself.
    """

    kind: str
    at: int = 0
    seconds: float = 0.05
    size: int | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a script makes; `arguments` is sent as it is, in several fragments."""

    id: str
    name: str
    arguments: str


class PrefillRejectedError(ValueError):
    """The request ends with an assistant message, and the script refuses to continue one."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a model name answers.

    Args:
        text: the answer; a str is split by `split_tokens`, a sequence is sent token by token as it is.
        texts: other texts for attempt 1, 2, ... (None: `text`), for a model that answers differently each time.
        faults: what goes wrong at attempt 1, 2, ...; None, or beyond the end, is a healthy answer.
        tool_calls: calls made after the text; `finish_reason` "stop" then becomes "tool_calls".
        reasoning: sent before the text, as `reasoning_content`.
        refusal: sent after the text, as `refusal`.
        usage: whether token counts are sent (in a stream: when `stream_options.include_usage` asks for them).
        pace: seconds before each token.
        framing: an HTTP chunk for each SSE event, or one for the whole body, as a buffering proxy sends it.
        choices: how many choices, interleaved; the text of choice i > 0 begins with "[i] ".
        azure: chunks with empty `choices` first and last, and content filter results, as Azure OpenAI sends them.
        prefill: a request that ends with an assistant message: continue its text exactly, answer 400, or start anew.
        overlap: how many of the last kept characters an instructed continuation repeats first. A continuation is
            instructed when the last message is a user's and asks to continue, and the assistant message before it
            holds the beginning of the text.
    """

    text: str | Sequence[str] = DEFAULT_TEXT
    faults: Sequence[Fault | None] = ()
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: str = "stop"
    reasoning: str = ""
    refusal: str = ""
    usage: bool = True
    pace: float = 0.0
    framing: Literal["event", "coalesced"] = "event"
    choices: int = 1
    azure: bool = False
    prefill: Literal["continue", "reject", "ignore"] = "continue"
    overlap: int = 0
    texts: Sequence[str | None] = ()

    def fault(self, attempt: int) -> Fault | None:
        """The fault of the given attempt (1-based)."""
        return self.faults[attempt - 1] if attempt <= len(self.faults) else None

    def tokens(self, attempt: int = 1) -> list[str]:
        """The tokens that the given attempt sends when it starts from the beginning."""
        text = self.texts[attempt - 1] if attempt <= len(self.texts) else None
        if text is None:
            text = self.text  # type: ignore[assignment]
        return split_tokens(text) if isinstance(text, str) else list(text or ())

    def answer(self, attempt: int, request: Mapping[str, Any]) -> Answer:
        """What the given attempt says to a request body.

        Raises:
            PrefillRejectedError: the request ends with an assistant message and `prefill` is "reject".
        """
        tokens = self.tokens(attempt)
        messages = request.get("messages") or []
        rest = _drop(tokens, self._resume_at("".join(tokens), messages))
        finish = "tool_calls" if self.tool_calls and self.finish_reason == "stop" else self.finish_reason
        choices = tuple(
            Choice(tuple(self._deltas(rest if index == 0 else [f"[{index}] ", *rest])), finish)
            for index in range(self.choices)
        )
        prompt = sum(len(_content(message).split()) for message in messages)
        completion = sum(len(choice.deltas) for choice in choices)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        return Answer(str(request.get("model")), attempt, choices, usage if self.usage else None, self.azure)

    def _resume_at(self, text: str, messages: Sequence[Any]) -> int:
        """The offset at which this attempt starts, read from what the request already holds."""
        if not messages:
            return 0
        last = messages[-1]
        if last.get("role") == "assistant":
            if self.prefill == "reject":
                raise PrefillRejectedError("the last message must not be the assistant's")
            return _continues(text, _content(last)) if self.prefill == "continue" else 0
        if last.get("role") == "user" and _ASKS_TO_CONTINUE.search(_content(last)):
            kept = next((_content(m) for m in reversed(messages) if m.get("role") == "assistant"), "")
            return max(0, len(kept) - self.overlap) if text.startswith(kept) else 0
        return 0

    def _deltas(self, tokens: Sequence[str]) -> Iterator[dict[str, Any]]:
        yield from ({"reasoning_content": token} for token in split_tokens(self.reasoning))
        yield from ({"content": token} for token in tokens)
        yield from ({"refusal": token} for token in split_tokens(self.refusal))
        for index, call in enumerate(self.tool_calls):
            function = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
            size = max(1, len(call.arguments) // 4)
            for start in range(0, len(call.arguments), size):
                fragment = call.arguments[start : start + size]
                yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


_ASKS_TO_CONTINUE = re.compile(r"continu|resum|go on|carry on|left off|cut off", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of an answer: its deltas, in order, and why it ends."""

    deltas: tuple[dict[str, Any], ...]
    finish_reason: str | None

    def message(self) -> dict[str, Any]:
        """The deltas folded into the message of a response that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        calls: list[dict[str, Any]] = []
        for delta in self.deltas:
            for name, value in delta.items():
                if name != "tool_calls":
                    message[name] = (message.get(name) or "") + value
                elif "id" in value[0]:
                    calls.append({**value[0], "function": dict(value[0]["function"])})
                else:
                    calls[-1]["function"]["arguments"] += value[0]["function"]["arguments"]
        if calls:
            message["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in calls]
        return message


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of a body: its payload, what part it plays, and the text of choice 0 that it carries."""

    kind: Literal["open", "token", "finish", "usage", "done"]
    data: bytes
    text: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt says when nothing goes wrong."""

    model: str
    attempt: int
    choices: tuple[Choice, ...]
    usage: dict[str, int] | None
    azure: bool = False

    def cut(self, at: int, finish_reason: str | None) -> Answer:
        """The same answer ending before delta `at` of each choice."""
        return replace(self, choices=tuple(Choice(choice.deltas[:at], finish_reason) for choice in self.choices))

    def chunk(self, choices: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
        """A `chat.completion.chunk` as JSON."""
        head = {"id": f"chatcmpl-{self.attempt}", "object": "chat.completion.chunk", "created": CREATED}
        return to_json({**head, "model": self.model, "choices": choices, **more})

    def delta(self, delta: Mapping[str, Any], *, index: int = 0, finish_reason: str | None = None) -> bytes:
        """A chunk with one delta of one choice, as JSON."""
        choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        if self.azure:
            choice["content_filter_results"] = _UNFILTERED if delta.get("content") else {}
        return self.chunk([choice])

    def usage_chunk(self) -> bytes:
        """The chunk that carries the token counts, as JSON."""
        return self.chunk([], usage=self.usage)

    def pieces(self, *, include_usage: bool) -> list[Piece]:
        """The events of a streamed response."""
        azure_extra = to_json(
            {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": _PROMPT_FILTER}
        )
        pieces = [Piece("open", azure_extra)] if self.azure else []
        for index in range(len(self.choices)):
            opening = {"role": "assistant", "content": "", "refusal": None}
            pieces.append(Piece("open", self.delta(opening, index=index)))
        for row in zip_longest(*(choice.deltas for choice in self.choices)):
            for index, delta in enumerate(row):
                if delta is not None:
                    text = delta.get("content", "") if index == 0 else ""
                    pieces.append(Piece("token", self.delta(delta, index=index), text))
        for index, choice in enumerate(self.choices):
            pieces.append(Piece("finish", self.delta({}, index=index, finish_reason=choice.finish_reason)))
        if include_usage and self.usage is not None:
            pieces.append(Piece("usage", self.usage_chunk()))
        if self.azure:
            pieces.append(Piece("usage", azure_extra))
        pieces.append(Piece("done", b"[DONE]"))
        return pieces

    def document(self) -> list[Piece]:
        """The body of a response that is not streamed, in a slice for each delta, so that `Fault.at` has a meaning."""
        choices = [
            {"index": i, "message": choice.message(), "logprobs": None, "finish_reason": choice.finish_reason}
            for i, choice in enumerate(self.choices)
        ]
        head = {"id": f"chatcmpl-{self.attempt}", "object": "chat.completion", "created": CREATED}
        body = to_json({**head, "model": self.model, "choices": choices, "usage": self.usage})
        texts = [delta.get("content", "") for delta in self.choices[0].deltas]
        size = len(body) // (len(texts) + 1)
        slices = [Piece("token", body[i * size : (i + 1) * size], text) for i, text in enumerate(texts)]
        return [*slices, Piece("finish", body[len(texts) * size :])]


_UNFILTERED = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_PROMPT_FILTER = [{"prompt_index": 0, "content_filter_results": _UNFILTERED}]


def split_tokens(text: str) -> list[str]:
    """Split text into pieces of the size of a model's tokens, the same way every time.

    Nothing is lost: `"".join(split_tokens(text)) == text` for every text.
    """
    return re.findall(r" ?\w{1,5}|\W", text)


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate, which UTF-8 cannot hold, is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def load_scripts(text: str) -> dict[str, Script]:
    """Read scripts from JSON: an object of model names, each with the fields of `Script`.

    A fault is an object with the fields of `Fault`, the name of a kind, or null.

    Raises:
        ValueError: the JSON is malformed, or a field is unknown (the message names it and those that exist).
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("a script file holds an object: {model name: {field: value}}")
    return {model: _read_script(model, value) for model, value in document.items()}


def _read_script(model: str, value: Any) -> Script:
    values = _known(Script, value, f"script {model!r}")
    faults = [
        Fault(item) if isinstance(item, str) else item and Fault(**_known(Fault, item, f"a fault of {model!r}"))
        for item in values.pop("faults", ())
    ]
    calls = [ToolCall(**_known(ToolCall, item, f"a tool call of {model!r}")) for item in values.pop("tool_calls", ())]
    return Script(**values, faults=faults, tool_calls=calls)


def _known(form: type[Any], value: Any, where: str) -> dict[str, Any]:
    names = [item.name for item in fields(form)]
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object is needed, with some of: {', '.join(names)}")
    unknown = sorted(value.keys() - set(names))
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are: {', '.join(names)}")
    return dict(value)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content)
    return content or ""


def _continues(text: str, kept: str) -> int:
    """How much of the text a prefill already holds; a caller's own prefill may stand before it."""
    if text.startswith(kept):
        return len(kept)
    return next((size for size in range(min(len(kept), len(text)), 0, -1) if text.startswith(kept[-size:])), 0)


def _drop(tokens: Sequence[str], offset: int) -> list[str]:
    """The tokens without their first `offset` characters, cut as they were."""
    rest = []
    for token in tokens:
        if offset < len(token):
            rest.append(token[offset:])
        offset = max(0, offset - len(token))
    return rest
