"""Which devices count, by name and by topology."""

from __future__ import annotations

import pytest
from derived_host import derived, disk, host

from mpi_collector.store.figures.devices import block_rule, choose, net_rule

DISKS = "nvme0n1 nvme10n2 sda sdaa hda vdb xvda mmcblk0 dasda pmem0 pmem1s pmem0.1 rbd0".split()
NO_DISKS = (
    "nvme0n1p1 nvme0c0n1 sda1 vda2 mmcblk0p1 mmcblk0boot0 dm-0 md127 loop0 ram0 "
    "zram0 sr0 fd0 nbd0 drbd0 bcache0 sd dasda1 <script>"
).split()
INTERFACES = "eth0 eno1 enp3s0f1np1 ib0 ibp1s0 hsn0 em1 p1p1 wlan0 storage0 net1 broadcom0".split()
NO_INTERFACES = (
    "lo bond0 team0 br0 br-2f3a docker0 virbr0 veth12ab vlan100 eth0.100 ib0.8001 "
    "tun0 tap0 ifb1 dummy0 wg0 vxlan1 cali1234 lxc00a eth0:1 vnet3 ovs-system"
).split()


@pytest.mark.parametrize("name", [*DISKS, *NO_DISKS])
def test_block_names(name: str) -> None:
    """The rule of names; the disks of all partitions are listed."""
    disks = ["nvme0n1", "sda", "vda", "mmcblk0", "dasda"]
    assert (block_rule(name, disks) == "") == (name in DISKS)


def test_partition_without_its_disk_counts() -> None:
    """As on Xen guests that are given partitions only."""
    assert choose(["xvda1", "xvda2"], {}, block_rule).devices == ["xvda1", "xvda2"]
    assert choose(["xvda1", "xvda"], {}, block_rule).devices == ["xvda"]


@pytest.mark.parametrize("name", [*INTERFACES, *NO_INTERFACES])
def test_net_names(name: str) -> None:
    assert (net_rule(name, []) == "") == (name in INTERFACES)


def test_topology_decides_before_names() -> None:
    """Devices that the topology does not describe fall back to their names."""
    topology = {
        "sda": {"kind": "multipath path", "leaf": False},
        "weird": {"kind": "disk", "leaf": True},
        "sdb": {},
    }
    got = choose(["sda", "weird", "sdb", "dm-3"], topology, block_rule)
    assert got.devices == ["weird", "sdb"]
    assert got.left_out == {"sda": "multipath path", "dm-3": "not a physical disk by its name"}
    assert got.by_topology


def test_topology_is_read_from_the_recording() -> None:
    h = host(disk("dm-0", sectors_read=[0, 100]) | disk("sda", sectors_read=[0, 100]), [0, 1])
    h.meta["topology"] = {
        "block": {"sda": {"kind": "path", "leaf": False}, "dm-0": {"kind": "mpath", "leaf": True}}
    }
    d = derived(h)
    assert d.block.devices == ["dm-0"]
    assert d.block.by_topology
    assert not d.net.by_topology
