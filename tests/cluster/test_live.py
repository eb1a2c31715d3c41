"""``--live`` over every transport: ``top`` has the figures of all hosts by their keys."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from bed import Bed, Mpi, poll

import mpi_collector
from mpi_collector.report.summary import document as document_of

_HOSTS = ["node1", "node2", "node3"]


@pytest.mark.parametrize("transport", ["collect", "launch", "ssh"])
def test_figures_of_three_hosts(bed: Bed, openmpi: Mpi, transport: str) -> None:
    """top asks for them through the run's door from another host; COMMAND ends as it would, no host is partial."""
    results = bed.directory("live")
    common = [
        "--timeseries-interval",
        "0.5",
        "--live",
        "1",
        "--gather-timeout",
        "5",
        "--results-dir",
        str(results),
    ]
    seen_all = results / f"seen-{transport}"
    command = ["--", "sh", "-c", f"until [ -e {seen_all} ]; do sleep 0.2; done; exit 7"]
    mine = [openmpi.python, "-m", "mpi_collector"]
    if transport == "collect":
        job = bed.start(1, openmpi.collect(3, bed.hostfile(openmpi, (1, 2, 3)), *common, *command))
    else:
        way = {"launch": "mpi", "ssh": "ssh"}[transport]
        mpi = ["--mpi-bin", openmpi.mpirun] if transport == "launch" else []
        job = bed.start(
            0,
            [
                *mine,
                "training",
                "run",
                "--transport",
                way,
                "--hosts",
                "node[1-3]",
                *mpi,
                *common,
                *command,
            ],
        )
    job.recording()
    seen: list[dict[str, Any]] = []

    def top() -> dict[str, Any]:
        asked = bed.start(0, [*mine, "top", "--once", "--json", "--results-dir", str(results)])
        asked.finish(30)
        assert asked.process.returncode == 0, asked.err
        seen.append(json.loads(asked.out))
        return seen[-1]

    def has_all() -> bool:
        hosts = top()["by_host"]
        return sorted(hosts) == _HOSTS and all(
            "cpu_busy_percent" in h["figures"] for h in hosts.values()
        )

    poll("figures of all hosts", 20, has_all)
    time.sleep(2)
    document = top()
    for host in document["by_host"].values():
        assert host["state"] == "sampling"
        assert host["figures"]["cpu_busy_percent"] is not None
        assert host["figures"]["memory_used_bytes"] > 0
    assert document["figures"]["cpu_busy_percent"]["hosts"] == 3
    seen_all.touch()
    job.finish(90)
    assert job.process.returncode == 7, job.err
    assert "Traceback" not in job.err, job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == _HOSTS
        assert run.run["hosts_partial"] == {}
        summary = document_of(run)
    # the fake hosts are containers of one machine, which has its memory once
    assert [n for n in summary["notes"] if n.startswith("node1, node2, node3 run on one kernel")]
    (used, *others) = [h["figures"]["memory_used_bytes"]["mean"] for h in summary["hosts"].values()]
    assert len(others) == 2
    total = summary["cluster"]["memory_used_bytes"]["mean"]
    assert used and total and total < 1.5 * used
