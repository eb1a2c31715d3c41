"""Disks and network interfaces in sysfs: kind, speed, settings, and what they are built on.

These are facts; which devices a total counts is decided from them where a recording is read.

Documentation/ABI/{stable,testing}/sysfs-block, sysfs-class-net, sysfs-class-infiniband. Serial
numbers and hardware addresses are left out: they identify a machine and explain nothing.
"""

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import BlockFacts, Drive, NetFacts, Nic, RdmaPort
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
_NET_DEVTYPES = frozenset(
    "vlan vxlan macvlan macvtap ipvlan ipvtap gre wireguard team geneve bareudp dsa veth".split()
)
_PHYSICAL_KINDS = ("ethernet", "infiniband", "wireless")


# ---- block devices
def block_topology(files: "HostFiles") -> "dict[str, BlockFacts]":
    """Return {device or partition: its facts}, by the names that /proc/diskstats prints."""
    out: "dict[str, BlockFacts]" = {}
    for entry in files.names("sys/block")[:MAX_DEVICES]:
        name = entry.replace("!", "/")
        out[name] = _block_facts(files, entry)
        for part in files.names("sys/block/" + entry):
            if files.exists("sys/block/%s/%s/partition" % (entry, part)):
                out[part.replace("!", "/")] = _partition_facts(name)
    return out


def block_device(files: "HostFiles", name: str) -> "BlockFacts | None":
    """Return the facts of one device or partition, None when there is none of this name now."""
    entry = name.replace("/", "!")  # cciss/c0d0
    if files.is_dir("sys/block/" + entry):
        return _block_facts(files, entry)
    for disk in files.names("sys/block")[:MAX_DEVICES]:
        if files.exists("sys/block/%s/%s/partition" % (disk, entry)):
            return _partition_facts(disk.replace("!", "/"))
    return None


def _block_facts(files: "HostFiles", entry: str) -> "BlockFacts":
    base = "sys/block/" + entry
    return {
        "kind": _block_kind(files, entry, base),
        "parents": [name.replace("!", "/") for name in files.names(base + "/slaves")],
        "device": files.exists(base + "/device"),
        "hidden": files.word(base + "/hidden") == "1",
        "number": files.word(base + "/dev"),
    }


def _partition_facts(disk: str) -> "BlockFacts":
    return {
        "kind": "partition",
        "parents": [disk],
        "device": False,
        "hidden": False,
        "number": None,
    }


def _block_kind(files: "HostFiles", name: str, base: str) -> str:
    if files.is_dir(base + "/dm"):
        return "multipath" if (files.word(base + "/dm/uuid") or "").startswith("mpath-") else "dm"
    if files.is_dir(base + "/md"):
        return "md"
    for kind, pattern in _BLOCK_KINDS:
        if re.match(pattern, name):
            return kind
    return "disk"


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
                "link_bytes_per_s": _pcie_bytes_per_s(files, base + "/device/device"),
            }
        )
    return out


def _pcie_bytes_per_s(files: "HostFiles", at: str) -> "int | None":
    """Return what the PCI Express link of a device can carry, None where it has none.

    The greatest speed and width, since a link may be slower while its device is idle.
    """
    for word in ("max", "current"):
        speed = re.match(r"([0-9.]+) GT/s", files.text(at + "/%s_link_speed" % word))
        width = files.number(at + "/%s_link_width" % word)
        if speed and width and 0 < width <= 64:
            transfers = float(speed.group(1)) * 1e9
            # 8b/10b coding up to PCI Express 2, then 128b/130b
            bits = transfers * (0.8 if transfers <= 5e9 else 128 / 130.0)
            return int(bits * width / 8)
    return None


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
def net_topology(files: "HostFiles") -> "dict[str, NetFacts]":
    """Return {interface: its facts}."""
    return {_shown(name): _net_facts(files, name) for name in _interfaces(files)}


def net_device(files: "HostFiles", name: str) -> "NetFacts | None":
    """Return the facts of one interface, None when there is none of this name now."""
    found = next((n for n in _interfaces(files) if _shown(n) == name), None)
    return None if found is None else _net_facts(files, found)


def _shown(name: str) -> str:
    """Return a name as that of /proc/net/dev is shown: bytes that are no UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _interfaces(files: "HostFiles") -> "list[str]":
    names = files.names("sys/class/net")[:MAX_DEVICES]
    return [n for n in names if files.is_dir("sys/class/net/" + n)]  # bonding_masters is a file


def _net_facts(files: "HostFiles", name: str) -> "NetFacts":
    base = "sys/class/net/" + name
    kind = _net_kind(files, name, base)
    lower = [_shown(n[6:]) for n in files.names(base) if n.startswith("lower_")]
    master = files.target(base + "/master")
    if kind == "infiniband" and (files.exists(base + "/parent") or "." in name):
        kind = "infiniband partition"  # ib0.8001: a partition key on ib0, with its device
        lower = lower or [name.partition(".")[0]]
    return {
        "kind": kind,
        "parents": lower,
        "device": files.exists(base + "/device"),
        "master": master and _shown(master),
        "port": files.word(base + "/phys_port_name"),
        "index": files.number(base + "/ifindex"),
        "link": files.number(base + "/iflink"),
    }


def nics(files: "HostFiles") -> "list[Nic]":
    """Return one dict per interface, ``lo`` too: kind, speed, state, and what it is built on."""
    out: "list[Nic]" = []
    for name in _interfaces(files):
        base = "sys/class/net/" + name
        facts = _net_facts(files, name)
        speed = files.number(base + "/speed")
        out.append(
            {
                "name": _shown(name),
                "kind": facts["kind"],
                "physical": facts["device"] and facts["kind"] in _PHYSICAL_KINDS,
                "state": files.word(base + "/operstate"),
                "speed_mbps": speed if speed is not None and speed > 0 else None,
                "duplex": files.word(base + "/duplex"),
                "mtu_bytes": files.number(base + "/mtu"),
                "driver": files.target(base + "/device/driver"),
                "numa_node": files.number(base + "/device/numa_node"),
                "master": facts["master"],
                "lower": facts["parents"],
                "bonding_mode": files.word(base + "/bonding/mode"),
            }
        )
    return out


def _net_kind(files: "HostFiles", name: str, base: str) -> str:
    if files.is_dir(base + "/bonding"):
        return "bond"
    if files.is_dir(base + "/bridge"):
        return "bridge"
    if files.is_dir(base + "/wireless") or files.exists(base + "/phy80211"):
        return "wireless"
    devtype = re.search(r"(?m)^DEVTYPE=(\S+)$", files.text(base + "/uevent"))
    if devtype and devtype.group(1) in _NET_DEVTYPES:
        return devtype.group(1)
    if files.exists("proc/net/vlan/" + name):
        return "vlan"  # before Linux 2.6.39 nothing else says so
    if files.exists(base + "/tun_flags"):
        return "tap"
    hardware_type = files.number(base + "/type")
    kind = "other" if hardware_type is None else _ARPHRD.get(hardware_type, "other")
    if kind != "ethernet" or files.exists(base + "/device"):
        return kind
    link = files.number(base + "/iflink")
    return "virtual" if link in (None, 0) or link == files.number(base + "/ifindex") else "veth"


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
