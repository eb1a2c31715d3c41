"""Machines whose figures could be wrong for the reasons of README.md, and are put together differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import living_tree as lt
import pytest

from mpi_collector.store.load import load

STEPS = 5
SECTORS = 2000
BYTES = 512 * SECTORS * STEPS
NET = 10**6
Link = lt.Link


# ---- disks on disks, disks of drivers that have no device, partitions of everything
REAL_DISKS = (
    "nvme0n1 nvme1n1 sda sdb sdc dasda mmcblk0 mmcblk0boot0 vda fioa xvda1 nvme2n1 scinia".split()
)
WHY_NOT = {
    "nvme0n1p1": "a partition of nvme0n1",
    "dasda1": "a partition of dasda",
    "md0": "md on nvme0n1p1, nvme1n1",
    "md0p1": "a partition of md0",
    "dm-0": "dm on md0",
    "dm-1": "multipath on sda, sdb",
    "bcache0": "bcache: the disks below it are counted",
    "drbd0": "DRBD: the disk below it is counted",
    "nbd0": "a network block device",
    "zram0": "compressed memory (zram)",
    "sr0": "an optical drive",
    "ublkb0": "sysfs names no device to which it belongs",
    "emcpowera": "sysfs names no device to which it belongs",
    "VxDMP1": "sysfs names no device to which it belongs",
    "nvme2c2n1": "its I/O is that of nvme2n1, which is counted",
}
# ---- interfaces: bonds, teams, VLANs, bridges and tunnels of real ones, functions, representors
REAL_NICS = ["eth0", "eth1", "eth2", "eth3", "ib0", "wlan0", "eth9", "eno5", "b\\xffd"]
BAD = "b\udcffd"  # a name that is no UTF-8, as the kernel allows
NIC_WHY_NOT = {
    "lo": "loopback",
    "bond0": "bond on eth0, eth1",
    "bond0.100": "vlan on bond0",
    "team0": "team on eth2",
    "macvlan0": "macvlan on eth0",
    "bond1": "bond on eno5",
    "tun0": "tap",
    "wg0": "wireguard",
    "ovs-system": "virtual",
    "br-int": "virtual",
    "vxlan_sys_4789": "vxlan",
    "docker0": "bridge",
    "veth12": "veth",
    "dummy0": "virtual",
    "sit0": "tunnel",
    "pf0vf0": "it stands for a function of an adapter (pf0vf0)",
    "ib0.8001": "infiniband partition on ib0",
    "lan1": "dsa",
    "can0": "other",
    "enP1s1": "eth9 carries its traffic and is counted",
    "eth0:1": "an alias of eth0",
}


def sysfs() -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in [*REAL_DISKS, "sr0", "nvme2c2n1"]:
        if name not in ("xvda1", "scinia"):
            out |= lt.disk_sysfs(name)
    for name in "md0 dm-0 dm-1 bcache0 drbd0 nbd0 zram0 ublkb0 emcpowera VxDMP1 scinia".split():
        out |= lt.disk_sysfs(name, device=False)
    for disk, part in (("nvme0n1", "nvme0n1p1"), ("dasda", "dasda1"), ("md0", "md0p1")):
        out[f"sys/block/{disk}/{part}/partition"] = "1\n"
    for upper, lower in (
        ("md0", "nvme0n1p1"),
        ("md0", "nvme1n1"),
        ("dm-0", "md0"),
        ("dm-1", "sda"),
        ("dm-1", "sdb"),
        ("bcache0", "sdc"),
    ):
        out[f"sys/block/{upper}/slaves/{lower}"] = Link(f"../../{lower}")
    out["sys/block/md0/md/level"] = "raid0\n"
    out["sys/block/dm-0/dm/uuid"] = "LVM-x\n"
    out["sys/block/dm-1/dm/uuid"] = "mpath-x\n"
    out["sys/block/nvme2c2n1/hidden"] = "1\n"
    return out | net_sysfs()


def net_sysfs() -> dict[str, Any]:
    out: dict[str, Any] = {}
    types = dict.fromkeys(("team0", "bond0", "bond1"), "") | {
        "bond0.100": "vlan",
        "team0": "team",
        "macvlan0": "macvlan",
        "wg0": "wireguard",
        "vxlan_sys_4789": "vxlan",
        "lan1": "dsa",
        "wlan0": "wlan",
    }
    real = ["eth0", "eth1", "eth2", "eth3", "ib0", "wlan0", "eth9", "eno5", BAD]
    real += ["pf0vf0", "ib0.8001", "lan1", "can0", "enP1s1"]
    for n, name in enumerate(real + [n for n in NIC_WHY_NOT if n not in real and ":" not in n]):
        link = 77 if name == "veth12" else None
        out |= lt.net_sysfs(
            name, device=name in real, devtype=types.get(name, ""), index=2 + n, iflink=link
        )
    for master, port in (
        ("bond0", "eth0"),
        ("bond0", "eth1"),
        ("team0", "eth2"),
        ("bond1", "eno5"),
        ("eth9", "enP1s1"),
    ):
        out[f"sys/class/net/{master}/lower_{port}"] = Link(f"../{port}")
        out[f"sys/class/net/{port}/master"] = Link(f"../{master}")
    for upper, lower in (("bond0.100", "bond0"), ("macvlan0", "eth0")):
        out[f"sys/class/net/{upper}/lower_{lower}"] = Link(f"../{lower}")
    for path, text in (
        ("bond0/bonding/mode", "802.3ad 4"),
        ("bond1/bonding/mode", "active-backup 1"),
        ("docker0/bridge/stp_state", "0"),
        ("tun0/tun_flags", "0x1"),
        ("tun0/type", "65534"),
        ("wg0/type", "65534"),
        ("pf0vf0/phys_port_name", "pf0vf0"),
        ("eth3/phys_port_name", "p0"),
        ("ib0/type", "32"),
        ("ib0.8001/type", "32"),
        ("ib0.8001/parent", "ib0"),
        ("can0/type", "280"),
        ("sit0/type", "776"),
        ("wlan0/phy80211/name", "phy0"),
    ):
        out[f"sys/class/net/{path}"] = text + "\n"
    return out


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    """Every device of every kind moves as much."""
    nics = [BAD if "\\" in name else name for name in REAL_NICS] + list(NIC_WHY_NOT)

    def state(n: int) -> dict[str, Any]:
        busy = {"sectors_read": SECTORS * n, "reads_completed": 10 * n, "time_doing_ios_ms": 5 * n}
        disks = dict.fromkeys([*REAL_DISKS, *WHY_NOT], busy)
        return lt.diskstats(disks) | lt.netdev(dict.fromkeys(nics, (NET * n, NET * n)))

    states = [state(0) | sysfs(), *(state(n) for n in range(1, STEPS + 1))]
    return lt.record(tmp_path_factory.mktemp("stacks"), states)


def test_real_disks_count_once(stacks: lt.Recorded) -> None:
    assert set(stacks.host["counted"]["block"]) == set(REAL_DISKS)
    assert stacks.host["left_out"]["block"] == WHY_NOT
    assert stacks.moved("read_bytes_per_s") == pytest.approx(len(REAL_DISKS) * BYTES)


def test_real_interfaces_count_once(stacks: lt.Recorded) -> None:
    assert set(stacks.host["counted"]["net"]) == set(REAL_NICS)
    assert stacks.host["left_out"]["net"] == NIC_WHY_NOT
    assert stacks.moved("net_rx_bytes_per_s") == pytest.approx(len(REAL_NICS) * NET * STEPS)


# ---- sysfs of another network namespace: that of the host, bound into a container
def test_interfaces_that_sysfs_does_not_describe(tmp_path: Path) -> None:
    """eth0 is this namespace's, and ens1f0 the host's: what is listed counts, by its name."""
    first = lt.net_sysfs("ens1f0") | lt.net_sysfs("lo", device=False, index=1)

    def state(n: int) -> dict[str, str]:
        return lt.netdev({"lo": (NET * n, 0), "eth0": (NET * n, 0), "docker0": (NET * n, 0)})

    states = [state(0) | first, *(state(n) for n in range(1, STEPS + 1))]
    found = lt.record(tmp_path, states, sources="netdev", clock="proc/net/dev")
    assert found.host["counted"]["net"] == ["eth0"]
    assert found.host["counted_by"]["net"] == "name"
    assert found.moved("net_rx_bytes_per_s") == pytest.approx(NET * STEPS)


# ---- CPUs that go and come, gaps in their numbers, counters that fall by one
CPU_STEPS = 7


def cpus(n: int, interval: int = 25) -> dict[str, str]:
    """CPUs 0 to 299, some of them offline; one goes, one comes; iowait falls by a tick in step 4."""
    there = [c for c in range(300) if c % 7 != 3 and (c != 5 or n < 3) and (c != 6 or n >= 2)]
    iowait = 100 - (n >= 4)

    def row(k: int) -> str:
        return f"{5 * k * n} 0 0 {(interval - 5) * k * n - (n == 3)} {iowait} 0 0 0 0 0"

    lines = [f"cpu  {row(256)}"] + [f"cpu{c} {row(1)}" for c in there]
    return {"proc/stat": "\n".join([*lines, f"ctxt {n}", "btime 1700000000", "processes 1", ""])}


def test_cpus_that_go_and_come(tmp_path: Path) -> None:
    found = lt.record(
        tmp_path,
        [cpus(n) for n in range(CPU_STEPS)],
        sources="stat",
        clock="proc/stat",
        interval_s=0.25,
    )
    assert found.mean("cpu_busy_percent") == pytest.approx(20, rel=0.01)
    notes = [n for n in found.host["notes"] if "stat" in n]
    assert len(notes) == 2, notes  # one of the sum, one of all CPUs
    assert any(n.startswith("stat cpu0.iowait, cpu1.iowait, ") and " more: " in n for n in notes)
    assert not [r for r in found.summary["verdict"]["reasons"] if "stat" in r]


# ---- a kernel of 32 bits, or a driver that counts so
def test_interface_whose_counter_has_32_bits(tmp_path: Path) -> None:
    """Its width is not known: the interval is unknown, and the rest is right."""
    begin = 2**32 - 3 * NET

    def state(n: int) -> dict[str, str]:
        return lt.netdev({"eth0": ((begin + NET * n) % 2**32, NET * n)})

    states = [state(0) | lt.net_sysfs("eth0"), *(state(n) for n in range(1, 8))]
    found = lt.record(tmp_path, states, sources="netdev", clock="proc/net/dev")
    peak = found.peak("net_rx_bytes_per_s")
    assert peak is not None and 0 < peak < 60 * NET
    (note,) = (n for n in found.host["notes"] if "eth0" in n)
    assert "; the interval up to " in note


# ---- cgroups
CG = "sys/fs/cgroup/job"


def cgroup(n: int) -> dict[str, Any]:
    """A cgroup in which controllers are enabled while it is recorded; keys that no kernel has yet."""
    state: dict[str, Any] = {
        f"{CG}/cpu.stat": f"usage_usec {10**6 + 20_000 * n}\nuser_usec {n}\nsystem_usec 1\n",
        **lt.diskstats({"sda": {"reads_completed": n}}),
    }
    if n >= 2:
        state[f"{CG}/cpu.stat"] += f"nr_periods {n}\nnr_throttled {n}\nthrottled_usec {1000 * n}\n"
        state[f"{CG}/memory.current"] = "4096\n"
        state[f"{CG}/memory.stat"] = f"anon 1024\nnovelty 7\npgfault {n}\nzswpwb 5\n"
        state[f"{CG}/memory.events"] = f"low 0\nhigh 0\nmax {n}\noom 0\noom_kill 0\n"
        state[f"{CG}/io.stat"] = f"8:0 rbytes={4096 * n} wbytes=0 rios={n} wios=0 cost.usage=5\n"
        state[f"{CG}/pids.current"] = "3\n"
    return state


@pytest.fixture(scope="module")
def enabled(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    first = {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
        f"{CG}/cgroup.type": "threaded\n",
    }
    states = [cgroup(0) | first, *(cgroup(n) for n in range(1, 8))]
    return lt.record(tmp_path_factory.mktemp("cgroup"), states, sources="diskstats,cgroup")


@pytest.mark.parametrize(
    ("column", "last"),
    [
        ("memory.memory_bytes", 4096),
        ("memory.anon", 1024),
        ("memory.events_max", 7),
        ("cpu.throttled_us", 7000),
        ("8:0.read_bytes", 7 * 4096),
        ("pids.pids", 3),
    ],
)
def test_controllers_that_are_enabled_later(enabled: lt.Recorded, column: str, last: int) -> None:
    with load(enabled.path) as run:
        (host,) = run.values()
        assert host.raw(f"cgroup.{column}")[-1] == last


def test_nothing_of_a_cgroup_is_lost(enabled: lt.Recorded) -> None:
    said = [*enabled.summary["verdict"]["reasons"], *enabled.summary["verdict_remarks"]]
    assert not [r for r in said if "cgroup" in r], said


# ---- a guest that is suspended for an hour, a drive that is replaced, a line that is printed twice
def eventful(n: int) -> dict[str, str]:
    """Idle time grows by an hour in step 4; nvme0n1 is another drive from step 4 on, sda twice in 3."""

    def row(k: int) -> str:
        return f"{5 * k * n} 0 0 {k * (20 * n + (360_000 if n >= 4 else 0))} 0 0 0 0 0 0"

    disks = {"sda": {"reads_completed": 10 * n, "sectors_read": SECTORS * n}}
    if n != 3:
        before = 10**6 if n < 3 else 0
        disks["nvme0n1"] = {
            "reads_completed": 10 * n + before,
            "sectors_read": SECTORS * n + 1000 * before,
        }
    text = lt.diskstats(disks)["proc/diskstats"]
    again = text.splitlines(keepends=True)[0] if n == 3 else ""
    stat = f"cpu  {row(2)}\ncpu0 {row(1)}\ncpu1 {row(1)}\nctxt {n}\nbtime {1700000000 + n}\nprocesses 1\n"
    return {"proc/diskstats": text + again, "proc/stat": stat}


def test_a_guest_that_was_suspended_and_a_drive_that_was_replaced(tmp_path: Path) -> None:
    first = lt.disk_sysfs("sda") | lt.disk_sysfs("nvme0n1")
    states = [eventful(0) | first, *(eventful(n) for n in range(1, CPU_STEPS))]
    found = lt.record(tmp_path, states, sources="diskstats,stat", interval_s=0.25)
    assert found.mean("cpu_busy_percent") == pytest.approx(20)
    assert found.peak("cpu_busy_percent") == pytest.approx(20)
    said = found.summary["verdict_remarks"]
    assert len([r for r in said if "stat cpu" in r]) == 2  # of the sum, of all CPUs
    # 6 steps of sda; of the drives what each is known to have read, 2 and 2
    assert found.moved("read_bytes_per_s") == pytest.approx((6 + 4) * SECTORS * 512)
    assert len([r for r in said if "nvme0n1 gone from" in r]) == 1
    assert found.host["counted"]["block"] == ["sda", "nvme0n1"]
