"""Which transport records a run, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.errors import TransportError

if TYPE_CHECKING:
    from mpi_collector.transport.launch.find import FoundLauncher

_MPI_BENCHMARKS = ("training", "checkpointing")


@dataclass(frozen=True)
class Choice:
    """A transport and why it was chosen."""

    transport: str
    reason: str
    found: FoundLauncher | None = None  #: of MPI

    @property
    def launcher(self) -> FoundLauncher:
        """The launcher; RuntimeError for a transport without one."""
        if self.found is None:
            raise RuntimeError(f"transport {self.transport} has no launcher")
        return self.found


def choose(plan: LifecyclePlan, verb: str, find_launcher: Callable[[], FoundLauncher]) -> Choice:
    """Choose the transport of a run; TransportError when the requested one is not available."""
    all_here = all(h.is_local for h in plan.hosts)
    asked = plan.transport
    if asked == "local" and not all_here:
        raise TransportError("--transport local records this host only, but others are named")
    if asked == "local":
        return Choice("local", "asked for")
    if asked == "auto" and all_here:
        return Choice("local", "only this host is named")
    if asked == "ssh":
        return Choice("ssh", plan.transport_why)
    if asked == "auto" and verb not in _MPI_BENCHMARKS:
        return Choice("ssh", f"{verb} is not an MPI job")
    return _choose_mpi(plan, verb, find_launcher)


def _choose_mpi(
    plan: LifecyclePlan, verb: str, find_launcher: Callable[[], FoundLauncher]
) -> Choice:
    """Choose MPI if there is a launcher for the hosts; else ssh, unless MPI was asked for."""
    asked = plan.transport == "mpi"
    try:
        found = find_launcher()
    except Exception as e:
        if asked or plan.mpi_bin:  # a mistake on the command line, not a site without MPI
            option = "--transport mpi" if asked else "--mpi-bin"
            raise TransportError(f"{option}: {e}") from e
        return Choice("ssh", f"no working MPI: {e}")
    incompatible = found.incompatibility(plan.hosts)
    if incompatible and asked:
        raise TransportError(f"--transport mpi: {incompatible}")
    if incompatible:
        return Choice("ssh", f"{found.explain()}, but {incompatible}")
    reason = "asked for" if asked else f"{verb} is an MPI job"
    return Choice("mpi", f"{reason}; {found.explain()}", found)
