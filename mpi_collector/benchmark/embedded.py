"""``collect(comm)``: record while a Python program runs, MPI or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from mpi_collector.benchmark.collect import Collection, CollectPlan
from mpi_collector.benchmark.recorder import SuiteChildRecorder, SuiteRecorder
from mpi_collector.benchmark.teller import Teller
from mpi_collector.node import marks
from mpi_collector.node.rows import POLICIES
from mpi_collector.node.sources import select
from mpi_collector.transport.options import SamplingOptions
from mpi_collector.transport.recorder import NodeRecorder
from mpi_collector.transport.root import Root

_SAMPLERS: dict[str, type[NodeRecorder]] = {"process": SuiteChildRecorder, "thread": SuiteRecorder}


class EmbeddedRecorder:
    """What ``with mpi_collector.collect(...) as recorder`` gives. Entering and leaving is collective over ``comm``."""

    def __init__(self, plan: CollectPlan, comm: Any, sampler: str, teller: Teller) -> None:
        self._plan, self._comm, self._class, self._teller = plan, comm, _SAMPLERS[sampler], teller
        self._collection: Collection | None = None
        self._root: Root | None = None
        self._member: Any = None
        self._world: Any = None

    @property
    def files(self) -> list[Path]:
        """The files that were written; empty before the end and on other ranks than 0."""
        if self._collection is None or not self._collection.result:
            return []
        return sorted(self._collection.files.directory.glob(f"{self._collection.files.stem}_*"))

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The verdict of the recording, on rank 0 after the end."""
        return self._collection.result.get("verdict") if self._collection is not None else None

    def mark(self, text: str, edge: str = "point") -> None:
        """Mark this moment in the recording of this rank's host: a point, or the "begin" or "end" of a phase.

        From any rank, inside the block; not collective. ValueError for a text that is empty or longer than 200 characters.
        """
        made = marks.make(text, edge)
        if self._root is not None:
            self._root.mark(made)
        elif self._member is not None:
            self._member.mark(made)
        else:
            raise RuntimeError("not started")

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Mark the begin and the end of a block of code."""
        self.mark(text, "begin")
        try:
            yield
        finally:
            self.mark(text, "end")

    def __enter__(self) -> EmbeddedRecorder:
        if self._comm is not None:
            from mpi_collector.transport.mpi import World

            self._world = World(comm=self._comm)
        if self._world is not None and self._world.rank:
            from mpi_collector.transport.member import Member

            self._member = Member(self._world, self._class)
            self._member.hello()
            self._member.serve(("idle", "follow"))
            return self
        self._collection = Collection(self._plan, None, self._teller)
        self._collection.reserve()
        self._root = Root(self._plan.sampling, self._collection.run, self._world, None, self._class)
        self._collection.begin(self._root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._member is not None:
            everybody = self._member.serve(("exit",))
        else:
            assert self._collection is not None
            self._collection.end("the end of the block" if kind is None else f"an exception ({kind.__name__})")
            everybody = self._collection.everybody
        if self._world is not None:
            self._world.finish(everybody)


def collect(
    comm: Any = None,
    interval: float = 10.0,
    *,
    results_dir: str | Path = "results",
    sources: str = "default",
    max_samples: int = 3600,
    when_full: str = "decimate",
    json: str = "auto",
    spool_dir: str = "/dev/shm",
    rescue_dir: str | None = None,
    sampler: str = "process",
    quiet: bool = False,
) -> EmbeddedRecorder:
    """Record the nodes of ``comm`` (an mpi4py communicator; None: this host) while the block runs.

    ``interval``: seconds between samples, 0.01 and up. ``sampler``: "process" (a child per node, neither GIL is in the
    way) or "thread". Other arguments as on the command line. Nobody waits inside MPI while the block runs.
    ValueError for an argument that cannot be, on every rank.
    """
    if not 0.01 <= interval < 1e9:
        raise ValueError(f"interval: {interval} is not between 0.01 and 1e9 seconds")
    if sampler not in _SAMPLERS:
        raise ValueError(f"sampler: {sampler!r} is none of {', '.join(_SAMPLERS)}")
    if when_full not in POLICIES:
        raise ValueError(f"when_full: {when_full!r} is none of {', '.join(POLICIES)}")
    if max_samples < 2:
        raise ValueError("max_samples: at least 2")
    select(sources)
    options = SamplingOptions(
        interval_s=interval, max_samples=max_samples, when_full=when_full, sources=sources, spool_dir=spool_dir,
        rescue_dir=os.path.abspath(rescue_dir) if rescue_dir else None,
    )  # fmt: skip
    return EmbeddedRecorder(CollectPlan(options, Path(os.fspath(results_dir)), json), comm, sampler, Teller(quiet))
