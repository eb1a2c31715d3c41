"""Clusters and time series as the suite's objects: nothing is lost on the way through them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from cluster_documents import cluster_information

from mpi_collector.formats.cluster_info import host_information
from mpi_collector.mlpstorage import (
    ClusterInformation,
    ClusterSnapshots,
    TimeSeriesData,
    collect_local_system_info,
)


def snapshots() -> dict[str, dict[str, object]]:
    first = collect_local_system_info()
    second = json.loads(json.dumps(first))
    second["hostname"] = "other"
    second["meminfo"]["MemTotal"] //= 2
    second["os_release"]["VERSION_ID"] = "99"
    second["version"] = "Linux version 1.2.3-x (y)"
    second["cpu"]["num_cores"] += 1
    return {"one": first, "two": second}


def test_cluster_round_trip_loses_nothing() -> None:
    """What cluster_info.json holds comes out of the classes as it went in, keys of ours and broken hosts included."""
    document = cluster_information(snapshots(), {"three": "no such host"}, "ssh")
    document = json.loads(json.dumps(document))
    assert [h["hostname"] for h in document["hosts"]] == ["one", "two", "three"]
    assert document["num_hosts"] == 2
    assert document["total_memory_bytes"] == sum(
        h["memory"]["total"] for h in document["hosts"][:2]
    )
    assert document["min_memory_bytes"] < document["max_memory_bytes"]
    assert document["total_cores"] == sum(h["cpu"]["num_cores"] for h in document["hosts"][:2])
    assert [i.split(" differs")[0] for i in document["host_consistency_issues"]] == [
        "memory",
        "core count",
        "operating system version",
        "kernel release",
    ]
    assert ClusterInformation.from_dict(document).as_dict() == document
    both = {"start": document, "end": document, "collection_method": "ssh"}
    assert ClusterSnapshots.from_dict(both).as_dict() == both
    assert ClusterInformation.from_dict({}) is None
    assert ClusterSnapshots.from_dict(None) is None


@pytest.mark.parametrize("name", ["from_mpi_collection", "from_ssh_collection"])
def test_from_a_collection(name: str) -> None:
    method = name.split("_")[1]
    data = {
        **snapshots(),
        "three": {"hostname": "three", "error": "gone"},
        "_metadata": {"collection_timestamp": "2026-01-05T00:00:00Z"},
    }
    found = getattr(ClusterInformation, name)(data, None)
    assert (found.num_hosts, found.collection_method, found.collection_timestamp) == (
        2,
        method,
        "2026-01-05T00:00:00Z",
    )
    assert len(found.host_info_list) == 3
    assert found.host_consistency_issues
    assert "_metadata" in data


def test_time_series_round_trip(tmp_path: Path) -> None:
    """The document of a real run through the classes and back."""
    import mpi_collector

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True
    ):
        time.sleep(0.3)
    document = json.loads(next(tmp_path.glob("*_timeseries.json")).read_text())
    assert TimeSeriesData.from_dict(document).to_dict() == document
    info = json.loads(next(tmp_path.glob("*_cluster_info.json")).read_text())
    assert ClusterInformation.from_dict(info).as_dict() == info
    assert set(info["hosts"][0]) == set(host_information(collect_local_system_info()))
    about = json.loads(next(tmp_path.glob("*_metadata.json")).read_text())
    assert (
        ClusterSnapshots.from_dict(about["cluster_snapshots"]).as_dict()
        == about["cluster_snapshots"]
    )
    assert ClusterSnapshots.from_dict(about["cluster_snapshots"]).start.host_info_list == []
    cluster = about["cluster_information"]
    assert ClusterInformation.from_dict(cluster).as_dict() == cluster
