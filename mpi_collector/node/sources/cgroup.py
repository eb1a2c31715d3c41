"""The cgroup of the job: CPU, memory, I/O, pressure (Documentation/admin-guide/cgroup-v2.rst).

It is that of COMMAND's first process on this host; where there is none, that of this process. Under
Slurm it is the cgroup of the whole job on this host, all its steps together. Of version 1 the
controllers cpuacct, cpu, memory and pids are read (Documentation/admin-guide/cgroup-v1).
"""

import re

from ..host.snapshot.cgroup import cgroup_limits
from ..host.snapshot.files import HostFiles
from ..read.file_group import FileGroup
from ..read.job_cgroup import JobCgroup
from ..row.layout import Field
from ..row.scan import is_number, name_of
from .base import FileGroupSource, labelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..read.readable import Notice

#: type of the event that has the limits of COMMAND's cgroup, as a snapshot has them
LIMITS = "job_limits"
_LIMITS_MAX = 32  #: devices
_V2 = (
    "cpu.stat",
    "memory.current",
    "memory.swap.current",
    "memory.stat",
    "memory.events",
    "io.stat",
    "pids.current",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
    "irq.pressure",
)
#: controller, file
_V1 = (
    ("cpuacct", "cpuacct.usage"),
    ("cpu", "cpu.stat"),
    ("memory", "memory.usage_in_bytes"),
    ("memory", "memory.stat"),
    ("memory", "memory.failcnt"),
    ("pids", "pids.current"),
)
#: keys of memory.stat: levels in bytes, and counters
_LEVELS = (
    b"anon",
    b"file",
    b"shmem",
    b"file_dirty",
    b"file_writeback",
    b"slab",
    b"sock",
    b"cache",
    b"rss",
    b"mapped_file",
    b"dirty",
    b"writeback",
)
_MEMORY = (*_LEVELS, b"pgfault", b"pgmajfault", b"workingset_refault_file", b"pgscan", b"pgsteal")
_ONLY_V1 = (b"cache", b"rss", b"mapped_file", b"dirty", b"writeback")
#: file of one number -> field
_SINGLE = {
    "memory.current": b"memory_bytes",
    "memory.swap.current": b"swap_bytes",
    "pids.current": b"pids",
    "memory.usage_in_bytes": b"memory_bytes",
    "cpuacct.usage": b"usage_ns",
    "memory.failcnt": b"memory_limit_hits",
}
_IO = {b"rbytes": b"read_bytes", b"wbytes": b"written_bytes", b"rios": b"reads", b"wios": b"writes"}
_KNOWN_V2 = {
    "cpu": (
        "usage_us",
        "user_us",
        "system_us",
        "nr_periods",
        "nr_throttled",
        "throttled_us",
        "nr_bursts",
        "burst_us",
        "nice_us",
        "core_sched_force_idle_us",
    ),
    "memory": (
        "memory_bytes",
        "swap_bytes",
        *(key.decode() for key in _MEMORY if key not in _ONLY_V1),
        *("events_" + key for key in ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")),
        "events_sock_throttled",
    ),
    "pids": ("pids",),
    "pressure": tuple(
        "%s_%s_us" % (resource, share)
        for resource in ("cpu", "memory", "io", "irq")
        for share in ("some", "full")
        if (resource, share) != ("irq", "some")
    ),
    "io": tuple(name.decode() for name in _IO.values()),
}
_NUMBER = re.compile(rb"[0-9]+:[0-9]+\Z")  #: of a block device
_DOC = {
    "usage_us": "CPU time, user and system",
    "usage_ns": "CPU time, user and system",
    "user_us": "CPU time in user mode",
    "system_us": "CPU time in the kernel",
    "nr_periods": "enforcement periods of the CPU limit (CFS quota)",
    "nr_throttled": "periods in which the CPU limit throttled tasks",
    "throttled_us": "time for which the CPU limit throttled tasks",
    "throttled_time": "time for which the CPU limit throttled tasks",
    "memory_bytes": "memory in use, page cache included",
    "swap_bytes": "swap in use",
    "memory_limit_hits": "times the memory limit was reached",
    "anon": "anonymous memory",
    "file": "page cache, tmpfs and shared memory included",
    "shmem": "tmpfs and shared memory",
    "file_dirty": "page cache that is waiting to be written to storage",
    "file_writeback": "page cache that is being written to storage",
    "slab": "data structures of the kernel",
    "sock": "buffers of network connections",
    "pgfault": "page faults, minor and major",
    "pgmajfault": "page faults that needed I/O",
    "events_low": "times memory was reclaimed although usage was below memory.low",
    "events_high": "times usage exceeded memory.high and tasks were throttled",
    "events_max": "times usage was about to exceed memory.max",
    "events_oom": "times the limit was reached and an allocation failed",
    "events_oom_kill": "processes killed by the OOM killer",
    "read_bytes": "bytes read from the device",
    "written_bytes": "bytes written to the device",
    "reads": "read requests",
    "writes": "write requests",
    "pids": "processes and threads",
}


class Cgroup(FileGroupSource):
    """A device is a part of the cgroup: ``cpu``, ``memory``, ``pids``, ``pressure``.

    For I/O it is a block device by number, ``8:0``.
    """

    name = "cgroup"
    order = 14
    copies_numbers = True
    in_one_piece = True
    kernel_file = "/sys/fs/cgroup of COMMAND, or of this process"
    doc = "the job's cgroup: CPU time and throttling, memory, I/O per device, pressure"
    budget_us = 20000  # with many CPUs and cgroups the kernel takes long to sum memory.stat
    may_be_empty = True  # that of COMMAND may be gone before the recording ends
    later_bytes = 8192  # a line a device in io.stat, which may be empty at the start
    since = "4.5"

    def __init__(self) -> None:
        self._of_job: "JobCgroup | None" = None
        self._told = b""
        self._notices: "list[Notice]" = []

    def open(self, root: str) -> FileGroup:
        group = super().open(root)
        group.notices += self._notices
        self._notices = group.notices
        return group

    def files(self, root: str) -> "list[tuple[str, str]]":
        if self._of_job is None:
            self._of_job = JobCgroup(root, self.run, _V2, _V1)
        found = self._of_job.files()
        if self._of_job.of_command != self._told:
            self._told = self._of_job.of_command
            self._tell_limits(root)
        return found

    def _tell_limits(self, root: str) -> None:
        """Note the limits of COMMAND's cgroup; the snapshot of the host has those of ours."""
        files = HostFiles(root)
        text = self._told.decode("utf-8", "backslashreplace")
        if text != files.text("proc/self/cgroup") or self._notices:
            limits = cgroup_limits(files, text)
            limits["io_max"] = limits["io_max"][:_LIMITS_MAX]
            self._notices.append(dict(limits, type=LIMITS))

    def field(self, table: str, name: str) -> Field:
        unit = "us" if name.endswith("_us") else "ns" if name.endswith(("_ns", "_time")) else ""
        if name.endswith("_bytes") or name.encode() in _LEVELS:
            unit = "bytes"
        gauge = (unit == "bytes" and name not in ("read_bytes", "written_bytes")) or name == "pids"
        kind = "gauge" if gauge else "counter"
        return Field(name, unit or "events", kind, _DOC.get(name, _other_doc(name)))

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        """Those of version 2: a controller may be enabled later, or COMMAND move to another cgroup.

        The root has no memory.current, and io.stat lists the devices that a cgroup has used.
        """
        is_v2 = b"\nusage_usec " in raw or b"@io.stat\n" in raw
        return _KNOWN_V2 if is_v2 else {}

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        return _KNOWN_V2

    def spare_slots(self, table: str, devices: int) -> int:
        return max(8, devices // 4) if table == "io" else 1 - min(devices, 1)

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for label, lines in labelled(raw):
            out += _cells(name_of(label), lines)
        return b"\n".join(out)

    def table_of(self, line: bytes) -> str:
        device = line.split(b" ")[0]
        return "io" if b":" in device else name_of(device)


def _other_doc(name: str) -> str:
    """Return the meaning of a field that is not in the list above."""
    for what in ("some", "full"):
        resource, found, _ = name.partition("_%s_us" % what)
        if found:
            tasks = "at least one task" if what == "some" else "all tasks that were not idle"
            return "time in which %s waited for %s" % (tasks, resource)
    return "cgroup: %s" % name.replace("_", " ")


def _cells(name: str, lines: "list[bytes]") -> "list[bytes]":
    """Return the ``part field value`` lines of a file."""
    part = name.partition(".")[0].replace("cpuacct", "cpu").encode()
    if name in _SINGLE:
        value = lines[0].strip() if lines else b""
        return [b"%s %s %s" % (part, _SINGLE[name], value)] if is_number(value) else []
    out: "list[bytes]" = []
    if name == "io.stat":
        _add_io(lines, out)
    elif name.endswith(".pressure"):
        _add_pressure(part, lines, out)
    elif name == "memory.stat":
        _add_keyed(part, _with_children(lines), out, _MEMORY)
    elif name == "cpu.stat":
        keys = [line.replace(b"_usec", b"_us").replace(b".", b"_") for line in lines]
        _add_keyed(part, keys, out)
    elif name == "memory.events":
        _add_keyed(part + b" events", lines, out, separator=b"_")
    else:
        _add_keyed(part, lines, out)
    return out


def _add_io(lines: "list[bytes]", out: "list[bytes]") -> None:
    """Append the cells of lines like ``8:0 rbytes=100 wbytes=200``.

    Linux 5.14 to 5.16 print devices without I/O without a newline: ``7:3 8:16 259:0 rbytes=100``.
    """
    for line in lines:
        before, _, _ = line.partition(b"=")
        devices = [word for word in before.split() if _NUMBER.match(word)]
        for word in line.split() if devices else ():
            key, _, value = word.partition(b"=")
            if key in _IO and is_number(value):
                out.append(b"%s %s %s" % (devices[-1], _IO[key], value))


def _add_pressure(part: bytes, lines: "list[bytes]", out: "list[bytes]") -> None:
    """Append the cells of lines like ``some avg10=0.00 ... total=55``."""
    for line in lines:
        words = line.split()
        if words and words[-1].startswith(b"total=") and is_number(words[-1][6:]):
            out.append(b"pressure %s_%s_us %s" % (part, words[0], words[-1][6:]))


def _add_keyed(
    part: bytes,
    lines: "list[bytes]",
    out: "list[bytes]",
    kept: "tuple[bytes, ...] | None" = None,
    separator: bytes = b" ",
) -> None:
    """Append the cells of lines of ``key value``; ``kept``: the keys that count."""
    for line in lines:
        words = line.split()
        if len(words) == 2 and is_number(words[1]) and (kept is None or words[0] in kept):
            out.append(b"%s%s%s %s" % (part, separator, words[0], words[1]))


def _with_children(lines: "list[bytes]") -> "list[bytes]":
    """Return what includes the cgroups below: of version 1 the keys that begin with ``total_``."""
    totals = [line[6:] for line in lines if line.startswith(b"total_")]
    return totals or lines
