"""/proc/PID/{io,stat} of the job's processes: what the job asked for and its CPU time.

They are held against what storage delivered and against the CPU time of the host.

The job is COMMAND and all that it starts; on hosts without COMMAND, the processes of a scheduler's
job by its cgroup; else those of this user that started after the recorder. Read calls (``rchar``)
miss mmap, libaio and io_uring and include pipes, sockets and /dev/zero (proc(5)): how many
processes have such descriptors is a column.

It is read at so few ticks that it costs 50 us a tick on average, but once a minute at least, and at
the stop. What a process
did after it was last read goes to the parent that waited for it, as in ``processes``; of COMMAND
itself that is the recorder, whose own read calls are in the sum from then on.
"""

import os
import re
import stat
import time

from ..pid_stat import parse_pid_stat
from ..read.collector_command import is_collector
from ..read.command_process import first_process
from ..read.kernel_file import read_once
from ..read.process_files import Pids, Process
from ..row.layout import Field
from .base import ReaderSource
from .processes import CommandSums, ProcessReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PROCESSES_MAX = 64
_DESCRIPTORS_MAX = 64  #: of a process that are looked at, the first ones
_OUTPUT = ("1", "2")  #: descriptors that nothing is read from
_NOT_FILES = ("socket:", "pipe:", "anon_inode:[io_uring]")
_NOTHING_READ = ("/dev/null", "/dev/tty", "/dev/pts/")  #: devices that give few bytes or none
_LOOK_S = 60.0  #: after which the descriptors of a process are looked at again
_DEVICES = (b"command", b"user")
_GAUGES = (b"processes", b"left_out", b"not_files")
_COUNTERS = (
    b"read_call_bytes",
    b"write_call_bytes",
    b"read_calls",
    b"write_calls",
    b"user_ms",
    b"system_ms",
)
_FINDS = 8  #: readings at which COMMAND is looked for at first, and the distance of later ones
_JOB = re.compile(rb"/job_[0-9]+(?=[/\n])")  #: of Slurm's .../job_N/step_M/user/task_0


class Job(ReaderSource):
    """Devices: ``command``, COMMAND's tree; ``user``, what counts while no COMMAND is known."""

    name = "job"
    order = 25
    kernel_file = "/proc/PID/{stat,io,fd}"
    doc = "the job's processes: bytes and calls of I/O that they asked for, CPU time"
    may_block = True  # io waits for a process that is just being set up
    budget_us = 50
    apart_s = 60.0
    tells_pace = False
    may_be_empty = True
    later_bytes = 512
    fields = (
        Field("processes", "processes", "gauge", "processes of the job, 64 at most"),
        Field("left_out", "processes", "gauge", "processes of the job beyond these"),
        Field(
            "not_files",
            "processes",
            "gauge",
            "those with a socket, a pipe, an io_uring or a device like /dev/zero open",
        ),
        Field(
            "read_call_bytes", "bytes", "counter", "bytes that read calls returned, cached or not"
        ),
        Field("write_call_bytes", "bytes", "counter", "bytes passed to write calls"),
        Field("read_calls", "calls", "counter", "read calls"),
        Field("write_calls", "calls", "counter", "write calls"),
        Field("user_ms", "ms", "counter", "CPU time in user mode, ended processes included"),
        Field("system_ms", "ms", "counter", "CPU time in the kernel, ended processes included"),
    )
    fields_from_start = True

    def reader(self, root: str) -> "JobReader":
        return JobReader(root, self.run)

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


class JobReader(ProcessReader):
    """Follows the job's processes. OSError when there is no /proc below ``root``."""

    def __init__(
        self,
        root: str,
        run: str,
        first: "Callable[[str], int | None]" = first_process,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        super().__init__(root, processes_max=_PROCESSES_MAX, open_max=_PROCESSES_MAX)
        self._pids = self._job = JobPids(self._proc, run, first)
        self._left_out = 0
        for device in _DEVICES:
            super()._command(device)
        self._clock = clock
        self._looked: "dict[str, tuple[float, bool]]" = {}  # PID -> when, whether not_files

    def read(self) -> bytes:
        """Return the ``device field value`` lines."""
        if self._job.find_command():
            self._begin_anew()
        self._discount_parent()
        super().read()
        jobs = [pid for pid in self._chosen if pid != self._job.parent]
        now = (len(jobs), self._left_out, sum(map(self._uses_no_files, jobs)))
        current = self._command(b"")
        lines = []
        for device in _DEVICES:
            command = self._commands[device]
            values = now if command is current else (0, 0, 0)
            lines += [b"%s %s %d" % (device, f, v) for f, v in zip(_GAUGES, values)]
            of_field = dict(line.split(b" ")[1:] for line in command.text().split(b"\n"))
            lines += [b"%s %s %s" % (device, f, of_field[f]) for f in _COUNTERS]
        return b"\n".join(lines)

    def _begin_anew(self) -> None:
        """Drop what was followed before COMMAND was found: its tree counts from its start."""
        for process in self._chosen.values():
            process.close()
        self._chosen = {}
        self._ended = {}
        self._looked = {}

    def _discount_parent(self) -> None:
        """Leave out what the process that waits for COMMAND did itself as long as COMMAND runs."""
        pid = self._job.parent
        if not pid:
            return
        if pid not in self._chosen:
            self._chosen[pid] = Process(self._proc, pid, True, True)
        parent = self._chosen[pid]
        if parent.look() and self._job.command_runs():  # in this order: then it inherited nothing
            parent.take()

    def _follow(self) -> int:
        self._left_out = super()._follow()
        for pid in self._looked.keys() - self._chosen.keys():
            del self._looked[pid]
        return 0

    def _command(self, comm: bytes) -> CommandSums:
        return super()._command(_DEVICES[0] if self._job.command else _DEVICES[1])

    def _uses_no_files(self, pid: str) -> bool:
        """Return whether a process reads from something that is no file, as far as one can see."""
        now = self._clock()
        when, found = self._looked.get(pid, (-_LOOK_S, False))
        if now - when < _LOOK_S:
            return found
        if not found:
            targets = set(_descriptors(os.path.join(self._proc, pid, "fd")))
            own = _descriptors(os.path.join(self._proc, self._job.parent or str(os.getpid()), "fd"))
            # what the recorder passes on, its standard input for example, is nothing of the job's
            found = any(map(_is_no_file, targets.difference(own)))
        self._looked[pid] = (now, found)
        return found


def _is_no_file(target: str) -> bool:
    """Return whether reading from ``target``, as a link of /proc/PID/fd names it, reads no file."""
    if target.startswith("/dev/") and not target.startswith(_NOTHING_READ):
        try:
            return stat.S_ISCHR(os.stat(target).st_mode)
        except OSError:
            return False
    return target.startswith(_NOT_FILES)


def _descriptors(directory: str) -> "Iterator[str]":
    """Yield what the first descriptors of a process lead to, without its output."""
    try:
        names = [name for name in os.listdir(directory) if name.isdigit()]
    except OSError:  # it has ended, or is not ours to see
        return
    for name in sorted(names, key=int)[:_DESCRIPTORS_MAX]:
        if name not in _OUTPUT:
            try:
                yield os.readlink(directory + "/" + name)
            except OSError:
                continue


class JobPids(Pids):
    """The PIDs of the job. ``command``, ``parent``: COMMAND's and that of the process that waits
    for it, "" as long as they are not known.

    ``proc``: path of /proc; ``first``: finds COMMAND's first process of a run.
    """

    def __init__(self, proc: str, run: str, first: "Callable[[str], int | None]") -> None:
        super().__init__(proc, None, True)
        self._run = run
        self._first = first
        self.command = ""
        self._began = self._stat_of(self._own_pid)[1]
        found = _JOB.search(read_once(os.path.join(proc, self._own_pid, "cgroup")))
        self._scheduled = found.group() if found else b""
        self._rest: "set[str]" = set()
        self._finds = 0
        self.parent = ""

    def find_command(self) -> bool:
        """Look for COMMAND, unless it is known. Return whether it was found now."""
        self._finds += 1
        if self.command or not self._run or (self._finds > _FINDS and self._finds % _FINDS):
            return False
        pid = self._first(self._run)
        if pid is not None:
            self.command = str(pid)
            self._chosen = set()  # on a host with COMMAND only its tree is the job
            self._rest = set()
            self.parent = str(self._stat_of(self.command)[0])
        return pid is not None

    def command_runs(self) -> bool:
        """Return whether COMMAND's first process is there."""
        return os.path.exists(os.path.join(self._proc, self.command))

    def look(self) -> "set[str]":
        """Return the PIDs of the job now, and ``parent``."""
        there = {name for name in os.listdir(self._proc) if name.isdigit()}
        self._chosen &= there
        self._rest &= there
        fresh = sorted(there - self._chosen - self._rest, key=int)
        if self.command:
            self._take_tree(fresh)
            return self._chosen | ({self.parent} & there)
        for pid in fresh:
            (self._chosen if self._is_of_job(pid) else self._rest).add(pid)
        return self._chosen

    def forget(self, pid: str) -> None:
        """Drop a process that has ended; the next one with its PID is judged anew."""
        self._chosen.discard(pid)
        self._rest.discard(pid)

    def _take_tree(self, fresh: "list[str]") -> None:
        """Add COMMAND and its descendants among ``fresh``; parents have been seen before."""
        parents = {pid: str(self._stat_of(pid)[0]) for pid in fresh}
        grown = True
        while grown:
            grown = False
            for pid, parent in parents.items():
                if pid not in self._chosen and (pid == self.command or parent in self._chosen):
                    self._chosen.add(pid)
                    grown = True
        self._rest |= set(fresh) - self._chosen

    def _is_of_job(self, pid: str) -> bool:
        """Return whether a process started after the recorder and is this user's job.

        Of a scheduler's job it has the cgroup.
        """
        at = os.path.join(self._proc, pid)
        try:
            if os.stat(at).st_uid != self._uid:
                return False
        except OSError:
            return False
        # where the recorder itself is not seen, as in a tree of another host, nothing is known
        if (
            not self._began
            or self._stat_of(pid)[1] <= self._began
            or is_collector(_words(at + "/cmdline"))
        ):
            return False
        if not self._scheduled:
            return True
        found = _JOB.search(read_once(at + "/cgroup"))
        return found is not None and found.group() == self._scheduled

    def _stat_of(self, pid: str) -> "tuple[int, int]":
        """Return (PID of the parent, start in clock ticks since boot) of a process, or zeros."""
        try:
            found = parse_pid_stat(read_once(os.path.join(self._proc, pid, "stat")))
        except (OSError, IndexError, ValueError):  # it has ended
            return 0, 0
        return found.ppid, found.starttime


def _words(path: str) -> "list[bytes]":
    return read_once(path).rstrip(b"\0").split(b"\0")
