"""What the source ``processes`` knows of /proc: which processes there are and which are meant, and the files of one of them.

At every sample only what changed is looked at: the numbers that the kernel has given since the last one (the newest is the
last field of loadavg), the kernel's own threads and other users' processes once, files of the rest through descriptors that stay
open. Such a descriptor belongs to one process, not to its number: it gives an error when that is gone.
"""

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIST_EVERY = 8  #: reads after which /proc is listed whatever loadavg says; some imitations of it always say 0
_FEW = 32  #: so many new numbers are looked at one by one, which costs less than the list
_LOOK_AGAIN = 16  #: reads after which those that were not meant are looked at again: a user or a program may change
_YOUNG = 3  #: looks at every sample that a new one gets, since it may be between fork and exec
_KERNEL_THREAD = 0x00200000  #: PF_KTHREAD among the flags (include/linux/sched.h)
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IO = (b"rchar", b"wchar", b"syscr", b"syscw", b"read_bytes", b"write_bytes")
_OWN = 3  #: counters before those of I/O
_COUNTERS = _OWN + len(_IO)
_OWED_FOR = 2  #: samples in which a parent's counters may grow by those of a child that has ended
_SIZE = 4096
#: processes whose two files stay open; many a user may open 1024 files and no more, and they are the job's
_OPEN = min(256, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8)


class Pids:
    """``look()`` -> the PIDs that are meant, as a set of str: this user's, or those that ``pattern`` chooses of them."""

    def __init__(self, proc: str, pattern: "Any", tree: bool) -> None:
        self._proc, self._pattern, self._tree = proc, pattern, tree
        self._mine, self._here = os.getuid(), str(os.getpid())
        self._meant: set = set()
        self._never: set = set()  # kernel threads
        self._others: dict = {}  # pid -> how often it was looked at
        self._reads = 0
        self._last_pid = 0
        self._loadavg = -1
        try:
            self._loadavg = os.open(os.path.join(proc, "loadavg"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            pass

    def __del__(self) -> None:
        if self._loadavg >= 0:
            os.close(self._loadavg)

    def look(self) -> set:
        self._reads += 1
        newest, before = (
            self._newest(),
            self._last_pid,
        )  # before the list: who comes in between makes the next one
        self._last_pid = newest
        if self._reads % _LIST_EVERY == 1 or not newest or not 0 <= newest - before <= _FEW:
            self._list()
        else:
            fresh = [str(pid) for pid in range(before + 1, newest + 1) if str(pid) != self._here]
            self._judge(
                [pid for pid in fresh if pid not in self._meant and self._leads(pid)]
                + self._young()
            )
        if self._reads % _LOOK_AGAIN == 0:
            self._judge(list(self._others))
        return self._meant

    def forget(self, pid: str) -> None:
        """It has ended; whoever has the number next is judged anew."""
        self._meant.discard(pid)

    def _newest(self) -> int:
        try:
            return int(os.pread(self._loadavg, 128, 0).split()[-1]) if self._loadavg >= 0 else 0
        except (OSError, IndexError, ValueError):
            return 0

    def _leads(self, pid: str) -> bool:
        """Of the numbers that were given, some are threads of a process, and many have ended."""
        return ("\nTgid:\t%s\n" % pid).encode() in read_once(
            os.path.join(self._proc, pid, "status")
        )

    def _young(self) -> list:
        return [pid for pid, looks in self._others.items() if looks < _YOUNG]

    def _list(self) -> None:
        there = {name for name in os.listdir(self._proc) if name.isdigit()}
        there.discard(self._here)
        self._meant &= there
        self._never &= there
        for pid in self._others.keys() - there:
            del self._others[pid]
        self._judge(
            sorted(there - self._meant - self._never - self._others.keys(), key=int) + self._young()
        )

    def _judge(self, pids: list) -> None:
        """Sort ``pids`` into those that are meant, those that never will be, and the others."""
        again = [] if not self._tree else pids
        for pid in pids:
            self._others[pid] = self._others.get(pid, 0) + 1
            self._judge_one(pid)
        # a child may be listed before its parent
        while again:
            before = len(self._meant)
            again = [pid for pid in again if pid in self._others]
            for pid in again:
                self._judge_one(pid)
            if len(self._meant) == before:
                return

    def _judge_one(self, pid: str) -> None:
        at = os.path.join(self._proc, pid)
        try:
            if os.stat(at).st_uid != self._mine:
                return
        except OSError:  # it has ended
            return
        words = read_once(at + "/stat").rpartition(b")")[2].split(None, 8)
        if len(words) < 8:
            return
        if words[6].isdigit() and int(words[6]) & _KERNEL_THREAD:
            del self._others[pid]
            self._never.add(pid)
        elif self._is_meant(at, words[1].decode("ascii", "replace")):
            del self._others[pid]
            self._meant.add(pid)

    def _is_meant(self, at: str, parent: str) -> bool:
        if self._pattern is None or (self._tree and parent in self._meant):
            return True
        words = read_once(at + "/cmdline").rstrip(b"\0").split(b"\0")
        return bool(self._pattern.search(b" ".join(words))) and not _is_collector(words)


def _is_collector(words: list) -> bool:
    """Its ranks and their launcher have the command's words and the pattern itself in their command lines."""
    by_module = (b"-m", b"mpi_collector") in zip(words, words[1:])  # noqa: RUF007 - Python 3.6 has no pairwise
    return by_module or any(word.endswith(b"mpi-collector") for word in words)


class Process:
    """One process. ``look()``, False when it is gone; then ``take()`` -> what it added to the counters since the last one.

    ``comm``, ``parent``, ``gauges``: its name, who waits for it, and [1, threads, resident bytes]. ``held``: how many others
    hold their files open. ``family``: its CPU time is with that of the children it waited for, as the kernel has their I/O.
    ``before``: who was last seen gone under this number; nothing is counted twice if that was a mistake (no file to be had).
    """

    def __init__(self, proc: str, pid: str, held: int, family: bool, before: "Any" = None) -> None:
        self._paths = tuple(os.path.join(proc, pid, name) for name in ("stat", "io"))
        self._fds = [_open(path) for path in self._paths] if held < _OPEN else [-1, -1]
        self._texts = [b"", b""]
        self._changed = False
        self._family = family
        self._owed, self._owed_for = [0] * _COUNTERS, 0
        self.start = before.start if before else b""
        self.counters = before.counters if before else [0] * _COUNTERS
        self.comm, self.parent, self.gauges = b"", "", [1, 0, 0]

    def look(self) -> bool:
        texts = [
            _again(fd) if fd >= 0 else read_once(path) for fd, path in zip(self._fds, self._paths)
        ]
        self._changed = texts != self._texts  # most processes sleep
        if self._changed and texts[0].count(b" ") < 23:
            return False
        self._texts = texts
        return True

    def take(self) -> list:
        added: list = []
        if self._changed:
            counters = self._own() + _io_counters(self._texts[1])
            # io may be closed to us for a moment (an exec): what it said before stays
            counters = [max(a, b) for a, b in zip(counters, self.counters)]
            added = [a - b for a, b in zip(counters, self.counters)]
            self.counters = counters
        if self._owed_for:
            added = self._repay(added)
        return added

    def _own(self) -> list:
        head, _, rest = self._texts[0].rpartition(b")")
        words = rest.split(None, 22)
        if words[19] != self.start:
            if self.start:  # the number has gone to another process
                self.counters = [0] * _COUNTERS
            self.start = words[19]
        self.comm, self.parent = head.partition(b"(")[2], words[1].decode("ascii", "replace")
        # without memory of its own it just ends, or waits to be waited for
        self.gauges = (
            [1, int(words[17]), int(words[21]) * _PAGE] if words[20] != b"0" else [0, 0, 0]
        )
        user, system, children_user, children_system = [int(w) * _TICK_MS for w in words[11:15]]
        if self._family:
            return [user + children_user, system + children_system, int(words[9]) + int(words[10])]
        return [user, system, int(words[9])]

    def inherit(self, child: "Process") -> None:
        """``child`` was waited for: the kernel adds what it did to ours (kernel/exit.c); what we saw is in the sums already."""
        owed = [
            a + b for a, b in zip(child.counters, child._owed)
        ]  # it may have waited for one just before
        owed[:_OWN] = owed[:_OWN] if self._family else [0] * _OWN
        self._owed = [a + b for a, b in zip(self._owed, owed)]
        self._owed_for = _OWED_FOR

    def _repay(self, added: list) -> list:
        self._owed_for -= 1
        if added:
            paid = [min(a, b) for a, b in zip(added, self._owed)]
            added = [a - b for a, b in zip(added, paid)]
            self._owed = [a - b for a, b in zip(self._owed, paid)]
        if not self._owed_for:  # children that nobody waits for are not inherited
            self._owed = [0] * _COUNTERS
        return added

    def close(self) -> None:
        for fd in self._fds:
            if fd >= 0:
                os.close(fd)
        self._fds = [-1, -1]


def _io_counters(io: bytes) -> list:
    values = dict(line.split(b": ", 1) for line in io.split(b"\n") if b": " in line)
    return [int(values.get(k, 0)) for k in _IO]


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _again(fd: int) -> bytes:
    try:
        return os.pread(fd, _SIZE, 0)
    except OSError:
        return b""


def read_once(path: str) -> bytes:
    """The beginning of a file, nothing when it cannot be read."""
    fd = _open(path)
    if fd < 0:
        return b""
    try:
        return _again(fd)
    finally:
        os.close(fd)
