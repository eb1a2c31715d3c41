"""Helpers of node tests: fixture trees, spools, a sampler with a fake clock, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from mpi_collector.node import sources
from mpi_collector.node.compat import Clock
from mpi_collector.node.read.probe import STAGE_SLOTS, Probe
from mpi_collector.node.row.decode import RowDecoder, SourceDecoder, make_layout
from mpi_collector.node.row.layout import MISSING, Layout
from mpi_collector.node.sample.sampler import Sampler, TickGrid
from mpi_collector.node.sources.base import KernelFileSource
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.spool.writer import Spool
from mpi_collector.node.table.table import SampleTable

FIXTURES = Path(__file__).parents[1] / "fixtures"
TREES = ("linux-2.6.32", "linux-4.18", "linux-6.18", "big-256cpu")
SOURCES = tuple(
    s.name for s in sources.select("basic,stat")
)  #: those that have a file in every fixture
ROOT = Path(__file__).parents[2]
MS = 1_000_000
HOUR = 3600 * 1000 * MS
HEAD = ("begin_mono_ns", "begin_wall_ns", "late_ns", "duration_ns", "flags")

#: property tests: no time limit per example on a noisy machine
QUICK = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def path_of(source: str) -> str:
    """The path of a source's one kernel file below the root."""
    cls = sources.BY_NAME[source]
    assert issubclass(cls, KernelFileSource)
    return cls.path


def text_of(tree: str, source: str) -> bytes:
    """A kernel file of a fixture tree."""
    return (FIXTURES / tree / path_of(source)).read_bytes()


def edge(name: str) -> bytes:
    """One of the broken files."""
    return (FIXTURES / "edge" / name).read_bytes()


def cells_of(layout: Layout, row: Sequence[int]) -> dict[str, int]:
    """{column name: value} of the slots that are taken, missing ones included."""
    return {c.name: v for c, v in zip(layout.columns(), row) if c.device is not None}


def present(cells: dict[str, int]) -> dict[str, int]:
    """Without what is missing."""
    return {name: value for name, value in cells.items() if value != MISSING}


class Decoded:
    """One source alone: its layout from the first text, and a decoder that remembers its events."""

    def __init__(self, source: str, first: bytes) -> None:
        self.source = sources.BY_NAME[source]()
        self.layout = make_layout([self.source], [first])
        self.events: list[dict[str, Any]] = []
        self.rows = RowDecoder([self.source], self.layout, self.events.append)

    @property
    def decoder(self) -> SourceDecoder:
        return self.rows.decoders[0]

    def decode(self, text: bytes, tick: int = 0) -> tuple[dict[str, int], int]:
        """(cells as a reader of the spool sees them, status)."""
        row, statuses = self.rows.decode([text], tick)
        stored = memoryview(self.rows.to_bytes(row)).cast("q")
        cells = cells_of(self.layout, stored.tolist())
        return {k: v for k, v in cells.items() if not k.startswith("collector.")}, statuses[0]


def make_root(root: Path, files: dict[str, bytes]) -> str:
    """A file system with these kernel files, by source name."""
    for source, text in files.items():
        path = root / path_of(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return str(root)


def memory_spool(probe: Probe, rows: int = 64, stage_slots: int = STAGE_SLOTS) -> Spool:
    """A spool in plain memory."""
    return Spool.create(None, "memory", probe.meta(), probe.caps, stage_slots, rows)


def file_spool(
    base: Path, probe: Probe, rows: int = 64, run: str = "run", name: str = "host"
) -> Spool:
    """A spool in ``base``, as a run makes it."""
    directory = RunDirectory(str(base), run).open()
    try:
        return Spool.create(directory, name, probe.meta(), probe.caps, STAGE_SLOTS, rows)
    finally:
        os.close(directory)


def read_rows(reader: SpoolReader) -> dict[int, tuple[dict[str, int], list[int], dict[str, int]]]:
    """{tick: (cells, status per source, header words by name)} of everything that is in a spool."""
    table = SampleTable(reader)
    out = {}
    for n, tick in enumerate(table.ticks):
        head = {name: table.head(name)[n] for name in HEAD}
        out[tick] = (cells_of(table.layout, table.row(n)), [s[n] for s in table.statuses()], head)
    return out


class Run:
    """Probe, spool and sampler in one; closes all of it."""

    def __init__(
        self,
        spec: str = "basic",
        root: str = "/",
        rows: int = 64,
        spool: Spool | None = None,
        time: FakeTime | None = None,
        **how: Any,
    ) -> None:
        self.probe = Probe(sources.select(spec), root)
        self.spool = spool or memory_spool(self.probe, rows)
        if time is not None:
            how.update(timer=time, clock=time.clock)
        self.sampler = Sampler(self.probe, self.spool, **how)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.sampler.running:
            self.sampler.stop()
        self.sampler.close()
        self.spool.close(remove=True)

    def rows(self) -> dict[int, tuple[dict[str, int], list[int], dict[str, int]]]:
        return read_rows(self.spool.reader())


class FakeTime:
    """A Timer and a clock that only the timer moves: hours of sampling in seconds.

    ``late(deadline)``: extra ns to sleep.
    """

    early_ns = 0

    def __init__(self, late: Callable[[int], int] = lambda deadline: 0) -> None:
        self.now = 10**15
        self.late = late
        self.clock = Clock(mono=lambda: self.now)
        self.deadline = 0
        self.period = 0

    def arm(self, deadline_ns: int, period_ns: int) -> bool:
        self.deadline = deadline_ns
        self.period = period_ns
        return True

    def block(self) -> None:
        self.now = max(self.now, self.deadline) + self.late(self.deadline)
        self.deadline += self.period

    def wake(self) -> None:
        """No-op: it never sleeps."""

    def close(self) -> None:
        """No-op: it holds no descriptor."""

    def grid(self, interval_ns: int, ticks: int) -> TickGrid:
        """Return a grid that begins now and has so many ticks."""
        return TickGrid(self.now, interval_ns, self.now + ticks * interval_ns)


def script(code: str, *args: object, **kw: Any) -> subprocess.Popen[str]:
    """Run ``code`` in another process that finds the package and these helpers."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join((str(ROOT), str(Path(__file__).parent))))
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **kw
    )


def resident_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
