"""The first process of COMMAND on this host, known by the variable that names its run.

COMMAND has the variable in its environment, and so have the processes that it starts. Where a
launcher passes it on (Slurm does), they are found on other hosts, too.
"""

import os

from .collector_command import is_collector
from .foreign_mounts import foreign_mounts, may_lie_on
from .kernel_file import open_or_none, read_once

_PROC = "/proc"
_NEWEST = "/proc/loadavg"  #: its last word is the newest PID
_VARIABLE = b"MPI_COLLECTOR_RUN="
_LOOKED_AT = 256  #: processes, at most: each costs some ten microseconds
_RESERVED = 300
_ENVIRON_MAX = 1 << 17


def first_process(run: str) -> "int | None":
    """Return the PID of the first process that run ``run`` records, None when there is none yet.

    Only processes of this user count that were started after this one, the collector's excluded.
    """
    uid = os.getuid()
    wanted = _VARIABLE + run.encode()
    for pid in _later(os.getpid())[:_LOOKED_AT]:
        at = "%s/%d" % (_PROC, pid)
        try:
            if os.stat(at).st_uid != uid:
                continue
        except OSError:  # it has ended
            continue
        if wanted in _words(at + "/environ") and not is_collector(_words(at + "/cmdline")):
            return pid
    return None


def _later(own: int) -> "list[int]":
    """Return the PIDs that were given after ``own``, the oldest first.

    Behind the greatest number the kernel begins anew at 300 (RESERVED_PIDS in kernel/pid.c).
    """
    pids = sorted(int(name) for name in os.listdir(_PROC) if name.isdigit())
    later = [pid for pid in pids if pid > own]
    if may_lie_on(_NEWEST, "/", foreign_mounts()):  # it may hang, or be of another namespace
        return later
    newest = read_once(_NEWEST).split()[-1:]
    if newest and newest[0].isdigit() and int(newest[0]) < own:
        later += [pid for pid in pids if _RESERVED <= pid < own]
    return later


def _words(path: str) -> "list[bytes]":
    """Return the strings of a file that ends each with a NUL; none when it cannot be read."""
    fd = open_or_none(path)
    if fd is None:
        return []
    try:
        return os.read(fd, _ENVIRON_MAX).rstrip(b"\0").split(b"\0")
    except OSError:
        return []
    finally:
        os.close(fd)
