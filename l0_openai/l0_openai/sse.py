"""Server-sent events out of bytes that are cut anywhere."""

from __future__ import annotations

__all__ = ["END", "Blocks"]

END = b"\n\n"
"""What ends an event."""


class Blocks:
    """Splits the bytes of an event stream into its events, each the lines of one, with a line feed between them.

    Lines end in CR, LF or CRLF. What a piece of bytes costs does not depend on how much of an event came before it.
    """

    __slots__ = ("_after_cr", "_begun")

    def __init__(self) -> None:
        self._begun = bytearray()
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are complete with these bytes. One without any line is empty."""
        if self._after_cr or b"\r" in data:
            data = self._with_line_feeds(data)
        if self._begun:
            begun = self._begun
            searched = max(0, len(begun) - 1)
            begun += data
            end = begun.rfind(END, searched)
            if end < 0:
                return []
            blocks = bytes(begun[:end]).split(END)
            del begun[: end + len(END)]
            return blocks
        blocks = data.split(END)
        rest = blocks.pop()
        if rest:
            self._begun += rest
        return blocks

    def end(self) -> bytes:
        """What has come of an event that is not complete."""
        rest = bytes(self._begun)
        self._begun.clear()
        return rest

    def _with_line_feeds(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
