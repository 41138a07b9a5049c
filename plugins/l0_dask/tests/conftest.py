from __future__ import annotations

import asyncio
import inspect
import os
import uuid
from collections.abc import Iterator
from functools import cache

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

URL = os.environ.get("L0_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


@cache
def answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Here rather than in the fixture, for whose skips pytest prints one line each.
    if "store" in getattr(item, "fixturenames", ()) and not answers(URL):
        pytest.skip("no Redis answers: start one with `./dev services`, or name one in L0_TEST_REDIS_URL")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests that are coroutine functions run in an event loop of their own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    asyncio.run(test(**{name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}))
    return True


@pytest.fixture
def store() -> str:
    """The store that tests and workers reach."""
    return URL


@pytest.fixture
def mark(store: str) -> Iterator[str]:
    """The beginning of the ids of a test's streams, whose records are deleted."""
    name = f"l0-test-{uuid.uuid4().hex}"
    yield name
    with redis.Redis.from_url(store) as client:
        for key in list(client.scan_iter(match=f"*{name}*", count=1000)):
            client.delete(key)
