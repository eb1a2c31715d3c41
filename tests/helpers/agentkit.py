"""An agent in a thread, whose table fits into no socket's buffer."""

from __future__ import annotations

import array
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from mpi_collector.node.agent.agent import Agent, AgentService
from mpi_collector.node.agent.messages import ReadyReport
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.frames import FrameDecoder, encode
from mpi_collector.node.table.npy import NpzMember

LARGE = 16 << 20


class Packed(Recorder):
    """A recorder whose table fits into no socket's buffer."""

    def prepare(self) -> ReadyReport:
        return {}

    def pack(self, json: bool) -> Iterator[NpzMember]:
        del json
        yield NpzMember("npz", "a/values", [os.urandom(LARGE)])

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self, remove: bool = False, why: str = "") -> None:
        del remove, why


class Served:
    """An agent in a thread."""

    def __init__(self, orphan_s: float) -> None:
        self.name = f"\0mpi_collector-test/{os.getpid()}/{time.monotonic_ns()}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.name)
        listener.listen(4)
        service = AgentService(Packed)
        service.answer({"do": "prepare", "options": {}, "run": "run", "key": "a", "facts": {}})
        self.agent = Agent(service, listener)
        self.thread = threading.Thread(target=self.agent.serve, args=(orphan_s,), daemon=True)
        self.thread.start()

    def session(self) -> socket.socket:
        """Hand a new connection to the agent, as agent/start.py does; it alone holds the other end."""
        ours, theirs = socket.socketpair()
        starter = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        starter.connect(self.name)
        fds = array.array("i", [theirs.fileno(), theirs.fileno()])
        starter.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        theirs.close()
        self._starter = starter
        return ours


def heard(session: socket.socket) -> dict[str, Any]:
    """The next message; EOFError when the session has ended."""
    decoder = FrameDecoder()
    session.settimeout(20)
    while True:
        data = session.recv(1 << 16)
        if not data:
            raise EOFError
        for message, _blob in decoder.feed(data):
            return dict(message)


def ask_for_the_table(session: socket.socket) -> None:
    heard(session)
    session.sendall(encode({"do": "pack", "id": 1}, b""))
    heard(session)
    session.sendall(encode({"do": "fetch", "id": 2, "member": 0, "offset": 0, "size": LARGE}, b""))
