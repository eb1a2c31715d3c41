"""The suite's cluster collectors, over ssh or MPI, on top of our transports."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

from mpi_collector.formats.suite_samples import utc_text
from mpi_collector.mlpstorage.hosts import unique_hosts
from mpi_collector.mlpstorage.interfaces import ClusterCollectorInterface, CollectionResult
from mpi_collector.mlpstorage.parsers import collect_local_system_info
from mpi_collector.node.compat import wall_ns


class SSHClusterCollector(ClusterCollectorInterface):
    """Asks an agent on every host over ssh, this host directly."""

    def __init__(
        self,
        hosts: Sequence[str],
        logger: Any,
        ssh_username: str | None = None,
        timeout_seconds: int = 60,
        max_workers: int = 10,
    ) -> None:
        self.hosts = list(hosts)
        self.logger = logger
        self.ssh_username = ssh_username
        self.timeout = timeout_seconds
        self.max_workers = max_workers

    def _get_unique_hosts(self) -> list[str]:
        return unique_hosts(self.hosts)

    def is_available(self) -> bool:
        return shutil.which("ssh") is not None

    def get_collection_method(self) -> str:
        return "ssh"

    def collect(self, hosts: Sequence[str] = (), timeout: int | None = None) -> CollectionResult:
        """Return the data of ``hosts``, or of those of the constructor where none are given.

        A host that fails has ``error`` in its data. ``success``: one host has answered, or none was
        asked.
        """
        from mpi_collector.mlpstorage.snapshots import ssh_snapshots

        wanted = unique_hosts(hosts) or self._get_unique_hosts()
        limit_s = float(timeout or self.timeout)
        found = ssh_snapshots(wanted, self.ssh_username, self.max_workers, limit_s)
        errors = [f"{host}: {data['error']}" for host, data in found.items() if "error" in data]
        for error in errors:
            _warn(self.logger, f"no data of {error}")
        success = len(errors) < len(found) or not found
        return CollectionResult(success, found, errors, "ssh", utc_text(wall_ns()))

    def collect_local(self) -> CollectionResult:
        data = collect_local_system_info()
        return CollectionResult(True, {data["hostname"]: data}, [], "local", utc_text(wall_ns()))


class MPIClusterCollector:
    """Asks a rank on every host over MPI.

    mpi_bin: a launcher or its directory; for None or a bare name one is searched. ssh_username: of
    a launcher that starts ranks over ssh. Nothing is staged on any host, so ``results_dir`` and
    ``shared_staging_dir`` of newer versions are only kept. The fourth argument of the first version
    was ``allow_run_as_root``; it is known by its type.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        mpi_bin: str | None = None,
        logger: Any = None,
        results_dir: str | bool | None = None,
        allow_run_as_root: bool = False,
        timeout_seconds: int = 60,
        shared_staging_dir: str | None = None,
        shared_tmp_dir: str | None = None,
        ssh_username: str | None = None,
    ) -> None:
        call = _Call.of(results_dir, allow_run_as_root, timeout_seconds)
        self.hosts = list(hosts)
        self.mpi_bin = mpi_bin
        self.logger = logger
        self.results_dir = call.results_dir
        self.allow_run_as_root = call.allow_run_as_root
        self.timeout = call.timeout_seconds
        self.shared_staging_dir = shared_staging_dir or shared_tmp_dir
        self.ssh_username = ssh_username

    def _get_unique_hosts(self) -> list[str]:
        return unique_hosts(self.hosts)

    def is_available(self) -> bool:
        from mpi_collector.errors import TransportError
        from mpi_collector.mlpstorage.snapshots import find_launcher

        try:
            find_launcher(self.mpi_bin)
        except TransportError:
            return False
        return True

    def get_collection_method(self) -> str:
        return "mpi"

    def collect(self) -> dict[str, Any]:
        """Return {host: data} of the hosts that answer. RuntimeError when none does."""
        found = self._ask()
        failed = [f"{host}: {data['error']}" for host, data in found.items() if "error" in data]
        if len(failed) == len(found):
            raise RuntimeError("no host answered over MPI: " + "; ".join(failed or ["no hosts"]))
        for error in failed:
            _warn(self.logger, f"no data of {error}")
        return {host: data for host, data in found.items() if "error" not in data}

    def _ask(self) -> dict[str, Any]:
        from mpi_collector.mlpstorage.snapshots import mpi_snapshots

        return mpi_snapshots(
            self._get_unique_hosts(),
            self.mpi_bin,
            self.allow_run_as_root,
            float(self.timeout),
            user=self.ssh_username,
        )

    def collect_local_only(self) -> dict[str, Any]:
        """Return {hostname: data} of this host."""
        data = collect_local_system_info()
        return {data["hostname"]: data}


class _Call(NamedTuple):
    """The arguments of a call that any version of the suite makes."""

    results_dir: str | None
    allow_run_as_root: bool
    timeout_seconds: int

    @classmethod
    def of(
        cls, results_dir: str | bool | None, allow_run_as_root: bool, timeout_seconds: int
    ) -> _Call:
        """Return the arguments in today's order; the first version had no ``results_dir``.

        Its positional arguments after the logger were allow_run_as_root and timeout_seconds.
        """
        if not isinstance(results_dir, bool):
            return cls(results_dir, allow_run_as_root, timeout_seconds)
        given = not isinstance(allow_run_as_root, bool)
        return cls(None, results_dir, int(allow_run_as_root) if given else timeout_seconds)


def collect_cluster_info(
    hosts: Sequence[str],
    mpi_bin: str | None,
    logger: Any,
    results_dir: str | bool | None = None,
    allow_run_as_root: bool = False,
    timeout_seconds: int = 60,
    fallback_to_local: bool = True,
    shared_staging_dir: str | None = None,
    shared_tmp_dir: str | None = None,
    ssh_username: str | None = None,
) -> dict[str, Any]:
    """Return {host: data} and ``_metadata``: how they were collected, and from which hosts.

    Where none answers over MPI it is this host alone; RuntimeError without ``fallback_to_local``.
    """
    if isinstance(results_dir, bool) and isinstance(timeout_seconds, bool):
        fallback_to_local = timeout_seconds  # the sixth argument of the first version
    collector = MPIClusterCollector(
        hosts,
        mpi_bin,
        logger,
        results_dir,
        allow_run_as_root,
        timeout_seconds,
        shared_staging_dir,
        shared_tmp_dir,
        ssh_username,
    )
    about = {"requested_hosts": list(hosts), "collection_timestamp": utc_text(wall_ns())}
    try:
        found = collector.collect()
        about["collection_method"] = "mpi"
    except RuntimeError as e:
        _warn(logger, f"MPI collection failed: {e}")
        if not fallback_to_local:
            raise
        found = collector.collect_local_only()
        about.update(collection_method="local_fallback", mpi_error=str(e))
    return {**found, "_metadata": {**about, "hosts_collected": list(found)}}


def _warn(logger: Any, text: str) -> None:
    if logger is not None:
        logger.warning(text)
