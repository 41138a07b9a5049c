"""Tasks in the workers of a real cluster of Ray on this machine."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import ray
import redis
from l0_eventsourcing import InMemoryEventStore
from l0_parallel import batched, drive_of, parallel
from l0_ray import RayExecutor, executor

from l0_core import (
    ContentType,
    DataPayload,
    DriftViolation,
    Event,
    EventType,
    GuardrailRule,
    GuardrailViolation,
    Progress,
    Retry,
    StoreError,
    Stream,
    run,
)

README = Path(__file__).parents[1] / "README.md"

# Workers cannot import a test module: what they need of this one goes with the task.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = [
    pytest.mark.usefixtures("cluster"),
    # Some versions of Ray leave the files of their log and ended processes to the collector.
    pytest.mark.filterwarnings("ignore:unclosed file .*/l0-ray-.*:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two workers, started once."""
    # Ray's sockets lie in the folder, and their paths would be too long in pytest's.
    with (
        tempfile.TemporaryDirectory(prefix="l0-ray-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Otherwise Ray makes a token in the home of who runs the tests. At this address nobody else reaches it.
        patch.setenv("RAY_AUTH_MODE", "disabled")
        # Run by `uv run`, Ray would start its workers by that too, each in an environment to be made first. It looks at
        # RAY_ENABLE_UV_RUN_RUNTIME_ENV when it is imported, which may have been long ago.
        patch.setattr("ray._private.ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV", False, raising=False)
        tries = 3
        while not started(folder) and tries:
            tries -= 1
        assert ray.is_initialized()
        yield
        ray.shutdown()
        collect()


def started(folder: str) -> bool:
    """Whether Ray came up. It gives itself 30 s, which a machine that is busy may not give it."""
    try:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=100 << 20,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
    if not ray.is_initialized():
        collect()
    return ray.is_initialized()


def collect() -> None:
    """What Ray leaves to the collector otherwise comes up in the tests of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# What tasks do.


async def square(number: int) -> int:
    await asyncio.sleep(0)
    return number * number


def note(folder: Path, name: str) -> None:
    with open(folder / name, "a") as notes:
        notes.write(".")


def count(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size if (folder / name).exists() else 0


def fatal_once(folder: Path, number: int, fatal: int) -> int:
    if number == fatal:
        note(folder, "fatal")
        if count(folder, "fatal") == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(folder: Path, error: BaseException) -> None:
    note(folder, "failed")
    raise error


class Coded(Exception):
    """An exception with more than a message."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.hint = "later"


class Odd(Exception):
    """An exception that can be pickled, and not be made again of what was pickled."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{number} is odd")


async def hold(port: int, folder: Path) -> str:
    """Connect, and wait for a line."""
    note(folder, "begun")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"here\n")
        return (await reader.readline()).decode()
    finally:
        writer.close()
        await writer.wait_closed()
        note(folder, "closed")


def hold_fast(port: int) -> None:
    """Connect, and wait where a cancellation does not reach."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"here\n")
        connection.recv(1)


class Place:
    """Where tasks connect: knows which of them are at work, and which have gone."""

    def __init__(self) -> None:
        self.come: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self.gone: asyncio.Queue[None] = asyncio.Queue()

    async def __aenter__(self) -> Place:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *left: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        self.come.put_nowait(writer)
        try:
            await reader.read()
        except ConnectionError:
            pass  # That of a worker that was killed.
        writer.close()
        self.gone.put_nowait(None)


# Values and exceptions.


async def test_results_have_the_order_of_the_tasks() -> None:
    result = await parallel([partial(square, number) for number in range(100)], concurrency=8, executor="ray")
    assert list(result) == [number * number for number in range(100)]
    assert result.all_succeeded


async def test_batches_are_handled_in_workers() -> None:
    assert await batched(range(10), square, 4, executor="ray") == [number * number for number in range(10)]


async def test_a_task_is_anything_without_arguments_and_runs_in_another_process() -> None:
    run_in_worker, factor = drive_of("ray"), 3
    assert await run_in_worker(lambda: factor * 2) == 6
    assert await run_in_worker(lambda: asyncio.sleep(0, {"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
    assert await run_in_worker(os.getpid) != os.getpid()
    assert len(await run_in_worker(lambda: b"x" * 2_000_000)) == 2_000_000


async def test_what_is_no_task_or_cannot_travel_is_refused_by_name() -> None:
    held = threading.Lock()
    with pytest.raises(TypeError, match="a task is a function"):
        await RayExecutor().run(square(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the task cannot be pickled"):
        await RayExecutor().run(lambda: held)
    with pytest.raises(TypeError, match="what the task returned cannot be pickled"):
        await RayExecutor().run(threading.Lock)


async def test_an_exception_comes_back_as_it_was_raised_and_is_not_retried(tmp_path: Path) -> None:
    for error in (ValueError("no", 3), Coded("no", 7), KeyError("k"), StoreError("l0's own"), SystemExit(3)):
        with pytest.raises(type(error)) as caught:
            await RayExecutor().run(partial(fail, tmp_path, error))
        assert type(caught.value) is type(error)
        assert caught.value.args == error.args
        assert vars(caught.value) == vars(error)
        assert "in fail" in str(caught.value.__cause__)
    assert count(tmp_path, "failed") == 5


async def test_an_exception_that_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Odd: 3 is odd"):
        await RayExecutor().run(partial(fail, tmp_path, Odd(3)))
    with pytest.raises(RuntimeError, match=r"ValueError: .*lock"):
        await RayExecutor().run(lambda: fail(tmp_path, ValueError(threading.Lock())))


async def test_a_cancellation_of_its_own_is_a_tasks_failure() -> None:
    result = await parallel([partial(fail, Path("/tmp"), asyncio.CancelledError())], executor=RayExecutor())
    assert "nobody had cancelled it" in str(result.errors[0])


# Workers that die.


async def test_of_a_thousand_items_those_of_a_killed_worker_are_done_again(tmp_path: Path) -> None:
    tasks = [partial(fatal_once, tmp_path, number, 500) for number in range(1000)]
    result = await parallel(tasks, concurrency=16, executor=RayExecutor())
    assert [error for error in result.errors if error is not None] == []
    assert list(result) == list(range(1000))
    assert count(tmp_path, "fatal") == 2


async def test_without_retries_a_killed_worker_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        await RayExecutor(retries=0).run(partial(fatal_once, tmp_path, 1, 1))
    assert count(tmp_path, "fatal") == 1


# Cancellation.


async def test_a_cancelled_task_is_over_and_has_closed_its_connection(tmp_path: Path) -> None:
    async with Place() as place:
        running = asyncio.ensure_future(RayExecutor().run(partial(hold, place.port, tmp_path)))
        await place.come.get()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert count(tmp_path, "closed") == 1
        await place.gone.get()


async def test_a_cancelled_task_that_waits_for_a_worker_never_begins(tmp_path: Path) -> None:
    async with Place() as place:
        busy = [asyncio.ensure_future(RayExecutor().run(partial(hold, place.port, tmp_path))) for _ in range(2)]
        writers = [await place.come.get() for _ in range(2)]
        waits = asyncio.ensure_future(RayExecutor().run(partial(hold, place.port, tmp_path)))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        for writer in writers:
            writer.write(b"go on\n")
        assert await asyncio.gather(*busy) == ["go on\n"] * 2
        assert await asyncio.gather(*[RayExecutor().run(partial(square, 3)) for _ in range(2)]) == [9, 9]
        assert count(tmp_path, "begun") == 2


async def test_a_cancelled_task_that_does_not_heed_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "PATIENCE", 0.2)
    async with Place() as place:
        running = asyncio.ensure_future(RayExecutor().run(partial(hold_fast, place.port)))
        await place.come.get()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await place.gone.get()


async def test_failing_fast_leaves_nothing_running(tmp_path: Path) -> None:
    async with Place() as place:

        async def fail_with_it() -> None:
            await place.come.get()
            raise ValueError("enough")

        class Mixed:
            """Runs one task here, and the other in a worker."""

            async def run(self, task: Any) -> Any:
                return await (task() if task is fail_with_it else RayExecutor().run(task))

        tasks = [partial(hold, place.port, tmp_path), fail_with_it]
        result = await parallel(tasks, fail_fast=True, executor=Mixed())
        assert result.skipped == [0]
        assert count(tmp_path, "closed") == 1


# Streams.

PIECES = ("Grüße ", "from ", "\u4e16\u754c ", "\U0001f9ff", "\n\n", "```", "\u0301", "…")


def text_of(seed: int) -> list[str]:
    pieces = random.Random(seed)
    return [pieces.choice(PIECES) for _ in range(pieces.randint(1, 200))]


async def says(seed: int) -> AsyncIterator[str]:
    for piece in text_of(seed):
        await asyncio.sleep(0)
        yield piece


async def ask(stream_id: str, seed: int) -> Stream:
    return await run(partial(says, seed), stream_id=stream_id)


class Restless:
    """Breaks off once, and answers when it is asked again."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> AsyncIterator[str]:
        self.calls += 1
        for piece in ("It was ", "a dark ", "and stormy ", "night; the rain ", "fell in torrents."):
            yield piece
            if self.calls == 1 and piece == "and stormy ":
                raise ConnectionResetError("gone")


def remark(state: Any) -> list[GuardrailViolation]:
    found = GuardrailViolation("dark", "it is dark", "warning", position=7, context={"how": "very"})
    drift = DriftViolation("drift", "it digresses", "warning", types=("tone",), confidence=0.5)
    return [found, drift] if "dark" in state.content else []


async def ask_restless(stream_id: str | None = None) -> Stream:
    rule = GuardrailRule("dark", remark)
    return await run(Restless(), stream_id=stream_id, guardrails=[rule], retry=Retry(attempts=2, base_delay=0.01))


async def says_all() -> AsyncIterator[Event]:
    """A stream of which every part of a state has something."""
    yield Event(EventType.REASONING, "Let me think.")
    yield Event(EventType.PROGRESS, progress=Progress(percent=50.0))
    yield Event(EventType.TOKEN, "An ")
    yield Event(EventType.TOKEN, "answer")
    yield Event(EventType.TOKEN, "another", choice=1)
    yield Event(EventType.DATA, payload=DataPayload(ContentType.IMAGE, "image/png", data=b"\x00\xff"))
    yield Event(EventType.REFUSAL, "I will not.")
    yield Event(EventType.TOOL_CALL, data={"id": "1", "name": "add", "arguments": '{"a": 1}', "index": 0})
    yield Event(EventType.COMPLETE, usage={"input_tokens": 3, "output_tokens": 5}, data={"finish_reason": "length"})


async def fails() -> AsyncIterator[str]:
    raise ValueError("not today")
    yield ""


async def ask_all(stream_id: str | None = None) -> Stream:
    return await run(fails, fallbacks=[says_all], stream_id=stream_id, retry=Retry(attempts=0, max_retries=0))


SAME = (
    "content checkpoint token_count model_retry_count network_retry_count fallback_index violations drift_detected "
    "completed aborted outcome finish_reason usage tool_calls reasoning refusal choices data_outputs last_progress"
).split()


async def test_streams_come_back_with_their_text(store: str, mark: str) -> None:
    tasks = [partial(ask, f"{mark}-{seed}", seed) for seed in range(20)]
    result = await parallel(tasks, concurrency=4, executor=RayExecutor(store=store))
    assert result.errors == [None] * 20
    for seed, stream in enumerate(result.successful_results()):
        assert isinstance(stream, Stream)
        assert stream.stream_id == f"{mark}-{seed}"
        assert await stream.read() == stream.state.content == "".join(text_of(seed))
    assert result.aggregated_telemetry is not None
    assert result.aggregated_telemetry.total_tokens == sum(len(text_of(seed)) for seed in range(20))
    assert result.aggregated_telemetry.avg_time_to_first_token > 0


@pytest.mark.parametrize("ask", [ask_restless, ask_all])
async def test_a_stream_comes_back_in_the_state_that_it_has_here(ask: Any, store: str, mark: str) -> None:
    here = await ask()
    await here.read()
    there = await RayExecutor(store=store).run(partial(ask, mark))
    assert {name: getattr(there.state, name) for name in SAME} == {name: getattr(here.state, name) for name in SAME}
    assert there.state.first_token_at <= there.state.last_token_at
    assert [event async for event in there] == [event async for event in here] == []


async def test_a_stream_that_fails_raises_what_it_failed_of(store: str, mark: str) -> None:
    async def fails() -> Stream:
        return await run(Restless(), stream_id=mark, retry=Retry(attempts=0, max_retries=0))

    with pytest.raises(ConnectionResetError, match="gone") as caught:
        await RayExecutor(store=store).run(fails)
    assert caught.value.partial == "It was a dark and stormy "  # type: ignore[attr-defined]


async def test_without_a_store_a_stream_is_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"await stream.read\(\).*store"):
        await RayExecutor().run(partial(ask, "any", 1))


async def test_a_stream_that_is_recorded_elsewhere_is_an_error(store: str, mark: str) -> None:
    async def elsewhere() -> Stream:
        return await run(partial(says, 1), stream_id=mark, record=InMemoryEventStore())

    with pytest.raises(StoreError, match="not recorded in the executor's store"):
        await RayExecutor(store=store).run(elsewhere)


async def test_a_store_is_configured_for_the_time_of_a_task_alone(store: str) -> None:
    def configured() -> tuple[int, str | None]:
        return os.getpid(), os.environ.get("L0_STORE")

    seen = set()
    for place in (store, None, store, None):
        for _ in range(4):
            pid, found = await RayExecutor(store=place, num_cpus=2).run(configured)
            assert found == place
            seen.add(pid)
    assert len(seen) < 8


def test_the_readme_shows_what_happens(store: str, tmp_path: Path) -> None:
    code, said = re.findall(r"```(?:python)?\n((?:import|\[).*?)```", README.read_text(), re.DOTALL)
    alone = f"{store.rpartition('/')[0]}/14"  # A database that no other test uses: its streams have ids of their own.
    (tmp_path / "example.py").write_text(code.replace("redis://localhost:6379/0", alone))
    environ = {
        **os.environ,
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # as in the fixture
    }
    with redis.Redis.from_url(alone) as client:
        before = set(client.scan_iter())
        ended = subprocess.run(
            [sys.executable, "example.py"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True, check=True
        )
        client.delete(*set(client.scan_iter()) - before)
    assert ended.stdout == said
