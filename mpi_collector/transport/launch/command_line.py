"""The command line of the collectors' own launch."""

from __future__ import annotations

import os
import re
import site
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpi_collector.errors import LauncherError
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch.find import FoundLauncher

#: what makes the remote side the same program, for launchers that do not hand on the whole environment
_EXPORTED = re.compile(
    r"PYTHON(PATH|HOME|USERBASE|NOUSERSITE)|LD_LIBRARY_PATH|(MPI4PY|MPI_COLLECTOR)_\w+"
)
_OWN = "MPI_COLLECTOR_OWN"  #: what is the collectors' alone, so that no snapshot takes it for the job's
#: spellings of one option
_SAME = {
    "n": "np", "ntasks": "np", "N": "nodes", "w": "nodelist", "f": "hostfile", "machinefile": "hostfile",
    "perhost": "ppn",
}  # fmt: skip


@dataclass(frozen=True)
class LaunchCommand:
    """What to run, and what to add to its environment."""

    argv: list[str]
    environ_additions: dict[str, str]


def build_launch_command(
    found: FoundLauncher,
    hosts: Sequence[HostSpec],
    argv: Sequence[str],
    mpi_params: Sequence[str],
    hostfile_path: Path,
    as_root: bool,
    ssh_args: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> LaunchCommand:
    """One rank of ``argv`` on every host. LauncherError when the launcher cannot start anything there.

    An option that is among ``mpi_params`` replaces ours: launchers refuse one that is given twice. ``ssh_args``:
    further arguments of the launcher's ssh, behind what the user's environment has of them.
    """
    profile = found.profile
    if why := found.incompatibility(hosts):
        raise LauncherError(why)
    added = {**profile.environ, **found.library.off_fabric, **_python_path(environ)}
    added.update(profile.as_root if as_root else {})
    if ssh_args and profile.ssh_variable:
        before = environ.get(profile.ssh_variable, "")
        added[profile.ssh_variable] = " ".join([*([before] if before else []), *ssh_args])
    added[_OWN] = ",".join(sorted(added))
    given = {_option(word) for word in mpi_params if word.startswith("-")}
    options = [
        option
        for option in (*profile.options, found.extra_options)
        if option and _option(option[0]) not in given
    ]
    fill = {"n": str(len(hosts)), "hostfile": str(hostfile_path.absolute())}
    words = [word.format(**fill) for option in options for word in option]
    handed_on = sorted(
        name for name in {**environ, **added} if profile.export and _EXPORTED.fullmatch(name)
    )
    words += [word.format(variable=name) for name in handed_on for word in profile.export]
    return LaunchCommand([found.path, *words, *mpi_params, *argv], added)


def _option(word: str) -> str:
    """One name for the spellings of an option: ``-np``, ``--np``, ``-n``, ``--nodes=4``."""
    name = word.lstrip("-").partition("=")[0]
    return _SAME.get(name, name)


def _python_path(environ: Mapping[str, str]) -> dict[str, str]:
    """PYTHONPATH under which ranks find this package where it is not installed but was started from its directory."""
    home = str(Path(__file__).resolve().parents[3])
    if home in {*site.getsitepackages(), site.getusersitepackages()}:
        return {}
    known = [part for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return {} if home in known else {"PYTHONPATH": os.pathsep.join([home, *known])}
