"""Try what a recording needs of this host: a file in its spool directory, descriptors, threads.

What permissions, quotas, limits of users and of cgroups allow together is known only by trying.
"""

import os
import socket
import threading

from ..errors import SpoolError
from ..spool.directory import RunDirectory, remove_spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, Sequence

_SPOOL_BYTES = 1 << 16
#: a recording holds its kernel files open: some sixty, and those of devices
_FILES = 128
#: the sampler, readers of files that may hang, and a reserve
_THREADS = 4
_CONNECT_S = 2.0
_ADDRESSES_MOST = 8


def spool_failure(spool_dir: str) -> str:
    """Return why no spool can be made in ``spool_dir``, "" if one was; nothing of it stays."""
    directory = RunDirectory(spool_dir, "check-%d" % os.getpid())
    try:
        inside = directory.open()
    except SpoolError as e:
        return "no spool can be made: %s" % e
    path = directory.spool_path("trial")  # only now: another name may have been needed
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open("trial", flags, 0o600, dir_fd=inside)
        try:
            os.posix_fallocate(fd, 0, _SPOOL_BYTES)
        finally:
            os.close(fd)
    except OSError as e:
        return "no spool can be made: %s: %s" % (path, e.strerror)
    finally:
        os.close(inside)
        remove_spool(path)
    return ""


def files_failure(count: int = _FILES) -> str:
    """Return why ``count`` further files cannot be open at once, "" if they can."""
    opened: "list[int]" = []
    try:
        for _ in range(count):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as e:
        return "%d files cannot be open at once: %s (ulimit -n)" % (count, e.strerror)
    finally:
        for fd in opened:
            os.close(fd)
    return ""


def threads_failure(count: int = _THREADS) -> str:
    """Return why ``count`` further threads cannot be started, "" if they can."""
    leave = threading.Event()
    started: "list[threading.Thread]" = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=leave.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:  # threading: can't start new thread
        return "no %d further threads can be started (ulimit -u, or pids.max of the cgroup)" % count
    finally:
        leave.set()
        for thread in started:
            thread.join()
    return ""


def reached_address(addresses: "Sequence[str]", port: int) -> "str | None":
    """Return the first of ``addresses`` that takes a connection from here, None: none does."""
    for address in list(addresses)[:_ADDRESSES_MOST]:
        try:
            socket.create_connection((address, port), _CONNECT_S).close()
        except OSError:
            continue
        return address
    return None


def failures(spool_dir: str) -> "list[str]":
    """Return what keeps this host from recording to ``spool_dir`` as it should."""
    found = (spool_failure(spool_dir), files_failure(), threads_failure())
    return [why for why in found if why]


def back_to(door: "Mapping[str, object] | None") -> "str | None":
    """Return the address of the launch side that can be reached; ``door``: addresses and port."""
    if door is None:
        return None
    addresses, port = door["addresses"], door["port"]
    assert isinstance(addresses, list) and isinstance(port, int)
    return reached_address(addresses, port)
