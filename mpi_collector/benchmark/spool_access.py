"""The way to the spools of many hosts: ssh, or a launch of our own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.ranks_launch import find_unusable, ranks_launch
from mpi_collector.benchmark.transport_choice import Choice, choose
from mpi_collector.errors import TransportError
from mpi_collector.scratch import ScratchDirectory
from mpi_collector.transport.base import RecoveryTransport
from mpi_collector.transport.hosts import known_names

Spools = dict[str, list[dict[str, Any]]]  #: host -> what ``find_spools`` gives there


class SpoolAccess(NamedTuple):
    """Open access to the spools of hosts."""

    reach: RecoveryTransport
    spools: Spools
    unreached: dict[str, str]  #: host -> why it could not be reached


def choose_access(plan: LifecyclePlan, allocation: bool) -> Choice:
    """Choose ssh for named hosts; in an allocation, where nobody may log in, its launcher.

    TransportError when the transport that was asked for cannot be had.
    """
    from mpi_collector.transport.launch import detect_launcher

    verb = "training" if allocation else "recover"  # the first is an MPI job, the second is not
    return choose(plan, verb, lambda: detect_launcher(plan.mpi_bin))


@contextmanager
def open_spool_access(
    plan: LifecyclePlan, choice: Choice, say: Callable[[str], None]
) -> Iterator[SpoolAccess]:
    """Reach the hosts and list their spools; TransportError.

    Where a launch over MPI does not come up, ssh is used unless MPI was asked for; ``say`` gets a
    warning.
    """
    run = f"recover-{secrets.token_hex(3)}"
    if choice.transport == "mpi":
        try:
            with _over_mpi(plan, choice, run, say) as access:
                yield access
            return
        except TransportError as e:
            if plan.transport != "auto":
                raise
            say(f"warning: {e}; over ssh instead")
    from mpi_collector.transport.ssh import HostQueries

    queries = HostQueries(
        plan.sampling, run, plan.hosts, plan.ssh_username, plan.ssh_fanout, plan.ssh_timeout_s
    )
    try:
        spools = queries.spools()
        yield SpoolAccess(queries, spools, queries.unreached)
    finally:
        queries.close(False)


@contextmanager
def _over_mpi(
    plan: LifecyclePlan, choice: Choice, run: str, say: Callable[[str], None]
) -> Iterator[SpoolAccess]:
    from mpi_collector.transport.launch.recovery_client import ControlRecoveryClient

    found = find_unusable(plan, choice, lambda what, done, total: None)
    hosts = found.usable(plan.hosts)
    if not hosts:
        raise TransportError("no rank can be started on any of the hosts")
    with ScratchDirectory() as directory:
        launch = ranks_launch(plan, choice, hosts, directory)
        ranks = ControlRecoveryClient(plan.sampling, run, launch, known_names(hosts), say)
        try:
            spools = ranks.spools()
            yield SpoolAccess(ranks, spools, {**found.broken, **ranks.unreached})
        finally:
            ranks.close(False)
