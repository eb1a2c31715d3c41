"""What changed on a host between its snapshots at the start and at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpi_collector.formats.host_consistency import MOVING_SYSCTLS, Snapshot

#: parts that stay the same in an undisturbed run and are compared as a whole
CONSTANT_PARTS = (
    "version",
    "os_release",
    "transparent_hugepage",
    "sysctls",
    "chassis",
    "kernel_cmdline",
    "cgroup_limits",
    "limits",
)
_NIC_FIELDS = ("state", "speed_mbps", "mtu_bytes", "master")
_PORT_FIELDS = ("state", "rate")
_DRIVE_FIELDS = (
    "model",
    "size_bytes",
    "scheduler",
    "nr_requests",
    "read_ahead_kb",
    "write_cache",
)
_MOUNT_FIELDS = ("device", "fs_type", "options")
_FREE_SHARE = 0.01  #: of a file system's size: smaller changes of free space are not shown


def changes(start: Snapshot, end: Snapshot) -> list[str]:
    """Return one line for each change of settings, mounts, devices, memory and free space."""
    out: list[str] = []
    for part in CONSTANT_PARTS:
        out += _changes_of_part(part, start.get(part), end.get(part))
    for what, part, name, fields in (
        ("interface", "nics", "name", _NIC_FIELDS),
        ("port", "infiniband", "device", _PORT_FIELDS),
        ("drive", "drives", "name", _DRIVE_FIELDS),
        ("mount", "mounts", "mount_point", _MOUNT_FIELDS),
    ):
        out += _changes_of_rows(what, _by(start, part, name), _by(end, part, name), fields)
    out += _changes_of_memory(start, end)
    out += _changes_of_free_space(start, end)
    return out


def _changes_of_part(part: str, before: Any, after: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
        return [
            f"{part}: {n}: {before.get(n)} -> {after.get(n)}"
            for n in names
            if n not in MOVING_SYSCTLS
        ]
    known = before is not None and after is not None
    return [f"{part}: {before} -> {after}"] if known and before != after else []


def _by(snapshot: Snapshot, part: str, name: str) -> dict[str, Mapping[str, Any]]:
    """The rows of a part of a snapshot by one of their fields; of rows alike the last one."""
    return {str(row[name]): row for row in snapshot.get(part) or []}


def _changes_of_rows(
    what: str,
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    fields: tuple[str, ...],
) -> list[str]:
    out = [f"{what} {name}: gone" for name in before if name not in after]
    out += [f"{what} {name}: new" for name in after if name not in before]
    for name in before:
        for field in fields if name in after else ():
            old = before[name].get(field)
            new = after[name].get(field)
            if old != new:
                out.append(f"{what} {name}: {field} {old} -> {new}")
    return out


def _changes_of_memory(start: Snapshot, end: Snapshot) -> list[str]:
    before = start.get("meminfo") or {}
    after = end.get("meminfo") or {}
    out = [
        f"{name}: {before.get(name)} -> {after.get(name)}"
        for name in ("MemTotal", "SwapTotal", "HugePages_Total")
        if before.get(name) != after.get(name)
    ]
    used_before = _swap_used_kb(before)
    used_after = _swap_used_kb(after)
    if used_after > used_before:
        out.append(f"swap used: {used_before} -> {used_after} kB")
    return out


def _swap_used_kb(meminfo: Mapping[str, int]) -> int:
    return meminfo.get("SwapTotal", 0) - meminfo.get("SwapFree", 0)


def _changes_of_free_space(start: Snapshot, end: Snapshot) -> list[str]:
    out = []
    after = {d["path"]: d for d in end.get("directories") or []}
    for directory in start.get("directories") or []:
        path = directory["path"]
        old = directory.get("free_bytes")
        new = after.get(path, {}).get("free_bytes")
        size = directory.get("size_bytes")
        if old is not None and new is not None and size and abs(new - old) > _FREE_SHARE * size:
            out.append(f"free on {path}: {old / 1e9:.1f} -> {new / 1e9:.1f} GB")
    return out
