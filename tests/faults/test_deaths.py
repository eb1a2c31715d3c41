"""kill -9 of every process there is, and of hosts."""

from __future__ import annotations

import signal
import time

import pytest
from bed import Process, descendants, poll
from flight import EXIT_CODE, Flight, Flights

import mpi_collector

MPIS = ["openmpi", "mpich"]
EVERY = [*MPIS, "ssh"]
over = pytest.mark.parametrize


def kill(process: Process) -> int:
    """kill -9; when (UTC ns)."""
    now = time.time_ns()
    process.signal(signal.SIGKILL)
    return now


@over("transport", EVERY)
def test_sampling_process(flights: Flights, transport: str) -> None:
    """The rank or agent of node3."""
    flight = flights.start().recording()
    killed = kill(flight.sampler(3))
    row = flights.row("kill -9 of a sampling rank or agent", 3, came_back="recover")
    if transport == "ssh":  # the job and the other agents go on
        time.sleep(1)
        flight.end()
        assert flight.job.finish() == EXIT_CODE, flight.job.err
        row.came_back = "others by themselves, its host by recover"
        with mpi_collector.load(flight.results) as run:
            assert list(run.run["hosts_partial"]) == ["node3"]
            assert {"node1", "node2"} <= set(run)
            assert all(run[k].tick[-1] == -1 for k in ("node1", "node2"))
        row.gone_s = flight.all_gone(10)
        flight.tally(row, killed, flight.results, flight.recovered())
    else:
        flight.job.finish()
        flight.settle(row, killed)
    assert row.lost["node3"] <= 1
    assert max(row.lost.values()) <= 1


@over("transport", MPIS)
@over("what", ["rank 0", "launcher daemon", "mpirun"])
def test_parts_of_a_launch(flights: Flights, transport: str, what: str) -> None:
    flight = flights.start().recording()
    victims = {"rank 0": (1,), "launcher daemon": (2,), "mpirun": ()}[what]
    if what == "rank 0":
        killed = kill(flight.sampler(1))
    elif what == "mpirun":
        killed = kill(flight.job.launcher())
    else:
        names = ("prted", "hydra_pmi_proxy")
        killed = kill(next(p for p in flight.bed.processes(2) if p.name in names))
    row = flights.row(f"kill -9 of {'a ' if what == 'launcher daemon' else ''}{what}", *victims)
    flight.job.finish()
    flight.settle(
        row, killed
    )  # the ranks are told to end, and may or may not have the time for their files
    assert max(row.lost.values()) <= 1
    for place in flight.places:
        with mpi_collector.load(place) as run:
            # ranks that were told to end have ended COMMAND and stopped all hosts: whole, where rank 0 wrote the files
            by_itself = run.run["ended_by"] == "command"
            assert run.run["verdict"]["verdict"] == "partial" or by_itself, run.run


@over("transport", EVERY)
def test_life_cycle_process(flights: Flights, transport: str) -> None:
    flight = flights.start(life_cycle=True).recording()
    killed = kill(own(flight))
    row = flights.row("kill -9 of the life-cycle process", came_back="recover")
    flight.job.process.wait(30)  # the job does not live on without anybody who waits for it
    row.gone_s = flight.all_gone(15)
    found = flight.recovered()
    flight.tally(row, killed, found)
    assert max(row.lost.values()) <= 1
    assert set(row.kept) == {"node1", "node2", "node3"}
    with mpi_collector.load(found) as run:
        assert run.run["verdict"]["verdict"] == "partial"
        assert run.run["ended_by"] == "launcher lost"
        row.note = "partial, ended by: launcher lost"


def own(flight: Flight) -> Process:
    """The life-cycle process."""
    return next(
        p
        for p in descendants(flight.job.process.pid)
        if "mpi_collector" in p.words and "python" in p.words[0]
    )


@over("transport", EVERY)
def test_sshd_of_a_host(flights: Flights, transport: str) -> None:
    """All sshd of node2, which starts again a second later."""
    flight = flights.start().recording()
    killed = time.time_ns()
    for process in [
        p for p in flight.bed.processes(2) if p.words[0].startswith("sshd") or p.name == "sshd"
    ]:
        process.signal(signal.SIGKILL)
    time.sleep(1)
    flight.bed.script("sshd", "2", "start")
    row = flights.row("kill -9 of every sshd of a host, back after 1 s", 2)
    time.sleep(2)
    flight.end()
    flight.job.finish(60)
    flight.settle(row, killed)
    if transport == "ssh":
        assert row.came_back == "by itself"
        assert flight.job.process.returncode == EXIT_CODE
    assert max(row.lost.values()) <= 1


@over("transport", EVERY)
@over("replicate", [0, 1])
def test_a_host_loses_power(flights: Flights, transport: str, replicate: int) -> None:
    flight = flights.start(
        *(["--replicate", "1"] if replicate else []), launch=beside(transport)
    ).recording()
    time.sleep(2)
    try:
        flight.bed.power_off(2)
        off = time.time_ns()
        time.sleep(1)
        flight.end()
        flight.job.finish(90)
        ended = time.time_ns()
    finally:
        flight.bed.power_on(2)
    row = flights.row("a host loses power" + (", --replicate 1" if replicate else ""), 2)
    row.gone_s = flight.all_gone(10)
    flight.tally(row, off)
    if replicate:
        assert "node2" in row.kept, flight.job.err
        assert row.lost["node2"] <= 10 * (
            1 + 1 + 2
        )  # the interval of the copies, a turn of rank 0, and a busy machine
    else:
        assert "node2" not in row.kept
        assert row.lost["node2"] >= 20
        row.note = "nothing of that host"
    check_others(flight, 2)
    flight.nothing_remains()
    assert (ended - off) / 1e9 < 60


def beside(transport: str) -> int:
    """Where the launcher is: with rank 0 on node1, as in a batch job; on the launch side over ssh."""
    return 0 if transport == "ssh" else 1


def check_others(flight: Flight, lost: int, code: int = EXIT_CODE) -> None:
    """The files are there, partial because of one host, and every other is whole; the job's exit code is its own."""
    with mpi_collector.load(flight.results) as run:
        assert list(run.run["hosts_partial"]) == [f"node{lost}"], run.run["hosts_partial"]
        assert run.run["command_exit_code"] == code
        for other in {1, 2, 3} - {lost}:
            assert run[f"node{other}"].tick[-1] == -1
    assert "Traceback" not in flight.job.err, flight.job.err


@over("transport", EVERY)
def test_cable_out_for_good(flights: Flights, transport: str) -> None:
    flight = flights.start(launch=beside(transport), MPI_COLLECTOR_SILENT_S="15").recording()
    out = time.time_ns()
    flight.bed.script("link", "3", "down")
    try:
        time.sleep(2)
        flight.end()
        flight.job.finish(90)
        check_others(flight, 3)
        row = flights.row("a cable out for good", 3)
        poll("node3 has noticed", 90, lambda: not flight.samplers(3))
    finally:
        flight.bed.script("link", "3", "up")
    row.gone_s = flight.all_gone(10)
    row.came_back = "others by themselves, its host by recover"
    flight.tally(row, out, flight.results, flight.recovered())
    assert row.lost["node3"] <= 1


@over("transport", MPIS)
def test_cable_out_with_a_launcher_elsewhere(flights: Flights, transport: str) -> None:
    """mpirun is on none of the hosts, and waits for the lost one for ever: the files are there, and the user is told."""
    flight = flights.start(MPI_COLLECTOR_SILENT_S="15").recording()
    out = time.time_ns()
    flight.bed.script("link", "3", "down")
    try:
        flight.end()
        flight.job.line(
            r"may wait for the lost one for ever: press Ctrl-C to end it. COMMAND's exit code: 7",
            30,
        )
        check_others(flight, 3)
        flight.job.launcher().signal(signal.SIGKILL)
        poll("node3 has noticed", 90, lambda: not flight.samplers(3))
    finally:
        flight.bed.script("link", "3", "up")
    flight.job.process.wait(10)
    row = flights.row(
        "a cable out for good, mpirun on a host of its own",
        3,
        came_back="others by themselves, its host by recover",
    )
    row.note = "mpirun waits for ever, and is named"
    row.gone_s = flight.all_gone(10)
    flight.tally(row, out, flight.results, flight.recovered())
    assert row.lost["node3"] <= 1


@over("transport", EVERY)
def test_cable_out_for_five_seconds(flights: Flights, transport: str) -> None:
    flight = flights.start(MPI_COLLECTOR_ORPHAN_S="20").recording()
    flight.bed.script("link", "3", "down")
    time.sleep(5)
    flight.bed.script("link", "3", "up")
    time.sleep(2)
    flight.end()
    assert flight.job.finish(90) == EXIT_CODE, flight.job.err
    row = flights.row("a cable out for 5 s", 3)
    row.gone_s = flight.all_gone(10)
    ended = end_of(flight)
    flight.tally(row, ended)
    assert max(row.lost.values()) <= 1
    flight.nothing_remains()


def end_of(flight: Flight) -> int:
    """When the extra row of the stop was taken, on the first host (UTC ns)."""
    with mpi_collector.load(flight.results) as run:
        return min(int(host.timestamp_ns[-1]) for host in run.values())


@over("transport", EVERY)
@over("back", [False, True])
def test_cable_out_during_the_gather(flights: Flights, transport: str, back: bool) -> None:
    """node3 stands still at the stop, so that everybody waits for it; then its cable is out."""
    flight = flights.start("--gather-timeout", "15" if back else "5", launch=beside(transport), MPI_COLLECTOR_ORPHAN_S="8",
                           MPI_COLLECTOR_SILENT_S="25").recording()  # fmt: skip
    sampler = flight.sampler(3)
    sampler.signal(signal.SIGSTOP)
    stopped = time.time_ns()
    flight.end()
    time.sleep(1)
    flight.bed.script("link", "3", "down")
    try:
        sampler.signal(signal.SIGCONT)
        if back:
            time.sleep(3)
            flight.bed.script("link", "3", "up")
        flight.job.finish(90)
        if (
            transport == "ssh" or back
        ):  # a launcher that is ended has an exit code of its own; COMMAND's is in the files
            assert flight.job.process.returncode == EXIT_CODE, flight.job.err
        row = flights.row(f"a cable out during the gather{', back after 3 s' if back else ''}", 3)
        if not back:
            check_others(flight, 3)
            poll("node3 has noticed", 90, lambda: not flight.samplers(3))
    finally:
        flight.bed.script("link", "3", "up")
    row.gone_s = flight.all_gone(10)
    if any(flight.bed.spools(3)):
        row.came_back = "others by themselves, its host by recover"
        flight.tally(row, stopped, flight.results, flight.recovered())
    else:
        flight.tally(row, stopped)
    flight.nothing_remains()
    assert row.lost["node3"] <= 1
