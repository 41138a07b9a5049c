"""The provider's chunks, kept on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from l0_core.adapters import AdaptedEvent

__all__ = ["RawChunks"]

Unpack = Callable[[Any], Iterable[Any]]


def _itself(item: Any) -> tuple[Any]:
    return (item.raw_chunk if isinstance(item, AdaptedEvent) else item,)


class RawChunks:
    """Keeps what was iterated, and has the provider's chunks made of it when they are asked for.

    An adapter may iterate something that costs less than these: that is what is kept, attempt by attempt.
    """

    def __init__(self) -> None:
        self._made: list[Any] = []
        self._waiting: list[tuple[Unpack, list[Any]]] = []

    def keeper(self, adapter: Any) -> Callable[[Any], None]:
        """What keeps the items of an attempt that `adapter` reads."""
        items: list[Any] = []
        self._waiting.append((getattr(adapter, "raw", _itself), items))
        return items.append

    def chunks(self) -> list[Any]:
        """The chunks so far. It is the same list each time, with those that have come since."""
        for unpack, items in self._waiting:
            for item in items:
                self._made += unpack(item)
            items.clear()
        del self._waiting[:-1]
        return self._made
