"""The package as it is installed: what importing it does, and what its README shows."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import l0
import litellm
import pytest
from l0_testing import FaultServer, Script
from litellm_calls import MESSAGES, router, run

README = (Path(__file__).parents[1] / "README.md").read_text()

NETWORK = """
import sys

reached = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[1][0] if event in ("socket.connect", "socket.sendto") else arguments[0]
        if host not in ("127.0.0.1", "::1", "localhost", None):
            reached.append((event, host))

sys.addaudithook(watch)
import l0
import l0_litellm
l0_litellm.LiteLLMAdapter
l0.Adapters.litellm()
assert "litellm" not in sys.modules
import litellm
assert not reached, reached
"""


def test_importing_imports_no_litellm_and_litellm_reaches_nothing_but_loopback() -> None:
    # The variable is in the environment: conftest.py has put it there.
    subprocess.run([sys.executable, "-c", NETWORK], check=True)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_a_block_of_the_readme_runs(block: str, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", fault_server.base_url)
    for model in ("gpt-4o", "chat"):
        fault_server.add(model, Script("Hello there."))
    names: dict[str, Any] = {"l0": l0, "litellm": litellm, "messages": MESSAGES, "router": router(fault_server, "chat")}

    async def main() -> None:
        code = compile(block, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, names)
        if asyncio.iscoroutine(result):
            await result

    run(main())
    assert names["text"] == "Hello there."
    assert names["stream"].state.outcome == "complete"
