"""The recording of one run: its names, its begin, its end, its files.

``Collection`` drives one transport and knows nothing of COMMAND's signals or of exit codes: the job
around it is in recorded_job.py, a Python program around it in api.py.
"""

from __future__ import annotations

import errno
import secrets
import traceback
from collections.abc import Callable
from pathlib import Path

from mpi_collector._version import __version__
from mpi_collector.benchmark.announcement import announce_doorbells, announce_recording
from mpi_collector.benchmark.console import RunConsole, error_reason, listed
from mpi_collector.benchmark.elsewhere import other_places, reserved_s
from mpi_collector.benchmark.keeper.client import Keeper
from mpi_collector.benchmark.keeper.process import LOOK_EVERY_S
from mpi_collector.benchmark.keeper.values import RecordedCommand
from mpi_collector.benchmark.live_run import LiveRun
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.run_document import document_of
from mpi_collector.benchmark.run_state import RunState
from mpi_collector.errors import CollectorError, ResultsError, UnusableHostsError
from mpi_collector.formats.run_document import Mark
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.node.table.facts import LEFT
from mpi_collector.output.series import hosts_per_part
from mpi_collector.transport.base import HostState, Transport

_JSON_AUTO_BYTES = 2e9
_JSON_BYTES_PER_VALUE = 26  #: of a sample, names included; between 20 and 30 were seen


class Collection(RunState):
    """One recording on rank 0 or in the only process. ``reserve`` makes it.

    ``begin`` comes first, then one of ``end`` (write the files), ``give_up`` (this program failed),
    ``discard`` (nothing was sampled yet) and ``detach`` (leave at once, keep the spools), then
    ``close``. Only ``begin`` and ``end`` raise. Nothing in here touches the results directory: that
    is done by the keeper.
    """

    @classmethod
    def reserve(cls, plan: CollectPlan, console: RunConsole) -> Collection:
        """Reserve the names of a run in its results directory.

        ResultsError when the directory cannot be made or written, or does not answer; nothing has
        started then. OSError when no process can be started.
        """
        keeper = Keeper(plan.sampling.gather_timeout_s)
        try:
            return cls._reserve(keeper, plan, console)
        except BaseException:
            keeper.close()
            raise

    @classmethod
    def _reserve(cls, keeper: Keeper, plan: CollectPlan, console: RunConsole) -> Collection:
        token = secrets.token_hex(3)
        where = plan.results_dir
        limit_s = plan.sampling.start_timeout_s
        try:
            options = {"layout": plan.layout, "in_program": plan.in_program}
            files = keeper.reserve(where, plan.benchmark, token, options, limit_s)
        except OSError as e:
            if e.errno != errno.ETIMEDOUT:  # the keeper has died: no fault of the directory
                raise
            raise ResultsError(
                f"the results directory {where} does not answer: {e.strerror}; "
                "choose another with --results-dir"
            ) from e
        return cls(plan, console, keeper, files, f"{files.stem}-{token}")

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
        self.note_start()
        announce_doorbells(self)

    def open_door(self) -> None:
        """Let users ring who have left a request; look rarely for those who cannot ring."""
        self.door.open(LiveRun(self).document)
        self.door.write(self.run_directory.door_path)
        if self.door.is_open:
            self.keeper.announce_door(self.door.address())
        self.keeper.look_for_stop(LOOK_EVERY_S)

    def set_hurried(self, hurried: Callable[[], bool]) -> None:
        """Wait for no host and no file longer than 2 s a step once ``hurried`` is true."""
        self.keeper.set_hurried(hurried)
        self.transport.hurry.ask_by(hurried)

    def end(self, ended_by: str) -> bool:
        """Stop all hosts, gather, write the files, release the hosts. True when the files exist.

        A results directory that cannot be written is reported, and the spools stay for ``recover``.
        """
        saved = self.save(ended_by)
        self.run_directory.remove_stop()
        try:
            self.all_present = self.transport.close(saved)
        except Exception as e:
            if not saved:
                raise
            self.console.warn(f"warning: spools may have stayed: {type(e).__name__}: {e}")
        self.keeper.release()
        return saved

    def give_up(self, error: Exception) -> None:
        """Handle a failure of this program: report it, keep the spools, release the hosts.

        Raises nothing but what a signal handler raises.
        """
        if not isinstance(error, CollectorError):
            self.console.warn("".join(traceback.format_exception(error)))
        self.console.warn(f"warning: the recording failed: {type(error).__name__}: {error}")
        try:
            if self.attached:
                self.console.warn(self.kept())
                nothing_sampled = not any(h.sampling for h in self.transport.hosts)
                self.all_present = False
                self.all_present = self.transport.close(nothing_sampled)
        except Exception as e:  # noqa: BLE001 - the transport may be what failed
            self.console.debug(f"{type(e).__name__}: {e}")
        self.keeper.release()

    def discard(self) -> None:
        """Handle a signal before any host samples: leave no spool and no file behind."""
        if self.attached:
            try:
                self.all_present = self.transport.close(True)
            except Exception as e:  # noqa: BLE001 - it may be half open
                self.all_present = False
                self.console.debug(f"{type(e).__name__}: {e}")
        self.keeper.release()

    def detach(self, why: str = LEFT) -> None:
        """Leave at once: wait for no host, and keep every spool."""
        self.all_present = False
        try:
            if self.attached:
                self.transport.detach(why)
        except Exception as e:  # noqa: BLE001 - wherever it was interrupted, it may be half open
            self.console.warn(f"warning: {type(e).__name__}: {e}")
        self.keeper.set_hurried(lambda: True)
        self.keeper.release()
        self.close()

    def close(self) -> None:
        """Let the keeper go, as the last step. Raises nothing."""
        self.door.close()
        self.keeper.close()

    def save(self, ended_by: str) -> bool:
        """Stop, gather and write.

        Report what cannot be written. Tables that lie in plain memory only are written elsewhere
        then; where that fails, too, or is not needed, return False.
        """
        self.door.close()
        self.console.progress("stopping", 0, len(self.transport.hosts))
        self.note_end()
        self.transport.stop()
        try:
            try:
                self._write(self.keeper, ended_by)
            except OSError:
                if not self.keeper.died:
                    raise
                self._replace_keeper()
                self._write(self.keeper, ended_by)
        except (OSError, ResultsError) as e:
            self.console.warn(f"cannot write {self.files.directory}: {error_reason(e)}")
            if any(h.stopped and not h.ready.get("spool") for h in self.transport.hosts):
                return self._save_elsewhere(ended_by)
            self.console.warn(f"{self.kept()} --results-dir DIR")
            return False
        return True

    def _replace_keeper(self) -> None:
        """Start another keeper in place of one that has died. OSError."""
        self.keeper.close()
        self.keeper = Keeper(self.plan.sampling.gather_timeout_s)
        self.keeper.take_over(self.files)

    def _save_elsewhere(self, ended_by: str) -> bool:
        """Write the files where there is room for them; report where."""
        for place in other_places(self.plan.sampling.rescue_dir, f"mpi_collector_{self.run}"):
            try:
                keeper = Keeper(self.plan.sampling.gather_timeout_s)
                self._write_into(place, keeper, ended_by)
            except (OSError, ResultsError) as e:
                self.console.warn(f"cannot write {place} either: {error_reason(e)}")
                continue
            self.console.warn(f"the recording was written to {place} instead")
            return True
        self.console.warn(self.kept())
        return False

    def _write_into(self, place: Path, keeper: Keeper, ended_by: str) -> None:
        """Write the files under the same names into another directory, which is made."""
        options = {"now_s": reserved_s(self.files), "for_this": True}
        limit_s = self.plan.sampling.start_timeout_s
        old = self.keeper, self.files
        try:
            self.files = keeper.reserve(place, self.plan.benchmark, self.run, options, limit_s)
            self._write(keeper, ended_by)
        except BaseException:
            self.files = old[1]
            keeper.close()
            raise
        self.keeper = keeper
        old[0].close()

    def _write(self, keeper: Keeper, ended_by: str) -> None:
        """Gather the tables into the files of ``keeper``. OSError when they cannot be written."""
        keep = not self.plan.skip_timeseries
        json = keep and self._wants_json()
        each = hosts_per_part(len(self.transport.hosts), self.plan.shards)
        sink = keeper.open_sink(json, keep, self._recorded_command(), each)
        self.files = sink.files
        try:
            self.transport.gather(sink, self._show_gathered, json)
            self.outside_marks, self.outside_marks_lost = self._read_marks(keeper)
            document = document_of(self, ended_by)
            self.written = sink.finish(document, time_series_head(document))
        except Exception:  # what a signal handler raises passes: the keeper ends without it
            sink.abandon()
            raise
        self.result = document

    def _read_marks(self, keeper: Keeper) -> tuple[list[Mark], int]:
        """Return the marks that are in directories, and how many are lost; report problems."""
        limit_s = self.plan.sampling.gather_timeout_s / 2
        found = keeper.marks(self._recorded_command(), limit_s)
        for problem in found.problems:
            self.console.warn(f"warning: {problem}")
        for note in found.notes:
            self.console.info(note)
        return found.marks, found.lost

    def _recorded_command(self) -> RecordedCommand:
        """Return what the places of files depend on."""
        plan, transport = self.plan, self.transport
        elsewhere = self.files.results_dir != plan.results_dir  # that is no directory of the suite
        return RecordedCommand(
            plan.command,
            transport.epoch_ns,
            transport.epoch_ns + self.ended_ns - self.started_ns,
            None if elsewhere else plan.suite_run,
            plan.beside_suite and not elsewhere,
        )

    def write_page(self) -> None:
        """Write the page beside the recording; report a failure."""
        try:
            for text in self.keeper.write_page(self.console.quiet):
                self.console.write(text)
            self.written = self.keeper.written()
        except (OSError, RuntimeError) as e:
            self.console.warn(f"the page was not written: {error_reason(e)}")

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
