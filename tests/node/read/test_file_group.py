"""Sources of several files, of files that come, go, grow, cost or hang; and what a source needs to be one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import nodekit as kit
import pytest

from mpi_collector.node.read import worker
from mpi_collector.node.read.file_group import FileGroup
from mpi_collector.node.read.pacing import Throttled
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.read.reader import CondensedFile, ReaderFile
from mpi_collector.node.read.worker import BlockingReader
from mpi_collector.node.row.layout import Field
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.sources import ALL, BY_NAME, interrupts
from mpi_collector.node.sources.base import KernelFileSource, ReaderSource
from mpi_collector.node.status import ERROR, OK, SKIPPED, SLOW


def test_files_that_come_and_go(tmp_path: Path) -> None:
    for n in ("a", "b"):
        (tmp_path / n).write_text(f"{n}\n")
    files = FileGroup(
        str(tmp_path), lambda: [(n, n) for n in sorted(os.listdir(tmp_path))], relist_every=1
    )
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


def test_a_made_text_that_grows() -> None:
    class Reader:
        text = b"a b 1\n"

        def read(self) -> bytes:
            return self.text

        def close(self) -> None:
            pass

    made = ReaderFile(Reader())
    made.first()
    view = memoryview(bytearray(made.capacity))
    Reader.text = b"x" * (2 * len(view))
    assert made.read(view) == len(view)


def test_a_megabyte_of_interrupts_leaves_a_line_per_device(tmp_path: Path) -> None:
    """4096 CPUs: the sums are kept, and the spool need not hold the text."""
    cpus, cards = 4096, 24
    lines = ["      " + "".join(f"{'CPU%d' % c:>11}" for c in range(cpus))]
    for n in range(cards):
        lines.append(f"{100 + n:>5}:" + "".join(f"{n * (c == n):>11}" for c in range(cpus)) + f" IR-PCI-MSIX-0000:21:00.{n % 2}    {n}-edge      mlx5_comp{n}@pci:0000:21:00.{n % 2}")  # fmt: skip
    lines.append("  LOC:" + f"{7:>11}" * cpus + "   Local timer interrupts")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_text("\n".join(lines) + "\n")
    assert (tmp_path / "proc/interrupts").stat().st_size > 1 << 20
    reader = CondensedFile(str(tmp_path), "proc/interrupts", interrupts.condense)
    assert reader.read().split() == [*b"LOC count 28672".split(), *b"mlx5_comp@pci:0000:21:00.0 count 132".split(),
                                     *b"mlx5_comp@pci:0000:21:00.1 count 144".split()]  # fmt: skip
    reader.close()
    probe = Probe([BY_NAME["interrupts"]()], str(tmp_path))
    assert probe.caps[0] < 1 << 16
    probe.close()


# ---- now and then
class Counting:
    capacity = 100

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost_us: int = 0) -> None:
        self.now, self.cost_us = 0, cost_us

    def read(self, view: memoryview) -> int:
        self.now += 1000 * self.cost_us
        return 1

    def close(self) -> None:
        pass


def paced(inner: Any, every: int, budget_us: int) -> tuple[Throttled, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    out = Throttled(inner, "x", every, budget_us, lambda: inner.now)
    out.on_event = events.append
    return out, events


def reads(source: Throttled, ticks: range) -> list[int]:
    """The ticks at which it was read."""
    view = memoryview(bytearray(10))
    return [t for t in ticks if source.read_into(view, t) == 1]


def test_every_nth_tick_and_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = paced(Counting(monkeypatch), 4, 0)
    view = memoryview(bytearray(10))
    assert [source.read_into(view, t) for t in range(6)] == [
        1,
        -SKIPPED,
        -SKIPPED,
        -SKIPPED,
        1,
        -SKIPPED,
    ]
    assert source.read_into(view, -1) == 1


@pytest.mark.parametrize(("cost_us", "every"), [(99, 1), (150, 2), (390, 4), (10_000, 64)])
def test_a_source_above_its_budget_is_read_less_often_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, cost_us: int, every: int
) -> None:
    """So often that, spread over its ticks, it keeps its budget; one in 64 at least."""
    source, events = paced(Counting(monkeypatch, cost_us), 1, 100)
    seen = reads(source, range(4096))
    assert source.every == every
    assert [e["every"] for e in events] == [2**n for n in range(1, every.bit_length())]
    assert all(e["type"] == "slowed" and e["cost_us"] > 0 for e in events)
    assert seen[-1] - seen[-2] == every


def test_one_dear_reading_slows_nothing_down(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch, 20)
    source, events = paced(counting, 1, 100)
    reads(source, range(20))
    counting.cost_us = 60_000_000
    reads(source, range(20, 21))
    counting.cost_us = 20
    reads(source, range(21, 60))
    assert events == []


def test_what_has_become_cheap_again_is_read_as_often_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = Counting(monkeypatch, 1000)
    source, events = paced(counting, 4, 100)
    reads(source, range(2048))
    assert source.every == 64
    counting.cost_us = 5
    reads(source, range(2048, 8192))
    assert source.every == 4
    assert [e["every"] for e in events] == [8, 16, 32, 64, 32, 16, 8, 4]


# ---- what hangs
class Gate:
    """Answers when it is let; every answer is another one."""

    capacity = 64

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.asked, self.answers = threading.Semaphore(0), threading.Semaphore(0), 0
        self.now, self.takes_ns = 0, 0

    def first(self) -> bytes:
        return b"first"

    def read(self, view: memoryview) -> int:
        self.asked.release()
        assert self.open.acquire(timeout=30)
        self.answers += 1
        self.now += self.takes_ns
        view[:1] = b"%d" % self.answers
        return 1

    def close(self) -> None:
        pass


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gate, BlockingReader]]:
    inner = Gate(monkeypatch)
    outer = BlockingReader(inner, clock=lambda: inner.now)
    assert outer.first() == b"first"
    yield inner, outer
    inner.open.release(100)
    outer.close()


def ask(outer: BlockingReader) -> bytes | int:
    view = memoryview(bytearray(64))
    n = outer.read(view)
    return bytes(view[:n]) if n >= 0 else n


def test_who_hangs_is_not_waited_for_again(gate: tuple[Gate, BlockingReader]) -> None:
    inner, outer = gate
    assert [ask(outer) for _ in range(5)] == [-SLOW] * 5
    assert inner.asked.acquire(timeout=30)
    assert not inner.asked.acquire(blocking=False)  # asked once
    assert worker.stuck_in_kernel(0)  # and the process is known to have somebody in the kernel
    inner.open.release()
    assert outer.wait(30)
    assert not worker.stuck_in_kernel(0)


def test_an_answer_that_came_after_its_sample_is_not_told(
    gate: tuple[Gate, BlockingReader],
) -> None:
    """It is of then; a new one is asked for."""
    inner, outer = gate
    assert ask(outer) == -SLOW
    inner.takes_ns = 30_000_000
    inner.open.release(2)
    assert outer.wait(30)
    assert ask(outer) == b"2"
    assert outer.cost_ns == 60_000_000  # both are charged


def test_of_a_source_that_is_always_late_the_last_answer_is_told(
    gate: tuple[Gate, BlockingReader],
) -> None:
    inner, outer = gate
    inner.takes_ns = 300_000_000
    for n in (b"1", b"2"):
        assert ask(outer) == -SLOW
        inner.open.release()
        assert outer.wait(30)
        assert ask(outer) == n
        assert outer.cost_ns == inner.takes_ns
    assert inner.answers == 2


def test_what_it_raises_is_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Gate):
        def read(self, view: memoryview) -> int:
            raise PermissionError(13, "no")

    outer = BlockingReader(Broken(monkeypatch))
    outer.first()
    source = Throttled(outer, "x", 1, 0)
    view = memoryview(bytearray(8))
    statuses = {source.read_into(view, t) for t in range(3)}
    assert statuses <= {-2, -SLOW}  # denied
    outer.close()


class Hanging(ReaderSource):
    """Where it hangs: ``opened``, ``first`` or ``later``."""

    name = "hanging"
    doc = "for a test"
    may_block = True
    start_s = 0.05
    fields = (Field("value", "", "gauge", "a number"),)
    over: ClassVar[threading.Event]

    def __init__(self, where: str) -> None:
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


# ---- the registry
def test_a_source_is_one_module(tmp_path: Path) -> None:
    """A file in the folder, and nothing else: it is in its groups, in ``sources``, in the agent's package, and is recorded."""
    import shutil
    import subprocess
    import sys

    import mpi_collector

    package = tmp_path / "mpi_collector"
    shutil.copytree(
        Path(mpi_collector.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "node/sources/entropy.py").write_text('''
"""/proc/sys/kernel/random/entropy_avail: entropy that is left."""

from ..row.layout import Field
from ..row.scan import Cell, Scan
from .base import KernelFileSource


class Entropy(KernelFileSource):
    name = "entropy"
    path = "proc/sys/kernel/random/entropy_avail"
    doc = "entropy that is left"
    fields = (Field("available", "bits", "gauge", "entropy that is left"),)

    def scan(self, text):
        scan = Scan()
        scan.add(Cell("", "", "available"))
        return scan
''')
    program = f"""
import sys, time
sys.path.insert(0, {str(tmp_path)!r})
import mpi_collector
from mpi_collector.node.sources import GROUPS, select
from mpi_collector.transport.ssh.bootstrap import _LOADER, _package
assert "entropy" in GROUPS["default"] and "entropy" not in GROUPS["basic"]
with mpi_collector.collect(interval=0.1, sources="basic,entropy", results_dir="r", spool_dir="s", quiet=True, sampler="thread"):
    time.sleep(0.3)
with mpi_collector.load("r") as run:
    (host,) = run.values()
    assert host.value("entropy.available").min() > 0
import json, zlib, importlib.util, importlib.abc
loader = _LOADER[_LOADER.index("class _Memory"):_LOADER.index("_head = ")]
exec("import importlib.util, importlib.abc\\n" + loader)
sys.meta_path.insert(0, _Memory(json.loads(zlib.decompress(_package()).decode())))
from mpi_collector_node.sources import ALL as shipped
assert "entropy" in [s.name for s in shipped]
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-m", "mpi_collector", "sources", "entropy"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert "entropy.available" in done.stdout


def test_what_may_hang_is_read_last() -> None:
    blocking = [s.may_block for s in ALL]
    assert blocking == sorted(blocking)
    assert all(s.budget_us for s in ALL if s.may_block or not issubclass(s, KernelFileSource))
    assert len(BY_NAME) == len(ALL) >= 21
