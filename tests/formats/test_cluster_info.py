"""``ClusterInformation`` from snapshots: totals, and what differs between hosts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster_documents import cluster_information

from mpi_collector.formats.cluster_info import host_information, kernel_release, memory_information
from mpi_collector.formats.host_consistency import differing
from mpi_collector.node.host.snapshot import take


@pytest.fixture(scope="module")
def snapshot() -> dict[str, Any]:
    return dict(json.loads(json.dumps(take())))


def test_hosts_that_are_alike_have_no_issues(snapshot: dict[str, Any]) -> None:
    assert "host_consistency_issues" not in cluster_information({"a": snapshot, "b": snapshot})


def test_hosts_that_differ(snapshot: dict[str, Any]) -> None:
    """Memory, cores, operating system and kernel, one line each."""
    other = json.loads(json.dumps(snapshot))
    other["meminfo"]["MemTotal"] //= 2
    other["os_release"]["VERSION_ID"] = "99"
    other["version"] = "Linux version 1.2.3-x (y)"
    other["cpu"]["num_cores"] += 1
    found = cluster_information({"a": snapshot, "b": other}, {"c": "no route"}, "ssh")
    assert [i.split(" differs")[0] for i in found["host_consistency_issues"]] == [
        "memory",
        "core count",
        "operating system version",
        "kernel release",
    ]
    totals = [h["memory"]["total"] for h in found["hosts"][:2]]
    assert found["total_memory_bytes"] == sum(totals)
    assert (found["min_memory_bytes"], found["max_memory_bytes"]) == (min(totals), max(totals))
    assert found["num_hosts"] == 2
    assert found["hosts"][2] == {"hostname": "c", "error": "no route"}


def test_no_hosts() -> None:
    found = cluster_information({})
    assert (found["num_hosts"], found["min_memory_bytes"], found["hosts"]) == (0, 0, [])


def test_a_snapshot_without_its_parts() -> None:
    """What could not be read is 0, empty or None, and the suite's keys are all there."""
    found = host_information({"hostname": "a"}, "key")
    assert found["hostname"] == "key"
    assert found["system"]["hostname"] == "a"
    assert found["cpu"] == {
        "num_cores": 0,
        "num_logical_cores": 0,
        "model": "",
        "architecture": "",
    }
    assert found["disks"] == found["network"] == []
    assert found["system"]["uptime_seconds"] is None
    assert "mounts" not in found


def test_memory_is_bytes() -> None:
    meminfo = {"MemTotal": 100, "MemFree": 30, "Buffers": 5, "Cached": 15}
    found = memory_information(meminfo)
    assert (found["total"], found["used"], found["shared"]) == (102_400, 51_200, 0)


def test_kernel_release() -> None:
    assert kernel_release("Linux version 5.14.0-427.el9.x86_64 (mock@x) #1") == (
        "5.14.0-427.el9.x86_64"
    )
    assert kernel_release("") is None


def test_differing() -> None:
    """The larger group first; of many hosts one is named; None is not known."""
    values: dict[str, object] = {**{f"n{i}": 1 for i in range(5)}, "x": 2, "y": None}
    assert differing("size", values) == ["size differs: 1 on n0 and 4 others, 2 on x"]
    assert differing("size", {"a": 1, "b": 1, "c": None}) == []
