"""An SDK that L0 knows nothing of: a client, and its streams of pieces, thoughts and an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

__all__ = ["Acme", "AnswerStream", "Done", "Piece", "Thought"]


@dataclass(frozen=True)
class Piece:
    text: str


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Done:
    why: str
    spent: int


class AnswerStream:
    """One answer, to be iterated and closed."""

    def __init__(self, answers: Answers, chunks: Sequence[Piece | Thought | Done]) -> None:
        self._answers = answers
        self._chunks = self._send(chunks)

    async def _send(self, chunks: Sequence[Piece | Thought | Done]) -> AsyncIterator[Piece | Thought | Done]:
        for chunk in chunks:
            yield chunk

    def __aiter__(self) -> AnswerStream:
        return self

    async def __anext__(self) -> Piece | Thought | Done:
        return await self._chunks.__anext__()

    async def aclose(self) -> None:
        self._answers.closed += 1


class Answers:
    """Answers in words. The first `cut` of them end after three chunks, as if they had been whole."""

    def __init__(self, words: Sequence[str], cut: int) -> None:
        self._words = words
        self._cut = cut
        self.opened = self.closed = 0

    async def create(self, *, question: str, stream: bool = False) -> AnswerStream | str:
        self.opened += 1
        if not stream:
            return "".join(self._words)
        whole = [Thought(question), *map(Piece, self._words), Done("end", len(self._words))]
        return AnswerStream(self, whole[:3] if self.opened <= self._cut else whole)


class Acme:
    """The client: `answers.create(question=..., stream=True)`."""

    def __init__(self, words: Sequence[str], cut: int = 0) -> None:
        self.answers = Answers(words, cut)
