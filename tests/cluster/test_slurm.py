"""Slurm for real: slurmctld on node3, slurmd on node1 and node2, ``srun python -m mpi_collector`` and the life cycle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed, Job, Mpi, hosts, missing_for_bed, poll
from mpis import need_mpi
from worlds import OF_MPICH, PYTHON, SUITES, need_world

import mpi_collector

_CONF = """\
ClusterName=bed
SlurmctldHost=node3
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={state}
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
SlurmctldPort=27817
SlurmdPort=27818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
NodeName=node[1-2] CPUs=2 RealMemory=1000
PartitionName=p Nodes=node[1-2] Default=YES State=UP
"""
_PROGRAMS = ("usr/sbin/slurmctld", "usr/sbin/slurmd", "usr/bin/srun", "usr/bin/salloc")


class Slurm:
    """A cluster of two nodes; commands run on node3."""

    def __init__(self, bed: Bed, mpi: Mpi, environ: dict[str, str]) -> None:
        self.bed = bed
        self.mpi = mpi
        self._environ = environ
        home = bed.directory("slurm")
        (home / "state").mkdir()
        self.conf = home / "slurm.conf"
        self.conf.write_text(_CONF.format(state=home / "state"))
        (home / "cgroup.conf").write_text("CgroupAutomount=no\n")
        for host in (1, 2):
            bed.run(host, ["mkdir", "-p", "/tmp/slurmd"])
            # slurmd wants to see some cgroup version; this looks like the older one, and nothing uses it
            bed.run(host, ["sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/systemd && "
                           "mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd"])  # fmt: skip
        for host, daemon in ((3, "slurmctld"), (1, "slurmd"), (2, "slurmd")):
            bed.start(host, [f"/usr/sbin/{daemon}", "-D"], SLURM_CONF=str(self.conf))
        poll("both nodes idle", 40, self._both_idle)

    def _both_idle(self) -> bool:
        said = self.run(["sinfo", "-h", "-N", "-o", "%n %t"]).out.decode()
        return sorted(said.split("\n")[:-1]) == ["node1 idle", "node2 idle"]

    def run(self, argv: list[str], seconds: float = 90) -> Job:
        return self.bed.run(3, argv, seconds, SLURM_CONF=str(self.conf), **self._environ)

    def start(self, argv: list[str]) -> Job:
        return self.bed.start(3, argv, SLURM_CONF=str(self.conf), **self._environ)


@pytest.fixture(scope="module", params=["this Debian", *SUITES])
def slurm(request: pytest.FixtureRequest) -> Iterator[Slurm]:
    """On hosts of its own: whatever is not a test's is killed after it on the others."""
    if missing := missing_for_bed():
        pytest.skip(missing)
    suite = request.param
    root = Path("/") if suite == "this Debian" else need_world(suite)
    if absent := [p for p in _PROGRAMS if not (root / p).exists()]:
        pytest.skip(f"no {', '.join(absent)} in {root} (Debian's slurmctld, slurmd, slurm-client)")
    if suite == "this Debian":
        mpi = need_mpi("mpich")
        with hosts(3, [mpi.python], plain_shells=True) as bed:
            yield Slurm(bed, mpi, {})
        return
    mpi = Mpi("mpich", PYTHON, "/usr/bin/mpiexec.mpich")
    with hosts(3, plain_shells=True, roots=dict.fromkeys((1, 2, 3), root)) as bed:
        yield Slurm(bed, mpi, OF_MPICH)


def test_srun_starts_the_ranks(slurm: Slurm) -> None:
    """``srun --ntasks-per-node=1 python -m mpi_collector``: both nodes on one grid; stdout is not ours."""
    results = slurm.bed.directory("srun")
    words = ["srun", "--mpi=pmi2", "-N2", "--ntasks-per-node=1", slurm.mpi.python, "-m", "mpi_collector",
             "--timeseries-interval", "0.1", "--duration", "2", "--results-dir", str(results)]  # fmt: skip
    job = slurm.run(words)
    assert job.process.returncode == 0, job.err
    assert job.out == b""
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2"]
        assert run.run["verdict"]["ticks"] >= 36
        assert run.run["collection_method"] == "mpi"
    assert not slurm.bed.spools(1)
    assert not slurm.bed.spools(2)


def test_a_command_under_srun(slurm: Slurm) -> None:
    """COMMAND on rank 0 sees none of the step's variables that would make it a rank; its exit code is srun's."""
    results = slurm.bed.directory("srun")
    words = ["srun", "--mpi=pmi2", "-N2", "--ntasks-per-node=1", slurm.mpi.python, "-m", "mpi_collector",
             "--timeseries-interval", "0.1", "--results-dir", str(results), "--", "sh", "-c", "env | grep ^PMI_; sleep 1; exit 7"]  # fmt: skip
    job = slurm.run(words)
    assert job.process.returncode == 7, job.err
    assert job.out == b""
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2"]
        assert run.run["command_exit_code"] == 7


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_the_life_cycle_inside_an_allocation(slurm: Slurm, launcher: str) -> None:
    """Hosts from the allocation, collectors beside a job that uses all of it, the job's own step untouched."""
    results = slurm.bed.directory("salloc")
    inside = [slurm.mpi.python, "-m", "mpi_collector", "training", "run", "--timeseries-interval", "0.1", "--mpi-bin",
              launcher if launcher == "srun" else slurm.mpi.mpirun, "--results-dir", str(results),
              "--", "srun", "-N2", "-n4", "sh", "-c", "sleep 3; hostname; exit 3"]  # fmt: skip
    job = slurm.run(["salloc", "-N2", "-n4", *inside])
    assert job.process.returncode == 3, job.err
    assert sorted(job.out.decode().split()) == ["node1", "node1", "node2", "node2"]
    assert "transport: mpi" in job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2"]
        assert run.run["verdict"]["ticks"] >= 40
    document = json.loads(next(Path(results).glob("training_*_timeseries.json")).read_text())
    assert document["hosts_requested"] == ["node1", "node2"]
    metadata = json.loads(next(Path(results).glob("training_*_metadata.json")).read_text())
    assert metadata["launch_environment"]["SLURM_JOB_NODELIST"] == "node[1-2]"
    assert metadata["num_processes"] == 4


def test_a_host_of_the_allocation_without_our_interpreter(slurm: Slurm) -> None:
    """Found by a step before the collectors' own: a warning, the other one recorded, the job runs."""
    results = slurm.bed.directory("salloc")
    inside = [slurm.mpi.python, "-m", "mpi_collector", "training", "run", "--timeseries-interval", "0.1", "--mpi-bin", "srun",
              "--results-dir", str(results), "--", "srun", "-N2", "-n2", "sh", "-c", "sleep 1; exit 3"]  # fmt: skip
    if slurm.mpi.python == PYTHON:
        pytest.skip("this interpreter is one without which a host is none")
    folder = str(Path(slurm.mpi.python).parent)
    slurm.bed.script("exec", "2", "mount", "-t", "tmpfs", "none", folder)
    try:
        job = slurm.run(["salloc", "-N2", "-n4", *inside])
    finally:
        slurm.bed.script("exec", "2", "umount", folder)
    assert job.process.returncode == 3, job.err
    assert "warning: node2 is not recorded: " in job.err
    assert "recording 1 host every 0.1 s (mpi)" in job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1"]
        assert list(run.run["hosts_partial"]) == ["node2"]


def test_scancel_in_the_middle(slurm: Slurm) -> None:
    """SIGTERM to everybody, SIGKILL 30 s later: the files are written in between."""
    results = slurm.bed.directory("scancel")
    words = ["srun", "--mpi=pmi2", "-J", "cancelled", "-N2", "--ntasks-per-node=1", slurm.mpi.python, "-m", "mpi_collector",
             "--timeseries-interval", "0.1", "--results-dir", str(results)]  # fmt: skip
    job = slurm.start(words)
    job.recording()
    time.sleep(1)
    slurm.run(["scancel", "--name", "cancelled"])
    job.finish(40)
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2"]
        assert run.run["ended_by"] == "signal SIGTERM"
    poll("nobody left", 10, lambda: not slurm.bed.all_ranks())
