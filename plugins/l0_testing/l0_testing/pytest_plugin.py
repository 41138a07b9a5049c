"""For pytest: the fixtures, the marker of one of them, and what plugins cost, at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# pytest loads this module at every start: what the fixtures give is imported when a test asks for it.
if TYPE_CHECKING:
    from l0_testing.cassette_server import CassetteServer
    from l0_testing.leaks import LeakCheck
    from l0_testing.server import FaultServer


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest: make the marker known."""
    config.addinivalue_line(
        "markers", "l0_cassette(path, speed=0): the file that `l0_cassette` serves, beside the test."
    )


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
def l0_cassette(request: pytest.FixtureRequest) -> Iterator[CassetteServer]:
    """A `CassetteServer` in a thread, of the file that `@pytest.mark.l0_cassette(path, speed=0)` names."""
    from l0_testing.cassette_server import CassetteServer

    marker = request.node.get_closest_marker("l0_cassette")
    if marker is None or len(marker.args) != 1 or marker.kwargs.keys() - {"speed"}:
        raise pytest.UsageError('l0_cassette needs a mark like @pytest.mark.l0_cassette("incident.cassette", speed=0)')
    with CassetteServer.in_thread(request.path.parent / marker.args[0], **marker.kwargs) as server:
        yield server


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
