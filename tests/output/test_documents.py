"""``cluster_info.json`` and ``metadata.json`` of many hosts: nothing is lost, and the memory does not grow with them."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

from cluster_documents import cluster_information

from mpi_collector.formats.host_consistency import settings_issues
from mpi_collector.formats.host_difference import whole_host
from mpi_collector.node.host.snapshot import take
from mpi_collector.output.documents import HostDocuments
from mpi_collector.output.files import RunFiles


def snapshot(number: int) -> dict[str, Any]:
    found = json.loads(json.dumps(take(("/tmp",), "/")))
    found["hostname"] = f"h{number}"
    if number == 2:
        found["sysctls"] = {**found.get("sysctls", {}), "vm.dirty_ratio": "77"}
        found["meminfo"]["MemTotal"] //= 2
    return dict(found)


def run(hosts: list[str], partial: dict[str, str]) -> dict[str, Any]:
    return {"hosts": hosts, "hosts_partial": partial, "hosts_requested": [*hosts, *partial], "collection_method": "mpi",
            "start_ns": 0, "end_ns": 10**9, "options": {}, "facts": {h: {"samples": 3} for h in hosts}, "interval_ns": 10**9,
            "verdict": {}, "program": "p", "run": "r"}  # fmt: skip


def whole(referring: dict[str, Any], hosts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the information with all parts of the hosts again."""
    assert referring.pop("hosts_refer_to") == "hosts"
    known = {h["hostname"]: h for h in hosts}
    return {**referring, "hosts": [whole_host(known[h["hostname"]], h) for h in referring["hosts"]]}


def test_hosts_in_the_order_of_the_run(tmp_path: Path) -> None:
    """What comes in any order is written as the whole cluster at once would be."""
    start = {f"h{n}": snapshot(n) for n in (1, 2, 3)}
    end = {k: {**s, "version": "another"} if k == "h3" else s for k, s in start.items()}
    del end["h3"]["mounts"]
    known = HostDocuments(tmp_path)
    for key in ("h3", "h1", "h2"):
        known.add(key, {"snapshot": start[key], "snapshot_end": end[key]})
    known.add("h4", {})  # died before it could look
    about = run(["h1", "h2", "h3", "h4"], {"h5": "no route"})
    documents = known.documents(
        RunFiles(tmp_path, "host", "20260101_000000"), about, "timeseries.npz"
    )
    info, metadata = (
        json.loads(b"".join(documents[k])) for k in ("cluster_info.json", "metadata.json")
    )
    known.close()

    expected = cluster_information(
        start, {"h5": "no route"}, "mpi", further_issues=settings_issues(start)
    )
    assert {k: v for k, v in info.items() if k not in ("cluster_snapshots", "changes")} == expected
    assert whole(info["cluster_snapshots"]["start"], info["hosts"]) == expected
    assert whole(info["cluster_snapshots"]["end"], info["hosts"]) == cluster_information(
        end, {"h5": "no route"}, "mpi", further_issues=settings_issues(end)
    )
    at_end = info["cluster_snapshots"]["end"]["hosts"]
    assert at_end[0] == {"hostname": "h1"}
    assert set(at_end[2]) == {"hostname", "system", "parts_gone"}
    metadata_end = metadata["cluster_snapshots"]["end"]
    assert (
        metadata_end["hosts_refer_to"]
        == f"{metadata['cluster_info_file']}: cluster_snapshots.end.hosts"
    )
    assert metadata_end["hosts"][:3] == [{"hostname": f"h{n}"} for n in (1, 2, 3)]
    assert any("vm.dirty_ratio" in issue for issue in info["host_consistency_issues"])
    assert list(info["changes"]) == ["h3"]
    for part in (metadata["cluster_information"], metadata["cluster_snapshots"]["start"]):
        assert [h["hostname"] for h in part["hosts"]] == ["h1", "h2", "h3", "h5"]
        assert part["num_hosts"] == 3
    (first, *_) = metadata["cluster_information"]["hosts"]
    assert "mounts" not in first
    assert first["memory"] == expected["hosts"][0]["memory"]
    assert list(tmp_path.iterdir()) == []


def test_memory_of_many_hosts(tmp_path: Path) -> None:
    """A host leaves less than 8 kB behind, of two snapshots that are together larger than that by far."""
    one = snapshot(1)
    assert len(json.dumps(one)) > 8000
    known = HostDocuments(tmp_path)
    known.add("warm", {"snapshot": one, "snapshot_end": one})
    tracemalloc.start()
    for n in range(100):
        known.add(f"node{n}", {"snapshot": one, "snapshot_end": one})
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    known.close()
    assert grown / 100 < 8000
