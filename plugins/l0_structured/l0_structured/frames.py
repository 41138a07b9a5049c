"""What is known of an object or array while it is open."""

from __future__ import annotations

__all__ = ["COLON", "COMMA", "KEY", "VALUE", "Frame"]

KEY, COLON, VALUE, COMMA = range(4)
"""What is due in an object or array: its next key, the colon behind it, a value, or a comma."""

_CLOSERS = {"{": "}", "[": "]", "(": ")"}


class Frame:
    """An object or array that is open. It may turn out to be the other one than its bracket says."""

    __slots__ = ("at", "comma", "count", "doubled", "end", "expects", "is_object", "key_end", "mark", "opener")

    def __init__(self, opener: str, at: int, end: int, mark: int) -> None:
        self.opener, self.at = opener, at
        self.is_object = opener == "{"
        self.expects = KEY if self.is_object else VALUE
        self.count = self.doubled = self.key_end = 0
        self.comma = -1
        # Behind its last item: where that ends in the text, and in the list of edits.
        self.end, self.mark = end, mark

    @property
    def source_closer(self) -> str:
        """The bracket that closes it in the text as it was given."""
        return _CLOSERS[self.opener]

    @property
    def closer(self) -> str:
        """The bracket that closes it in JSON."""
        return "}" if self.is_object else "]"

    @property
    def holds_key(self) -> bool:
        """Whether there is a key that has no value yet."""
        return self.is_object and self.expects in (COLON, VALUE)
