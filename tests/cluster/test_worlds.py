"""Hosts with another Debian than the launch node: newer and older Python, Open MPI, MPICH and OpenSSH.

Their roots are made by scripts/world, once, which ``scripts/test --all`` does. node1 has the machine's own root.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bed import REPOSITORY, Bed, Job, Process, hosts, missing_for_bed, poll
from worlds import OF_MPICH, PYTHON, SUITES, need_world

import mpi_collector

#: the interfaces of fake hosts are unlike those that Open MPI 6 pairs by itself
_INTERFACE = {"OMPI_MCA_btl_tcp_if_include": "eth0"}
LAUNCHERS = {
    "mpirun.openmpi": {**_INTERFACE, "PYTHONPATH": str(REPOSITORY)},
    "mpiexec.mpich": OF_MPICH,
}


def agents(bed: Bed, host: int) -> list[Process]:
    return [p for p in bed.processes(host) if any("sys.exit(1)" in w for w in p.words) and p.alive]


@dataclass
class Other:
    """node2 and node3 have the root of ``suite``."""

    bed: Bed
    suite: str
    root: Path

    def run(self, host: int, *words: str, **env: str) -> Job:
        """Run the program on a host by the Python there; 0 and 1: this one."""
        python = PYTHON if host > 1 else sys.executable
        env = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "300", **env}
        return self.bed.run(host, [python, "-m", "mpi_collector", *words], **env)

    def recording(self, host: int, verb: str, *words: str, **env: str) -> Path:
        """Record around a job of a second, which must be complete on all hosts; the results."""
        results = self.bed.directory("results")
        words = (verb, "run", "--timeseries-interval", "0.2", "--results-dir", str(results), *words)
        job = self.run(host, *words, "--", "sh", "-c", "sleep 1; echo ran", **env)
        assert job.process.returncode == 0, job.err
        assert job.out.startswith(b"ran\n")
        assert "verdict: complete" in job.err, job.err
        assert "warning" not in job.err, job.err
        return results


@pytest.fixture(scope="module", params=SUITES)
def other(request: pytest.FixtureRequest) -> Iterator[Other]:
    if missing := missing_for_bed():
        pytest.skip(missing)
    root = need_world(request.param)
    with hosts(3, [sys.executable], plain_shells=True, roots={2: root, 3: root}) as bed:
        yield Other(bed, request.param, root)


def test_check(other: Other) -> None:
    """From here: the hosts' own versions, and that there is no Python of ours for ranks."""
    job = other.run(0, "check", "--hosts", "node[1-3]", "--json")
    assert job.process.returncode == 0, job.err + job.out.decode()
    found = json.loads(job.out)["hosts"]
    version = subprocess.run(
        ["chroot", str(other.root), PYTHON, "-V"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert {h["python"] for k, h in found.items() if k != "node1"} == {version}
    assert all(
        "install the same environment" in found[k]["ranks_error"] for k in ("node2", "node3")
    )


def test_agents_there(other: Other) -> None:
    """Over ssh from this Debian to the other one."""
    results = other.recording(0, "kvcache", "--hosts", "node[1-3]", "--transport", "ssh")
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]


def test_launch_node_there(other: Other) -> None:
    """Over ssh from the other Debian to this one, with the numpy of its packages; read here."""
    results = other.recording(2, "kvcache", "--hosts", "node[1-3]", "--transport", "ssh")
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]
    assert other.run(2, "summary", str(results)).process.returncode == 0


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ranks_there(other: Other, launcher: str) -> None:
    """A run over each MPI of the other Debian, and what ``check`` says of it before."""
    env = LAUNCHERS[launcher]
    if "/opt/mpi4py" in env["PYTHONPATH"] and not (other.root / "opt/mpi4py").is_dir():
        pytest.skip(f"no wheel of mpi4py for the Python of {other.suite}")
    words = ("--hosts", "node[2-3]", "--transport", "mpi", "--mpi-bin", f"/usr/bin/{launcher}")
    job = other.run(2, "check", *words, "--json", **env)
    assert job.process.returncode == 0, job.err + job.out.decode()
    ranks = [host["ranks"] for host in json.loads(job.out)["hosts"].values()]
    assert ranks[0] == ranks[1]
    assert ("Open MPI" in ranks[0]["MPI"]) == (launcher == "mpirun.openmpi")
    results = other.recording(2, "training", *words, **env)
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node2", "node3"]


def test_demo_job_there(other: Other) -> None:
    """The job of scripts/demo under ``collect`` with the packages of the other Debian."""
    results = other.bed.directory("results")
    job = other.run(
        3, "collect", "--timeseries-interval", "0.5", "--results-dir", str(results), "--",
        PYTHON, str(REPOSITORY / "scripts" / "demo_job.py"),
    )  # fmt: skip
    assert job.process.returncode == 0, job.err
    assert "verdict: complete" in job.err
    assert "phase 3: idle" in job.out.decode()


@pytest.mark.parametrize("launch_host", [0, 2])
def test_recover_across(other: Other, launch_host: int) -> None:
    """Launcher and agents die; the spools are recovered from the other kind of host."""
    bed = other.bed
    python = PYTHON if launch_host else sys.executable
    env = {"PYTHONPATH": str(REPOSITORY), "MPI_COLLECTOR_ORPHAN_S": "1"}
    results, recovered = bed.directory("results"), bed.directory("recovered")
    words = ["kvcache", "run", "--hosts", "node[1-3]", "--transport", "ssh", "--timeseries-interval", "0.1",
             "--results-dir", str(results), "--", "sleep", "60"]  # fmt: skip
    job = bed.start(launch_host, [python, "-m", "mpi_collector", *words], **env)
    run = job.recording()
    time.sleep(1)
    job.kill()
    poll("no agent left", 30, lambda: not any(agents(bed, k) for k in (1, 2, 3)))
    done = other.run(2 - launch_host, "recover", run, "--hosts", "node[1-3]", "--transport", "ssh",
                     "--results-dir", str(recovered))  # fmt: skip
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(recovered) as found:
        assert sorted(found) == ["node1", "node2", "node3"]
        assert all(len(found[host]) for host in found)
    assert not any(bed.spools(k) for k in (1, 2, 3))


def test_a_python_without_packages(other: Other) -> None:
    """The newest Python of the other Debian, which has no numpy, for an agent."""
    newest = max(other.root.glob("usr/bin/python3.??"), key=lambda p: int(p.name.split(".")[1]))
    if newest.name == (other.root / "usr/bin/python3").resolve().name:
        pytest.skip(f"{newest.name} is the only Python of {other.suite}")
    link = ["exec", "3", "ln", "-sfn"]
    other.bed.script(*link, newest.name, "/usr/bin/python3")
    try:
        results = other.recording(0, "kvcache", "--hosts", "node[1-3]", "--transport", "ssh")
        job = other.run(0, "check", "--hosts", "node3", "--transport", "ssh", "--json")
    finally:
        before = (other.root / "usr/bin/python3").readlink()
        other.bed.script(*link, str(before), "/usr/bin/python3")
    assert json.loads(job.out)["hosts"]["node3"]["python"].startswith(newest.name[6:] + ".")
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]
