"""The agent: a Recorder that a launcher drives over a stream, and that outlives a broken one.

The process that ssh starts only hands its stdin and stdout to the agent, which is its own session leader, and waits. When
the connection breaks, a new one is handed over in the same way and the agent goes on where it was; it has sampled
meanwhile. When nobody has come back for ``ORPHAN_S`` it ends and leaves its spool; a session that says nothing for that
long counts as gone, since a cable that is out closes no connection.
"""

import array
import errno
import os
import select
import socket
import sys

from ..compat import mono_ns, readable, wall_ns
from ..errors import FrameError
from ..frames import VERSION, FrameDecoder, encode
from ..host.identity import identity
from ..host.readiness import check_host
from ..options import SamplingOptions
from ..spool.directory import find_spools
from ..table.recovered import RecoveredSpool
from .recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ORPHAN_S = 60.0
_CHUNK = 4 << 20
_PIECE = 4096  #: what is written at once: wherever poll says that there is room, there is that much
_FDS = array.array("i")


def peer_uid(connection: "socket.socket") -> int:
    """Who is at the other end of a Unix socket."""
    return array.array("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


class Agent:
    """Answers one request after the other. ``session``: (read fd, write fd) or None while nobody is connected."""

    def __init__(self, listener: "Any" = None, recorder_class: "Any" = Recorder) -> None:
        self.listener, self.recorder_class = listener, recorder_class
        self.recorder: "Any" = None
        self.session: "Any" = None
        self.done = False
        self._decoder = FrameDecoder()
        self._members: list = []
        self._heard_ns = mono_ns()
        self._holder: "Any" = None
        self._asked_to_end = False
        self._orphan_s = ORPHAN_S
        self._wake, self._waker = os.pipe()

    def end_soon(self, *_signal: object) -> None:
        """SIGTERM: a scheduler sends it to everybody, and the launcher may be about to fetch the table."""
        self._asked_to_end = True
        os.write(self._waker, b"x")

    # ---- connections
    def attach(self, read_fd: int, write_fd: int, holder: "Any" = None) -> None:
        """Talk over these from now on; ``holder``: the socket whose other end waits until we are through."""
        self._drop()
        self._heard_ns = mono_ns()
        self.session, self._holder, self._decoder = (read_fd, write_fd), holder, FrameDecoder()
        self._send(self.hello())

    def _drop(self) -> None:
        if self.session is not None:
            for fd in set(self.session):
                os.close(fd)
            self.session = None
            self._heard_ns = mono_ns()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def serve(self, orphan_s: float = ORPHAN_S) -> None:
        """Until told to quit, or until nobody has been heard of for ``orphan_s``."""
        self._orphan_s = orphan_s
        while not self.done:
            if self.session is None and (self._asked_to_end or self.listener is None):
                break
            listening = self.listener.fileno() if self.listener is not None else None
            waiting = [
                f
                for f in (listening, self.session and self.session[0], self._wake)
                if f is not None
            ]
            silent_s = (mono_ns() - self._heard_ns) * 1e-9
            # without a listener it is a pipe within this host, which closes when the other end dies
            ready = readable(
                waiting, None if self.listener is None else max(0.0, orphan_s - silent_s)
            )
            if not ready:
                break
            if self._wake in ready:
                os.read(self._wake, 16)
            if listening in ready:
                self._accept()
            elif self.session is not None and self.session[0] in ready:
                self._read()
        self._drop()
        if self.recorder is not None:
            self.recorder.close()

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        if peer_uid(connection) != os.getuid():  # an abstract socket has no file mode
            connection.close()
            return
        _data, extra, _flags, _address = connection.recvmsg(1, socket.CMSG_SPACE(2 * _FDS.itemsize))
        fds = array.array("i")
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if len(fds) == 2:
            self.attach(fds[0], fds[1], connection)
        else:
            connection.close()

    def _read(self) -> None:
        try:
            data = os.read(self.session[0], 1 << 16)
            if not data:
                raise OSError(errno.EPIPE, "closed")
            self._heard_ns = mono_ns()
            for message, blob in self._decoder.feed(data):
                self._answer(message, blob)
        except (OSError, FrameError):  # the session is over; a new one may come
            self._drop()

    def _send(self, message: dict, blob: "Any" = b"") -> None:
        if self.session is None:
            return
        data = memoryview(encode(message, blob))
        try:
            while data:
                self._wait_for_room()
                data = data[os.write(self.session[1], data[:_PIECE]) :]
        except OSError:
            self._drop()

    def _wait_for_room(self) -> None:
        """OSError when nobody takes anything for as long as a silent session lives, or somebody else wants to talk to us."""
        if self.listener is None:  # a pipe within this host
            return
        poll = select.poll()
        poll.register(self.session[1], select.POLLOUT)
        poll.register(self.listener.fileno(), select.POLLIN)
        ready = [fd for fd, _event in poll.poll(int(self._orphan_s * 1e3))]
        if self.session[1] not in ready:
            raise OSError(errno.ETIMEDOUT, "nobody reads")

    # ---- requests
    def hello(self) -> dict:
        """The first word of every session."""
        return {
            "hello": VERSION,
            "identity": identity(),
            "python": "%d.%d.%d" % sys.version_info[:3],
            "pid": os.getpid(),
            "prepared": self.recorder is not None,
            "wall_ns": wall_ns(),
        }

    def _answer(self, message: dict, _blob: bytes) -> None:
        blob: "Any" = b""
        try:
            answer = getattr(self, "do_" + str(message.get("do")))(message)
            if isinstance(answer, tuple):
                answer, blob = answer
        except Exception as e:  # noqa: BLE001 - told to the launcher, which decides
            answer = {"error": "%s: %s" % (type(e).__name__, e)}
        self._send(dict(answer, id=message.get("id")), blob)

    def do_beat(self, _message: dict) -> dict:
        """The launcher lives."""
        return {}

    def do_echo(self, _message: dict) -> dict:
        return {"mono_ns": mono_ns()}

    def do_wall(self, _message: dict) -> dict:
        return {"wall_ns": wall_ns()}

    def do_check(self, message: dict) -> dict:
        """What `check` wants to know of a host."""
        return dict(check_host(message["spool_dir"]))

    def do_spools(self, message: dict) -> dict:
        """What dead runs left here."""
        return {"spools": [s for place in message["places"] for s in find_spools(place)]}

    def do_adopt(self, message: dict) -> dict:
        """Take one of them as if it had been recorded by this agent: pack, fetch and discard are about it then."""
        self._members, self.recorder = [], None  # the map of the one before holds its lock
        self.recorder = RecoveredSpool(message["spool_dir"], message["run"], message["key"])
        return self.recorder.about()  # type: ignore[no-any-return]

    def do_prepare(self, message: dict) -> dict:
        options = SamplingOptions.from_dict(message["options"])
        facts = dict(message["facts"], identity=identity())
        self.recorder = self.recorder_class(options, message["run"], message["key"], facts)
        return self.recorder.prepare()  # type: ignore[no-any-return]

    def do_snapshot(self, _message: dict) -> dict:
        return {"snapshot": self.recorder.snapshot()}

    def do_clock(self, message: dict) -> dict:
        self.recorder.clock(message["mono_ns"], message["offset_ns"], message["bound_ns"])
        return {}

    def do_start(self, message: dict) -> dict:
        self.recorder.start(message["t0_ns"], message["epoch_ns"], message["capacity"])
        return {}

    def do_first(self, message: dict) -> dict:
        """Has the first sample been taken?"""
        sampler = self.recorder.sampler
        failure = sampler.failure
        taken = sampler.first_sample.is_set() and failure is None
        return {"sampling": taken, "failure": str(failure) if failure else None}

    def do_status(self, _message: dict) -> dict:
        sampler = self.recorder.sampler if self.recorder is not None else None
        return (
            {"taken": sampler.taken, "last_tick": sampler.last_tick} if sampler is not None else {}
        )

    def do_mark(self, message: dict) -> dict:
        self.recorder.mark(message["event"])
        return {}

    def do_flush(self, _message: dict) -> dict:
        self.recorder.flush()
        return {}

    def do_replicate(self, message: dict) -> tuple:
        return self.recorder.replicate(message["got"])  # type: ignore[no-any-return]

    def do_stop(self, _message: dict) -> dict:
        return self.recorder.stop()  # type: ignore[no-any-return]

    def do_pack(self, message: dict) -> dict:
        if not self._members:
            self._members = list(self.recorder.pack(bool(message.get("json"))))
        return {"facts": self.recorder.facts(), "heads": [m.head() for m in self._members]}

    def do_fetch(self, message: dict) -> tuple:
        """Bytes of a packed member from an offset on, so that a broken session does not start from the beginning."""
        member = self._members[message["member"]]
        if len(member.chunks) > 1:
            member.chunks = [b"".join(member.chunks)]
        start = message["offset"]
        return {}, member.chunks[0][start : start + min(_CHUNK, message.get("size", _CHUNK))]

    def do_discard(self, _message: dict) -> dict:
        self.recorder.discard()
        self.recorder = None
        return {}

    def do_quit(self, _message: dict) -> dict:
        self.done = True
        return {}
