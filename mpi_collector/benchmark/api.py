"""``collect(comm)``: record while a Python program runs, MPI or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.benchmark.collect import Collection, CollectPlan
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.suite_recorder import SuiteChildRecorder, SuiteRecorder
from mpi_collector.errors import ResultsError
from mpi_collector.formats.verdict import Verdict
from mpi_collector.node.options import (
    END_OF_SECONDS_S,
    MIN_INTERVAL_S,
    MIN_SAMPLES,
    SamplingOptions,
)
from mpi_collector.node.row.placement import POLICIES
from mpi_collector.node.sources import select
from mpi_collector.node.spool import marks
from mpi_collector.transport.ranks.coordinator import Coordinator

_JSON = ("auto", "always", "never")
_PATIENCE_S = (
    10.0  #: a rank with an exception waits so long for rank 0 to come to the end of the block, too
)
_SAMPLERS: dict[str, type[BatchRecorder]] = {"process": SuiteChildRecorder, "thread": SuiteRecorder}


class EmbeddedRecorder:
    """What ``with mpi_collector.collect(...) as recorder`` gives. Entering and leaving is collective over ``comm``."""

    def __init__(self, plan: CollectPlan, comm: Any, sampler: str, console: RunConsole) -> None:
        self._plan, self._comm, self._class, self._console = plan, comm, _SAMPLERS[sampler], console
        self._collection: Collection | None = None
        self._root: Coordinator | None = None
        self._member: Any = None
        self._world: Any = None
        self._on = False

    @property
    def files(self) -> list[Path]:
        """The files that were written; empty before the end and on other ranks than 0."""
        if self._collection is None or not self._collection.result:
            return []
        return sorted(self._collection.files.directory.glob(f"{self._collection.files.stem}_*"))

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the recording, on rank 0 after the end."""
        result = self._collection.result if self._collection is not None else None
        return result["verdict"] if result is not None else None

    def mark(self, text: str, edge: str = "point") -> None:
        """Mark this moment in the recording of this rank's host: a point, or the "begin" or "end" of a phase.

        From any rank, inside the block (afterwards it does nothing); not collective. ValueError for a text that is empty or
        longer than 200 characters.
        """
        made = marks.make(text, edge)
        if self._root is None and self._member is None:
            raise RuntimeError("not started")
        if self._on:
            try:
                (self._root or self._member).mark(made)
            except Exception as e:  # noqa: BLE001 - a mark that is lost is no reason for the program to fail
                self._console.warn(
                    f"warning: the mark {made['text']!r} is lost: {type(e).__name__}: {e}"
                )

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
            from mpi_collector.transport.ranks.world import World

            self._world = World(comm=self._comm)
        if self._world is not None and self._world.rank:
            self._follow()
        else:
            self._lead()
        return self

    def _follow(self) -> None:
        from mpi_collector.transport.ranks.worker import Worker

        self._member = Worker(self._world, self._class)
        self._member.hello()
        everybody = self._member.serve(("idle",))
        self._on = everybody and not self._member.released
        if not self._on:
            self._finish(everybody)
        if self._member.refused:
            raise ResultsError(self._member.refused)

    def _lead(self) -> None:
        collection = self._collection = Collection(self._plan, None, self._console)
        try:
            collection.reserve()
        except ResultsError as e:
            self._finish(
                self._world is None
                or Coordinator(self._plan.sampling, "", self._world).refuse(str(e))
            )
            raise
        self._root = Coordinator(
            self._plan.sampling, collection.run, self._world, None, self._class
        )
        try:
            collection.begin(self._root)
            self._on = True
        except Exception as e:  # noqa: BLE001 - whatever it is, the program goes on, and no rank waits for this one
            self._finish(collection.give_up(e))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._on:
            return
        self._on = False
        if self._member is not None:
            everybody = self._member.serve(("exit",), None if kind is None else _PATIENCE_S)
            if (
                not everybody and kind is not None
            ):  # rank 0 may be waiting for what this one will never do
                self._member.leave()
            self._finish(everybody)
            return
        collection = self._collection
        assert collection is not None
        try:
            collection.end(
                "the end of the block" if kind is None else f"an exception ({kind.__name__})"
            )
            everybody = collection.everybody
        except Exception as e:  # noqa: BLE001 - the program's own work is done, and is not to fail by ours
            everybody = collection.give_up(e)
        self._finish(everybody)

    def _finish(self, everybody: bool) -> None:
        if self._world is not None:
            self._world.finish(everybody)


def collect(
    comm: Any = None,
    interval: float = SamplingOptions.interval_s,
    *,
    results_dir: str | Path = "results",
    sources: str = SamplingOptions.sources,
    max_samples: int = SamplingOptions.max_samples,
    when_full: str = SamplingOptions.when_full,
    json: str = "auto",
    spool_dir: str = SamplingOptions.spool_dir,
    rescue_dir: str | None = None,
    sampler: str = "process",
    quiet: bool = False,
) -> EmbeddedRecorder:
    """Record the nodes of ``comm`` (an mpi4py communicator; None: this host) while the block runs.

    ``interval``: seconds between samples, 0.01 and up. ``sampler``: "process" (a child per node, neither GIL is in the
    way) or "thread". Other arguments as on the command line. Nobody waits inside MPI while the block runs.
    ValueError for an argument that cannot be, ResultsError when entering for a directory that cannot be written, both on
    every rank. What goes wrong later is said, and the program goes on.
    """
    if not MIN_INTERVAL_S <= interval < END_OF_SECONDS_S:
        raise ValueError(f"interval: {interval} is not between 0.01 and 1e9 seconds")
    if sampler not in _SAMPLERS:
        raise ValueError(f"sampler: {sampler!r} is none of {', '.join(_SAMPLERS)}")
    if when_full not in POLICIES:
        raise ValueError(f"when_full: {when_full!r} is none of {', '.join(POLICIES)}")
    if max_samples < MIN_SAMPLES:
        raise ValueError("max_samples: at least 2")
    if json not in _JSON:
        raise ValueError(f"json: {json!r} is none of {', '.join(_JSON)}")
    select(sources)
    options = SamplingOptions(
        interval_s=interval, max_samples=max_samples, when_full=when_full, sources=sources, spool_dir=spool_dir,
        rescue_dir=os.path.abspath(rescue_dir) if rescue_dir else None,
    )  # fmt: skip
    return EmbeddedRecorder(
        CollectPlan(options, Path(os.fspath(results_dir)), json), comm, sampler, RunConsole(quiet)
    )
