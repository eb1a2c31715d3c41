"""How an agent comes to life on a host, and how a session finds the one that lives there already."""

import array
import os
import select
import signal
import socket

from ..spool.directory import user_directory
from .agent import ORPHAN_S, Agent, peer_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def socket_name(run: str, key: str) -> str:
    """Abstract, so that no file is left: the spool is the agent's only file. Names the user, the run and the host."""
    return "\0%s/%s/%s" % (user_directory(), run, key)


def main(run: str, key: str, orphan_s: float = ORPHAN_S) -> None:
    """What ssh runs: hand stdin and stdout to the agent of this run, which is started if there is none, and wait."""
    name = socket_name(run, key)
    connection = _connect(name)
    if connection is None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(name)
        except OSError:
            raise SystemExit("the agent of this run is there and takes no session") from None
        listener.listen(4)
        if _fork_agent(listener, orphan_s):
            listener.close()
        connection = _connect(name)
    if connection is None:
        raise SystemExit("the agent did not start")
    fds = array.array("i", [0, 1])
    connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    os.dup2(
        os.open(os.devnull, os.O_RDWR), 1
    )  # the agent alone holds it now, and its end is the session's
    _until_over(connection)


def _until_over(connection: "socket.socket") -> None:
    """The agent has let go, or the session has ended: one that hangs is not waited for, or those who wait would pile up."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    poll.register(0, 0)  # POLLHUP alone
    poll.poll()


def _connect(name: str) -> "Any":
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # one that hangs, and many that wait for it
        connection.connect(name)
        connection.setblocking(True)
    except OSError:
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():
        raise SystemExit("the agent's socket belongs to another user")
    return connection


def _fork_agent(listener: "Any", orphan_s: float) -> bool:
    """True in the parent. The child becomes a daemon: no terminal, no parent, no open files but the listener's."""
    if os.fork():
        return True
    os.setsid()
    if os.fork():
        os._exit(0)
    code = 0
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.chdir("/")
        agent = Agent(listener)
        signal.signal(signal.SIGTERM, agent.end_soon)
        agent.serve(orphan_s)
    except BaseException:  # noqa: BLE001 - nobody is left to tell; the spool is there
        code = 1
    os._exit(code)
