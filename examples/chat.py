"""Chat in a terminal: an answer appears as it comes, and what is withdrawn of it is erased.

    python chat.py [MODEL]

Ctrl-C stops an answer and closes its connection; what was said of it stays in the history. Ctrl-D ends the chat.
Where the output is no terminal, nothing can be erased, and an answer is shown when it is complete.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import unicodedata
from typing import Any

import l0
from openai import AsyncOpenAI


class Screen:
    """One answer on the terminal, from the beginning of a line on."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        self.text += text
        # A model must not be able to steer the terminal.
        print("".join(c if c == "\n" or c.isprintable() else " " for c in text), end="", flush=True)

    def reset(self, keep: int) -> None:
        """Erase all but the first `keep` characters."""
        size = shutil.get_terminal_size()
        rows = rows_below(self.text, size.columns)
        if rows < size.lines:
            print("\r" + (f"\x1b[{rows}A" if rows else "") + "\x1b[J", end="")
        else:
            print("\n[withdrawn; what has scrolled away cannot be erased, so here it is again:]")
        kept, self.text = self.text[:keep], ""
        self.add(kept)


def rows_below(text: str, columns: int) -> int:
    """How many rows the last character of a text is below its first, in a terminal of so many columns."""
    row = column = 0
    for char in text:
        if char == "\n":
            row, column = row + 1, 0
            continue
        wide = unicodedata.east_asian_width(char) in "WF"
        cells = 0 if unicodedata.category(char) in ("Mn", "Me") else 2 if wide else 1
        if column + cells > columns:
            row, column = row + 1, 0
        column += cells
    return row


async def answer(client: Any, model: str, history: list[dict[str, str]]) -> None:
    """Ask for the next answer, show it, and append it to the history."""
    screen = Screen()
    stream = await client.chat.completions.create(model=model, messages=history, stream=True)
    try:
        async with stream:
            async for event in stream:
                if event.is_token:
                    screen.add(event.text)
                elif event.is_reset:
                    screen.reset(event.data["keep"])
        print()
        if stream.state.outcome == "incomplete":
            print(f"[cut short by the provider: {stream.state.finish_reason}]")
    except Exception as error:
        print(f"\n[{type(error).__name__}: {error}]")
    finally:
        # Also after Ctrl-C, which cancels this function: the model is to know what the user has read.
        if stream.state.content:
            history.append({"role": "assistant", "content": stream.state.content})
        else:
            history.pop()


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "gpt-4o-mini"
    client = l0.wrap(
        AsyncOpenAI(),
        timeout=l0.Timeout(initial_token=20_000, inter_token=10_000),
        release="live" if sys.stdout.isatty() else "complete",
    )
    history: list[dict[str, str]] = []
    # One event loop for the whole chat, since the client's connections belong to it; it rests while the user types.
    with asyncio.Runner() as runner:
        while True:
            try:
                history.append({"role": "user", "content": input("> ")})
                runner.run(answer(client, model, history))
            except KeyboardInterrupt:
                print("\n[stopped]")
            except EOFError:
                break
        runner.run(client.close())


if __name__ == "__main__":
    main()
