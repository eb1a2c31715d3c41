"""The life cycle of a benchmark run on the launch node: collectors beside the job, files whatever happened."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.collect import Collection, CollectPlan
from mpi_collector.benchmark.console import RunConsole, listed
from mpi_collector.benchmark.unrecorded import run_unrecorded
from mpi_collector.errors import TransportError, UnusableHostsError
from mpi_collector.node.host.identity import identity, same_host_key
from mpi_collector.output.files import release
from mpi_collector.transport.base import Transport
from mpi_collector.transport.hosts import HostSpec, find_aliases, mark_local, resolve_all

BENCHMARKS = {
    "training": "training",
    "checkpointing": "checkpointing",
    "kvcache": "kv_cache",
    "vectordb": "vector_database",
}  #: verb → the suite's name in files
_MPI_BENCHMARKS = ("training", "checkpointing")
_ALLOCATIONS = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
)  #: where launchers start their daemons without ssh


@dataclass
class LifecyclePlan(CollectPlan):
    """What a benchmark verb was asked for. ``hosts`` empty: this host."""

    hosts: list[HostSpec] = field(default_factory=list)
    hosts_from: str = "this host"
    transport: str = "auto"
    transport_why: str = "asked for"  #: unless it is auto
    mpi_bin: str | None = None
    mpi_params: list[str] = field(default_factory=list)
    ssh_username: str | None = None
    ssh_fanout: int = 8
    ssh_timeout_s: float = 30.0
    usable_first: bool = True

    def __post_init__(self) -> None:
        self.hosts = mark_local(self.hosts)


@dataclass(frozen=True)
class Choice:
    """A transport and why it was chosen. ``launcher`` is set for MPI."""

    transport: str
    reason: str
    launcher: Any = None


def choose(plan: LifecyclePlan, verb: str, find_launcher: Callable[[], Any]) -> Choice:
    """The transport of a run. TransportError when the one that was asked for cannot be had."""
    local = [h for h in plan.hosts if h.is_local]
    asked = plan.transport
    if asked == "local" or (asked == "auto" and len(local) == len(plan.hosts)):
        if len(local) < len(plan.hosts):
            raise TransportError("--transport local, but other hosts than this one are named")
        return Choice("local", "asked for" if asked == "local" else "only this host is named")
    if asked == "ssh":
        return Choice("ssh", plan.transport_why)
    if asked == "auto" and verb not in _MPI_BENCHMARKS:
        return Choice("ssh", f"{verb} is no MPI job")
    try:
        found = find_launcher()
    except Exception as e:
        if asked == "mpi" or plan.mpi_bin:  # a mistake on the command line, not a site without MPI
            raise TransportError(
                f"{'--transport mpi' if asked == 'mpi' else '--mpi-bin'}: {e}"
            ) from e
        return Choice("ssh", f"no working MPI: {e}")
    incompatible = found.incompatibility(plan.hosts)
    if incompatible and asked == "mpi":
        raise TransportError(f"--transport mpi: {incompatible}")
    if incompatible:
        return Choice("ssh", f"{found.explain()}, but {incompatible}")
    reason = "asked for" if asked == "mpi" else f"{verb} is an MPI job"
    return Choice("mpi", f"{reason}; {found.explain()}", found)


class Lifecycle:
    """One ``run`` of a benchmark verb."""

    def __init__(self, plan: LifecyclePlan, verb: str, console: RunConsole) -> None:
        self.plan = plan
        self.verb = verb
        self.console = console
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def run(self, choice: Choice) -> int:
        """The exit code for the user: COMMAND's, unless something was wrong before it started."""
        while True:
            self.console.info(f"transport: {choice.transport} ({choice.reason})")
            try:
                return self._recorded(choice)
            except TransportError as e:
                self.console.warn(f"warning: {e}")
                if (
                    isinstance(e, UnusableHostsError)
                    or choice.transport != "mpi"
                    or self.plan.transport != "auto"
                ):
                    break
                choice = Choice("ssh", "over MPI nothing came up")
        if self.plan.strict:
            self.console.warn("the job was not started (--strict)")
            return 2
        self.console.warn("the job runs unrecorded")
        return run_unrecorded(self.plan.command, self.console.warn)

    def _recorded(self, choice: Choice) -> int:
        """TransportError when nothing could be started."""
        self.collection = collection = Collection(self.plan, None, self.console)
        collection.reserve()
        try:
            return collection.record(lambda: self._transport(choice, collection))
        except TransportError:
            release(collection.files)
            raise
        finally:
            if self._temporary is not None:
                self._temporary.cleanup()

    def _transport(self, choice: Choice, collection: Collection) -> Transport:
        options, run = self.plan.sampling, collection.run
        if choice.transport == "local":
            from mpi_collector.benchmark.suite_recorder import (
                SuiteRecorder,  # numpy: not for --help
            )
            from mpi_collector.transport.ranks.coordinator import Coordinator

            names = {identity()["hostname"]: self.plan.hosts[0].name} if self.plan.hosts else {}
            return Coordinator(options, run, None, names, SuiteRecorder)
        if choice.transport == "ssh":
            from mpi_collector.transport.ssh import SshCoordinator

            plan = self.plan
            return SshCoordinator(
                options,
                run,
                plan.hosts,
                plan.ssh_username,
                plan.ssh_fanout,
                plan.ssh_timeout_s,
                self.console.progress,
            )
        return self._over_mpi(choice, collection)

    def _over_mpi(self, choice: Choice, collection: Collection) -> Transport:
        from mpi_collector.transport.launch.control_client import ControlClient

        collection.unusable, collection.aliases = unusable(self.plan, choice, self.console.progress)
        hosts = [
            h
            for h in self.plan.hosts
            if h.name not in {**collection.unusable, **collection.aliases}
        ]
        if not hosts:
            raise TransportError(f"no host is left: {listed(collection.unusable)}")
        self._temporary = tempfile.TemporaryDirectory(prefix="mpi_collector-")
        argv, environ = ranks_launch(self.plan, choice, hosts, self._temporary.name)
        self.console.debug(f"collectors: {shlex.join(argv)}")
        return ControlClient(self.plan.sampling, collection.run, argv, known_names(hosts), environ)


def unusable(
    plan: LifecyclePlan, choice: Choice, progress: Callable[[str, int, int], None]
) -> tuple[dict[str, str], dict[str, str]]:
    """({host: what keeps a rank of ours from starting there}, {further name of a host: its first}), before a launch.

    One broken host would fail the whole launch, and so does one that is named twice.
    """
    from mpi_collector.transport.launch.preflight import (
        check_by_launcher,
        check_program,
        check_ranks,
    )

    if not choice.launcher.profile.ssh_variable:  # it reaches hosts that nobody may log in to
        with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
            argv, environ = ranks_launch(plan, choice, plan.hosts, directory, check_program())
            argv = [
                word for word in argv if word != "--unbuffered"
            ]  # whole lines of one task after the other
            names = known_names(plan.hosts)
            return check_by_launcher(
                argv, environ, names, plan.hosts, plan.sampling.start_timeout_s
            ).problems, {}
    checked = to_check(plan, choice)
    found = check_ranks(checked, plan.ssh_username, plan.ssh_fanout, plan.ssh_timeout_s, progress)
    own = " ".join(map(str, same_host_key(identity())))
    known = [
        (host.name, found.identities.get(host.name, own))
        for host in (plan.hosts if checked else [])
        if host.name not in found.problems
    ]
    return found.problems, find_aliases((name, who) for name, who in known if who)


def to_check(plan: LifecyclePlan, choice: Choice) -> list[HostSpec]:
    """The hosts that ``unusable`` looks at over ssh."""
    if not choice.launcher.profile.ssh_variable or any(v in os.environ for v in _ALLOCATIONS):
        return []
    return [h for h in plan.hosts if not h.is_local]


def ranks_launch(
    plan: LifecyclePlan,
    choice: Choice,
    hosts: Sequence[HostSpec],
    directory: str,
    argv: Sequence[str] = (),
) -> tuple[list[str], dict[str, str]]:
    """(words, environment) of the launch of one rank, or ``argv``, on each host; its host file goes into ``directory``."""
    from mpi_collector.transport.launch import build_launch_command, hostfile_text

    hostfile = Path(directory) / "hosts"
    hostfile.write_text(hostfile_text(choice.launcher.profile, hosts))
    argv = argv or [sys.executable, "-m", "mpi_collector", "collect", "--bridge"]
    user = ["-l", plan.ssh_username] if plan.ssh_username else []
    launch = build_launch_command(
        choice.launcher, hosts, argv, plan.mpi_params, hostfile, os.getuid() == 0, ssh_args=user
    )
    return launch.argv, {**os.environ, **launch.environ_additions}


def known_names(hosts: Sequence[HostSpec]) -> dict[str, str]:
    """{any name or address of a host: the name it was asked for by}, as far as this host can resolve it."""
    out: dict[str, str] = {}
    for host in hosts:
        out[host.name] = host.name
        out.setdefault(host.name.split(".")[0], host.name)
    for name, addresses in resolve_all([h.name for h in hosts]).items():
        for address in addresses:
            out.setdefault(address, name)
    return out
