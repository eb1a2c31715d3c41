"""The only module that imports mpi4py: small messages that nobody spins for, and large ones in chunks.

Everything is point to point, so that a dead rank blocks nobody. Receiving is probing now and then, sending is a request
that is tested until a deadline. Only the thread that made the World may use it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import mpi4py

from mpi_collector.errors import PeerLostError, WrongMPIError
from mpi_collector.node import knobs
from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import nap
from mpi_collector.transport.launch.detect import Launch, library_mismatch, world_mismatch
from mpi_collector.transport.limits import raise_open_file_limit

mpi4py.rc.initialize = False
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402 - the two settings must come first

CHUNK_BYTES = knobs.chunk_bytes()
_CONTROL, _DATA, _PING, _PONG, _BLOB = 7001, 7002, 7003, 7004, 7005
_NS = 1_000_000_000
_SOCKETS_PER_RANK = 2
_ECHO = struct.Struct(
    "<qq"
)  # there: when it was sent, how many are to come; back: the same, the root's time


def _refuse(message: str | None) -> None:
    if message:
        raise WrongMPIError(message)


class World:
    """This rank's messages. ``comm`` of somebody else's program, or None to initialise MPI here."""

    def __init__(self, launch: Launch | None = None, comm: Any = None) -> None:
        self.own = comm is None
        _refuse(library_mismatch(launch, self.library()) if launch else None)
        if self.own and launch and launch.rank == 0:
            raise_open_file_limit(_SOCKETS_PER_RANK * launch.size)
        if self.own and not MPI.Is_initialized():
            MPI.Init_thread(MPI.THREAD_FUNNELED)
        self.comm = MPI.COMM_WORLD.Dup() if self.own else comm.Dup()
        self.comm.Set_errhandler(MPI.ERRORS_RETURN)
        self.rank, self.size = int(self.comm.Get_rank()), int(self.comm.Get_size())
        self._pending: list[tuple[Any, bytes]] = []
        self._tidy_at = 4
        self._abandoned: list[tuple[Any, memoryview]] = []
        _refuse(world_mismatch(launch, self.size, self.library()) if launch else None)

    @staticmethod
    def library() -> str:
        """Name and version of the MPI library, first line only."""
        first = str(MPI.Get_library_version()).strip("\0\n ").split("\n")[0].split(",")[0]
        return " ".join(first.split())[:80]

    # ---- small messages
    def send(self, dest: int, **message: Any) -> None:
        """Hand over a message; it goes even if nobody waits for it, and a dead receiver costs nothing."""
        data = json.dumps(message).encode()
        self._pending.append((self.comm.Isend([data, MPI.BYTE], dest, _CONTROL), data))
        if (
            len(self._pending) >= self._tidy_at
        ):  # not at every one: to thousands of ranks, thousands may be under way
            self._pending = [p for p in self._pending if not p[0].Test()]
            self._tidy_at = 2 * len(self._pending) + 4

    def receive(self, source: int = MPI.ANY_SOURCE) -> tuple[int, dict[str, Any]] | None:
        """(sender, message) if one has arrived."""
        status = MPI.Status()
        if not self.comm.Iprobe(source, _CONTROL, status):
            return None
        buffer = bytearray(status.Get_count(MPI.BYTE))
        sender = status.Get_source()
        self.comm.Recv([buffer, MPI.BYTE], sender, _CONTROL)
        return int(sender), json.loads(buffer)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all messages are out. False when one is not after ``timeout_s``."""
        deadline = mono_ns() + int(timeout_s * _NS)
        while self._pending and mono_ns() < deadline:
            self._pending = [p for p in self._pending if not p[0].Test()]
            if self._pending:
                nap(0.001)
        return not self._pending

    def send_blob(self, dest: int, data: bytes) -> None:
        """Hand over bytes that a message has announced; nobody waits for them to be taken."""
        self._pending.append((self.comm.Isend([data, MPI.BYTE], dest, _BLOB), data))

    def receive_blob(self, source: int, size: int) -> Callable[[], bytearray | None]:
        """Begin to receive ``size`` bytes from ``source``; the answer gives them once they are there."""
        buffer = bytearray(size)
        request = self.comm.Irecv([buffer, MPI.BYTE], source, _BLOB)
        return lambda: buffer if request.Test() else None

    # ---- large ones
    def send_stream(self, dest: int, chunks: Iterable[bytes], timeout_s: float) -> None:
        """All bytes of ``chunks`` in messages of CHUNK_BYTES. PeerLostError when one is not taken within ``timeout_s``."""
        for piece in regroup(chunks, CHUNK_BYTES):
            self._finish(self.comm.Isend([piece, MPI.BYTE], dest, _DATA), timeout_s, dest)

    def receive_stream(
        self, source: int, size: int, take: Callable[[memoryview], None], timeout_s: float
    ) -> None:
        """Give ``take`` the ``size`` bytes that ``source`` sends, one chunk in memory at a time."""
        buffer = memoryview(bytearray(min(CHUNK_BYTES, max(size, 1))))
        while size > 0:
            piece = buffer[: min(size, len(buffer))]
            request = self.comm.Irecv([piece, MPI.BYTE], source, _DATA)
            try:
                self._finish(request, timeout_s, source)
            except PeerLostError:
                self._abandoned.append(
                    (request, buffer)
                )  # it may still arrive, and must not find the memory gone
                raise
            take(piece)
            size -= len(piece)

    @staticmethod
    def _finish(request: Any, timeout_s: float, peer: int) -> None:
        deadline = mono_ns() + int(timeout_s * _NS)
        pause = 0.00005
        while not request.Test():
            if mono_ns() > deadline:
                raise PeerLostError(f"rank {peer} did not answer within {timeout_s:g} s")
            nap(pause)
            pause = min(pause * 2, 0.005)

    # ---- clocks: the only moments when somebody spins, a few ms each
    def request_echoes(self, count: int, timeout_s: float) -> list[tuple[int, int, int]]:
        """(sent, root's time, received) of ``count`` round trips to rank 0, fewer when it stops answering."""
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
                    answered, root_ns = _ECHO.unpack(pong)
                    if answered == sent:
                        break
                    receiving = self.comm.Irecv(
                        [pong, MPI.BYTE], 0, _PONG
                    )  # that one was late, from an earlier time-out
                elif mono_ns() > deadline:
                    receiving.Cancel()
                    receiving.Wait()
                    return out
            out.append((sent, root_ns, received))
        return out

    def serve_echoes(self, peers: Iterable[int], count: int, timeout_s: float) -> None:
        """Answer ``count`` echoes of each of ``peers``; gives up on those that are silent after ``timeout_s``."""
        left = dict.fromkeys(peers, count)
        ping, status = bytearray(_ECHO.size), MPI.Status()
        deadline = mono_ns() + int(timeout_s * _NS)
        last = 0
        while left and mono_ns() < deadline:
            if not self.comm.Iprobe(MPI.ANY_SOURCE, _PING, status):
                idle = mono_ns() - last
                if idle > 1_000_000:  # nobody has come yet, or all have gone for now
                    nap(0.0005 if last else 0.002)
                continue
            source = int(status.Get_source())
            self.comm.Recv([ping, MPI.BYTE], source, _PING)
            sent, to_come = _ECHO.unpack(ping)
            self.comm.Send([_ECHO.pack(sent, mono_ns()), MPI.BYTE], source, _PONG)
            last = mono_ns()
            if to_come > 1:
                left[source] = to_come - 1
            else:
                left.pop(source, None)

    # ---- the end
    def finish(self, everybody: bool) -> None:
        """Leave MPI. With somebody missing Finalize would hang, so the process ends the hard way by the caller then."""
        if not self.own:
            if everybody:
                self.comm.Free()
            return
        if everybody:
            self.flush(5)
            MPI.Finalize()

    def abort(self, code: int) -> None:
        """End all ranks now rather than let them wait for one that failed."""
        self.comm.Abort(code)


def regroup(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of ``size``, the last one shorter."""
    pending: list[bytes] = []
    held = 0
    for chunk in chunks:
        at = 0
        while held + len(chunk) - at >= size:
            take = size - held
            pending.append(chunk[at : at + take])
            yield b"".join(pending)
            pending, held, at = [], 0, at + take
        if at < len(chunk):
            pending.append(chunk[at:])
            held += len(chunk) - at
    if held:
        yield b"".join(pending)
