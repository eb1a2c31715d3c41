"""``mpi_collector.collect``: record while a block of a Python program runs, with or without MPI."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.benchmark.child_recorder import SuiteChildRecorder
from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.suite_recorder import ThreadRecorder
from mpi_collector.errors import ResultsError
from mpi_collector.formats.verdict import Verdict
from mpi_collector.node.knobs import file_system_root
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
from mpi_collector.transport.ranks.release import refuse

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.worker import Worker
    from mpi_collector.transport.ranks.world import World

#: at an exception a rank waits so long for rank 0 to come to the end of the block, too
PATIENCE_S = 10.0
SAMPLERS: dict[str, type[BatchRecorder]] = {"process": SuiteChildRecorder, "thread": ThreadRecorder}
_JSON = ("auto", "always", "never")


class EmbeddedRecorder:
    """A recording of a block of a program: what ``with mpi_collector.collect(...)`` gives.

    Entering and leaving the block is collective over the communicator; nothing in between is. A
    failure to record never fails the program: it is reported, and the block runs unrecorded.
    The one exception is ResultsError at the entry, on every rank, for a results directory that
    cannot be written.
    """

    def __init__(self, plan: CollectPlan, comm: Any, sampler: str, console: RunConsole) -> None:
        self._plan = plan
        self._comm = comm
        self._recorder_class = SAMPLERS[sampler]
        self._console = console
        self._world: World | None = None  #: None: no MPI
        self._collection: Collection | None = None  #: on rank 0
        self._coordinator: Coordinator | None = None  #: on rank 0
        self._worker: Worker | None = None  #: on the other ranks
        self._recording = False
        self._has_lost_mark = False  #: one was reported

    @property
    def files(self) -> list[Path]:
        """The files that were written; empty before the end and on ranks other than 0."""
        if self._collection is None or self._collection.result is None:
            return []
        return self._collection.written

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the recording, on rank 0 after the end; None otherwise."""
        result = self._collection.result if self._collection is not None else None
        return result["verdict"] if result is not None else None

    def mark(self, text: str, edge: str = "point") -> None:
        """Mark this moment in the recording of this rank's host; from any rank, not collective.

        ``edge``: "point", or the "begin" or "end" of a phase. ValueError for another one and for a
        text that is empty or longer than 200 characters; RuntimeError before the block. After the
        block it does nothing.
        """
        made = marks.make(text, edge)
        recorder = self._coordinator or self._worker
        if recorder is None:
            raise RuntimeError("not started")
        if self._recording:
            try:
                recorder.mark(made)
            except Exception as e:  # noqa: BLE001 - a lost mark is no reason to fail the program
                if not self._has_lost_mark:
                    self._has_lost_mark = True
                    self._console.warn(f"warning: the mark {made['text']!r} is lost: {e}")

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
            self._enter_as_worker(self._world)
        else:
            self._enter_as_coordinator()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._recording:
            return
        self._recording = False
        if self._worker is not None:
            self._exit_as_worker(self._worker, kind)
        elif self._collection is not None:
            self._exit_as_coordinator(self._collection, kind)

    def _enter_as_worker(self, world: World) -> None:
        """Serve rank 0 until every host is being sampled; ResultsError when rank 0 raises it."""
        from mpi_collector.transport.ranks.worker import Worker

        worker = self._worker = Worker(world, self._recorder_class)
        worker.hello()
        all_present = worker.serve(("idle",))
        self._recording = all_present and not worker.released
        if not self._recording:
            self._finish(all_present)
        if worker.refused:
            raise ResultsError(worker.refused)

    def _enter_as_coordinator(self) -> None:
        """Reserve the names and start all hosts.

        ResultsError when the names cannot be had: the other ranks are told, and raise it too. Any
        other failure is reported, the other ranks are released, and the block runs unrecorded.
        """
        options = self._plan.sampling
        try:
            collection = self._collection = Collection.reserve(self._plan, self._console)
        except (ResultsError, OSError) as e:
            world = self._world
            refused = str(e) if isinstance(e, ResultsError) else ""
            self._finish(world is None or refuse(options, world, refused))
            if refused:
                raise
            self._console.warn(f"warning: the block is not recorded: {e}")
            return
        coordinator = self._coordinator = Coordinator(
            options, collection.run, self._world, None, self._recorder_class
        )
        try:
            collection.begin(coordinator)
            self._recording = True
        except Exception as e:  # noqa: BLE001 - the program goes on, and no rank waits for this one
            collection.give_up(e)
            collection.close()
            self._finish(bool(collection.all_present))

    def _exit_as_worker(self, worker: Worker, kind: type[BaseException] | None) -> None:
        """Serve rank 0 until the recording has ended.

        With an exception of this rank for a limited time only: rank 0 may be waiting in MPI for
        something that this rank will never do.
        """
        all_present = worker.serve(("exit",), None if kind is None else PATIENCE_S)
        if not all_present and kind is not None:
            worker.leave()
        self._finish(all_present)

    def _exit_as_coordinator(
        self, collection: Collection, kind: type[BaseException] | None
    ) -> None:
        """End the recording and write the files; report a failure and keep the spools."""
        try:
            collection.end(
                "the end of the block" if kind is None else f"an exception ({kind.__name__})"
            )
        except Exception as e:  # noqa: BLE001 - the program's own work is done and must not fail now
            collection.give_up(e)
        collection.close()
        self._finish(bool(collection.all_present))

    def _finish(self, all_present: bool) -> None:
        if self._world is not None:
            self._world.finish(all_present)


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
    """Record the nodes of ``comm`` (an mpi4py communicator; None: this host) while a block runs.

    ``interval``: seconds between samples, 0.01 or more. ``sampler``: "process" (a child per node,
    so that the program's GIL delays no sample) or "thread". The others are as on the command line.
    No rank waits inside MPI while the block runs.

    ValueError for an argument out of range. Entering the block raises ResultsError, on every rank,
    for a results directory that cannot be written. Later failures are reported on stderr, and the
    program goes on.
    """
    _check_numbers(interval, max_samples)
    _check_choice("sampler", sampler, SAMPLERS)
    _check_choice("when_full", when_full, POLICIES)
    _check_choice("json", json, _JSON)
    select(sources)
    options = SamplingOptions(
        interval_s=interval,
        max_samples=max_samples,
        when_full=when_full,
        sources=sources,
        directories=(os.path.abspath(results_dir),),
        spool_dir=spool_dir,
        rescue_dir=os.path.abspath(rescue_dir) if rescue_dir else None,
        root=file_system_root(),
    )
    plan = CollectPlan(
        options, results_dir=Path(os.fspath(results_dir)), json=json, in_program=True
    )
    return EmbeddedRecorder(plan, comm, sampler, RunConsole(quiet))


def _check_numbers(interval: float, max_samples: int) -> None:
    """Raise ValueError for an interval or a number of rows out of range."""
    if not MIN_INTERVAL_S <= interval < END_OF_SECONDS_S:
        raise ValueError(f"interval: {interval} is not between 0.01 and 1e9 seconds")
    if max_samples < MIN_SAMPLES:
        raise ValueError("max_samples: at least 2")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError when ``value`` is none of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is none of {', '.join(choices)}")
