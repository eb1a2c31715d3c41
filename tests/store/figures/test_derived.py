"""The arithmetic of the derived figures, on numbers that a reader can check in the head."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import synthetic as sy
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.store.figures import FIGURES, derive
from mpi_collector.store.figures.base import Derived
from mpi_collector.store.figures.devices import block_rule, choose, net_rule
from mpi_collector.store.load import load


def derived(tmp_path: Path, host: sy.SynthHost, interval_s: float = 1.0) -> Derived:
    """The figures of one host after a round through a file."""
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [("node1", host)], interval_s)
    with load(path) as recording:
        return derive(recording["node1"])


def host(
    columns: dict[str, list[int]], times_s: list[float], tick: list[int] | None = None
) -> sy.SynthHost:
    """A host from plain lists."""
    times = sy.START_NS + np.round(np.array(times_s) * sy.S).astype(np.int64)
    ticks = np.array(tick if tick is not None else range(len(times_s)), dtype=np.int64)
    return sy.SynthHost(ticks, times, {k: np.array(v, dtype=np.int64) for k, v in columns.items()})


def disk(name: str = "sda", **fields: list[int]) -> dict[str, list[int]]:
    return {f"diskstats.{name}.{k}": v for k, v in fields.items()}


def test_bytes_and_requests_per_second(tmp_path: Path) -> None:
    """Sectors are 512 bytes, and the time is what really passed, not the nominal interval."""
    d = derived(
        tmp_path,
        host(disk(sectors_read=[0, 2000, 2000], reads_completed=[5, 25, 25]), [0, 2.0, 3.0]),
    )
    assert d.series["read_bytes_per_s"].values.tolist() == [512_000, 0]
    assert d.series["read_bytes_per_s"].mean == pytest.approx(2000 * 512 / 3)
    assert d.series["read_iops"].values.tolist() == [10, 0]
    assert d.series["read_iops"].peak == 10
    assert "write_bytes_per_s" not in d.series


def test_latency_is_weighted_by_requests(tmp_path: Path) -> None:
    """The mean is of requests, not of intervals; where there was no request there is no latency, rather than 0."""
    columns = disk(
        sectors_read=[0] * 4, reads_completed=[0, 1, 100, 100], time_reading_ms=[0, 50, 248, 248]
    )
    series = derived(tmp_path, host(columns, [0, 1, 2, 3])).series["read_latency_ms"]
    assert series.values[:2].tolist() == [50, 2]
    assert np.isnan(series.values[2])
    assert series.mean == pytest.approx(2.48)
    assert series.peak == 50


def test_utilisation_and_queue(tmp_path: Path) -> None:
    """Two devices: the mean and the busiest; queues add up. More than 100 % stays what it is."""
    columns = disk(
        "sda", sectors_read=[0, 0], time_doing_ios_ms=[0, 500], weighted_time_doing_ios_ms=[0, 3000]
    )
    columns |= disk(
        "sdb",
        sectors_read=[0, 0],
        time_doing_ios_ms=[0, 1004],
        weighted_time_doing_ios_ms=[0, 1500],
    )
    d = derived(tmp_path, host(columns, [0, 1]))
    assert d.series["utilisation_percent"].mean == pytest.approx(75.2)
    assert d.series["utilisation_max_percent"].peak == pytest.approx(100.4)
    assert d.series["queue_depth"].mean == pytest.approx(4.5)


def test_cpu_counts_guests_once(tmp_path: Path) -> None:
    """guest is part of user: 50 busy of 100, whatever guest says."""
    modes = {
        "user": 30,
        "nice": 5,
        "system": 10,
        "idle": 40,
        "iowait": 6,
        "irq": 2,
        "softirq": 3,
        "steal": 4,
        "guest": 30,
    }
    d = derived(tmp_path, host({f"stat.cpu.{k}": [7, 7 + v] for k, v in modes.items()}, [0, 1]))
    assert d.series["cpu_busy_percent"].mean == pytest.approx(50)
    assert d.series["cpu_iowait_percent"].mean == pytest.approx(6)
    assert d.series["cpu_steal_percent"].mean == pytest.approx(4)


def test_falling_iowait_is_not_a_reset_of_everything(tmp_path: Path) -> None:
    """iowait may decrease (proc(5)): it is unknown there and noted, the busy share is not."""
    columns = {
        "user": [0, 50, 100],
        "nice": [0] * 3,
        "system": [0] * 3,
        "idle": [0, 50, 102],
        "iowait": [9, 9, 7],
    }
    d = derived(tmp_path, host({f"stat.cpu.{k}": v for k, v in columns.items()}, [0, 1, 2]))
    assert d.series["cpu_busy_percent"].values.tolist() == [50, 50]
    assert d.series["cpu_iowait_percent"].values[0] == 0
    assert np.isnan(d.series["cpu_iowait_percent"].values[1])
    assert any("stat.cpu.iowait" in n for n in d.notes)


def test_old_kernel_without_iowait(tmp_path: Path) -> None:
    """What the kernel did not print is absent, not 0."""
    columns = {"user": [0, 25], "nice": [0, 0], "system": [0, 0], "idle": [0, 75]}
    d = derived(tmp_path, host({f"stat.cpu.{k}": v for k, v in columns.items()}, [0, 1]))
    assert d.series["cpu_busy_percent"].mean == 25
    assert "cpu_iowait_percent" not in d.series


def test_memory_is_bytes_at_the_end_of_the_interval(tmp_path: Path) -> None:
    kb = {
        "MemTotal": [1000, 1000],
        "MemFree": [900, 500],
        "Buffers": [10, 20],
        "Cached": [50, 80],
        "Dirty": [1, 2],
    }
    d = derived(tmp_path, host({f"meminfo.{k}": v for k, v in kb.items()}, [0, 1]))
    assert d.series["memory_used_bytes"].values.tolist() == [400 * 1024]
    assert d.series["page_cache_bytes"].values.tolist() == [100 * 1024]
    assert d.series["dirty_bytes"].mean == 2048
    assert d.memory_bytes == 1000 * 1024


def test_network_counts_physical_interfaces(tmp_path: Path) -> None:
    columns = {}
    for name in ("lo", "eth0", "bond0", "eth0.100"):
        columns |= {f"netdev.{name}.rx_bytes": [0, 1000], f"netdev.{name}.tx_bytes": [0, 10]}
    d = derived(tmp_path, host(columns, [0, 1]))
    assert d.series["net_rx_bytes_per_s"].mean == 1000
    assert d.net.devices == ["eth0"]
    assert list(d.net.left_out) == ["lo", "bond0", "eth0.100"]


def test_missing_is_not_zero(tmp_path: Path) -> None:
    """A row whose source failed makes two intervals unknown; the others count."""
    d = derived(tmp_path, host(disk(sectors_read=[0, 100, MISSING, 300, 400]), [0, 1, 2, 3, 4]))
    series = d.series["read_bytes_per_s"]
    assert np.isnan(series.values).tolist() == [False, True, True, False]
    assert series.mean == 100 * 512
    assert series.known_s == pytest.approx(2)


def test_device_that_appears_counts_from_its_second_row(tmp_path: Path) -> None:
    """What a new device had done before is not part of the run; the old one goes on counting."""
    columns = disk("sda", sectors_read=[0, 10, 20, 30]) | disk(
        "sdb", sectors_read=[MISSING, MISSING, 10**9, 10**9 + 5]
    )
    series = derived(tmp_path, host(columns, [0, 1, 2, 3])).series["read_bytes_per_s"]
    assert (series.values / 512).tolist() == [10, 10, 15]


def test_counter_reset_is_unknown_and_noted(tmp_path: Path) -> None:
    d = derived(tmp_path, host(disk(sectors_read=[500, 600, 50, 150]), [0, 1, 2, 3]))
    assert np.isnan(d.series["read_bytes_per_s"].values).tolist() == [False, True, False]
    assert d.series["read_bytes_per_s"].mean == 100 * 512
    assert d.notes == [
        "diskstats.sda.sectors_read: fell in 1 interval(s), which are left out of it"
    ]


def test_32_bit_counter_wraps(tmp_path: Path) -> None:
    """time_doing_ios_ms is 32 bit wide on every kernel."""
    columns = disk(sectors_read=[0, 0], time_doing_ios_ms=[2**32 - 100, 400])
    d = derived(tmp_path, host(columns, [0, 1]))
    assert d.series["utilisation_percent"].mean == pytest.approx(50)
    assert d.notes == []


def test_short_last_interval_is_no_peak(tmp_path: Path) -> None:
    """A millisecond before the stop is in the mean, but it is not shown as a peak."""
    d = derived(
        tmp_path,
        host(disk(sectors_read=[0, 100, 200, 250]), [0, 1, 2, 2.001], [0, 1, 2, STOP_TICK]),
    )
    series = d.series["read_bytes_per_s"]
    assert (series.values / 512).tolist() == [100, 100]
    assert series.peak == 100 * 512
    assert series.mean == pytest.approx(250 * 512 / 2.001)
    assert d.tick.tolist() == [1, 2]


def test_run_shorter_than_an_interval(tmp_path: Path) -> None:
    """First row and stop row are enough for every figure."""
    d = derived(tmp_path, host(disk(sectors_read=[0, 100]), [0, 0.25], [0, STOP_TICK]))
    assert d.series["read_bytes_per_s"].mean == 400 * 512


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(tmp_path: Path, rows: int) -> None:
    """No figure rather than an error."""
    d = derived(tmp_path, host(disk(sectors_read=[0] * rows), [0.0] * rows))
    assert d.series == {} and d.span_s == 0


def test_decimated_rows(tmp_path: Path) -> None:
    """Every 8th tick only: the same mean, intervals of 8 s."""
    tick, times = sy.grid(801)
    rate = np.where(np.arange(801) % 8 == 3, 8e9, 1e9)
    whole = sy.SynthHost(tick, times, sy.disk("nvme0n1", times, rate, 0.0))
    few = sy.lose(whole, np.flatnonzero((tick % 8 != 0) & (tick >= 0)))  # type: ignore[arg-type]
    a, b = (
        derived(tmp_path / n, h)
        for n, h in (("a", whole), ("b", few))
        if not (tmp_path / n).mkdir()
    )
    assert b.series["read_bytes_per_s"].mean == pytest.approx(
        a.series["read_bytes_per_s"].mean, rel=1e-9
    )
    assert b.tick[:3].tolist() == [8, 16, 24]
    assert b.series["read_bytes_per_s"].peak < a.series["read_bytes_per_s"].peak


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *(
            (n, True)
            for n in "nvme0n1 nvme10n2 sda sdaa hda vdb xvda mmcblk0 dasda pmem0 pmem1s pmem0.1 rbd0".split()
        ),
        *(
            (n, False)
            for n in "nvme0n1p1 nvme0c0n1 sda1 vda2 mmcblk0p1 mmcblk0boot0 dm-0 md127 loop0 ram0".split()
        ),
        *((n, False) for n in "zram0 sr0 fd0 nbd0 drbd0 bcache0 sd dasda1 <script>".split()),
    ],
)
def test_block_names(name: str, counts: bool) -> None:
    """The rule of names; the disks of all partitions are listed."""
    disks = ["nvme0n1", "sda", "vda", "mmcblk0", "dasda"]
    assert (block_rule(name, disks) == "") == counts


def test_partition_without_its_disk_counts() -> None:
    """As on Xen guests that are given partitions only."""
    assert choose(["xvda1", "xvda2"], None, block_rule).devices == ["xvda1", "xvda2"]
    assert choose(["xvda1", "xvda"], None, block_rule).devices == ["xvda"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *(
            (n, True)
            for n in "eth0 eno1 enp3s0f1np1 ib0 ibp1s0 hsn0 em1 p1p1 wlan0 storage0 net1 broadcom0".split()
        ),
        *(
            (n, False)
            for n in "lo bond0 team0 br0 br-2f3a docker0 virbr0 veth12ab vlan100 eth0.100 ib0.8001".split()
        ),
        *(
            (n, False)
            for n in "tun0 tap0 ifb1 dummy0 wg0 vxlan1 cali1234 lxc00a eth0:1 vnet3 ovs-system".split()
        ),
    ],
)
def test_net_names(name: str, counts: bool) -> None:
    assert (net_rule(name, []) == "") == counts


def test_topology_rules_over_names() -> None:
    """What the host itself said counts more than its names; what it did not say falls back to them."""
    topology = {
        "sda": {"kind": "multipath path", "leaf": False},
        "weird": {"kind": "disk", "leaf": True},
        "sdb": "?",
    }
    got = choose(["sda", "weird", "sdb", "dm-3"], topology, block_rule)
    assert got.devices == ["weird", "sdb"]
    assert got.left_out == {"sda": "multipath path", "dm-3": "no physical disk by its name"}
    assert got.by_topology


def test_topology_is_read_from_the_recording(tmp_path: Path) -> None:
    h = host(disk("dm-0", sectors_read=[0, 100]) | disk("sda", sectors_read=[0, 100]), [0, 1])
    h.meta["topology"] = {
        "block": {"sda": {"kind": "path", "leaf": False}, "dm-0": {"kind": "mpath", "leaf": True}}
    }
    d = derived(tmp_path, h)
    assert d.block.devices == ["dm-0"] and d.block.by_topology and not d.net.by_topology


def test_every_figure_says_what_it_is(tmp_path: Path) -> None:
    """A whole recording yields all figures, and each has a unit in its name."""
    d = derived(tmp_path, sy.workload(0, 20))
    assert set(d.series) == {f.name for f in FIGURES if not f.optional}
    endings = {
        "bytes/s": "_bytes_per_s",
        "1/s": "_iops",
        "ms": "_ms",
        "%": "_percent",
        "bytes": "_bytes",
    }
    for f in FIGURES:
        assert f.doc and f.across in ("sum", "mean")
        assert f.name.endswith(endings.get(f.unit, "queue_depth"))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from([0, 1, 7, 2**31, 2**32 - 1, 2**63 - 1, -1, MISSING]),
        min_size=2,
        max_size=12,
    )
)
def test_any_counter(values: list[int]) -> None:
    """Whatever a counter holds: no error, never less than nothing, and nothing known where a side is missing."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        d = derived(
            Path(directory), host(disk(sectors_read=values), [float(n) for n in range(len(values))])
        )
    got = d.series["read_bytes_per_s"].values
    assert (got[np.isfinite(got)] >= 0).all()
    for n, (a, b) in enumerate(pairwise(values)):
        assert not (MISSING in (a, b) and np.isfinite(got[n]))
