"""/proc/PID: the processes of this user, by the name of their command (proc(5): stat, io).

Summed by name, so that the columns stay the same while processes come and go; bounded in number.
Which processes: those of this user other than the collector, or of them those that a pattern
chooses. What a process added since it was last seen goes to the name that it has now: sums never
fall, neither when it ends nor when it runs another program under the same PID (a launcher's child
between fork and exec). What a child did after it was last seen, or without having been seen at all,
goes to the process that waited for it, since there the kernel shows it.
"""

import os
import re
import resource

from ..read.process_files import Pids, Process
from ..read.reader import Reader
from ..row.layout import Field
from .base import ReaderSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

_NAMES_MAX = 16  #: commands with columns of their own, in the order in which they were first seen
_PROCESSES_MAX = 512  #: processes that are counted; how many there are beyond is a column
#: processes whose three files stay open: a quarter of the files that this process may have open
_OPEN_MAX = min(256, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 12)
_LEFT_OUT = b"left_out"


class Processes(ReaderSource):
    """A device is the name of a command; ``others`` and ``left_out`` are what finds no room."""

    name = "processes"
    order = 24
    kernel_file = "/proc/PID/{stat,io}"
    doc = "the user's processes by command: CPU time, memory, threads, bytes and calls of I/O"
    option_doc = """\
processes:PATTERN       those whose command line matches PATTERN, a regular expression
processes:tree:PATTERN  those and all that they start, whatever its name
  No blanks or commas in PATTERN (. or \\s and \\x2c stand for them). Once chosen, a process stays
  chosen until it ends. The collector's own processes are never chosen. Up to 512 processes are
  counted; device left_out says how many more there are."""
    may_block = True  # io waits for a process that is just being set up
    budget_us = 10000
    default = False
    lists_devices = True
    may_be_empty = True  # a pattern that chooses nobody yet
    fields = (
        Field("processes", "processes", "gauge", "processes of this name"),
        Field("threads", "threads", "gauge", "threads of these processes"),
        Field("user_ms", "ms", "counter", "CPU time in user mode, ended processes included"),
        Field("system_ms", "ms", "counter", "CPU time in the kernel, ended processes included"),
        Field("rss_bytes", "bytes", "gauge", "resident memory, shared pages counted for each"),
        Field("major_faults", "faults", "counter", "page faults that needed I/O"),
        Field(
            "read_call_bytes",
            "bytes",
            "counter",
            "bytes returned by read calls, from the page cache too",
        ),
        Field("write_call_bytes", "bytes", "counter", "bytes passed to write calls"),
        Field("read_calls", "calls", "counter", "read calls"),
        Field("write_calls", "calls", "counter", "write calls"),
        Field("read_bytes", "bytes", "counter", "bytes fetched from storage"),
        Field("write_bytes", "bytes", "counter", "bytes sent to storage"),
    )

    def __init__(self) -> None:
        self._pattern: "Pattern[bytes] | None" = None
        self._tree = False

    def choose(self, text: str) -> None:
        """Take ``PATTERN`` or ``tree:PATTERN``.

        ValueError when it is no regular expression, or one that every command line matches.
        """
        word, colon, rest = text.partition(":")
        self._tree = bool(colon) and word == "tree"
        pattern = rest if self._tree else text
        try:
            self._pattern = re.compile(pattern.encode())
        except re.error as e:
            raise ValueError("processes:%s: not a regular expression: %s" % (text, e)) from None
        if self._pattern.search(b""):
            raise ValueError(
                "processes:%s: the pattern matches every command line; "
                "'processes' alone records all" % text
            )

    def reader(self, root: str) -> "ProcessReader":
        return ProcessReader(root, self._pattern, self._tree)

    def spare_slots(self, table: str, devices: int) -> int:
        return max(0, _NAMES_MAX + 2 - devices)


GAUGES = (b"processes", b"threads", b"rss_bytes")
_COUNTERS = (
    b"user_ms",
    b"system_ms",
    b"major_faults",
    b"read_call_bytes",
    b"write_call_bytes",
    b"read_calls",
    b"write_calls",
    b"read_bytes",
    b"write_bytes",
)


class CommandSums:
    """All processes of a name: ``sums`` of counters, of ended ones too; ``now``: the gauges."""

    def __init__(self, name: bytes) -> None:
        lines = [b"%s %s %%d" % (name.replace(b"%", b"%%"), f) for f in GAUGES + _COUNTERS]
        self._format = b"\n".join(lines)
        self.sums = [0] * len(_COUNTERS)
        self.now = [0] * len(GAUGES)

    def text(self) -> bytes:
        """Return its ``device field value`` lines."""
        return self._format % tuple(self.now + self.sums)


class ProcessReader(Reader):
    """Follows the chosen processes and sums what they do by the names of their commands.

    ``pattern``, ``tree``: as ``Pids`` has them. Up to ``processes_max`` are counted; the files of
    up to ``open_max`` stay open, those of the others are opened at every reading. OSError when
    there is no /proc below ``root``.
    """

    def __init__(
        self,
        root: str,
        pattern: "Pattern[bytes] | None" = None,
        tree: bool = False,
        processes_max: int = _PROCESSES_MAX,
        open_max: int = _OPEN_MAX,
    ) -> None:
        super().__init__()
        self._proc = os.path.join(root, "proc")
        self._processes_max = processes_max
        self._open_max = open_max
        self._pids = Pids(self._proc, pattern, tree)
        self._family = tree or pattern is None  # the parents of those chosen are chosen, too
        self._commands: "dict[bytes, CommandSums]" = {}  # by printed name, as they appear
        self._command_of: "dict[bytes, CommandSums]" = {}  # by comm
        self._chosen: "dict[str, Process]" = {}  # by PID, parents before their children
        self._unsorted = False
        self._ended: "dict[str, Process]" = {}  # the latest of those that ended, by PID
        os.listdir(self._proc)

    def close(self) -> None:
        for process in self._chosen.values():
            process.close()
        self._chosen = {}

    def read(self) -> bytes:
        """Return ``device field value`` lines, devices in the order of their appearance."""
        left_out = self._follow()
        # Parents come first. Were a child read before its parent, and then end, the parent would be
        # read with the child's counters in its own before the child is known to have ended.
        self._end([pid for pid, process in self._chosen.items() if not process.look()])
        for command in self._commands.values():
            command.now = [0] * len(GAUGES)
        for process in self._chosen.values():
            added = process.take()
            command = self._command(process.comm)
            command.now = [a + b for a, b in zip(command.now, process.gauges)]
            if added:
                command.sums = [a + b for a, b in zip(command.sums, added)]
        self._sort()
        out = [command.text() for command in self._commands.values()]
        if left_out:
            out.append(b"%s processes %d" % (_LEFT_OUT, left_out))
        return b"\n".join(out)

    def _follow(self) -> int:
        """Add the processes that are newly chosen and drop those that no longer are.

        Return how many found no room.
        """
        pids = self._pids.look()
        self._end([pid for pid in self._chosen if pid not in pids])
        left_out = 0
        for pid in sorted(pids - self._chosen.keys(), key=int):
            if len(self._chosen) < self._processes_max:
                self._unsorted = True
                before = self._ended.pop(pid, None)
                keep_open = len(self._chosen) < self._open_max
                self._chosen[pid] = Process(self._proc, pid, keep_open, self._family, before)
            else:
                left_out += 1
        return left_out

    def _sort(self) -> None:
        """Put parents first: by start time, since PIDs begin anew at some point."""
        if self._unsorted:
            self._unsorted = False
            self._chosen = dict(sorted(self._chosen.items(), key=lambda item: item[1].start))

    def _end(self, pids: "list[str]") -> None:
        """Drop processes that ended, children before parents that end in the same moment.

        The process that waited for them inherits the counters of both.
        """
        for pid in reversed(pids):
            process = self._ended[pid] = self._chosen.pop(pid)
            process.close()
            self._pids.forget(pid)
            if process.parent in self._chosen:
                self._chosen[process.parent].inherit(process)
            if len(self._ended) > _PROCESSES_MAX:
                del self._ended[next(iter(self._ended))]

    def _command(self, comm: bytes) -> CommandSums:
        """Return the sums of a name, those of ``others`` when there are too many names."""
        command = self._command_of.get(comm)
        if command is None:
            name = b"_".join(comm.split()) or b"?"
            if name not in self._commands and len(self._commands) >= _NAMES_MAX:
                name = b"others"
            command = self._commands.get(name)
            if command is None:
                command = self._commands[name] = CommandSums(name)
            # bounded: a program may rename itself without end
            if len(self._command_of) < _PROCESSES_MAX:
                self._command_of[comm] = command
        return command
