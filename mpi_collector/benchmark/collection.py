"""The recording of one run: its names, its begin, its end, its files.

``Collection`` drives one transport and knows nothing of COMMAND's signals or of exit codes: the job
around it is in recorded_job.py, a Python program around it in api.py.
"""

from __future__ import annotations

import os
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

from mpi_collector._version import __version__
from mpi_collector.benchmark.announcement import announce_recording
from mpi_collector.benchmark.console import RunConsole, listed
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.run_document import document_of
from mpi_collector.benchmark.run_state import RunState
from mpi_collector.errors import UnusableHostsError
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.node.compat import mono_ns
from mpi_collector.output.files import announce, release, reserve
from mpi_collector.output.placement import place
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import HostState, Transport

_JSON_AUTO_BYTES = 2e9
_JSON_BYTES_PER_VALUE = 26  #: of a sample, names included; between 20 and 30 were seen


class Collection(RunState):
    """One recording on rank 0 or in the only process. ``reserve`` makes it.

    ``begin`` comes first, then one of ``end`` (write the files), ``give_up`` (this program failed),
    ``discard`` (nothing was sampled yet) and ``detach`` (leave at once, keep the spools). Only
    ``begin`` and ``end`` raise.
    """

    @classmethod
    def reserve(cls, plan: CollectPlan, console: RunConsole) -> Collection:
        """Reserve the names of a run in its results directory.

        ResultsError when the directory cannot be made or written; nothing has started then.
        """
        token = secrets.token_hex(3)
        about = {"pid": os.getpid(), "run": token}
        files = reserve(plan.results_dir, plan.benchmark, about, layout=plan.layout)
        run = f"{files.stem}-{token}"
        announce(files, {"run": run, "pid": os.getpid()})
        return cls(plan, console, files, run)

    def begin(self, transport: Transport, before_start: Callable[[], None] = lambda: None) -> None:
        """Make every host ready, announce the run and start sampling.

        ``before_start`` is called when all are ready and none samples yet; what it raises passes
        through. UnusableHostsError when the plan refuses broken hosts and there is one.
        """
        self.attach(transport)
        facts = {"benchmark": self.plan.benchmark, "version": __version__, "stem": self.files.stem}
        transport.open(facts)
        announce_recording(self)
        broken = {**self.unusable, **{h.key: h.error for h in transport.hosts if h.error}}
        if broken and self.plan.strict and self.plan.refuse_broken_hosts:
            transport.close(True)
            raise UnusableHostsError(f"not every host can be recorded: {listed(broken)}")
        before_start()
        transport.start()
        self.started_ns = mono_ns()

    def end(self, ended_by: str) -> bool:
        """Stop all hosts, gather, write the files, release the hosts. True when the files exist.

        A results directory that cannot be written is reported, and the spools stay for ``recover``.
        """
        saved = self.save(ended_by)
        self.run_directory.remove_stop()
        self.all_present = self.transport.close(saved)
        release(self.files)
        return saved

    def give_up(self, error: Exception) -> None:
        """Handle a failure of this program: report it, keep the spools, release the hosts.

        Raises nothing but what a signal handler raises.
        """
        self.console.warn("".join(traceback.format_exception(error)))
        self.console.warn(f"warning: the recording failed: {type(error).__name__}: {error}")
        self.all_present = False
        try:
            if self.attached:
                self.console.warn(
                    f"what was sampled until then is kept: mpi_collector recover {self.run}"
                )
                self.all_present = self.transport.close(False)
        except Exception as e:  # noqa: BLE001 - the transport may be what failed
            self.console.debug(f"{type(e).__name__}: {e}")
        release(self.files)

    def discard(self) -> None:
        """Handle a signal before any host samples: leave no spool and no file behind."""
        if self.attached:
            try:
                self.all_present = self.transport.close(True)
            except Exception as e:  # noqa: BLE001 - it may be half open
                self.all_present = False
                self.console.debug(f"{type(e).__name__}: {e}")
        release(self.files)

    def detach(self) -> None:
        """Leave at once: wait for no host, and keep every spool."""
        self.all_present = False
        try:
            if self.attached:
                self.transport.detach()
        except Exception as e:  # noqa: BLE001 - wherever it was interrupted, it may be half open
            self.console.warn(f"warning: {type(e).__name__}: {e}")
        release(self.files)

    def written(self) -> list[Path]:
        """Return the files of the run that exist."""
        return sorted(self.files.directory.glob(f"{self.files.stem}_*"))

    def save(self, ended_by: str) -> bool:
        """Stop, gather and write; report a file that cannot be written and return False."""
        self.console.progress("stopping", 0, len(self.transport.hosts))
        self.ended_ns = mono_ns()
        self.transport.stop()
        sink = None
        try:
            keep = not self.plan.skip_timeseries
            json = keep and self._wants_json()
            self.files = place(self.files)
            sink = FileSink(self.files, json, keep)
            self.transport.gather(sink, self._show_gathered, json)
            self.result = document_of(self, ended_by)
            sink.finish(self.result, time_series_head(self.result))
        except OSError as e:
            if sink is not None:
                sink.abandon()
            self.console.warn(f"cannot write {self.files.directory}: {e.strerror or e}")
            self.console.warn(
                "the recording is kept; save it with: "
                f"mpi_collector recover {self.run} --results-dir DIR"
            )
            return False
        except BaseException:  # LeaveNow too
            if sink is not None:
                sink.abandon()
            raise
        return True

    def _show_gathered(self, done: int, total: int) -> None:
        self.console.progress("gathering", done, total)

    def _wants_json(self) -> bool:
        """Decide whether the suite's JSON is written; report when it is too large."""
        if self.plan.json != "auto":
            return self.plan.json == "always"
        estimate_bytes = _json_bytes(self.transport.hosts, self.plan.sampling.max_samples)
        if estimate_bytes > _JSON_AUTO_BYTES:
            self.console.warn(
                f"the JSON would take about {estimate_bytes / 1e9:.1f} GB and was left out; "
                "write it with: mpi_collector export --to json"
            )
        return estimate_bytes <= _JSON_AUTO_BYTES


def _json_bytes(hosts: list[HostState], max_rows: int) -> float:
    """Estimate the size of the suite's JSON of what ``hosts`` sampled."""
    values = sum(
        min(max_rows, h.stopped["samples"]) * int(h.ready["columns"]) for h in hosts if h.stopped
    )
    return float(values * _JSON_BYTES_PER_VALUE)
