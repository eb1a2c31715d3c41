"""What the name of a device says, where sysfs says nothing.

* block: nvme0n1, sda, hda, vda, xvda, mmcblk0, dasda, cciss/c0d0, pmem0 and rbd0 are disks. Their
  partitions are none, unless the disk itself is not listed (as on some Xen guests). Nothing else is
  a disk (dm, md, loop, ram, zram, zd, sr, fd, nbd). nvme0c1n1 is a path of nvme0n1.
* network: everything is physical except lo, bonds, teams, VLANs, bridges, veth, tunnels and other
  interfaces that exist in software only, and interfaces named after another one (ib0.8001, eth0:1).
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


_BLOCK_LEAF = re.compile(
    r"(nvme\d+n\d+|(sd|hd|vd|xvd|ubd|dasd)[a-z]+|mmcblk\d+|pmem\d+(\.\d+)?s?|rbd\d+"
    r"|(cciss|ida|rd)/c\d+d\d+)"
)
_PARTITION = re.compile(r"(.*\d)p\d+|((?:sd|hd|vd|xvd|ubd|dasd)[a-z]+)\d+")
_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")
_NET_SOFTWARE = re.compile(
    r"lo|.*[.:@].*|.*[-_]br\d*"
    r"|(bond|team|vlan|br|docker|virbr|lxcbr|lxdbr|cni|veth|vnet|tap|tun|ifb|dummy|wg|vxlan|geneve"
    r"|gre|gretap|erspan|sit|ip6tnl|tunl|ip_vti|ip6_vti|macvlan|macvtap|ipvlan|nlmon|cilium_\w*"
    r"|flannel|kube-ipvs|weave|podman|tailscale|zt)\d*"
    r"|(br|vlan|docker|veth|cali|lxc|tap|tun|ovs|bond|team|wg|vxlan|podman)[-_].*"
    r"|(veth|cali|lxc|tap|ovs)[0-9a-z]+|.*_slave_.*"
)


def block_rule(name: str, others: "Iterable[str]") -> str:
    """Return "" when a block device of this name counts, else the reason why not.

    ``others``: all names that are listed.
    """
    if _BLOCK_LEAF.fullmatch(name):
        return ""
    match = _PARTITION.fullmatch(name)
    disk = match and (match[1] or match[2])
    if disk and _BLOCK_LEAF.fullmatch(disk):
        return f"partition of {disk}" if disk in others else ""
    if path_head(name):
        return ""
    return "not a physical disk by its name"


def path_head(name: str) -> str:
    """Return nvme0n1 for its path nvme0c1n1, "" for all other names."""
    match = _PATH.fullmatch(name)
    return match[1] + match[2] if match else ""


def net_rule(name: str, _others: "Iterable[str]") -> str:
    """Return "" when an interface of this name counts, else the reason why not."""
    return "not a physical interface by its name" if _NET_SOFTWARE.fullmatch(name) else ""
