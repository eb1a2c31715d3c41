"""Write spools: what is written is read back; too little room is an error, not a crash."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from nodekit import ROOT, script
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
from mpi_collector.node.spool import marks
from mpi_collector.node.spool import writer as writer_module
from mpi_collector.node.spool.directory import (
    user_directory,
)
from mpi_collector.node.spool.format import (
    EVENTS_BYTES,
    HEADER_BYTES,
    write_event,
)
from mpi_collector.node.spool.reader import open_reader


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
    """When the log is full an event is refused and counted; those in it stay; the end has room."""
    spool = memory_spool()
    big = {"type": "device", "text": "x" * 60_000}
    kept = [spool.event(big) for _ in range(10)]
    assert kept == [True] * 4 + [False] * 6 and spool.events_lost == 6
    assert spool.event({"type": "small"}) and spool.reader().events() == [big] * 4 + [
        {"type": "small"}
    ]
    while spool.event({"type": "small"}):
        pass
    last = [{"type": t, "why": "x" * 1000} for t in ("aborted", "dropped", "end")]
    assert [spool.event(e) for e in last] == [True] * 3
    assert spool.reader().events()[-3:] == last
    spool.close()


@pytest.mark.parametrize("devices", [0, 1_500])
def test_marks_have_a_bound_of_their_own(devices: int) -> None:
    """However many there are, all others of the log find room, and the other way round."""
    spool = memory_spool()
    device = {"type": "device", "source": "netdev", "text": "x" * 60}  # 120 bytes in the log
    assert all(spool.event(device) for _ in range(devices))
    taken = [spool.event(marks.make(f"mark {n}")) for n in range(1_000)]
    many = sum(taken)
    assert taken == [True] * many + [False] * (1_000 - many) and many >= 300
    assert spool.events_lost == 0
    assert all(spool.event(device) for _ in range(1_500 - devices))
    assert spool.event({"type": "end"})
    assert [e["type"] for e in spool.reader().events()].count("mark") == many
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
    """A view of the rows that outlives the spool keeps its memory; close() does not fail."""
    numpy = pytest.importorskip("numpy")
    spool = memory_spool()
    fill(spool)
    rows = numpy.frombuffer(spool.view, "<i8", spool.shape.row_words + 2, spool.shape.rows_at)
    spool.close()
    assert rows[2] == 1000


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
        with pytest.raises(
            SpoolError, match=r"a spool of 16 rows needs 0\.3 MB, and it may have \d"
        ):
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
