"""The helper itself: every row of a recording is one of the states, in order."""

from __future__ import annotations

from pathlib import Path

import living_tree as lt
import pytest

from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.store.load import load


def machine(n: int) -> dict[str, str]:
    """The tree after ``n`` ticks: sda has read n x 512 kB, eth0 received n MB."""
    return lt.diskstats({"sda": {"reads_completed": 10 * n, "sectors_read": 1000 * n}}) | lt.netdev(
        {"lo": (5, 5), "eth0": (n * 10**6, n * 500)}
    )


def test_rows_are_the_states(tmp_path: Path) -> None:
    first = machine(0) | lt.disk_sysfs("sda") | lt.net_sysfs("eth0")
    found = lt.record(tmp_path, [first, *(machine(n) for n in range(1, 6))], interval_s=0.05)
    with load(found.path) as recording:
        (host,) = recording.values()
        read = [x // 1000 for x in host.raw("diskstats.sda.sectors_read").tolist()]
        received = [x // 10**6 for x in host.raw("netdev.eth0.rx_bytes").tolist()]
    assert read == received == [0] * read.count(0) + [1, 2, 3, 4, 5, 5]
    assert found.moved("read_bytes_per_s") == pytest.approx(5 * 512_000)
    assert found.moved("net_rx_bytes_per_s") == pytest.approx(5e6)
    assert found.host["counted"] == {"block": ["sda"], "net": ["eth0"]}


def test_last_state_at_the_stop_alone(tmp_path: Path) -> None:
    states = [machine(0), machine(1), machine(2)]
    found = lt.record(tmp_path, states, interval_s=0.05, last_at_stop=True)
    with load(found.path) as recording:
        (host,) = recording.values()
        assert host.raw("netdev.eth0.rx_bytes").tolist()[-3:] == [0, 10**6, 2 * 10**6]
        assert host.tick[-1] == STOP_TICK
