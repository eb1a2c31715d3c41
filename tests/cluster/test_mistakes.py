"""What goes wrong is said once, by one rank, and costs the job nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from bed import Bed, Job, Mpi

import mpi_collector

_FAILING = Path(__file__).parent / "failing.py"


def check_refused(bed: Bed, job: Job, *said: str) -> None:
    """Exit code 2, exactly one line of ours with ``said`` in it, no traceback, nothing left on any host."""
    assert job.process.returncode == 2, job.err
    assert len(job.ours) == 1, job.err
    assert job.ours[0].startswith("mpi_collector: ")
    for words in said:
        assert words in job.ours[0]
    assert "Traceback" not in job.err
    assert job.out == b""
    assert not bed.all_ranks()
    assert not any(bed.spools(k) for k in (1, 2, 3))


def test_ranks_of_another_launcher(bed: Bed, openmpi: Mpi, mpich: Mpi) -> None:
    """An mpi4py that belongs to another MPI than the mpirun: one line that names both and the remedy, both ways round."""
    for launcher, python in ((openmpi, mpich.python), (mpich, openmpi.python)):
        directory = bed.share / f"wrong-{launcher.name}"
        argv = launcher.collect(3, bed.hostfile(launcher, (1, 2, 3)), "--duration", "5", "--results-dir", str(directory),
                                python=python)  # fmt: skip
        check_refused(bed, bed.run(0, argv), "Open MPI", "MPICH", "own mpirun")
        assert not directory.exists()


def test_argument_error(bed: Bed, mpi: Mpi) -> None:
    """A mistake on the command line is reported by one of three ranks."""
    argv = mpi.collect(3, bed.hostfile(mpi, (1, 2, 3)), "--timeseries-interval", "often")
    check_refused(bed, bed.run(0, argv), "--timeseries-interval", "often", "--help")


def test_help_is_printed_once(bed: Bed, openmpi: Mpi) -> None:
    """--help of three ranks is one help, on stdout, and no mistake."""
    job = bed.run(0, openmpi.collect(3, bed.hostfile(openmpi, (1, 2, 3)), "collect", "--help"))
    assert job.process.returncode == 0, job.err
    assert job.out.count(b"usage:") == 1


def test_results_directory_that_cannot_be_written(bed: Bed, mpi: Mpi) -> None:
    """Known before anything starts: one line with the remedy, COMMAND is not run."""
    witness = bed.share / f"ran-{mpi.name}"
    words = ["--results-dir", "/sys/results", "--", "touch", str(witness)]
    job = bed.run(0, mpi.collect(3, bed.hostfile(mpi, (1, 2, 3)), *words))
    check_refused(bed, job, "/sys/results", "--results-dir")
    assert not witness.exists()


def run_failing(bed: Bed, mpi: Mpi, directory: Path, host: str, what: str) -> Job:
    """Three hosts, one with a recorder that fails, around a COMMAND that exits 5."""
    options = [
        "--timeseries-interval",
        "0.1",
        "--results-dir",
        str(directory),
        "--gather-timeout",
        "5",
    ]
    command = ["--", "sh", "-c", "sleep 1; echo ran; exit 5"]
    return bed.run(
        0, mpi.ranks(3, bed.hostfile(mpi, (1, 2, 3)), str(_FAILING), host, what, *options, *command)
    )


@pytest.mark.parametrize("method", ["prepare", "start", "stop", "pack"])
def test_recorder_that_fails(bed: Bed, mpich: Mpi, method: str) -> None:
    """One host's recorder fails at some step: a warning names it, the others are complete, COMMAND and its exit code unharmed."""
    directory = bed.directory("failing")
    job = run_failing(bed, mpich, directory, "node2", method)
    assert job.process.returncode == 5, job.err
    assert job.out == b"ran\n"
    assert any("warning: node2" in line and "made to fail" in line for line in job.ours), job.err
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["node1", "node3"]
        assert recording.run["verdict"]["verdict"] == "partial"
        assert recording.run["hosts_requested"] == ["node1", "node2", "node3"]
        assert "made to fail" in recording.run["hosts_partial"]["node2"]
        assert all(host.tick[-1] == -1 and len(host) >= 5 for host in recording.values())


@pytest.mark.parametrize("method", ["prepare", "pack"])
def test_root_that_fails(bed: Bed, wheel_mpi: Mpi, method: str) -> None:
    """Rank 0's own recorder fails: loud, but COMMAND runs all the same, and its stdout and exit code are unharmed."""
    directory = bed.directory("failing")
    job = run_failing(bed, wheel_mpi, directory, "node1", method)
    assert job.process.returncode == 5, job.err
    assert job.out == b"ran\n"
    assert any(
        "warning: the recording failed: RuntimeError: made to fail" in line for line in job.ours
    ), job.err
    assert list(directory.iterdir()) == []
    assert not bed.all_ranks()
    if method == "pack":
        assert bed.spools(2)


def test_sampling_that_dies(bed: Bed, mpich: Mpi) -> None:
    """A sampling thread that dies in the middle: what it sampled is kept, and the recording says that it is partial."""
    directory = bed.directory("dying")
    job = run_failing(bed, mpich, directory, "node2", "tick5")
    assert job.process.returncode == 5, job.err
    with mpi_collector.load(directory) as recording:
        assert recording.run["verdict"]["verdict"] == "partial"
        assert "made to fail" in recording.run["hosts_partial"]["node2"]
        assert recording["node2"].tick.tolist() == [0, 1, 2, 3, 4]
        assert len(recording["node1"]) > 6


def test_strict(bed: Bed, mpich: Mpi) -> None:
    """--strict makes an incomplete recording exit code 3 when COMMAND succeeded, and leaves its own failure alone."""
    for code, expected in ((0, 3), (4, 4)):
        words = [
            str(_FAILING),
            "node2",
            "prepare",
            "--strict",
            "--results-dir",
            str(bed.directory("strict")),
        ]
        argv = mpich.ranks(2, bed.hostfile(mpich, (1, 2)), *words, "--", "sh", "-c", f"exit {code}")
        job = bed.run(0, argv)
        assert job.process.returncode == expected, job.err
