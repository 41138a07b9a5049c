"""Retries by hand: what a stream of L0 would do about a failure, for code that has a loop of its own."""

from __future__ import annotations

import asyncio

from l0_core.attempt import Source
from l0_core.classification import categorize_error
from l0_core.hookspecs import Failure, Halt, RetryAfter
from l0_core.log import log_raised
from l0_core.options import Retry
from l0_core.recovery import Recovery, RetryContext
from l0_core.state import State

__all__ = ["RetryContext", "RetryManager"]

_ANY_SOURCE = Source(lambda: None)


class RetryManager:
    """Says whether and when to try again, and counts.

        manager = RetryManager(Retry(attempts=2))
        while True:
            try:
                return await call()
            except Exception as error:
                if not await manager.should_retry_async(error):
                    raise
                await manager.wait(error)
                manager.record_attempt(error)

    It decides as a stream with one source does, by the same code. What only a stream has, a deadline and a part in the
    retry budget, it has not.
    """

    def __init__(self, config: Retry | None = None) -> None:
        self.config = Retry() if config is None else config
        self.reset()

    def reset(self) -> None:
        """Forget every attempt."""
        self._state = State()
        # The loop is that of the retry budget, which is not asked.
        self._recovery = Recovery((_ANY_SOURCE,), self.config, self._state, None)  # type: ignore[arg-type]
        self._errors: list[BaseException] = []

    @property
    def model_retry_count(self) -> int:
        """Retries that count toward `Retry.attempts`."""
        return self._state.model_retry_count

    @property
    def network_retry_count(self) -> int:
        """Retries that do not."""
        return self._state.network_retry_count

    @property
    def total_retries(self) -> int:
        """Both together, which `Retry.max_retries` bounds."""
        return self.model_retry_count + self.network_retry_count

    def should_retry(self, error: BaseException, state: State | None = None) -> bool:
        """Whether to try again. The caller's `Retry.should_retry` is not asked: it may have to be awaited."""
        failure = self._recovery.failure(error, 0)
        if not isinstance(failure.default, RetryAfter) or self._recovery.is_exhausted(failure):
            return False
        return failure.hint is None or failure.hint <= self.config.max_retry_after

    async def should_retry_async(self, error: BaseException, state: State | None = None) -> bool:
        """Whether to try again, if the caller's `Retry.should_retry` lets it. It is given `state`, as it is here."""
        if not self.should_retry(error, state):
            return False
        veto = self.config.should_retry
        if veto is None:
            return True
        try:
            answer = veto(error, state, self.total_retries, categorize_error(error))
            if hasattr(answer, "__await__"):
                answer = await answer
        except Exception as broken:
            log_raised("Retry.should_retry", broken, "not retried")
            return False
        return bool(answer)

    def record_attempt(self, error: BaseException) -> None:
        """Count a retry because of this error."""
        self._errors.append(error)
        self._recovery.retrying(Failure(error, categorize_error(error), None, 0, None, Halt()))

    def get_delay(self, error: BaseException) -> float:
        """The wait before the next retry, in seconds: no less than the server asks for."""
        failure = self._recovery.failure(error, 0)
        default = failure.default
        seconds = default.seconds if isinstance(default, RetryAfter) else self._recovery.delay(failure)
        return max(seconds, failure.hint or 0.0)

    async def wait(self, error: BaseException) -> None:
        """Sleep for as long as `get_delay` says."""
        await asyncio.sleep(self.get_delay(error))

    def get_state(self) -> State:
        """What was counted: `model_retry_count` and `network_retry_count` of a state that has nothing else."""
        return State(model_retry_count=self.model_retry_count, network_retry_count=self.network_retry_count)

    def get_error_history(self) -> list[BaseException]:
        """The errors of all retries, in order."""
        return list(self._errors)
