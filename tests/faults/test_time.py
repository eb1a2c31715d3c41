"""Clocks that are stepped, hosts that stand still, and a collector that gets no CPU."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from bed import Bed, poll
from flight import EXIT_CODE, INTERVAL_S, Flights

import mpi_collector

EVERY = ["openmpi", "mpich", "ssh"]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOUR_NS = 3_600_000_000_000
over = pytest.mark.parametrize


@contextmanager
def steppable(bed: Bed, host: int, python: str, transport: str) -> Iterator[tuple[Path, str]]:
    """(file that says how far the wall clock of Python on ``host`` is off, the Python to start)."""
    clock, wrapper = (
        bed.share / f"clock{time.monotonic_ns()}",
        bed.share / f"python-with-clock{host}",
    )
    clock.write_text("+0")
    wrapper.write_text(f"""#!/bin/sh
if [ "$(hostname)" = node{host} ]; then
    export LD_PRELOAD={FAKETIME} FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
fi
exec {python} "$@"
""")
    wrapper.chmod(0o755)
    if transport != "ssh":
        yield clock, str(wrapper)
        return
    found = bed.run(0, ["ssh", f"node{host}", "command -v python3"]).out.decode().strip()
    place = os.path.realpath(found)
    if place == os.path.realpath(python):
        pytest.skip("the hosts' python3 is the launcher's own interpreter")
    bed.script("exec", str(host), "mount", "--bind", str(wrapper), place)
    try:
        yield clock, ""
    finally:
        bed.script("exec", str(host), "umount", place)


@over("transport", EVERY)
@over(("host", "step"), [(1, "+1h"), (2, "-1h")])
def test_wall_clock_stepped(flights: Flights, transport: str, host: int, step: str) -> None:
    """Of rank 0 or another rank, of an agent: no timestamp moves."""
    if FAKETIME is None:
        pytest.skip("no libfaketime (Debian: faketime)")
    with steppable(flights.bed, host, flights.mpi.python, transport) as (clock, python):
        flight = flights.start(python=python).recording()
        clock.write_text(step)
        time.sleep(1.5)
        flight.end()
        assert flight.job.finish() == EXIT_CODE, flight.job.err
    ended = time.time_ns()
    who = (
        "rank 0's"
        if host == 1 and transport != "ssh"
        else "a rank's"
        if transport != "ssh"
        else "an agent's"
    )
    with mpi_collector.load(flight.results) as run:
        rows = run[f"node{host}"]
        jump = np.diff(rows.array("begin_wall_ns") - rows.timestamp_ns)
        assert abs(abs(int(jump[np.abs(jump).argmax()])) - HOUR_NS) < 1_000_000_000, (
            "the clock was not stepped"
        )
        for other in run.values():
            assert (np.diff(other.timestamp_ns) > 0).all()
            assert ended - 10_000_000_000 < other.timestamp_ns[-1] < ended
        stop_ns = min(int(h.timestamp_ns[-1]) for h in run.values())
    row = flight.settle(flights.row(f"{who} wall clock stepped by {step}"), stop_ns)
    assert max(row.lost.values()) <= 1


@over("transport", EVERY)
def test_host_suspended(flights: Flights, transport: str) -> None:
    """Everything on node2 stands still for 10 s."""
    flight = flights.start("--gather-timeout", "20", MPI_COLLECTOR_ORPHAN_S="20").recording()
    frozen = [p for p in flight.bed.processes(2) if p.pid != flight.bed.init(2)]
    for process in frozen:
        process.signal(signal.SIGSTOP)
    time.sleep(10)
    for process in frozen:
        process.signal(signal.SIGCONT)
    time.sleep(1.5)
    flight.end()
    assert flight.job.finish(90) == EXIT_CODE, flight.job.err
    with mpi_collector.load(flight.results) as run:
        stop_ns = min(int(h.timestamp_ns[-1]) for h in run.values())
        assert run.run["facts"]["node2"]["missed"] >= 90
        assert run.run["verdict"]["verdict"] == "partial"
    row = flight.settle(flights.row("a host suspended for 10 s", 2), stop_ns)
    assert max(row.lost.values()) <= 1
    assert row.missed["node1"] + row.missed["node3"] <= 5  # of 250, on a busy machine


@over("transport", EVERY)
def test_starved(flights: Flights, transport: str) -> None:
    """Four busy processes for every CPU, all of them preferred to us."""
    flight = flights.start().recording()
    count = 4 * (os.cpu_count() or 1)
    load = flights.bed.start(
        2,
        [
            "nice",
            "-n",
            "-10",
            "sh",
            "-c",
            f"for i in $(seq {count}); do timeout 4 sh -c 'while :; do :; done' & done; wait",
        ],
    )
    load.finish(60)
    flight.end()
    assert flight.job.finish(90) == EXIT_CODE, flight.job.err
    with mpi_collector.load(flight.results) as run:
        stop_ns = min(int(h.timestamp_ns[-1]) for h in run.values())
        late_ms = max(float(h.array("late_ns").max()) for h in run.values()) / 1e6
        for key, host in run.items():
            ticks = host.tick[host.on_grid]
            assert run.run["facts"][key]["missed"] == int(ticks[-1]) + 1 - len(ticks)
    row = flights.row("every core loaded fourfold for 4 s, by preferred processes")
    row.note = f"latest tick {late_ms:.0f} ms of {INTERVAL_S * 1000:.0f}"
    flight.settle(row, stop_ns)
    assert max(row.lost.values()) <= 1


@over("transport", EVERY)
def test_stands_still_over_the_end(flights: Flights, transport: str) -> None:
    """A rank or agent that is stopped before the job ends and goes on after it: what it was due to sample is missed."""
    flight = flights.start("--gather-timeout", "20").recording()
    sampler = flight.sampler(3)
    sampler.signal(signal.SIGSTOP)
    stopped = time.time_ns()
    time.sleep(2)
    flight.end()
    time.sleep(1.5)
    sampler.signal(signal.SIGCONT)
    assert flight.job.finish(60) == EXIT_CODE, flight.job.err
    row = flights.row("a sampling rank or agent stands still over the end of the job", 3)
    row.gone_s = flight.all_gone(10)
    flight.tally(row, stopped)
    with mpi_collector.load(flight.results) as run:
        facts = run.run["facts"]["node3"]
        assert facts["missed"] >= 18, facts
        assert run.run["verdict"]["verdict"] == "partial"
        assert any("node3" in r and "missed" in r for r in run.run["verdict"]["reasons"])
        row.missed["node3"] = facts["missed"]
        row.note = "partial: those ticks are missed"
    flight.nothing_remains()


@contextmanager
def far_away(bed: Bed, host: int, python: str, seconds: float) -> Iterator[None]:
    """Every way between the launch side and ``host`` takes so long, over ssh."""
    config = Path(f"/tmp/testbed-state-{bed.name}/ssh_config")
    before = config.read_text()
    program = Path(__file__).parents[1] / "helpers" / "slow_link.py"
    # in place: it is mounted on the hosts
    config.write_text(
        f"{before}Host node{host}\n  ProxyCommand {python} {program} %h %p {seconds}\n"
        "  ConnectTimeout 40\n"
    )
    try:
        yield
    finally:
        config.write_text(before)


@over("transport", ["ssh"])
def test_a_host_far_away(flights: Flights, transport: str) -> None:
    """Round trips of 2 s: the job starts, and ends, within the time-outs, and the others are whole."""
    with far_away(flights.bed, 3, flights.mpi.python, 1.0):
        began = time.monotonic()
        words = ["--start-timeout", "20", "--ssh-timeout", "40", "--gather-timeout", "20"]
        up = flights.bed.share / f"up{time.monotonic_ns()}"
        flight = flights.start(*words, command=f"touch {up}")
        flight.run = flight.job.recording(120)
        poll("the start of COMMAND", 60, up.exists)
        assert time.monotonic() - began < 40 + 3 * 20
        time.sleep(2)
        told = time.time_ns()
        flight.end()
        assert flight.job.finish(90) == EXIT_CODE, flight.job.err
        with mpi_collector.load(flight.results) as run:
            assert set(run.run["hosts_partial"]) <= {"node3"}
            assert all(run[k].tick[-1] == -1 for k in ("node1", "node2"))
            ended = run.run["command_ns"][1]
            late_s = {k: (int(run[k].timestamp_ns[-1]) - ended) / 1e9 for k in ("node1", "node2")}
            # nobody waits for the far host to be told
            assert all(-0.5 < s < 1 for s in late_s.values()), (late_s, (ended - told) / 1e9)
            assert -0.1e9 < ended - told < 2e9
        row = flights.row("a host with round trips of 2 s", 3)
        row.gone_s = flight.all_gone(15)
        flight.tally(row, told)
    assert max(row.lost.values()) <= 25
