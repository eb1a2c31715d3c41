"""File systems that are full or gone, devices that come and go."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed
from flight import ALL, EXIT_CODE, Flight, Flights

import mpi_collector

EVERY = ["openmpi", "mpich", "ssh"]
over = pytest.mark.parametrize


@contextmanager
def small(bed: Bed, host: int, place: Path, size: str) -> Iterator[None]:
    """A tmpfs of its own on one host (0: the launch side)."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if host:
        bed.script("exec", str(host), *words)
    else:
        subprocess.run(words, check=True)
    try:
        yield
    finally:
        if host:
            bed.script("exec", str(host), "umount", "-l", str(place))
        else:
            subprocess.run(["umount", "-l", str(place)], check=True)


def stop_of(flight: Flight) -> int:
    with mpi_collector.load(flight.results) as run:
        return min(int(host.timestamp_ns[-1]) for host in run.values())


@over("transport", EVERY)
@over("when", ["start", "later"])
def test_spool_directory_full(flights: Flights, transport: str, when: str) -> None:
    bed, spool = flights.bed, flights.bed.directory("spool")
    with small(bed, 2, spool, "64k" if when == "start" else "6m"):
        more = [] if when == "start" else ["--max-timeseries-samples", "200"]
        flight = flights.start("--spool-dir", str(spool), *more).recording()
        if when == "later":
            bed.run(2, ["sh", "-c", f"dd if=/dev/zero of={spool}/fill bs=64k; true"])
            assert b"No space left" in bed.jobs[-1].err.encode()
        time.sleep(1)
        flight.end()
        assert flight.job.finish() == EXIT_CODE, flight.job.err
        if when == "start":
            assert re.search(r"node2.*not crash-proof|not crash-proof.*node2", flight.job.err), flight.job.err
        row = flights.row("the spool's tmpfs is full at the start" if when == "start" else "the spool's tmpfs fills up later", 2)
        flight.settle(row, stop_of(flight))
        assert max(row.lost.values()) <= 1
        assert not list(spool.rglob("*.spool"))


@over("transport", EVERY)
@over("how", ["full", "gone"])
def test_results_file_system(flights: Flights, transport: str, how: str) -> None:
    """At the end nothing can be written: the recording stays in the spools, and the user is told how to save it."""
    bed, results = flights.bed, flights.bed.directory("results")
    host = 0 if transport == "ssh" else 1
    with small(bed, host, results, "300k"):
        flight = flights.start(results=results, launch=host).recording()
        if how == "full":
            bed.run(host, ["sh", "-c", f"dd if=/dev/zero of={results}/fill bs=4k; true"])
        told = time.time_ns()
        if how == "full":
            flight.end()
            code = flight.job.finish()
    if how == "gone":
        shutil.rmtree(results)
        results.write_text("no directory any more")
        flight.end()
        code = flight.job.finish()
        results.unlink()
    results.mkdir(exist_ok=True)
    assert code == EXIT_CODE, flight.job.err
    assert re.search(rf"recover {flight.run}.*--results-dir|recover .*--results-dir.* {flight.run}", flight.job.err), flight.job.err
    assert "Traceback" not in flight.job.err
    assert all(bed.spools(k) for k in ALL)
    row = flight.settle(flights.row(f"the results' file system is {how} at the end"), told)
    assert max(row.lost.values()) <= 1


@over("transport", EVERY)
def test_interface_comes_and_goes(flights: Flights, transport: str) -> None:
    """One that was there goes and comes back with its counters at 0, another one is new."""
    bed = flights.bed

    def ip(*words: str) -> None:
        done = bed.run(2, ["ip", "link", *words])
        assert done.process.returncode == 0, done.err

    pair = ("type", "veth", "peer", "name")
    ip("add", "old0", *pair, "old1")
    ip("set", "old0", "up")
    ip("set", "old1", "up")
    try:
        bed.run(2, ["ping", "-c", "5", "-i", "0.05", "-W", "1", "-I", "old0", "ff02::1"])
        flight = flights.start("--sources", "basic").recording()
        ip("del", "old0")
        time.sleep(0.5)
        ip("add", "new0", *pair, "new1")
        ip("add", "old0", *pair, "old1")
        time.sleep(1)
    finally:
        for name in ("old0", "new0"):
            bed.run(2, ["ip", "link", "del", name])
    flight.end()
    assert flight.job.finish() == EXIT_CODE, flight.job.err
    with mpi_collector.load(flight.results) as run:
        host = run["node2"]
        old, new = (host.values[:, host.columns.index(f"netdev.{name}.rx_bytes")] for name in ("old0", "new0"))
        missing = -(2**63)
        assert old[0] >= 0 and new[0] == missing
        assert (old == missing).any(), "it was never seen to be gone"
        assert (new != missing).any(), "it was never seen"
        rate = host.rate("netdev.old0.rx_bytes")
        assert not (rate < 0).any()
    row = flight.settle(flights.row("an interface goes, comes back with its counters at 0, and another one comes", 2), stop_of(flight))
    assert max(row.lost.values()) <= 1
    assert sum(row.missed.values()) <= 2
