"""Where the streams of a worker are recorded is configured for the time of its tasks, and threads agree on it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from l0_parallel.recorded import recorded_in


def test_the_configuration_before_is_the_configuration_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("L0_STORE", raising=False)
    with pytest.raises(ZeroDivisionError), recorded_in("redis://one"):
        assert os.environ["L0_STORE"] == "redis://one"
        _ = 1 / 0
    assert "L0_STORE" not in os.environ
    monkeypatch.setenv("L0_STORE", "file:///before")
    with recorded_in(None):
        assert os.environ["L0_STORE"] == "file:///before"
    with recorded_in("redis://one"), recorded_in("redis://one"), recorded_in(None):
        assert os.environ["L0_STORE"] == "redis://one"
    assert os.environ["L0_STORE"] == "file:///before"


def test_threads_that_record_elsewhere_take_turns() -> None:
    begun, leave, seen = threading.Semaphore(0), threading.Event(), []

    def record(store: str) -> None:
        with recorded_in(store):
            begun.release()
            leave.wait(30)
            seen.append((store, os.environ["L0_STORE"]))

    def record_elsewhere() -> None:
        begun.release()
        with recorded_in("redis://two"):
            seen.append(("redis://two", os.environ["L0_STORE"]))

    with ThreadPoolExecutor(3) as threads:
        jobs = [threads.submit(record, "redis://one") for _ in range(2)]
        for _ in jobs:
            begun.acquire()
        jobs.append(threads.submit(record_elsewhere))
        begun.acquire()
        leave.set()
        for job in jobs:
            job.result(30)
    assert seen == [("redis://one", "redis://one")] * 2 + [("redis://two", "redis://two")]
    assert "L0_STORE" not in os.environ
