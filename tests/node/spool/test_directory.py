"""Directories and locks of spools: private, never through a symlink, one writer."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from spoolkit import (
    EVENTS,
    ROWS,
    fill,
    found,
    make_spool,
)

from mpi_collector.node.errors import SpoolError
from mpi_collector.node.spool.directory import (
    RunDirectory,
    SpoolLock,
    has_writer,
    remove_spool,
    user_directory,
)
from mpi_collector.node.spool.reader import open_reader


def test_modes(tmp_path: Path) -> None:
    """Directories 0700, file 0600, whatever the umask is."""
    old = os.umask(0)
    try:
        spool = make_spool(tmp_path)
    finally:
        os.umask(old)
    path = Path(str(spool.path))
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path.parent.parent, path.parent, path)]
    assert modes == [0o700, 0o700, 0o600]
    assert path == tmp_path / user_directory() / "run" / "host"
    spool.close()


@pytest.mark.parametrize("which", ["user", "run"])
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_open_directory_refused(tmp_path: Path, which: str, mode: int) -> None:
    """A directory that others may enter is not used."""
    os.close(RunDirectory(str(tmp_path), "run").open())
    (tmp_path / user_directory() / ("run" if which == "run" else ".")).chmod(mode)
    with pytest.raises(SpoolError, match="0700"):
        RunDirectory(str(tmp_path), "run").open()


@pytest.mark.parametrize("which", ["user", "run"])
def test_symlinked_directory_refused(tmp_path: Path, which: str) -> None:
    """A link where the directory should be is not followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    link = tmp_path / user_directory()
    if which == "run":
        link.mkdir(mode=0o700)
        link /= "run"
    link.symlink_to(elsewhere)
    with pytest.raises(SpoolError, match=str(link)):
        RunDirectory(str(tmp_path), "run").open()
    assert list(elsewhere.iterdir()) == []


def test_other_users_directory_refused(tmp_path: Path) -> None:
    """A directory that somebody else made first is not used."""
    if os.getuid():
        pytest.skip("needs root to give a directory away")
    (tmp_path / user_directory()).mkdir(mode=0o700)
    os.chown(tmp_path / user_directory(), 65534, 65534)
    with pytest.raises(SpoolError, match="this user alone"):
        RunDirectory(str(tmp_path), "run").open()


def test_no_spool_directory(tmp_path: Path) -> None:
    """A spool directory that is not there, or is a file, is named; no descriptor is left open."""
    (tmp_path / "file").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    for base in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(SpoolError, match=base.name):
            RunDirectory(str(base), "run").open()
    assert len(os.listdir("/proc/self/fd")) == before


def test_existing_and_symlinked_file_refused(tmp_path: Path) -> None:
    """A name taken by a file or a symlink is neither written nor followed."""
    spool = make_spool(tmp_path)
    path = Path(str(spool.path))
    with pytest.raises(SpoolError, match="host"):
        make_spool(tmp_path)
    spool.close()
    moved = path.rename(path.parent / "moved")
    path.symlink_to(moved)
    with pytest.raises(SpoolError, match="host"):
        make_spool(tmp_path)
    with pytest.raises(SpoolError, match="host"):
        open_reader(str(path))
    assert open_reader(str(moved)).shape.rows == ROWS


def test_live_writer_refused(tmp_path: Path) -> None:
    """While its writer lives a spool is not opened; after close() it is."""
    spool = make_spool(tmp_path)
    with pytest.raises(SpoolError, match="still alive"):
        open_reader(str(spool.path))
    spool.close()
    assert open_reader(str(spool.path)).meta["host"] == "h"


def test_who_looks_does_not_keep_a_writer_from_its_lock(tmp_path: Path) -> None:
    """A writer gets its lock although another process looks at the spool at that moment."""
    directory = RunDirectory(str(tmp_path), "run").open()
    path = tmp_path / user_directory() / "run" / "host"
    path.touch()
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_SH)
    assert not has_writer(str(path))  # two who look do not see each other
    threading.Timer(0.05, os.close, [fd]).start()
    lock = SpoolLock(directory, "host")
    assert has_writer(str(path))
    with pytest.raises(BlockingIOError):
        SpoolLock(directory, "host")
    lock.release()
    os.close(directory)


def test_killed_writer_opens(tmp_path: Path) -> None:
    """A spool whose writer was killed opens with all that was written."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            spool = make_spool(tmp_path)
            fill(spool)
            os.write(write, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(read, 1) == b"x"
    os.close(read)
    path = str(tmp_path / user_directory() / "run" / "host")
    with pytest.raises(SpoolError, match="still alive"):
        open_reader(path)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    reader = open_reader(path)
    assert len(found(reader)) == ROWS - 1 and reader.events() == EVENTS


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """A command that outlives the recorder does not keep its spool locked."""
    spool = make_spool(tmp_path)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        try:
            spool.close()
            assert open_reader(str(spool.path)).shape.rows == ROWS
        finally:
            child.kill()


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="Python 3.6 tells nobody of a fork")
def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """A spool whose writer was killed opens although a forked child of it lives."""
    read, write = os.pipe()
    writer = os.fork()
    if not writer:
        try:
            spool = make_spool(tmp_path)
            fill(spool)
            if not os.fork():
                os.write(write, struct.pack("<q", os.getpid()))
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    (child,) = struct.unpack("<q", os.read(read, 8))
    os.close(read)
    path = str(tmp_path / user_directory() / "run" / "host")
    try:
        with pytest.raises(SpoolError, match="still alive"):
            open_reader(path)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.kill(child, 0)
        reader = open_reader(path)
        assert len(found(reader)) == ROWS - 1 and reader.events() == EVENTS
    finally:
        os.kill(child, signal.SIGKILL)


def test_removal(tmp_path: Path) -> None:
    """The last spool's removal removes the directories; removing twice is no error."""
    spool = make_spool(tmp_path)
    other = Path(str(spool.path)).parent / "other"
    other.write_text("")
    spool.close(remove=True)
    assert sorted(p.name for p in other.parent.iterdir()) == ["other"]
    remove_spool(str(other))
    assert list(tmp_path.iterdir()) == []
    remove_spool(str(other))


def test_a_run_begins_while_another_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user directory that is removed while a run begins is made again."""
    real = os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        if name == "run" and times:
            times.pop()
            os.rmdir(tmp_path / user_directory())
        real(name, mode, dir_fd=dir_fd)

    times = [1, 2]
    monkeypatch.setattr(os, "mkdir", mkdir)
    os.close(RunDirectory(str(tmp_path), "run").open())
    assert not times
    assert (tmp_path / user_directory() / "run").is_dir()
