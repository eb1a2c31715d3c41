"""COMMAND under a launcher: another mpirun, its exit code, its output, its death."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from bed import Bed, Job, Mpi
from mpis import MPIS, need_mpi

import mpi_collector

_INNER = Path(__file__).parent / "inner.py"
_PRINTED = b"node1 node2 node3\n" + bytes(range(256)) + b"no newline at the end"


def collect(bed: Bed, mpi: Mpi, directory: Path, command: Sequence[str], *words: str) -> Job:
    """Record three hosts around COMMAND, given by file: Open MPI 5 takes its own options out of arguments behind ``--`` too."""
    path = bed.share / "command"
    path.write_text(shlex.join(command) + "\n")
    options = [
        "--timeseries-interval",
        "0.2",
        "--results-dir",
        str(directory),
        *words,
        "--command-file",
        str(path),
    ]
    return bed.run(0, mpi.collect(3, bed.hostfile(mpi, (1, 2, 3)), *options))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [*((name, name) for name in MPIS), ("openmpi", "mpich"), ("mpich", "openmpi")],
)
def test_command_is_another_mpirun(bed: Bed, outer: str, inner: str) -> None:
    """A nested mpirun on the same hosts: its ranks run there, its exit code 7 is ours, every byte of its stdout arrives."""
    around, within = need_mpi(outer), need_mpi(inner)
    directory = bed.directory("nested")
    command = within.ranks(3, bed.hostfile(within, (1, 2, 3)), str(_INNER))
    job = collect(bed, around, directory, command)
    assert job.process.returncode == 7, job.err
    assert job.out == _PRINTED
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["node1", "node2", "node3"]
        assert recording.run["ended_by"] == "command"
        assert recording.run["command"] == command
        assert recording.run["command_exit_code"] == 7
        assert all(len(host) >= 2 for host in recording.values())


def test_command_behind_dashes(bed: Bed, mpich: Mpi) -> None:
    """With a launcher that leaves arguments alone a nested mpirun needs no file."""
    directory = bed.directory("dashes")
    hostfile = bed.hostfile(mpich, (1, 2, 3))
    words = ["--results-dir", str(directory), "--", *mpich.ranks(3, hostfile, str(_INNER))]
    job = bed.run(0, mpich.collect(3, hostfile, *words))
    assert job.process.returncode == 7, job.err
    assert job.out == _PRINTED


def test_command_killed_by_a_signal(bed: Bed, openmpi: Mpi) -> None:
    """128 + n, and the recording is complete."""
    directory = bed.directory("killed")
    job = collect(bed, openmpi, directory, ["sh", "-c", "sleep 0.5; kill -9 $$"])
    assert job.process.returncode == 137, job.err
    with mpi_collector.load(directory) as recording:
        assert recording.run["command_exit_code"] == 137
        assert recording.run["verdict"]["hosts"] == 3
