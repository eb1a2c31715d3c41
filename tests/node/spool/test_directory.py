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
    CAPS,
    EVENTS,
    ROWS,
    STAGE_SLOTS,
    fill,
    found,
    make_meta,
    make_spool,
)

from mpi_collector.node.errors import SpoolError
from mpi_collector.node.spool.directory import (
    RunDirectory,
    find_spools,
    remove_spool,
    user_directories,
    user_directory,
)
from mpi_collector.node.spool.lock import SpoolLock, has_writer
from mpi_collector.node.spool.reader import open_reader
from mpi_collector.node.spool.writer import Spool
from mpi_collector.transport.door import write_address


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


def taken(place: Path, which: str, what: str) -> None:
    """Put something else where the user's directory or that of the run should be."""
    path = place / user_directory()
    if which == "run":
        path.mkdir(mode=0o700)
        path /= "run"
    if what.startswith("mode"):
        path.mkdir()
        path.chmod(int(what[4:], 8))
    elif what == "file":
        path.write_text("")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "another user's":
        path.mkdir(mode=0o700)
        os.chown(path, 65534, 65534)
    else:
        (place / "elsewhere").mkdir(mode=0o700)
        path.symlink_to({"link": place / "elsewhere", "dangling": "nowhere", "loop": path}[what])


TAKEN = "mode755 mode770 mode701 mode777 file pipe link dangling loop".split()


@pytest.mark.parametrize("which", ["user", "run"])
@pytest.mark.parametrize("what", [*TAKEN, "another user's"])
def test_a_name_that_is_taken(tmp_path: Path, which: str, what: str) -> None:
    """Another name is used and found again; nothing of what was there is entered or changed."""
    if what == "another user's" and os.getuid():
        pytest.skip("needs root to give a directory away")
    taken(tmp_path, which, what)
    before = sorted(tmp_path.rglob("*"))
    directory = RunDirectory(str(tmp_path), "run")
    os.close(directory.open())
    assert str(tmp_path / user_directory()) in directory.elsewhere
    made = Path(directory.path)
    assert made.parent.name.startswith(f"{user_directory()}-")
    assert sorted(p for p in tmp_path.rglob("*") if p not in (made, made.parent)) == before
    # other processes of the run, and other runs, use the same one
    again, other = (RunDirectory(str(tmp_path), run) for run in ("run", "other"))
    os.close(again.open())
    os.close(other.open())
    assert again.path == directory.path
    assert Path(other.path).parent == (
        made.parent if which == "user" else tmp_path / user_directory()
    )
    spool = make_spool(tmp_path)
    assert [s["run"] for s in find_spools(str(tmp_path))] == ["run"]
    assert RunDirectory.of_spool(str(spool.path)).path == directory.path
    spool.close(remove=True)


def test_directories_of_others_are_none_of_ours(tmp_path: Path) -> None:
    """Names that look like ours: another user's, a file, a link, a user whose number begins alike."""
    if os.getuid():
        pytest.skip("needs root to give a directory away")
    for name in ("-aaaaaaaa", "-bbbbbbbb", "0-cccccccc"):
        (tmp_path / f"{user_directory()}{name}" / "run").mkdir(parents=True)
    os.chown(tmp_path / f"{user_directory()}-aaaaaaaa", 65534, 65534)
    os.chown(tmp_path / f"{user_directory()}-bbbbbbbb" / "run", 65534, 65534)
    (tmp_path / f"{user_directory()}-dddddddd").write_text("")
    (tmp_path / f"{user_directory()}-eeeeeeee").symlink_to(tmp_path)
    assert user_directories(str(tmp_path)) == [str(tmp_path / f"{user_directory()}-bbbbbbbb")]
    assert RunDirectory.all_in(str(tmp_path)) == []


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


@pytest.mark.parametrize("address", [b"", b'{"port": 1}'])
def test_a_door_is_no_spool(tmp_path: Path, address: bytes) -> None:
    """Neither when it is about to be written; it goes with the last spool."""
    spool = make_spool(tmp_path)
    directory = RunDirectory.of_spool(str(spool.path))
    Path(directory.door_path).write_bytes(address)
    assert directory.spool_names() == [Path(str(spool.path)).name]
    assert [s["key"] for s in find_spools(str(tmp_path))] == directory.spool_names()
    spool.close()
    directory.discard(Path(str(spool.path)).name)
    assert list(tmp_path.iterdir()) == []


def test_a_host_named_door(tmp_path: Path) -> None:
    """Its spool is found; it has no door."""
    fd = RunDirectory(str(tmp_path), "run").open()
    spool = Spool.create(fd, "door", make_meta(), CAPS, STAGE_SLOTS, ROWS)
    os.close(fd)
    assert [s["key"] for s in find_spools(str(tmp_path))] == ["door"]
    with pytest.raises(FileExistsError):
        write_address(RunDirectory.of_spool(str(spool.path)).door_path, "{}")
    spool.close()


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
