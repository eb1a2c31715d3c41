"""CPU time of what serves a recorder on its host beside the recorder's own process.

These are the collector's other processes (the keeper of the results, ranks that record nothing),
and the daemons that hold them there: the launcher's and sshd's. They are looked at twice, before
the first sample and after the last one. A process that ended in between is not counted.

A command line is read before the job only: where the job hangs, that may hang, too.
"""

import os
import socket
import struct

from ..pid_stat import parse_pid_stat
from ..read.collector_command import is_collector
from ..read.kernel_file import read_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from ..pid_stat import PidStat

_PROC = "/proc"
_COMM_CHARS = 15  #: of the name of a command that the kernel keeps
_SHELL_DAEMON = "sshd"
_REMOTE_SHELLS = ("ssh", "srun")
_FAILURES = (OSError, ValueError, IndexError)  # a process that has just ended, or hidden from us
_TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


class Helpers:
    """The CPU time that some processes spend between ``begin`` and ``spent_ns``.

    ``now``: lists what else there is at either moment.
    """

    def __init__(self, now: "Callable[[], Iterable[int]]" = list) -> None:
        self._now = now
        self._pids: "set[int]" = set()
        self._before: "dict[tuple[int, int], int] | None" = None

    def begin(self, pids: "Callable[[], Iterable[int]]") -> None:
        """List the processes, and note what they have spent so far."""
        try:
            self._pids = set(pids())
            self._before = _totals(self._pids.union(self._now()))
        except _FAILURES:  # not known
            pass

    def spent_ns(self) -> "int | None":
        """Return what was spent since ``begin``, by a process that is new from its start.

        None when it is not known which processes there are.
        """
        if self._before is None:
            return None
        try:
            pids = self._pids.union(self._now())
        except _FAILURES:
            return None
        return sum(
            max(0, spent - self._before.get(process, 0)) for process, spent in _totals(pids).items()
        )


def _totals(pids: "Iterable[int]") -> "dict[tuple[int, int], int]":
    """Return {(PID, start time): CPU time} of those that are there."""
    found = {}
    for pid in pids:
        try:
            found[pid, _stat(pid).starttime] = cpu_ns(pid)
        except _FAILURES:
            continue
    return found


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process. OSError, ValueError, IndexError when it has ended."""
    tasks = "%s/%d/task" % (_PROC, pid)
    texts = [read_once("%s/%s/schedstat" % (tasks, tid)) for tid in os.listdir(tasks)]
    if all(texts):
        return sum(int(text.split()[0]) for text in texts)
    stat = _stat(pid)  # a kernel without CONFIG_SCHED_INFO
    return (stat.utime + stat.stime) * _TICK_NS


def around(pid: int, launchers: "Iterable[str]" = ()) -> "list[int]":
    """Return what serves the recorder ``pid``, a process of the collector.

    Its children and, where its parent is the collector's or a launcher's daemon, the parent and its
    children, as far as they are the collector's; of the daemon also what it is started by there.
    ``launchers``: names of their programs. OSError when the kernel does not list children.
    """
    found = [child for child in children(pid) if _is_ours(child)]
    if not _is_ours(pid):  # somebody's program, which records itself
        return found
    daemons = {name[:_COMM_CHARS] for name in launchers}
    parent = _stat(pid).ppid
    if parent and (_is_ours(parent) or _comm(parent) in daemons):
        found += [child for child in children(parent) if child != pid and _is_ours(child)]
        found += [parent, *_above(parent, daemons)]
    return found


def launch_side(pid: int) -> "list[int]":
    """Return process ``pid``, its children, and the remote shells of a launcher among them.

    To be called while COMMAND is none of them. OSError when the kernel does not list children.
    """
    found = [pid, *children(pid)]
    shells = [far for child in found[1:] for far in children(child) if _comm(far) in _REMOTE_SHELLS]
    return found + shells


def of_session(connection: socket.socket) -> "list[int]":
    """Return what holds a session of ssh: the process that connected, and its sshd."""
    size = struct.calcsize("3i")
    pid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]
    return [pid, *_above(pid, set())]


def _above(pid: int, daemons: "set[str]") -> "list[int]":
    """Return the ancestors of ``pid`` that are daemons, without the sshd that listens."""
    found: "list[int]" = []
    while True:
        pid = _stat(pid).ppid
        if pid <= 1 or not (_comm(pid) in daemons or _comm(pid).startswith(_SHELL_DAEMON)):
            return found
        if _stat(pid).ppid <= 1:
            return found
        found.append(pid)


def children(pid: int) -> "list[int]":
    """Return the children of a process. OSError when the kernel does not list them."""
    tasks = "%s/%d/task" % (_PROC, pid)
    found: "list[int]" = []
    for tid in os.listdir(tasks):
        with open("%s/%s/children" % (tasks, tid), "rb") as f:
            found += [int(word) for word in f.read().split()]
    return found


def _is_ours(pid: int) -> bool:
    return is_collector(read_once("%s/%d/cmdline" % (_PROC, pid)).rstrip(b"\0").split(b"\0"))


def _comm(pid: int) -> str:
    return _stat(pid).comm.decode("ascii", "replace")


def _stat(pid: int) -> "PidStat":
    return parse_pid_stat(read_once("%s/%d/stat" % (_PROC, pid)))
