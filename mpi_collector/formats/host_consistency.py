"""What differs between the settings of hosts that should be alike.

The suite compares memory, cores, operating system and kernel (``cluster_info``); here are the
settings that it does not look at: drives, links, governors, sysctls, limits, mount options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Snapshot = Mapping[str, Any]

#: sysctls that the kernel counts and nobody sets
MOVING_SYSCTLS = ("fs.aio-nr",)
#: file systems that several hosts mount; so are all FUSE file systems
_SHARED_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "cifs",
        "wekafs",
        "daos",
        "orangefs",
        "glusterfs",
        "vastnfs",
    ]
)
#: parts of a snapshot -> fields that hosts have in common; addresses and serial numbers are not
_KEPT_FIELDS = {
    "drives": ("model",),
    "nics": ("kind", "speed_mbps", "state", "physical"),
    "infiniband": ("rate", "state"),
}


def settings_issues(snapshots: Mapping[str, Snapshot]) -> list[str]:
    """Return one line for each setting that differs. ``snapshots``: by host, or their settings."""
    out: list[str] = []
    for what, value_of in _SETTINGS:
        out += differing(what, {host: value_of(s) for host, s in snapshots.items()})
    sysctls = {host: s.get("sysctls") or {} for host, s in snapshots.items()}
    for name in sorted({name for found in sysctls.values() for name in found}):
        if name not in MOVING_SYSCTLS:
            out += differing(f"sysctl {name}", {h: found.get(name) for h, found in sysctls.items()})
    points = sorted({m["mount_point"] for s in snapshots.values() for m in _shared_mounts(s)})
    for point in points:
        options = {host: _mount_options(s, point) for host, s in snapshots.items()}
        out += differing(f"mount options of {point}", options)
    return out


def settings_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the parts of a snapshot that ``settings_issues`` needs."""
    kept = {
        name: snapshot[name]
        for name in ("transparent_hugepage", "cgroup_limits", "sysctls")
        if name in snapshot
    }
    for name, fields in _KEPT_FIELDS.items():
        if snapshot.get(name):
            kept[name] = [{f: row.get(f) for f in fields} for row in snapshot[name]]
    cpu = snapshot.get("cpu") or {}
    kept["cpu"] = {k: cpu.get(k) for k in ("model", "governor")}
    kept["mounts"] = _shared_mounts(snapshot)
    return kept


def differing(what: str, values: Mapping[str, object]) -> list[str]:
    """Return [] when all ``values`` are equal, else one line with the hosts of each value.

    values: by host; hosts with None are left out.
    """
    groups: dict[str, list[str]] = {}
    for host, value in values.items():
        if value is not None:
            groups.setdefault(str(value), []).append(host)
    if len(groups) < 2:
        return []
    by_size = sorted(groups.items(), key=lambda group: -len(group[1]))
    shown = [f"{value} on {_some(hosts)}" for value, hosts in by_size]
    return [f"{what} differs: {', '.join(shown)}"]


def _some(hosts: list[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= 3 else f"{hosts[0]} and {len(hosts) - 1} others"


def _shared_mounts(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        m
        for m in snapshot.get("mounts") or []
        if m["fs_type"] in _SHARED_FILE_SYSTEMS or m["fs_type"].startswith("fuse.")
    ]


def _mount_options(snapshot: Snapshot, point: str) -> str | None:
    for mount in _shared_mounts(snapshot):
        if mount["mount_point"] == point:
            return str(mount["options"])
    return None


def _part(snapshot: Snapshot, part: str, field: str) -> object:
    return (snapshot.get(part) or {}).get(field)


def _set_of(texts: list[str]) -> str | None:
    return ", ".join(sorted(texts)) or None


def _drives(snapshot: Snapshot) -> str | None:
    return _set_of([str(d["model"]) for d in snapshot.get("drives") or []])


def _links(snapshot: Snapshot) -> str | None:
    nics = [n for n in snapshot.get("nics") or [] if n["physical"]]
    return _set_of([f"{n['kind']} {n['speed_mbps']} Mb/s {n['state']}" for n in nics])


def _fabric_ports(snapshot: Snapshot) -> str | None:
    return _set_of([f"{p['rate']} {p['state']}" for p in snapshot.get("infiniband") or []])


_SETTINGS: tuple[tuple[str, Callable[[Snapshot], object]], ...] = (
    ("CPU model", lambda s: _part(s, "cpu", "model")),
    ("CPU governor", lambda s: _part(s, "cpu", "governor")),
    ("transparent huge pages", lambda s: s.get("transparent_hugepage")),
    ("set of drives", _drives),
    ("set of links", _links),
    ("set of fabric ports", _fabric_ports),
    ("memory limit of the cgroup", lambda s: _part(s, "cgroup_limits", "memory_max_bytes")),
    ("CPU limit of the cgroup", lambda s: _part(s, "cgroup_limits", "cpus_max")),
)
