"""The recording of one run of the suite, from the start of its collector to the stop."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.child_recorder import SuiteChildRecorder
from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.environment import RUN_VARIABLE
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.run_state import CommandRun
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.benchmark.transports import Transports
from mpi_collector.errors import TransportError
from mpi_collector.formats.suite_samples import encode_recorded
from mpi_collector.node.compat import mono_ns
from mpi_collector.store.load import load
from mpi_collector.suite.stop_watch import StopWatch

Samples = list[dict[str, Any]]  #: of a host


@dataclass(frozen=True)
class SuiteRun:
    """A run of the suite: where it writes, and what it is called."""

    directory: Path
    benchmark: str  #: as in the names of files: training, kv_cache, ...


class SuiteRecording:
    """Records beside a run, in ``DIRECTORY/mpi_collector_{datetime}``."""

    def __init__(
        self,
        plan: LifecyclePlan,
        run: SuiteRun,
        console: RunConsole,
        choose: Callable[[LifecyclePlan], Choice],
    ) -> None:
        self._plan = replace(
            plan, results_dir=run.directory, suite_run=run.directory, benchmark=run.benchmark
        )
        self._console = console
        self._choose = choose
        self._transports = Transports(self._plan, console, SuiteChildRecorder)
        self._began_ns = 0
        self._watch: StopWatch | None = None
        self._over = False  # the hosts sample no more
        self._saved = False  # the files are written
        self.collection: Collection | None = None
        self.interval_s = self._plan.sampling.interval_s
        self.missing: dict[str, str] = {}  #: host -> why it has no samples, after the stop
        self.is_complete = False  #: after the stop: the files are written and nothing is missing

    def start(self) -> None:
        """Begin to sample. TransportError, ResultsError or HostsError when that fails."""
        choice = self._choose(self._plan)
        while True:
            self._console.info(f"transport: {choice.transport} ({choice.reason})")
            try:
                collection = self._begin(choice)
                break
            except TransportError as e:
                following = self._transports.next_choice(choice, e)
                if following is None:
                    raise
                self._console.warn(f"warning: {e}")
                choice = following
        self._began_ns = mono_ns()
        with contextlib.suppress(RuntimeError, OSError):  # then it ends with the suite's run
            self._watch = StopWatch(collection, self._on_request)

    def _begin(self, choice: Choice) -> Collection:
        collection = Collection.reserve(self._plan, self._console)
        try:
            collection.begin(self._transports.open(choice, collection))
        except BaseException:
            collection.discard()
            collection.close()
            raise
        self.collection = collection
        os.environ[RUN_VARIABLE] = collection.run  # ``mpi_collector mark`` in what the suite starts
        return collection

    def stop(self, exit_code: int | None = None) -> dict[str, Samples]:
        """End, write the files and the page; return the samples of each host.

        exit_code: of the suite's run, None when it is not known.
        """
        collection, watch = self.collection, self._watch
        if collection is None:
            return {}
        os.environ.pop(RUN_VARIABLE, None)
        self._watch = None
        if watch is not None:
            watch.end()
            if watch.error is not None:
                self._console.warn(f"warning: stop was not looked for any more: {watch.error}")
        if not self._over:
            self._end("command", exit_code)
        self._transports.close()
        if not self._saved or collection.result is None:
            return {}
        self.missing = dict(collection.result["hosts_partial"])
        self.is_complete = collection.result["verdict"]["verdict"] == "complete"
        npz = collection.files.path("timeseries.npz")
        if self._plan.report:
            collection.write_page()
        return samples_of(npz)

    def _end(self, ended_by: str, exit_code: int | None = None) -> None:
        """End and write the files; where that fails, keep the spools."""
        collection = self.collection
        assert collection is not None
        self._over = True
        ended_ns = mono_ns() if ended_by == "command" else None
        words = self._plan.command
        collection.command = CommandRun(words, None, self._began_ns, ended_ns, exit_code)
        try:
            self._saved = collection.end(ended_by)
        except Exception as e:  # noqa: BLE001 - the suite's own results are safe and must be written
            collection.give_up(e)

    def _on_request(self) -> None:
        """Handle ``mpi_collector stop``: the recording is over, and the suite goes on."""
        self._console.info("the recording ends on request; the suite goes on")
        self._end("request")


def samples_of(npz: Path) -> dict[str, Samples]:
    """Return the samples of a recording as the suite has them."""
    with load(npz) as recording:
        return {key: json.loads(b"".join(encode_recorded(host))) for key, host in recording.items()}


def thinned(samples: Samples, most: int) -> Samples:
    """Return at most ``most`` of the samples, evenly spread, the first and the last among them."""
    if len(samples) <= most:
        return samples
    if most <= 1:
        return samples[-1:] if most else []
    step = (len(samples) - 1) / (most - 1)
    return [samples[round(n * step)] for n in range(most)]


def at_interval(samples: Samples, ticks: int) -> Samples:
    """Return the samples at every ``ticks``-th tick, and the one at the stop."""
    return [s for s in samples if _tick(s) < 0 or _tick(s) % ticks == 0]


def _tick(sample: Mapping[str, Any]) -> int:
    tick = sample.get("tick")
    return tick if isinstance(tick, int) else 0
