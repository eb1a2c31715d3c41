"""Launchers: what they say of themselves, which one is taken, and that its command line really starts one rank a host."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.errors import LauncherError
from mpi_collector.transport.hosts import HostSpec, parse_hostfile
from mpi_collector.transport.launch import (
    LIBRARIES,
    PROFILES,
    FoundLauncher,
    Profile,
    build_launch_command,
    detect_launcher,
    hostfile_text,
    identify,
    library_of,
    with_user,
)

HYDRA = """HYDRA build details:
    Version:                                 {version}
    Release Date:                            Fri Sep 25 20:45:26 UTC 2026
    CC:                              cc
    Configure options:                       --with-device={device} --with-pm=hydra:gforker
"""
INTEL = "Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20260626 (id: b44796a)\nCopyright 2003-2026.\n"
SAYS = {  #: --version → profile, version
    "mpirun (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/community/help/\n": (
        "Open MPI 5",
        "5.0.11",
    ),
    "mpiexec (Open MPI) 5.0.3rc1\n": ("Open MPI 5", "5.0.3rc1"),
    "mpirun (Open MPI) 6.0.0a1\n": ("Open MPI 5", "6.0.0a1"),
    "mpirun (Open MPI) 10.1.0\n": ("Open MPI 5", "10.1.0"),
    "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n": (
        "Open MPI 4",
        "4.1.4",
    ),
    "mpirun.openmpi (OpenRTE) 4.1.4\n": ("Open MPI 4", "4.1.4"),
    "mpirun (Open MPI) 3.1.6\n": ("Open MPI 4", "3.1.6"),
    HYDRA.format(version="5.0.2", device="ch4:ucx,ofi"): ("MPICH", "5.0.2"),
    HYDRA.format(version="3.4a2", device="ch3:nemesis"): ("MPICH", "3.4a2"),
    INTEL: ("Intel MPI", "2021.18.1"),
    "Intel(R) MPI Library for Linux* OS, Version 2019 Update 9 Build 20200923\n": (
        "Intel MPI",
        "2019",
    ),
    "slurm 22.05.8\n": ("Slurm", "22.05.8"),
    "slurm-wlm 22.05.8\n": ("Slurm", "22.05.8"),
    "slurm 20.11.9\n": ("Slurm", "20.11.9"),
    "slurm 25.11.0-0rc1\n": ("Slurm", "25.11.0-0rc1"),
    "slurm 20.02.7\n": ("Slurm before 20.11", "20.02.7"),
    "slurm 19.05.5\n": ("Slurm before 20.11", "19.05.5"),
    "PALS version 1.2.12\n": ("PALS", "1.2.12"),
    "mpiexec (PALS) 1.4.0\n": ("PALS", "1.4.0"),
}
LIBRARY_TEXTS = {
    "Open MPI v5.0.11, package: Open MPI user@localhost Distribution, ident: 5.0.11": "pmix",
    "MPICH Version:      5.0.2\nMPICH Device:       ch4:ucx ofi\nMPICH configure:    --with-device=ch4:ucx,ofi": "pmi2",
    "Intel(R) MPI Library 2021.18.1 for Linux* OS": "pmi2",
    "MPI VERSION    : CRAY MPICH version 8.1.28.29 (ANL base 3.4a2)": "",
    "Something else 1.0": "",
}
BY_NAME = {profile.name: profile for profile in PROFILES}
TWO = [HostSpec("node1", 4), HostSpec("node2")]


# ---- recognising
@pytest.mark.parametrize("text", SAYS, ids=[" ".join(v) for v in SAYS.values()])
def test_versions(text: str) -> None:
    """Every launcher by its own words."""
    found = identify("/opt/x/bin/mpirun", text)
    assert found is not None
    assert (found.profile.name, found.version) == SAYS[text]
    assert found.version in found.explain()
    assert "/opt/x/bin/mpirun" in found.explain()


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_anything_may_be_said(text: str) -> None:
    """Whatever a program answers: a row, or none."""
    found = identify("/usr/bin/mpirun", text)
    assert found is None or found.version


@pytest.mark.parametrize(
    "text", ["", "mpirun: not found", "bash: slurmx", "GNU coreutils 9.1", "mpirun (Open MPI) 1.4"]
)
def test_strangers_are_not_taken_for_launchers(text: str) -> None:
    assert identify("/usr/bin/mpirun", text) is None


@pytest.mark.parametrize(
    ("text", "pmi"), LIBRARY_TEXTS.items(), ids=[t[:12] for t in LIBRARY_TEXTS]
)
def test_libraries(text: str, pmi: str) -> None:
    """The plugin that wires a library's ranks up, and TCP where that is known to work."""
    library = library_of(text)
    assert library.pmi == pmi
    assert ("tcp" in json.dumps(dict(library.off_fabric))) == bool(pmi)
    assert ("MPIR_CVAR_CH4_NETMOD" in library.off_fabric) == ("ofi" in text)
    assert library in LIBRARIES


def test_mpich_without_libfabric_is_left_its_network_module() -> None:
    assert (
        "MPIR_CVAR_CH4_NETMOD"
        not in library_of(HYDRA.format(version="4.2", device="ch4:ucx")).off_fabric
    )


# ---- finding
class Site:
    """A machine with launchers: {path: what it says to --version}."""

    def __init__(self, directory: Path, says: dict[str, str], plugins: str = "") -> None:
        self.directory, self.plugins, self.asked = directory, plugins, list[str]()
        self.says = {str(directory / path): text for path, text in says.items()}
        for path in self.says:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text("")
            Path(path).chmod(0o755)

    def which(self, name: str) -> str | None:
        path = str(self.directory / "path" / name)
        return path if path in self.says else None

    def run(self, argv: Sequence[str]) -> str:
        self.asked.append(argv[0])
        return self.plugins if "--mpi=list" in argv else self.says.get(argv[0], "")

    def find(self, mpi_bin: str | None = None, library: str = "", **environ: str) -> FoundLauncher:
        return detect_launcher(mpi_bin, environ, self.which, self.run, library)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """Make a Site whose Python is in ``own``."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
    return lambda says, plugins="": Site(tmp_path, says, plugins)


OMPI5, OMPI4, SLURM = "mpirun (Open MPI) 5.0.11\n", "mpirun (Open MPI) 4.1.4\n", "slurm 22.05.8\n"
MPICH = HYDRA.format(version="5.0.2", device="ch4:ofi")


def test_beside_this_python_goes_first(site: Callable[..., Site]) -> None:
    """The wheel's launcher, before PATH's, before srun."""
    here = site({"own/mpirun": OMPI5, "path/mpirun": OMPI4, "path/srun": SLURM})
    found = here.find(SLURM_JOB_ID="1")
    assert (found.profile.name, found.reason) == ("Open MPI 5", "beside this Python")
    assert len(here.asked) == 1


def test_path_goes_before_srun(site: Callable[..., Site]) -> None:
    found = site({"path/mpiexec": MPICH, "path/srun": SLURM}).find(SLURM_JOB_ID="1")
    assert (found.profile.name, found.reason) == ("MPICH", "on PATH")


def test_srun_only_inside_an_allocation(site: Callable[..., Site]) -> None:
    here = site({"path/srun": SLURM})
    assert here.find(SLURM_JOB_ID="1").profile.name == "Slurm"
    with pytest.raises(LauncherError, match="beside this Python or on PATH"):
        here.find()


def test_a_launcher_of_another_mpi_is_passed_over(site: Callable[..., Site]) -> None:
    """The first that can start what mpi4py is linked to; why not the others is said."""
    here = site({"path/mpirun": OMPI4, "path/mpiexec": MPICH, "path/srun": SLURM})
    found = here.find(library="MPICH Version:      4.2\nMPICH Device: ch4:ofi")
    assert found.path.endswith("path/mpiexec")
    assert "path/mpirun is Open MPI 4's, but mpi4py uses MPICH Version: 4.2" in found.explain()
    assert "\n" not in found.explain()
    assert here.find(library="CRAY MPICH version 8", SLURM_JOB_ID="1").profile.name == "MPICH"
    assert here.find(library="Fujitsu MPI 4", SLURM_JOB_ID="1").profile.name == "Slurm"
    with pytest.raises(
        LauncherError, match="Open MPI 4's, but mpi4py uses Fujitsu MPI 4.*--mpi-bin"
    ):
        here.find(library="Fujitsu MPI 4")


@pytest.mark.parametrize(
    ("abis", "remedy"), [(("mpich", "openmpi"), "MPI4PY_MPIABI=mpich"), ((), "")]
)
def test_an_mpi4py_of_several_mpis(
    site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, abis: tuple[str, ...], remedy: str
) -> None:
    """Where mpi4py has a module for the launcher's MPI, how to choose it; else nothing of the kind."""
    monkeypatch.setattr("mpi_collector.transport.launch.mpi_library.abis", lambda: abis)
    with pytest.raises(LauncherError) as e:
        site({"path/mpirun": MPICH}).find(library="Open MPI v5.0.11")
    assert remedy in str(e.value)
    assert ("MPI4PY" in str(e.value)) == bool(remedy)


def test_what_is_no_launcher_is_passed_over(site: Callable[..., Site]) -> None:
    """A broken mpirun beside a good one is not worth a word; alone it is."""
    here = site(
        {
            "own/mpirun": "mpirun: 109: mpiexec.hydra: not found\n",
            "own/mpiexec": INTEL,
            "own/mpiexec.hydra": INTEL,
        }
    )
    found = here.find()
    assert found.path.endswith("own/mpiexec.hydra")  # it needs nothing on PATH
    assert found.reason == "beside this Python"
    with pytest.raises(
        LauncherError, match=r"own/mpirun is not a known launcher, it says 'mpirun: 109"
    ):
        site(
            {
                "own/mpirun": "mpirun: 109: mpiexec.hydra: not found\n",
                "own/mpiexec": "",
                "own/mpiexec.hydra": "",
            }
        ).find()


def test_mpi_bin(site: Callable[..., Site], tmp_path: Path) -> None:
    """A program, a directory, the directory above its bin, a name on PATH; refused when mpi4py is linked to another MPI."""
    here = site(
        {"opt/bin/mpirun": OMPI4, "other/mpiexec": MPICH, "own/mpirun": OMPI5, "path/srun": SLURM}
    )
    for given_, name in (
        ("opt/bin/mpirun", "Open MPI 4"),
        ("opt/bin", "Open MPI 4"),
        ("opt", "Open MPI 4"),
        ("other", "MPICH"),
    ):
        found = here.find(
            str(tmp_path / given_),
            library="Open MPI v4.1.4" if "opt" in given_ else "Intel(R) MPI Library",
        )
        with pytest.raises(LauncherError, match=f"is {name}'s, but mpi4py uses Fujitsu MPI"):
            here.find(str(tmp_path / given_), library="Fujitsu MPI 4")
        assert (found.profile.name, found.reason) == (name, "from --mpi-bin")
    assert here.find("srun").profile.name == "Slurm"
    for wrong in (str(tmp_path / "none"), str(tmp_path / "path" / "none"), "none"):
        with pytest.raises(LauncherError, match=f"--mpi-bin {wrong}"):
            here.find(wrong)


def test_srun_is_told_how_to_wire_up(site: Callable[..., Site]) -> None:
    """With the site's default, Open MPI and MPICH would start as N singletons, or not at all."""
    here = site(
        {"path/srun": SLURM}, "MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix\nspecific: pmix_v4\n"
    )
    texts = list(LIBRARY_TEXTS)
    assert here.find(library=texts[0], SLURM_JOB_ID="1").extra_options == ("--mpi=pmix",)
    assert here.find(library=texts[1], SLURM_JOB_ID="1").extra_options == ("--mpi=pmi2",)
    assert here.find(library=texts[3], SLURM_JOB_ID="1").extra_options == ()
    assert (
        here.find(library=texts[0], SLURM_JOB_ID="1", SLURM_MPI_TYPE="openmpi").extra_options == ()
    )
    assert (
        site({"path/srun": SLURM}, "MPI plugin types are...\n\tnone\n")
        .find(library=texts[0], SLURM_JOB_ID="1")
        .extra_options
        == ()
    )


def test_a_launcher_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--version of something that never ends."""
    monkeypatch.setattr("mpi_collector.transport.launch.find.ANSWER_S", 0.3)
    program = tmp_path / "mpirun"
    program.write_text("#!/bin/sh\nsleep 20 & wait\n")
    program.chmod(0o755)
    with pytest.raises(LauncherError, match="is not a known launcher"):
        detect_launcher(str(program), {}, library="x")


# ---- command lines
def plan(name: str, *params: str, hosts: Sequence[HostSpec] = TWO, root: bool = False, words: tuple[str, ...] = (),
         **environ: str) -> list[str]:  # fmt: skip
    """The words between the launcher and ``/abs/python``."""
    found = FoundLauncher(BY_NAME[name], "/bin/launcher", "1", "", extra_options=words)
    launch = build_launch_command(
        found, hosts, ["/abs/python", "x"], list(params), Path("/tmp/H"), root, environ=environ
    )
    assert launch.argv[0] == "/bin/launcher"
    assert launch.argv[-2:] == ["/abs/python", "x"]
    return launch.argv[1:-2]


def additions(
    name: str, text: str = "", root: bool = False, ssh: Sequence[str] = (), **environ: str
) -> dict[str, str]:
    found = FoundLauncher(BY_NAME[name], "/bin/launcher", "1", "", library_of(text))
    return build_launch_command(
        found, TWO, ["p"], [], Path("/tmp/H"), root, ssh, environ
    ).environ_additions


def test_open_mpi() -> None:
    """No binding, one rank a node; the variables that make the ranks the same program are exported, others are not."""
    base = ["--bind-to", "none", "--map-by", "ppr:1:node", "--hostfile", "/tmp/H", "-np", "2"]
    for name, more in (("Open MPI 5", []), ("Open MPI 4", ["--enable-recovery"])):
        words = plan(
            name,
            "--mca",
            "btl_tcp_if_include",
            "eth0",
            PYTHONPATH=os.getcwd(),
            HOME="/",
            MPI4PY_LIBMPI="x",
            SECRET="x",
        )
        exported = [
            w for name in ("MPI4PY_LIBMPI", "MPI_COLLECTOR_OWN", "PYTHONPATH") for w in ("-x", name)
        ]
        assert words == [*base, *more, *exported, "--mca", "btl_tcp_if_include", "eth0"]
        assert additions(name)["SLURM_OVERLAP"] == "1"
        assert "OMPI_ALLOW_RUN_AS_ROOT" not in additions(name)
        assert {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"} < set(
            additions(name, root=True)
        )
        assert additions(name, OMPI5)["OMPI_MCA_btl"] == "tcp,self"


def test_hydra() -> None:
    """The environment goes along by itself; nothing is pinned."""
    base = ["-f", "/tmp/H", "-ppn", "1", "-np", "2", "-disable-auto-cleanup"]
    assert plan("Intel MPI", PYTHONPATH="/x") == base
    assert plan("MPICH", "-iface", "eth0") == [*base, "-bind-to", "none", "-iface", "eth0"]
    assert additions("Intel MPI", INTEL)["I_MPI_PIN"] == "0"
    assert additions("Intel MPI", INTEL)["I_MPI_OFI_PROVIDER"] == "tcp"
    assert additions("MPICH", MPICH)["MPIR_CVAR_CH4_NETMOD"] == "ofi"


def test_slurm() -> None:
    """Beside the job's own step, with none of its cores, memory and GPUs."""
    words = plan("Slurm", words=("--mpi=pmix",))
    assert {"--overlap", "--ntasks-per-node=1", "--mem=0", "--gres=none", "--cpu-bind=none", "--input=0", "--unbuffered",
            "--nodes=2", "--ntasks=2", "--nodelist=/tmp/H", "--mpi=pmix"} < set(words)  # fmt: skip
    assert not {"--overlap", "--gres=none"} & set(plan("Slurm before 20.11"))
    assert additions("Slurm")["SLURM_LABELIO"] == "0"


def test_pals() -> None:
    words = plan("PALS")
    assert words[:8] == ["-n", "2", "--ppn", "1", "--hostfile", "/tmp/H", "--cpu-bind", "none"]


@pytest.mark.parametrize(
    ("name", "params", "gone"),
    [
        ("Open MPI 5", ["--map-by", "ppr:2:node"], ["ppr:1:node"]),
        ("Open MPI 5", ["-map-by", "slot", "-n", "7"], ["ppr:1:node", "-np"]),
        ("Open MPI 4", ["--bind-to", "core"], ["none"]),
        ("MPICH", ["-ppn", "2", "-bind-to", "core"], ["1", "none"]),
        ("Slurm", ["--mem=1G", "-N", "3"], ["--mem=0", "--nodes=2"]),
        ("Slurm", ["--mpi=openmpi"], ["--mpi=pmix"]),
    ],
)
def test_a_users_option_replaces_ours(name: str, params: list[str], gone: list[str]) -> None:
    """mpirun and mpiexec refuse an option that is given twice."""
    words = plan(name, *params, words=("--mpi=pmix",) if name == "Slurm" else ())
    assert words[-len(params) :] == params
    assert not set(gone) & set(words)


def test_ssh_arguments_go_behind_the_users_own() -> None:
    for name, variable in (("Open MPI 5", "PRTE_MCA_plm_ssh_args"), ("Open MPI 4", "OMPI_MCA_plm_rsh_args"),
                           ("MPICH", "HYDRA_LAUNCHER_EXTRA_ARGS"),
                           ("Intel MPI", "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS")):  # fmt: skip
        assert additions(name, ssh=["-l", "bob"])[variable] == "-l bob"
        assert (
            additions(name, ssh=["-l", "bob"], **{variable: "-F cfg"})[variable] == "-F cfg -l bob"
        )
        assert variable not in additions(name)
    assert additions("Slurm", ssh=["-l", "bob"]) == additions("Slurm")


def test_a_package_that_is_not_installed_is_found_by_the_ranks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PYTHONPATH begins with the directory that holds this package, unless that is a site directory or is in it already."""
    import mpi_collector

    home = str(Path(mpi_collector.__file__).resolve().parents[1])
    monkeypatch.setattr("site.getsitepackages", lambda: ["/elsewhere"])
    assert additions("MPICH", PYTHONPATH="/a")["PYTHONPATH"] == f"{home}:/a"
    assert additions("MPICH")["PYTHONPATH"] == home
    assert "PYTHONPATH" not in additions("MPICH", PYTHONPATH=f"/a:{home}")
    monkeypatch.setattr("site.getsitepackages", lambda: [home])
    assert "PYTHONPATH" not in additions("MPICH", PYTHONPATH="/a")


def test_names_alike_before_the_first_dot() -> None:
    """Open MPI would take them for one host."""
    for name, variable in (("Open MPI 5", "PRTE_MCA_prte_keep_fqdn_hostnames"),
                           ("Open MPI 4", "OMPI_MCA_orte_keep_fqdn_hostnames")):  # fmt: skip
        found = FoundLauncher(BY_NAME[name], "/bin/launcher", "1", "")
        for hosts, kept in (
            (("w.1", "w.2"), True),
            (("W.1", "w"), True),
            (("v.1", "w.1"), False),
            (("10.0.0.1", "10.0.0.2"), False),
        ):
            specs = [HostSpec(host) for host in hosts]
            launch = build_launch_command(found, specs, ["p"], [], Path("/H"), False, (), {})
            assert (launch.environ.get(variable) == "1") == kept
    assert "KEEP_FQDN" not in str(additions("MPICH")).upper()


# ---- host files
@pytest.mark.parametrize("profile", PROFILES, ids=[p.name for p in PROFILES])
def test_hostfiles_are_read_back(profile: Profile, tmp_path: Path) -> None:
    """What is written for a launcher means the same hosts to us."""
    text = hostfile_text(profile, TWO)
    path = tmp_path / "H"
    path.write_text(text)
    assert [h.name for h in parse_hostfile(path)] == ["node1", "node2"]
    assert text.count("\n") == 2


def test_ipv6_hosts(tmp_path: Path) -> None:
    """Open MPI and Intel MPI take literals; MPICH would make host 2001 of 2001:db8::1, so it is never asked to."""
    hosts = [HostSpec("2001:db8::1", 4), HostSpec("node2", 2)]
    assert hostfile_text(BY_NAME["Open MPI 5"], hosts) == "2001:db8::1 slots=4\nnode2 slots=2\n"
    assert hostfile_text(BY_NAME["Intel MPI"], hosts) == "2001:db8::1\nnode2:2\n"
    for name in ("MPICH", "Slurm", "PALS"):
        with pytest.raises(LauncherError, match=r"does not accept an IPv6 address.*2001:db8::1"):
            hostfile_text(BY_NAME[name], hosts)
        with pytest.raises(LauncherError, match="does not accept an IPv6"):
            plan(name, hosts=hosts)


def test_users_and_ports_of_hosts(tmp_path: Path) -> None:
    """In the words of each launcher; one that has none for them, and uses ssh, is not asked."""
    hosts = [HostSpec("node1", 4, user="bob", port=2222), HostSpec("node2", 2)]
    line = "node1 slots=4 username=bob port=2222\nnode2 slots=2\n"
    for name in ("Open MPI 5", "Open MPI 4"):
        assert hostfile_text(BY_NAME[name], hosts) == line
    assert hostfile_text(BY_NAME["Slurm"], hosts) == "node1\nnode2\n"
    with pytest.raises(LauncherError, match="MPICH cannot be told the port of a host .node1."):
        hostfile_text(BY_NAME["MPICH"], hosts)
    assert hostfile_text(BY_NAME["MPICH"], [HostSpec("a", user="bob")]) == "a:1 user=bob\n"
    with pytest.raises(LauncherError, match="Intel MPI cannot be told the user"):
        hostfile_text(BY_NAME["Intel MPI"], hosts)


def test_a_user_for_all_hosts_hides_none_of_their_own() -> None:
    assert with_user(TWO, None) == (TWO, [])
    assert with_user(TWO, "bob") == (TWO, ["-l", "bob"])
    hosts = [HostSpec("a", user="eve"), HostSpec("b")]
    assert with_user(hosts, "bob") == ([hosts[0], HostSpec("b", user="bob")], [])


# ---- the real ones
MPIS = {
    "OPENMPI": "Open MPI 5",
    "MPICH": "MPICH",
    "OPENMPI4": "Open MPI 4",
    "INTELMPI": "Intel MPI",
}
REMOTE_SHELL = """#!/bin/sh
while :; do case "$1" in -o|-l|-p|-F) shift 2;; -*) shift;; *) break;; esac; done
echo "$1" >>"$0.hosts"
shift
exec env -i PATH="$PATH" HOME="$HOME" TMPDIR="$(mktemp -d "$0.tmp.XXXX")" /bin/sh -c "$*"
"""
RANK = """
import os, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
cpus = world.allgather(len(os.sched_getaffinity(0)))
line = [world.rank, world.size, min(cpus), os.environ.get("PYTHONPATH", ""), os.environ.get("OMPI_MCA_btl", "")]
lines = world.gather(line)
if world.rank == 0:
    import json
    print(json.dumps(lines), flush=True)
"""
PRINT = 'echo "$OMPI_COMM_WORLD_RANK$PMI_RANK $MPI_COLLECTOR_X $UNRELATED"'


def real(name: str) -> str:
    """The Python of an MPI, or the test is skipped."""
    variable = f"MPI_COLLECTOR_TEST_{name}_PYTHON"
    python = os.environ.get(variable, sys.executable if name == "OPENMPI" else "")
    launcher = (
        shutil.which("mpirun.openmpi")
        if name == "OPENMPI4"
        else python and str(Path(python).parent / "mpirun")
    )
    if not (python and launcher and os.access(python, os.X_OK) and os.access(launcher, os.X_OK)):
        pytest.skip(f"{variable} does not name a Python with its launcher")
    return python


@pytest.fixture(params=MPIS)
def launcher(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, FoundLauncher]:
    """(python, its launcher), found as a program under that Python would find it."""
    python = real(request.param)
    for variable in [
        v for v in os.environ if v.startswith(("OMPI_", "PMIX_", "PRTE_", "PMI_", "HYDRA_"))
    ]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(sys, "executable", python)
    if request.param == "INTELMPI":  # mpi4py's wheel does not look for it beside Python by itself
        monkeypatch.setenv("MPI4PY_LIBMPI", str(Path(python).parents[1] / "lib" / "libmpi.so.12"))
    found = detect_launcher("mpirun.openmpi" if request.param == "OPENMPI4" else None)
    assert found.profile.name == MPIS[request.param]
    assert found.library.pmi
    return python, found


def started(found: FoundLauncher, hosts: list[HostSpec], argv: list[str], params: list[str], directory: Path,
            **environ: str) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Write the host file, run the plan, bounded."""
    hostfile = directory / "H"
    hostfile.write_text(hostfile_text(found.profile, hosts))
    full = {**os.environ, **environ}
    launch = build_launch_command(
        found, hosts, argv, params, hostfile, os.getuid() == 0, environ=full
    )
    return subprocess.run(launch.argv, env={**full, **launch.environ_additions}, cwd=directory, capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL)  # fmt: skip


def test_real_ranks(launcher: tuple[str, FoundLauncher], tmp_path: Path) -> None:
    """Two MPI ranks on this host: one world, no binding, the environment is there, TCP is asked for."""
    python, found = launcher
    two = [
        "-np",
        "2",
        *(["--map-by", "ppr:2:node"] if "Open" in found.profile.name else ["-ppn", "2"]),
    ]
    done = started(
        found,
        [HostSpec(socket.gethostname(), 2)],
        [python, "-c", RANK],
        two,
        tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)
    assert [line[:2] for line in lines] == [[0, 2], [1, 2]]
    assert all(line[2] == len(os.sched_getaffinity(0)) for line in lines)
    assert all(str(tmp_path) in line[3].split(":") for line in lines)
    assert {line[4] for line in lines} == {"tcp,self" if "Open" in found.profile.name else ""}


@pytest.mark.flaky(
    reruns=2
)  # three Open MPI daemons on one machine, which is not made for it: one in some hundred never ends
def test_real_remote_hosts(launcher: tuple[str, FoundLauncher], tmp_path: Path) -> None:
    """One rank on each of three hosts, reached by what stands in for ssh: arguments, host names and environment arrive."""
    _, found = launcher
    shell = tmp_path / "rsh"
    shell.write_text(REMOTE_SHELL)
    shell.chmod(shell.stat().st_mode | stat.S_IXUSR)
    agent = {"Open MPI 5": ["--prtemca", "plm_ssh_agent"], "Open MPI 4": ["--mca", "plm_rsh_agent"],
             "MPICH": ["-launcher-exec"], "Intel MPI": ["-bootstrap-exec"]}[found.profile.name]  # fmt: skip
    hosts = [
        HostSpec("far1", 4),
        HostSpec("far2"),
        HostSpec("far3", 2),
    ]  # Open MPI 4 cuts domains off
    done = started(
        found,
        hosts,
        ["/bin/sh", "-c", PRINT],
        [*agent, str(shell)],
        tmp_path,
        MPI_COLLECTOR_X="x y;z",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "0 x y;z ", "1 x y;z ", "2 x y;z "]
    assert sorted((tmp_path / "rsh.hosts").read_text().split()) == ["far1", "far2", "far3"]
