"""When a file that is gone is opened again."""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path

import pytest

from mpi_collector.node.read.file_group import FileGroup
from mpi_collector.node.read.kernel_file import KernelFile, WholeFile
from mpi_collector.node.read.look_again import ListingPace, ReopeningPace, is_gone
from mpi_collector.node.status import ABSENT, DENIED


def attempts(pace: ReopeningPace, readings: int) -> list[int]:
    return [n for n in range(1, readings + 1) if pace.due()]


def test_the_wait_doubles() -> None:
    pace = ReopeningPace()
    assert attempts(pace, 40) == []
    pace.failed()
    assert attempts(pace, 64) == [1, 3, 7, 15, 31, 47, 63]


def test_what_fails_again_at_once_is_not_opened_more_often() -> None:
    """A file that opens and cannot be read: the attempts stay rare, until it was read for a while."""
    pace = ReopeningPace()
    found = []
    for n in range(1, 100):
        pace.failed()
        if pace.due():
            found.append(n)
            pace.succeeded()
    assert found == [1, 3, 7, 15, 31, 47, 63, 79, 95]
    pace.succeeded()
    attempts(pace, 20)
    pace.failed()
    assert attempts(pace, 3) == [1, 3]


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENOENT, errno.ESTALE, errno.EIO])
def test_a_device_that_is_reset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Its descriptors fail for ever, though files of the same path are there again."""
    for n in ("a", "b"):
        (tmp_path / n).write_text(f"{n}1\n")
    group = FileGroup(str(tmp_path), lambda: [(n, n) for n in ("a", "b")])
    group.first()
    view = memoryview(bytearray(group.capacity))
    dead = {fd for fd in map(int, os.listdir("/proc/self/fd")) if linked_to(fd, tmp_path / "a")}
    real = os.preadv

    def preadv(fd: int, buffers: object, offset: int) -> int:
        if fd in dead:
            raise OSError(code, os.strerror(code))
        return real(fd, buffers, offset)  # type: ignore[arg-type]

    monkeypatch.setattr("mpi_collector.node.read.file_group.preadv", preadv)
    (tmp_path / "a").write_text("a2\n")
    assert bytes(view[: group.read(view)]) == b"@b\nb1\n"
    assert group.read(view) > 0
    dead.clear()
    texts = [bytes(view[: group.read(view)]) for _ in range(4)]
    assert texts[-1] == b"@a\na2\n@b\nb1\n"
    group.close()


def linked_to(fd: int, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    except OSError:
        return False


def test_a_directory_that_is_made_again(tmp_path: Path) -> None:
    """An ordinary file that was removed can still be read, which says nothing of what is there now."""
    at = tmp_path / "port"
    at.mkdir()
    (at / "data").write_text("1\n")
    (tmp_path / "other").write_text("9\n")
    group = FileGroup(str(tmp_path), lambda: [("other", "other"), ("data", "port/data")])
    group.first()
    view = memoryview(bytearray(group.capacity))
    (at / "data").unlink()
    at.rmdir()
    assert bytes(view[: group.read(view)]) == b"@other\n9\n"
    (tmp_path / "other").unlink()
    with pytest.raises(OSError, match="No such file|not there"):
        group.read(view)
    at.mkdir()
    (at / "data").write_text("2\n")
    (tmp_path / "other").write_text("8\n")
    texts = set()
    for _ in range(20):
        try:
            texts.add(bytes(view[: group.read(view)]))
        except OSError:
            continue
    assert b"@other\n8\n@data\n2\n" in texts
    group.close()


def test_a_file_that_could_not_be_opened_at_the_start(tmp_path: Path) -> None:
    """It is tried again, soon at first."""
    (tmp_path / "a").write_text("1\n")
    group = FileGroup(str(tmp_path), lambda: [("a", "a"), ("b", "b")])
    group.first()
    view = memoryview(bytearray(group.capacity))
    (tmp_path / "b").write_text("2\n")
    for _ in range(4):
        n = group.read(view)
    assert bytes(view[:n]) == b"@a\n1\n@b\n2\n"
    group.close()


def test_files_are_listed_again_after_a_time(tmp_path: Path) -> None:
    """With few readings in it, too."""
    now = [0]
    listed = []

    def files() -> list[tuple[str, str]]:
        listed.append(now[0] // 10**9)
        return [("a", "a")]

    (tmp_path / "a").write_text("1\n")
    group = FileGroup(str(tmp_path), files, relist_s=60, clock=lambda: now[0])
    group.first()
    view = memoryview(bytearray(group.capacity))
    for second in range(0, 3600, 10):
        now[0] = second * 10**9
        group.read(view)
    waits = [b - a for a, b in pairwise(listed)]
    assert max(waits) == 60 and len(listed) < 70
    group.close()


def test_a_held_file_keeps_its_number(tmp_path: Path) -> None:
    """The sampler knows it by that."""
    (tmp_path / "a").write_text("1\n")
    held = KernelFile(str(tmp_path), "a", 0)
    fd = held.fd
    (tmp_path / "a").unlink()
    (tmp_path / "a").write_text("2\n")
    assert held.failed(OSError(errno.EACCES, "")) == -DENIED
    assert held.first() == b"1\n"
    assert held.failed(OSError(errno.ENODEV, "")) == -ABSENT
    assert held.fd == fd
    assert held.first() == b"2\n"
    assert not os.get_inheritable(fd)
    held.close()


def test_a_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("1\n")
    whole = WholeFile(str(tmp_path), "a")
    real = os.pread
    with monkeypatch.context() as patch:

        def gone(*_: object) -> bytes:
            raise OSError(errno.EIO, "gone")

        patch.setattr("mpi_collector.node.read.kernel_file.os.pread", gone)
        with pytest.raises(OSError, match="5"):
            whole.read()
        (tmp_path / "a").unlink()
        (tmp_path / "a").write_text("2\n")
    assert os.pread is real
    assert whole.read() == b"2\n"
    whole.close()


def test_listings_are_many_at_first() -> None:
    """What settles soon after the start is seen soon; later a listing costs little of all readings."""
    pace = ListingPace()
    assert [n for n in range(1, 1100) if pace.due()] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        768,
        1024,
    ]


def test_other_errors_are_none() -> None:
    assert is_gone(OSError(errno.ENOTCONN, ""))  # lxcfs was started again
    assert not any(is_gone(OSError(e, "")) for e in (errno.EACCES, errno.EINVAL, errno.EAGAIN))
