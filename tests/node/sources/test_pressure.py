"""Pressure of a real kernel, and of one that was started without it."""

from __future__ import annotations

import errno

import pytest
from nodekit import (
    FIXTURES,
)
from sourcekit import recorded

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import (
    select,
)
from mpi_collector.node.status import ABSENT


def test_pressure_without_interrupts() -> None:
    """The totals in microseconds, not the averages."""
    wanted = {}
    for resource in ("cpu", "io", "memory"):
        for line in (FIXTURES / "linux-6.18/proc/pressure" / resource).read_text().splitlines():
            wanted[f"pressure.{resource}.{line.split()[0]}_us"] = int(line.rpartition("=")[2])
    assert len(wanted) == 6
    assert recorded("pressure", FIXTURES / "linux-6.18") == wanted


def test_pressure_that_was_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """RHEL builds it and starts without it: the files are there and answer EOPNOTSUPP. That is absent, no error."""

    def read(*_args: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("mpi_collector.node.read.file_group.preadv", read)
    probe = Probe(select("pressure"), str(FIXTURES / "linux-6.18"))
    assert probe.absent == {"pressure": ABSENT}
