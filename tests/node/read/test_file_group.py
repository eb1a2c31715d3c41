"""Several kernel files as one text: files that come, go and grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpi_collector.node import sources
from mpi_collector.node.read import file_group
from mpi_collector.node.read.file_group import FileGroup
from mpi_collector.node.sources.base import Source


def test_files_that_come_and_go(tmp_path: Path) -> None:
    for n in ("a", "b"):
        (tmp_path / n).write_text(f"{n}\n")
    files = FileGroup(str(tmp_path), lambda: [(n, n) for n in sorted(os.listdir(tmp_path))])
    assert files.first() == b"@a\na\n@b\nb\n"
    view = memoryview(bytearray(files.capacity))
    (tmp_path / "c").write_text("no newline")
    (tmp_path / "a").unlink()
    n = files.read(view)
    assert bytes(view[:n]) == b"@b\nb\n@c\nno newline\n"
    files.close()
    with pytest.raises(OSError, match="No such file"):
        FileGroup(str(tmp_path), lambda: [("x", "nope")])
    with pytest.raises(OSError, match="nothing"):
        FileGroup(str(tmp_path), list)


def test_a_buffer_that_is_too_small(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 10000)
    files = FileGroup(str(tmp_path), lambda: [("a", "a")])
    view = memoryview(bytearray(5000))
    assert files.read(view) == 5000
    files.close()


def test_one_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A directory opens and cannot be read; when nothing can be read that is an error."""
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").mkdir()
    both = FileGroup(str(tmp_path), lambda: [("b", "b"), ("a", "a")])
    assert both.first() == b"@a\n1\n"
    both.close()
    none = FileGroup(str(tmp_path), lambda: [("b", "b")])
    with pytest.raises(IsADirectoryError):
        none.first()
    none.close()


@pytest.mark.parametrize("cls", [c for c in sources.ALL if getattr(c, "in_one_piece", False)])
def test_files_in_one_piece_are_so_on_this_machine(cls: type[Source]) -> None:
    """Behind what one reading returned there is nothing."""
    source = cls()
    try:
        files = source.files("/")  # type: ignore[attr-defined]
    except OSError:
        pytest.skip("not on this machine")
    checked = 0
    for _label, path in files:
        try:
            fd = os.open("/" + path, os.O_RDONLY)
        except OSError:
            continue
        try:
            # a number may grow by a digit in between
            assert any(
                not os.pread(fd, 1 << 20, len(os.pread(fd, 1 << 20, 0))) for _ in range(5)
            ), path
            checked += 1
        except OSError:
            continue
        finally:
            os.close(fd)
    if not checked:
        pytest.skip("not on this machine")


def test_a_file_in_one_piece_costs_one_system_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And any other one is read to its end."""
    (tmp_path / "a").write_text("1\n")
    calls = []

    def counted(fd: int, buffers: list[memoryview], at: int) -> int:
        calls.append(at)
        return os.preadv(fd, buffers, at)

    monkeypatch.setattr(file_group, "preadv", counted)
    for in_one_piece, wanted in ((True, [0]), (False, [0, 2])):
        group = FileGroup(str(tmp_path), lambda: [("a", "a")], in_one_piece=in_one_piece)
        calls.clear()
        assert group.read(memoryview(bytearray(4096))) == len("@a\n1\n")
        assert calls == wanted
        group.close()
