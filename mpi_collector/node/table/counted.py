"""Which block devices and network interfaces a total counts, and why the others do not.

A total counts every real device once. What the devices are comes from sysfs, as the host has
recorded it (``meta["topology"]``); where several of them show the same traffic, what moved in the
recording decides which of them is counted.

* A disk counts when it belongs to a device of a driver, or is an NVMe namespace, or one of the few
  real devices for which sysfs names no device (rbd, pmem). What is built on disks (dm, md, bcache,
  drbd, ZFS volumes, loop, zram) and partitions do not count.
* The paths of NVMe multipathing (nvme0c1n1, hidden) carry the I/O of their head (nvme0n1). Since
  Linux 6.2 the kernel counts it at both, and the head is counted here; before that it counts at the
  paths alone, and they are, also where the head shows a few requests.
* An interface counts when it is physical. Of a paravirtual interface and the function of an adapter
  that works for it (its slave: Azure, net_failover) the first is counted, since its numbers include
  those of the second; the second where the first did not move.
* In a network namespace without a physical interface (a container) the others count, whatever their
  kind: not lo, not what is built on another one, not pairs within the namespace.

Recordings without a topology are decided by names, and so are devices that were there all the time
and that sysfs did not describe: it may be that of another network namespace.
"""

from .device_names import block_rule, net_rule, path_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    Moved = Callable[[str], float]  #: by how much a device's counters of traffic grew
    _Facts = Mapping[str, Mapping[str, Any]]

_SOFTWARE_DISKS = {
    "loop": "a loop device: its file lies on another disk",
    "ram": "a RAM disk",
    "zram": "compressed memory (zram)",
    "optical": "an optical drive",
    "floppy": "a floppy drive",
}
#: disks without a device in sysfs, by the beginning of their names
_BUILT_DISKS = {
    "zd": "a ZFS volume: its pool's disks are counted",
    "bcache": "bcache: the disks below it are counted",
    "drbd": "DRBD: the disk below it is counted",
    "nbd": "a network block device",
}
_REAL_WITHOUT_DEVICE = ("nvme", "rbd", "pmem", "scini")
_PHYSICAL = ("ethernet", "infiniband", "wireless")
_UNSEEN = "it appeared during the run, and was gone before sysfs could be asked"
_LEAST_SHARE = 0.5  #: of the I/O of its paths that a head shows where the kernel counts at both
_TUNNELS = ("tunnel", "wireguard", "gre", "vxlan", "geneve", "bareudp", "tap", "none", "other")


class Counted:
    """The devices a total is made of.

    ``left_out``: {name: reason}, in the order of the recording. ``by_topology``: sysfs decided, not
    the names alone. ``idle``: counted ones without traffic in the whole run; they are left out of
    means over devices.
    """

    def __init__(
        self,
        devices: "Iterable[str]" = (),
        left_out: "Mapping[str, str] | None" = None,
        by_topology: bool = False,
        idle: "Iterable[str]" = (),
    ) -> None:
        self.devices = list(devices)
        self.left_out = dict(left_out or {})
        self.by_topology = by_topology
        self.idle = list(idle)

    @property
    def used(self) -> "list[str]":
        """Those with traffic."""
        return [name for name in self.devices if name not in self.idle]


def count_disks(names: "Sequence[str]", topology: object, moved: "Moved") -> "Counted":
    """Return which block devices count. ``topology``: {name: facts}, or anything for none."""
    facts = _facts(topology)
    reasons = {name: _disk_reason(name, facts.get(name), names) for name in names}
    shared = _groups(
        names,
        lambda name: _head(name, facts.get(name)),
        moved,
        "its I/O is that of {}, which is counted",
        "the kernel counts its I/O at its paths {} (before Linux 6.2)",
        _LEAST_SHARE,
    )
    return _counted(names, {**reasons, **shared}, facts, moved)


def _disk_reason(name: str, about: "Mapping[str, Any] | None", names: "Iterable[str]") -> str:
    """Return "" when a disk counts as far as sysfs or its name tells, else why it does not."""
    if about is None or about.get("unseen"):
        return block_rule(name, names)
    kind = str(about.get("kind") or "disk")
    parents = _names(about.get("parents"))
    if "device" not in about:  # by a version that decided while it recorded
        return "" if about.get("leaf") else _built(kind, parents)
    if kind == "partition":
        return f"a partition of {', '.join(parents)}"
    if kind in _SOFTWARE_DISKS:
        return _SOFTWARE_DISKS[kind]
    if kind != "disk":
        return _built(kind, parents)
    for start, why in _BUILT_DISKS.items():
        if name.startswith(start):
            return why
    if parents:
        return f"built on {', '.join(parents)}"
    real = about["device"] or about.get("hidden") or name.startswith(_REAL_WITHOUT_DEVICE)
    return "" if real else "sysfs names no device to which it belongs"


def _head(name: str, about: "Mapping[str, Any] | None") -> str:
    """Return the head of a path of NVMe multipathing, "" for anything else."""
    return path_head(name) if about is None or about.get("hidden", True) else ""


def count_interfaces(names: "Sequence[str]", topology: object, moved: "Moved") -> "Counted":
    """Return which interfaces count. ``topology``: {name: facts}, or anything for none."""
    facts = _facts(topology)
    physical = {name for name, about in facts.items() if _is_physical(about)}
    if any(name in facts for name in names) and not physical.intersection(names):
        reasons = _without_physical(names, facts)
    else:
        reasons = {n: _interface_reason(n, facts.get(n), physical, facts) for n in names}
    shared = _groups(
        [n for n in names if n in physical],
        lambda name: _master(facts[name], physical),
        moved,
        "{} carries its traffic and is counted",
        "its traffic shows at {}",
    )
    return _counted(names, {**reasons, **shared}, facts, moved)


def _is_physical(about: "Mapping[str, Any]") -> bool:
    if "device" not in about:
        return bool(about.get("leaf"))
    return bool(about["device"]) and about.get("kind") in _PHYSICAL and not _represents(about)


def _represents(about: "Mapping[str, Any]") -> bool:
    """Return whether it stands for a function of a switching adapter (pf0vf1), not for a port."""
    port = str(about.get("port") or "")
    return port.startswith("pf") and ("vf" in port or "sf" in port)


def _master(about: "Mapping[str, Any]", physical: "Iterable[str]") -> str:
    """Return the physical interface that an interface works for, "" when there is none."""
    master = about.get("master")
    return master if isinstance(master, str) and master in physical else ""


def _interface_reason(
    name: str, about: "Mapping[str, Any] | None", physical: "Iterable[str]", facts: "_Facts"
) -> str:
    """Return "" when an interface counts beside physical ones, else why it does not."""
    if ":" in name:
        return f"an alias of {name.partition(':')[0]}"
    if about is None:
        return net_rule(name, ())
    if about.get("unseen"):
        return _UNSEEN
    parents = _names(about.get("parents"))
    kind = str(about.get("kind") or "not physical")
    if name not in physical:
        if _represents(about):
            return f"it stands for a function of an adapter ({about.get('port')})"
        return _built(kind, parents)
    below = [p for p in parents if p in physical and _master(facts[p], [name]) != name]
    return f"built on {', '.join(below)}" if below else ""


def _without_physical(names: "Sequence[str]", facts: "_Facts") -> "dict[str, str]":
    """Return {name: reason} in a namespace without physical interfaces; "" for what counts."""
    reasons = {n: _alone_reason(n, facts.get(n), facts) for n in names}
    ports = [n for n in names if not reasons[n] and facts.get(n, {}).get("master")]
    tunnels = [n for n in names if not reasons[n] and _is_tunnel(n, facts.get(n))]
    for some, why in ((tunnels, "{} carries its traffic"), (ports, "a port of {}")):
        others = [n for n in names if not reasons[n] and n not in some]
        if others:
            for name in some:
                master = facts.get(name, {}).get("master")
                reasons[name] = why.format(master if some is ports else others[0])
    return reasons


def _alone_reason(name: str, about: "Mapping[str, Any] | None", facts: "_Facts") -> str:
    if ":" in name:
        return f"an alias of {name.partition(':')[0]}"
    if about is None:
        return net_rule(name, ())
    if about.get("unseen"):
        return _UNSEEN
    kind = str(about.get("kind") or "")
    if kind == "loopback" or name == "lo":
        return "loopback"
    parents = [p for p in _names(about.get("parents")) if p in facts]
    if parents:
        return _built(kind, parents)
    if kind in ("bridge", "bond", "team"):
        return kind
    peers = [
        other
        for other, its in facts.items()
        if kind == its.get("kind") == "veth"
        and isinstance(its.get("index"), int)
        and (its["index"], its.get("link")) == (about.get("link"), about.get("index"))
    ]
    return f"a pair with {peers[0]} within this network namespace" if peers else ""


def _is_tunnel(name: str, about: "Mapping[str, Any] | None") -> bool:
    """Return whether an interface sends through another one, or nowhere (dummy, ifb)."""
    kind = str((about or {}).get("kind") or "")
    return kind in _TUNNELS or (kind == "virtual" and bool(net_rule(name, ())))


# ---- what both have in common


def _facts(topology: object) -> "_Facts":
    known = topology if isinstance(topology, dict) else {}
    return {
        name: about
        for name, about in known.items()
        if isinstance(about, dict) and any(key in about for key in ("device", "leaf", "unseen"))
    }


def _groups(
    names: "Sequence[str]",
    above: "Callable[[str], str]",
    moved: "Moved",
    why_part: str,
    why_whole: str,
    least_share: float = 0.0,
) -> "dict[str, str]":
    """Return {name: reason} of devices that show the traffic of others.

    ``above``: the device that stands for one of ``names``, or "". It counts, unless only the others
    moved, or it had no more than ``least_share`` of what they moved.
    """
    groups: "dict[str, list[str]]" = {}
    for name in names:
        whole = above(name)
        if whole:
            groups.setdefault(whole, []).append(name)
    out: "dict[str, str]" = {}
    for whole, parts in groups.items():
        if whole not in names:
            continue
        of_parts = sum(moved(part) for part in parts)
        if not of_parts or moved(whole) > least_share * of_parts:
            out.update(dict.fromkeys(parts, why_part.format(whole)))
        else:
            out[whole] = why_whole.format(", ".join(parts))
    return out


def _counted(
    names: "Sequence[str]", reasons: "Mapping[str, str]", facts: "_Facts", moved: "Moved"
) -> "Counted":
    devices = [name for name in names if not reasons[name]]
    return Counted(
        devices=devices,
        left_out={name: reasons[name] for name in names if reasons[name]},
        by_topology=any(name in facts for name in devices or names),
        idle=[name for name in devices if not moved(name)],
    )


def _built(kind: str, parents: "Sequence[str]") -> str:
    return f"{kind} on {', '.join(parents)}" if parents else kind


def _names(value: object) -> "list[str]":
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []
