"""The command line by which this program launches its collectors as MPI ranks."""

from __future__ import annotations

import os
import re
import site
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpi_collector.errors import LauncherError
from mpi_collector.node.host.snapshot.environment import OWN_VARIABLE
from mpi_collector.transport.hosts import HostSpec, is_address
from mpi_collector.transport.launch.find import FoundLauncher
from mpi_collector.transport.launch.settings import Settings, settings_of
from mpi_collector.transport.own_python import PACKAGE_HOME

#: variables that decide which Python, libraries and settings the ranks use; exported by name where
#: a launcher does not pass on the whole environment
_EXPORTED = re.compile(
    r"PYTHON(PATH|HOME|USERBASE|NOUSERSITE)|LD_LIBRARY_PATH|(MPI4PY|MPI_COLLECTOR)_\w+"
)
#: further ones, where a launcher passes the whole environment on
_PASSED_ON = ("LD_PRELOAD",)
#: {other spelling of an option: spelling by which options are compared}
_SAME_OPTION = {
    "n": "np",
    "ntasks": "np",
    "N": "nodes",
    "w": "nodelist",
    "f": "hostfile",
    "machinefile": "hostfile",
    "perhost": "ppn",
}


@dataclass(frozen=True)
class LaunchCommand:
    """A launch.

    environ_additions: variables that we add to the user's. environ: the whole environment.
    settings: the user's own for the launcher. retry: the same launch without those of them that
    tell how hosts are reached; None if there are none.
    """

    argv: list[str]
    environ_additions: dict[str, str]
    environ: dict[str, str]
    settings: Settings
    retry: LaunchCommand | None = None


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
    """Return the launch of one rank of ``argv`` on each host. Raise LauncherError if impossible.

    mpi_params: the user's own options; one of them replaces the same option of ours, since
    launchers refuse an option that is given twice. hostfile_path: the caller writes this file, with
    ``profiles.hostfile_text``. as_root: this user is root, which some launchers must be told.
    ssh_args: arguments of the launcher's ssh, added to those in the user's environment. environ:
    that of this process; of the user's settings for the launcher those of the job are left out.
    """
    if why := found.incompatibility(hosts):
        raise LauncherError(why)
    settings = settings_of(environ, found.profile.family)
    fill = {"n": str(len(hosts)), "hostfile": str(hostfile_path.absolute())}
    given = {_option_name(word) for word in mpi_params if word.startswith("-")}
    words = [
        word.format(**fill)
        for option in (*found.profile.options, found.extra_options)
        if option and _option_name(option[0]) not in given
        for word in option
    ]
    retry: LaunchCommand | None = None
    for with_reach in (False, True) if settings.reach else (True,):
        handed = settings.environ(environ, with_reach)
        added = _additions(found, hosts, as_root, ssh_args, handed)
        export = found.profile.export_option
        exported = [name for name in {**handed, **added} if export and _EXPORTED.fullmatch(name)]
        exports = [word.format(variable=name) for name in sorted(exported) for word in export]
        full = [found.path, *words, *exports, *mpi_params, *argv]
        retry = LaunchCommand(full, added, {**handed, **added}, settings, retry)
    assert retry is not None
    return retry


def rank_variables(found: FoundLauncher, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the ranks that decide which Python, modules and libraries they use.

    environ: that of this process. A launcher adds its own libraries to the place where the loader
    looks.
    """
    full = {**environ, **_python_path(environ)}
    own = Path(found.path).parents[1]
    places = [
        *full.get("LD_LIBRARY_PATH", "").split(os.pathsep),
        *(str(own / name) for name in ("lib", "lib64") if own != Path("/usr")),
    ]
    chosen = {name: value for name, value in full.items() if _EXPORTED.fullmatch(name)}
    if not found.profile.export_option:
        chosen |= {name: full[name] for name in _PASSED_ON if name in full}
    return {**chosen, "LD_LIBRARY_PATH": os.pathsep.join(place for place in places if place)}


def with_user(hosts: Sequence[HostSpec], user: str | None) -> tuple[list[HostSpec], list[str]]:
    """Return the hosts and the ssh arguments of a launch as ``user``, None: ssh's own choice.

    ssh takes the first of two users, so that one argument for all hosts would hide those that the
    host file names.
    """
    if user is None or all(host.user is None for host in hosts):
        return list(hosts), ["-l", user] if user else []
    return [replace(host, user=host.user or user) for host in hosts], []


def _additions(
    found: FoundLauncher,
    hosts: Sequence[HostSpec],
    as_root: bool,
    ssh_args: Sequence[str],
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables to add; OWN_VARIABLE lists them, so that snapshots leave them out."""
    profile = found.profile
    added = {**profile.environ, **found.library.off_fabric, **_python_path(environ)}
    labels = {host.name.partition(".")[0].lower() for host in hosts if not is_address(host.name)}
    if len(labels) < sum(not is_address(host.name) for host in hosts):
        added.update(profile.keep_domains)
    if as_root:
        added.update(profile.environ_as_root)
    if ssh_args and profile.ssh_variable:
        before = environ.get(profile.ssh_variable, "")
        added[profile.ssh_variable] = " ".join([*([before] if before else []), *ssh_args])
    added[OWN_VARIABLE] = ",".join(sorted(added))
    return added


def _option_name(word: str) -> str:
    """Return one name for all spellings of an option: ``-np``, ``--np``, ``-n``, ``--nodes=4``."""
    name = word.lstrip("-").partition("=")[0]
    return _SAME_OPTION.get(name, name)


def _python_path(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the PYTHONPATH by which ranks find this package, {} if they find it anyway."""
    if PACKAGE_HOME in {*site.getsitepackages(), site.getusersitepackages()}:
        return {}
    known = [part for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return {} if PACKAGE_HOME in known else {"PYTHONPATH": os.pathsep.join([PACKAGE_HOME, *known])}
