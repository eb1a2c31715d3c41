"""Whether a directory is the same on all hosts of a run, as the suite asks before it starts one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mpi_collector.errors import SharedDirectoryError
from mpi_collector.mlpstorage.hosts import remote_hosts, unique_hosts
from mpi_collector.mlpstorage.snapshots import mpi_snapshots, ssh_snapshots

_FANOUT = 10


def run_shared_fs_probe(
    destination: str,
    hosts: Sequence[str] | None,
    run_uuid: str,
    logger: Any,
    mpi_bin: str | None = None,
    allow_run_as_root: bool = False,
    timeout_seconds: int = 60,
    ssh_username: str | None = None,
) -> None:
    """Return when every host has the directory ``destination`` of this host.

    With one host, or this one by several names, nothing is asked. SharedDirectoryError names the
    hosts where it is another directory, or that do not answer.
    """
    probe = _Probe(mpi_bin, allow_run_as_root, timeout_seconds, ssh_username)
    probe.require(destination, hosts, run_uuid, "the data directory", logger)


def run_results_dir_shared_probe(
    results_dir: str,
    hosts: Sequence[str] | None,
    run_uuid: str,
    logger: Any,
    mpi_bin: str | None = None,
    allow_run_as_root: bool = False,
    timeout_seconds: int = 60,
    ssh_username: str | None = None,
) -> None:
    """Return when every host has the directory ``results_dir`` of this host: see the other one."""
    probe = _Probe(mpi_bin, allow_run_as_root, timeout_seconds, ssh_username)
    probe.require(results_dir, hosts, run_uuid, "the results directory (--results-dir)", logger)


class _Probe:
    """Makes an empty directory with a name of its own and asks every host whether it is there."""

    def __init__(
        self,
        mpi_bin: str | None,
        allow_run_as_root: bool,
        timeout_seconds: int,
        ssh_username: str | None,
    ) -> None:
        self._mpi_bin = mpi_bin
        self._as_root = allow_run_as_root
        self._timeout_s = float(timeout_seconds)
        self._user = ssh_username

    def require(
        self, directory: str, hosts: Sequence[str] | None, run: str, what: str, logger: Any
    ) -> None:
        names = unique_hosts(hosts or ())
        if len(names) < 2 or not remote_hosts(names):
            return
        with _empty_directory(os.path.abspath(directory), run, what) as sentinel:
            missing = self._missing(names, sentinel)
        if not missing:
            return
        shown = "; ".join(f"{name}: {why}" for name, why in missing.items())
        text = (
            f"{what} {directory} is not shared by all hosts: {shown}. "
            "Put it on a file system that all of them mount (NFS, Lustre, GPFS, ...)"
        )
        if logger is not None:
            logger.error(text)
        raise SharedDirectoryError(text)

    def _missing(self, names: list[str], sentinel: str) -> dict[str, str]:
        """Return {host: why} of the hosts that do not see ``sentinel``."""
        out = {}
        for name, data in self._ask(names, sentinel).items():
            if "error" in data:
                out[name] = str(data["error"])
                continue
            seen = {d["path"]: d["error"] for d in data.get("directories") or []}
            if why := seen.get(sentinel, "no answer about it"):
                out[name] = f"it is another directory there ({why})"
        return out

    def _ask(self, names: list[str], sentinel: str) -> dict[str, dict[str, Any]]:
        """Return the data of the hosts over MPI, over ssh where MPI reaches none of them."""
        found = mpi_snapshots(
            names, self._mpi_bin, self._as_root, self._timeout_s, [sentinel], self._user
        )
        if all("error" in data for data in found.values()):
            found = ssh_snapshots(names, self._user, _FANOUT, self._timeout_s, [sentinel])
        return found


@contextmanager
def _empty_directory(parent: str, run: str, what: str) -> Iterator[str]:
    """Yield the path of a new directory in ``parent``, which is removed at the end."""
    run = "".join(c for c in run if c.isalnum() or c in "-_")[:64]
    try:
        path = tempfile.mkdtemp(prefix=f".mpi_collector_probe-{run}-", dir=parent)
        os.chmod(path, 0o755)  # the hosts may run as other users
    except OSError as e:
        raise SharedDirectoryError(f"cannot write {what} {parent}: {e.strerror}") from e
    try:
        yield path
    finally:
        with suppress(OSError):
            os.rmdir(path)
