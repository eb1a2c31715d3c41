"""Which way leads to the spools of many hosts: ssh, a launch of our own, or the launch this process is a rank of."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mpi_collector.benchmark.lifecycle import (
    Choice,
    LifecyclePlan,
    choose,
    known_names,
    ranks_launch,
    unusable,
)
from mpi_collector.benchmark.recover import Reach
from mpi_collector.errors import TransportError

Spools = dict[str, list[dict[str, Any]]]


def chosen(plan: LifecyclePlan, allocation: bool) -> Choice:
    """ssh for hosts that were named; inside an ``allocation``, where nobody may log in, its launcher. TransportError."""
    from mpi_collector.transport.launch import detect_launcher

    return choose(
        plan, "training" if allocation else "recover", lambda: detect_launcher(plan.mpi_bin)
    )


@contextmanager
def open_spool_access(
    plan: LifecyclePlan, choice: Choice, say: Callable[[str], None]
) -> Iterator[tuple[Reach, Spools, dict[str, str]]]:
    """(the way there, what lies there, hosts it does not lead to and why). TransportError."""
    run = f"recover-{secrets.token_hex(3)}"
    if choice.transport == "mpi":
        try:
            with _over_mpi(plan, choice, run) as way:
                yield way
            return
        except TransportError as e:
            if plan.transport != "auto":
                raise
            say(f"warning: {e}; over ssh instead")
    from mpi_collector.transport.ssh import HostQueries

    root = HostQueries(
        plan.sampling, run, plan.hosts, plan.ssh_username, plan.ssh_fanout, plan.ssh_timeout_s
    )
    try:
        yield root, root.spools(), root.unreached
    finally:
        root.close(False)


@contextmanager
def _over_mpi(
    plan: LifecyclePlan, choice: Choice, run: str
) -> Iterator[tuple[Reach, Spools, dict[str, str]]]:
    from mpi_collector.transport.launch.control_client import ControlRecoveryClient

    broken, aliases = unusable(plan, choice, lambda what, done, total: None)
    hosts = [h for h in plan.hosts if h.name not in {**broken, **aliases}]
    if not hosts:
        raise TransportError("no rank can be started on any of the hosts")
    with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
        argv, environ = ranks_launch(plan, choice, hosts, directory)
        ranks = ControlRecoveryClient(plan.sampling, run, argv, known_names(hosts), environ)
        try:
            found = ranks.spools()
            yield ranks, found, {**broken, **ranks.unreached}
        finally:
            ranks.close(False)
