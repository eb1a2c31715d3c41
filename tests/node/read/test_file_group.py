"""Several kernel files as one text: files that come, go and grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpi_collector.node.read.file_group import FileGroup


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
