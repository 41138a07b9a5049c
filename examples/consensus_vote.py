"""Several models read the same invoice, and vote on each field.

    python consensus_vote.py invoice.txt --models gpt-4o gpt-4o-mini gpt-4.1-mini

The same model may be named several times: then these are samples of it. Each field is shown with the share of the
voters that agree, and with what the others said. The exit code is 1 if a field has less agreement than `--agreement`:
a person should look at it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import l0
from l0.consensus import ConsensusResult, NoConsensus, consensus
from openai import AsyncOpenAI
from pydantic import BaseModel

TASK = (
    "Read the invoice. Answer with a JSON object: supplier (its name), total (a number), currency (three letters), "
    "due (the date by which it is to be paid as YYYY-MM-DD, or null)."
)


class Invoice(BaseModel):
    supplier: str
    total: float
    currency: str
    due: str | None


def voter(client: AsyncOpenAI, model: str, text: str) -> Callable[[], Awaitable[Any]]:
    """A task that asks one model, and asks again with what was wrong if the answer is no invoice."""

    def ask(attempt: l0.AttemptContext) -> Awaitable[Any]:
        messages: Any = [{"role": "system", "content": TASK}, {"role": "user", "content": text}]
        if attempt.feedback:
            messages.append({"role": "user", "content": attempt.feedback})
        return client.chat.completions.create(
            model=model, messages=messages, stream=True, response_format={"type": "json_object"}
        )

    return lambda: l0.structured(Invoice, ask, timeout=l0.Timeout(initial_token=20_000, inter_token=10_000))


async def vote(models: list[str], text: str) -> ConsensusResult[Invoice]:
    # Retries are L0's alone: with the SDK's own, attempts would multiply.
    async with AsyncOpenAI(max_retries=0) as client:
        # "unanimous" waits for every voter; "majority" would leave out those that cannot change the outcome.
        return await consensus([voter(client, model, text) for model in models], strategy="unanimous", schema=Invoice)


def show(result: ConsensusResult[Invoice], models: list[str], least: float) -> bool:
    """Print the vote; whether every field has enough agreement."""
    assert result.field_consensus is not None
    fields = result.field_consensus.fields
    for path, field in fields.items():
        # The most common vote is the first.
        (value, _), *others = field.votes.items()
        rest = ", ".join(f"{other} ({count})" for other, count in others)
        print(f"{path:10}{value:24}{field.agreement:5.0%}{'   other votes: ' + rest if rest else ''}")
    print(f"{'invoice':34}{result.confidence:5.0%}   as one answer")
    for model, output in zip(models, result.outputs, strict=True):
        if not output.success:
            print(f"{model} did not vote: {output.error}", file=sys.stderr)
    return all(field.agreement >= least for field in fields.values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Read an invoice by the vote of several models.")
    parser.add_argument("invoice", type=Path)
    parser.add_argument("--models", nargs="+", default=["gpt-4o", "gpt-4o-mini", "gpt-4.1-mini"])
    parser.add_argument("--agreement", type=float, default=0.6, help="the least share of votes for a field, 0 to 1")
    given = parser.parse_args()
    try:
        result = asyncio.run(vote(given.models, given.invoice.read_text("utf-8")))
    except NoConsensus as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if show(result, given.models, given.agreement) else 1


if __name__ == "__main__":
    sys.exit(main())
