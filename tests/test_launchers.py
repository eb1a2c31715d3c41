"""The table of launchers: from its rows derive the names that other modules look for."""

from __future__ import annotations

import pytest

from mpi_collector import launchers
from mpi_collector.transport.launch import PROFILES
from mpi_collector.transport.launch.detect import Launch, detect


def test_names_derive_from_the_rows() -> None:
    """What a user calls, what may be above a rank, and what is topmost on another host."""
    assert {"mpirun", "mpiexec.hydra", "srun", "aprun", "jsrun"} <= launchers.PROGRAMS
    assert {"prted", "orted", "hydra_pmi_proxy", "slurmstepd", "palsd"} <= launchers.PROCESS_NAMES
    assert {"prted", "orted", "hydra_pmi_proxy"} == launchers.REMOTE_DAEMONS
    assert launchers.PROGRAMS < launchers.PROCESS_NAMES
    assert set(launchers.INSTALLED_PROGRAMS) <= launchers.PROGRAMS
    assert {profile.family for profile in PROFILES} < set(launchers.FAMILIES)


@pytest.mark.parametrize(
    "family", [f for f in launchers.FAMILIES if f.rank_variable], ids=lambda f: f.name
)
def test_a_rank_knows_its_launcher(family: launchers.LauncherFamily) -> None:
    """By the variables of the row, all of which must be set."""
    variables = {family.rank_variable: "1", family.size_variable: "4"}
    if family.required_variable:
        variables[family.required_variable] = "7"
    assert detect(variables) == Launch(family.name, 1, 4, family.libraries, family.abi)
    for name in (family.rank_variable, family.size_variable):
        assert detect({k: v for k, v in variables.items() if k != name}) is None


@pytest.mark.parametrize(
    "family", [f for f in launchers.FAMILIES if f.rank_variable], ids=lambda f: f.name
)
def test_a_rank_knows_whether_its_host_is_the_only_one(family: launchers.LauncherFamily) -> None:
    """By the ranks of this host, or the number of hosts; where neither is said it is not assumed."""
    variables = {family.rank_variable: "1", family.size_variable: "4", "": "4"}
    if family.required_variable:
        variables[family.required_variable] = "7"

    def alone(**more: str) -> bool:
        launch = detect({**variables, **more})
        assert launch is not None
        return launch.one_host

    assert not alone()
    if name := family.local_size_variable:
        assert alone(**{name: "4"})
        assert not alone(**{name: "2"}) and not alone(**{name: "x"})
    if name := family.hosts_variable:
        assert alone(**{name: "1"})
        assert not alone(**{name: "2"})


def test_a_batch_script_is_not_a_rank() -> None:
    """Slurm sets rank and size in a batch script too; only a step has a number."""
    assert detect({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) is None
    assert detect({}) is None
