"""Who is a host: several ranks on one, and two that call themselves the same. And what waiting costs them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bed import Bed, Mpi

import mpi_collector


def test_several_ranks_on_a_host_count_once(
    bed: Bed, wheel_mpi: Mpi, figure: Callable[[str], None]
) -> None:
    """-np 6 on 2 hosts: two leaders, two hosts, every tick once; and none of the six ranks spins while it waits."""
    directory = bed.directory("six")
    words = ["--timeseries-interval", "1", "--duration", "4", "--results-dir", str(directory)]
    job = bed.start(0, wheel_mpi.collect(6, bed.hostfile(wheel_mpi, (1, 2)), *words, per_node=3))
    job.recording()
    time.sleep(1)
    ranks = [p for processes in bed.all_ranks().values() for p in processes]
    spools = {k: bed.spools(k) for k in (1, 2, 3)}
    before, began = [p.cpu_s() for p in ranks], time.monotonic()
    time.sleep(2)
    shares = [
        (p.cpu_s() - b) / (time.monotonic() - began) for p, b in zip(ranks, before, strict=True)
    ]
    assert job.finish() == 0, job.err
    assert len(ranks) == 6
    assert [len(spools[k]) for k in (1, 2, 3)] == [1, 1, 0]
    figure(
        f"{wheel_mpi.name}: CPU of six ranks at 1 s: {', '.join(f'{100 * s:.2f}' for s in shares)} % of a core"
    )
    assert max(shares) < 0.01
    with mpi_collector.load(directory) as recording:
        assert list(recording) == recording.run["hosts_requested"] == ["node1", "node2"]
        assert recording.run["verdict"]["hosts"] == 2
        for host in recording.values():
            ticks = host.tick.tolist()
            assert ticks[-1] == -1
            assert ticks[:-1] == sorted(set(ticks[:-1]))
            assert 3 <= len(ticks[:-1]) <= 4
        assert sorted(h.meta["rank"] for h in recording.values()) == [0, 3]
    (path,) = directory.glob("*_timeseries.json")
    assert sorted(json.loads(path.read_text())["samples_by_host"]) == ["node1", "node2"]
    assert not any(bed.spools(k) for k in (1, 2, 3))


def test_two_hosts_of_one_name(bed: Bed, mpi: Mpi) -> None:
    """Two hosts that both call themselves ``node`` are two hosts, ``node`` and ``node-2``, each with its own samples."""
    directory = bed.directory("namesakes")
    hostfile = bed.hostfile(mpi, (1, 2))
    words = ["--timeseries-interval", "0.2", "--duration", "1", "--results-dir", str(directory)]
    with bed.renamed({1: "node", 2: "node"}):
        job = bed.run(0, mpi.collect(2, hostfile, *words))
    assert job.process.returncode == 0, job.err
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["node", "node-2"]
        addresses = {key: host.meta["identity"]["addresses"] for key, host in recording.items()}
        assert f"{bed.net}.1" in addresses["node"]
        assert f"{bed.net}.2" in addresses["node-2"]
        for host in recording.values():
            assert host.meta["identity"]["hostname"] == "node"
            assert host.on_grid.sum() >= 4
    (path,) = directory.glob("*_timeseries.json")
    samples = json.loads(path.read_text())["samples_by_host"]
    assert {key: {s["hostname"] for s in rows} for key, rows in samples.items()} == {
        "node": {"node"},
        "node-2": {"node"},
    }
