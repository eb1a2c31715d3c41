"""/proc/PID: what the processes of this user do, by the name of their command (proc(5): stat, io).

Summed by name, so that the columns stay the same while processes come and go; bounded in number. Which processes: those of
this user other than the collector, or of them those that a pattern chooses. What a process added since it was last seen goes
to the name that it has now: sums never fall, neither when it ends nor when it runs another program under the same PID (a
launcher's child between fork and exec). What a child did after it was last seen, or without having been seen at all, goes to the
one that waited for it, since there the kernel shows it.
"""

import os
import re

from ..read.process_files import Pids, Process
from ..row.layout import Field
from .base import Source, scan_cells

_NAMES = 16  #: commands with columns of their own, in the order in which they were first seen
_PIDS = 512  #: processes that are counted; how many there are beyond is told
_LEFT_OUT = b"left_out"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Processes(Source):
    name = "processes"
    order = 24
    kernel_file = "/proc/PID/{stat,io}"
    doc = "the user's processes by command: CPU time, memory, threads, bytes and calls of I/O"
    option_doc = """\
processes:PATTERN       those whose command line has PATTERN in it, a regular expression
processes:tree:PATTERN  those and all that they start, whatever its name
  No blanks or commas in PATTERN (. or \\s and \\x2c stand for them). Chosen once, a process stays so until it ends. The
  collector's own processes are never chosen. 512 processes are counted; device left_out says how many more there are."""
    makes_its_text = True
    may_block = True  # io waits for a process that is just being set up
    budget_us = 10000
    default = False
    lists_devices = True
    may_be_empty = True  # a pattern that chooses nobody yet
    fields = (
        Field("processes", "processes", "gauge", "processes of this name"),
        Field("threads", "threads", "gauge", "their threads"),
        Field("user_ms", "ms", "counter", "CPU time in user mode, of those that ended too"),
        Field("system_ms", "ms", "counter", "CPU time in the kernel"),
        Field("rss_bytes", "bytes", "gauge", "resident memory"),
        Field("major_faults", "faults", "counter", "page faults that needed I/O"),
        Field(
            "read_call_bytes", "bytes", "counter", "bytes by read calls, from the page cache too"
        ),
        Field("write_call_bytes", "bytes", "counter", "bytes by write calls"),
        Field("read_calls", "calls", "counter", "read calls"),
        Field("write_calls", "calls", "counter", "write calls"),
        Field("read_bytes", "bytes", "counter", "bytes fetched from storage"),
        Field("write_bytes", "bytes", "counter", "bytes sent to storage"),
    )

    def __init__(self) -> None:
        self._pattern: "Any" = None
        self._tree = False

    def choose(self, text: str) -> None:
        """``PATTERN`` or ``tree:PATTERN``. ValueError when it is no regular expression or chooses everything."""
        word, colon, rest = text.partition(":")
        self._tree = bool(colon) and word == "tree"
        pattern = rest if self._tree else text
        try:
            self._pattern = re.compile(pattern.encode())
        except re.error as e:
            raise ValueError("processes:%s: no regular expression: %s" % (text, e)) from None
        if self._pattern.search(b""):
            raise ValueError(
                "processes:%s: the pattern is in every command line; plain 'processes' takes all"
                % text
            )

    def reader(self, root: str) -> "Any":
        return _Reader(root, self._pattern, self._tree)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return max(0, _NAMES + 2 - devices)


_GAUGES = (b"processes", b"threads", b"rss_bytes")
_COUNTERS = (b"user_ms", b"system_ms", b"major_faults", b"read_call_bytes", b"write_call_bytes", b"read_calls", b"write_calls",
             b"read_bytes", b"write_bytes")  # fmt: skip


class _Name:
    """What all processes of a name did, those that ended too; and what those that are there now hold."""

    def __init__(self, name: bytes) -> None:
        lines = [b"%s %s %%d" % (name.replace(b"%", b"%%"), f) for f in _GAUGES + _COUNTERS]
        self._format = b"\n".join(lines)
        self.sums = [0] * len(_COUNTERS)
        self.now = [0] * len(_GAUGES)

    def text(self) -> bytes:
        return self._format % tuple(self.now + self.sums)


class _Reader:
    def __init__(self, root: str, pattern: "Any" = None, tree: bool = False) -> None:
        self._proc = os.path.join(root, "proc")
        self._pids = Pids(self._proc, pattern, tree)
        self._family = tree or pattern is None  # who starts them is among them
        self._names: dict = {}  # name as it is printed -> _Name, in the order of their coming
        self._name_of: dict = {}  # comm -> _Name
        self._chosen: dict = {}  # pid -> Process
        self._new = False
        self._ended: dict = {}  # the latest of those that were
        os.listdir(self._proc)

    def close(self) -> None:
        for process in self._chosen.values():
            process.close()
        self._chosen = {}

    def read(self) -> bytes:
        left_out = self._follow()
        # Parents come first: one that is read before its child has not inherited of it yet, or the child is seen gone.
        self._end([pid for pid, process in self._chosen.items() if not process.look()])
        for name in self._names.values():
            name.now = [0] * len(_GAUGES)
        for process in self._chosen.values():
            added = process.take()
            about = self._name(process.comm)
            about.now = [a + b for a, b in zip(about.now, process.gauges)]
            if added:
                about.sums = [a + b for a, b in zip(about.sums, added)]
        self._order()
        out = [name.text() for name in self._names.values()]
        if left_out:
            out.append(b"%s processes %d" % (_LEFT_OUT, left_out))
        return b"\n".join(out)

    def _follow(self) -> int:
        """Processes that are chosen from now on, and those that are no more. Returns how many find no room."""
        pids = self._pids.look()
        self._end([pid for pid in self._chosen if pid not in pids])
        left_out = 0
        for pid in sorted(pids - self._chosen.keys(), key=int):
            if len(self._chosen) < _PIDS:
                self._new = True
                before = self._ended.pop(pid, None)
                self._chosen[pid] = Process(
                    self._proc, pid, len(self._chosen), self._family, before
                )
            else:
                left_out += 1
        return left_out

    def _order(self) -> None:
        """Parents first, by the time of their start: numbers begin anew at some point."""
        if self._new:
            self._new = False
            self._chosen = dict(
                sorted(self._chosen.items(), key=lambda item: int(item[1].start or 0))
            )

    def _end(self, pids: list) -> None:
        """Children before their parents, which may end in the same moment: who waited for those inherits of both."""
        for pid in reversed(pids):
            process = self._ended[pid] = self._chosen.pop(pid)
            process.close()
            self._pids.forget(pid)
            if process.parent in self._chosen:
                self._chosen[process.parent].inherit(process)
            if len(self._ended) > _PIDS:
                del self._ended[next(iter(self._ended))]

    def _name(self, comm: bytes) -> "_Name":
        about = self._name_of.get(comm)
        if about is None:
            name = b"_".join(comm.split()) or b"?"
            if name not in self._names and len(self._names) >= _NAMES:
                name = b"others"
            about = self._names.get(name)
            if about is None:
                about = self._names[name] = _Name(name)
            if (
                len(self._name_of) < _PIDS
            ):  # a program that renames itself without end shall not fill memory
                self._name_of[comm] = about
        return about
