"""Who may ring at a door, and what others can do there: nothing."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.compat import mono_ns, readable
from mpi_collector.transport import door as module
from mpi_collector.transport.door import Door, ask, read_address, ring

_LIMIT_S = 30


@pytest.fixture
def opened() -> Iterator[Door]:
    made = Door()
    made.open()
    assert made.is_open
    yield made
    made.close()


def about(door: Door) -> dict[str, Any]:
    return dict(json.loads(door.address()))


def caller(door: Door, data: bytes = b"") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", about(door)["port"]), _LIMIT_S)
    if data:
        sock.sendall(data)
    return sock


def sleep(door: Door) -> bool:
    """Wait as the life cycle does until there is something to do; return whether it is a ring."""
    wakes = door.wakes()
    left_s = _LIMIT_S if wakes.due_ns is None else (wakes.due_ns - mono_ns()) * 1e-9
    readable(wakes.fds, max(0.0, left_s))
    return door.rung()


def rings(door: Door) -> bool:
    """Ring, and return whether both sides have noticed."""
    heard: list[bool] = []
    address = about(door)
    thread = threading.Thread(target=lambda: heard.append(ring(address, _LIMIT_S)))
    thread.start()
    rung = False
    while thread.is_alive():
        poll = select.poll()
        for fd in door.wakes().fds:
            poll.register(fd, select.POLLIN)
        poll.poll(10)
        rung |= door.rung()
    thread.join()
    return rung and heard == [True]


def test_a_ring(opened: Door) -> None:
    assert opened.wakes().due_ns is None
    assert not opened.rung()
    assert rings(opened)
    assert rings(opened)


def test_the_file(opened: Door, tmp_path: Path) -> None:
    path = tmp_path / "door"
    opened.write(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_address(path) == about(opened)
    opened.close()
    assert not path.exists()
    assert opened.address() == ""
    assert not opened.rung()


def test_a_file_that_is_there_stays(opened: Door, tmp_path: Path) -> None:
    path = tmp_path / "door"
    path.write_text("another's")
    opened.write(str(path))
    opened.close()
    assert path.read_text() == "another's"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a file of another user: root")
def test_the_file_of_another_user(opened: Door, tmp_path: Path) -> None:
    path = tmp_path / "door"
    opened.write(str(path))
    os.chown(path, 65534, 65534)
    assert read_address(path) is None
    assert read_address(path, (65534,)) == about(opened)


@pytest.mark.parametrize(
    "change",
    [{"port": 0}, {"port": 1 << 20}, {"token": ""}, {"token": "é" * 32}, {"identity": {}}, {}],
)
def test_what_is_no_address(opened: Door, tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "door"
    path.write_text(json.dumps({**about(opened), **change}) if change else "[" * 100_000)
    assert read_address(path) is None


def test_nobody_answers(tmp_path: Path) -> None:
    """Nobody listens; somebody else does; somebody takes no connection."""
    made = Door()
    made.open()
    address = about(made)
    made.close()
    assert not ring(address, _LIMIT_S)
    with socket.create_server(("127.0.0.1", 0)) as other:
        elsewhere = {**address, "port": other.getsockname()[1]}
        thread = threading.Thread(target=lambda: other.accept()[0].close())
        thread.start()
        assert not ring(elsewhere, _LIMIT_S)
        thread.join()
        assert not ring(elsewhere, 0.05)


def test_an_odd_address(opened: Door) -> None:
    """Names are looked up nowhere, and nothing is raised."""
    address = about(opened)
    address["identity"]["hostname"] = "another"
    address["identity"]["addresses"] = ["", "256.1.1.1", ":::", "a" * 100, "é", "host", "127.0.0.1"]
    assert not ring(address, 0.05)  # it has let nobody in, but the last one is an address
    while not opened.rung():
        sleep(opened)


def token(door: Door) -> bytes:
    return str(about(door)["token"]).encode()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=4), st.booleans())
def test_garbage(pieces: list[bytes], is_closed: bool) -> None:
    """Whatever comes in however many pieces, it rings only when it begins with the token."""
    made = Door()
    made.open()
    sock = caller(made)
    try:
        rung = made.rung()
        for piece in pieces:
            try:
                sock.sendall(piece)
            except OSError:  # it was sent away already
                break
            rung |= made.rung()
        if is_closed:
            sock.close()
            rung |= made.rung()
        assert not rung
        assert made.is_open
    finally:
        sock.close()
        made.close()


def test_a_token_in_pieces_and_more(opened: Door) -> None:
    sock = caller(opened)
    whole = token(opened)
    for piece in (whole[:5], whole[5:31]):
        sock.sendall(piece)
        assert not sleep(opened)
    sock.sendall(whole[31:])
    assert not sleep(opened)
    sock.sendall(b"!stop please")
    while not sleep(opened):
        pass
    sock.close()


def test_a_token_and_no_known_word(opened: Door) -> None:
    sock = caller(opened, token(opened) + b"x")
    while opened.wakes().due_ns is None or len(opened.wakes().fds) > 1:
        assert not sleep(opened)
    assert sock.recv(1) == b""
    sock.close()


def serve(door: Door, busy: Callable[[], bool]) -> int:
    """Do what is due at the door while ``busy``; return how often somebody has rung."""
    rung = 0
    while busy():
        poll = select.poll()
        for fd in door.wakes().fds:
            poll.register(fd, select.POLLIN)
        poll.poll(10)
        rung += door.rung()
    return rung


def asked(door: Door, count: int = 1) -> list[dict[str, Any] | None]:
    """Ask for the document, ``count`` readers at once."""
    found: list[dict[str, Any] | None] = []
    address = about(door)
    threads = [
        threading.Thread(target=lambda: found.append(ask(address, _LIMIT_S))) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    assert serve(door, lambda: any(t.is_alive() for t in threads)) == 0
    return found


def large_document(size: int) -> Callable[[], bytes]:
    """Return what makes a document of which no socket takes the whole at once."""
    data = json.dumps({"noise": os.urandom(size).hex()}).encode()
    return lambda: data


def test_the_document(opened: Door) -> None:
    assert asked(opened) == [None]  # there is none at this door
    opened.document = lambda: b'{"a": 1}'
    assert asked(opened) == [{"a": 1}]
    assert asked(opened, module._READERS_MOST - 1) == (module._READERS_MOST - 1) * [{"a": 1}]
    assert rings(opened)


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"[" * 100_000, b"nan"])
def test_a_document_that_is_none(opened: Door, text: bytes) -> None:
    opened.document = lambda: text
    assert asked(opened) == [None]


def test_a_document_that_fails(opened: Door) -> None:
    def fail() -> bytes:
        raise KeyError("host")

    opened.document = fail
    assert asked(opened) == [None]
    assert opened.is_open
    assert rings(opened)


def test_blocked_readers(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are let go after their time; meanwhile the door sleeps, hears rings and serves others."""
    monkeypatch.setattr(module, "_READER_NS", 600_000_000_000)
    opened.document = large_document(4 << 20)
    blocked = [caller(opened, token(opened) + b"?") for _ in range(3)]
    while len(opened._readers) < 3:
        sleep(opened)
    for reader in opened._readers:
        reader.until_ns = mono_ns() + 500_000_000
    turns = 0
    assert rings(opened)
    while opened._readers:
        turns += 1
        assert not sleep(opened)
    assert turns < 200  # 10 looks at each, and none between
    opened.document = lambda: b"{}"
    assert asked(opened) == [{}]
    for sock in blocked:
        sock.close()


def test_a_large_document_arrives(opened: Door) -> None:
    opened.document = large_document(2 << 20)
    assert asked(opened) == [json.loads(opened.document())]


def test_too_many_readers(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READER_NS", 600_000_000_000)
    opened.document = large_document(4 << 20)
    many = []
    while len(opened._readers) < module._READERS_MOST:
        many.append(caller(opened, token(opened) + b"?"))
        sleep(opened)
    opened.document = lambda: b"{}"
    assert asked(opened) == [None]
    assert rings(opened)
    for sock in many:
        sock.close()


def test_what_claims_to_be_a_door(opened: Door) -> None:
    """A document that would take more than its bound when unpacked is none."""
    bomb = zlib.compress(b"[" + b" " * (module.DOCUMENT_BYTES + 10) + b"]")
    with socket.create_server(("127.0.0.1", 0)) as other:
        elsewhere = {**about(opened), "port": other.getsockname()[1]}

        def answer() -> None:
            sock = other.accept()[0]
            sock.recv(100)
            sock.sendall(bomb)
            sock.close()

        thread = threading.Thread(target=answer)
        thread.start()
        assert ask(elsewhere, _LIMIT_S) is None
        thread.join()


@pytest.mark.parametrize("shown", [b"0" * 33, b"\0" * 33, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 9])
def test_after_a_wrong_token(opened: Door, shown: bytes) -> None:
    """The caller is sent away, nobody is let in for a moment, and then a ring is heard."""
    sock = caller(opened, shown)
    while opened.wakes().due_ns is None or len(opened.wakes().fds) > 1:
        assert not sleep(opened)
    assert opened.wakes().fds == ()
    assert rings(opened)
    sock.close()


def test_slow_callers(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is sent away; as long as he is there, others ring."""
    monkeypatch.setattr(module, "_HELLO_NS", 50_000_000)
    quiet = [caller(opened, b"x" * n) for n in range(3)]
    assert rings(opened)
    while opened.wakes().due_ns is not None:
        sleep(opened)
    for sock in quiet:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
        sock.close()


def test_many_callers(opened: Door) -> None:
    """They cost no more than a few descriptors, and the next one is let in again."""
    before = len(os.listdir("/proc/self/fd"))
    many = []
    for _ in range(3 * module._CALLERS_MOST):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", about(opened)["port"]))
        many.append(sock)
        opened.rung()
        assert len(opened.wakes().fds) <= module._CALLERS_MOST + 1
    held = len(os.listdir("/proc/self/fd")) - before - len(many)
    assert held <= module._CALLERS_MOST
    for sock in many:
        sock.close()
    assert rings(opened)


def test_after_very_many_it_stays_closed(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FAILED_MOST", 2)
    monkeypatch.setattr(module, "_PAUSE_NS", 1)
    for failed in range(1, 4):
        sock = caller(opened, b"0" * 33)
        while opened.is_open and opened._failed < failed:
            sleep(opened)
        sock.close()
    assert not opened.is_open
    assert opened.wakes().fds == ()
    assert not opened.rung()


def test_no_descriptor_is_free(opened: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again later, and does not spin meanwhile."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    sock = caller(opened, token(opened) + b"!")
    taken = [os.dup(0) for _ in range(64)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(taken), limits[1]))
    try:
        assert not opened.rung()
        assert opened.wakes().fds == ()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)
    while not sleep(opened):
        pass
    sock.close()
