"""Which block devices and network interfaces a total counts.

A total counts every leaf physical device once. The host's recorded topology decides which those are
(``meta["topology"]``, under ``block`` and ``net``: {name: {"kind", "leaf", "parents"}}). Devices
that it does not list, and recordings without a topology, are decided by name:

* block: nvme0n1, sda, hda, vda, xvda, mmcblk0, dasda, pmem0 and rbd0 count. Their partitions do
  not, unless the disk itself is not listed (as on some Xen guests). Nothing else counts (dm, md,
  loop, ram, zram, sr, fd, nbd, nvme0c0n1).
* network: everything counts except lo, bonds, teams, VLANs, bridges, veth, tunnels and other
  interfaces that exist in software only, and interfaces named after another one (ib0.8001, eth0:1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_BLOCK_LEAF = re.compile(
    r"(nvme\d+n\d+|(sd|hd|vd|xvd|dasd)[a-z]+|mmcblk\d+|pmem\d+(\.\d+)?s?|rbd\d+)"
)
_PARTITION = re.compile(r"(.*\d)p\d+|((?:sd|hd|vd|xvd|dasd)[a-z]+)\d+")
_NET_SOFTWARE = re.compile(
    r"lo|.*[.:@].*|.*[-_]br\d*"
    r"|(bond|team|vlan|br|docker|virbr|lxcbr|lxdbr|cni|veth|vnet|tap|tun|ifb|dummy|wg|vxlan|geneve"
    r"|gre|gretap|erspan|sit|ip6tnl|tunl|ip_vti|ip6_vti|macvlan|macvtap|ipvlan|nlmon|cilium_\w*"
    r"|flannel|kube-ipvs|weave|podman|tailscale|zt)\d*"
    r"|(br|vlan|docker|veth|cali|lxc|tap|tun|ovs|bond|team|wg|vxlan|podman)[-_].*"
    r"|(veth|cali|lxc|tap|ovs)[0-9a-z]+|.*_slave_.*"
)


@dataclass
class Counted:
    """The devices a total is made of.

    ``left_out``: {name: reason}, in the order of the recording. ``by_topology``: the host's
    topology decided, not the names alone.
    """

    devices: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    by_topology: bool = False


def block_rule(name: str, others: Iterable[str]) -> str:
    """Return "" when a block device of this name counts, else the reason why not.

    ``others``: all names that are listed.
    """
    if _BLOCK_LEAF.fullmatch(name):
        return ""
    match = _PARTITION.fullmatch(name)
    disk = match and (match[1] or match[2])
    if disk and _BLOCK_LEAF.fullmatch(disk):
        return f"partition of {disk}" if disk in others else ""
    return "not a physical disk by its name"


def net_rule(name: str, _others: Iterable[str]) -> str:
    """Return "" when an interface of this name counts, else the reason why not."""
    return "not a physical interface by its name" if _NET_SOFTWARE.fullmatch(name) else ""


def choose(
    names: Sequence[str],
    topology: Mapping[str, Mapping[str, Any]],
    rule: Callable[[str, Iterable[str]], str],
) -> Counted:
    """Return which of ``names`` count.

    ``topology``: {name: {"kind", "leaf", ...}}, empty where there is none. ``rule`` decides by name
    about devices that the topology does not list.
    """
    out = Counted(by_topology=bool(topology))
    for name in names:
        about = topology.get(name, {})
        if about.get("leaf") is not None:
            why = "" if about["leaf"] else str(about.get("kind") or "not physical")
        else:
            why = rule(name, names)
        if why:
            out.left_out[name] = why
        else:
            out.devices.append(name)
    return out
