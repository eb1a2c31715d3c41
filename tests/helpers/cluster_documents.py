"""``ClusterInformation`` of a whole cluster at once, for comparison with what is written host by host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpi_collector.formats.cluster_info import cluster_summary, compared_parts, host_information


def cluster_information(
    snapshots: Mapping[str, Mapping[str, Any]],
    errors: Mapping[str, str] | None = None,
    method: str = "",
    further_issues: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the document. errors: hosts without a snapshot, and why."""
    hosts = {key: host_information(s, key) for key, s in snapshots.items()}
    compared = {key: compared_parts(host) for key, host in hosts.items()}
    failed = [{"hostname": key, "error": why} for key, why in (errors or {}).items()]
    summary = cluster_summary(compared, method, further_issues)
    return {**summary, "hosts": [*hosts.values(), *failed]}
