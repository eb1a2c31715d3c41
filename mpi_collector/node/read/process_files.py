"""/proc as the source ``processes`` reads it: which processes are chosen, and the files of each.

At every sample only what changed is looked at:

* PIDs that the kernel has given since the last one (the last field of loadavg is the newest);
* kernel threads once, other processes that were not chosen now and then;
* the files of the chosen ones through descriptors that stay open. Such a descriptor belongs to one
  process, not to its PID: reading it fails when that process is gone.
"""

import os

from ..pid_stat import PidStat, parse_pid_stat
from .collector_command import is_collector
from .foreign_mounts import foreign_mounts, may_lie_on
from .kernel_file import open_or_none, read_again, read_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

_LIST_EVERY = 8  #: looks after which /proc is listed in any case; some containers' loadavg says 0
_FEW = 32  #: up to so many new PIDs are looked at one by one, which costs less than the list
_LOOK_AGAIN = 16  #: looks after which the others are judged again: uid or program may change
_YOUNG = 3  #: a new process is judged at so many looks in a row: it may be between fork and exec
_PF_KTHREAD = 0x00200000  #: flag of a kernel thread (include/linux/sched.h)
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IO = (b"rchar", b"wchar", b"syscr", b"syscw", b"read_bytes", b"write_bytes")
_OWN = 3  #: counters before those of I/O: user and system milliseconds, major faults
_COUNTERS = _OWN + len(_IO)
_OWED_FOR = 2  #: samples in which a parent's counters may grow by those of a child that has ended
_WHOLE_EVERY = 8  #: looks after which the files of a process that sleeps are read all the same
_NO_TIMES = b"0 0 0"  #: in schedstat, of a kernel that does not count
_STAT_BLANKS = 23  #: blanks in a whole text of /proc/PID/stat, at least


class Pids:
    """The PIDs that are chosen: this user's processes, or those of them that ``pattern`` chooses.

    ``proc``: path of /proc; ``tree``: also what the chosen ones start. The collector itself is
    never chosen.
    """

    def __init__(self, proc: str, pattern: "Pattern[bytes] | None", tree: bool) -> None:
        self._proc = proc
        self._pattern = pattern
        self._tree = tree
        self._uid = os.getuid()
        self._own_pid = str(os.getpid())
        self._chosen: "set[str]" = set()
        self._never: "set[str]" = set()  # kernel threads
        self._others: "dict[str, int]" = {}  # PID -> how often it was judged
        self._looks = 0
        self._last_pid = 0
        newest = os.path.join(proc, "loadavg")
        may_hang = may_lie_on(newest, "/", foreign_mounts(os.path.dirname(proc) or "/"))
        self._loadavg = None if may_hang else open_or_none(newest)

    def __del__(self) -> None:
        if self._loadavg is not None:
            os.close(self._loadavg)

    def look(self) -> "set[str]":
        """Return the PIDs that are chosen now."""
        self._looks += 1
        # Before the list is made: a process that starts in between makes the next newest PID.
        newest = self._newest()
        before = self._last_pid
        self._last_pid = newest
        if self._looks % _LIST_EVERY == 1 or not newest or not 0 <= newest - before <= _FEW:
            self._list()
        else:
            fresh = [str(pid) for pid in range(before + 1, newest + 1) if str(pid) != self._own_pid]
            leaders = [pid for pid in fresh if pid not in self._chosen and self._is_leader(pid)]
            self._judge(leaders + self._young())
        if self._looks % _LOOK_AGAIN == 0:
            self._judge(list(self._others))
        return self._chosen

    def forget(self, pid: str) -> None:
        """Drop a process that has ended; the next one with its PID is judged anew."""
        self._chosen.discard(pid)

    def _newest(self) -> int:
        """Return the newest PID, 0 when it is not known."""
        if self._loadavg is None:
            return 0
        try:
            return int(read_again(self._loadavg).split()[-1])
        except (IndexError, ValueError):
            return 0

    def _is_leader(self, pid: str) -> bool:
        """Return whether the PID is a process; others are threads of one, or have ended."""
        status = read_once(os.path.join(self._proc, pid, "status"))
        return ("\nTgid:\t%s\n" % pid).encode() in status

    def _young(self) -> "list[str]":
        return [pid for pid, looks in self._others.items() if looks < _YOUNG]

    def _list(self) -> None:
        there = {name for name in os.listdir(self._proc) if name.isdigit()}
        there.discard(self._own_pid)
        self._chosen &= there
        self._never &= there
        for pid in self._others.keys() - there:
            del self._others[pid]
        fresh = there - self._chosen - self._never - self._others.keys()
        self._judge(sorted(fresh, key=int) + self._young())

    def _judge(self, pids: "list[str]") -> None:
        """Sort ``pids`` into those that are chosen, those that never will be, and the others."""
        for pid in pids:
            self._others[pid] = self._others.get(pid, 0) + 1
            self._judge_one(pid)
        # A child may be listed before its parent: repeat until nothing changes.
        again = pids if self._tree else []
        while again:
            before = len(self._chosen)
            again = [pid for pid in again if pid in self._others]
            for pid in again:
                self._judge_one(pid)
            if len(self._chosen) == before:
                return

    def _judge_one(self, pid: str) -> None:
        at = os.path.join(self._proc, pid)
        try:
            if os.stat(at).st_uid != self._uid:
                return
            stat = parse_pid_stat(read_once(at + "/stat"))
            is_kernel_thread = bool(stat.flags & _PF_KTHREAD)
        except (OSError, IndexError, ValueError):  # it has ended
            return
        if is_kernel_thread:
            del self._others[pid]
            self._never.add(pid)
        elif self._is_chosen(at, str(stat.ppid)):
            del self._others[pid]
            self._chosen.add(pid)

    def _is_chosen(self, at: str, parent: str) -> bool:
        if self._pattern is None or (self._tree and parent in self._chosen):
            return True
        words = read_once(at + "/cmdline").rstrip(b"\0").split(b"\0")
        return bool(self._pattern.search(b" ".join(words))) and not is_collector(words)


class Process:
    """One process: ``look()``, then ``take()`` for what its counters grew by since the last one.

    ``proc``: path of /proc; ``keep_open``: its files stay open, and of a process with one thread,
    which has not run since, only schedstat is read, at most looks. ``family``: its CPU time and
    faults include those of the children it waited for, as the kernel's I/O counters do. ``before``:
    the process that was last seen under this PID and taken for gone; should it be the same one (its
    files could not be read for a moment), nothing is counted twice.

    ``comm``, ``parent``: name, and PID of the parent; ``gauges``: [1, threads, resident bytes].
    ``start``: start time in clock ticks since boot, 0 when not known yet.
    """

    def __init__(
        self, proc: str, pid: str, keep_open: bool, family: bool, before: "Process | None" = None
    ) -> None:
        self._paths = [os.path.join(proc, pid, name) for name in ("stat", "io")]
        self._fds = [open_or_none(path) if keep_open else None for path in self._paths]
        self._runs_fd = open_or_none(os.path.join(proc, pid, "schedstat")) if keep_open else None
        self._runs = b""  # CPU time and time slices of its only thread; b"": to be read whole
        self._whole_in = 0  # looks until it is read whole, since its memory may shrink
        self._texts = [b"", b""]
        self._changed = False
        self._family = family
        self._owed = [0] * _COUNTERS
        self._owed_for = 0
        self.start: int = before.start if before else 0
        self.counters: "list[int]" = before.counters if before else [0] * _COUNTERS
        self.comm = b""
        self.parent = ""
        self.gauges = [1, 0, 0]

    def look(self) -> bool:
        """Read the files. Return False when the process is gone."""
        runs = b"" if self._runs_fd is None else read_again(self._runs_fd)
        if runs and runs == self._runs and self._whole_in:
            self._whole_in -= 1
            self._changed = False
            return True
        self._runs = b""
        self._whole_in = _WHOLE_EVERY
        texts = [
            read_once(path) if fd is None else read_again(fd)
            for fd, path in zip(self._fds, self._paths)
        ]
        self._changed = texts != self._texts  # most processes sleep
        if self._changed and texts[0].count(b" ") < _STAT_BLANKS:
            return False
        self._texts = texts
        if runs and not runs.startswith(_NO_TIMES) and _has_one_thread(texts[0]):
            self._runs = runs  # read before the others: a run in between shows at the next look
        return True

    def take(self) -> "list[int]":
        """Return what the counters grew by since the last call; empty when nothing changed."""
        added: "list[int]" = []
        if self._changed:
            counters = self._own_counters() + _io_counters(self._texts[1])
            # io may be closed to us for a moment (during an exec): its counters stay
            counters = [max(a, b) for a, b in zip(counters, self.counters)]
            added = [a - b for a, b in zip(counters, self.counters)]
            self.counters = counters
        if self._owed_for:
            added = self._repay(added)
        return added

    def _own_counters(self) -> "list[int]":
        """Update what is known of the process. Return [user ms, system ms, major faults]."""
        stat = parse_pid_stat(self._texts[0])
        if stat.starttime != self.start:
            if self.start:  # the PID has gone to another process
                self.counters = [0] * _COUNTERS
            self.start = stat.starttime
        self.comm = stat.comm
        self.parent = str(stat.ppid)
        # Without memory of its own it is ending, or a zombie: no process any more.
        self.gauges = [1, stat.num_threads, stat.rss * _PAGE] if stat.vsize else [0, 0, 0]
        return self._cpu_and_faults(stat)

    def _cpu_and_faults(self, stat: PidStat) -> "list[int]":
        user_ms = stat.utime * _TICK_MS
        system_ms = stat.stime * _TICK_MS
        if not self._family:
            return [user_ms, system_ms, stat.majflt]
        return [
            user_ms + stat.cutime * _TICK_MS,
            system_ms + stat.cstime * _TICK_MS,
            stat.majflt + stat.cmajflt,
        ]

    def inherit(self, child: "Process") -> None:
        """Expect the counters of ``child``, which has ended, in ours.

        The kernel adds them to the parent that waited for it (kernel/exit.c); what was seen of the
        child is in the sums already.
        """
        # the child may have inherited itself just before
        owed = [a + b for a, b in zip(child.counters, child._owed)]
        if not self._family:
            owed[:_OWN] = [0] * _OWN
        self._owed = [a + b for a, b in zip(self._owed, owed)]
        self._owed_for = _OWED_FOR

    def _repay(self, added: "list[int]") -> "list[int]":
        """Return ``added`` without what children brought that is counted already."""
        self._owed_for -= 1
        if added:
            paid = [min(a, b) for a, b in zip(added, self._owed)]
            added = [a - b for a, b in zip(added, paid)]
            self._owed = [a - b for a, b in zip(self._owed, paid)]
        if not self._owed_for:  # children that nobody waits for are not inherited
            self._owed = [0] * _COUNTERS
        return added

    def close(self) -> None:
        """Close the files."""
        for fd in self._fds:
            if fd is not None:
                os.close(fd)
        if self._runs_fd is not None:
            os.close(self._runs_fd)
        self._fds = [None, None]
        self._runs_fd = None


def _has_one_thread(stat: bytes) -> bool:
    """Return whether a process has one thread, and memory: it is no zombie."""
    try:
        found = parse_pid_stat(stat)
        return found.num_threads == 1 and found.vsize > 0
    except (IndexError, ValueError):
        return False


def _io_counters(io: bytes) -> "list[int]":
    """Return the counters of a text of /proc/PID/io, 0 where it has none."""
    values = dict(line.split(b": ", 1) for line in io.split(b"\n") if b": " in line)
    return [int(values.get(key, 0)) for key in _IO]
