"""/proc/PID: what the processes of this user do, by the name of their command (proc(5): stat, io).

Summed by name, so that the columns stay the same while processes come and go; bounded in number. Which processes: those of
this user other than the collector. What a process added since it was last seen goes to the name that it has now: sums never
fall, neither when it ends nor when it runs another program under the same PID (a launcher's child between fork and exec).
"""

import os

from ..layout import Field
from .base import Source, scan_cells

_NAMES = 16  #: commands with columns of their own, in the order in which they were first seen
_PIDS = 512
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IO = (b"rchar", b"wchar", b"syscr", b"syscw", b"read_bytes", b"write_bytes")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Processes(Source):
    name = "processes"
    kernel_file = "/proc/PID/{stat,io}"
    doc = "the user's processes by command: CPU time, memory, threads, bytes and calls of I/O"
    makes_its_text = True
    may_block = True  # io waits for a process that is just being set up
    budget_us = 10000
    default = False
    lists_devices = True
    fields = (
        Field("processes", "processes", "gauge", "processes of this name"),
        Field("threads", "threads", "gauge", "their threads"),
        Field("user_ms", "ms", "counter", "CPU time in user mode, of those that ended too"),
        Field("system_ms", "ms", "counter", "CPU time in the kernel"),
        Field("rss_bytes", "bytes", "gauge", "resident memory"),
        Field("major_faults", "faults", "counter", "page faults that needed I/O"),
        Field("read_call_bytes", "bytes", "counter", "bytes by read calls, from the page cache too"),
        Field("write_call_bytes", "bytes", "counter", "bytes by write calls"),
        Field("read_calls", "calls", "counter", "read calls"),
        Field("write_calls", "calls", "counter", "write calls"),
        Field("read_bytes", "bytes", "counter", "bytes fetched from storage"),
        Field("write_bytes", "bytes", "counter", "bytes sent to storage"),
    )

    def reader(self, root):
        # type: (str) -> Any
        return _Reader(root)

    def scan(self, text):
        # type: (bytes) -> tuple
        roles, problems = [], []  # type: list, list
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems

    def spare_slots(self, table, devices):
        # type: (str, int) -> int
        return max(0, _NAMES + 1 - devices)


_GAUGES = (b"processes", b"threads", b"rss_bytes")
_COUNTERS = (b"user_ms", b"system_ms", b"major_faults", b"read_call_bytes", b"write_call_bytes", b"read_calls", b"write_calls",
             b"read_bytes", b"write_bytes")  # fmt: skip
_NONE = (0,) * len(_COUNTERS)


class _Reader:
    def __init__(self, root):
        # type: (str) -> None
        self._proc = os.path.join(root, "proc")
        self._last = {}  # type: dict  # (pid, start time) -> counters
        self._sums = {}  # type: dict  # name -> counters of all that had this name, those that ended too
        self._names = []  # type: list
        os.listdir(self._proc)

    def close(self):
        # type: () -> None
        pass

    def read(self):
        # type: () -> bytes
        now, gauges = {}, {}  # type: dict, dict
        for pid in self._pids():
            found = self._process(pid)
            if found is None:
                continue
            key, name, gauge, counters = found
            last = self._last.get(key, _NONE)
            # io may be closed to us for a moment (an exec): what it said before stays
            now[key] = counters = [max(a, b) for a, b in zip(counters, last)]
            self._sums[name] = [s + a - b for s, a, b in zip(self._sums.get(name, _NONE), counters, last)]
            gauges[name] = [a + b for a, b in zip(gauges.get(name, (0, 0, 0)), gauge)]
        self._last = now
        out = []
        for name in self._names:
            out += [b"%s %s %d" % (name, f, v) for f, v in zip(_GAUGES, gauges.get(name, (0, 0, 0)))]
            out += [b"%s %s %d" % (name, f, v) for f, v in zip(_COUNTERS, self._sums.get(name, _NONE))]
        return b"\n".join(out)

    def _pids(self):
        # type: () -> list
        mine, here = os.getuid(), str(os.getpid())
        out = []
        for name in os.listdir(self._proc):
            if name.isdigit() and name != here:
                try:
                    if os.stat(os.path.join(self._proc, name)).st_uid == mine:
                        out.append(name)
                except OSError:  # it has ended
                    continue
        return out[:_PIDS]

    def _process(self, pid):
        # type: (str) -> Any
        """((pid, start), name, [processes, threads, rss], counters), None when it is gone or a kernel thread."""
        head, _, rest = _read(os.path.join(self._proc, pid, "stat")).rpartition(b")")
        words = rest.split()
        if len(words) < 22 or words[20] == b"0":  # no memory of its own: a kernel thread, or one that just ends
            return None
        name = self._name(head.partition(b"(")[2])
        io = dict(line.split(b": ")[:2] for line in _read(os.path.join(self._proc, pid, "io")).split(b"\n") if b": " in line)
        numbers = [int(io.get(k, 0)) for k in _IO]
        counters = [int(words[11]) * _TICK_MS, int(words[12]) * _TICK_MS, int(words[9])] + numbers
        return (pid, words[19]), name, [1, int(words[17]), int(words[21]) * _PAGE], counters

    def _name(self, name):
        # type: (bytes) -> bytes
        name = b"_".join(name.split()) or b"?"
        if name not in self._names:
            if len(self._names) >= _NAMES:
                name = b"others"
            if name not in self._names:
                self._names.append(name)
        return name


def _read(path):
    # type: (str) -> bytes
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
    finally:
        os.close(fd)
