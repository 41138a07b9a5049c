"""What follows a failure: which, how often and after what wait, within caps, deadline and budget."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0 import BackoffStrategy, RetryableErrorType
from l0_core.delays import ErrorTypeDelays
from l0_core.hints import Hint, hint_of
from l0_core.recovery import backoff
from l0_testing import FakeProvider, Mishap
from l0_testing.virtual import run

from l0_core import Failure, FallBack, Halt, RetryAfter, hookimpl

TOKENS = ("a", "b")


def answered(status: int, headers: dict[str, str] | None = None, code: str | None = None) -> Exception:
    """An error as an SDK makes it of an answer."""
    error = RuntimeError(f"status {status}")
    error.status_code = status  # type: ignore[attr-defined]
    error.body = {"code": code}  # type: ignore[attr-defined]
    error.response = SimpleNamespace(status_code=status, headers=headers or {})  # type: ignore[attr-defined]
    return error


def refusals(*errors: BaseException) -> list[Mishap]:
    return [Mishap("refuse", error=error) for error in errors]


async def waits(mishaps: list[Mishap], **options: Any) -> tuple[float, l0.Stream, FakeProvider]:
    """Virtual seconds that a stream took, all of them between attempts."""
    provider = FakeProvider(TOKENS, mishaps)
    stream = await l0.run(provider, adapter=provider, **options)
    start = asyncio.get_running_loop().time()
    try:
        await stream.read()
    except Exception:
        assert stream.state.outcome == "error"
    return asyncio.get_running_loop().time() - start, stream, provider


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (BackoffStrategy.EXPONENTIAL, [(1, 1), (2, 2), (4, 4), (8, 8), (10, 10)]),
        (BackoffStrategy.LINEAR, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]),
        (BackoffStrategy.FIXED, [(1, 1)] * 5),
        (BackoffStrategy.FULL_JITTER, [(0, 1), (0, 2), (0, 4), (0, 8), (0, 10)]),
        (BackoffStrategy.FIXED_JITTER, [(0.5, 1), (1, 2), (2, 4), (4, 8), (5, 10)]),
    ],
)
def test_backoff(strategy: BackoffStrategy, expected: list[tuple[float, float]]) -> None:
    retry = l0.Retry(base_delay=1, max_delay=10, strategy=strategy)
    for n, (low, high) in enumerate(expected):
        for _ in range(200):
            assert low <= backoff(retry, n) <= high
    assert backoff(retry, 10_000) <= 10 or strategy is BackoffStrategy.LINEAR


def test_presets_are_the_documented_ones() -> None:
    assert l0.Retry() == l0.Retry(3, 6, 1.0, 10.0, BackoffStrategy.FIXED_JITTER)
    assert (l0.Retry.minimal().attempts, l0.Retry.minimal().max_retries) == (2, 4)
    assert l0.STRICT_RETRY.strategy is BackoffStrategy.FULL_JITTER
    assert (l0.EXPONENTIAL_RETRY.attempts, l0.EXPONENTIAL_RETRY.max_retries) == (4, 8)
    assert l0.Retry.mobile() == l0.Retry(
        max_delay=15,
        strategy=BackoffStrategy.FULL_JITTER,
        error_type_delays=ErrorTypeDelays(background_throttle=15, timeout=3, connection_dropped=2.5),
    )
    assert l0.Retry.edge() == l0.Retry(
        base_delay=0.5, max_delay=5, error_type_delays=ErrorTypeDelays(runtime_killed=2, timeout=1.5)
    )
    assert l0.Retry(max_attempts=5).attempts == 5
    assert l0.RETRY_DEFAULTS.max_retries == 6
    with pytest.raises(ValueError, match=r"Retry\.base_delay"):
        l0.Retry(base_delay=-1)


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({}, Hint()),
        ({"Retry-After": "7"}, Hint(7.0)),
        ({"retry-after": "0.5"}, Hint(0.5)),
        ({"Retry-After-Ms": "1500", "Retry-After": "9"}, Hint(1.5)),
        ({"Retry-After": "-3"}, Hint()),
        ({"Retry-After": "soon"}, Hint()),
        ({"Retry-After": "nan"}, Hint()),
        ({"X-Should-Retry": "true"}, Hint(None, True)),
        ({"X-Should-Retry": "FALSE"}, Hint(None, False)),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Hint(0.0)),
    ],
)
def test_hints(headers: dict[str, str], hint: Hint) -> None:
    assert hint_of(answered(503, headers)) == hint


def test_a_router_says_how_long_its_deployments_rest() -> None:
    error = ValueError("no deployments available")
    error.type, error.cooldown_time = "all_deployments_in_cooldown", 5  # type: ignore[attr-defined]
    assert hint_of(error) == Hint(5.0)


def test_a_date_is_a_wait() -> None:
    import time

    hint = hint_of(answered(503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)}))
    assert hint.seconds == pytest.approx(30, abs=2)
    assert hint_of(ValueError()) == Hint()


def test_the_servers_wait_is_a_floor_with_a_cap() -> None:
    async def main() -> None:
        retry = l0.Retry(base_delay=1, strategy="fixed")
        took, *_ = await waits(refusals(answered(429, {"Retry-After": "7"})), retry=retry)
        assert took == pytest.approx(7, abs=0.01)
        took, *_ = await waits(refusals(answered(429, {"Retry-After": "0.1"})), retry=retry)
        assert took == pytest.approx(1, abs=0.01)
        took, _, provider = await waits(refusals(answered(503, {"Retry-After": "1800"})), retry=retry)
        assert (provider.opened, took < 0.01) == (1, True)
        took, _, provider = await waits(
            refusals(answered(503, {"Retry-After": "5"})), retry=retry, timeout=l0.Timeout(total=4000)
        )
        assert (provider.opened, took < 0.01) == (1, True)

    run(main())


def test_a_wait_that_the_deadline_does_not_allow_is_not_waited_where_another_source_is_left() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        provider = FakeProvider(TOKENS, refusals(answered(503, {"Retry-After": "5"})))
        stream = await l0.run(provider, adapter=provider, fallbacks=[provider], timeout=l0.Timeout(total=4000))
        assert await stream.read() == provider.text
        assert (provider.opened, stream.state.fallback_index) == (2, 1)
        assert loop.time() < 0.01

    run(main())


def test_the_server_may_forbid_and_allow_a_retry() -> None:
    async def main() -> None:
        retry = l0.Retry(base_delay=0)
        _, _, provider = await waits(refusals(answered(503, {"x-should-retry": "false"})), retry=retry)
        assert provider.opened == 1
        _, stream, provider = await waits(refusals(answered(400, {"x-should-retry": "true"})), retry=retry)
        assert (provider.opened, stream.state.outcome) == (2, "complete")

    run(main())


def test_caps_are_per_source_and_per_kind() -> None:
    async def main() -> None:
        network, model = ConnectionResetError(), RuntimeError("the model failed")
        for error, retry, requests in [
            (network, l0.Retry(attempts=0, max_retries=6, base_delay=0), 7),
            (network, l0.Retry(attempts=3, max_retries=2, base_delay=0), 3),
            (model, l0.Retry(attempts=3, max_retries=6, base_delay=0), 4),
            (model, l0.Retry(attempts=0, max_retries=6, base_delay=0), 1),
            (answered(401), l0.Retry(base_delay=0), 1),
            (answered(429, code="insufficient_quota"), l0.Retry(base_delay=0), 1),
            (TypeError("a mistake"), l0.Retry(base_delay=0), 1),
        ]:
            _, stream, provider = await waits(refusals(*[error] * 20), retry=retry)
            assert provider.opened == requests, error
            assert len(stream.errors) == requests
            counted = stream.state.model_retry_count if error is model else stream.state.network_retry_count
            assert counted == requests - 1

    run(main())


def test_a_fallback_starts_with_all_of_its_own() -> None:
    async def main() -> None:
        primary = FakeProvider(("no",), refusals(*[ConnectionResetError()] * 9))
        other = FakeProvider(TOKENS, refusals(*[ConnectionResetError()] * 2))
        stream = await l0.run(primary, fallbacks=[other], adapter=primary, retry=l0.Retry(max_retries=2, base_delay=0))
        assert await stream.read() == "ab"
        assert (primary.opened, other.opened, stream.state.fallback_index) == (3, 3, 1)
        assert stream.state.network_retry_count == 4

        last = FakeProvider(TOKENS, refusals(answered(401)))
        stream = await l0.run(
            FakeProvider((), refusals(answered(403))), fallbacks=[last], adapter=last, retry=l0.Retry(base_delay=0)
        )
        with pytest.raises(RuntimeError, match="status 401"):
            await stream.read()
        assert [str(error) for error in stream.errors] == ["status 403", "status 401"]

    run(main())


def test_retry_on_is_a_filter() -> None:
    async def main() -> None:
        only = l0.Retry(base_delay=0, retry_on=[RetryableErrorType.RATE_LIMIT])
        _, _, provider = await waits(refusals(answered(429)), retry=only)
        assert provider.opened == 2
        for error in (answered(503), ConnectionResetError(), RuntimeError("x")):
            _, _, provider = await waits(refusals(error), retry=only)
            assert provider.opened == 1
        for mishap, named in (
            (Mishap("truncate", 1), RetryableErrorType.INCOMPLETE),
            (Mishap("refuse", error=answered(408)), RetryableErrorType.TIMEOUT),
        ):
            _, _, provider = await waits([mishap], retry=l0.Retry(base_delay=0, retry_on=[named]))
            assert provider.opened == 2

    run(main())


def test_should_retry_can_veto_and_never_force() -> None:
    async def main() -> None:
        asked: list[Any] = []

        async def never(error: BaseException, state: l0.State, attempt: int, category: l0.ErrorCategory) -> bool:
            asked.append((type(error), state.token_count, attempt, category))
            return False

        _, _, provider = await waits(refusals(ConnectionResetError()), retry=l0.Retry(base_delay=0, should_retry=never))
        assert provider.opened == 1
        assert asked == [(ConnectionResetError, 0, 0, l0.ErrorCategory.NETWORK)]
        always = l0.Retry(base_delay=0, should_retry=lambda *_: True)
        _, _, provider = await waits(refusals(answered(401)), retry=always)
        assert provider.opened == 1

        def broken(*_: object) -> bool:
            raise ZeroDivisionError

        _, stream, provider = await waits(
            refusals(ConnectionResetError()), retry=l0.Retry(base_delay=0, should_retry=broken)
        )
        assert (provider.opened, stream.state.outcome) == (1, "error")

    run(main())


def test_calculate_delay_is_asked_with_the_documented_names() -> None:
    async def main() -> None:
        seen: list[Any] = []

        def delay(context: Any) -> float:
            seen.append({name: context[name] for name in ("attempt", "total_attempts", "category", "reason")})
            assert context.default_delay == pytest.approx(1.0)
            with pytest.raises(KeyError, match="delay"):
                context["delay"]
            return 3.0

        retry = l0.Retry(base_delay=1, strategy="fixed", calculate_delay=delay)
        took, *_ = await waits(refusals(ConnectionResetError(), answered(429)), retry=retry)
        assert took == pytest.approx(6, abs=0.01)
        assert seen == [
            {"attempt": 0, "total_attempts": 1, "category": "network", "reason": "network_error"},
            {"attempt": 1, "total_attempts": 2, "category": "transient", "reason": "rate_limit"},
        ]
        broken = l0.Retry(base_delay=1, strategy="fixed", calculate_delay=lambda context: 1 / 0)
        took, *_ = await waits(refusals(ConnectionResetError()), retry=broken)
        assert took == pytest.approx(1, abs=0.01)

    run(main())


def test_delays_by_the_kind_of_network_error() -> None:
    async def main() -> None:
        delays = l0.ErrorTypeDelays(econnreset=4.0)
        retry = l0.Retry(base_delay=1, strategy="fixed", error_type_delays=delays)
        took, *_ = await waits(refusals(ConnectionResetError()), retry=retry)
        assert took == pytest.approx(4, abs=0.01)
        took, *_ = await waits(refusals(ConnectionRefusedError()), retry=retry)
        assert took == pytest.approx(l0.ERROR_TYPE_DELAY_DEFAULTS.econnrefused, abs=0.01)
        took, *_ = await waits(refusals(answered(503)), retry=retry)
        assert took == pytest.approx(1, abs=0.01)

    run(main())


def test_policies_decide_within_the_caps() -> None:
    class Policy:
        def __init__(self, answer: Any) -> None:
            self.answer = answer
            self.asked: list[Failure] = []

        @hookimpl
        async def decide_retry(self, ctx: Any, failure: Failure) -> Any:
            await asyncio.sleep(0)
            self.asked.append(failure)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    async def main() -> None:
        retry = l0.Retry(base_delay=0, max_retries=3)
        for answer, requests, seconds in [
            (Halt(), 1, 0),
            (FallBack(), 1, 0),
            (RetryAfter(2.0), 4, 6),
            (None, 4, 0),
            (ZeroDivisionError(), 4, 0),
        ]:
            policy = Policy(answer)
            took, _, provider = await waits(refusals(*[ConnectionResetError()] * 9), retry=retry, plugins=[policy])
            assert (provider.opened, len(policy.asked)) == (requests, requests)
            assert took == pytest.approx(seconds, abs=0.01)
        fatal = Policy(RetryAfter(0))
        _, stream, provider = await waits(refusals(answered(401)), retry=retry, plugins=[fatal])
        assert (provider.opened, stream.state.outcome) == (2, "complete")
        (failure,) = fatal.asked
        assert (failure.category, failure.delivered, failure.default) == (l0.ErrorCategory.FATAL, 0, FallBack())

    run(main())


def test_a_dead_provider_is_not_stormed() -> None:
    requests = 0

    async def dead() -> Any:
        nonlocal requests
        requests += 1
        await asyncio.sleep(0.01)
        raise ConnectionRefusedError

    async def main() -> None:
        streams = [await l0.run(dead, retry=l0.Retry(base_delay=0.1)) for _ in range(1000)]
        ends = await asyncio.gather(*(stream.read() for stream in streams), return_exceptions=True)
        assert all(isinstance(end, ConnectionRefusedError) for end in ends)
        assert 1000 < requests <= 1300

    run(main())


class Broken(OSError):
    def __init__(self, what: str, number: int | None = None, path: str | None = None) -> None:
        super().__init__(*([what] if number is None else [number, what, path]))
        self.what = what


class BadGrammar(SyntaxError):
    """Takes arguments of its own, which it does not hand on."""

    def __init__(self, rule: str, position: int) -> None:
        self.rule, self.at = rule, position


@pytest.mark.parametrize(
    "error",
    [
        BadGrammar("object", 7),
        l0.TimeoutError("no token for 5 s", "inter_token", 5.0),
        Broken("it broke"),
        Broken("no such file", 2, "/there"),
        ConnectionResetError(104, "reset by peer"),
        ValueError("a", 1),
        KeyError("k"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
    ids=repr,
)
def test_an_error_that_was_recovered_from_says_what_it_said(error: Exception) -> None:
    async def main() -> None:
        _, stream, _ = await waits(refusals(error), retry=l0.Retry(base_delay=0))
        (kept,) = stream.errors
        assert (type(kept), str(kept), kept.args) == (type(error), str(error), error.args)
        assert vars(kept).items() <= vars(error).items()
        for name in ("errno", "strerror", "filename"):
            assert getattr(kept, name, None) == getattr(error, name, None)

    run(main())


def test_streams_that_end_well_earn_back_what_an_outage_has_spent() -> None:
    failures = 10**9
    requests = 0

    async def provider() -> Any:
        nonlocal failures, requests
        requests += 1
        if failures:
            failures -= 1
            raise ConnectionRefusedError
        yield l0.Event(l0.EventType.TOKEN, "a")

    async def read() -> str:
        return await (await l0.run(provider, retry=l0.Retry(base_delay=0))).read()

    async def main() -> None:
        nonlocal failures, requests
        for _ in range(120):
            with pytest.raises(ConnectionRefusedError):
                await read()
        requests = 0
        with pytest.raises(ConnectionRefusedError):
            await read()
        assert requests == 1, "the budget is spent"
        failures = 0
        for _ in range(5):
            assert await read() == "a"
        failures = 1
        assert await read() == "a"

    run(main())


def test_a_budget_is_spent_and_earned() -> None:
    from l0_core.budget import CAPACITY, Budget, budget_of

    budget = Budget()
    assert sum(budget.take(5) for _ in range(1000)) == CAPACITY // 5
    budget.give_back(7)
    assert budget.take(5)
    assert not budget.take(5)
    budget.give_back(10**6)
    assert budget.left == CAPACITY

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert budget_of("a", loop) is budget_of("a", loop)
        assert budget_of("a", loop) is not budget_of("b", loop)
        budget_of("spent", loop).take(5)
        for i in range(2000):
            budget_of(i, loop)
        assert budget_of("spent", loop).left == CAPACITY - 5

    run(main())


def test_an_abort_or_a_cancellation_ends_a_wait_between_attempts_at_once() -> None:
    async def main() -> None:
        for door in ("abort", "cancel", "aclose"):
            provider = FakeProvider(TOKENS, refusals(ConnectionResetError()))
            stream = await l0.run(provider, adapter=provider, retry=l0.Retry(base_delay=100, max_delay=100))
            task = asyncio.ensure_future(stream.read())
            await asyncio.sleep(1)
            before = asyncio.get_running_loop().time()
            if door == "aclose":
                await stream.aclose()
            else:
                stream.abort() if door == "abort" else task.cancel()
            await asyncio.wait([task])
            assert asyncio.get_running_loop().time() - before < 0.01
            assert stream.state.outcome == "aborted"
            assert task.cancelled() is (door == "cancel")

    run(main())


class Peculiar(ConnectionError):
    """An exception that cannot be made of its `args`."""

    def __new__(cls, *, code: int) -> Peculiar:
        return super().__new__(cls)

    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code


def test_an_error_that_cannot_be_made_again_is_recovered_from_and_raised_as_it_is() -> None:
    async def main() -> None:
        provider = FakeProvider(TOKENS, [Mishap("raise", 2, error=Peculiar(code=7)) for _ in range(2)])
        stream = await l0.run(provider, adapter=provider, retry=l0.Retry(base_delay=0, max_retries=1))
        with pytest.raises(Peculiar) as raised:
            await stream.read()
        assert provider.opened == 2
        assert [(type(error), error.code) for error in stream.errors] == [(Peculiar, 7)] * 2  # type: ignore[attr-defined]
        assert raised.value not in stream.errors
        assert all(error.__traceback__ is None for error in stream.errors)

    run(main())
