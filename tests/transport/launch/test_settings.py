"""Which of a user's variables a launch of ours gets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mpi_collector.launchers import (
    FAMILIES,
    INTEL_MPI,
    MPICH,
    OPEN_MPI,
    PALS,
    SLURM,
    LauncherFamily,
)
from mpi_collector.node.host.snapshot.environment import OWN_VARIABLE
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch import (
    LIBRARIES,
    PROFILES,
    FoundLauncher,
    Profile,
    build_launch_command,
)
from mpi_collector.transport.launch.settings import RULES, settings_of

JOB: dict[LauncherFamily, tuple[str, ...]] = {
    OPEN_MPI: ("MPIEXEC_TIMEOUT", "OMPI_MCA_orte_output_filename", "PRTE_MCA_prte_tag_output", "OMPI_MCA_rmaps_base_mapping_policy",
               "PRTE_MCA_rmaps_default_mapping_policy", "OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_rmaps_base_n_pernode",
               "PRTE_MCA_hwloc_default_cpu_list", "OMPI_MCA_orte_default_hostfile", "OMPI_MCA_mpi_show_mca_params",
               "OMPI_MCA_orte_startup_timeout", "OMPI_MCA_orte_rankfile", "OMPI_MCA_orte_xml_output"),
    MPICH: ("MPIEXEC_TIMEOUT", "MPIEXEC_TIMEOUT_SIGNAL", "MPIEXEC_PREFIX_DEFAULT", "HYDRA_BINDING", "HYDRA_HOST_FILE", "HYDRA_ENV",
            "HYDRA_DEBUG", "HYDRA_USE_VALGRIND"),
    INTEL_MPI: ("I_MPI_JOB_TIMEOUT", "I_MPI_MPIEXEC_TIMEOUT", "I_MPI_PERHOST", "I_MPI_PIN_DOMAIN", "I_MPI_GTOOL", "MPIEXEC_TIMEOUT",
                "I_MPI_DEBUG", "I_MPI_HYDRA_HOST_FILE", "I_MPI_OUTPUT_CHUNK_SIZE"),
    SLURM: ("SLURM_TIMELIMIT", "SLURM_STDOUTMODE", "SLURM_CPU_BIND", "SLURM_MEM_PER_CPU", "SRUN_CPUS_PER_TASK", "SLURM_GPUS_PER_NODE",
            "SLURM_NTASKS_PER_NODE", "SLURM_TRES_PER_TASK", "SLURM_DISTRIBUTION", "SLURM_HINT", "SLURM_TASK_PROLOG"),
    PALS: ("PALS_PPN", "PALS_CPU_BIND", "PALS_HOSTFILE", "PALS_TIMEOUT"),
}  # fmt: skip
REACH: dict[LauncherFamily, tuple[str, ...]] = {
    OPEN_MPI: ("OMPI_MCA_btl_tcp_if_include", "PRTE_MCA_prte_if_include", "PMIX_MCA_ptl_tcp_if_include", "OMPI_MCA_plm_rsh_agent",
               "PRTE_MCA_plm_ssh_args", "OMPI_MCA_oob_tcp_static_ipv4_ports", "TMPDIR", "OMPI_MCA_pml", "UCX_NET_DEVICES", "OPAL_PREFIX",
               "OMPI_MCA_orte_keep_fqdn_hostnames", "OMPI_MCA_orte_tmpdir_base"),
    MPICH: ("HYDRA_IFACE", "HYDRA_LAUNCHER", "HYDRA_LAUNCHER_EXTRA_ARGS", "MPIEXEC_PORT_RANGE", "MPIR_CVAR_CH4_NETMOD", "FI_PROVIDER"),
    INTEL_MPI: ("I_MPI_HYDRA_IFACE", "I_MPI_HYDRA_BOOTSTRAP", "I_MPI_FABRICS", "I_MPI_OFI_PROVIDER", "FI_TCP_IFACE"),
    SLURM: ("SLURM_MPI_TYPE", "SLURM_NETWORK", "OMPI_MCA_btl"),
    PALS: ("PALS_PMI", "FI_CXI_DEFAULT_CQ_SIZE"),
}  # fmt: skip
KEPT: dict[LauncherFamily, tuple[str, ...]] = {
    OPEN_MPI: ("OMPI_MCA_coll_tuned_use_dynamic_rules", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_MCA_mca_base_component_path"),
    MPICH: ("MPIR_CVAR_ENABLE_HCOLL", "MPICH_MAX_THREAD_SAFETY"),
    INTEL_MPI: ("I_MPI_ADJUST_ALLREDUCE", "I_MPI_ROOT"),
    SLURM: ("MPICH_GPU_SUPPORT_ENABLED",),
    PALS: ("MPICH_OFI_NIC_POLICY",),
}  # fmt: skip
OTHERS = ("PATH", "HOME", "LD_LIBRARY_PATH", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_CONF", "SLURM_TASKS_PER_NODE", "PYTHONPATH",
          "OMP_NUM_THREADS", "DISPLAY", "MPI4PY_LIBMPI", "MPI_COLLECTOR_X")  # fmt: skip


@pytest.mark.parametrize("family", JOB, ids=lambda f: f.name)
def test_classes(family: LauncherFamily) -> None:
    """What the job is bounded, placed and printed by is left to it; what tells the way is named; the rest is handed on."""
    given = dict.fromkeys((*JOB[family], *REACH[family], *KEPT[family], *OTHERS), "x")
    found = settings_of(given, family)
    assert set(found.withheld) == set(JOB[family])
    assert set(found.reach) == set(REACH[family])
    assert set(found.kept) == set(KEPT[family])
    assert set(found.environ(given)) == set(given) - set(JOB[family])
    assert set(found.environ(given, with_reach=False)) == {*KEPT[family], *OTHERS}
    said = found.describe()
    assert all(name in said for name in (*JOB[family], *REACH[family], *KEPT[family]))
    assert all(reason for reason in found.withheld.values())


def test_every_family_has_rules() -> None:
    assert set(RULES) == set(FAMILIES)
    for rules in RULES.values():
        for rule in (*rules.job, *rules.reach):
            assert re.compile(rule.pattern)
            assert rule.reason


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
@pytest.mark.parametrize("as_root", [False, True])
def test_what_we_need_is_in_our_launch_only(
    profile: Profile, as_root: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's environment is this process's, which a launch of ours leaves as it was; what we add is listed in it."""
    monkeypatch.setenv("FI_PROVIDER", "verbs")
    monkeypatch.setenv("OMPI_MCA_pml", "ucx")
    before = dict(os.environ)
    hosts = [HostSpec("w.1"), HostSpec("w.2")]
    for library in LIBRARIES:
        found = FoundLauncher(profile, "/bin/mpirun", "5", "", library)
        launch = build_launch_command(found, hosts, ["p"], [], Path("/H"), as_root, ["-l", "bob"])
        assert dict(os.environ) == before
        added = {k for k, v in launch.environ.items() if before.get(k) != v}
        assert added == {k for k, v in launch.environ_additions.items() if before.get(k) != v}
        listed = launch.environ_additions[OWN_VARIABLE].split(",")
        assert set(listed) == set(launch.environ_additions) - {OWN_VARIABLE}
        for name, value in library.off_fabric.items():
            assert launch.environ[name] == value


def test_nothing_set() -> None:
    assert settings_of({"PATH": "/bin"}, OPEN_MPI).describe() == ""


def test_launches() -> None:
    """The environment of a launch, and of a second attempt; our own choices are in both."""
    profile = next(p for p in PROFILES if p.name == "MPICH")
    found = FoundLauncher(profile, "/bin/mpiexec", "4", "")
    environ = {
        "PATH": "/bin",
        "MPIEXEC_TIMEOUT": "5",
        "HYDRA_IFACE": "ib0",
        "HYDRA_LAUNCHER_EXTRA_ARGS": "-v",
    }
    launch = build_launch_command(
        found, [HostSpec("a")], ["p"], [], Path("/H"), False, ["-l", "bob"], environ
    )
    assert "MPIEXEC_TIMEOUT" not in launch.environ
    assert launch.environ["HYDRA_IFACE"] == "ib0"
    assert launch.environ["HYDRA_LAUNCHER_EXTRA_ARGS"] == "-v -l bob"
    assert launch.retry is not None
    assert "HYDRA_IFACE" not in launch.retry.environ
    assert launch.retry.environ["HYDRA_LAUNCHER_EXTRA_ARGS"] == "-l bob"
    assert launch.retry.retry is None
    assert launch.retry.environ["SLURM_OVERLAP"] == launch.environ["SLURM_OVERLAP"] == "1"
    plain = build_launch_command(
        found, [HostSpec("a")], ["p"], [], Path("/H"), False, (), {"PATH": "/bin"}
    )
    assert plain.retry is None
