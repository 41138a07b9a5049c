"""What the READMEs and the docs show works as it stands there: their Python is run, with a provider on loopback."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import re
import shlex
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import l0
import pytest
import typer
from l0_testing import FaultServer, Script

ROOT = Path(__file__).parents[1]
FOLDERS = (".", "l0_*", "plugins/*")
READMES = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in sorted(ROOT.glob(f"{folder}/README.md"))]
DOCS = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
FILES = [*READMES, *DOCS]

APART = "l0_litellm/README.md"
"""LiteLLM wants another openai than the rest is tested with: its tests run in an environment of their own."""

ELSEWHERE = {
    # Blocks that need one another, or are files of their own.
    "docs/hooks.md": "tests/test_hook_docs.py",
    "docs/tutorial-guardrail.md": "tests/test_tutorial.py",
    "plugins/l0_testing/README.md": "plugins/l0_testing/tests/test_package.py",
    # Run by the tests of the distribution, which pass without this repository too.
    APART: "l0_litellm/tests/test_package.py",
    "l0_sentry/README.md": "l0_sentry/tests/test_readme.py",
    "plugins/l0_consensus/README.md": "plugins/l0_consensus/tests/test_readme.py",
    "plugins/l0_drift/README.md": "plugins/l0_drift/tests/test_drift.py",
    "plugins/l0_guard_json/README.md": "plugins/l0_guard_json/tests/test_helpers.py",
    "plugins/l0_guard_latex/README.md": "plugins/l0_guard_latex/tests/test_latex.py",
    "plugins/l0_guard_markdown/README.md": "plugins/l0_guard_markdown/tests/test_markdown.py",
    "plugins/l0_guard_pattern/README.md": "plugins/l0_guard_pattern/tests/test_pattern.py",
    "plugins/l0_guard_repetition/README.md": "plugins/l0_guard_repetition/tests/test_repetition.py",
    "plugins/l0_guard_stall/README.md": "plugins/l0_guard_stall/tests/test_stall.py",
    "plugins/l0_guard_zero_output/README.md": "plugins/l0_guard_zero_output/tests/test_zero_output.py",
    "plugins/l0_multimodal/README.md": "plugins/l0_multimodal/tests/test_documented.py",
    "plugins/l0_pipeline/README.md": "plugins/l0_pipeline/tests/test_readme.py",
    "plugins/l0_ray/README.md": "plugins/l0_ray/tests/test_ray.py",  # where a cluster runs
    "plugins/l0_store_redis/README.md": "plugins/l0_store_redis/tests/test_redis.py",
}
"""Pages whose Python is not run here, and the tests that run it."""

TOGETHER = ("docs/start.md",)
"""Pages that are read from top to bottom: a block goes on from those before it."""

SHOWN = (
    *("docs/start.md", "docs/life-of-a-stream.md", "docs/retries.md"),
    "plugins/l0_dask/README.md",
)
"""Pages where the block after one of Python is what that one prints."""

PROGRAM = re.compile(r"set_(?:tracer|meter)_provider\(|sentry_sdk\.init\(|__main__")
"""What cannot be undone, or is a file to be started: such a block is run in a process of its own."""

REDIS = ("redis://localhost:6379/0", "redis://127.0.0.1:6379/15")
POSTGRES = ("postgresql://me@localhost/runs", "postgresql://postgres@127.0.0.1:5432/test")
"""Servers, as pages name them and as the tests have them. No other test uses this database of Redis."""

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```(?:text)?\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


def blocks(name: str) -> list[tuple[str, str]]:
    """The blocks of Python on a page, each with what the page says that it prints, or nothing."""
    found = BLOCK.findall((ROOT / name).read_text())
    return [(code, said if name in SHOWN else "") for code, said in found]


BLOCKS = [
    pytest.param(block, said, id=f"{name}:{number}")
    for name in FILES
    if name not in (*ELSEWHERE, *TOGETHER)
    for number, (block, said) in enumerate(blocks(name))
]


async def open_stream() -> Any:
    for word in ("Hello ", "there"):
        yield l0.Event(l0.EventType.TOKEN, word)


@pytest.fixture
def names(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What a page may take for granted."""
    import openai

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", fault_server.base_url)
    fault_server.add("gpt-4o", Script('{"hello": "there"}'))
    return {
        "l0": l0,
        "AsyncOpenAI": openai.AsyncOpenAI,
        "url": fault_server.base_url,
        "messages": [{"role": "user", "content": "hi"}],
        "open_stream": open_stream,
        "client": None,
    }


def needs_server(port: int, name: str) -> None:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        pytest.skip(f"no {name} listens on 127.0.0.1:{port}: ./dev services starts one that is installed")


async def in_postgres(query: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(POSTGRES[1])
    await connection.execute(query)
    await connection.close()


async def in_redis(known: set[str] | None = None) -> set[str]:
    """The streams that are recorded there; those that were not known are deleted."""
    async with l0.EventSourcing.open(REDIS[1]) as store:
        streams = set(await store.list_streams())
        for stream_id in streams - (streams if known is None else known):
            await store.delete(stream_id)
    return streams


@contextlib.contextmanager
def with_servers(block: str) -> Iterator[str]:
    """The block with the servers that listen here, where nothing of it is left; skips where one does not."""
    with contextlib.ExitStack() as tidied:
        if REDIS[0] in block:
            needs_server(6379, "Redis")
            known = asyncio.run(in_redis())
            tidied.callback(lambda: asyncio.run(in_redis(known)))
            block = block.replace(*REDIS)
        if POSTGRES[0] in block:
            needs_server(5432, "PostgreSQL")
            schema = f"l0_readme_{uuid.uuid4().hex}"
            asyncio.run(in_postgres(f"CREATE SCHEMA {schema}"))
            tidied.callback(lambda: asyncio.run(in_postgres(f"DROP SCHEMA {schema} CASCADE")))
            block = block.replace(POSTGRES[0], f"{POSTGRES[1]}?search_path={schema}")
        yield block


async def evaluated(block: str, names: dict[str, Any]) -> None:
    """Run a block that may await at its top level."""
    code = compile(block, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, names)
    if asyncio.iscoroutine(result):
        await result


@pytest.mark.parametrize(("block", "said"), BLOCKS)
def test_a_block_runs(block: str, said: str, names: dict[str, Any], tmp_path: Path) -> None:
    with with_servers(block) as shown:
        run(shown, said, names, tmp_path)


def run(block: str, said: str, names: dict[str, Any], tmp_path: Path) -> None:
    import openai

    if PROGRAM.search(block):
        (tmp_path / "example.py").write_text(block)
        ended = subprocess.run(
            [sys.executable, "example.py"], stdout=subprocess.PIPE, text=True, check=True, timeout=100
        )
        assert not said or ended.stdout == said
        return

    async def main() -> None:
        async with openai.AsyncOpenAI() as client:
            names["client"] = client
            await evaluated(block, names)
            if names["client"] is not client:
                await names["client"].close()

    with contextlib.redirect_stdout(io.StringIO()) as out:
        if "asyncio.run(" in block:
            exec(compile(block, "README", "exec", dont_inherit=True), names)
        else:
            asyncio.run(main())
    assert not said or out.getvalue() == said
    stream = names.get("stream")
    if stream is not None and "asyncio.run(" not in block:
        assert stream.state.outcome == "complete"


@pytest.mark.parametrize("name", TOGETHER)
def test_the_blocks_of_a_page_run_one_after_the_other(
    name: str, names: dict[str, Any], fault_server: FaultServer
) -> None:
    import openai

    async def main() -> None:
        async with openai.AsyncOpenAI() as client:
            names.update(client=client, server=fault_server)
            for block, said in rest:
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    await evaluated(block, names)
                assert out.getvalue() == said, block
                if "stream = " in block:
                    assert names["stream"].state.outcome == "complete", block

    (whole, printed), *rest = blocks(name)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(whole, name, "exec", dont_inherit=True), names)
    assert out.getvalue() == printed
    asyncio.run(main())


def test_the_pages_that_are_left_out_are_run_by_tests_of_their_own() -> None:
    for page, test in ELSEWHERE.items():
        assert (ROOT / page).exists()
        text = (ROOT / test).read_text()
        assert Path(page).name in text, page
        assert re.search(r"\bexec\(|\beval\(|subprocess\.run\(", text), page


def commands(name: str) -> list[str]:
    """The lines of a page's shell blocks that call `l0`, without what a shell makes of their output."""
    found = []
    text = (ROOT / name).read_text()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        prompt = {"sh": "", "console": r"\$ ", "": r"\$ ", "text": r"\$ "}.get(language)
        if prompt is not None:
            found += re.findall(rf"^{prompt}(l0 .*?)(?: [|>].*| #.*| &)?$", block, re.MULTILINE)
    return found


COMMANDS = [pytest.param(line, id=f"{name}:{line}") for name in FILES for line in commands(name)]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_can_be_given(line: str) -> None:
    """It exists with these options and arguments, as its own parser has it. It is not run."""
    from l0_cli import app

    group: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    if words in (["--help"], ["--version"]):
        return
    with group.make_context("l0", list(words)) as context:
        # What the group leaves is the name of a command and what that takes.
        name, command, rest = group.resolve_command(context, words)
        assert command is not None, name
        if "--help" not in rest:
            command.make_context(name, list(rest), parent=context).close()


def test_a_command_that_cannot_be_given_is_found_out() -> None:
    for line in ("l0 nothing", "l0 demo --nothing", "l0 show"):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            test_a_command_can_be_given(line)


@pytest.mark.parametrize("name", FILES)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", path.read_text()):
        if target.startswith("https://"):
            continue
        page = path.parent / target if target else path
        assert page.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}, anchor
