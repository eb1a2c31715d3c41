"""The hosts of an allocation, by the variables of schedulers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostkit import named, written

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts import HostSpec, from_scheduler


def test_schedulers(tmp_path: Path) -> None:
    """Every variable, what it was taken from, and which goes first."""
    nodes = str(written(tmp_path, "a\na\nb\n"))
    queues = str(tmp_path / "pe_hostfile")
    Path(queues).write_text("a 2 all.q@a UNDEFINED\nb 1 all.q@b UNDEFINED\n")
    cases: list[tuple[dict[str, str], list[HostSpec], str]] = [
        (
            {"SLURM_JOB_NODELIST": "n[1-2],login1"},
            named("n1", "n2", "login1"),
            "SLURM_JOB_NODELIST",
        ),
        ({"SLURM_NODELIST": "n[08-10]"}, named("n08", "n09", "n10"), "SLURM_NODELIST"),
        ({"PBS_NODEFILE": nodes}, named(("a", 2), "b"), "PBS_NODEFILE"),
        ({"LSB_HOSTS": "a a b"}, named(("a", 2), "b"), "LSB_HOSTS"),
        (
            {"LSB_MCPU_HOSTS": "a 2 b 1 ", "LSB_HOSTS": "x"},
            named(("a", 2), ("b", 1)),
            "LSB_MCPU_HOSTS",
        ),
        ({"PE_HOSTFILE": queues}, named(("a", 2), ("b", 1)), "PE_HOSTFILE"),
        ({"LSB_DJOB_HOSTFILE": nodes}, named(("a", 2), "b"), "LSB_DJOB_HOSTFILE"),
        ({"COBALT_NODEFILE": nodes}, named(("a", 2), "b"), "COBALT_NODEFILE"),
        ({"SLURM_JOB_NODELIST": "a", "PBS_NODEFILE": "/none"}, named("a"), "SLURM_JOB_NODELIST"),
        ({"SLURM_JOB_NODELIST": "", "PBS_NODEFILE": nodes}, named(("a", 2), "b"), "PBS_NODEFILE"),
    ]
    for environ, hosts, source in cases:
        assert from_scheduler(environ) == (hosts, source)
    assert from_scheduler({"PATH": "/bin"}) is None


@pytest.mark.parametrize(
    "environ",
    [{"PBS_NODEFILE": "/none/x"}, {"SLURM_JOB_NODELIST": "n[1-"}, {"LSB_MCPU_HOSTS": "a 2 b"}],
)
def test_scheduler_problems_name_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(HostsError, match=f"^{next(iter(environ))}"):
        from_scheduler(environ)
