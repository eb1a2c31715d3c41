"""Sources that could not be opened at the start, and are there later."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.node.read.file_group import FileGroup
from mpi_collector.node.read.late import LateReadable
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.read.reader import Reader
from mpi_collector.node.row.layout import Field
from mpi_collector.node.sources import select
from mpi_collector.node.sources.base import ReaderSource
from mpi_collector.node.status import ABSENT, DENIED, ERROR, SLOW


def texts(late: LateReadable, readings: int) -> list[bytes | int]:
    view = memoryview(bytearray(late.capacity))
    out: list[bytes | int] = []
    for _ in range(readings):
        try:
            n = late.read(view)
        except OSError as e:
            out.append(e)  # type: ignore[arg-type]
        else:
            out.append(bytes(view[:n]) if n >= 0 else n)
    return out


@pytest.mark.parametrize(
    ("code", "status"), [(errno.ENOENT, ABSENT), (errno.EACCES, DENIED), (errno.EIO, ERROR)]
)
def test_what_is_there_later(tmp_path: Path, code: int, status: int) -> None:
    """Attempts at the readings 1, 2, 4, 8: in between the status of the last one."""
    attempts: list[int] = []

    def open_now() -> FileGroup:
        attempts.append(len(attempts))
        if len(attempts) < 4:
            raise OSError(code, os.strerror(code))
        return FileGroup(str(tmp_path), lambda: [("a", "a")])

    (tmp_path / "a").write_text("1\n")
    late = LateReadable(open_now, OSError(code, ""))
    assert late.first() == b""
    found = texts(late, 9)
    assert found[2] == found[4] == found[6] == -status
    assert found[7:] == [b"@a\n1\n"] * 2
    assert len(attempts) == 4
    late.close()
    late.close()


def test_a_first_reading_that_fails_is_no_open_file(tmp_path: Path) -> None:
    closed = []

    class Fails(FileGroup):
        def first(self) -> bytes:
            raise OSError(errno.EIO, "")

        def close(self) -> None:
            closed.append(1)
            super().close()

    (tmp_path / "a").write_text("1\n")
    late = LateReadable(lambda: Fails(str(tmp_path), lambda: [("a", "a")]), OSError(errno.EIO, ""))
    texts(late, 3)
    assert len(closed) == 2
    late.close()


def test_columns_are_reserved_for_what_is_named(tmp_path: Path) -> None:
    """And for what is there and fails; the columns of a group's sources would be many."""
    for spec, wanted in (("lustre", ["lustre"]), ("default", [])):
        probe = Probe(select(spec), str(tmp_path))
        assert [s.name for s in probe.sources if s.name == "lustre"] == wanted
        assert probe.absent["lustre"] == ABSENT
        tables = {t.name for t in probe.layout.tables if t.source == "lustre"}
        assert tables == ({"llite", "osc", "mdc", "lnet"} if wanted else set())
        probe.close()


class Slow(ReaderSource, Reader):
    """Hangs when it is opened first."""

    name = "slow"
    doc = "for a test"
    may_block = True
    start_s = 0.05
    fields = (Field("value", "items", "gauge", "a number"),)
    fields_from_start = True

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def reader(self, root: str) -> Any:
        self.over.wait(60)
        return self

    def read(self) -> bytes:
        return b"it value 7"

    def close(self) -> None:
        pass


def test_what_hung_at_the_start(tmp_path: Path) -> None:
    """It takes a further thread at most, however often it is read, and is there once it answers."""
    source = Slow()
    probe = Probe([source], str(tmp_path))
    assert probe.absent == {"slow": ERROR}
    (opened,) = probe.files
    view = memoryview(bytearray(opened.capacity))
    before = threading.active_count()
    assert [opened.read_into(view, tick) for tick in range(3)] == [-SLOW] * 3
    assert threading.active_count() <= before + 1
    source.over.set()
    found = -SLOW
    for tick in range(3, 600):
        found = opened.read_into(view, tick)
        if found > 0:
            break
        time.sleep(0.1)
    assert bytes(view[:found]) == b"it value 7"
    probe.close()


def test_what_has_come_is_named_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    probe = Probe(select("default"), str(tmp_path))
    assert probe.came() == []
    (tmp_path / "proc/fs/lustre").mkdir(parents=True)
    assert probe.came() == ["lustre"]
    probe.close()


def test_a_driver_of_gpus_that_was_loaded_later_is_named(tmp_path: Path) -> None:
    """NVML takes seconds to start: that its driver is there is enough."""
    (tmp_path / "proc").mkdir()
    probe = Probe(select("all"), str(tmp_path))
    assert "gpu" not in probe.came()
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: 550.54\n")
    assert "gpu" in probe.came()
    probe.close()
