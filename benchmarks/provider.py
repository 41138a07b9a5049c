"""A provider on loopback that is as fast as it can be, in a process of its own. Standard library only.

The name of the model says how it answers: `burst-2000` is 2,000 tokens at once, one HTTP chunk for each event;
`whole-2000` is the same in a single HTTP chunk; `paced-80` is 80 tokens, 25 a second; `json-200` is a burst whose text
is a JSON object, `{"words": [...]}`, in 200 tokens.

`python provider.py` prints its URL, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

WORDS = "the quick brown fox jumped over a lazy dog and went home to sleep in its den".split()
PACE = 0.04
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def event(delta: dict[str, str], reason: str | None = None) -> bytes:
    """One event, with the fields and the length that OpenAI's have."""
    payload = {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion.chunk",
        "created": 1731960000,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        "usage": None,
    }
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"


def answer(tokens: int, as_json: bool = False) -> list[bytes]:
    words = [WORDS[at % len(WORDS)] for at in range(tokens)]
    if as_json:
        pieces = ['{"words": ["', *(f'{word}", "' for word in words[2:]), 'end"]}']
    else:
        pieces = [f" {word}" for word in words]
    texts = (event({"content": piece}) for piece in pieces)
    return [event({"role": "assistant", "content": ""}), *texts, event({}, "stop"), b"data: [DONE]\n\n"]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ready: dict[str, bytes] = {}
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            model = json.loads(await reader.readexactly(length))["model"]
            mode, _, tokens = model.partition("-")
            writer.write(HEAD)
            if mode == "paced":
                for each in answer(int(tokens)):
                    writer.write(chunk(each))
                    await asyncio.sleep(PACE)
                writer.write(LAST)
            else:
                if model not in ready:
                    events = answer(int(tokens), mode == "json")
                    ready[model] = b"".join(map(chunk, [b"".join(events)] if mode == "whole" else events)) + LAST
                writer.write(ready[model])
            await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """The base URL of a provider that runs for the duration of the block."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


if __name__ == "__main__":
    asyncio.run(main())
