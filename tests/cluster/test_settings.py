"""Settings of launchers in the user's environment, on real launches: those of the job stay the job's."""

from __future__ import annotations

import re

import pytest
from bed import Bed, Mpi

import mpi_collector

#: {variable: {MPI: value}} that keep a launch of that MPI from starting on these hosts
WRONG_WAYS = {
    "openmpi": {"PRTE_MCA_prte_if_include": "ib0"},
    "openmpi4": {"OMPI_MCA_oob_tcp_if_include": "ib0"},
    "mpich": {"HYDRA_IFACE": "ib0"},
}
CAUSE = {
    "openmpi": "No network interfaces",
    "openmpi4": "ib0",
    "mpich": "unable to find interface ib0",
}


def training(bed: Bed, mpi: Mpi, *command: str) -> tuple[str, ...]:
    results = bed.directory("results")
    return (mpi.python, "-m", "mpi_collector", "training", "run", "--hosts", "node[1-2]", "--mpi-bin", mpi.mpirun,
            "--timeseries-interval", "0.2", "--verbose", "--results-dir", str(results), "--", *command)  # fmt: skip


def test_bounds_of_the_job(bed: Bed, mpi: Mpi) -> None:
    """A time limit and a prefix of lines for the job's launch: ours runs on, and COMMAND has both."""
    words = training(bed, mpi, "sh", "-c", "sleep 3; echo $MPIEXEC_TIMEOUT $HYDRA_HOST_FILE")
    job = bed.run(0, words, MPIEXEC_TIMEOUT="1", HYDRA_HOST_FILE="/nonexistent")
    assert job.process.returncode == 0, job.err
    assert job.out == b"1 /nonexistent\n"
    assert re.search(r"left to the job: .*MPIEXEC_TIMEOUT \(ends the launch", job.err)
    with mpi_collector.load(words[words.index("--results-dir") + 1]) as run:
        assert run.run["verdict"]["verdict"] == "complete", job.err
        assert sorted(run) == ["node1", "node2"]


def test_a_way_that_these_hosts_lack(bed: Bed, mpi: Mpi) -> None:
    """An interface that is not there: the line that names it, and a second launch without the setting."""
    words = training(
        bed,
        mpi,
        "sh",
        "-c",
        "echo $PRTE_MCA_prte_if_include$OMPI_MCA_oob_tcp_if_include$HYDRA_IFACE",
    )
    job = bed.run(0, words, **WRONG_WAYS[mpi.name])
    assert job.process.returncode == 0, job.err
    assert job.out == b"ib0\n"
    (name,) = WRONG_WAYS[mpi.name]
    said = re.search(r"the launch of the collectors failed: (.*); once more without (.*)", job.err)
    assert said, job.err
    assert CAUSE[mpi.name] in said[1]
    assert name in said[2]
    assert "transport: ssh" not in job.err
    with mpi_collector.load(words[words.index("--results-dir") + 1]) as run:
        assert run.run["verdict"]["verdict"] == "complete", job.err
        assert sorted(run) == ["node1", "node2"]


@pytest.mark.parametrize("name", ["TMPDIR", "OMPI_MCA_btl_tcp_if_include"])
def test_settings_of_the_jobs_ranks(bed: Bed, openmpi: Mpi, name: str) -> None:
    """A scratch directory and an interface that the hosts lack."""
    words = training(bed, openmpi, "true")
    job = bed.run(0, words, **{name: {"TMPDIR": "/proc/none"}.get(name, "ib0")})
    assert job.process.returncode == 0, job.err
    assert "transport: ssh" not in job.err
    with mpi_collector.load(words[words.index("--results-dir") + 1]) as run:
        assert sorted(run) == ["node1", "node2"], job.err
