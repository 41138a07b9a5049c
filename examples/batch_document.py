"""A batch over a long document: a summary of each chunk, several at a time, and all of them in one text.

    python batch_document.py report.txt > summary.txt

Every stream is recorded in a database. A run that was killed is gone on with by the same command: what was answered
is read from there, an answer that broke off is continued, and a chunk that failed is asked for again. The exit code is
1 if a chunk failed; which ones, and why, is told on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import l0
from l0.eventsourcing import EventStore, StreamEnded
from l0.parallel import ParallelResult, parallel
from l0.window import DocumentChunk, Window
from l0_store_sqlite import SqliteEventStore
from openai import AsyncOpenAI

TASK = "Summarize this part of a document in two sentences."


async def summary(
    ask: Callable[[DocumentChunk], Awaitable[Any]], store: EventStore, batch: str, chunk: DocumentChunk
) -> l0.Stream:
    """The recorded stream of a chunk: as it ended, continued, or begun."""
    stream_id = f"{batch}/{chunk.index}"
    timeout = l0.Timeout(initial_token=30_000, inter_token=15_000)
    open_stream = partial(ask, chunk)
    if await store.exists(stream_id):
        try:
            return await l0.resume(stream_id, store=store, stream=open_stream, timeout=timeout)
        except StreamEnded:
            # It failed, or was stopped by hand. A record that has ended takes no more events.
            await store.delete(stream_id)
    return await l0.run(open_stream, record=store, stream_id=stream_id, timeout=timeout)


async def process(document: str, model: str, size: int, concurrency: int, db: Path) -> bool:
    """Print the summaries of all chunks; whether there is one of each."""
    window = Window.create(document, size=size, overlap=0, strategy="paragraph")
    # The same document cut or asked about in another way is another batch.
    batch = hashlib.sha256(repr((document, model, size, TASK)).encode()).hexdigest()[:16]

    # Retries are L0's alone: with the SDK's own, attempts would multiply.
    async with AsyncOpenAI(max_retries=0) as client, SqliteEventStore(db) as store:

        async def ask(chunk: DocumentChunk) -> Any:
            messages: Any = [{"role": "system", "content": TASK}, {"role": "user", "content": chunk.content}]
            return await client.chat.completions.create(model=model, messages=messages, stream=True)

        tasks = [partial(summary, ask, store, batch, chunk) for chunk in window]
        result: ParallelResult[l0.Stream] = await parallel(tasks, concurrency=concurrency, on_progress=tell_progress)

    for chunk, stream, error in zip(window, result.results, result.errors, strict=True):
        where = f"chunk {chunk.index} (characters {chunk.start_pos} to {chunk.end_pos})"
        if error is not None:
            print(f"{where} failed: {type(error).__name__}: {error}", file=sys.stderr)
        elif stream is not None and stream.state.outcome == "incomplete":
            print(f"{where} was cut short: {stream.state.finish_reason}", file=sys.stderr)
    print("\n\n".join(stream.state.content for stream in result.successful_results()))
    return result.all_succeeded


def tell_progress(done: int, total: int) -> None:
    print(f"{done} of {total}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Summarize a long document, chunk by chunk.")
    parser.add_argument("document", type=Path)
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("--size", type=int, default=2000, help="tokens of a chunk, at most")
    parser.add_argument("--concurrency", type=int, default=4, help="chunks at a time")
    parser.add_argument("--db", type=Path, default=Path("batch.db"), help="where the streams are recorded")
    given = parser.parse_args()
    document = given.document.read_text("utf-8")
    is_whole = asyncio.run(process(document, given.model, given.size, given.concurrency, given.db))
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
