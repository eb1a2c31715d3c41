"""The results lie on a file system that fails, hangs or vanishes during the job, and only rank 0's host sees it.

The rows are compared with what another program has read meanwhile (``Witness``).
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from faulty import FaultyDirectory, faulty_directory_on
from flight import EXIT_CODE, Flight, Flights
from selection import all_tests
from witness import Witness

import mpi_collector

EVERY = ["openmpi", "mpich", "ssh"]
over = pytest.mark.parametrize
#: COMMAND notes every signal that it gets
_NOTING = 'for s in TERM INT HUP USR1 USR2; do trap "echo $s >> {}" $s; done'


def fly(
    flights: Flights, directory: FaultyDirectory, *words: str, **env: str
) -> tuple[Flight, Path]:
    """A recording whose launcher and rank 0 are on node1, and the file of the signals that COMMAND got."""
    signals = flights.bed.share / f"signals{time.monotonic_ns()}"
    flight = flights.start(
        *words, launch=1, results=directory.path, command=_NOTING.format(signals), **env
    ).recording()
    flight.results = directory.base  # seen without that file system
    return flight, signals


def check_job(flight: Flight, signals: Path, seconds: float) -> int:
    """Let COMMAND end: its own exit code, no signal. Returns when it was told to (UTC ns)."""
    told = time.time_ns()
    flight.end()
    assert flight.job.finish(90) == EXIT_CODE, flight.job.err
    assert not signals.exists(), signals.read_text()
    assert "Traceback" not in flight.job.err, flight.job.err
    assert (time.time_ns() - told) / 1e9 < seconds, flight.job.err
    return told


def check_length(results: Path, told: int) -> None:
    """The job's recorded end is its end, not that of a wait for its results."""
    with mpi_collector.load(results) as run:
        if "command_ns" in run.run:
            assert abs(run.run["command_ns"][1] - told) < 1.5e9
        assert abs(max(int(h.timestamp_ns[-1]) for h in run.values()) - told) < 2.5e9


_FAULTS = {
    "is killed": lambda d: d.kill(),
    "fails once": lambda d: d.fail_once("ESTALE"),
    "hangs for good": lambda d: d.hang(),
    "hangs for a while": lambda d: d.hang(),
}


@over("transport", EVERY)
@over("fault", _FAULTS if all_tests() else ["is killed", "hangs for a while"])
def test_file_system_of_the_results(flights: Flights, transport: str, fault: str) -> None:
    """The job is waited for, its code is ours; the files are written, or recover makes them."""
    with (
        faulty_directory_on(flights.bed, 1, flights.mpi.python) as directory,
        Witness() as witness,
    ):
        flight, signals = fly(flights, directory)
        _FAULTS[fault](directory)
        time.sleep(11 if fault == "fails once" else 3)  # it is looked at every 10 s
        if fault == "hangs for a while":
            directory.ok()
        told = check_job(flight, signals, 45)
        directory.ok()
        row = flights.row(f"the results' file system {fault} during the job")
        row = flight.settle(row, told)
        assert (row.came_back == "by itself") == (fault in ("fails once", "hangs for a while"))
        assert max(row.lost.values()) <= 1
        if row.came_back == "by itself":
            check_length(flight.results, told)
        for place in flight.places:
            witness.check(place)


@over("transport", EVERY)
def test_plain_memory_and_no_room_for_the_results(flights: Flights, transport: str) -> None:
    """Nothing is in a spool: the files go elsewhere, which is said."""
    other = flights.bed.directory("temporary")
    with (
        faulty_directory_on(flights.bed, 1, flights.mpi.python) as directory,
        Witness() as witness,
    ):
        flight, signals = fly(flights, directory, "--spool-dir", "/nonexistent", TMPDIR=str(other))
        directory.fail("ENOSPC")
        told = check_job(flight, signals, 45)
        said = re.search(r"the recording was written to (\S+) instead", flight.job.err)
        assert said and said[1].startswith(str(other)), flight.job.err
        flight.results = Path(said[1])
        row = flights.row("plain memory, and no room for the results at the end")
        row.note = "into $TMPDIR, which is said"
        flight.settle(row, told)
        assert max(row.lost.values()) <= 1
        with mpi_collector.load(flight.results) as run:
            assert not run.run["verdict"]["crash_proof"]
        witness.check(flight.results)
