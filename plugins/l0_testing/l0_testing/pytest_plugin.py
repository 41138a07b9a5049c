"""For pytest: the fixtures `fault_server`, `no_leaks` and `virtual_run`, and what plugins cost, at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# pytest loads this module at every start: what the fixtures give is imported when a test asks for it.
if TYPE_CHECKING:
    from l0_testing.leaks import LeakCheck
    from l0_testing.server import FaultServer


@pytest.fixture(scope="session")
def _l0_fault_server() -> Iterator[FaultServer]:
    from l0_testing.server import FaultServer

    with FaultServer.in_thread() as server:
        yield server


@pytest.fixture
def fault_server(_l0_fault_server: FaultServer) -> Iterator[FaultServer]:
    """A `FaultServer` in a thread, one for the session; every test finds it empty."""
    _l0_fault_server.reset()
    yield _l0_fault_server
    _l0_fault_server.reset()


@pytest.fixture
def no_leaks() -> Iterator[LeakCheck]:
    """A `LeakCheck` around the test; inside a coroutine `async with LeakCheck()` sees tasks and timers too."""
    from l0_testing.leaks import LeakCheck

    with LeakCheck() as check:
        yield check


@pytest.fixture
def virtual_run() -> Callable[..., Any]:
    """`l0_testing.virtual.run`: `asyncio.run` in virtual time."""
    from l0_testing.virtual import run

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the calls of plugins cost, as their suites have measured it."""
    costs = [
        value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in getattr(report, "user_properties", ())
        if name == "l0_cost"
    ]
    if costs:
        terminalreporter.section("what a call of a plugin takes")
        for cost in costs:
            terminalreporter.write_line(cost)
