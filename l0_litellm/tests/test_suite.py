"""The promises of every adapter, held by this one."""

from __future__ import annotations

from typing import Any

from l0_testing import AdapterSuite
from litellm_calls import end, stream_of, text

from l0_litellm import LiteLLMPlugin


class TestLiteLLM(AdapterSuite):
    name = "litellm"
    plugin = LiteLLMPlugin
    text = "It is noon, and all is well."

    async def make_source(self) -> Any:
        return await stream_of(text(""), text("It is noon"), text(", and "), text("all is well."), end())

    async def make_truncated(self) -> Any:
        return await stream_of(text(""), text("It is noon"), text(", and "))

    def is_closed(self, source: Any) -> bool:
        return source.completion_stream is None
