"""What the READMEs and the docs show works as it stands there: their Python is run, with a provider on loopback."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import l0
import pytest
from l0_testing import FaultServer, Script

ROOT = Path(__file__).parents[1]
DOCS = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
STORES = [f"plugins/{name}/README.md" for name in ("l0_eventsourcing", "l0_store_file", "l0_store_sqlite")]
NAMES = ("consensus", "monitor", "multimodal", "parallel", "pipeline", "pydantic", "structured", "text", "window")
PARTS = [f"plugins/l0_{name}/README.md" for name in NAMES]
ROOTS = [f"{name}/README.md" for name in ("l0_core", "l0_openai", "l0_otel", "l0_sentry")]
FILES = ["README.md", *ROOTS, *STORES, *PARTS, *DOCS]
ELSEWHERE = {"docs/hooks.md": "tests/test_hook_docs.py", "docs/tutorial-guardrail.md": "tests/test_tutorial.py"}
"""Pages whose blocks need one another: the tests that run them."""

SETS_UP_THE_PROCESS = re.compile(r"set_(?:tracer|meter)_provider\(|sentry_sdk\.init\(")
"""What cannot be undone: such a block is run in a process of its own."""

BLOCKS = [
    pytest.param(block, id=f"{name}:{number}")
    for name in FILES
    if name not in ELSEWHERE
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL))
]


async def open_stream() -> Any:
    for word in ("Hello ", "there"):
        yield l0.Event(l0.EventType.TOKEN, word)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block: str, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import openai

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", fault_server.base_url)
    fault_server.add("gpt-4o", Script('{"hello": "there"}'))
    names: dict[str, Any] = {
        "l0": l0,
        "AsyncOpenAI": openai.AsyncOpenAI,
        "url": fault_server.base_url,
        "messages": [{"role": "user", "content": "hi"}],
        "open_stream": open_stream,
        "client": None,
    }

    if SETS_UP_THE_PROCESS.search(block):
        subprocess.run([sys.executable, "-c", block], check=True, timeout=60)
        return
    if "asyncio.run(" in block:
        exec(compile(block, "README", "exec", dont_inherit=True), names)
        return

    async def main() -> None:
        async with openai.AsyncOpenAI() as client:
            names["client"] = client
            code = compile(block, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            result = eval(code, names)
            if asyncio.iscoroutine(result):
                await result
            if names["client"] is not client:
                await names["client"].close()

    asyncio.run(main())
    stream = names.get("stream")
    if stream is not None:
        assert stream.state.outcome == "complete"


def test_the_pages_that_are_left_out_are_run_by_tests_of_their_own() -> None:
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text()


@pytest.mark.parametrize("name", FILES)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}, anchor
