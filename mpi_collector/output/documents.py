"""``cluster_info.json`` and ``metadata.json`` of a run, from its recording and its run document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpi_collector.formats.cluster_info import essence, host_information, summed
from mpi_collector.formats.host_changes import changes, settings_issues, settings_of
from mpi_collector.formats.metadata import metadata, processes_of
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.output.files import RunFiles
from mpi_collector.output.hostlist import HostList

_WHENS = {
    "start": "snapshot",
    "end": "snapshot_end",
}  #: {when: its name in the meta data of a host}
#: of a host, in metadata: section 5 of the suite's format and no more, since readers hold it in memory several times
_SLIM = (
    "hostname",
    "memory",
    "collection_timestamp",
    "cpu",
    "num_sockets",
    "disks",
    "network",
    "system",
    "error",
)


class HostDocuments:
    """What the snapshots of all hosts make of ``cluster_info.json`` and ``metadata.json``, taken in host by host.

    The hosts themselves go to disk; what stays of each is what it is compared by, and that is the same object for hosts
    that are alike.
    """

    def __init__(self, directory: Path) -> None:
        self._full = {when: HostList(directory) for when in _WHENS}
        self._slim = {when: HostList(directory) for when in _WHENS}
        self._essence: dict[str, dict[str, Any]] = {when: {} for when in _WHENS}
        self._settings: dict[str, dict[str, Any]] = {when: {} for when in _WHENS}
        self._changes: dict[str, list[str]] = {}
        self._same: dict[str, Any] = {}

    @property
    def lists(self) -> list[HostList]:
        return [*self._full.values(), *self._slim.values()]

    def add(self, key: str, meta: Mapping[str, Any]) -> None:
        """A host, by the ``meta`` of its recording."""
        found = {when: meta.get(name) for when, name in _WHENS.items()}
        for when, snapshot in found.items():
            if isinstance(snapshot, dict):
                host = host_information(snapshot, key)
                self._full[when].add(key, host)
                self._slim[when].add(key, {k: host[k] for k in _SLIM if k in host})
                self._essence[when][key] = self._shared(essence(host))
                self._settings[when][key] = self._shared(settings_of(snapshot))
        if all(isinstance(s, dict) for s in found.values()) and (what := changes(*found.values())):  # type: ignore[arg-type]
            self._changes[key] = what

    def _shared(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """The same with equal parts of all hosts in memory once."""
        return {k: self._same.setdefault(json.dumps(v), v) for k, v in parts.items()}

    def documents(self, files: RunFiles, run: RunDocument, series: str | None) -> dict[str, Any]:
        """{suffix: document}; in place of the hosts they have placeholders of ``lists``."""
        totals = {when: self._totals(when, run) for when in _WHENS}
        full, slim = (
            {when: {**totals[when], "hosts": lists[when].placeholder} for when in _WHENS}
            for lists in (self._full, self._slim)
        )
        info = {
            **full["start"],
            "cluster_snapshots": {**full, "collection_method": run["collection_method"]},
            "changes": {
                host: self._changes[host] for host in run["hosts"] if host in self._changes
            },
        }
        return {
            "cluster_info.json": info,
            "metadata.json": metadata_document(files, run, slim, series),
        }

    def _totals(self, when: str, run: RunDocument) -> dict[str, Any]:
        """ClusterInformation without its hosts."""
        known = {k: self._essence[when][k] for k in run["hosts"] if k in self._essence[when]}
        broken = [
            {"hostname": name, "error": why}
            for name, why in run["hosts_partial"].items()
            if name not in known
        ]
        for lists in (self._full, self._slim):
            lists[when].order = list(known)
            lists[when].rest = broken
        issues = settings_issues({k: self._settings[when][k] for k in known})
        return summed(
            [{**part, "hostname": k} for k, part in known.items()],
            run["collection_method"],
            extra_issues=issues,
        )

    def close(self) -> None:
        for one in self.lists:
            one.close()


def metadata_document(
    files: RunFiles, run: RunDocument, slim: Mapping[str, Any], series: str | None
) -> dict[str, Any]:
    """The run in the suite's words, with references to its files, what is missing, and the verdict.

    ``slim``: ClusterInformation at the start and at the end. ``series``: suffix of the file with the time series, None when
    there is none.
    """
    command = run.get("command") or []
    begin_ns, end_ns = run.get("command_ns") or (run["start_ns"], run["end_ns"])
    return metadata(
        benchmark_type=files.benchmark,
        run_datetime=files.datetime,
        result_dir=str(files.directory.absolute()),
        command=command,
        runtime_s=(end_ns - begin_ns) / 1e9,
        cluster=slim["start"],
        snapshots={**slim, "collection_method": run["collection_method"]},
        timeseries=_series(files, run, series) if series else None,
        args={**run["options"], "hosts": run["hosts_requested"]},
        num_processes=processes_of(command, len(run["hosts_requested"])),
        extra={
            "cluster_info_file": files.path("cluster_info.json").name,
            "hosts_requested": run["hosts_requested"],
            "hosts_partial": list(run["hosts_partial"]),
            "errors": dict(run["hosts_partial"]),
            "collection_method": run["collection_method"],
            "exit_code": run.get("command_exit_code"),
            "verdict": run["verdict"],
            "environment": run.get("environment"),
            "program": run["program"],
            "run": run["run"],
        },
    )


def _series(files: RunFiles, run: RunDocument, suffix: str) -> dict[str, Any]:
    samples = {k: f["samples"] for k, f in run["facts"].items()}
    return {
        "file": files.path(suffix).name,
        "num_samples": sum(samples.values()),
        "interval_seconds": run["interval_ns"] / 1e9,
        "hosts_collected": [k for k, n in samples.items() if n],
        "native_file": files.path("timeseries.npz").name,
    }
