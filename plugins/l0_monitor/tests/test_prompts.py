"""A prompt that the caller gives to another monitor is no metadata of this one."""

from __future__ import annotations

from pathlib import Path

import l0
from l0_monitor import Monitor, TelemetryExporter, TelemetryMonitor
from l0_testing import FakeProvider
from l0_testing.virtual import run

PROMPT = "canary-of-the-prompt"


def test_the_prompt_that_is_meant_for_traces_is_not_in_the_telemetry(tmp_path: Path) -> None:
    """`l0-otel` takes the prompt from `context`, for those who want it in their traces."""
    path, monitor = tmp_path / "telemetry.jsonl", Monitor()
    context = {"user": "u-1", "gen_ai.input.messages": [{"role": "user", "content": PROMPT}]}
    provider = FakeProvider(("one ", "two "))

    async def main() -> None:
        plugin = TelemetryMonitor(TelemetryMonitor.Options(path=str(path)))
        stream = await l0.run(
            provider, adapter=provider, context=context, plugins=[plugin], on_event=monitor.handle_event
        )
        await stream.read()

    run(main())
    (known,) = monitor.get_all_telemetry()
    assert known.metadata == {"user": "u-1"}
    assert PROMPT not in TelemetryExporter.to_json(known)
    assert '"u-1"' in path.read_text()
    assert PROMPT not in path.read_text()
