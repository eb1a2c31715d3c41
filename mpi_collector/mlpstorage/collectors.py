"""The suite's cluster collectors, over MPI or ssh, on top of our transports."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mpi_collector.formats.suite_samples import utc_text
from mpi_collector.mlpstorage.interfaces import ClusterCollectorInterface, CollectionResult
from mpi_collector.mlpstorage.parsers import collect_local_system_info
from mpi_collector.node.compat import wall_ns
from mpi_collector.node.options import SamplingOptions

_NO_SAMPLES_S = 1e6  #: an interval longer than any collection


def unique_hosts(hosts: Iterable[str]) -> list[str]:
    """Return the names in order, without slots (``host:4``), blanks and repetitions.

    IPv6 addresses stay whole.
    """
    out: dict[str, None] = {}
    for text in hosts:
        name = text.strip()
        head, colon, slots = name.partition(":")
        if colon and slots.isdigit() and ":" not in slots:
            name = head
        if name:
            out[name] = None
    return list(out)


def _is_localhost(hostname: str) -> bool:
    """Return whether ``hostname`` is a name or an address of this host."""
    import socket

    from mpi_collector.transport.hosts import local_names

    own = {"localhost", "127.0.0.1", "::1", socket.gethostname().lower(), socket.getfqdn().lower()}
    return hostname.lower() in own or bool(local_names([hostname]))


class _Collector(ClusterCollectorInterface):
    """A coordinator that is opened, asked for snapshots and closed."""

    method = ""

    def __init__(self, hosts: Sequence[str], logger: Any, timeout_seconds: int) -> None:
        self.hosts = list(hosts)
        self.logger = logger
        self.timeout = timeout_seconds

    def _coordinator(self, hosts: list[str], options: SamplingOptions, run: str) -> Any:
        raise NotImplementedError

    def get_collection_method(self) -> str:
        return self.method

    def collect_local(self) -> CollectionResult:
        data = collect_local_system_info()
        return CollectionResult(True, {data["hostname"]: data}, [], "local", utc_text(wall_ns()))

    def _get_unique_hosts(self) -> list[str]:
        return unique_hosts(self.hosts)

    def collect(self, hosts: Sequence[str] = (), timeout: int | None = None) -> CollectionResult:
        """Take snapshots of ``hosts``, or of those of the constructor where none are given.

        A host that fails has ``error`` in its data. ``success``: more hosts answered than failed.
        """
        wanted = unique_hosts(hosts) or self._get_unique_hosts()
        limit = float(timeout or self.timeout)
        options = SamplingOptions(
            interval_s=_NO_SAMPLES_S, max_samples=2, sources="none", start_timeout_s=limit
        )
        run = f"collect-{os.getpid()}-{secrets.token_hex(3)}"
        data: dict[str, Any] = {}
        try:
            data = self._snapshots(wanted, options, run)
        except Exception as e:  # noqa: BLE001 - the suite wants a result, whatever happened
            data = {h: {"hostname": h, "error": str(e)} for h in wanted}
        errors = [f"{h}: {d['error']}" for h, d in data.items() if "error" in d]
        return CollectionResult(
            len(errors) < len(data) - len(errors), data, errors, self.method, utc_text(wall_ns())
        )

    def _snapshots(self, wanted: list[str], options: SamplingOptions, run: str) -> dict[str, Any]:
        coordinator = self._coordinator(wanted, options, run)
        coordinator.open({"benchmark": "collect"})
        try:
            found = coordinator.snapshot()
            failed = {
                h.key: h.error or "no answer" for h in coordinator.hosts if h.key not in found
            }
        finally:
            coordinator.close(True)
        out = {k: {**d, "uptime": d.get("uptime_seconds")} for k, d in found.items()}
        for name in wanted:
            if name not in out:
                out[name] = {"hostname": name, "error": failed.get(name, "no answer")}
        return out


class SSHClusterCollector(_Collector):
    """Asks an agent on every host over ssh, this host directly."""

    method = "ssh"

    def __init__(
        self,
        hosts: Sequence[str],
        logger: Any,
        ssh_username: str | None = None,
        timeout_seconds: int = 60,
        max_workers: int = 10,
    ) -> None:
        super().__init__(hosts, logger, timeout_seconds)
        self.ssh_username = ssh_username
        self.max_workers = max_workers

    def is_available(self) -> bool:
        return shutil.which("ssh") is not None

    def _coordinator(self, hosts: list[str], options: SamplingOptions, run: str) -> Any:
        from mpi_collector.transport.hosts import HostSpec, mark_local
        from mpi_collector.transport.ssh import SshCoordinator

        specs = mark_local(HostSpec(name) for name in hosts)
        return SshCoordinator(
            options, run, specs, self.ssh_username, self.max_workers, options.start_timeout_s
        )


class MPIClusterCollector(_Collector):
    """Asks a rank on every host over MPI.

    mpi_bin: a launcher or its directory; for None or a bare name one is searched.
    """

    method = "mpi"

    def __init__(
        self,
        hosts: Sequence[str],
        mpi_bin: str | None = None,
        logger: Any = None,
        allow_run_as_root: bool = False,
        timeout_seconds: int = 60,
    ) -> None:
        super().__init__(hosts, logger, timeout_seconds)
        self.mpi_bin = mpi_bin
        self.allow_run_as_root = allow_run_as_root

    def is_available(self) -> bool:
        from mpi_collector.errors import TransportError
        from mpi_collector.transport.launch import detect_launcher

        try:
            detect_launcher(self._place())
        except TransportError:
            return False
        return True

    def _place(self) -> str | None:
        """The path of a launcher; None for a bare name: the one beside this Python comes first."""
        return self.mpi_bin if self.mpi_bin and os.sep in self.mpi_bin else None

    def _snapshots(self, wanted: list[str], options: SamplingOptions, run: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
            self._hostfile = Path(directory) / "hosts"
            return super()._snapshots(wanted, options, run)

    def _coordinator(self, hosts: list[str], options: SamplingOptions, run: str) -> Any:
        from mpi_collector.transport.hosts import HostSpec
        from mpi_collector.transport.launch import (
            build_launch_command,
            detect_launcher,
            hostfile_text,
        )
        from mpi_collector.transport.launch.control_client import ControlClient
        from mpi_collector.transport.own_python import own_argv

        found = detect_launcher(self._place())
        specs = [HostSpec(h) for h in hosts]
        self._hostfile.write_text(hostfile_text(found.profile, specs))
        argv = own_argv("collect", "--bridge")
        as_root = self.allow_run_as_root or os.getuid() == 0
        launch = build_launch_command(found, specs, argv, (), self._hostfile, as_root)
        names = {h: h for h in hosts}
        return ControlClient(
            options, run, launch.argv, names, {**os.environ, **launch.environ_additions}
        )


def validate_ssh_connectivity(
    hosts: Sequence[str], timeout: int = 5
) -> dict[str, tuple[bool, str]]:
    """Return {host: (whether it can be reached, why not)}. This host needs no ssh."""
    from mpi_collector.transport.hosts import HostSpec, mark_local
    from mpi_collector.transport.launch.preflight import check_reachable

    names = unique_hosts(hosts)
    specs = mark_local(HostSpec(name) for name in names)
    remote = [host for host in specs if not host.is_local]
    bad = check_reachable(remote, None, 10, float(timeout))
    return {h: (h not in bad, bad.get(h, "")) for h in names}
