"""The ways in which a run is told to end early: by the user, the terminal, the scheduler."""

from __future__ import annotations

import signal
import time

import pytest
from bed import DAEMONS, Process, descendants
from flight import ALL, EXIT_CODE, Flight, Flights

import mpi_collector

EVERY = ["openmpi", "mpich", "ssh"]
over = pytest.mark.parametrize


def head(flight: Flight) -> Process:
    """What the user's signal goes to: mpirun, or the life-cycle process."""
    if flight.transport != "ssh":
        return flight.job.launcher()
    return next(
        p
        for p in descendants(flight.job.process.pid)
        if "mpi_collector" in p.words and "python" in p.words[0]
    )


@over("transport", EVERY)
@over("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal(flights: Flights, transport: str, number: signal.Signals) -> None:
    flight = flights.start().recording()
    told = time.time_ns()
    head(flight).signal(number)
    flight.job.finish(60)
    row = flight.settle(flights.row(f"{number.name} to mpirun or the life cycle"), told)
    assert max(row.lost.values()) <= 1
    assert "Traceback" not in flight.job.err, flight.job.err


@over("transport", EVERY)
def test_sigterm_while_a_host_is_waited_for(flights: Flights, transport: str) -> None:
    """It stands still when its table is due: it is given up, and the others' files are there at once."""
    flight = flights.start("--gather-timeout", "90", life_cycle=True).recording()
    sampler = flight.sampler(3)
    sampler.signal(signal.SIGSTOP)
    stopped = time.time_ns()
    flight.end()
    time.sleep(3)
    own = [p for p in descendants(flight.job.process.pid) if "mpi_collector" in p.words]
    next(p for p in own if "python" in p.words[0]).signal(signal.SIGTERM)
    try:
        assert flight.job.finish(60) == EXIT_CODE, flight.job.err
        with mpi_collector.load(flight.results) as run:
            assert list(run.run["hosts_partial"]) == ["node3"]
            assert "given up" in run.run["hosts_partial"]["node3"]
            assert all(run[k].tick[-1] == -1 for k in ("node1", "node2"))
    finally:
        try_signal(sampler, signal.SIGCONT)  # its launcher may have killed it
    row = flights.row("SIGTERM while a host that stands still is waited for at the end", 3)
    row = flight.settle(row, stopped)
    assert max(row.lost.values()) <= 1


@over("transport", EVERY)
def test_two_interrupts(flights: Flights, transport: str) -> None:
    """The second while COMMAND, which does not care, would live on: it is told to end by SIGTERM."""
    flight = flights.start(command="trap '' INT", life_cycle=True).recording()
    told = time.time_ns()
    process = next(
        p
        for p in descendants(flight.job.process.pid)
        if "mpi_collector" in p.words and "python" in p.words[0]
    )
    process.signal(signal.SIGINT)
    time.sleep(1)
    process.signal(signal.SIGINT)
    time.sleep(1)
    assert not process.alive
    flight.end()
    flight.job.process.wait(30)
    row = flight.settle(flights.row("Ctrl-C twice"), told)
    assert max(row.lost.values()) <= 1
    assert f"mpi_collector recover {flight.run}" in flight.job.err.replace("--hosts node[1-3] ", "")


@over("transport", EVERY)
def test_scheduler(flights: Flights, transport: str) -> None:
    """SIGTERM to everything on every host, half a minute later SIGKILL to what is left."""
    flight = flights.start().recording()
    told = time.time_ns()

    def everything() -> list[Process]:
        found = [p for p in descendants(flight.job.process.pid) if p.name != "bash"]
        for host in ALL:
            found += [
                p
                for p in flight.bed.processes(host)
                if p.alive and (p.name.startswith("python") or p.name in DAEMONS)
            ]
        return found

    for process in everything():
        try_signal(process, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while everything() and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in everything():
        try_signal(process, signal.SIGKILL)
    flight.job.process.wait(30)
    row = flight.settle(
        flights.row("a scheduler's SIGTERM, and SIGKILL after 30 s, to everything"), told
    )
    assert max(row.lost.values()) <= 1


def try_signal(process: Process, number: signal.Signals) -> None:
    try:
        process.signal(number)
    except ProcessLookupError:
        pass
