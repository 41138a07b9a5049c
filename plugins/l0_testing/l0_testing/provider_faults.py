"""What a provider says that it should not, or that must be taken for what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from l0_testing.kinds import fault
from l0_testing.scripts import Choice
from l0_testing.wire import Reply


async def _say(reply: Reply, text: str) -> None:
    deltas = ({"content": text},) if text else ()
    reply.answer = replace(reply.answer, choices=tuple(Choice(deltas, "stop") for _ in reply.answer.choices))
    await reply.rest()


@fault("zero", "P1", "text")
async def _zero(reply: Reply) -> None:
    """No token at all, and the finish reason "stop"."""
    await _say(reply, "")


@fault("zero_bare", "P2", "text")
async def _zero_bare(reply: Reply) -> None:
    """Headers and the end of the body, nothing between."""
    await reply.end()


@fault("white", "P3", "text")
async def _white(reply: Reply) -> None:
    """Whitespace only."""
    await _say(reply, " \n\n \t ")


@fault("len", "P4", "incomplete")
async def _len(reply: Reply) -> None:
    """The text is cut, and the finish reason says so: "length"."""
    reply.answer = reply.answer.cut(reply.fault.at, "length")
    await reply.rest()


@fault("filter", "P5", "incomplete")
async def _filter(reply: Reply) -> None:
    """The text is cut by the provider's filter: "content_filter"."""
    reply.answer = reply.answer.cut(reply.fault.at, "content_filter")
    await reply.rest()


@fault("empty_choices", "P7", "ok", events_only=True)
async def _empty_choices(reply: Reply) -> None:
    """Chunks with empty `choices`, without content or with null content, among the healthy ones."""
    answer = reply.answer
    await reply.event(answer.chunk([]))
    await reply.event(answer.delta({"role": "assistant", "content": None}))
    await reply.until(reply.fault.at)
    for delta in ({}, {"content": None}, {"content": ""}):
        await reply.event(answer.delta(delta))
    await reply.until_done()
    await reply.event(answer.chunk([]))
    await reply.rest()


@fault("tool_ok", "P9", "ok", tools=True)
async def _tool_ok(reply: Reply) -> None:
    """Tool calls whose arguments come one character at a time."""
    choices = []
    for choice in reply.answer.choices:
        deltas: list[dict[str, Any]] = []
        for delta in choice.deltas:
            if "tool_calls" in delta and "id" not in delta["tool_calls"][0]:
                call = delta["tool_calls"][0]
                for character in call["function"]["arguments"]:
                    deltas.append({"tool_calls": [{**call, "function": {"arguments": character}}]})
            else:
                deltas.append(delta)
        choices.append(Choice(tuple(deltas), choice.finish_reason))
    reply.answer = replace(reply.answer, choices=tuple(choices))
    await reply.rest()


@fault("tool_trunc", "P10", "text", tools=True)
async def _tool_trunc(reply: Reply) -> None:
    """The last tool call's arguments are cut, and the finish reason is "tool_calls" all the same."""
    deltas = reply.answer.choices[0].deltas
    opening = max(i for i, delta in enumerate(deltas) if "tool_calls" in delta and "id" in delta["tool_calls"][0])
    at = min(max(reply.fault.at, opening + 2), len(deltas) - 1)
    reply.answer = reply.answer.cut(at, "tool_calls")
    await reply.rest()


@fault("tool_dead", "P11", "text", tools=True)
async def _tool_dead(reply: Reply) -> None:
    """Whole tool calls, and then the connection is reset before the finish reason."""
    await reply.until(len(reply.pieces))
    await reply.reset()


@fault("usage_dup", "P18", "ok", events_only=True)
async def _usage_dup(reply: Reply) -> None:
    """The token counts come twice."""
    await reply.through_finish()
    for _ in range(2):
        await reply.event(reply.answer.usage_chunk())
    await reply.write(reply.frame(b"[DONE]"), last=True)
