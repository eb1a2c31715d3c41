"""Spools: what is written is read back, damage is reported or dropped, access is private."""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nodekit import QUICK, ROOT, script
from spoolkit import (
    CAPS,
    EVENTS,
    ROWS,
    STAGE_SLOTS,
    fill,
    found,
    make_meta,
    make_spool,
    memory_spool,
    payload,
)

from mpi_collector.node.errors import SpoolError
from mpi_collector.node.spool import writer as writer_module
from mpi_collector.node.spool.directory import (
    RunDirectory,
    SpoolLock,
    has_writer,
    remove_spool,
    user_directory,
)
from mpi_collector.node.spool.format import (
    EVENTS_BYTES,
    HEADER_BYTES,
    HEADER_FIELDS,
    PAYLOAD_AT,
    SpoolShape,
    events_used_piece,
    header_offset,
    write_event,
    write_header,
)
from mpi_collector.node.spool.reader import SpoolReader, open_reader


class Image(bytes):
    """The bytes of a spool; reports of failures do not show them."""

    def __repr__(self) -> str:
        return f"<spool of {len(self)} bytes>"


@pytest.fixture(scope="module")
def image() -> Image:
    """A filled spool."""
    spool = memory_spool()
    fill(spool)
    data = Image(spool.mm)
    spool.close()
    return data


def reader_of(data: bytes | bytearray) -> SpoolReader:
    return SpoolReader(memoryview(data), "the/file")


# ---- round trip


@pytest.mark.parametrize("where", ["file", "memory"])
def test_round_trip(tmp_path: Path, where: str) -> None:
    """Meta data, events, rows and staged samples come back, from a file and from plain memory."""
    spool = make_spool(tmp_path) if where == "file" else memory_spool()
    fill(spool)
    if where == "file":
        spool.close()
    reader = open_reader(str(spool.path)) if where == "file" else spool.reader()
    assert reader.meta == make_meta() and reader.events() == EVENTS
    assert found(reader) == {tick: payload(spool, tick) for tick in range(-1, ROWS - 2)}
    assert sorted(tick for tick, _at in reader.staged()) == [100, 102]
    assert (spool.path is None) == (where == "memory")


def test_every_page_is_there(tmp_path: Path) -> None:
    """The file is allocated in full: no later write can find the disk full."""
    spool = make_spool(tmp_path, rows=2000)
    info = os.stat(str(spool.path))
    assert info.st_size == spool.shape.size and info.st_blocks * 512 >= info.st_size
    spool.close()


def test_parts_do_not_overlap() -> None:
    """The parts of the file follow one another on 8-byte boundaries, rows and slots inside them."""
    spool = memory_spool(width=5)
    shape = spool.shape
    parts = [HEADER_BYTES, shape.events_at, shape.stage_at, shape.rows_at, shape.size]
    assert parts == sorted(parts) and all(
        p % 8 == 0 for p in [*parts, shape.row_size, shape.stage_size]
    )
    assert shape.stage_at - shape.events_at == EVENTS_BYTES and shape.meta_at == HEADER_BYTES
    assert shape.rows_at - shape.stage_at == STAGE_SLOTS * shape.stage_size
    assert all(cap >= given for cap, given in zip(shape.caps, CAPS))
    spool.close()


def test_event_log_full() -> None:
    """When the log is full an event is refused and counted; those in it stay."""
    spool = memory_spool()
    big = {"type": "mark", "text": "x" * 60_000}
    kept = [spool.event(big) for _ in range(10)]
    assert kept == [True] * 4 + [False] * 6 and spool.events_lost == 6
    assert spool.event({"type": "small"}) and spool.reader().events() == [big] * 4 + [
        {"type": "small"}
    ]
    spool.close()


def test_events_from_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampling thread and the main thread may both have something to say at once."""
    spool = memory_spool()

    def slowly(*args: Any) -> int:
        """Let the other thread run in the middle of an event."""
        time.sleep(1e-6)
        return write_event(*args)

    def tell(who: str) -> None:
        for n in range(100):
            spool.event({"type": who, "n": n})

    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "write_event", slowly)
        threads = [threading.Thread(target=tell, args=(who,)) for who in ("clock", "device")]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    events = spool.reader().events()
    for who in ("clock", "device"):
        assert [e["n"] for e in events if e["type"] == who] == list(range(100))
    spool.close()


def test_close_while_somebody_looks() -> None:
    """A view of the rows that outlives the spool keeps its memory and does not make close() fail."""
    numpy = pytest.importorskip("numpy")
    spool = memory_spool()
    fill(spool)
    rows = numpy.frombuffer(spool.view, "<i8", spool.shape.row_words + 2, spool.shape.rows_at)
    spool.close()
    assert rows[2] == 1000


# ---- torn and damaged


@pytest.mark.parametrize("part", ["stamp", "payload", "crc"])
@QUICK
@given(slot=st.integers(0, ROWS - 2), data=st.data())
def test_damaged_row_is_dropped_alone(
    image: bytes, part: str, slot: int, data: st.DataObject
) -> None:
    """A row with one wrong bit, wherever it is, is dropped; its neighbours are as they were."""
    good = found(reader_of(image))
    shape = reader_of(image).shape
    lo, hi = {"stamp": (0, 8), "crc": (8, 16), "payload": (PAYLOAD_AT, shape.row_size)}[part]
    at = shape.row_offset(slot) + data.draw(st.integers(lo, hi - 1))
    damaged = bytearray(image)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    assert found(reader_of(damaged)) == {t: r for t, r in good.items() if t != slot - 1}


@pytest.mark.parametrize("slot", [0, 7, ROWS - 2])
def test_torn_row(image: bytes, slot: int) -> None:
    """A row whose stamp was not written yet is not there."""
    shape = reader_of(image).shape
    torn = bytearray(image)
    struct.pack_into("<q", torn, shape.row_offset(slot), 0)
    assert set(found(reader_of(torn))) == set(range(-1, ROWS - 2)) - {slot - 1}


@QUICK
@given(at=st.integers(0, 300), bit=st.integers(0, 7))
def test_damaged_stage_head_is_dropped_alone(image: bytes, at: int, bit: int) -> None:
    """A staged sample with a wrong bit in its head is dropped, the other one is not."""
    shape = reader_of(image).shape
    damaged = bytearray(image)
    damaged[shape.stage_at + at % shape.stage_head] ^= 1 << bit
    assert [tick for tick, _at in reader_of(damaged).staged()] == [102]


def flips(first: int, last: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Places and bits to flip."""
    return st.lists(
        st.tuples(st.integers(first, last - 1), st.integers(0, 7)),
        min_size=1,
        max_size=4,
        unique=True,
    )


def flipped(image: bytes, places: list[tuple[int, int]]) -> bytearray:
    out = bytearray(image)
    for at, bit in places:
        out[at] ^= 1 << bit
    return out


def used_by_header() -> int:
    """Bytes of the header that say something, the length of the event log apart."""
    return header_offset(HEADER_FIELDS[-1]) + 8


@QUICK
@given(places=flips(0, used_by_header()))
@example(places=[(8 * 7, 2)])
@example(places=[(8 * 5, 62 - 56)])
def test_damaged_header(image: bytes, places: list[tuple[int, int]]) -> None:
    """Wrong bits in the header raise SpoolError with the name of the file."""
    with pytest.raises(SpoolError, match="the/file"):
        reader_of(flipped(image, places))


@QUICK
@given(places=flips(HEADER_BYTES, HEADER_BYTES + len(json.dumps(make_meta()))))
def test_damaged_meta(image: bytes, places: list[tuple[int, int]]) -> None:
    """Wrong bits in the meta data: SpoolError with file and place."""
    with pytest.raises(SpoolError, match=f"the/file: damaged at byte {HEADER_BYTES}"):
        reader_of(flipped(image, places))


@QUICK
@given(word=st.integers(0, 9), value=st.integers(-(2**63), 2**63 - 1))
@example(word=1, value=2**62)
@example(word=6, value=2**40)
@example(word=4, value=-1)
def test_header_words_of_any_size(image: bytes, word: int, value: int) -> None:
    """A header word with any other number than its own is refused."""
    out = bytearray(image)
    at = header_offset(HEADER_FIELDS[word])
    if struct.unpack_from("<q", out, at)[0] != value:
        struct.pack_into("<q", out, at, value)
        with pytest.raises(SpoolError, match="the/file"):
            reader_of(out)


@pytest.mark.parametrize("value", [-1, -(2**63), 1, 7, EVENTS_BYTES - 1, 2**62])
def test_wrong_length_of_the_event_log(image: bytes, value: int) -> None:
    """The events up to the first that is not whole; damage is named by an event of its own."""
    out = bytearray(image)
    at, word = events_used_piece(value)
    out[at : at + len(word)] = word
    events = reader_of(out).events()
    whole = [e for e in events if e["type"] != "damaged"]
    assert whole == EVENTS[: len(whole)]
    assert all("the/file: damaged at byte" in e["text"] for e in events[len(whole) :])
    assert value < 1000 or len(events) == len(EVENTS) + 1


@QUICK
@given(data=st.data())
def test_damaged_events(image: bytes, data: st.DataObject) -> None:
    """Events before wrong bits in the log are read; the damage is reported with its place."""
    reader = reader_of(image)
    start = reader.shape.events_at
    used = struct.unpack_from("<q", image, events_used_piece(0)[0])[0]
    places = data.draw(flips(start, start + used))
    events = reader_of(flipped(image, places)).events()
    whole = [e for e in events if e["type"] != "damaged"]
    assert whole == EVENTS[: len(whole)]
    if len(whole) < len(EVENTS):
        at = int(events[-1]["text"].split("byte ")[1].split(":")[0])
        assert events[-1]["type"] == "damaged" and start <= at <= max(p for p, _bit in places)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[]", b"1", b"{}", b'{"type": 1}', b"\xff", b"{"]
)
def test_event_that_is_none(body: bytes) -> None:
    """A right checksum does not make an event of it; it is named like damage."""
    spool = memory_spool()
    assert spool.event(EVENTS[0])
    at = spool.shape.events_at + spool.events_used
    write_event(spool.mm, spool.shape, spool.events_used, body)
    first, damage = spool.reader().events()
    assert first == EVENTS[0] and damage["type"] == "damaged" and "byte %d" % at in damage["text"]


@pytest.mark.parametrize(
    "doc",
    [
        b"[" * 100_000,
        b"[]",
        b'{"layout": 1, "raw_bytes": []}',
        b'{"layout": {"sources": [], "tables": {"a": 1}}}',
    ],
)
def test_meta_that_is_none(doc: bytes) -> None:
    """The same for the meta data."""
    shape = SpoolShape(len(doc), 3, CAPS, STAGE_SLOTS, ROWS)
    image = bytearray(shape.size)
    write_header(image, shape, doc)
    with pytest.raises(SpoolError, match="byte %d: meta data" % HEADER_BYTES):
        SpoolReader(image, "image")


@QUICK
@given(size=st.integers(0, 400_000))
@example(size=HEADER_BYTES)
def test_truncated(image: bytes, size: int) -> None:
    """A spool that lacks its end is refused by name, at any length."""
    with pytest.raises(SpoolError, match="the/file"):
        reader_of(image[: min(size, len(image) - 1)])


def test_too_long(image: bytes) -> None:
    """A spool with something behind its end has a wrong header."""
    with pytest.raises(SpoolError, match="the/file: damaged"):
        reader_of(image + b"\0" * 8)


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 5000])
def test_truncated_file(tmp_path: Path, image: bytes, size: int) -> None:
    """The same for a file, which must not be mapped before its size is known."""
    (tmp_path / "host").write_bytes(image[:size])
    with pytest.raises(SpoolError, match="host"):
        open_reader(str(tmp_path / "host"))


def test_not_a_spool(tmp_path: Path) -> None:
    """Another file, another version, nothing, a directory, a pipe: SpoolError, and no waiting."""
    (tmp_path / "text").write_bytes(b"hello\n" * 2000)
    os.mkfifo(tmp_path / "pipe")
    for name in ("text", "pipe", "nothing", "."):
        with pytest.raises(SpoolError, match=str(tmp_path)):
            open_reader(str(tmp_path / name))


def test_other_version(image: bytes) -> None:
    """A spool of another version is told from a damaged one."""
    out = bytearray(image)
    struct.pack_into("<q", out, header_offset("version"), 1)
    with pytest.raises(SpoolError, match="version 1, this program reads 2"):
        reader_of(out)


# ---- who may open it


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


# ---- room


def test_too_little_room_gives_fewer_rows(tmp_path: Path) -> None:
    """A limit takes rows away, down to 16; below that there is no spool."""
    empty = make_spool(tmp_path, rows=0)
    fixed, row = empty.shape.size, empty.shape.row_size
    empty.close(remove=True)
    spool = make_spool(tmp_path, rows=1000, max_bytes=fixed + 100 * row + row // 2)
    assert spool.shape.rows == 100 and os.path.getsize(str(spool.path)) == fixed + 100 * row
    spool.close(remove=True)
    for limit in (fixed + 15 * row, fixed, 1, 0, -5):
        with pytest.raises(SpoolError, match="rows of %d bytes" % row):
            make_spool(tmp_path, rows=1000, max_bytes=limit)
    make_spool(tmp_path, rows=1000, max_bytes=fixed + 16 * row).close(remove=True)


@pytest.mark.parametrize("call", ["posix_fallocate", "mmap"])
def test_no_space_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """No space or no map: SpoolError with the reason, no file and no descriptor left."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "mmap":
        fake = type("mmap", (), {"mmap": staticmethod(refuse), "MAP_SHARED": mmap.MAP_SHARED})
        monkeypatch.setattr(writer_module, "mmap", fake)
    else:
        monkeypatch.setattr(os, call, refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SpoolError, match="No space"):
        make_spool(tmp_path)
    assert list((tmp_path / user_directory() / "run").iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


IN_A_TMPFS = """
import sys, os
from spoolkit import make_spool
from mpi_collector.node.errors import SpoolError
from pathlib import Path
try:
    make_spool(Path(sys.argv[1]), rows=100000)
except SpoolError as e:
    files = [f for _d, _s, fs in os.walk(sys.argv[1]) for f in fs]
    print(e, files)
"""


def test_small_tmpfs(tmp_path: Path) -> None:
    """On a real tmpfs that is too small: an error instead of a killed process, and nothing left."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare")
    inner = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inner, "sh"]
    if subprocess.run([*command[:4], "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    env = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT}/tests/helpers")
    done = subprocess.run(
        [*command, str(tmp_path), sys.executable, IN_A_TMPFS],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "mount:" in done.stderr:
        pytest.skip("no tmpfs in a user namespace")
    assert "cannot allocate" in done.stdout and done.stdout.endswith("[]\n"), (
        done.stdout,
        done.stderr,
    )


def test_file_size_limit(tmp_path: Path) -> None:
    """A limit on file sizes is such a refusal, too."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))" + IN_A_TMPFS
    with script(code, tmp_path) as process:
        out, _ = process.communicate(timeout=60)
    assert "cannot allocate" in out and out.endswith("[]\n")
