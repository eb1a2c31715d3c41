"""Disks and network interfaces in sysfs: kind, speed, settings, and what they are built on.

Documentation/ABI/{stable,testing}/sysfs-block, sysfs-class-net, sysfs-class-infiniband. Serial
numbers and hardware addresses are left out: they identify a machine and explain nothing.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import Drive, Nic, RdmaPort, Topology
    from .files import HostFiles

MAX_DEVICES = 1024  #: of one kind; the others are left out
#: ARPHRD_... of include/uapi/linux/if_arp.h
_ARPHRD = {
    1: "ethernet",
    24: "firewire",
    32: "infiniband",
    768: "tunnel",
    769: "tunnel",
    772: "loopback",
    776: "tunnel",
    778: "tunnel",
    65534: "none",
}
_BLOCK_KINDS = (
    ("loop", r"loop\d"),
    ("ram", r"ram\d"),
    ("zram", r"zram\d"),
    ("optical", r"sr\d"),
    ("floppy", r"fd\d"),
)
#: part of the path of a device in sysfs: the bus it is on
_BUSES = (
    ("/usb", "usb"),
    ("/ata", "ata"),
    ("/end_device-", "sas"),
    ("/session", "iscsi"),
    ("/rport-", "fc"),
    ("/virtio", "virtio"),
    ("/mmc", "mmc"),
    ("/rbd", "rbd"),
    ("/vmbus", "vmbus"),
    ("/xen", "xen"),
)
_NET_DEVTYPES = ("vxlan", "macvlan", "gre", "wireguard", "team", "geneve", "ipvlan")
_PHYSICAL_KINDS = ("ethernet", "infiniband", "wireless")


# ---- block devices
def block_topology(files: "HostFiles") -> "dict[str, Topology]":
    """Return {device: {"kind", "leaf", "parents"}}.

    kind: disk, partition, dm, md, multipath, loop, ram, zram, optical or floppy. leaf: its traffic
    is not counted by another leaf, too. parents: the devices on which it is built.
    """
    out: "dict[str, Topology]" = {}
    for name in files.names("sys/block")[:MAX_DEVICES]:
        base = "sys/block/" + name
        kind = _block_kind(files, name, base)
        slaves = files.names(base + "/slaves")
        out[name] = {
            "kind": kind,
            "leaf": kind == "disk" and not slaves and not _is_path(files, name, base),
            "parents": slaves,
            "number": files.word(base + "/dev"),
        }
        for part in files.names(base):
            if files.exists(base + "/" + part + "/partition"):
                out[part] = {"kind": "partition", "leaf": False, "parents": [name]}
    return out


def _block_kind(files: "HostFiles", name: str, base: str) -> str:
    if files.is_dir(base + "/dm"):
        return "multipath" if (files.word(base + "/dm/uuid") or "").startswith("mpath-") else "dm"
    if files.is_dir(base + "/md"):
        return "md"
    for kind, pattern in _BLOCK_KINDS:
        if re.match(pattern, name):
            return kind
    return "disk"


def _is_path(files: "HostFiles", name: str, base: str) -> bool:
    """Return whether it is a path of NVMe multipathing (nvme0c1n1), counted at the head, too."""
    return bool(re.match(r"nvme\d+c\d+n\d+\Z", name)) or files.word(base + "/hidden") == "1"


def drives(files: "HostFiles") -> "list[Drive]":
    """Return one dict per physical block device: model, size, bus and queue settings."""
    out: "list[Drive]" = []
    for name in files.names("sys/block")[:MAX_DEVICES]:
        base = "sys/block/" + name
        if not files.exists(base + "/device"):
            continue  # no hardware
        sectors = files.number(base + "/size")
        out.append(
            {
                "name": name,
                "model": files.word(base + "/device/model"),
                "vendor": files.word(base + "/device/vendor")
                if not name.startswith("vd")
                else None,
                "firmware": files.word(base + "/device/firmware_rev")
                or files.word(base + "/device/rev"),
                "bus": _bus(files, name, base),
                "size_bytes": sectors * 512 if sectors is not None else None,
                "rotational": _flag(files.word(base + "/queue/rotational")),
                "scheduler": chosen(files.word(base + "/queue/scheduler")),
                "nr_requests": files.number(base + "/queue/nr_requests"),
                "queue_depth": files.number(base + "/device/queue_depth"),
                "read_ahead_kb": files.number(base + "/queue/read_ahead_kb"),
                "logical_block_bytes": files.number(base + "/queue/logical_block_size"),
                "write_cache": files.word(base + "/queue/write_cache"),
                "numa_node": files.number(base + "/device/numa_node"),
            }
        )
    return out


def _bus(files: "HostFiles", name: str, base: str) -> str:
    """Return nvme, virtio, usb, ata, sas, iscsi, fc, scsi, mmc, rbd, ... by the path in sysfs."""
    place = files.real(base + "/device")
    if name.startswith("nvme"):
        transport = files.word(base + "/device/transport")
        return "nvme" if transport in (None, "pcie") else "nvme-" + transport
    for word, bus in _BUSES:
        if word in place:
            return bus
    return files.target(base + "/device/subsystem") or "unknown"


def chosen(text: "str | None") -> "str | None":
    """Return the word in brackets of ``none [mq-deadline] kyber``, else the text itself."""
    match = re.search(r"\[([^\]]*)\]", text or "")
    return match.group(1) if match else text


def _flag(word: "str | None") -> "bool | None":
    return None if word is None else word == "1"


# ---- network
def net_topology(files: "HostFiles") -> "dict[str, Topology]":
    """Return {interface: {"kind", "leaf", "parents"}}, as ``block_topology`` does for disks."""
    return {
        n["name"]: {"kind": n["kind"], "leaf": n["physical"], "parents": n["lower"]}
        for n in nics(files)
    }


def nics(files: "HostFiles") -> "list[Nic]":
    """Return one dict per interface, ``lo`` too: kind, speed, state, and what it is built on."""
    vlan_lines = files.text("proc/net/vlan/config").split("\n")
    vlans = {line.split("|")[0].strip() for line in vlan_lines if "|" in line}
    out: "list[Nic]" = []
    for name in files.names("sys/class/net")[:MAX_DEVICES]:
        base = "sys/class/net/" + name
        if not files.is_dir(base):
            continue  # bonding_masters is a file
        kind = _net_kind(files, name, base, vlans)
        speed = files.number(base + "/speed")
        lower = [n[6:] for n in files.names(base) if n.startswith("lower_")]
        child = kind == "infiniband" and "." in name  # ib0.8001: a partition key on ib0
        out.append(
            {
                "name": name,
                "kind": kind,
                "physical": kind in _PHYSICAL_KINDS
                and files.exists(base + "/device")
                and not child,
                "state": files.word(base + "/operstate"),
                "speed_mbps": speed if speed is not None and speed > 0 else None,
                "duplex": files.word(base + "/duplex"),
                "mtu_bytes": files.number(base + "/mtu"),
                "driver": files.target(base + "/device/driver"),
                "numa_node": files.number(base + "/device/numa_node"),
                "master": files.target(base + "/master"),
                "lower": lower,
                "bonding_mode": files.word(base + "/bonding/mode"),
            }
        )
        link = files.number(base + "/iflink")
        if kind == "virtual" and link is not None and link != files.number(base + "/ifindex"):
            out[-1]["kind"] = "veth"
    # a container's eth0 is one end of a veth pair, and its only network
    if not any(n["physical"] for n in out):
        for nic in out:
            nic["physical"] = nic["kind"] == "veth" and nic["master"] is None
    return out


def _net_kind(files: "HostFiles", name: str, base: str, vlans: "set[str]") -> str:
    if files.is_dir(base + "/bonding"):
        return "bond"
    if files.is_dir(base + "/bridge"):
        return "bridge"
    if name in vlans or re.search(r"(?m)^DEVTYPE=vlan$", files.text(base + "/uevent")):
        return "vlan"
    if files.is_dir(base + "/wireless") or files.exists(base + "/phy80211"):
        return "wireless"
    devtype = re.search(r"(?m)^DEVTYPE=(\S+)$", files.text(base + "/uevent"))
    if devtype and devtype.group(1) in _NET_DEVTYPES:
        return devtype.group(1)
    if files.exists(base + "/tun_flags"):
        return "tap"
    hardware_type = files.number(base + "/type")
    kind = "other" if hardware_type is None else _ARPHRD.get(hardware_type, "other")
    return "virtual" if kind == "ethernet" and not files.exists(base + "/device") else kind


def infiniband(files: "HostFiles") -> "list[RdmaPort]":
    """Return one dict per port of every RDMA device (InfiniBand, RoCE, Omni-Path)."""
    out: "list[RdmaPort]" = []
    for device in files.names("sys/class/infiniband")[:MAX_DEVICES]:
        base = "sys/class/infiniband/" + device
        for port in files.names(base + "/ports"):
            at = base + "/ports/" + port + "/"
            out.append(
                {
                    "device": device,
                    "port": port,
                    "link_layer": files.word(at + "link_layer"),
                    "state": _after_colon(files.word(at + "state")),
                    "physical_state": _after_colon(files.word(at + "phys_state")),
                    "rate": files.word(at + "rate"),
                    "board": files.word(base + "/hca_type") or files.word(base + "/board_id"),
                    "firmware": files.word(base + "/fw_ver"),
                    "numa_node": files.number(base + "/device/numa_node"),
                }
            )
    return out


def _after_colon(text: "str | None") -> "str | None":
    """Return ACTIVE of ``4: ACTIVE``."""
    return text.partition(":")[2].strip() or text if text else None
