"""What a host is: processors, memory, kernel, drives, file systems and networks, in short texts.

Taken from the snapshot at the start of the recording. What the snapshot does not know is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mpi_collector.report.quantity import quantity, ranges

Facts = dict[str, str]  #: {what: text}, in the order of a table

_PATH_FILE_SYSTEM = "file system of {}"
_ROWS = 64  #: different drives, interfaces or directories of a host, at most


def machine_facts(snapshot: Mapping[str, Any] | None) -> Facts:
    """Return the facts of a host from its snapshot; empty without one."""
    if not snapshot:
        return {}
    found = {
        "processors": _processors(snapshot),
        "memory": _memory(snapshot),
        "machine": _machine(snapshot),
        "system": _system(snapshot),
        "limits of the cgroup": _cgroup(
            _part(snapshot, "cgroup_limits"), _part(snapshot, "cpu").get("online")
        ),
        "drives": _grouped(_drives(snapshot)),
        "networks": _grouped([*_networks(snapshot), *_ports(snapshot)]),
        **_directories(snapshot),
    }
    return {what: text for what, text in found.items() if text}


def by_machine(hosts: Mapping[str, Facts]) -> list[tuple[list[str], Facts]]:
    """Return (hosts that are alike, their facts), the largest group first."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for host, facts in hosts.items():
        groups.setdefault(tuple(facts.items()), []).append(host)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [(names, dict(facts)) for facts, names in ordered]


def _part(snapshot: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = snapshot.get(key)
    return found if isinstance(found, Mapping) else {}


def _list(snapshot: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = snapshot.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _processors(snapshot: Mapping[str, Any]) -> str:
    cpu = _part(snapshot, "cpu")
    model = str(cpu.get("model") or "")
    counts = [
        _count(cpu.get("num_sockets"), "socket"),
        _count(cpu.get("num_cores"), "core"),
        _count(cpu.get("num_logical_cores"), "CPU"),
    ]
    facts = [c for c in counts if c]
    if (mhz := cpu.get("max_mhz")) and isinstance(mhz, int):
        facts.append(f"up to {mhz / 1000:.2g} GHz")
    if governor := cpu.get("governor"):
        facts.append(f"governor {governor}")
    return ": ".join(part for part in (model, ", ".join(facts)) if part)


def _count(number: object, name: str) -> str:
    if not isinstance(number, int) or number < 1:
        return ""
    return f"{number} {name}{'s' if number > 1 else ''}"


def _memory(snapshot: Mapping[str, Any]) -> str:
    memory = _part(snapshot, "meminfo")
    total, swap = memory.get("MemTotal"), memory.get("SwapTotal")
    if not isinstance(total, int):
        return ""
    nodes = len(_list(snapshot, "numa"))
    texts = [quantity(1024.0 * total, "bytes")]
    texts += [f"{nodes} NUMA nodes"] if nodes > 1 else []
    if isinstance(swap, int):
        texts.append(f"swap {quantity(1024.0 * swap, 'bytes')}" if swap else "no swap")
    return ", ".join(texts)


def _machine(snapshot: Mapping[str, Any]) -> str:
    chassis = _part(snapshot, "chassis")
    names = (chassis.get(key) for key in ("vendor", "product"))
    text = " ".join(dict.fromkeys(str(name) for name in names if name))
    virtual = "a virtual machine" if _part(snapshot, "cpu").get("hypervisor") is True else ""
    return ", ".join(part for part in (text, virtual) if part)


def _system(snapshot: Mapping[str, Any]) -> str:
    name = _part(snapshot, "os_release").get("PRETTY_NAME")
    # "Linux version 6.1.0-13-amd64 (debian-kernel@...) (gcc ...": the third word is the release
    words = str(snapshot.get("version") or "").split(maxsplit=3)
    kernel = f"Linux {words[2]}" if len(words) > 2 and words[0] == "Linux" else ""
    return ", ".join(str(part) for part in (name, kernel) if part)


def _cgroup(limits: Mapping[str, Any], online: object) -> str:
    texts = []
    if isinstance(cpus := limits.get("cpus_max"), int | float):
        texts.append(f"{cpus:g} CPUs")
    if isinstance(memory := limits.get("memory_max_bytes"), int):
        texts.append(f"{quantity(float(memory), 'bytes')} of memory")
    if (cpuset := limits.get("cpuset")) and cpuset != online:
        texts.append(f"CPUs {cpuset}")
    return ", ".join(texts)


def _drives(snapshot: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield (what a drive is, its name)."""
    for drive in _list(snapshot, "drives"):
        words = [str(w) for w in (drive.get("vendor"), drive.get("model")) if w] or ["drive"]
        facts = [str(drive["bus"])] if drive.get("bus") else []
        if isinstance(size := drive.get("size_bytes"), int) and size > 0:
            facts.append(quantity(float(size), "bytes"))
        if drive.get("rotational") is True:
            facts.append("rotating")
        if scheduler := drive.get("scheduler"):
            facts.append(f"scheduler {scheduler}")
        yield (
            " ".join([*words, f"({', '.join(facts)})" if facts else ""]).strip(),
            str(drive.get("name")),
        )


def _networks(snapshot: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield (what an interface is, its name), of those of hardware and those built on them."""
    for nic in _list(snapshot, "nics"):
        if nic.get("physical") is not True and not nic.get("lower"):
            continue
        facts = [str(nic.get("kind") or "interface")]
        if isinstance(speed := nic.get("speed_mbps"), int) and speed > 0:
            facts.append(f"{speed / 1000:g} Gbit/s" if speed >= 1000 else f"{speed} Mbit/s")
        elif nic.get("state") == "up":
            facts.append("speed not known")
        facts += [str(nic["state"])] if nic.get("state") not in (None, "up") else []
        facts += [f"MTU {nic['mtu_bytes']}"] if nic.get("mtu_bytes") else []
        facts += [f"driver {nic['driver']}"] if nic.get("driver") else []
        yield ", ".join(facts), str(nic.get("name"))


def _ports(snapshot: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield (what an RDMA port is, its name)."""
    for port in _list(snapshot, "infiniband"):
        facts = [str(port[key]) for key in ("link_layer", "rate", "state") if port.get(key)]
        yield ", ".join(facts), f"{port.get('device')}:{port.get('port')}"


def _grouped(devices: Iterable[tuple[str, str]]) -> str:
    """Return devices that are alike together: ``2 x SSD (nvme): nvme0n1, nvme1n1``."""
    groups: dict[str, list[str]] = {}
    for what, name in devices:
        groups.setdefault(what, []).append(name)
    texts = [
        f"{f'{len(names)} x ' if len(names) > 1 else ''}{what}: {ranges(names)}"
        for what, names in list(groups.items())[:_ROWS]
    ]
    if len(groups) > _ROWS:
        texts.append(f"and {len(groups) - _ROWS} more kinds")
    return "; ".join(texts)


def _directories(snapshot: Mapping[str, Any]) -> Facts:
    """Return {file system of a directory: its type, device, size and mount options}."""
    out = {}
    for row in _list(snapshot, "directories")[:_ROWS]:
        kind, device, place = (row.get(key) for key in ("fs_type", "device", "mount_point"))
        texts = [f"{kind} on {device}" if kind else str(row.get("error") or "not known")]
        texts += [f"mounted at {place}"] if place else []
        if isinstance(size := row.get("size_bytes"), int) and size > 0:
            texts.append(quantity(float(size), "bytes"))
        texts += [f"options {row['options']}"] if row.get("options") else []
        out[_PATH_FILE_SYSTEM.format(row.get("path"))] = ", ".join(texts)
    return out
