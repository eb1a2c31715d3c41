"""The socket of an agent among other users: its name may be taken, and anyone may connect to it."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from agentkit import LARGE, Served, ask_for_the_table, heard
from other_user import NOBODY, as_user, needs_root

from mpi_collector.node.agent.agent import Agent, AgentService
from mpi_collector.node.agent.listener import BACKLOG, PAUSE_S, connect, listen, socket_name
from mpi_collector.node.frames import FrameDecoder, encode

_numbers = count()


@pytest.fixture
def name() -> str:
    return socket_name(f"test-{os.getpid()}-{next(_numbers)}", "a")


@contextmanager
def another_user(work: Callable[[], object], uid: int = NOBODY) -> Iterator[int]:
    """Have a process of another user do ``work`` and stay; yield its id once it is done."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setuid(uid)
            held = work()
            os.write(write, b"x")
            signal.pause()
            del held
        os._exit(0)
    os.close(write)
    try:
        assert os.read(read, 1) == b"x"
        yield pid
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def bound(name: str, kind: int = socket.SOCK_STREAM, backlog: int | None = None) -> socket.socket:
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind("\0" + name)
    if backlog is not None:
        s.listen(backlog)
    return s


def full(name: str) -> list[socket.socket]:
    """Listen, and let nobody in any more."""
    held = [bound(name, backlog=0)]
    with contextlib.suppress(BlockingIOError):
        while True:
            held.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            held[-1].setblocking(False)
            held[-1].connect("\0" + name)
    return held


SQUATTERS: dict[str, Callable[[str], object]] = {
    "bound": bound,
    "listening": lambda name: bound(name, backlog=4),
    "datagrams": lambda name: bound(name, socket.SOCK_DGRAM),
    "packets": lambda name: bound(name, socket.SOCK_SEQPACKET, 4),
    "full": full,
    "further names, too": lambda name: [
        bound(n, backlog=4) for n in (name, f"{name}/1234", f"{name}/", f"{name}/a b", name + "b")
    ],
}


@needs_root
@pytest.mark.parametrize("kind", SQUATTERS)
def test_a_name_that_another_user_has(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent takes a further name, and is found by it."""
    monkeypatch.setattr("mpi_collector.node.agent.listener._CONNECT_S", 0.1)
    with another_user(lambda: SQUATTERS[kind](name)):
        assert connect(name) is None
        listener = listen(name)
        assert listener is not None
        # names of sockets of another type are others
        other_type = kind in ("datagrams", "packets")
        assert listener.getsockname().decode().startswith(f"\0{name}/") != other_type
        connection = connect(name)
        assert connection is not None
        accepted, _ = listener.accept()
        connection.sendall(b"x")
        assert accepted.recv(1) == b"x"
        for s in (accepted, connection, listener):
            s.close()
        assert connect(name) is None


def test_an_own_agent_that_hangs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the spool: no second one is started."""
    monkeypatch.setattr("mpi_collector.node.agent.listener._CONNECT_S", 0.1)
    held = full(name)
    with pytest.raises(SystemExit, match="accepts no connection"):
        connect(name)
    for s in held:
        s.close()
    assert connect(name) is None


def test_two_that_start_it_at_once(name: str) -> None:
    """Who comes second connects to the agent of the first."""
    first = listen(name)
    assert first is not None
    assert listen(name) is None
    first.close()


def test_the_usual_name_and_long_ones() -> None:
    """Keys may be as long as a file name; names of sockets may not."""
    assert socket_name("run", "a") == f"mpi_collector-{os.getuid()}/run/a"
    names = {socket_name("run", "a" * 200 + end) for end in "xyz"}
    assert len(names) == 3
    for name in names:
        listener = listen(name)
        assert listener is not None
        connection = connect(name)
        assert connection is not None
        connection.close()
        listener.close()


@needs_root
def test_a_connection_of_another_user_interrupts_nothing() -> None:
    """Not even while a table is sent to a launcher that reads slowly."""
    served = Served(orphan_s=60.0)
    session = served.session()
    ask_for_the_table(session)
    time.sleep(0.2)  # the buffers are full

    def call() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(served.name)
            with contextlib.suppress(OSError):
                s.sendmsg(
                    [b"x"],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))],
                )

    for _ in range(3):
        as_user(NOBODY, call)
        time.sleep(PAUSE_S)
    decoder = FrameDecoder()
    blobs: list[bytes | bytearray] = []
    session.settimeout(20)
    while not blobs:
        blobs += [blob for _message, blob in decoder.feed(session.recv(1 << 20))]
    assert len(blobs[0]) > LARGE // 64
    session.sendall(encode({"do": "quit", "id": 3}, b""))
    served.thread.join(20)
    assert not served.thread.is_alive()


def _call_in_a_loop(name: str, write: int) -> None:
    """Connect as often as it goes; count the connections."""
    calls = 0
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(0.01)
            with contextlib.suppress(OSError):
                s.connect("\0" + name)
                calls += 1
    os.write(write, b"%d" % calls)


@needs_root
def test_who_connects_in_a_loop_costs_little(name: str) -> None:
    """The agent lets few of them in, uses little of a core, and hears its launcher."""
    listener = listen(name)
    assert listener is not None
    agent = os.fork()
    if not agent:
        with contextlib.suppress(BaseException):
            Agent(AgentService(), listener).serve(60.0)
        os._exit(0)
    listener.close()
    began = time.monotonic()
    read, write = os.pipe()
    ours, theirs = socket.socketpair()
    as_user(NOBODY, lambda: _call_in_a_loop(name, write))
    let_in = int(os.read(read, 20))
    connection = connect(name)
    assert connection is not None
    fds = array.array("i", [theirs.fileno(), theirs.fileno()])
    connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    theirs.close()
    assert heard(ours)["pid"] == agent
    ours.sendall(encode({"do": "quit", "id": 1}, b""))
    _pid, status, usage = os.wait4(agent, 0)
    elapsed_s = time.monotonic() - began
    assert status == 0
    assert let_in <= (elapsed_s / PAUSE_S + 2) * BACKLOG
    spent_s = usage.ru_utime + usage.ru_stime
    assert spent_s < 0.1 * elapsed_s, (spent_s, elapsed_s)
