"""What differs between two snapshots of a host, and between the settings of hosts that should be alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Snapshot = Mapping[str, Any]

#: whole values that stay the same in an undisturbed run
_PLAIN = (
    "version",
    "os_release",
    "transparent_hugepage",
    "sysctls",
    "chassis",
    "kernel_cmdline",
    "cgroup_limits",
    "limits",
)
_NIC = ("state", "speed_mbps", "mtu_bytes", "master")
_DRIVE = ("model", "size_bytes", "scheduler", "nr_requests", "read_ahead_kb", "write_cache")
_MOUNT = ("device", "fs_type", "options")
_FREE_SHARE = 0.01
#: counted by the kernel itself, not set by anybody
_MOVING = ("fs.aio-nr",)


def changes(start: Snapshot, end: Snapshot) -> list[str]:
    """Lines for people: settings, mounts, devices, memory and free space that are not what they were."""
    out: list[str] = []
    for key in _PLAIN:
        out += _dicts(key, start.get(key), end.get(key))
    out += _tables("interface", _by(start, "nics", "name"), _by(end, "nics", "name"), _NIC)
    out += _tables(
        "port",
        _by(start, "infiniband", "device"),
        _by(end, "infiniband", "device"),
        ("state", "rate"),
    )
    out += _tables("drive", _by(start, "drives", "name"), _by(end, "drives", "name"), _DRIVE)
    out += _tables(
        "mount", _by(start, "mounts", "mount_point"), _by(end, "mounts", "mount_point"), _MOUNT
    )
    out += _memory(start, end)
    out += _free(start, end)
    return out


def _dicts(key: str, before: Any, after: Any) -> list[str]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [] if before == after or None in (before, after) else [f"{key}: {before} -> {after}"]
    names = [n for n in {**before, **after} if before.get(n) != after.get(n) and n not in _MOVING]
    return [f"{key}: {n}: {before.get(n)} -> {after.get(n)}" for n in names]


def _by(snapshot: Snapshot, part: str, name: str) -> dict[str, Any]:
    return {str(row[name]): row for row in snapshot.get(part) or []}


def _tables(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any], fields: tuple[str, ...]
) -> list[str]:
    out = [f"{what} {name}: gone" for name in before if name not in after]
    out += [f"{what} {name}: new" for name in after if name not in before]
    for name in before:
        for field in fields if name in after else ():
            old, new = before[name].get(field), after[name].get(field)
            if old != new:
                out.append(f"{what} {name}: {field} {old} -> {new}")
    return out


def _memory(start: Snapshot, end: Snapshot) -> list[str]:
    before, after = (s.get("meminfo") or {} for s in (start, end))
    out = []
    for name in ("MemTotal", "SwapTotal", "HugePages_Total"):
        if before.get(name) != after.get(name):
            out.append(f"{name}: {before.get(name)} -> {after.get(name)}")
    used = [m.get("SwapTotal", 0) - m.get("SwapFree", 0) for m in (before, after)]
    if used[1] > used[0]:
        out.append(f"swap used: {used[0]} -> {used[1]} kB")
    return out


def _free(start: Snapshot, end: Snapshot) -> list[str]:
    out = []
    after = {d["path"]: d for d in end.get("directories") or []}
    for directory in start.get("directories") or []:
        old, new = directory.get("free_bytes"), after.get(directory["path"], {}).get("free_bytes")
        size = directory.get("size_bytes")
        if old is not None and new is not None and size and abs(new - old) > _FREE_SHARE * size:
            out.append(f"free on {directory['path']}: {old / 1e9:.1f} -> {new / 1e9:.1f} GB")
    return out


def settings_issues(snapshots: Mapping[str, Snapshot]) -> list[str]:
    """What differs between hosts beyond what the suite looks at: drives, links, governors, sysctls, mount options."""
    out: list[str] = []
    for what, value in _SETTINGS:
        out += differing(what, {host: value(s) for host, s in snapshots.items()})
    names = sorted({n for s in snapshots.values() for n in s.get("sysctls") or {}})
    for name in names:
        if name not in _MOVING:
            out += differing(
                f"sysctl {name}",
                {host: (s.get("sysctls") or {}).get(name) for host, s in snapshots.items()},
            )
    points = sorted({m["mount_point"] for s in snapshots.values() for m in _shared_mounts(s)})
    for point in points:
        out += differing(
            f"mount options of {point}", {host: _options(s, point) for host, s in snapshots.items()}
        )
    return out


def settings_of(snapshot: Snapshot) -> dict[str, Any]:
    """The parts of a snapshot that ``settings_issues`` looks at, without what is a host's own (addresses, serial numbers)."""
    kept = {
        name: snapshot[name]
        for name in ("transparent_hugepage", "cgroup_limits", "sysctls")
        if name in snapshot
    }
    for name, fields in _KEPT.items():
        if snapshot.get(name):
            kept[name] = [{f: row.get(f) for f in fields} for row in snapshot[name]]
    cpu = snapshot.get("cpu") or {}
    return {
        **kept,
        "cpu": {k: cpu.get(k) for k in ("model", "governor")},
        "mounts": _shared_mounts(snapshot),
    }


def differing(what: str, values: Mapping[str, Any]) -> list[str]:
    """[] when all ``values`` are the same, else one line that says who has which."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            groups.setdefault(str(value), []).append(name)
    if len(groups) < 2:
        return []
    shown = [
        f"{value} on {_some(names)}"
        for value, names in sorted(groups.items(), key=lambda g: -len(g[1]))
    ]
    return [f"{what} differs: {', '.join(shown)}"]


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others"


def _shared_mounts(snapshot: Snapshot) -> list[Any]:
    kinds = (
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
    )
    return [
        m
        for m in snapshot.get("mounts") or []
        if m["fs_type"] in kinds or m["fs_type"].startswith("fuse.")
    ]


_KEPT = {
    "drives": ("model",),
    "nics": ("kind", "speed_mbps", "state", "physical"),
    "infiniband": ("rate", "state"),
}


def _options(snapshot: Snapshot, point: str) -> str | None:
    return next(
        (str(m["options"]) for m in _shared_mounts(snapshot) if m["mount_point"] == point), None
    )


_SETTINGS: tuple[tuple[str, Callable[[Snapshot], Any]], ...] = (
    ("CPU model", lambda s: (s.get("cpu") or {}).get("model")),
    ("CPU governor", lambda s: (s.get("cpu") or {}).get("governor")),
    ("transparent huge pages", lambda s: s.get("transparent_hugepage")),
    ("set of drives", lambda s: ", ".join(sorted(str(d["model"]) for d in s.get("drives") or [])) or None),
    ("set of links", lambda s: ", ".join(sorted(f"{n['kind']} {n['speed_mbps']} Mb/s {n['state']}"
                                                for n in s.get("nics") or [] if n["physical"])) or None),
    ("set of fabric ports", lambda s: ", ".join(sorted(f"{p['rate']} {p['state']}" for p in s.get("infiniband") or [])) or None),
    ("memory limit of the cgroup", lambda s: (s.get("cgroup_limits") or {}).get("memory_max_bytes")),
    ("CPU limit of the cgroup", lambda s: (s.get("cgroup_limits") or {}).get("cpus_max")),
)  # fmt: skip
