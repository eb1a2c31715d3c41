"""Messages between MPI ranks; the only module that imports mpi4py.

Everything is point to point, so that a dead rank blocks nobody. Receiving is probing now and then,
sending is a request that is tested until a deadline. One thread alone may use a World.
"""

from __future__ import annotations

import json
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from mpi_collector.errors import (
    BrokenMPIError,
    MissingMPIError,
    PeerLostError,
    PeerMessageError,
    WrongMPIError,
)
from mpi_collector.node import knobs, strict_json
from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import nap
from mpi_collector.transport.deadline import Deadline, Hurry
from mpi_collector.transport.launch.detect import Launch, library_mismatch, world_mismatch
from mpi_collector.transport.launch.mpi_library import explain_import
from mpi_collector.transport.limits import raise_open_file_limit
from mpi_collector.transport.ranks.messages import MESSAGE_MAX, VALUES_MAX
from mpi_collector.transport.ranks.pieces import regroup

with warnings.catch_warnings(record=True) as _warned:
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False

        from mpi4py import MPI
    except (ImportError, RuntimeError) as e:
        raise MissingMPIError(explain_import(e, [str(w.message) for w in _warned])) from e

CHUNK_BYTES = knobs.chunk_bytes()
#: tags of messages
_CONTROL = 7001
_DATA = 7002
_PING = 7003
_PONG = 7004
_BLOB = 7005
_NS = 1_000_000_000
_SOCKETS_PER_RANK = 2
#: ping: when it was sent, how many are to come with it; pong: when the ping was sent, rank 0's time
_ECHO = struct.Struct("<qq")


def mpi4py_version() -> str:
    """Return the version of mpi4py."""
    return str(mpi4py.__version__)


def _refuse(message: str | None) -> None:
    if message:
        raise WrongMPIError(message)


class Ringer(Protocol):
    """The doorbells of this rank. No call waits."""

    def ring(self, rank: int, count: int) -> None:
        """Announce that ``count`` messages in all have been sent to ``rank``."""

    def turn(self) -> None:
        """Take what other ranks announce."""


class World:
    """The messages of this rank. ``comm``: of the recorded program; None: initialise MPI.

    ``sent``, ``received``: {rank: number of messages so far}. ``ringer``: announces each of them.
    """

    def __init__(self, launch: Launch | None = None, comm: Any = None) -> None:
        self.own = comm is None
        _refuse(library_mismatch(launch, self.library()) if launch else None)
        if self.own and launch and launch.rank == 0:
            raise_open_file_limit(_SOCKETS_PER_RANK * launch.size)
        try:
            if self.own and not MPI.Is_initialized():
                MPI.Init_thread(MPI.THREAD_FUNNELED)
            self.comm = MPI.COMM_WORLD.Dup() if self.own else comm.Dup()
        except MPI.Exception as e:
            raise BrokenMPIError(self.library(), e) from e
        self.comm.Set_errhandler(MPI.ERRORS_RETURN)
        self.rank = int(self.comm.Get_rank())
        self.size = int(self.comm.Get_size())
        self.hurry = Hurry()
        self.sent: Counter[int] = Counter()
        self.received: Counter[int] = Counter()
        self.ringer: Ringer | None = None
        self._pending: list[tuple[Any, bytes]] = []
        self._tidy_at = 4
        self._abandoned: list[tuple[Any, memoryview]] = []
        self._taken_off: list[Any] = []  # messages that nobody receives
        _refuse(world_mismatch(launch, self.size, self.library()) if launch else None)

    @staticmethod
    def library() -> str:
        """Return name and version of the MPI library, at most 80 characters."""
        first = str(MPI.Get_library_version()).strip("\0\n ").split("\n")[0].split(",")[0]
        return " ".join(first.split())[:80]

    # ---- small messages
    def send(self, dest: int, **message: Any) -> None:
        """Hand over a message. It is sent whether or not the receiver waits for it, or lives."""
        data = json.dumps(message).encode()
        self._pending.append((self.comm.Isend([data, MPI.BYTE], dest, _CONTROL), data))
        # not for every message: thousands may be on their way to thousands of ranks
        if len(self._pending) >= self._tidy_at:
            self._pending = [p for p in self._pending if not p[0].Test()]
            self._tidy_at = 2 * len(self._pending) + 4
        self.sent[dest] += 1
        if self.ringer is not None:
            self.ringer.ring(dest, self.sent[dest])

    def unsent(self) -> bool:
        """Return whether MPI still has to be called so that messages leave."""
        self._pending = [p for p in self._pending if not p[0].Test()]
        return bool(self._pending)

    def receive(self, source: int = MPI.ANY_SOURCE) -> tuple[int, Any] | None:
        """Return (sender, JSON value) if a message has arrived, else None.

        PeerMessageError when it is no JSON, or too large; it is taken off then, too.
        """
        arrived = self._probe(source, _CONTROL)
        if arrived is None:
            return None
        sender, size = arrived
        self.received[sender] += 1
        if size > MESSAGE_MAX:
            self._take_off(sender, _CONTROL)
            raise PeerMessageError(sender, f"sent a message of {size} bytes")
        buffer = bytearray(size)
        self.comm.Recv([buffer, MPI.BYTE], sender, _CONTROL)
        try:
            return sender, strict_json.loads(bytes(buffer), VALUES_MAX)
        except ValueError as e:
            raise PeerMessageError(sender, f"sent a message that is no JSON: {e}") from None

    def _probe(self, source: int, tag: int) -> tuple[int, int] | None:
        """Return (sender, bytes) of a message that has arrived, else None."""
        status = MPI.Status()
        if not self.comm.Iprobe(source, tag, status):
            return None
        return int(status.Get_source()), int(status.Get_count(MPI.BYTE))

    def _take_off(self, source: int, tag: int) -> None:
        """Take a message off without receiving it.

        A buffer that is too small for a message is no way to do so: Open MPI 5 writes beyond it.
        """
        self._taken_off.append(self.comm.Improbe(source, tag))

    def _comes(self, source: int, tag: int, size: int) -> bool:
        """Return whether a message of ``size`` bytes has arrived. PeerMessageError: of others."""
        arrived = self._probe(source, tag)
        if arrived is not None and arrived[1] != size:
            self._take_off(source, tag)
            raise PeerMessageError(source, f"sent {arrived[1]} bytes instead of {size}")
        return arrived is not None

    def flush(self, timeout_s: float) -> bool:
        """Wait until all messages are sent. False when one is not after ``timeout_s``."""
        deadline = mono_ns() + int(timeout_s * _NS)
        while self._pending and mono_ns() < deadline:
            self._pending = [p for p in self._pending if not p[0].Test()]
            if self._pending:
                nap(0.001)
        return not self._pending

    def send_blob(self, dest: int, data: bytes) -> None:
        """Hand over bytes that a message has announced, without waiting until they are received."""
        self._pending.append((self.comm.Isend([data, MPI.BYTE], dest, _BLOB), data))

    def receive_blob(self, source: int, size: int) -> Callable[[], bytearray | None]:
        """Begin to receive ``size`` bytes; the returned function gives them once they are there.

        That function raises PeerMessageError when other bytes come.
        """
        buffer = bytearray(size)
        request: Any = None

        def arrived() -> bytearray | None:
            nonlocal request
            if request is None and self._comes(source, _BLOB, size):
                request = self.comm.Irecv([buffer, MPI.BYTE], source, _BLOB)
            return buffer if request is not None and request.Test() else None

        return arrived

    # ---- large ones
    def send_stream(self, dest: int, chunks: Iterable[bytes], timeout_s: float) -> None:
        """Send all bytes of ``chunks`` in messages of CHUNK_BYTES.

        PeerLostError when one is not received within ``timeout_s``.
        """
        for piece in regroup(chunks, CHUNK_BYTES):
            self._wait(self.comm.Isend([piece, MPI.BYTE], dest, _DATA).Test, timeout_s, dest)

    def receive_stream(
        self, source: int, size: int, take: Callable[[memoryview], None], timeout_s: float
    ) -> None:
        """Call ``take`` with the ``size`` bytes that ``source`` sends, CHUNK_BYTES at a time.

        PeerLostError when they do not come within ``timeout_s`` in all, or others do.
        """
        deadline = Deadline(timeout_s)
        buffer = memoryview(bytearray(min(CHUNK_BYTES, max(size, 1))))
        while size > 0:
            piece = buffer[: min(size, len(buffer))]
            comes = partial(self._comes, source, _DATA, len(piece))
            self._wait(comes, deadline.left_s, source)
            request = self.comm.Irecv([piece, MPI.BYTE], source, _DATA)
            try:
                self._wait(request.Test, deadline.left_s, source)
            except PeerLostError:
                # the message may still arrive: its memory must stay valid
                self._abandoned.append((request, buffer))
                raise
            take(piece)
            size -= len(piece)

    def _wait(self, done: Callable[[], bool], timeout_s: float, peer: int) -> None:
        """Wait until ``done()``; PeerLostError when ``peer`` takes longer than ``timeout_s``."""
        deadline = mono_ns() + int(timeout_s * _NS)
        pause = 0.00005
        while not done():
            if mono_ns() > deadline or self.hurry.over:
                late = f"rank {peer} did not answer within {timeout_s:.3g} s"
                raise PeerLostError(self.hurry.reason(late))
            nap(pause)
            pause = min(pause * 2, 0.005)

    # ---- clocks: busy waiting, for a few ms
    def request_echoes(self, count: int, timeout_s: float) -> list[tuple[int, int, int]]:
        """Return (sent, rank 0's time, received) of ``count`` round trips to rank 0.

        Fewer when it stops answering.
        """
        deadline = mono_ns() + int(timeout_s * _NS)
        out: list[tuple[int, int, int]] = []
        pong = bytearray(_ECHO.size)
        while len(out) < count:
            receiving = self.comm.Irecv([pong, MPI.BYTE], 0, _PONG)
            sent = mono_ns()
            self.comm.Send([_ECHO.pack(sent, count - len(out)), MPI.BYTE], 0, _PING)
            while True:
                if receiving.Test():
                    received = mono_ns()
                    answered, coordinator_ns = _ECHO.unpack(pong)
                    if answered == sent:
                        break
                    # a late answer to a ping that was given up
                    receiving = self.comm.Irecv([pong, MPI.BYTE], 0, _PONG)
                elif mono_ns() > deadline:
                    receiving.Cancel()
                    receiving.Wait()
                    return out
            out.append((sent, coordinator_ns, received))
        return out

    def serve_echoes(self, peers: Iterable[int], count: int, timeout_s: float) -> None:
        """Answer ``count`` echoes of each of ``peers``, or as many as come within ``timeout_s``."""
        left = dict.fromkeys(peers, count)
        ping = bytearray(_ECHO.size)
        deadline = mono_ns() + int(timeout_s * _NS)
        last = 0
        while left and mono_ns() < deadline:
            arrived = self._probe(MPI.ANY_SOURCE, _PING)
            if arrived is None:
                idle = mono_ns() - last
                if idle > 1_000_000:  # no ping was sent yet, or none for a while
                    nap(0.0005 if last else 0.002)
                continue
            source, size = arrived
            if size != _ECHO.size:
                self._take_off(source, _PING)
                left.pop(source, None)
                continue
            self.comm.Recv([ping, MPI.BYTE], source, _PING)
            if source not in left:  # its rank has given up waiting for the answer
                continue
            sent, to_come = _ECHO.unpack(ping)
            self.comm.Send([_ECHO.pack(sent, mono_ns()), MPI.BYTE], source, _PONG)
            last = mono_ns()
            left[source] = min(left[source], to_come) - 1
            if left[source] < 1:
                del left[source]

    # ---- the end
    def finish(self, everybody: bool) -> None:
        """Leave MPI.

        Without ``everybody`` MPI_Finalize would hang: the caller ends the process by os._exit.
        """
        if not self.own:
            if everybody:
                self._drain()
                self.comm.Free()
            return
        if everybody:
            self.flush(5)
            MPI.Finalize()

    def _drain(self) -> None:
        """Receive the messages that nobody waits for any longer, such as an answer that came late.

        Under MPICH a later communicator gets the number of a freed one, and with it what is left.
        """
        status = MPI.Status()
        while (late := self.comm.Improbe(MPI.ANY_SOURCE, MPI.ANY_TAG, status)) is not None:
            late.Recv([bytearray(status.Get_count(MPI.BYTE)), MPI.BYTE])

    @staticmethod
    def abort(code: int) -> None:
        """End all ranks at once, rather than let them wait for this one, which has failed."""
        if MPI.Is_initialized():
            MPI.COMM_WORLD.Abort(code)
