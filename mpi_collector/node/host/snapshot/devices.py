"""Disks and interfaces as sysfs tells of them: what they are, how fast, and what lies on top of what.

Documentation/ABI/{stable,testing}/sysfs-block, sysfs-class-net, sysfs-class-infiniband. Serial numbers and addresses of
cards are left out: they name a machine and explain nothing.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .files import HostFiles

MANY = 1024  #: devices of one kind; a host with more shows the first
_ARPHRD = {1: "ethernet", 32: "infiniband", 772: "loopback", 65534: "none", 768: "tunnel", 769: "tunnel", 776: "tunnel",
           778: "tunnel", 24: "firewire"}  # fmt: skip


# ---- block devices
def block_topology(files: "HostFiles") -> dict:
    """{device: {"kind", "leaf", "parents"}}: ``leaf`` where its traffic is not some other device's too.

    kind: disk, partition, dm, md, multipath, loop, ram, zram, optical, floppy. ``parents``: what it lies on.
    """
    out = {}
    for name in files.names("sys/block")[:MANY]:
        base = "sys/block/" + name
        kind = _block_kind(files, name, base)
        slaves = files.names(base + "/slaves")
        out[name] = {
            "kind": kind,
            "leaf": kind == "disk" and not slaves and not _is_path(files, name, base),
            "parents": slaves,
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
    for kind, pattern in (
        ("loop", r"loop\d"),
        ("ram", r"ram\d"),
        ("zram", r"zram\d"),
        ("optical", r"sr\d"),
        ("floppy", r"fd\d"),
    ):
        if re.match(pattern, name):
            return kind
    return "disk"


def _is_path(files: "HostFiles", name: str, base: str) -> bool:
    """A path of NVMe's own multipathing (nvme0c1n1): its traffic is counted at the head as well."""
    return bool(re.match(r"nvme\d+c\d+n\d+\Z", name)) or files.word(base + "/hidden") == "1"


def drives(files: "HostFiles") -> list:
    """One dict per physical block device: model, size, bus, and the settings of its queue."""
    out = []
    for name in files.names("sys/block")[:MANY]:
        base = "sys/block/" + name
        if not files.exists(base + "/device"):
            continue  # no hardware behind it
        sectors = files.number(base + "/size")
        out.append({
            "name": name,
            "model": files.word(base + "/device/model"),
            "vendor": files.word(base + "/device/vendor") if not name.startswith("vd") else None,
            "firmware": files.word(base + "/device/firmware_rev") or files.word(base + "/device/rev"),
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
        })  # fmt: skip
    return out


def _bus(files: "HostFiles", name: str, base: str) -> str:
    """nvme, virtio, usb, ata, sas, iscsi, fc, scsi, mmc, rbd, ... from where the device hangs."""
    place = files.real(base + "/device")
    if name.startswith("nvme"):
        transport = files.word(base + "/device/transport")
        return "nvme" if transport in (None, "pcie") else "nvme-" + transport
    for word, bus in (("/usb", "usb"), ("/ata", "ata"), ("/end_device-", "sas"), ("/session", "iscsi"), ("/rport-", "fc"),
                      ("/virtio", "virtio"), ("/mmc", "mmc"), ("/rbd", "rbd"), ("/vmbus", "vmbus"), ("/xen", "xen")):  # fmt: skip
        if word in place:
            return bus
    return files.target(base + "/device/subsystem") or "unknown"


def chosen(text: "Any") -> "Any":
    """``none [mq-deadline] kyber``: the one in brackets."""
    match = re.search(r"\[([^\]]*)\]", text or "")
    return match.group(1) if match else text


def _flag(word: "Any") -> "Any":
    return None if word is None else word == "1"


# ---- network
def net_topology(files: "HostFiles") -> dict:
    """{interface: {"kind", "leaf", "parents"}}: ``leaf`` where its traffic is not some other interface's too."""
    return {
        n["name"]: {"kind": n["kind"], "leaf": n["physical"], "parents": n["lower"]}
        for n in nics(files)
    }


def nics(files: "HostFiles") -> list:
    """One dict per interface, ``lo`` included: kind, speed, state, and what it lies on."""
    out = []
    vlans = {
        line.split("|")[0].strip()
        for line in files.text("proc/net/vlan/config").split("\n")
        if "|" in line
    }
    for name in files.names("sys/class/net")[:MANY]:
        base = "sys/class/net/" + name
        if not files.is_dir(base):
            continue  # bonding_masters is a file
        kind = _net_kind(files, name, base, vlans)
        speed = files.number(base + "/speed")
        lower = [n[6:] for n in files.names(base) if n.startswith("lower_")]
        child = kind == "infiniband" and "." in name  # ib0.8001: a partition key on ib0
        out.append({
            "name": name,
            "kind": kind,
            "physical": files.exists(base + "/device") and kind in ("ethernet", "infiniband", "wireless") and not child,
            "state": files.word(base + "/operstate"),
            "speed_mbps": speed if speed is not None and speed > 0 else None,
            "duplex": files.word(base + "/duplex"),
            "mtu_bytes": files.number(base + "/mtu"),
            "driver": files.target(base + "/device/driver"),
            "numa_node": files.number(base + "/device/numa_node"),
            "master": files.target(base + "/master"),
            "lower": lower,
            "bonding_mode": files.word(base + "/bonding/mode"),
        })  # fmt: skip
        link = files.number(base + "/iflink")
        if kind == "virtual" and link is not None and link != files.number(base + "/ifindex"):
            out[-1]["kind"] = "veth"
    if not any(
        n["physical"] for n in out
    ):  # a container's eth0 is one end of a pair, and all the network it has
        for nic in out:
            nic["physical"] = nic["kind"] == "veth" and nic["master"] is None
    return out


def _net_kind(files: "HostFiles", name: str, base: str, vlans: set) -> str:
    if files.is_dir(base + "/bonding"):
        return "bond"
    if files.is_dir(base + "/bridge"):
        return "bridge"
    if name in vlans or re.search(r"(?m)^DEVTYPE=vlan$", files.text(base + "/uevent")):
        return "vlan"
    if files.is_dir(base + "/wireless") or files.exists(base + "/phy80211"):
        return "wireless"
    devtype = re.search(r"(?m)^DEVTYPE=(\S+)$", files.text(base + "/uevent"))
    if devtype and devtype.group(1) in (
        "vxlan",
        "macvlan",
        "gre",
        "wireguard",
        "team",
        "geneve",
        "ipvlan",
    ):
        return devtype.group(1)
    if files.exists(base + "/tun_flags"):
        return "tap"
    kind = _ARPHRD.get(files.number(base + "/type"), "other")  # type: ignore[arg-type]
    return "virtual" if kind == "ethernet" and not files.exists(base + "/device") else kind


def infiniband(files: "HostFiles") -> list:
    """One dict per port of every RDMA device (InfiniBand, RoCE, Omni-Path)."""
    out = []
    for device in files.names("sys/class/infiniband")[:MANY]:
        base = "sys/class/infiniband/" + device
        for port in files.names(base + "/ports"):
            at = base + "/ports/" + port + "/"
            out.append({
                "device": device,
                "port": port,
                "link_layer": files.word(at + "link_layer"),
                "state": _after_colon(files.word(at + "state")),
                "physical_state": _after_colon(files.word(at + "phys_state")),
                "rate": files.word(at + "rate"),
                "board": files.word(base + "/hca_type") or files.word(base + "/board_id"),
                "firmware": files.word(base + "/fw_ver"),
                "numa_node": files.number(base + "/device/numa_node"),
            })  # fmt: skip
    return out


def _after_colon(text: "Any") -> "Any":
    """``4: ACTIVE`` is ACTIVE."""
    return text.partition(":")[2].strip() or text if text else None
