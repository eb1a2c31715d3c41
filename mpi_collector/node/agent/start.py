"""Start the agent of a run on this host, or hand a new connection to the one that is running."""

import array
import os
import select
import signal
import socket

from ..knobs import ORPHAN_S
from .agent import Agent, AgentService
from .listener import connect, listen, socket_name


def main(run: str, key: str, orphan_s: float = ORPHAN_S) -> None:
    """Hand stdin and stdout to the agent of this run, and wait until it closes them.

    The agent is started if there is none. This is what ssh runs.
    """
    name = socket_name(run, key)
    connection = connect(name)
    if connection is None:
        listener = listen(name)
        if listener is not None and _fork_agent(listener, orphan_s):
            listener.close()
        connection = connect(name)
    if connection is None:
        raise SystemExit("the agent did not start")
    fds = array.array("i", [0, 1])
    connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # from now on only the agent holds stdout
    _wait_for_end(connection)


def _wait_for_end(connection: socket.socket) -> None:
    """Wait until the agent closes ``connection``, or ssh closes stdin.

    An agent that hangs closes nothing: without the second condition a process would stay behind for
    each attempt.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    poll.register(0, 0)  # POLLHUP alone
    poll.poll()


def _fork_agent(listener: socket.socket, orphan_s: float) -> bool:
    """Start the agent as a daemon: no terminal, no parent, no open files but the listener.

    True in the parent.
    """
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
        agent = Agent(AgentService(), listener)
        signal.signal(signal.SIGTERM, agent.terminate)
        agent.serve(orphan_s)
    except BaseException:  # noqa: BLE001 - nobody is left to be told; the spool is there
        code = 1
    os._exit(code)
