"""``cluster_info.json`` and ``metadata.json``, made host by host: there may be thousands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from mpi_collector.formats.cluster_info import (
    ClusterInfoDocument,
    ClusterSummary,
    ComparedHost,
    HostInformation,
    ReferringInformation,
    cluster_summary,
    compared_parts,
    host_information,
)
from mpi_collector.formats.host_changes import changes
from mpi_collector.formats.host_consistency import settings_issues, settings_of
from mpi_collector.formats.host_difference import differing_parts
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
        self.hosts = HostList(directory)
        self.compared: dict[str, ComparedHost] = {}
        self.settings: dict[str, dict[str, Any]] = {}

    def summary(self, run: RunDocument) -> ClusterSummary:
        """Return the information on the cluster without its hosts, and put those in order."""
        known = {k: self.compared[k] for k in run["hosts"] if k in self.compared}
        self.hosts.order = list(known)
        self.hosts.rest = [
            {"hostname": key, "error": why}
            for key, why in run["hosts_partial"].items()
            if key not in known
        ]
        issues = settings_issues({k: self.settings[k] for k in known})
        return cluster_summary(known, run["collection_method"], issues)


class HostDocuments:
    """Takes the hosts one at a time and makes both documents at the end of the run.

    Each host is in them once as a whole, and once with what was different at the end.
    """

    def __init__(self, directory: Path) -> None:
        self._start = _HostsAtMoment(directory)
        self._end = _HostsAtMoment(directory)
        self._changes: dict[str, list[str]] = {}
        self._interned: dict[str, Any] = {}

    def add(self, key: str, meta: Mapping[str, Any]) -> None:
        """Take the host ``key`` by the ``meta`` of its recording."""
        start, end = (
            snapshot if isinstance(snapshot := meta.get(name), dict) else None
            for name in _SNAPSHOT.values()
        )
        at_start: HostInformation = {"hostname": key}
        if start is not None:
            at_start = self._information(self._start, key, start)
            every: Mapping[str, Any] = at_start
            head = {k: every[k] for k in _METADATA_KEYS if k in every}
            self._start.hosts.add(key, head, {k: v for k, v in every.items() if k not in head})
        if end is not None:
            at_end = self._information(self._end, key, end)
            self._end.hosts.add(key, differing_parts(at_start, at_end))
            if start is not None and (found := changes(start, end)):
                self._changes[key] = found

    def _information(
        self, at: _HostsAtMoment, key: str, snapshot: dict[str, Any]
    ) -> HostInformation:
        host = host_information(snapshot, key)
        at.compared[key] = cast(ComparedHost, self._intern(compared_parts(host)))
        at.settings[key] = self._intern(settings_of(snapshot))
        return host

    def _intern(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``parts`` with values that other hosts have, too, once in memory."""
        return {k: self._interned.setdefault(json.dumps(v), v) for k, v in parts.items()}

    def documents(
        self, files: RunFiles, run: RunDocument, series: str | None
    ) -> dict[str, Iterator[bytes]]:
        """Return {suffix of the file: its text}. ``series``: suffix of the time series, or None."""
        start, end = self._start.summary(run), self._end.summary(run)
        return {
            "cluster_info.json": self._cluster_info(run, start, end),
            files.document: self._metadata(files, run, series, start, end),
        }

    def _cluster_info(
        self, run: RunDocument, start: ClusterSummary, end: ClusterSummary
    ) -> Iterator[bytes]:
        hosts = "hosts"
        document: ClusterInfoDocument = {
            **start,
            "hosts": _placeholder(self._start.hosts.whole),
            "cluster_snapshots": {
                "start": _referring(start, self._start.hosts.names, hosts),
                "end": _referring(end, self._end.hosts.whole, hosts),
                "collection_method": run["collection_method"],
            },
            "changes": {k: self._changes[k] for k in run["hosts"] if k in self._changes},
        }
        return pieces(document, [self._start.hosts, self._end.hosts])

    def _metadata(
        self,
        files: RunFiles,
        run: RunDocument,
        series: str | None,
        start: ClusterSummary,
        end: ClusterSummary,
    ) -> Iterator[bytes]:
        native = files.path("timeseries.npz").name
        info = files.path("cluster_info.json").name
        document = metadata(
            run,
            benchmark_type=files.benchmark,
            run_datetime=files.datetime,
            result_dir=str(files.directory.absolute()),
            cluster={**start, "hosts": _placeholder(self._start.hosts.heads)},
            snapshots={
                "start": _referring(start, self._start.hosts.names, "cluster_information.hosts"),
                "end": _referring(
                    end, self._end.hosts.names, f"{info}: cluster_snapshots.end.hosts"
                ),
                "collection_method": run["collection_method"],
            },
            timeseries=(
                time_series_reference(run, files.path(series).name, native) if series else None
            ),
            cluster_info_file=info,
        )
        return pieces(document, [self._start.hosts, self._end.hosts])

    def close(self) -> None:
        """Remove what is on disk."""
        self._start.hosts.close()
        self._end.hosts.close()


def _placeholder(text: str) -> list[HostInformation]:
    return cast("list[HostInformation]", text)


def _referring(summary: ClusterSummary, placeholder: str, to: str) -> ReferringInformation:
    return {**summary, "hosts": _placeholder(placeholder), "hosts_refer_to": to}
