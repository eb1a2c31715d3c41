"""Kernel files: a whole text, the beginning of one, a directory; what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpi_collector.node.read.kernel_file import (
    KernelFile,
    WholeFile,
    list_names,
    read_once,
    read_whole,
)


def test_a_text_of_several_pages(tmp_path: Path) -> None:
    """The first reading fixes the capacity; later ones fill a buffer from where they are."""
    text = b"".join(b"line %d\n" % n for n in range(2000))
    (tmp_path / "f").write_bytes(text)
    kernel_file = KernelFile(str(tmp_path), "f", 64)
    assert kernel_file.first() == text
    assert kernel_file.capacity > len(text)
    assert kernel_file.whole_below == 4096 - 64
    view = memoryview(bytearray(kernel_file.capacity))
    n = kernel_file.read_into(view, 3)
    assert bytes(view[:n]) == text
    view[:100] = text[:100]
    assert kernel_file.rest(view, 100) == len(text)
    assert bytes(view[: len(text)]) == text
    small = memoryview(bytearray(1000))
    assert kernel_file.read(small) == 1000  # truncated
    kernel_file.close()


def test_a_file_made_in_one_piece(tmp_path: Path) -> None:
    """Any reading that does not fill the buffer has reached its end."""
    (tmp_path / "f").write_bytes(b"1\n")
    kernel_file = KernelFile(str(tmp_path), "f", 0)
    kernel_file.first()
    assert kernel_file.whole_below == kernel_file.capacity
    kernel_file.close()


def test_whole_files(tmp_path: Path) -> None:
    """Of any length; what cannot be read is empty, or an OSError where it is opened to stay."""
    text = b"x" * 1_000_000
    (tmp_path / "f").write_bytes(text)
    (tmp_path / "d").mkdir()
    assert read_whole(str(tmp_path), "f") == text
    assert read_once(str(tmp_path / "f")) == text[:4096]
    for name in ("nope", "d"):
        assert read_whole(str(tmp_path), name) == read_once(str(tmp_path / name)) == b""
    with pytest.raises(FileNotFoundError):
        WholeFile(str(tmp_path), "nope")
    assert list_names(str(tmp_path), "") == ["d", "f"]
    assert list_names(str(tmp_path), "nope") == list_names(str(tmp_path), "f") == []
