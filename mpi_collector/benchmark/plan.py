"""What a run was asked to record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mpi_collector.node.options import SamplingOptions
from mpi_collector.output.series import SHARDED_ABOVE
from mpi_collector.transport.hosts import HostSpec, mark_local


@dataclass
class CollectPlan:
    """What ``collect`` was asked for."""

    sampling: SamplingOptions
    results_dir: Path = Path("results")
    json: str = "auto"
    shards: int = SHARDED_ABOVE  #: hosts above which the recording is in parts, 0: never
    command: list[str] = field(default_factory=list)
    live_asked_s: float = 0.0  #: of --live, which ``sampling.live_s`` is no shorter interval than
    strict: bool = False
    benchmark: str = "host"
    skip_timeseries: bool = False  #: snapshots only
    report: bool = False  #: write the page, too
    layout: Path | None = None  #: subdirectory of the results, without the datetime
    beside_suite: bool = False  #: COMMAND is the suite: the files go into the run it makes
    suite_run: Path | None = None  #: or into this run directory of it
    in_program: bool = False  #: of a Python program, whose block ends the recording, nobody else
    refuse_broken_hosts: bool = False  #: with ``strict``, a broken host keeps the job from starting

    @property
    def host_names(self) -> Sequence[str]:
        """Names of the hosts in the order of --hosts; empty if none were named."""
        return ()


@dataclass
class LifecyclePlan(CollectPlan):
    """What a benchmark verb was asked for. ``hosts`` empty: this host."""

    hosts: list[HostSpec] = field(default_factory=list)
    hosts_from: str = "this host"  #: where the hosts were named
    transport: str = "auto"
    transport_why: str = "asked for"  #: the reason of a transport that is not auto
    mpi_bin: str | None = None
    mpi_params: list[str] = field(default_factory=list)
    ssh_username: str | None = None
    ssh_fanout: int = 8
    ssh_timeout_s: float = 30.0
    refuse_broken_hosts: bool = True

    def __post_init__(self) -> None:
        self.hosts = mark_local(self.hosts)

    @property
    def host_names(self) -> Sequence[str]:
        return [host.name for host in self.hosts]
