"""``cluster_info.json`` and ``metadata.json`` of a run, from its recording and its run document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.mlpstorage.cluster import cluster_information
from mpi_collector.mlpstorage.metadata import metadata, processes_of
from mpi_collector.output.files import RunFiles
from mpi_collector.store.changes import changes, settings_issues

if TYPE_CHECKING:
    from mpi_collector.store.recording import Recording

#: of a host, in metadata: section 5 of the suite's format and no more, since readers hold it in memory several times
_SLIM = ("hostname", "memory", "collection_timestamp", "cpu", "num_sockets", "disks", "network", "system", "error")


def snapshots_of(recording: Recording) -> tuple[dict[str, Any], dict[str, Any]]:
    """({host: snapshot at the start}, {host: at the end}) of those that have them."""
    start: dict[str, Any] = {}
    end: dict[str, Any] = {}
    for key, host in recording.items():
        for where, name in ((start, "snapshot"), (end, "snapshot_end")):
            found = host.meta.get(name)
            if isinstance(found, dict):
                where[key] = found
        host.release()
    return start, end


def cluster_info(start: Mapping[str, Any], end: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """ClusterInformation at the start, again beside that of the end, and what changed on every host in between."""
    errors, method = run["hosts_partial"], run["collection_method"]
    first = cluster_information(start, errors, method, extra_issues=settings_issues(start))
    last = cluster_information(end, errors, method, extra_issues=settings_issues(end))
    found = {host: changes(start[host], end[host]) for host in start if host in end}
    return {
        **first,
        "cluster_snapshots": {"start": first, "end": last, "collection_method": method},
        "changes": {host: what for host, what in found.items() if what},
    }


def metadata_document(
    files: RunFiles, run: Mapping[str, Any], info: Mapping[str, Any], series: str | None
) -> dict[str, Any]:
    """The run in the suite's words, with references to its files, what is missing, and the verdict.

    ``series``: suffix of the file with the time series, None when there is none.
    """
    snapshots = info["cluster_snapshots"]
    slim = {when: _slim(snapshots[when]) for when in ("start", "end")}
    command = run.get("command") or []
    return metadata(
        benchmark_type=files.benchmark,
        run_datetime=files.datetime,
        result_dir=str(files.directory.absolute()),
        command=command,
        runtime_s=(run["end_ns"] - run["start_ns"]) / 1e9,
        cluster=slim["start"],
        snapshots={**slim, "collection_method": run["collection_method"]},
        timeseries=_series(files, run, series) if series else None,
        args={**run["options"], "hosts": run["hosts_requested"]},
        num_processes=processes_of(command, len(run["hosts"])),
        extra={
            "cluster_info_file": files.path("cluster_info.json").name,
            "hosts_requested": run["hosts_requested"],
            "hosts_partial": list(run["hosts_partial"]),
            "errors": dict(run["hosts_partial"]),
            "collection_method": run["collection_method"],
            "exit_code": run.get("command_exit_code"),
            "verdict": run["verdict"],
            "program": run["program"],
            "run": run["run"],
        },
    )


def _series(files: RunFiles, run: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    samples = {k: f["samples"] for k, f in run["facts"].items()}
    return {
        "file": files.path(suffix).name,
        "num_samples": sum(samples.values()),
        "interval_seconds": run["interval_ns"] / 1e9,
        "hosts_collected": [k for k, n in samples.items() if n],
        "native_file": files.path("timeseries.npz").name,
    }


def _slim(info: Mapping[str, Any]) -> dict[str, Any]:
    hosts = [{k: h[k] for k in _SLIM if k in h} for h in info["hosts"]]
    return {**info, "hosts": hosts}
