"""Plays streams in a process of its own, whose path holds a stranger's plugins, and says what came of it.

`python play.py PHASES`, where PHASES is a JSON list of `{"config": text of l0.toml, "options": options of l0.run}`. A
phase plays one stream of a provider that breaks off once. The answer is a JSON list of what each phase did.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import l0
from l0_cli.plugins import listing
from l0_core.config import reload
from l0_testing import text_of
from l0_testing.virtual import run

from l0_core import Envelope, Sink, hookimpl, registry

TOKENS = [f"w{i} " for i in range(40)]
PAUSE = 0.5
"""Seconds that the provider takes for the first token of an attempt and for each tenth one."""

imported: list[str] = []
builtins.imported = imported  # type: ignore[attr-defined]  # where the plugins note that they were imported


class Provider:
    """Breaks off after 6 tokens, and answers whole when it is asked again."""

    def __init__(self) -> None:
        self.requests = 0

    async def tokens(self) -> AsyncIterator[Any]:
        self.requests += 1
        for place, token in enumerate(TOKENS):
            if place % 10 == 0:
                await asyncio.sleep(PAUSE)
            if place == 6 and self.requests == 1:
                raise ConnectionResetError("scripted")
            yield token


class Recorder:
    """The observer beside the stranger's, which is to see what it would see without it."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.events: list[Any] = []

    @hookimpl
    def on_token(self) -> Any:
        return self.text.append

    @hookimpl
    def store_event(self) -> Sink:
        def write(batch: Sequence[Envelope]) -> None:
            for envelope in batch:
                self.events.append((envelope.seq, envelope.event.type.value, timeless(envelope.event.meta)))

        return Sink(write, tokens=True)


TIMES = ("arrivals", "duration", "durationMs", "startTs", "endTs")


def timeless(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if key not in TIMES}


class Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def warns(state: l0.State) -> list[l0.Violation]:
    return [l0.Violation("warns", "w9", severity="warning")] if "w9 " in state.content else []


async def play(options: dict[str, Any], found: dict[str, Any]) -> None:
    provider, recorder = Provider(), Recorder()
    context = {"user": "ann", "tags": ["a", "b"]}
    timeline: list[str] = []
    events: list[l0.Event] = []
    raised: BaseException | None = None
    state = None
    if "plugins" in options:
        options["plugins"] = [*options["plugins"], recorder]
    if "guardrails" in options:
        options["guardrails"] = [*options["guardrails"], l0.GuardrailRule("warns", warns)]
    if options.get("on_event") == "blocks":
        options["on_event"] = Blocking().on_event
    try:
        stream = await l0.run(
            provider.tokens,
            **{
                "retry": l0.Retry(base_delay=0),
                "timeout": l0.Timeout(initial_token=2000, inter_token=1000),
                "context": context,
                "on_event": lambda event: timeline.append(event.type.value),
                **options,
            },
        )
        state = stream.state
        async for event in stream:
            events.append(event)
    except BaseException as error:
        raised = error
    task = asyncio.current_task()
    assert task is not None
    found.update(
        text=text_of(events),
        content=state and state.content,
        outcome=state and state.outcome,
        violations=state and [violation.rule for violation in state.violations],
        events=[(event.type.value, event.text, event.data) for event in events],
        requests=provider.requests,
        timeline=timeline,
        recorded=recorder.events,
        recorded_text="".join(recorder.text),
        context=context,
        cancelling=task.cancelling(),
        error=raised and [kind.__name__ for kind in type(raised).__mro__],
        message=raised and str(raised),
    )


class Blocking:
    """An observer that keeps the loop busy for a minute, at each kind of event once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def on_event(self, event: Any) -> None:
        if event.type.value not in self.seen:
            self.seen.add(event.type.value)
            block(60)


def block(seconds: float) -> None:
    """What a handler does to the loop that does not come back for so many seconds: the clock goes on, nothing else."""
    loop: Any = asyncio.get_running_loop()
    loop._advance(loop.time() + seconds)


builtins.block = block  # type: ignore[attr-defined]  # for plugins that block


def phase(config: str, options: dict[str, Any]) -> dict[str, Any]:
    Path("l0.toml").write_text(config)
    reload()
    imported.clear()
    messages = Messages()
    logging.getLogger("l0").addHandler(messages)
    before = listing(registry())
    found: dict[str, Any] = {}
    with contextlib.suppress(asyncio.CancelledError):  # A task that a plugin has cancelled: `cancelling` tells of it.
        run(play(options, found))
    logging.getLogger("l0").removeHandler(messages)
    return {
        **found,
        "imported": list(imported),
        "said": messages.said,
        "listed_before": before,
        "listed": listing(registry()),
    }


if __name__ == "__main__":
    logging.getLogger("l0").propagate = False
    done = [phase(given.get("config", ""), given.get("options", {})) for given in json.loads(sys.argv[1])]
    json.dump(done, sys.stdout, default=repr)
