"""What a caller passes as context: observers are shown it, and none can change it for the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["Frozen", "frozen"]


class Frozen(dict[Any, Any]):
    """A dict that cannot be changed. To whatever writes it down it is a dict."""

    __slots__ = ()

    @staticmethod
    def _refuse(*args: Any, **more: Any) -> NoReturn:
        raise TypeError("the context of a stream cannot be changed; copy it with dict(context)")

    # To type checkers it is an ordinary dict.
    if not TYPE_CHECKING:
        __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


def frozen(value: Any) -> Any:
    """A copy of mappings and lists at any depth that cannot be changed: lists become tuples. The rest is as it is."""
    if isinstance(value, Mapping):
        return Frozen({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(inner) for inner in value)
    return value
