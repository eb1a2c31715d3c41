"""What is lost when a rank stops, dies, or loses its launcher: the samples of that time on that host, and nothing else."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from bed import SECOND_NS, Bed, Mpi, poll
from bedruns import all_gone, recover, start

import mpi_collector


def test_hosts_stay_aligned_after_missed_ticks(
    bed: Bed, wheel_mpi: Mpi, figure: Callable[[str], None]
) -> None:
    """A rank stands still for 1.2 s of a decimated run: its host lacks those ticks, all hosts keep the same multiples."""
    directory = bed.directory("missed")
    words = ["--timeseries-interval", "0.05", "--max-timeseries-samples", "16", "--duration", "5"]
    job, _ = start(bed, wheel_mpi, 0, *words, "--results-dir", str(directory))
    (rank,) = bed.ranks(2)
    rank.signal(signal.SIGSTOP)
    time.sleep(1.2)
    rank.signal(signal.SIGCONT)
    assert job.finish() == 0, job.err
    kept = list(range(0, 100, 8))  # 100 ticks into 16 rows: every eighth
    with mpi_collector.load(directory) as recording:
        ticks = {key: host.tick.tolist() for key, host in recording.items()}
        facts = recording.run["facts"]
        assert recording.run["verdict"]["verdict"] == "partial"
    figure(
        f"{wheel_mpi.name}: of {len(kept)} ticks kept of 100: "
        + ", ".join(f"{k} has {len(t) - 1}" for k, t in ticks.items())
    )
    for key, have in ticks.items():
        assert have[0] == 0
        assert have[-1] == -1
        assert have[:-1] == sorted(set(have[:-1]) & set(kept)), key
        assert facts[key]["level"] == 3
    missing = {key: len(kept) - len(have) + 1 for key, have in ticks.items()}
    assert missing["node2"] >= 2
    assert facts["node2"]["missed"] == missing["node2"]
    assert max(missing["node1"], missing["node3"]) <= 1  # one for a busy machine


def test_killed_rank_leaves_spools(bed: Bed, mpi: Mpi, figure: Callable[[str], None]) -> None:
    """kill -9 of a rank: the launcher ends the others, every host keeps its spool, and recover builds files up to the kill."""
    interval_ns = SECOND_NS // 10
    job, run = start(
        bed, mpi, 0, "--timeseries-interval", "0.1", "--results-dir", str(bed.directory("killed"))
    )
    (rank,) = bed.ranks(3)
    rank.signal(signal.SIGKILL)
    killed = time.time_ns()
    assert job.finish() != 0
    poll("the other ranks are gone", 10, lambda: all_gone(bed))
    assert {k: bed.spools(k) for k in (1, 2, 3)} == {k: [f"{run}/node{k}"] for k in (1, 2, 3)}
    for host, directory in recover(bed, mpi, run).items():
        with mpi_collector.load(directory) as recording:
            assert list(recording) == [f"node{host}"]
            rows = recording[f"node{host}"]
            ticks, last = rows.tick[rows.on_grid].tolist(), rows.timestamp_ns[rows.on_grid][-1]
            assert len(ticks) >= 10
            assert ticks[0] == 0
            assert ticks[-1] - len(ticks) < 1  # at most one missed on a busy machine
            assert last > killed - 2 * interval_ns
            if host == 3:
                assert last < killed
                assert -1 not in rows.tick
                assert recording.run["verdict"]["verdict"] == "partial"
                before = f"{(killed - last) / 1e6:.0f} ms before the kill"
                figure(
                    f"{mpi.name}: {len(ticks)} ticks of the killed rank recovered, the last {before}"
                )
        assert list(directory.glob("*_timeseries.json"))


def test_recover_refuses_a_living_run(bed: Bed, openmpi: Mpi) -> None:
    """As long as the ranks live their spools stay theirs."""
    job, run = start(bed, openmpi, 0, "--results-dir", str(bed.directory("alive")))
    tried = bed.run(
        2, [openmpi.python, "-m", "mpi_collector", "recover", run, "--results-dir", str(bed.share)]
    )
    assert tried.process.returncode == 2
    assert "still alive" in tried.err
    job.launcher().signal(signal.SIGUSR1)
    assert job.finish() == 0, job.err
    assert job.ours[-1].startswith("mpi_collector: wrote")


def test_killed_mpirun_leaves_no_orphans(bed: Bed, mpi: Mpi, figure: Callable[[str], None]) -> None:
    """kill -9 of an mpirun that runs on a host of the job: soon no rank is left on any host, and the spools are there."""
    job, run = start(
        bed, mpi, 1, "--timeseries-interval", "0.1", "--results-dir", str(bed.directory("orphans"))
    )
    job.launcher().signal(signal.SIGKILL)
    began = time.monotonic()
    poll("all ranks are gone", 20, lambda: all_gone(bed))
    figure(f"{mpi.name}: {time.monotonic() - began:.1f} s after kill -9 of mpirun no rank is left")
    assert {k: bed.spools(k) for k in (1, 2, 3)} == {k: [f"{run}/node{k}"] for k in (1, 2, 3)}
    recover(bed, mpi, run, hosts=(1,))
