"""The data of many hosts in the suite's form, over ssh or MPI.

A coordinator is opened, asked for snapshots and closed; no host samples anything.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_collector.formats.suite_host import collected_data
from mpi_collector.node.host.snapshot.cpus import with_all_cpus
from mpi_collector.node.options import SamplingOptions
from mpi_collector.scratch import ScratchDirectory

if TYPE_CHECKING:
    from mpi_collector.transport.base import Transport
    from mpi_collector.transport.hosts import HostSpec
    from mpi_collector.transport.launch import FoundLauncher

_NO_SAMPLES_S = 1e6  #: an interval longer than any collection
_NO_ANSWER = "no answer"

HostData = dict[str, Any]


def ssh_snapshots(
    hosts: Sequence[str],
    user: str | None,
    fanout: int,
    limit_s: float,
    directories: Sequence[str] = (),
) -> dict[str, HostData]:
    """Return {host: its data, or why there are none under ``error``}, this host without ssh.

    directories: their mounts and free space are described, too.
    """
    from mpi_collector.transport.hosts import HostSpec, mark_local
    from mpi_collector.transport.ssh import SshCoordinator

    try:
        specs = mark_local(HostSpec(name) for name in hosts)
        options = _options(limit_s, directories)
        transport = SshCoordinator(options, _run_name(), specs, user, fanout, limit_s)
        return _data_of(transport, hosts)
    except Exception as e:  # noqa: BLE001 - the suite wants a result, whatever happened
        return _failed(hosts, str(e))


def mpi_snapshots(
    hosts: Sequence[str],
    mpi_bin: str | None,
    allow_run_as_root: bool,
    limit_s: float,
    directories: Sequence[str] = (),
    user: str | None = None,
) -> dict[str, HostData]:
    """Return the same as ``ssh_snapshots`` of ranks in a launch of their own.

    user: as whom a launcher that uses ssh starts them.
    """
    from mpi_collector.transport.hosts import HostSpec, known_names, mark_local
    from mpi_collector.transport.launch import build_launch_command, hostfile_text, with_user
    from mpi_collector.transport.launch.control_client import ControlClient
    from mpi_collector.transport.own_python import own_argv

    try:
        found = find_launcher(mpi_bin)
        every = mark_local(HostSpec(name) for name in hosts)
        first = _first_names(every)
        distinct = [host for host in every if first[host.name] == host.name]
        specs, ssh_args = with_user(distinct, user)
        argv = own_argv("collect", "--bridge")
        as_root = allow_run_as_root or os.getuid() == 0
        with ScratchDirectory() as directory:
            hostfile = Path(directory) / "hosts"
            hostfile.write_text(hostfile_text(found.profile, specs))
            launch = build_launch_command(
                found, specs, argv, (), hostfile, as_root, ssh_args=ssh_args
            )
            options = _options(limit_s, directories)
            ranks = ControlClient(options, _run_name(), launch, known_names(distinct))
            return _data_of(ranks, hosts, first)
    except Exception as e:  # noqa: BLE001 - see above
        return _failed(hosts, str(e))


def find_launcher(mpi_bin: str | None) -> FoundLauncher:
    """Return the launcher ``mpi_bin``, or one that is found for None or a bare name.

    The one beside this Python comes first. LauncherError when there is none.
    """
    from mpi_collector.transport.launch import detect_launcher

    return detect_launcher(mpi_bin if mpi_bin and os.sep in mpi_bin else None)


def _options(limit_s: float, directories: Sequence[str]) -> SamplingOptions:
    return SamplingOptions(
        interval_s=_NO_SAMPLES_S,
        max_samples=2,
        sources="none",
        start_timeout_s=limit_s,
        directories=tuple(directories),
    )


def _run_name() -> str:
    return f"collect-{os.getpid()}-{secrets.token_hex(3)}"


def _failed(hosts: Sequence[str], why: str) -> dict[str, HostData]:
    return {name: {"hostname": name, "error": why} for name in hosts}


def _first_names(hosts: Sequence[HostSpec]) -> dict[str, str]:
    """Return {name: the first of the names of its host}, as far as addresses tell."""
    from mpi_collector.transport.hosts import resolve_all

    found = resolve_all([host.name for host in hosts])
    first_of: dict[str, str] = {}
    out = {}
    for host in hosts:
        marks = ["this host"] if host.is_local else sorted(found.get(host.name, {host.name}))
        out[host.name] = next((first_of[m] for m in marks if m in first_of), host.name)
        for mark in marks:
            first_of.setdefault(mark, out[host.name])
    return out


def _data_of(
    transport: Transport, hosts: Sequence[str], first_names: Mapping[str, str] | None = None
) -> dict[str, HostData]:
    """Ask all hosts of ``transport``.

    first_names: {name: the one that the host has in ``transport``}, for what it does not know.
    """
    transport.open({"benchmark": "collect"})
    try:
        found = transport.snapshot()
        failed = {h.key: h.error or _NO_ANSWER for h in transport.hosts if h.key not in found}
    finally:
        transport.close(True)
    aliases = {**(first_names or {}), **transport.aliases}
    out = {}
    for name in hosts:
        key = aliases.get(name, name)
        if key in found:
            data = collected_data(with_all_cpus(found[key]))
            out[name] = data if key == name else {**data, "same_host_as": key}
        else:
            out |= _failed([name], failed.get(key, _NO_ANSWER))
    return out
