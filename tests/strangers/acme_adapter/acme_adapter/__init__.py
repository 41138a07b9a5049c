"""Reads the streams of acme_sdk, and wraps its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from l0_core import AttemptContext, Continued, Event, EventType, hookimpl

__all__ = ["AcmeAdapter", "AcmeClient", "AcmeStream"]


class AcmeAdapter:
    """Recognises what comes from acme_sdk, without importing it."""

    @hookimpl
    def adapt(self, ctx: AttemptContext | None, source: object) -> Any:
        kind = type(source)
        if kind.__module__ != "acme_sdk":
            return None
        if ctx is None:
            return AcmeClient() if kind.__name__ == "Acme" else None
        return AcmeStream() if kind.__name__ == "AnswerStream" else None


class AcmeStream:
    """Reads one answer. Its `Done` is the proof of its end."""

    name = "acme"

    def decode(self, chunk: Any) -> Event | None:
        match type(chunk).__name__:
            case "Piece":
                return Event(EventType.TOKEN, chunk.text)
            case "Thought":
                return Event(EventType.REASONING, chunk.text)
            case "Done":
                return Event(
                    EventType.COMPLETE, usage={"output_tokens": chunk.spent}, data={"finish_reason": chunk.why}
                )
        return None


class AcmeClient:
    """How an `Acme` is wrapped. Its answers cannot be asked to go on: they begin anew."""

    name = "acme"
    paths = frozenset(("answers.create",))
    strategies: tuple[str, ...] = ()

    def streams(self, path: str, kwargs: Mapping[str, Any]) -> bool:
        return bool(kwargs.get("stream"))

    def for_streams(self, client: Any) -> Any:
        return client

    def continuing(self, path: str, kwargs: Mapping[str, Any], kept: str, strategy: str) -> Continued | None:
        return None

    def prompted(self, path: str, kwargs: Mapping[str, Any], prompt: str) -> Continued | None:
        return Continued({**kwargs, "question": prompt})
