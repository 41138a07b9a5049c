"""A provider in this process, which misbehaves as it is told: for tests in virtual time, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from l0_core import Event, EventType

__all__ = ["ContinuingProvider", "FakeProvider", "Mishap"]


@dataclass(frozen=True)
class Mishap:
    """What goes wrong in one attempt, before the token with index `at`.

    | kind | what happens |
    |---|---|
    | `refuse` | the call raises `error` |
    | `no_answer` | the call never returns |
    | `raise` | the stream raises `error` |
    | `stall` | the stream never goes on |
    | `ping` | the stream says nothing, for ever, every 10 ms |
    | `truncate` | the stream ends, without proof |
    | `late` | the stream pauses for `seconds` and goes on |
    | `empty` | the stream ends properly, and has said nothing |
    """

    kind: Literal["refuse", "no_answer", "raise", "stall", "ping", "truncate", "late", "empty"]
    at: int = 0
    error: BaseException | None = None
    seconds: float = 0.0

    def failure(self) -> BaseException:
        """What is raised: `error`, or a ConnectionResetError if none is given."""
        return self.error if self.error is not None else ConnectionResetError("scripted")


class FakeProvider:
    """A factory of streams: `l0.run(provider, adapter=provider)`.

    Attempt `n` suffers `mishaps[n - 1]`, if that is not None; attempts beyond the list are healthy. `pace` is the pause
    before each token in seconds, `steps` the number of turns of the event loop that connecting and closing take.
    `texts` gives attempts a text of their own.
    """

    name = "fake"

    def __init__(
        self,
        tokens: Sequence[str],
        mishaps: Sequence[Mishap | None] = (),
        *,
        pace: float = 0.0,
        steps: int = 0,
        finish_reason: str | None = "stop",
        texts: Sequence[Sequence[str]] = (),
    ) -> None:
        self.tokens = tuple(tokens)
        self.mishaps = tuple(mishaps)
        self.pace = pace
        self.steps = steps
        self.finish_reason = finish_reason
        self.texts = tuple(texts)
        self.opened = 0
        """Calls so far."""
        self.open = 0
        """Streams that are open now."""
        self.most_open = 0
        """Streams that were open at the same time, at most."""

    @property
    def text(self) -> str:
        """The whole text of `tokens`: what a healthy attempt answers without `texts`."""
        return "".join(self.tokens)

    def stream_adapter(self) -> _Reader:
        """What reads the streams of this provider, for `l0.run(..., adapter=provider)`."""
        return _Reader()

    async def __call__(self) -> AsyncIterator[Any]:
        return await self._open(lambda tokens: tokens)

    async def _open(self, rest: Callable[[Sequence[str]], Sequence[str]]) -> AsyncIterator[Any]:
        self.opened += 1
        number = self.opened
        mishap = self.mishaps[number - 1] if number <= len(self.mishaps) else None
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for _ in range(self.steps):
                await asyncio.sleep(0)
            if mishap is not None and mishap.kind == "refuse":
                raise mishap.failure()
            if mishap is not None and mishap.kind == "no_answer":
                await asyncio.get_running_loop().create_future()
        except BaseException:
            self.open -= 1
            raise
        tokens = self.texts[number - 1] if number <= len(self.texts) else self.tokens
        return _FakeStream(self, rest(tokens), mishap)


class ContinuingProvider(FakeProvider):
    """A fake provider that continues what an attempt keeps, as models do: `overlap` characters of it come again first.

    `width` is the number of characters per token of a continuation; the cuts are then not those of the first answer.
    """

    def __init__(self, tokens: Sequence[str], mishaps: Sequence[Mishap | None] = (), **options: Any) -> None:
        self.overlap: int = options.pop("overlap", 0)
        self.width: int = options.pop("width", 3)
        super().__init__(tokens, mishaps, **options)
        self.kept: list[str] = []
        """What each attempt was asked to continue."""

    takes_attempt = True

    async def __call__(self, attempt: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        kept: str = attempt.kept
        self.kept.append(kept)

        def rest(tokens: Sequence[str]) -> Sequence[str]:
            text = "".join(tokens)
            if not kept or not text.startswith(kept):
                return tokens
            left = text[max(0, len(kept) - self.overlap) :]
            return [left[i : i + self.width] for i in range(0, len(left), self.width)]

        return await self._open(rest)


class _FakeStream:
    """One open stream. It counts as open until it is closed or has come to its end."""

    def __init__(self, provider: FakeProvider, tokens: Sequence[str], mishap: Mishap | None) -> None:
        self._provider = provider
        self._chunks = self._make(tokens, mishap)
        self._open = True

    def __aiter__(self) -> _FakeStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._chunks.__anext__()
        except BaseException:
            self._release()
            raise

    async def aclose(self) -> None:
        try:
            for _ in range(self._provider.steps):
                await asyncio.sleep(0)
            await self._chunks.aclose()  # type: ignore[attr-defined]
        finally:
            self._release()

    def _release(self) -> None:
        if self._open:
            self._open = False
            self._provider.open -= 1

    async def _make(self, tokens: Sequence[str], mishap: Mishap | None) -> AsyncIterator[Any]:
        if mishap is not None and mishap.kind == "empty":
            tokens, mishap = (), None
        for index, token in enumerate((*tokens, None)):
            if mishap is not None and mishap.at == min(index, len(tokens)):
                match mishap.kind:
                    case "raise":
                        raise mishap.failure()
                    case "stall":
                        await asyncio.get_running_loop().create_future()
                    case "ping":
                        while True:
                            await asyncio.sleep(0.01)
                            yield None
                    case "truncate":
                        return
                    case "late":
                        await asyncio.sleep(mishap.seconds)
            if self._provider.pace:
                await asyncio.sleep(self._provider.pace)
            if token is not None:
                yield token
        yield ("finish", self._provider.finish_reason)


class _Reader:
    """Reads a `FakeProvider`'s chunks: text, pings (None) and the finish."""

    name = "fake"

    def decode(self, chunk: Any) -> Event | None:
        if chunk is None:
            return None
        if isinstance(chunk, tuple):
            return Event(EventType.COMPLETE, data={"finish_reason": chunk[1]})
        return Event(EventType.TOKEN, chunk)
