"""The agent: a RecorderService on a stream, which survives the loss of its connection.

The process that ssh starts hands its stdin and stdout to the agent, which is a session leader of
its own, and waits. When the connection breaks, a new one is handed over in the same way; the agent
has gone on sampling meanwhile. When no connection comes for ``orphan_s`` it ends and leaves its
spool. A connection that is silent for that long counts as lost, since a cable that is pulled closes
no connection.
"""

import errno
import os
import select
import socket
import sys

from ..compat import mono_ns, readable, wall_ns
from ..errors import FrameError
from ..frames import VERSION, FrameDecoder, encode
from ..host.helpers import Helpers, of_session
from ..host.identity import identity
from ..knobs import ORPHAN_S
from ..table.facts import LAUNCHER_LOST, LEFT
from .listener import Listener
from .messages import RECORDER_REQUESTS, Request
from .recorder import Recorder
from .service import DONE, Answer, RecorderService

TYPE_CHECKING = False
if TYPE_CHECKING:
    import array
    from typing import Any, Callable, Mapping

_READ_BYTES = 1 << 16
_WRITE_BYTES = (
    4096  #: of one write: when poll(2) reports room for writing, there is room for that much
)

AGENT_REQUESTS = dict(
    RECORDER_REQUESTS,
    beat=Request("the launcher is alive; may come without an id"),
    quit=Request("end the agent; a spool that is not discarded stays"),
)


class AgentService(RecorderService):
    """A RecorderService that a launcher may end."""

    requests: "Mapping[str, Request]" = AGENT_REQUESTS

    def __init__(self, recorder_class: "type[Recorder]" = Recorder) -> None:
        super().__init__(recorder_class)
        self.done = False
        self.session_pids: "Callable[[], list[int]]" = list  #: processes that hold the connection

    def prepare(
        self, options: "dict[str, Any]", run: str, key: str, facts: "dict[str, Any]"
    ) -> Answer:
        answer = super().prepare(options, run, key, facts)
        self._recording().helpers = Helpers(self.session_pids)
        return answer

    def beat(self) -> Answer:
        return DONE

    def quit(self) -> Answer:
        self.done = True
        return DONE


class Connection:
    """Two file descriptors to a launcher.

    ``holder``: the socket whose other end waits until the connection is closed.
    """

    def __init__(self, read_fd: int, write_fd: int, holder: "socket.socket | None") -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.decoder = FrameDecoder()
        self.holder = holder

    def close(self) -> None:
        for fd in {self.read_fd, self.write_fd}:
            os.close(fd)
        if self.holder is not None:
            self.holder.close()


class Agent:
    """Answers the requests of one connection at a time.

    ``listener``: the socket on which further connections are handed over. None for a child process
    on a pipe, which closes when its parent dies: nothing is timed out then.
    """

    def __init__(self, service: AgentService, listener: "socket.socket | None" = None) -> None:
        self.service = service
        service.session_pids = self._session_pids
        self._listener = Listener(listener) if listener is not None else None
        self._offer: "tuple[socket.socket, array.array[int]] | None" = None  # while another ends
        self._connection: "Connection | None" = None
        self._orphan_s = ORPHAN_S
        self._heard_ns = mono_ns()
        self._terminated = False
        self._wake_fd, self._signal_fd = os.pipe()

    def terminate(self, *_signal: object) -> None:
        """Handle SIGTERM: end once no launcher is connected, since one may still want the table."""
        self._terminated = True
        os.write(self._signal_fd, b"x")

    # ---- connections
    def attach(self, read_fd: int, write_fd: int, holder: "socket.socket | None" = None) -> None:
        """Replace the connection by a new one."""
        self._disconnect()
        self._heard_ns = mono_ns()
        self._connection = Connection(read_fd, write_fd, holder)
        self._send(self._hello())

    def _session_pids(self) -> "list[int]":
        holder = self._connection.holder if self._connection is not None else None
        return of_session(holder) if holder is not None else []

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._heard_ns = mono_ns()

    def serve(self, orphan_s: float = ORPHAN_S) -> None:
        """Answer requests until told to quit, or until nothing is heard for ``orphan_s``."""
        self._orphan_s = orphan_s
        while not self.service.done:
            if self._connection is None and (self._terminated or self._listener is None):
                break
            if not self._serve_once():
                break
        self._disconnect()
        self.service.close(LEFT if self.service.done else LAUNCHER_LOST)

    def _serve_once(self) -> bool:
        """Wait for something to do, and do it. False when nothing came in time."""
        if self._offer is not None:
            self._accept()
            return True
        listener = self._listener.fileno() if self._listener is not None else -1
        reading = self._connection.read_fd if self._connection is not None else -1
        left_s = self._left_s()
        ready = readable(
            [fd for fd in (listener, reading, self._wake_fd) if fd >= 0], self._turn_s(left_s)
        )
        if self._wake_fd in ready:
            os.read(self._wake_fd, 16)
        if listener in ready:
            self._accept()
        elif reading in ready:
            self._read()
        return bool(ready) or left_s is None or self._left_s() != 0.0

    def _left_s(self) -> "float | None":
        """Return for how long nothing needs to be heard; None: for ever."""
        if self._listener is None:
            return None
        return max(0.0, self._orphan_s - (mono_ns() - self._heard_ns) * 1e-9)

    def _turn_s(self, left_s: "float | None") -> "float | None":
        """Return how long to wait of ``left_s``: until somebody may connect, during a pause."""
        pause_s = self._listener.pause_s if self._listener is not None else 0.0
        return min(left_s, pause_s) if left_s is not None and pause_s else left_s

    def _accept(self) -> None:
        """Take the connection that a process of the same user hands over."""
        assert self._listener is not None
        offer = self._offer or self._listener.accept()
        self._offer = None
        if offer is None:
            return
        connection, fds = offer
        if len(fds) == 2:
            self.attach(fds[0], fds[1], connection)
        else:
            connection.close()

    def _read(self) -> None:
        connection = self._connection
        assert connection is not None
        try:
            data = os.read(connection.read_fd, _READ_BYTES)
            if not data:
                raise OSError(errno.EPIPE, "closed")
            self._heard_ns = mono_ns()
            for message, _blob in connection.decoder.feed(data):
                answer = self.service.answer(message)
                self._send(dict(answer.fields, id=message.get("id")), answer.blob)
        except (OSError, FrameError):  # this connection is over; another one may come
            self._disconnect()

    def _send(self, message: "dict[str, Any]", blob: bytes = b"") -> None:
        connection = self._connection
        if connection is None:
            return
        data = memoryview(encode(message, blob))
        try:
            while data:
                self._wait_for_room(connection.write_fd)
                data = data[os.write(connection.write_fd, data[:_WRITE_BYTES]) :]
        except OSError:
            self._disconnect()

    def _wait_for_room(self, write_fd: int) -> None:
        """Wait until ``write_fd`` takes bytes.

        OSError when it takes none for ``orphan_s``, or a new connection comes.
        """
        if self._listener is None:
            return
        deadline_ns = mono_ns() + int(self._orphan_s * 1e9)
        while True:
            left_s = max(0.0, (deadline_ns - mono_ns()) * 1e-9)
            poll = select.poll()
            poll.register(write_fd, select.POLLOUT)
            listener = self._listener.fileno()
            if listener >= 0:
                poll.register(listener, select.POLLIN)
            # rounded up: not again and again at the end of a pause
            ready = [fd for fd, _event in poll.poll(int((self._turn_s(left_s) or 0.0) * 1e3) + 1)]
            if write_fd in ready:
                return
            if listener in ready:
                self._offer = self._listener.accept()
            if self._offer is not None or not left_s:
                raise OSError(errno.ETIMEDOUT, "the launcher reads nothing")

    def _hello(self) -> "dict[str, Any]":
        """Return the first message of every connection."""
        return {
            "hello": VERSION,
            "identity": identity(),
            "python": "%d.%d.%d" % sys.version_info[:3],
            "pid": os.getpid(),
            "prepared": self.service.prepared,
            "wall_ns": wall_ns(),
        }
