"""Figures of every source that is not about disks, networks or CPUs: a machine of files, recorded by the whole program."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from living_tree import Recorded, record

GIB = 2**30
MIB = 2**20


def zone(zone: str, name: str, energy_uj: int) -> dict[str, str]:
    at = f"sys/class/powercap/{zone}"
    return {
        f"{at}/name": f"{name}\n",
        f"{at}/energy_uj": f"{energy_uj}\n",
        f"{at}/max_energy_range_uj": "262143328850\n",
    }


def gpu(card: int, busy: int, used: int, power_uw: int) -> dict[str, str]:
    at = f"sys/class/drm/card{card}/device"
    return {
        f"{at}/gpu_busy_percent": f"{busy}\n",
        f"{at}/mem_info_vram_used": f"{used}\n",
        f"{at}/mem_info_vram_total": f"{64 * GIB}\n",
        f"{at}/hwmon/hwmon{card}/power1_average": f"{power_uw}\n",
        f"{at}/hwmon/hwmon{card}/temp1_input": f"{60000 + card * 1000}\n",
    }


def node(n: int, hit: int, miss: int, free_kb: int) -> dict[str, str]:
    at = f"sys/devices/system/node/node{n}"
    stat = (
        f"numa_hit {hit}\nnuma_miss {miss}\nnuma_foreign 0\nlocal_node {hit}\nother_node {miss}\n"
    )
    return {f"{at}/numastat": stat, f"{at}/meminfo": f"Node {n} MemFree:       {free_kb} kB\n"}


def cgroup(usage_us: int, periods: int, throttled: int, current: int, read: int) -> dict[str, str]:
    at = "sys/fs/cgroup/job"
    return {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io memory\n",
        f"{at}/cpu.stat": f"usage_usec {usage_us}\nuser_usec 1\nsystem_usec 1\nnr_periods {periods}\n"
        f"nr_throttled {throttled}\nthrottled_usec {throttled * 50000}\n",
        f"{at}/memory.current": f"{current}\n",
        f"{at}/memory.events": f"low 0\nhigh {throttled}\nmax {throttled}\noom 0\noom_kill 0\n",
        f"{at}/io.stat": f"8:0 rbytes={read} wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
        f"253:0 rbytes={read} wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
        f"{at}/io.pressure": f"some avg10=0 avg60=0 avg300=0 total={usage_us // 10}\n",
    }


def softnet(processed: int, dropped: int) -> dict[str, str]:
    words = [processed, dropped, 7, *[0] * 9, 0, 0, 0]
    return {"proc/net/softnet_stat": " ".join(f"{w:08x}" for w in words) + "\n"}


def interrupts(first: int, second: int) -> dict[str, str]:
    return {
        "proc/interrupts": "           CPU0       CPU1\n"
        f"  1:  {first:>8} {second:>8}  PCI-MSI 1-edge      nvme0q1\n"
    }


def vmstat(**values: int) -> dict[str, str]:
    return {"proc/vmstat": "".join(f"{name} {value}\n" for name, value in values.items())}


def stat(interrupts: int, switches: int) -> dict[str, str]:
    return {
        "proc/stat": f"cpu  1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\nintr {interrupts} 1 2\nctxt {switches}\n"
        "btime 1\nprocesses 9\nprocs_running 3\nprocs_blocked 2\n"
    }


def network(octets: int, segments: int, retransmitted: int, six: int) -> dict[str, str]:
    return {
        "proc/net/snmp": "Tcp: CurrEstab InSegs OutSegs RetransSegs EstabResets\n"
        f"Tcp: 42 {segments} {segments} {retransmitted} 0\n"
        f"Udp: InDatagrams RcvbufErrors SndbufErrors\nUdp: 5 {retransmitted} 0\n",
        "proc/net/netstat": "TcpExt: TCPTimeouts TCPOFOQueue ListenDrops TCPBacklogDrop\n"
        f"TcpExt: {retransmitted} {2 * retransmitted} 0 {3 * retransmitted}\n"
        f"IpExt: InOctets OutOctets InNoECTPkts InCEPkts\nIpExt: {octets} {octets} 90 10\n",
        "proc/net/snmp6": f"Ip6InOctets   {six}\nIp6OutOctets  {six}\nUdp6RcvbufErrors {retransmitted}\n",
    }


def disks(read: int, sectors: int) -> dict[str, str]:
    return {
        "proc/diskstats": f"   8       0 sda {read} 0 {sectors} 9 0 0 0 0 0 9 9\n"
        f" 253       0 dm-0 {read} 0 {sectors} 9 0 0 0 0 0 9 9\n",
        "sys/block/sda/device/model": "Drive\n",
        "sys/block/sda/dev": "8:0\n",
        "sys/block/dm-0/dm/uuid": "LVM-x\n",
        "sys/block/dm-0/dev": "253:0\n",
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Two states: what a machine showed before some work, and after it."""
    before: Mapping[str, str] = {
        **disks(1000, 8000),
        **zone("intel-rapl:0", "package-0", 100_000_000_000),
        **zone("intel-rapl:0:0", "core", 1_000_000),
        **zone("intel-rapl:0:1", "dram", 5_000_000),
        **zone("intel-rapl-mmio:0", "package-0", 100_000_000_000),
        **gpu(0, 80, 10 * GIB, 300_000_000),
        **gpu(1, 40, 20 * GIB, 100_000_000),
        **node(0, 1000, 0, 5_000_000),
        **node(1, 1000, 0, 3_000_000),
        **cgroup(1_000_000, 10, 0, 5 * GIB, 0),
        **softnet(1000, 0),
        **interrupts(100, 100),
        **vmstat(pgscan_direct=5, pgscan_kswapd=5, pswpin=0, pswpout=0, pgmajfault=1, oom_kill=0,
                 workingset_refault_file=0, allocstall_normal=1, allocstall_movable=1),
        **stat(1000, 2000),
        **network(1000, 1000, 10, 500),
        "proc/loadavg": "1.50 1.00 0.50 3/200 4242\n",
    }  # fmt: skip
    after: Mapping[str, str] = {
        **disks(1100, 8000 + 100 * 256),
        **zone("intel-rapl:0", "package-0", 100_010_000_000),
        **zone("intel-rapl:0:1", "dram", 7_000_000),
        **zone("intel-rapl-mmio:0", "package-0", 100_010_000_000),
        **node(0, 1900, 100, 2_000_000),
        **cgroup(3_000_000, 30, 5, 6 * GIB, 64 * MIB),
        **softnet(3000, 20),
        **interrupts(150, 1100),
        **vmstat(pgscan_direct=1005, pgscan_kswapd=2005, pswpin=30, pswpout=40, pgmajfault=51, oom_kill=1,
                 workingset_refault_file=70, allocstall_normal=3, allocstall_movable=4),
        **stat(2050, 3000),
        **network(1_001_000, 2000, 20, 2_000_500),
    }  # fmt: skip
    sources = "diskstats,power,gpu,numa,cgroup,softnet,interrupts,vmstat,stat,tcp,loadavg"
    states = [before] + [{}] * 4 + [after] + [{}] * 4
    return record(tmp_path_factory.mktemp("machine"), states, sources=sources)


MOVED = {
    "cgroup_cpu_cores": 2.0,
    "cgroup_throttled_cores": 0.25,
    "cgroup_memory_events_per_s": 10,
    "cgroup_read_bytes_per_s": 64 * MIB,
    "softnet_packets_per_s": 2000,
    "softnet_drops_per_s": 20,
    "interrupts_per_s": 1050,
    "interrupts_busiest_cpu_per_s": 1000,
    "context_switches_per_s": 1000,
    "direct_reclaim_pages_per_s": 1000,
    "kswapd_reclaim_pages_per_s": 2000,
    "swap_in_pages_per_s": 30,
    "swap_out_pages_per_s": 40,
    "refault_pages_per_s": 70,
    "allocation_stalls_per_s": 5,
    "major_faults_per_s": 50,
    "oom_kills_per_s": 1,
    "tcp_timeouts_per_s": 10,
    "tcp_drops_per_s": 30,
    "udp_drops_per_s": 20,
    "ip_rx_bytes_per_s": 3_000_000,
    "ip_tx_bytes_per_s": 3_000_000,
}


@pytest.mark.parametrize("figure", MOVED)
def test_what_was_moved(recorded: Recorded, figure: str) -> None:
    """The mean of a rate times the duration: what the machine did between its two states."""
    assert recorded.moved(figure) == pytest.approx(MOVED[figure], rel=2e-2)


MEANS = {
    "cgroup_throttled_percent": 25.0,
    "numa_miss_percent": 10.0,
    "tcp_retransmit_percent": 1.0,
    "tcp_out_of_order_percent": 2.0,
    "read_request_bytes": 256 * 512,
    "gpu_busy_percent": 60.0,
    "gpu_busy_max_percent": 80.0,
    "gpu_memory_used_bytes": 30 * GIB,
    "gpu_power_watts": 400.0,
    "gpu_temperature_celsius": 61.0,
    "tcp_connections": 42,
    "blocked_threads": 2,
    "runnable_threads": 3,
    "load_1min_threads": 1.5,
}


@pytest.mark.parametrize("figure", MEANS)
def test_means(recorded: Recorded, figure: str) -> None:
    mean = recorded.host["figures"][figure]["mean"]
    assert mean == pytest.approx(MEANS[figure], rel=1e-3)


def test_levels_before_and_after(recorded: Recorded) -> None:
    """The memory of the cgroup, and of the fuller of two nodes."""
    assert recorded.peak("cgroup_memory_bytes") == pytest.approx(6 * GIB)
    assert recorded.peak("numa_free_min_bytes") == pytest.approx(3_000_000 * 1024)


def test_power_is_there(recorded: Recorded) -> None:
    """Sensors may be slow, and are read every fourth tick: test_energy.py has the numbers."""
    figures = recorded.host["figures"]
    for name in ("cpu_power_watts", "dram_power_watts", "host_power_watts", "bytes_per_joule"):
        assert name in figures
    assert figures["host_power_watts"]["peak"] >= 400


def test_nothing_else_is_said(recorded: Recorded) -> None:
    """All of it was recorded; a busy machine may be late, and slow sources slow."""
    reasons = recorded.summary["verdict"]["reasons"]
    assert [r for r in reasons if "late" not in r and "slow" not in r and "missed" not in r] == []
