"""The limits of a process's control groups (cgroups(7), admin-guide/cgroup-v2.rst)."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import CgroupLimits
    from .files import HostFiles

_BASE = "sys/fs/cgroup"
_OWN = "proc/self/cgroup"
#: of the blkio controller -> key of io.max
_V1_THROTTLES = (
    ("read_bps", "rbps"),
    ("write_bps", "wbps"),
    ("read_iops", "riops"),
    ("write_iops", "wiops"),
)
_V1_UNLIMITED_BYTES = 1 << 60  #: memory.limit_in_bytes without a limit is just below 2^63


def cgroup_limits(files: "HostFiles", text: "str | None" = None) -> "CgroupLimits":
    """Return the tightest limits from a cgroup up to the root: of v2, else of v1.

    ``text``: /proc/PID/cgroup of a process in it, the default is this process.
    """
    v1, v2 = _paths(files, files.text(_OWN) if text is None else text)
    if v2 is not None:
        return _limits_v2(files, v2)
    if v1:
        return _limits_v1(files, v1)
    return _no_limits(None, None)


def memory_left_bytes(files: "HostFiles") -> "int | None":
    """Return what this process's cgroups let it allocate still; None without a limit.

    Of all cgroups up to the root the one with the least room counts. Page cache that the kernel
    drops by itself (inactive_file) does not take room.
    """
    v1, v2 = _paths(files, files.text(_OWN))
    out: "int | None" = None
    if v2 is not None:
        for at in _upwards(_BASE, v2):
            limit = _lower(files.number(at + "/memory.max"), files.number(at + "/memory.high"))
            used = files.number(at + "/memory.current")
            out = _lower(out, _left(files, at, "inactive_file", limit, used))
    elif "memory" in v1:
        for at in _upwards(_BASE + "/memory", v1["memory"]):
            limit = files.number(at + "/memory.limit_in_bytes")
            used = files.number(at + "/memory.usage_in_bytes")
            if limit is not None and limit < _V1_UNLIMITED_BYTES:
                out = _lower(out, _left(files, at, "total_inactive_file", limit, used))
    return out


def _left(
    files: "HostFiles", at: str, cache: str, limit: "int | None", used: "int | None"
) -> "int | None":
    """Return the room in the cgroup ``at``. ``cache``: its line of memory.stat that can go."""
    if limit is None:
        return None
    lines = files.text(at + "/memory.stat").split("\n")
    found = [line.split()[1] for line in lines if line.startswith(cache + " ")]
    droppable = int(found[0]) if found and found[0].isdigit() else 0
    return max(limit - max((used or 0) - droppable, 0), 0)


def _paths(files: "HostFiles", text: str) -> "tuple[dict[str, str], str | None]":
    """Return ({controller of v1: path of its cgroup}, that of v2 where v2 is in use)."""
    v1: "dict[str, str]" = {}
    v2: "str | None" = None
    for line in text.split("\n"):
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path and not controllers:
            v2 = path
        for controller in controllers.split(","):
            if path and controller:
                v1[controller] = path
    if v2 is not None and files.exists(_BASE + "/cgroup.controllers"):
        return {}, v2
    return v1, None


def _no_limits(version: "int | None", path: "str | None") -> "CgroupLimits":
    return {
        "version": version,
        "path": path,
        "memory_max_bytes": None,
        "memory_high_bytes": None,
        "cpus_max": None,
        "cpuset": None,
        "pids_max": None,
        "io_max": [],
    }


def _limits_v2(files: "HostFiles", path: str) -> "CgroupLimits":
    out = _no_limits(2, path)
    for at in _upwards(_BASE, path):
        out["memory_max_bytes"] = _lower(out["memory_max_bytes"], files.number(at + "/memory.max"))
        out["memory_high_bytes"] = _lower(
            out["memory_high_bytes"], files.number(at + "/memory.high")
        )
        out["pids_max"] = _lower(out["pids_max"], files.number(at + "/pids.max"))
        out["cpus_max"] = _lower_cpus(out["cpus_max"], files.text(at + "/cpu.max").split())
        out["cpuset"] = out["cpuset"] or files.word(at + "/cpuset.cpus.effective")
        out["io_max"] += [line for line in files.text(at + "/io.max").split("\n") if line]
    return out


def _limits_v1(files: "HostFiles", paths: "dict[str, str]") -> "CgroupLimits":
    """``paths``: {controller: its cgroup}."""
    out = _no_limits(1, paths.get("memory") or next(iter(paths.values())))
    for at in _upwards(_BASE + "/memory", paths.get("memory", "/")):
        limit = files.number(at + "/memory.limit_in_bytes")
        if limit is not None and limit < _V1_UNLIMITED_BYTES:
            out["memory_max_bytes"] = _lower(out["memory_max_bytes"], limit)
    for at in _upwards(_BASE + "/cpu", paths.get("cpu", "/")):
        quota = files.word(at + "/cpu.cfs_quota_us") or ""
        period = files.word(at + "/cpu.cfs_period_us") or ""
        out["cpus_max"] = _lower_cpus(out["cpus_max"], [quota, period])
    for at in _upwards(_BASE + "/pids", paths.get("pids", "/")):
        out["pids_max"] = _lower(out["pids_max"], files.number(at + "/pids.max"))
    for at in _upwards(_BASE + "/blkio", paths.get("blkio", "/")):
        out["io_max"] += _throttles_v1(files, at)
    for at in _upwards(_BASE + "/cpuset", paths.get("cpuset", "/")):
        out["cpuset"] = out["cpuset"] or files.word(at + "/cpuset.cpus")
    return out


def _throttles_v1(files: "HostFiles", at: str) -> "list[str]":
    """Return the I/O limits of a cgroup of version 1 as lines of version 2's ``io.max``.

    Documentation/admin-guide/cgroup-v1/blkio-controller.rst: a line ``MAJOR:MINOR VALUE`` a device.
    """
    devices: "dict[str, list[str]]" = {}
    for name, key in _V1_THROTTLES:
        for line in files.text("%s/blkio.throttle.%s_device" % (at, name)).split("\n"):
            words = line.split()
            if len(words) == 2 and words[1].isdigit():
                devices.setdefault(words[0], []).append("%s=%s" % (key, words[1]))
    return [" ".join([device] + limits) for device, limits in devices.items()]


def _upwards(base: str, path: str) -> "list[str]":
    """Return the directories from the cgroup up to the root of the visible hierarchy."""
    parts = [p for p in path.split("/") if p and p != ".."]
    return [os.path.join(base, *parts[:n]) for n in range(len(parts), -1, -1)]


def _lower(known: "int | None", limit: "int | None") -> "int | None":
    if known is None or limit is None:
        return limit if known is None else known
    return min(known, limit)


def _lower_cpus(known: "float | None", words: "list[str]") -> "float | None":
    """Return the lower of a known limit and that of quota and period, in CPUs."""
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return known
    if quota <= 0 or period <= 0:
        return known
    cpus = quota / period
    return cpus if known is None else min(known, cpus)
