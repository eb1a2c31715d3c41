"""The ways to end a recording that has no COMMAND."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from bed import Bed, Job, Mpi, poll
from bedruns import all_gone, recover, start
from mpis import need_mpi

import mpi_collector

_EVERY = ["--timeseries-interval", "0.2"]


def check_complete(bed: Bed, directory: Path, job: Job, why: str) -> None:
    """The job is over, its files are whole, and nothing is left behind."""
    assert job.finish() == 0, job.err
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["node1", "node2", "node3"]
        assert recording.run["ended_by"] == why
        assert not recording.run["hosts_partial"]
        assert all(
            host.tick[0] == 0 and host.tick[-1] == -1 and len(host) >= 4
            for host in recording.values()
        )
    names = sorted(p.name.rsplit("_", 1)[1] for p in directory.iterdir())
    assert names == ["info.json", "metadata.json", "timeseries.json", "timeseries.npz"]
    assert not any(bed.remains(k) for k in (1, 2, 3))
    assert not bed.all_ranks()


def test_usr1_to_mpirun(bed: Bed, mpi: Mpi) -> None:
    """The gentle way, on every launcher."""
    directory = bed.directory("usr1")
    job, _ = start(bed, mpi, 0, *_EVERY, "--results-dir", str(directory))
    job.launcher().signal(signal.SIGUSR1)
    check_complete(bed, directory, job, "signal SIGUSR1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_mpich(bed: Bed, mpich: Mpi, number: signal.Signals) -> None:
    """Hydra gives its ranks the time to write everything."""
    directory = bed.directory("signal")
    job, _ = start(bed, mpich, 0, *_EVERY, "--results-dir", str(directory))
    job.launcher().signal(number)
    check_complete(bed, directory, job, f"signal {number.name}")


@pytest.mark.parametrize(
    ("name", "number"),
    [("openmpi", signal.SIGINT), ("openmpi", signal.SIGTERM), ("openmpi4", signal.SIGTERM)],
)
def test_signal_to_open_mpi(bed: Bed, name: str, number: signal.Signals) -> None:
    """Open MPI kills its ranks soon: the files are there, or every host keeps a spool that recover turns into files."""
    mpi, directory = need_mpi(name), bed.directory("signal")
    job, run = start(bed, mpi, 0, *_EVERY, "--results-dir", str(directory))
    job.launcher().signal(number)
    job.finish()
    poll("the ranks are gone", 10, lambda: all_gone(bed))
    if list(directory.glob("*_timeseries.npz")):
        with mpi_collector.load(directory) as recording:
            assert list(recording) == ["node1", "node2", "node3"]
        return
    assert any(
        f"mpi_collector recover {run}" in line for line in job.ours
    )  # said at the start, when it still could
    for host, recovered in recover(bed, mpi, run).items():
        with mpi_collector.load(recovered) as recording:
            assert recording[f"node{host}"].on_grid.sum() >= 4


def test_line_on_stdin(bed: Bed, wheel_mpi: Mpi) -> None:
    """``stop`` typed into mpirun; any other line is no end."""
    directory = bed.directory("stdin")
    job, _ = start(bed, wheel_mpi, 0, *_EVERY, "--results-dir", str(directory))
    job.type("stopping\n\n")
    time.sleep(0.3)
    assert job.process.poll() is None
    job.type("stop\n")
    check_complete(bed, directory, job, "stdin")


def test_stop_from_the_launch_side(bed: Bed, mpich: Mpi) -> None:
    """``mpi_collector stop`` on a host that only sees the results directory."""
    directory = bed.directory("stop")
    job, run = start(bed, mpich, 0, *_EVERY, "--results-dir", str(directory))
    words = [
        "-m",
        "mpi_collector",
        "stop",
        "--results-dir",
        str(directory),
        "--spool-dir",
        "/nonexistent",
    ]
    stop = bed.run(0, [mpich.python, *words])
    assert stop.process.returncode == 0, stop.err
    assert run in stop.err
    check_complete(bed, directory, job, "request")


@pytest.mark.parametrize("host", [1, 2])
def test_stop_on_a_host(bed: Bed, openmpi: Mpi, host: int) -> None:
    """``mpi_collector stop`` on a host of the job that only sees its own spool: rank 0's, or any other."""
    directory = bed.directory("stop")
    job, run = start(bed, openmpi, 0, *_EVERY, "--results-dir", str(directory))
    words = ["-m", "mpi_collector", "stop", run, "--results-dir", "/nonexistent"]
    stop = bed.run(host, [openmpi.python, *words])
    assert stop.process.returncode == 0, stop.err
    check_complete(bed, directory, job, "request")


def test_stop_without_a_run(bed: Bed, openmpi: Mpi) -> None:
    """Exit code 2 and one line when there is nothing to stop."""
    stop = bed.run(
        0,
        [
            openmpi.python,
            "-m",
            "mpi_collector",
            "stop",
            "--results-dir",
            str(bed.share),
            "--spool-dir",
            "/proc",
        ],
    )
    assert stop.process.returncode == 2
    assert len(stop.err.splitlines()) == 1
