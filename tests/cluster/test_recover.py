"""``recover`` from the launch node: every host's spool over ssh into one set of files."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import pytest
from bed import Bed, Job, Mpi, poll
from bedruns import start

import mpi_collector


def test_all_hosts_at_once(bed: Bed, openmpi: Mpi) -> None:
    """A run whose ranks and mpirun were killed: listed, kept with --keep, rebuilt once with a host that is not there named,
    then gone."""
    directory, out = bed.directory("dead"), bed.directory("recovered")
    job, run = start(
        bed, openmpi, 0, "--timeseries-interval", "0.1", "--results-dir", str(directory)
    )
    alive = bed.run(
        0,
        [
            openmpi.python,
            "-m",
            "mpi_collector",
            "recover",
            "--hosts",
            "node[1-3]",
            run,
            "--results-dir",
            str(out),
        ],
    )
    assert alive.process.returncode == 2
    assert "still alive" in alive.err
    kill_all(bed, job)
    poll("no rank is left", 20, lambda: not bed.all_ranks())
    listed = bed.run(0, [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]"])
    assert listed.process.returncode == 0, listed.err
    assert f"{run}: 3 hosts: node1, node2, node3; " in listed.out.decode()
    words = [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]", "nodeX", run, "--ssh-timeout", "10",
             "--results-dir", str(out)]  # fmt: skip
    kept = bed.run(0, [*words, "--keep"])
    assert kept.process.returncode == 0, kept.err
    assert all(bed.spools(k) for k in (1, 2, 3))
    time.sleep(1)
    done = bed.run(0, words)
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
        assert recording.run["verdict"]["verdict"] == "partial"
        assert "nodeX" in recording.run["hosts_partial"]
        ticks = [h.tick[h.on_grid].tolist() for h in recording.values()]
        assert all(t[:8] == list(range(8)) for t in ticks)
        assert all("snapshot" in h.meta for h in recording.values())
    files = [p for p in out.rglob("*") if p.is_file()]
    assert {p.name.split("_", 3)[3] for p in files} == {
        "timeseries.npz",
        "timeseries.json",
        "cluster_info.json",
        "metadata.json",
    }
    assert len(files) == 8
    assert not any(bed.spools(k) for k in (1, 2, 3))
    again = bed.run(0, words)
    assert again.process.returncode == 2
    assert len([p for p in out.rglob("*") if p.is_file()]) == 8
    poll(
        "no agent is left",
        10,
        lambda: (
            not any("recover-" in " ".join(p.words) for k in (1, 2, 3) for p in bed.processes(k))
        ),
    )


def test_the_launcher_side_dies_over_ssh(bed: Bed, openmpi: Mpi) -> None:
    """kill -9 of the life-cycle process: its agents end, and recover with the same hosts builds the run."""
    directory, out = bed.directory("dead"), bed.directory("recovered")
    words = [openmpi.python, "-m", "mpi_collector", "kvcache", "run", "--hosts", "node[1-3]", "--timeseries-interval", "0.1",
             "--results-dir", str(directory), "--", "sleep", "60"]  # fmt: skip
    job = bed.start(0, words, MPI_COLLECTOR_ORPHAN_S="3")
    run = job.recording()
    time.sleep(1.5)
    from bed import descendants

    ours = next(
        p
        for p in descendants(job.process.pid)
        if "mpi_collector" in p.words and "python" in p.words[0]
    )
    ours.signal(signal.SIGKILL)
    job.process.wait(30)
    poll(
        "the agents have ended",
        20,
        lambda: not bed.all_ranks() and all(bed.spools(k) for k in (1, 2, 3)),
    )
    time.sleep(4)
    done = bed.run(
        0,
        [
            openmpi.python,
            "-m",
            "mpi_collector",
            "recover",
            "--hosts",
            "node[1-3]",
            run,
            "--results-dir",
            str(out),
        ],
    )
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
        assert all(h.on_grid.sum() >= 10 for h in recording.values())
    assert not any(bed.spools(k) for k in (1, 2, 3))


def dead_run(bed: Bed, mpi: Mpi, hosts: tuple[int, ...]) -> str:
    """The name of a run whose spools lie on ``hosts``."""
    job, run = start(
        bed,
        mpi,
        0,
        "--timeseries-interval",
        "0.1",
        "--results-dir",
        str(bed.directory("dead")),
        hosts=hosts,
    )
    kill_all(bed, job)
    assert job.finish() != 0
    return run


def kill_all(bed: Bed, job: Job) -> None:
    """kill -9 of all ranks, then of their launcher.

    In the other order the launcher's daemons send the ranks SIGTERM, and a quarter of a second is often
    enough for rank 0 to write the files: then there is no spool to find.
    """
    launcher = job.launcher()
    for process in [*(p for ranks in bed.all_ranks().values() for p in ranks), launcher]:
        with contextlib.suppress(ProcessLookupError):  # its launcher was faster
            process.signal(signal.SIGKILL)


def rebuilt(bed: Bed, out: Path, hosts: tuple[int, ...]) -> None:
    """All hosts are in the files, and nothing is left of them elsewhere."""
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == [f"node{k}" for k in hosts]
        for rows in recording.values():
            assert rows.tick[rows.on_grid].tolist()[:8] == list(range(8))
    files = [p for p in out.rglob("*") if p.is_file()]
    assert {p.name.split("_", 3)[3] for p in files} == {
        "timeseries.npz",
        "timeseries.json",
        "cluster_info.json",
        "metadata.json",
    }
    assert not any(bed.spools(k) for k in hosts)


@pytest.mark.parametrize(("count", "per_node"), [(1, 1), (2, 1), (4, 2)])
def test_as_ranks_of_a_launcher(bed: Bed, wheel_mpi: Mpi, count: int, per_node: int) -> None:
    """mpirun -np N ... recover: listed, kept, built, gone; another time there is nothing, and nothing is overwritten."""
    hosts = tuple(range(1, count // per_node + 1))
    run = dead_run(bed, wheel_mpi, hosts)
    out = bed.directory("recovered")
    place = bed.hostfile(wheel_mpi, hosts)

    def recover(*words: str) -> Job:
        argv = wheel_mpi.collect(
            count, place, "recover", "--results-dir", str(out), *words, per_node=per_node
        )
        return bed.run(hosts[0], argv)

    listed = recover()
    assert listed.process.returncode == 0, listed.err
    names = ", ".join(f"node{k}" for k in hosts)
    assert (
        f"{run}: {len(hosts)} host{'s' if len(hosts) > 1 else ''}: {names}; " in listed.out.decode()
    )
    kept = recover(run, "--keep")
    assert kept.process.returncode == 0, kept.err
    assert all(bed.spools(k) for k in hosts)
    for path in out.iterdir():
        path.unlink()
    done = recover(run)
    assert done.process.returncode == 0, done.err
    rebuilt(bed, out, hosts)
    again = recover(run)
    assert again.process.returncode == 2
    assert f"no spool of {run}" in again.err
    assert len(list(out.iterdir())) == 4
    refused = recover("--hosts", "node1", run) if count > 1 else again
    assert refused.process.returncode == 2


def test_ranks_leave_a_living_run_alone(bed: Bed, openmpi: Mpi) -> None:
    """Its spools are locked by their writers on every host; it ends as if nothing had been."""
    job, run = start(
        bed,
        openmpi,
        0,
        "--timeseries-interval",
        "0.1",
        "--results-dir",
        str(bed.directory("alive")),
    )
    out = bed.directory("recovered")
    words = ["recover", run, "--results-dir", str(out)]
    tried = bed.run(0, openmpi.collect(3, bed.hostfile(openmpi, (1, 2, 3)), *words))
    assert tried.process.returncode == 2
    assert f"{run} is still alive on node1, node2, node3:" in tried.err
    assert list(out.iterdir()) == []
    job.launcher().signal(signal.SIGUSR1)
    assert job.finish() == 0, job.err


def test_in_a_launch_of_its_own(bed: Bed, wheel_mpi: Mpi) -> None:
    """--transport mpi: the files are written where recover runs; a host no rank starts on is named; no rank is left."""
    run = dead_run(bed, wheel_mpi, (1, 2, 3))
    out = bed.directory("recovered")
    words = [wheel_mpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]", "nodeX", run, "--transport", "mpi",
             "--mpi-bin", wheel_mpi.mpirun, "--ssh-timeout", "10", "--results-dir", str(out)]  # fmt: skip
    done = bed.run(0, words)
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(out) as recording:
        assert list(recording.run["hosts_partial"]) == ["nodeX"]
    rebuilt(bed, out, (1, 2, 3))
    poll("no rank is left", 5, lambda: not bed.all_ranks())
    assert bed.run(0, words).process.returncode == 2


@pytest.mark.parametrize("transport", ["auto", "ssh"])
def test_the_hosts_of_an_allocation(bed: Bed, openmpi: Mpi, transport: str) -> None:
    """Without --hosts those of the scheduler; outside of one, this host."""
    run = dead_run(bed, openmpi, (1, 2))
    out = bed.directory("recovered")
    words = [
        openmpi.python,
        "-m",
        "mpi_collector",
        "recover",
        run,
        "--results-dir",
        str(out),
        "--transport",
        transport,
    ]
    outside = bed.run(0, words)
    assert outside.process.returncode == 2
    done = bed.run(0, words, SLURM_JOB_NODELIST="node[1-2]")
    assert done.process.returncode == 0, done.err
    rebuilt(bed, out, (1, 2))
