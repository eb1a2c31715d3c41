"""Which devices count, by name and by topology."""

from __future__ import annotations

from typing import Any

import pytest
from derived_host import derived, disk, host

from mpi_collector.node.table.counted import count_disks, count_interfaces
from mpi_collector.node.table.device_names import block_rule, net_rule

DISKS = "cciss/c0d0 nvme0n1 nvme10n2 sda sdaa hda vdb xvda mmcblk0 dasda pmem0 pmem1s pmem0.1 rbd0".split()
NO_DISKS = (
    "nvme0n1p1 cciss/c0d0p1 zd0 sda1 vda2 mmcblk0p1 mmcblk0boot0 dm-0 md127 loop0 ram0 "
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
    disks = ["nvme0n1", "sda", "vda", "mmcblk0", "dasda", "cciss/c0d0"]
    assert (block_rule(name, disks) == "") == (name in DISKS)


def still(_name: str) -> bool:
    return False


def test_partition_without_its_disk_counts() -> None:
    """As on Xen guests that are given partitions only."""
    assert count_disks(["xvda1", "xvda2"], None, still).devices == ["xvda1", "xvda2"]
    assert count_disks(["xvda1", "xvda"], None, still).devices == ["xvda"]


@pytest.mark.parametrize("name", [*INTERFACES, *NO_INTERFACES])
def test_net_names(name: str) -> None:
    assert (net_rule(name, []) == "") == (name in INTERFACES)


def test_topology_of_an_earlier_version_decides_before_names() -> None:
    """It has the decision of that version; devices that it lacks fall back to their names."""
    topology = {
        "sda": {"kind": "multipath path", "leaf": False},
        "weird": {"kind": "disk", "leaf": True},
        "sdb": {},
    }
    got = count_disks(["sda", "weird", "sdb", "dm-3"], topology, still)
    assert got.devices == ["weird", "sdb"]
    assert got.left_out == {"sda": "multipath path", "dm-3": "not a physical disk by its name"}
    assert got.by_topology


def test_topology_is_read_from_the_recording() -> None:
    h = host(disk("dm-0", sectors_read=[0, 100]) | disk("sda", sectors_read=[0, 100]), [0, 1])
    h.meta["topology"] = {
        "block": {
            "sda": {"kind": "disk", "parents": [], "device": False},
            "dm-0": {"kind": "disk", "parents": [], "device": True},
        }
    }
    d = derived(h)
    assert d.block.devices == ["dm-0"]
    assert d.block.by_topology
    assert not d.net.by_topology


def nic(kind: str = "ethernet", **about: Any) -> dict[str, Any]:
    """Facts of an interface, physical unless ``about`` says otherwise."""
    known = {"parents": [], "device": kind == "ethernet", "master": None, "port": None}
    return {"kind": kind, **known, "index": None, "link": None, **about}


NETWORKS = {
    "bond of two ports": (
        {
            "eth0": nic(master="bond0"),
            "eth1": nic(master="bond0"),
            "bond0": nic("bond", parents=["eth0", "eth1"]),
        },
        ["eth0", "eth1"],
    ),
    "team, bridge and VLAN on a port": (
        {
            "eth0": nic(master="br0"),
            "br0": nic("bridge", parents=["eth0"]),
            "team0": nic("team"),
            "eth0.7": nic("vlan", parents=["eth0"]),
        },
        ["eth0"],
    ),
    "Azure": (
        {"eth0": nic(parents=["enP5s1"]), "enP5s1": nic(master="eth0")},
        ["eth0"],
    ),
    "Azure with a bond of two": (
        {
            "eth0": nic(parents=["enP5s1"], master="bond0"),
            "enP5s1": nic(master="eth0"),
            "eth1": nic(master="bond0"),
            "bond0": nic("bond", parents=["eth0", "eth1"]),
        },
        ["eth0", "eth1"],
    ),
    "net_failover with its standby": (
        {
            "ens3": nic(parents=["ens3nsby", "ens4"]),
            "ens3nsby": nic(master="ens3"),
            "ens4": nic(master="ens3"),
        },
        ["ens3"],
    ),
    "ports of a switch (DSA)": (
        {"eth0": nic(), "lan1": nic("dsa", device=True, parents=["eth0"])},
        ["eth0"],
    ),
    "partition key of InfiniBand": (
        {
            "ib0": nic("infiniband", device=True),
            "ib0.8001": nic("infiniband partition", device=True, parents=["ib0"]),
        },
        ["ib0"],
    ),
    "representors of a switching adapter": (
        {"eth0": nic(port="p0"), "eth5": nic(port="pf0vf3"), "eth6": nic(port="pf0sf1")},
        ["eth0"],
    ),
    "container on macvlan": ({"eth0": nic("macvlan")}, ["eth0"]),
    "container on ipvlan and VPN": ({"eth0": nic("ipvlan"), "wg0": nic("wireguard")}, ["eth0"]),
    "rootless container": ({"tap0": nic("tap")}, ["tap0"]),
    "container of containers": (
        {
            "eth0": nic("veth", index=2, link=9),
            "docker0": nic("bridge", parents=["veth7"]),
            "veth7": nic("veth", master="docker0", index=5, link=4),
            "tunl0": nic("tunnel"),
            "dummy0": nic("virtual"),
        },
        ["eth0"],
    ),
    "pair within a container": (
        {
            "eth0": nic("veth", index=2, link=9),
            "a": nic("veth", index=5, link=6),
            "b": nic("veth", index=6, link=5),
        },
        ["eth0"],
    ),
    "bridge in a container": (
        {
            "br0": nic("bridge", parents=["veth1"]),
            "veth1": nic("veth", master="br0", index=2, link=9),
        },
        ["veth1"],
    ),
    "OpenVZ": ({"venet0": nic("other")}, ["venet0"]),
    "physical interface beside a veth": ({"ib0": nic("infiniband", device=True), "eth0": nic("veth")}, ["ib0"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_interfaces_that_count(name: str) -> None:
    """And each of the others has a reason."""
    facts, expected = NETWORKS[name]
    facts = {"lo": nic("loopback"), **facts}
    found = count_interfaces(list(facts), facts, lambda _name: True)
    assert found.devices == expected
    assert set(found.left_out) == set(facts) - set(expected)
    assert all(found.left_out.values())


def test_function_counts_where_its_master_stands_still() -> None:
    facts = {"eth0": nic(parents=["enP5s1"]), "enP5s1": nic(master="eth0")}
    found = count_interfaces(list(facts), facts, lambda name: name == "enP5s1")
    assert found.devices == ["enP5s1"]
    assert found.left_out == {"eth0": "its traffic shows at enP5s1"}
