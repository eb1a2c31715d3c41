"""``cluster_info.json`` and ``metadata.json``, made host by host: there may be thousands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from mpi_collector.formats.cluster_info import (
    ClusterInfoDocument,
    ClusterInformation,
    ClusterSnapshots,
    ComparedHost,
    HostInformation,
    cluster_summary,
    compared_parts,
    host_information,
)
from mpi_collector.formats.host_changes import changes
from mpi_collector.formats.host_consistency import settings_issues, settings_of
from mpi_collector.formats.metadata import metadata, time_series_reference
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.output.files import RunFiles
from mpi_collector.output.hostlist import HostList, pieces

_Moment = Literal["start", "end"]
#: key of the snapshot in a host's ``meta``
_SNAPSHOT: Mapping[_Moment, str] = {"start": "snapshot", "end": "snapshot_end"}
#: keys of a host in metadata.json, no more: readers hold the document in memory several times
_METADATA_KEYS = (
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


class _HostsAtMoment:
    """The hosts at the start or at the end of the run.

    Their information lies on disk; in memory are the parts that hosts are compared by.
    """

    def __init__(self, directory: Path) -> None:
        self.full = HostList(directory)  #: for cluster_info.json
        self.slim = HostList(directory)  #: for metadata.json
        self.compared: dict[str, ComparedHost] = {}
        self.settings: dict[str, dict[str, Any]] = {}

    def information(self, run: RunDocument, hosts: HostList) -> ClusterInformation:
        """Return the information on the cluster with the placeholder of ``hosts``."""
        known = {k: self.compared[k] for k in run["hosts"] if k in self.compared}
        failed: list[HostInformation] = [
            {"hostname": key, "error": why}
            for key, why in run["hosts_partial"].items()
            if key not in known
        ]
        hosts.order = list(known)
        hosts.rest = failed
        issues = settings_issues({k: self.settings[k] for k in known})
        summary = cluster_summary(known, run["collection_method"], issues)
        placeholder = cast("list[HostInformation]", hosts.placeholder)
        return {**summary, "hosts": placeholder}


class HostDocuments:
    """Takes the hosts one at a time and makes both documents at the end of the run."""

    def __init__(self, directory: Path) -> None:
        self._at: dict[_Moment, _HostsAtMoment] = {
            "start": _HostsAtMoment(directory),
            "end": _HostsAtMoment(directory),
        }
        self._changes: dict[str, list[str]] = {}
        self._interned: dict[str, Any] = {}

    def add(self, key: str, meta: Mapping[str, Any]) -> None:
        """Take the host ``key`` by the ``meta`` of its recording."""
        snapshots: dict[_Moment, dict[str, Any]] = {}
        for moment, name in _SNAPSHOT.items():
            snapshot = meta.get(name)
            if isinstance(snapshot, dict):
                snapshots[moment] = snapshot
                self._add_snapshot(self._at[moment], key, snapshot)
        if len(snapshots) == 2 and (found := changes(snapshots["start"], snapshots["end"])):
            self._changes[key] = found

    def _add_snapshot(self, to: _HostsAtMoment, key: str, snapshot: dict[str, Any]) -> None:
        host = host_information(snapshot, key)
        every: Mapping[str, Any] = host
        to.full.add(key, host)
        to.slim.add(key, {k: every[k] for k in _METADATA_KEYS if k in host})
        to.compared[key] = cast(ComparedHost, self._intern(compared_parts(host)))
        to.settings[key] = self._intern(settings_of(snapshot))

    def _intern(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``parts`` with values that other hosts have, too, once in memory."""
        return {k: self._interned.setdefault(json.dumps(v), v) for k, v in parts.items()}

    def documents(
        self, files: RunFiles, run: RunDocument, series: str | None
    ) -> dict[str, Iterator[bytes]]:
        """Return {suffix of the file: its text}. ``series``: suffix of the time series, or None."""
        return {
            "cluster_info.json": self._cluster_info(run),
            files.document: self._metadata(files, run, series),
        }

    def _cluster_info(self, run: RunDocument) -> Iterator[bytes]:
        snapshots = self._snapshots(run, lambda at: at.full)
        document: ClusterInfoDocument = {
            **snapshots["start"],
            "cluster_snapshots": snapshots,
            "changes": {k: self._changes[k] for k in run["hosts"] if k in self._changes},
        }
        return pieces(document, [at.full for at in self._at.values()])

    def _metadata(self, files: RunFiles, run: RunDocument, series: str | None) -> Iterator[bytes]:
        native = files.path("timeseries.npz").name
        document = metadata(
            run,
            benchmark_type=files.benchmark,
            run_datetime=files.datetime,
            result_dir=str(files.directory.absolute()),
            snapshots=self._snapshots(run, lambda at: at.slim),
            timeseries=(
                time_series_reference(run, files.path(series).name, native) if series else None
            ),
            cluster_info_file=files.path("cluster_info.json").name,
        )
        return pieces(document, [at.slim for at in self._at.values()])

    def _snapshots(
        self, run: RunDocument, list_of: Callable[[_HostsAtMoment], HostList]
    ) -> ClusterSnapshots:
        start = self._at["start"]
        end = self._at["end"]
        return {
            "start": start.information(run, list_of(start)),
            "end": end.information(run, list_of(end)),
            "collection_method": run["collection_method"],
        }

    def close(self) -> None:
        """Remove what is on disk."""
        for at in self._at.values():
            at.full.close()
            at.slim.close()
