"""The logical CPUs of a host, each with its core and its socket.

x86 and s390x print the topology in /proc/cpuinfo. arm64, POWER and RISC-V do not; there it is that
of sysfs: Documentation/ABI/stable/sysfs-devices-system-cpu.
"""

import re

from . import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from .document import CpuRow
    from .files import HostFiles

_CPU = "sys/devices/system/cpu/"
#: lists of the CPUs of a core: the name since Linux 5.8, and the older one
_CORE_LISTS = ("core_cpus_list", "thread_siblings_list")
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?\Z")
_MAX_CPUS = 1 << 16


def list_cpus(files: "HostFiles") -> "list[CpuRow]":
    """Return one dict per online CPU: the keys that /proc/cpuinfo prints.

    Where it prints none, ``physical id`` (physical_package_id) and ``core id`` (number of the
    core's first CPU) come from sysfs; where it lists no CPU, the CPUs do, too. A part that neither
    knows has no key.
    """
    rows = proc.cpuinfo(files.text("proc/cpuinfo", note=True))
    if not rows:
        rows = [{"processor": n} for n in cpu_numbers(files.text(_CPU + "online"))]
    return [_with_topology(files, row) for row in rows]


def condense(rows: "list[CpuRow]") -> "dict[str, Any]":
    """Return ``rows`` for a message: what all have in common once, which is nearly all of it."""
    first = rows[0] if rows else {}
    common = {k: v for k, v in first.items() if all(k in row and row[k] == v for row in rows)}
    own = [{k: v for k, v in row.items() if k not in common} for row in rows]
    return {"common": common, "own": own}


def with_all_cpus(snapshot: "Mapping[str, Any]") -> "dict[str, Any]":
    """Return a snapshot that came as a message, with its ``condensed_cpus`` as ``cpuinfo``."""
    found = dict(snapshot)
    condensed = found.pop("condensed_cpus", None)
    if condensed:
        found["cpuinfo"] = [{**condensed["common"], **row} for row in condensed["own"]]
    return found


def cpu_numbers(text: str) -> "list[int]":
    """Return the numbers of ``0-3,8``, in their order; [] for a text that is no list of CPUs."""
    out: "list[int]" = []
    for part in text.strip().split(","):
        found = _RANGE.match(part)
        if not found:
            return []
        first = int(found.group(1))
        last = int(found.group(2) or first)
        if last - first + len(out) >= _MAX_CPUS:
            return []
        out.extend(range(first, last + 1))
    return out


def _with_topology(files: "HostFiles", row: "CpuRow") -> "CpuRow":
    missing = [key for key in ("physical id", "core id") if key not in row]
    number = row.get("processor")
    if not missing or not isinstance(number, int):
        return row
    base = _CPU + "cpu%d/topology/" % number
    found: "CpuRow" = {}
    package = files.number(base + "physical_package_id")
    if package is not None and package >= 0:  # -1: the firmware does not say
        found["physical id"] = package
    for name in _CORE_LISTS:
        siblings = cpu_numbers(files.text(base + name))
        if siblings:
            found["core id"] = siblings[0]
            break
    row.update({key: found[key] for key in missing if key in found})
    return row
