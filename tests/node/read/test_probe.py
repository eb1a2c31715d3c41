"""Which sources a node has; sources that hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import nodekit as kit
import pytest
from nodekit import make_root, text_of

from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.read.reader import Reader
from mpi_collector.node.row.layout import Field
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.sources import BY_NAME
from mpi_collector.node.sources.base import ReaderSource
from mpi_collector.node.status import ABSENT, ERROR, OK, SLOW


def test_absent_and_unreadable_files(tmp_path: Path) -> None:
    """A file that is not there or is no file leaves its source out, with the reason; the others are sampled."""
    root = make_root(
        tmp_path,
        {"meminfo": text_of("linux-4.18", "meminfo"), "loadavg": b"0.01 0.02 0.03 1/2 3\n"},
    )
    (tmp_path / "proc" / "stat").mkdir()
    probe = Probe(sources.select("basic,stat"), root)
    probe.close()
    assert probe.layout.sources == ["meminfo", "loadavg"]
    assert probe.absent == {"diskstats": ABSENT, "netdev": ABSENT, "vmstat": ABSENT, "stat": ERROR}


class Hanging(ReaderSource, Reader):
    """Where it hangs: ``opened``, ``first`` or ``later``."""

    name = "hanging"
    doc = "for a test"
    may_block = True
    start_s = 0.05
    fields = (Field("value", "", "gauge", "a number"),)
    over: ClassVar[threading.Event]

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.reads = where, 0

    def reader(self, root: str) -> Any:
        self._wait("opened")
        return self

    def _wait(self, where: str) -> None:
        if where == self.where:
            self.over.wait(60)

    def read(self) -> bytes:
        self.reads += 1
        self._wait("first" if self.reads == 1 else "later")
        return b"it value 7"

    def close(self) -> None:
        pass


@pytest.fixture
def released() -> Iterator[None]:
    Hanging.over = threading.Event()
    yield
    Hanging.over.set()


@pytest.mark.parametrize("where", ["opened", "first"])
def test_a_source_that_hangs_at_the_start_is_not_there(where: str, released: None) -> None:
    probe = Probe([Hanging(where), BY_NAME["loadavg"]()])
    assert [s.name for s in probe.sources] == ["loadavg"]
    assert probe.absent == {"hanging": ERROR}
    assert "did not answer within 0.05 s" in probe.reasons["hanging"]
    probe.close()


def test_a_source_that_hangs_leaves_every_row_of_the_others(released: None) -> None:
    probe = Probe([BY_NAME["loadavg"](), Hanging("later")])
    spool = kit.memory_spool(probe)
    sampler = Sampler(probe, spool)
    sampler.start(TickGrid(time.monotonic_ns(), 100 * kit.MS, time.monotonic_ns() + 1000 * kit.MS))
    sampler._thread.join(30)
    taken = sampler.stop()
    rows = kit.read_rows(spool.reader())
    assert len(rows) == taken > 5
    for cells, statuses, _head in rows.values():
        assert statuses == [OK, SLOW]
        assert cells["loadavg.last_pid"] > 0
    sampler.close()
    spool.close(remove=True)
