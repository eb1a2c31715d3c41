"""File systems that are full or gone, devices that come and go."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed, poll
from flight import ALL, EXIT_CODE, Flight, Flights

import mpi_collector

HELPERS = Path(__file__).parents[1] / "helpers"

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
            assert re.search(r"node2.*not crash-proof|not crash-proof.*node2", flight.job.err), (
                flight.job.err
            )
        row = flights.row(
            "the spool's tmpfs is full at the start"
            if when == "start"
            else "the spool's tmpfs fills up later",
            2,
        )
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
    assert re.search(
        rf"recover {flight.run}.*--results-dir|recover .*--results-dir.* {flight.run}",
        flight.job.err,
    ), flight.job.err
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
        old, new = (
            host.values[:, host.columns.index(f"netdev.{name}.rx_bytes")]
            for name in ("old0", "new0")
        )
        missing = -(2**63)
        assert old[0] >= 0 and new[0] == missing
        assert (old == missing).any(), "it was never seen to be gone"
        assert (new != missing).any(), "it was never seen"
        rate = host.rate("netdev.old0.rx_bytes")
        assert not (rate < 0).any()
    row = flight.settle(
        flights.row(
            "an interface goes, comes back with its counters at 0, and another one comes", 2
        ),
        stop_of(flight),
    )
    assert max(row.lost.values()) <= 1
    assert sum(row.missed.values()) <= 2


LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81  # linux/loop.h


class Disk:
    """A loop device with a number of its own. All fake hosts see it: block devices are the machine's."""

    def __init__(self, number: int, directory: Path) -> None:
        self.number, self.name = number, f"loop{number}"
        self._node, self._file = directory / self.name, directory / f"{self.name}.img"

    def add(self, read_kib: int) -> None:
        """It is there, and so much has been read from it."""
        _loop_control(LOOP_CTL_ADD, self.number)
        if not self._node.exists():
            os.mknod(self._node, stat.S_IFBLK | 0o600, os.makedev(7, self.number))
        self._file.write_bytes(bytes(8 << 20))
        subprocess.run(["losetup", self._node, self._file], check=True)
        subprocess.run(
            [
                "dd",
                f"if={self._node}",
                "of=/dev/null",
                "bs=1k",
                f"count={read_kib}",
                "iflag=direct",
            ],
            check=True,
            capture_output=True,
        )

    def remove(self) -> None:
        subprocess.run(["losetup", "-d", self._node], check=False, capture_output=True)
        poll(f"{self.name} is gone", 10, self._removed)

    def _removed(self) -> bool:
        try:
            _loop_control(LOOP_CTL_REMOVE, self.number)
        except OSError as e:
            return e.errno == errno.ENODEV
        return True


def _loop_control(request: int, number: int) -> None:
    fd = os.open("/dev/loop-control", os.O_RDWR)
    try:
        fcntl.ioctl(fd, request, number)
    finally:
        os.close(fd)


@over("transport", EVERY)
def test_disk_comes_and_goes(flights: Flights, transport: str) -> None:
    """One that was there goes and comes back with its counters at 0, another one is new."""
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("no loop devices")
    base = 1000 + 2 * (os.getpid() % 1000)
    old, new = (Disk(base + k, flights.bed.directory("disk")) for k in (0, 1))
    old.add(4096)
    try:
        flight = flights.start("--sources", "basic").recording()
        old.remove()
        time.sleep(0.5)
        new.add(64)
        old.add(128)
        time.sleep(1)
    finally:
        old.remove()
        new.remove()
    flight.end()
    assert flight.job.finish() == EXIT_CODE, flight.job.err
    missing = -(2**63)
    with mpi_collector.load(flight.results) as run:
        for host in run.values():
            before, after = (
                host.values[:, host.columns.index(f"diskstats.{disk.name}.sectors_read")]
                for disk in (old, new)
            )
            assert before[0] >= 8192 and after[0] == missing
            gone = (before == missing).nonzero()[0]
            assert len(gone) >= 3, "it was never seen to be gone"
            again = before[gone[0] :][before[gone[0] :] != missing]
            assert 0 <= again[-1] < before[0], (
                "it never came back, or with what it had counted before"
            )
            assert 128 <= after.max() < 8192
            assert not (host.rate(f"diskstats.{old.name}.sectors_read") < 0).any()
    row = flight.settle(
        flights.row("a disk goes, comes back with its counters at 0, and another one comes", *ALL),
        stop_of(flight),
    )
    assert max(row.lost.values()) <= 1
    assert sum(row.missed.values()) <= 2


@contextmanager
def lustre(bed: Bed, host: int, python: str) -> Iterator[Path]:
    """Statistics of a Lustre client on a host; the file that says whether they can be read."""
    control = bed.share / f"hungfs{time.monotonic_ns()}"
    control.write_text("ok")
    server = bed.start(host, [python, str(HELPERS / "hungfs.py"), "/proc/fs", str(control)])
    try:
        poll(
            "the file system is there",
            10,
            lambda: server.out == b"ready\n" or server.process.poll() is not None,
        )
        if server.process.poll() is not None:
            pytest.skip(f"no FUSE: {server.err}")
        yield control
    finally:
        control.write_text("ok")
        bed.run(host, ["umount", "-l", "/proc/fs"])
        server.kill()


@over("transport", EVERY)
@over("when", ["for a while", "for good", "from the start"])
def test_source_hangs(flights: Flights, transport: str, when: str) -> None:
    """A file that hangs, or fails: the other sources keep their ticks, and its own status says so."""
    with lustre(flights.bed, 2, flights.mpi.python) as control:
        control.write_text("hang" if when == "from the start" else "ok")
        flight = flights.start(
            "--sources", "basic,lustre", launch=0 if transport == "ssh" else 1
        ).recording()
        for state in {
            "for a while": ["hang", "ok", "fail", "ok"],
            "for good": ["hang"],
            "from the start": [],
        }[when]:
            control.write_text(state)
            time.sleep(1)
        flight.end()
        code = flight.job.finish()
        # a process that hangs in the kernel cannot end: its launcher is ended, and may have no exit code to give
        assert code == EXIT_CODE or (transport != "ssh" and when != "for a while"), flight.job.err
        with mpi_collector.load(flight.results) as run:
            assert run.run["command_exit_code"] == EXIT_CODE
            statuses = run.run["facts"]["node2"]["statuses"]
            host = run["node2"]
            read = [
                host.values[:, i]
                for i, c in enumerate(host.columns)
                if c == "lustre.llite/lfs-0.read_bytes_samples"
            ]
            absent = host.meta["absent"]
        if when == "from the start":
            assert not read and absent["lustre"] and "lustre" not in statuses
        else:
            assert statuses["lustre"]["slow"] >= 7
            assert (statuses["lustre"].get("error", 0) >= 7) == (when == "for a while")
            assert (read[0][-1] > read[0][0]) == (when == "for a while")
        assert set(statuses) <= {"lustre"}
        what = f"a source's file hangs {when}" + (
            ", then fails for 1 s" if when == "for a while" else ""
        )
        row = flight.settle(flights.row(what, 2), stop_of(flight))
    assert max(row.lost.values()) <= 1
    assert sum(row.missed.values()) <= 2
