"""The cgroup of this process: CPU and its throttling, memory, I/O, pressure (Documentation/admin-guide/cgroup-v2.rst).

Under Slurm it is the job's on this host, all its steps together, whichever of them the collector was started in; under other
schedulers the one that this process is in. With version 1 what cpuacct, cpu, memory and pids show.
"""

import os
import re

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_V2 = ("cpu.stat", "memory.current", "memory.swap.current", "memory.stat", "memory.events", "io.stat", "pids.current",
       "cpu.pressure", "memory.pressure", "io.pressure", "irq.pressure")  # fmt: skip
_V1 = (("cpuacct", "cpuacct.usage"), ("cpu", "cpu.stat"), ("memory", "memory.usage_in_bytes"), ("memory", "memory.stat"),
       ("memory", "memory.failcnt"), ("pids", "pids.current"))  # fmt: skip
_LEVELS = (b"anon", b"file", b"shmem", b"file_dirty", b"file_writeback", b"slab", b"sock", b"cache", b"rss", b"mapped_file",
           b"dirty", b"writeback")  # fmt: skip
_MEMORY = (*_LEVELS, b"pgfault", b"pgmajfault", b"workingset_refault_file", b"pgscan", b"pgsteal")
_SINGLE = {"memory.current": b"memory_bytes", "memory.swap.current": b"swap_bytes", "pids.current": b"pids",
           "memory.usage_in_bytes": b"memory_bytes", "cpuacct.usage": b"usage_ns",
           "memory.failcnt": b"memory_limit_hits"}  # fmt: skip
_JOB = re.compile(r"(.*/job_[0-9]+)/.*", re.S)  #: of Slurm's .../job_N/step_M/user/task_0
_IO = {b"rbytes": b"read_bytes", b"wbytes": b"written_bytes", b"rios": b"reads", b"wios": b"writes"}


class Cgroup(Source):
    """The device is the cgroup's part: ``cpu``, ``memory``, ``pids``, ``pressure``, or a block device by number for I/O."""

    name = "cgroup"
    order = 14
    kernel_file = "/sys/fs/cgroup of this process"
    doc = "the job's cgroup: CPU time and throttling, memory, I/O per device, pressure"
    several = True
    budget_us = 20000  # with many CPUs and cgroups the kernel takes long to sum memory.stat
    since = "4.5"

    def files(self, root: str) -> list:
        text = _read(root, "proc/self/cgroup")
        v2: str = ""
        v1: dict = {}
        for line in text.split("\n"):
            _number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            path = _JOB.sub(r"\1", path)
            if path and not controllers:
                v2 = path
            for controller in controllers.split(","):
                if path:
                    v1[controller] = (controllers, path)
        out = []
        for base in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
            at = (
                _visible(root, base, v2)
                if v2 and os.path.exists(os.path.join(root, base, "cgroup.controllers"))
                else ""
            )
            out += [
                (name, at + "/" + name)
                for name in _V2
                if at and os.path.exists(os.path.join(root, at, name))
            ]
        if not any(name == "memory.current" for name, _ in out):
            for controller, name in _V1:
                together, path = v1.get(
                    controller, (controller, "")
                )  # "cpu,cpuacct" has links of either name, mostly
                at = _visible(root, "sys/fs/cgroup/" + controller, path) or _visible(
                    root, "sys/fs/cgroup/" + together, path
                )
                if at and os.path.exists(os.path.join(root, at, name)):
                    out.append((name, at + "/" + name))
        return list(dict(out).items())

    def field(self, table: str, name: str) -> "Field":
        unit = "us" if name.endswith("_us") else "ns" if name.endswith(("_ns", "_time")) else ""
        if name.endswith("_bytes") or name.encode() in _LEVELS:
            unit = "bytes"
        gauge = (unit == "bytes" and name not in ("read_bytes", "written_bytes")) or name == "pids"
        return Field(
            name,
            unit or "events",
            "gauge" if gauge else "counter",
            "cgroup: %s" % name.replace("_", " "),
        )

    def prepare(self, raw: bytes) -> bytes:
        out: list = []
        for label, lines in labelled(raw):
            out += _cells(label.decode("utf-8", "backslashreplace"), lines)
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        for line in text.split(b"\n"):
            device = line.split(b" ")[0]
            table = "io" if b":" in device else device.decode("utf-8", "backslashreplace")
            scan_cells([line], roles, problems, table)
        return roles, problems


def _cells(name: str, lines: list) -> list:
    """``part field value`` lines of a file."""
    part = name.partition(".")[0].replace("cpuacct", "cpu").encode()
    if name in _SINGLE:
        value = lines[0].strip() if lines else b""
        return [b"%s %s %s" % (part, _SINGLE[name], value)] if is_number(value) else []
    if name == "memory.stat":
        lines = _with_children(lines)
    out = []
    for line in lines:
        words = line.split()
        if name == "io.stat" and words and b":" in words[0]:
            for word in words[1:]:
                key, _, value = word.partition(b"=")
                if key in _IO and is_number(value):
                    out.append(b"%s %s %s" % (words[0], _IO[key], value))
        elif (
            name.endswith(".pressure")
            and words
            and words[-1].startswith(b"total=")
            and is_number(words[-1][6:])
        ):
            out.append(b"pressure %s_%s_us %s" % (part, words[0], words[-1][6:]))
        elif (
            len(words) == 2
            and is_number(words[1])
            and (name != "memory.stat" or words[0] in _MEMORY)
        ):
            key = (
                words[0].replace(b"_usec", b"_us").replace(b".", b"_")
                if name == "cpu.stat"
                else words[0]
            )
            out.append(
                b"%s %s%s %s"
                % (part, b"events_" if name == "memory.events" else b"", key, words[1])
            )
    return out


def _with_children(lines: list) -> list:
    """Version 1 says twice what there is: of the cgroup alone, and as ``total_`` of those below it, too."""
    totals = [line[6:] for line in lines if line.startswith(b"total_")]
    return totals or lines


def _visible(root: str, base: str, path: str) -> str:
    """The deepest directory of ``path`` that is there: in a container only a part of it, or nothing, can be seen."""
    parts = [p for p in re.split("/+", path) if p and p != ".."]
    for n in range(len(parts), -1, -1):
        at = "/".join([base] + parts[:n])
        if os.path.isdir(os.path.join(root, at)):
            return at
    return ""


def _read(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path), "rb") as f:
            return f.read(1 << 16).decode("utf-8", "backslashreplace")
    except OSError:
        return ""
