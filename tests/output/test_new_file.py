"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mpi_collector.output.new_file import NewFile, create


def test_nothing_is_there_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    new = NewFile(path)
    new.file.write(b"text")
    assert not path.exists()
    new.commit()
    assert path.read_bytes() == b"text"
    new.discard()  # what was committed stays
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_block_that_raises_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), create(tmp_path / "x") as f:
        f.write(b"text")
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "dangling symlink"])
@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, links: bool
) -> None:
    """With and without hard links on the file system."""
    path = tmp_path / "x"
    if kind == "file":
        path.write_bytes(b"old")
    else:
        path.symlink_to(tmp_path / "nowhere")
    if not links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, "no hard links")

        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(FileExistsError), create(path) as f:
        f.write(b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_symlink() or path.read_bytes() == b"old"


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    with create(tmp_path / "x") as f:
        f.write(b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"new")]


def test_a_commit_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    new = NewFile(tmp_path / "x")
    new.file.write(b"text")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        new.commit()
    assert list(tmp_path.iterdir()) == []


def test_the_error_names_the_file_that_the_user_knows(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="x_timeseries.npz'$"):
        NewFile(tmp_path / "missing" / "x_timeseries.npz")
