"""Retries by hand: decided as a stream decides them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0.retry import RetryContext, RetryManager
from l0.types import State
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run


def answered(status: int, **headers: str) -> Exception:
    """An error as an SDK makes it of an answer."""
    error = RuntimeError(f"status {status}")
    error.status_code = status  # type: ignore[attr-defined]
    error.response = SimpleNamespace(  # type: ignore[attr-defined]
        status_code=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return error


FAILURES: dict[str, Exception] = {
    "reset": ConnectionResetError("gone"),
    "refused": ConnectionRefusedError("no"),
    "timeout": l0.TimeoutError("slow", "initial_token", 1.0),
    "busy": answered(429),
    "busy for 7 s": answered(429, retry_after="7"),
    "busy for an hour": answered(429, retry_after="3600"),
    "told not to": answered(500, x_should_retry="false"),
    "unwell": answered(503),
    "unauthorized": answered(401),
    "mistake": KeyError("choices"),
    "model": RuntimeError("the model is confused"),
    "nothing said": l0.ZeroOutput(),
    "cut": l0.Truncated("cut"),
    "violation": l0.errors.GuardrailViolationError(l0.Violation("rule", "bad")),
    "fatal violation": l0.errors.GuardrailViolationError(l0.Violation("rule", "bad", "fatal")),
    "limit": l0.OutputLimitExceeded("too long"),
}
CONFIGS: dict[str, Mapping[str, Any]] = {
    "defaults": {},
    "none": {"max_retries": 0},
    "one attempt": {"attempts": 1, "max_retries": 4},
    "only network": {"retry_on": [l0.RetryableErrorType.NETWORK_ERROR]},
    "impatient": {"max_retry_after": 1.0},
    "by type": {"error_type_delays": l0.ErrorTypeDelays(econnreset=3.0)},
    "calculated": {"calculate_delay": lambda context: 0.25 * (context.total_retries + 1)},
    "veto": {"should_retry": lambda error, state, attempt, category: attempt < 2},
    "broken veto": {"should_retry": lambda error: True},
}


async def by_hand(error: Exception, retry: l0.Retry) -> RetryManager:
    manager = RetryManager(retry)
    while await manager.should_retry_async(error):
        assert manager.total_retries < 20, "retried without end"
        await manager.wait(error)
        manager.record_attempt(error)
    return manager


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_retry_manager_decides_as_a_stream_does(failure: str, config: str) -> None:
    error = FAILURES[failure]
    retry = l0.Retry(**{"strategy": l0.BackoffStrategy.EXPONENTIAL, **CONFIGS[config]})

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        provider = FakeProvider(("a",), [Mishap("refuse", error=error)] * 20)
        start = clock()
        stream = await l0.run(provider, adapter=provider, retry=retry)
        with pytest.raises(type(error)):
            await stream.read()
        waited, start = clock() - start, clock()
        manager = await by_hand(error, retry)
        assert manager.total_retries == len(stream.errors) - 1
        assert manager.model_retry_count == stream.state.model_retry_count
        assert manager.network_retry_count == stream.state.network_retry_count
        assert clock() - start == pytest.approx(waited, abs=0.01)

    run(main())


def test_a_retry_manager_counts_and_forgets() -> None:
    manager = RetryManager(l0.Retry(attempts=1))
    reset, model = ConnectionResetError("gone"), RuntimeError("confused")
    assert manager.should_retry(model)
    manager.record_attempt(model)
    manager.record_attempt(reset)
    assert not manager.should_retry(model)
    assert manager.should_retry(reset)
    counted = manager.get_state()
    assert (counted.model_retry_count, counted.network_retry_count, manager.total_retries) == (1, 1, 2)
    history = manager.get_error_history()
    assert history == [model, reset]
    history.clear()
    assert manager.get_error_history() == [model, reset]
    manager.reset()
    assert manager.should_retry(model)
    assert manager.total_retries == manager.get_state().model_retry_count == 0


def test_a_retry_manager_gives_the_callers_functions_what_a_stream_gives() -> None:
    state = State("so far")
    asked: list[Any] = []

    async def should_retry(*what: Any) -> bool:
        asked.append(what)
        return True

    contexts: list[RetryContext] = []
    manager = RetryManager(
        l0.Retry(should_retry=should_retry, calculate_delay=lambda context: contexts.append(context) or 1.5)
    )
    error = ConnectionResetError("gone")
    assert run(manager.should_retry_async(error, state))
    assert asked == [(error, state, 0, l0.ErrorCategory.NETWORK)]
    manager.record_attempt(error)
    assert manager.get_delay(error) == 1.5
    assert isinstance(contexts[-1], RetryContext)
    assert (contexts[-1].attempt, contexts[-1].network_retry_count, contexts[-1]["is_network"]) == (1, 1, True)
