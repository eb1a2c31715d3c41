"""Which devices a total counts: machines of many kinds, recorded and summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import living_tree as lt
import pytest
from nodekit import text_of
from selection import first_of

SECTORS = 2000  #: of each disk that moves, in a step
STEPS = 5
BYTES = 512 * SECTORS * STEPS  #: of one disk in the run
NET_BYTES = 10**6 * STEPS


def record_disks(
    directory: Path, sysfs: dict[str, Any], moving: list[str], still: tuple[str, ...] = ()
) -> lt.Recorded:
    """Record disks that are described by ``sysfs``; ``moving`` ones read SECTORS in each step."""

    def state(n: int) -> dict[str, Any]:
        busy = {"sectors_read": SECTORS * n, "reads_completed": 10 * n, "time_doing_ios_ms": 50 * n}
        return lt.diskstats(dict.fromkeys(moving, busy) | {name: {} for name in still})

    states = [state(0) | sysfs, *(state(n) for n in range(1, STEPS + 1))]
    return lt.record(directory, states, sources="diskstats")


def record_net(
    directory: Path,
    sysfs: dict[str, Any],
    interfaces: list[str],
    later: dict[str, Any] | None = None,
) -> lt.Recorded:
    """Record interfaces that receive a megabyte in each step; ``later``: sysfs of those that appear."""
    appearing = sorted({p.split("/")[3] for p in later or {}})

    def state(n: int) -> dict[str, Any]:
        names = interfaces + (appearing if n >= 2 else [])
        return lt.netdev(dict.fromkeys(names, (10**6 * n, 0)))

    states: list[dict[str, Any]] = [state(0) | sysfs, *(state(n) for n in range(1, STEPS + 1))]
    if later:
        states[2] |= later
    return lt.record(directory, states, sources="netdev", clock="proc/net/dev")


def counted(found: lt.Recorded, what: str) -> tuple[list[str], dict[str, str]]:
    """(names that count, {the others: reason})."""
    return found.host["counted"][what], found.host["left_out"][what]


# ---- disks
MULTIPATH: dict[str, Any] = {
    **lt.disk_sysfs("nvme0n1"),
    **lt.disk_sysfs("nvme0c0n1"),
    **lt.disk_sysfs("nvme0c1n1"),
    "sys/block/nvme0n1/hidden": "0\n",
    "sys/block/nvme0c0n1/hidden": "1\n",
    "sys/block/nvme0c1n1/hidden": "1\n",
}


def test_multipath_before_linux_6_2(tmp_path: Path) -> None:
    """The kernel counts at the paths alone: two paths with 41 GB/s each are 82 GB/s."""
    sectors = 80_000_000

    def state(n: int) -> dict[str, str]:
        busy = {"sectors_read": sectors * n // 10, "reads_completed": n}
        return lt.diskstats({"nvme0n1": {}, "nvme0c0n1": busy, "nvme0c1n1": busy})

    states = [state(0) | MULTIPATH, *(state(n) for n in range(1, 6))]
    found = lt.record(tmp_path, states, sources="diskstats")
    assert found.moved("read_bytes_per_s") == pytest.approx(2 * 5 * 8_000_000 * 512)
    names, left_out = counted(found, "block")
    assert names == ["nvme0c0n1", "nvme0c1n1"]
    assert left_out["nvme0n1"].startswith(
        "the kernel counts its I/O at its paths nvme0c0n1, nvme0c1n1"
    )


@pytest.mark.parametrize("sysfs", [MULTIPATH, {}], ids=["sysfs", "names"])
def test_multipath_since_linux_6_2(tmp_path: Path, sysfs: dict[str, Any]) -> None:
    """The head moves, too: it alone. Without sysfs the names say the same."""
    found = record_disks(tmp_path, sysfs, ["nvme0n1", "nvme0c0n1"])
    assert found.moved("read_bytes_per_s") == pytest.approx(BYTES)
    names, left_out = counted(found, "block")
    assert names == ["nvme0n1"]
    assert left_out == {"nvme0c0n1": "its I/O is that of nvme0n1, which is counted"}
    assert found.host["counted_by"]["block"] == ("topology" if sysfs else "name")


def test_disks_of_every_kind(tmp_path: Path) -> None:
    """Each of them reads as much; the real ones count, by the names that sysfs writes otherwise, too."""
    sysfs = lt.disk_sysfs("sda") | lt.disk_sysfs("cciss!c0d0") | lt.disk_sysfs("sr0")
    for name in (
        "zd0",
        "dm-0",
        "md0",
        "bcache0",
        "drbd0",
        "nbd0",
        "zram0",
        "loop0",
        "rbd0",
        "pmem0",
    ):
        sysfs |= lt.disk_sysfs(name, device=False)
    sysfs |= {
        "sys/block/dm-0/dm/uuid": "LVM-x\n",
        "sys/block/dm-0/slaves/sda": lt.Link("../../sda"),
        "sys/block/md0/md/level": "raid1\n",
        "sys/block/md0/slaves/cciss!c0d0": lt.Link("../../cciss!c0d0"),
        "sys/block/bcache0/slaves/sda": lt.Link("../../sda"),
        "sys/block/sda/sda1/partition": "1\n",
        "sys/block/cciss!c0d0/cciss!c0d0p1/partition": "1\n",
    }
    names = ["sda", "sda1", "cciss/c0d0", "cciss/c0d0p1", "sr0", "zd0", "dm-0", "md0", "bcache0"]
    names += ["drbd0", "nbd0", "zram0", "loop0", "rbd0", "pmem0"]
    found = record_disks(tmp_path, sysfs | lt.disk_sysfs("sdb"), names, still=("sdb",))
    real, left_out = counted(found, "block")
    assert real == ["sda", "cciss/c0d0", "rbd0", "pmem0", "sdb"]
    assert found.moved("read_bytes_per_s") == pytest.approx(4 * BYTES)
    assert left_out["dm-0"] == "dm on sda"
    assert left_out["md0"] == "md on cciss/c0d0"
    assert left_out["cciss/c0d0p1"] == "a partition of cciss/c0d0"
    assert left_out["zd0"].startswith("a ZFS volume")
    assert set(left_out) == set(names) - set(real)
    # a disk without a request counts, and has no part in the mean of utilisation
    busy, busiest = (found.mean(f"utilisation{x}_percent") for x in ("", "_max"))
    assert busy == pytest.approx(busiest)
    assert "sdb: no request in the whole run, left out of means over disks" in found.host["notes"]


# ---- interfaces
def test_numbers_of_azure(tmp_path: Path) -> None:
    """As Microsoft's guide shows a machine: what came before the function was there is eth0's alone.

    (azure-docs, accelerated-networking-how-it-works.md: ifconfig of enP53091s1np0 and eth0)
    """
    sysfs = lt.net_sysfs("eth0") | lt.net_sysfs("enP53091s1np0", index=3)
    sysfs |= {
        "sys/class/net/eth0/lower_enP53091s1np0": lt.Link("../enP53091s1np0"),
        "sys/class/net/enP53091s1np0/master": lt.Link("../eth0"),
    }
    step = 10**6

    def state(n: int) -> dict[str, Any]:
        eth0 = (4_954_919_874 + step * n, 2_183_731_687 + step * n)
        function = (413_711_297 + step * n, 2_206_536_829 + step * n)  # frames with their heads
        return lt.netdev({"lo": (7, 7), "enP53091s1np0": function, "eth0": eth0})

    # servicing takes the function away for a while: eth0 goes on
    states = [state(0) | sysfs, *(state(n) for n in range(1, STEPS + 1))]
    for n in (3, 4):
        lines = states[n]["proc/net/dev"].splitlines(keepends=True)
        states[n]["proc/net/dev"] = "".join(t for t in lines if "enP53091s1np0" not in t)
    found = lt.record(tmp_path, states, sources="netdev", clock="proc/net/dev")
    for figure in ("net_rx_bytes_per_s", "net_tx_bytes_per_s"):
        assert found.moved(figure) == pytest.approx(step * STEPS)
    names, left_out = counted(found, "net")
    assert names == ["eth0"]
    assert left_out["enP53091s1np0"] == "eth0 carries its traffic and is counted"
    assert any(n.startswith("enP53091s1np0 gone from") for n in found.host["notes"])
    assert not any("enP53091s1np0" in r for r in found.summary["verdict_remarks"])


@pytest.mark.parametrize("devtype", first_of("macvlan", "ipvlan", "veth", ""))
def test_all_the_network_a_container_has(tmp_path: Path, devtype: str) -> None:
    sysfs = lt.net_sysfs("eth0", device=False, devtype=devtype, index=7, iflink=4)
    found = record_net(tmp_path, sysfs | lt.net_sysfs("lo", device=False), ["lo", "eth0"])
    assert found.moved("net_rx_bytes_per_s") == pytest.approx(NET_BYTES)
    assert counted(found, "net")[0] == ["eth0"]


def test_interfaces_that_appear_during_the_run(tmp_path: Path) -> None:
    """A pair counts nothing, whatever its ends are called; an adapter from its second row on."""
    later = lt.net_sysfs("left", device=False, index=8, iflink=9)
    later |= lt.net_sysfs("right", device=False, index=9, iflink=8)
    later |= lt.net_sysfs("ib7", index=5)
    found = record_net(tmp_path, lt.net_sysfs("eth0"), ["lo", "eth0"], later=later)
    names, left_out = counted(found, "net")
    assert names == ["eth0", "ib7"]
    assert left_out["left"] == left_out["right"] == "veth"
    assert found.moved("net_rx_bytes_per_s") == pytest.approx(NET_BYTES + (STEPS - 2) * 10**6)
    said = [r for r in found.summary["verdict_remarks"] if " since " in r]
    assert len(said) == 1 and "ib7 there since" in said[0]


def test_head_with_single_requests_before_linux_6_2(tmp_path: Path) -> None:
    """What is counted at the head is a part of what its paths had: they count, not the head alone."""

    def state(n: int) -> dict[str, str]:
        busy = {"sectors_read": SECTORS * n, "reads_completed": 10 * n}
        head = {"reads_completed": int(n > 2), "sectors_read": 8 * int(n > 2)}
        return lt.diskstats({"nvme0n1": head, "nvme0c0n1": busy, "nvme0c1n1": busy})

    states = [state(0) | MULTIPATH, *(state(n) for n in range(1, STEPS + 1))]
    found = lt.record(tmp_path, states, sources="diskstats")
    assert found.moved("read_bytes_per_s") == pytest.approx(2 * BYTES)
    assert counted(found, "block")[0] == ["nvme0c0n1", "nvme0c1n1"]


def test_a_real_machine_with_paths(tmp_path: Path) -> None:
    """Drives with paths and without, of a kernel that counts at the paths alone: each drive once."""
    text = text_of("multipath", "diskstats").decode()
    disks = ["nvme1c1n1", "nvme0c0n1", "nvme2n1", "nvme3n1"]

    def state(n: int) -> dict[str, str]:
        lines = []
        for line in text.splitlines():
            words = line.split()
            if words[2] in disks:
                words[3], words[5] = str(int(words[3]) + 10 * n), str(int(words[5]) + SECTORS * n)
            lines.append(" ".join(words) + "\n")
        return {"proc/diskstats": "".join(lines)}

    found = lt.record(tmp_path, [state(n) for n in range(STEPS + 1)], sources="diskstats")
    assert counted(found, "block")[0] == [*disks[:2], "nvme3n1", "nvme2n1"]
    assert found.moved("read_bytes_per_s") == pytest.approx(4 * BYTES)
