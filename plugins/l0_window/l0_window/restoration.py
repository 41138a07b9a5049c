"""A chunk whose stream failed or drifted, asked again with the text around it.

The text that is restored is part of the chunk: the factory is called with a chunk that is longer, and whose content is
still the document's from `start_pos` to `end_pos`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from l0_core import Error, ErrorCategory, Retry, Stream, Timeout
from l0_window.documents import DocumentChunk, cutter_of, token_counter
from l0_window.processing import ChunkProcessConfig, ChunkResult, answer, failed, results_of, succeeded

if TYPE_CHECKING:
    from l0_window.window import DocumentWindow

__all__ = ["ContextRestorationOptions", "ContextRestorationStrategy", "get_restoration_chunk", "l0_with_window"]

logger = logging.getLogger("l0")

ContextRestorationStrategy = Literal["adjacent", "overlap", "full"]
"""Which text around a chunk is restored: see `ContextRestorationOptions`."""

_INCURABLE = (ErrorCategory.FATAL, ErrorCategory.INTERNAL)
"""What would fail in the same way however much context there is; a context that is too long is among it."""


@dataclass
class ContextRestorationOptions:
    """Whether and how a chunk is asked again with the text around it.

    | strategy | the chunk is asked again with |
    |---|---|
    | `adjacent` | the next chunk; the last one with the one before it |
    | `overlap` | as much of what follows as an overlap is; the last one is not asked again |
    | `full` | the next chunk and the one before it |

    `max_attempts` is how often, after the stream's own retries and fallbacks. `on_restore(chunk_index, restored_index)`
    is called before each time; what it raises is logged.
    """

    enabled: bool = True
    strategy: ContextRestorationStrategy = "adjacent"
    max_attempts: int = 2
    on_restore: Callable[[int, int], None] | None = None


async def l0_with_window(
    window: DocumentWindow,
    chunk_index: int,
    stream: Any,
    *,
    context_restoration: ContextRestorationOptions | None = None,
    retry: Retry | None = None,
    timeout: Timeout | None = None,
    fallbacks: Sequence[Any] | None = None,
    guardrails: Sequence[Any] | None = None,
) -> ChunkResult[Any]:
    """Process one chunk of a window. With `context_restoration`, a stream that fails or drifts is asked for again.

    `stream` and `fallbacks` are factories. One that takes an argument is called with the chunk, whose content then has
    the restored text; one that takes none is called as it is. Drift is what a guardrail finds, such as "drift" of the
    l0-drift package. Not asked again is what would fail in the same way: a key, a quota, a context that is too long.

    The result has the chunk as it is in the window. An answer that still drifts is taken as it is, and one of an
    earlier attempt if the last one fails. Raises IndexError for a chunk that is not there.
    """
    chunk = window[chunk_index]
    asked = _Asking(window, chunk, context_restoration or ContextRestorationOptions(enabled=False))

    def config(chunk: DocumentChunk) -> ChunkProcessConfig:
        own = [_for_chunk(factory, chunk) for factory in (stream, *(fallbacks or ()))]
        return ChunkProcessConfig(own[0], retry, timeout, own[1:], guardrails)

    [result] = await results_of([chunk], [lambda: asked.result(config)], 1)
    return result


class _Asking:
    """The asking of one chunk, and over again if need be."""

    def __init__(self, window: DocumentWindow, chunk: DocumentChunk, options: ContextRestorationOptions) -> None:
        self._window, self._chunk, self._options = window, chunk, options
        self._neighbour = get_restoration_chunk(window, chunk.index, options.strategy) if options.enabled else None

    async def result(self, config: Callable[[DocumentChunk], ChunkProcessConfig]) -> ChunkResult[Any]:
        clock = asyncio.get_running_loop().time
        began = clock()
        answered: Stream | None = None
        error: Exception | None = None
        chunk: DocumentChunk | None = self._chunk
        left = self._options.max_attempts
        while chunk is not None:
            try:
                answered, error = await answer(config(chunk)), None
            except Exception as failure:
                error = failure
            chunk = self._again() if left > 0 and _is_curable(answered, error) else None
            left -= 1
        if answered is None:
            assert error is not None
            return failed(self._chunk, error, clock() - began)
        return succeeded(self._chunk, answered, clock() - began)

    def _again(self) -> DocumentChunk | None:
        """The chunk with what is restored, and whoever wants to know is told; None if there is nothing."""
        if self._neighbour is None or self._restored.content == self._chunk.content:
            return None
        self._tell(self._neighbour)
        return self._restored

    def _tell(self, neighbour: int) -> None:
        if self._options.on_restore is None:
            return
        try:
            self._options.on_restore(self._chunk.index, neighbour)
        except Exception as error:
            logger.warning("on_restore raised %s; the chunk is asked again", type(error).__name__)
            logger.debug("on_restore raised", exc_info=error)

    @cached_property
    def _restored(self) -> DocumentChunk:
        assert self._neighbour is not None
        return restored(self._window, self._chunk, self._neighbour, self._options.strategy)


def _is_curable(answered: Stream | None, error: Exception | None) -> bool:
    """Whether asking again with more context can help."""
    if error is not None:
        return Error.categorize(error) not in _INCURABLE
    return answered is not None and answered.state.drift_detected


def get_restoration_chunk(
    window: DocumentWindow, current_index: int, strategy: ContextRestorationStrategy
) -> int | None:
    """The chunk whose text is restored for another: the next one, or else the one before it unless only the overlap is.

    None if there is none. Raises ValueError for an unknown strategy.
    """
    if strategy not in get_args(ContextRestorationStrategy):
        known = ", ".join(get_args(ContextRestorationStrategy))
        raise ValueError(f"context restoration: strategy is {strategy!r}; it must be one of {known}")
    if current_index + 1 < window.total_chunks:
        return current_index + 1
    return current_index - 1 if current_index > 0 and strategy != "overlap" else None


def restored(
    window: DocumentWindow, chunk: DocumentChunk, neighbour: int, strategy: ContextRestorationStrategy
) -> DocumentChunk:
    """The chunk with the text that a strategy restores."""
    start, end = chunk.start_pos, chunk.end_pos
    if strategy == "overlap":
        end = cutter_of(window.document, window.config).onward(end)
    else:
        others = [window[neighbour]]
        if strategy == "full" and 0 < chunk.index < neighbour:
            others.append(window[chunk.index - 1])
        start = min(start, *(other.start_pos for other in others))
        end = max(end, *(other.end_pos for other in others))
    content = window.document[start:end]
    tokens = token_counter(window.config)(content)
    return replace(chunk, content=content, start_pos=start, end_pos=end, token_count=tokens, char_count=len(content))


@dataclass(frozen=True)
class _ForChunk:
    """A factory with the chunk that it is called with."""

    factory: Callable[[DocumentChunk], Any]
    chunk: DocumentChunk

    @property
    def provider(self) -> Any:
        """Whom a retry burdens: whatever the chunk, the same."""
        return getattr(self.factory, "provider", None) or getattr(self.factory, "__code__", type(self.factory))

    def __call__(self) -> Any:
        return self.factory(self.chunk)


def _for_chunk(factory: Any, chunk: DocumentChunk) -> Any:
    return _ForChunk(factory, chunk) if _takes_a_chunk(factory) else factory


def _takes_a_chunk(factory: Any) -> bool:
    """Whether a factory needs an argument. One that says so itself (`takes_attempt`) means the attempt by it."""
    if not callable(factory) or hasattr(factory, "takes_attempt"):
        return False
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(parameter.kind in positional and parameter.default is parameter.empty for parameter in parameters)
