"""The matrix of faults: a bed of its own, the three transports, and the table of what was survived and what was lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed, Mpi, find_mpi, hosts, missing_for_bed
from flight import Flights, Row, table
from selection import one_of_each

_HERE = Path(__file__).parent
TRANSPORTS = ("openmpi", "mpich", "ssh")
_rows: list[Row] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every fault over one transport, in turn; over each with MPI_COLLECTOR_TEST_ALL, as scripts/faults does."""
    one_of_each(config, items, _HERE)
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.faults)
            # a busy machine may starve a whole fake cluster for a second; what is wrong stays wrong
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=3))


@pytest.fixture(scope="session")
def three_hosts() -> Iterator[Bed]:
    """node1 .. node3, their monotonic clocks 100,000 s apart."""
    missing = missing_for_bed()
    if missing:
        pytest.skip(missing)
    found = [find_mpi(name) for name in TRANSPORTS[:2]]
    with hosts(3, [m.python for m in found if isinstance(m, Mpi)], plain_shells=True) as bed:
        yield bed


@pytest.fixture
def bed(three_hosts: Bed) -> Iterator[Bed]:
    """The fake hosts; nothing that a test left on them is there for the next, whatever it did to them."""
    try:
        yield three_hosts
    finally:
        three_hosts.clean()


@pytest.fixture
def flights(bed: Bed, request: pytest.FixtureRequest) -> Flights:
    """Starts recordings over the transport that the test is run for (its parameter ``transport``), Open MPI without one."""
    spec = getattr(request.node, "callspec", None)
    name = spec.params.get("transport", "openmpi") if spec else "openmpi"
    mpi = find_mpi("openmpi" if name == "ssh" else name)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    return Flights(bed, mpi, name, _rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    terminalreporter.section("survived and lost")
    for line in table(_rows):
        terminalreporter.line(line)
    place = os.environ.get("MPI_COLLECTOR_FAULTS_JSON")
    if place:
        Path(place).write_text(json.dumps([row.__dict__ for row in _rows], indent=1))
