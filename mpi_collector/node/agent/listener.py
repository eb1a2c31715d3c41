"""The Unix socket of an agent: where it is found, and who may connect to it.

Its name is abstract, so that it leaves no file, and any user of the host may bind it or connect to
it (unix(7)). Another user who was there first costs nothing: the agent takes a further name,
which is found in /proc/net/unix. Whoever connects is asked for by SO_PEERCRED before anything is
read.
"""

import array
import os
import socket
import struct
import time

from ..compat import mono_ns
from ..spool.directory import user_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

BACKLOG = 64
PAUSE_S = 0.25  #: after a connection of another user, during which nobody is asked
_CONNECT_S = 5.0  #: for which a connection may have to wait for others before it
_NAME_BYTES = 80  #: the longest name as it is; sun_path has 108, and something may be appended
_RECEIVE_S = 1.0
_RETRIES = 20  #: while an agent of ours is about to listen
_RETRY_S = 0.05
_UCRED = array.array("i", [0, 0, 0])  #: struct ucred of unix(7): pid, uid, gid
_FDS = array.array("i")
_TABLE = "/proc/net/unix"
_PATH_FIELD = 7


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end of a Unix socket (SO_PEERCRED, unix(7))."""
    size = len(_UCRED) * _UCRED.itemsize
    return array.array("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]


def socket_name(run: str, key: str) -> str:
    """Return the name of the agent's socket, without the zero byte that makes it abstract."""
    name = "%s/%s/%s" % (user_directory(), run, key)
    if len(name.encode()) <= _NAME_BYTES:
        return name
    import hashlib  # for very long names only

    return "%s/%s" % (user_directory(), hashlib.sha256(name.encode()).hexdigest()[:40])


def connect(name: str) -> "socket.socket | None":
    """Return a connection to this user's agent with the socket ``name``; None: there is none.

    SystemExit when there is one, but it accepts no connection.
    """
    for found in dict.fromkeys([name] + [n for n, _inode in _further_names(name)]):
        connection = _connect_to(found)
        if connection is not None:
            return connection
    return None


def listen(name: str) -> "socket.socket | None":
    """Return a new socket with ``name``, or a further one where another user has that.

    None when this user's agent has come to listen meanwhile.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind("\0" + name)
    except OSError:
        for _ in range(_RETRIES if _is_ours(name) else 0):
            connection = connect(name)
            if connection is not None:
                connection.close()
                listener.close()
                return None
            time.sleep(_RETRY_S)
        listener.bind("\0%s/%s" % (name, os.urandom(4).hex()))
    listener.listen(BACKLOG)
    return listener


def _connect_to(name: str) -> "socket.socket | None":
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # the only way to bound how long connect waits in the queue before a full backlog
        _set_send_timeout(connection, _CONNECT_S)
        connection.connect("\0" + name)
        _set_send_timeout(connection, 0.0)
    except BlockingIOError:
        connection.close()
        if _is_ours(name):
            raise SystemExit("the agent of this run exists, but accepts no connection") from None
        return None
    except OSError:
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():
        connection.close()
        return None
    return connection


def _set_send_timeout(connection: socket.socket, seconds: float) -> None:
    value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)


def _further_names(name: str) -> "Iterator[tuple[str, int]]":
    """Yield (name, inode) of the abstract sockets with ``name``, and ``name/SUFFIX``."""
    try:
        with open(_TABLE, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split(None, _PATH_FIELD)
        if len(words) > _PATH_FIELD and words[_PATH_FIELD].startswith("@" + name):
            found = words[_PATH_FIELD][1:]
            if found[len(name) :][:1] in ("", "/"):
                yield found, int(words[_PATH_FIELD - 1])


def _is_ours(name: str) -> bool:
    """Return whether a process of this user has a socket with exactly this name."""
    sockets = {"socket:[%d]" % inode for found, inode in _further_names(name) if found == name}
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        directory = "/proc/%s/fd" % pid
        try:
            if _user_of(pid) != os.getuid():
                continue
            for fd in os.listdir(directory):
                if os.readlink("%s/%s" % (directory, fd)) in sockets:
                    return True
        except OSError:  # it has ended, or closed the file
            continue
    return False


def _user_of(pid: str) -> int:
    """Return the real user of a process; the owner of its directory may be root (proc_pid(5))."""
    with open("/proc/%s/status" % pid, encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


class Listener:
    """Takes connections of this user from a listening socket, and sends those of others away.

    After one of another user nobody is let in for ``PAUSE_S``: who connects in a loop costs little.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._socket = listener
        self._socket.setblocking(False)
        self._closed_until_ns = 0

    @property
    def pause_s(self) -> float:
        """Seconds for which nobody is let in."""
        return max(0.0, (self._closed_until_ns - mono_ns()) * 1e-9)

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 during a pause."""
        return -1 if self.pause_s else self._socket.fileno()

    def accept(self) -> "tuple[socket.socket, array.array[int]] | None":
        """Return (connection, descriptors that came with it); None: nobody of this user came."""
        for _ in range(BACKLOG):
            try:
                connection, _address = self._socket.accept()
            except BlockingIOError:
                return None
            except OSError:  # no descriptor is free: not now
                break
            if peer_uid(connection) == os.getuid():
                return connection, _received(connection)
            connection.close()
            self._closed_until_ns = mono_ns() + int(PAUSE_S * 1e9)
        self._closed_until_ns = mono_ns() + int(PAUSE_S * 1e9)
        return None


def _received(connection: socket.socket) -> "array.array[int]":
    """Return the descriptors that a process of this user hands over (SCM_RIGHTS, unix(7))."""
    fds = array.array("i")
    connection.settimeout(_RECEIVE_S)
    try:
        _data, extra, _flags, _from = connection.recvmsg(1, socket.CMSG_SPACE(2 * _FDS.itemsize))
    except OSError:
        return fds
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return fds
