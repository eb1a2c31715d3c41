"""``collect``: record the ranks that a launcher started, or this host, until something ends the run."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mpi_collector._version import __version__
from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.console import RunConsole, described, listed
from mpi_collector.benchmark.environment import (
    RUN_VARIABLE,
    find_launcher_pid,
    has_no_stdin,
    launcher_environment,
    original_command,
    original_environment,
)
from mpi_collector.benchmark.page import write_page
from mpi_collector.benchmark.run_document import document_of
from mpi_collector.benchmark.signals import CancelledBeforeStart, LeaveNow, Signals
from mpi_collector.benchmark.stop_conditions import StopConditions
from mpi_collector.errors import CommandError, ResultsError, TransportError, UnusableHostsError
from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.output.files import RunFiles, announce, release, reserve
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import Transport
from mpi_collector.transport.launch.detect import Launch

_JSON_AUTO_BYTES = 2e9
_JSON_BYTES_PER_VALUE = 26  #: of a sample, names included; seen between 20 and 30
FAILED, INCOMPLETE = 1, 3  #: exit codes: nothing else to tell; of --strict


@dataclass
class CollectPlan:
    """What ``collect`` was asked for."""

    sampling: SamplingOptions
    results_dir: Path = Path("results")
    json: str = "auto"
    command: list[str] = field(default_factory=list)
    strict: bool = False
    benchmark: str = "host"
    skip_timeseries: bool = False  #: snapshots only
    report: bool = False  #: write the page, too
    usable_first: bool = False  #: with ``strict``, a broken host keeps the job from starting


class Collection:
    """One run of ``collect`` as rank 0 or as the only process."""

    def __init__(self, plan: CollectPlan, launch: Launch | None, console: RunConsole) -> None:
        self.plan = plan
        self.launch = launch
        self.console = console
        self.everybody = False
        self._command: Command | None = None
        self._ending: StopConditions | None = None
        self._opened = False
        self.command_ns: tuple[int, int] | None = None  #: when COMMAND ran, by the monotonic clock
        self.result: RunDocument | None = None
        self.exit_code = 0
        self.unusable: dict[str, str] = {}  #: hosts that were asked for and left out, and why
        self.aliases: dict[str, str] = {}  #: further names of hosts

    def reserve(self) -> None:
        """Take the names of the run. ResultsError before anything starts."""
        name = secrets.token_hex(3)
        self.files = reserve(
            self.plan.results_dir, self.plan.benchmark, {"pid": os.getpid(), "run": name}
        )
        self.run = f"{self.files.stem}-{name}"
        announce(self.files, {"run": self.run, "pid": os.getpid()})

    def record(self, make: Callable[[], Transport]) -> int:
        """Record with the transport that ``make`` returns; the exit code, never that of a failure of ours."""
        with Signals(bool(self.plan.command)) as signals:
            try:
                return self._outcome(make, signals)
            except LeaveNow:
                return self._leave()

    def _outcome(self, make: Callable[[], Transport], signals: Signals) -> int:
        try:
            signals.allow_cancel()
            return self._record(make(), signals)
        except CancelledBeforeStart as e:
            return self._called_off(e)
        except TransportError:  # nothing has started: the caller knows what to do without us
            raise
        except Exception as e:  # noqa: BLE001 - whatever it is, the job goes on
            return self._unrecorded(e, signals)

    def _record(self, transport: Transport, signals: Signals) -> int:
        self.begin(transport, signals.forbid_cancel)
        try:
            signals.raise_if_cancelled()
        except CancelledBeforeStart as e:  # too late to leave without a trace: everybody samples
            self.console.warn(str(e))
            self.exit_code = e.code
            return self.end(f"signal {signal.Signals(e.number).name}")
        began = mono_ns()
        self._command = self._start_command()
        absent = self._command is None and self.plan.command
        why = "command not started" if absent else self._wait(signals, self._command)
        if why == "command":
            self.command_ns = began, mono_ns()
        if why == "launcher":
            transport.detach()
            release(self.files)
            self.console.warn(
                f"the launcher is gone; the recording is kept: mpi_collector recover {self.run}"
            )
            return 0
        return self.end(why, self._command)

    def _unrecorded(self, error: Exception, signals: Signals) -> int:
        """Something of ours broke: leave COMMAND alone."""
        signals.forbid_cancel()
        self.everybody = self.give_up(error)
        self._command = self._command or self._start_command()
        if self._command is None:
            return self.exit_code or FAILED
        self._ending = self._ending or StopConditions(signals, command=self._command)
        self._ending.wait_for_command()
        code = self._command.exit_code() or 0
        return INCOMPLETE if self.plan.strict and code == 0 else code

    def give_up(self, error: Exception) -> bool:
        """Say so, keep what was sampled, let everybody go. True when nobody is missing."""
        self.console.warn("".join(traceback.format_exception(error)))
        self.console.warn(f"warning: the recording failed: {type(error).__name__}: {error}")
        self.console.warn(f"what was sampled until then is kept: mpi_collector recover {self.run}")
        try:
            everybody = self.transport.close(False)
        except Exception:  # noqa: BLE001 - it may be the very thing that broke
            everybody = False
        release(self.files)
        return everybody

    def _called_off(self, why: CancelledBeforeStart) -> int:
        """Nobody samples yet: leave no trace."""
        self.console.warn(str(why))
        if self._opened:
            try:
                self.everybody = self.transport.close(True)
            except Exception as e:  # noqa: BLE001 - it may be half made
                self.everybody = False
                self.console.debug(f"{type(e).__name__}: {e}")
        release(self.files)
        return why.code

    def _leave(self) -> int:
        """Ctrl-C twice: nothing is waited for, and nothing is thrown away."""
        self.everybody = False
        try:
            if self._opened:
                self.transport.detach()
        except Exception as e:  # noqa: BLE001 - wherever it was, it may be half made
            self.console.warn(f"warning: {type(e).__name__}: {e}")
        release(self.files)
        kept = f"what was sampled is kept on every host: mpi_collector recover {self.run}"
        self.console.warn(f"left; {kept if self._opened else 'nothing was started'}")
        code = self._command.exit_code() if self._command is not None else None
        return code if code is not None else 128 + signal.SIGINT

    def begin(self, transport: Transport, calm: Callable[[], None] = lambda: None) -> None:
        """Everybody ready and sampling. ``calm`` is called when somebody is about to."""
        self.transport, self._opened = transport, True
        transport.open(
            {"benchmark": self.plan.benchmark, "version": __version__, "stem": self.files.stem}
        )
        self._announce()
        broken = {**self.unusable, **{h.key: h.error for h in transport.hosts if h.error}}
        if broken and self.plan.strict and self.plan.usable_first:
            transport.close(True)
            raise UnusableHostsError(f"not every host can be recorded: {listed(broken)}")
        calm()
        transport.start()
        self.started_ns = mono_ns()

    def end(self, why: str, command: Command | None = None) -> int:
        """Stop, gather, write, let everybody go. The exit code."""
        return self._end(self._save(why, command), command)

    # ---- before and during
    def _announce(self) -> None:
        hosts = self.transport.hosts
        for host in hosts:
            for warning in host.ready.get("warnings", []):
                self.console.warn(f"{host.key}: {warning}")
        for key, why in [*self.unusable.items(), *((h.key, h.error) for h in hosts if h.error)]:
            self.console.warn(f"warning: {key} is not recorded: {why}")
        for name, other in {**self.aliases, **getattr(self.transport, "aliases", {})}.items():
            self.console.warn(
                f"warning: {name} is the same host as {other}: recorded once, as {other}"
            )
        for rank in self.transport.missing_ranks:
            self.console.warn(
                f"warning: rank {rank} sent no hello within {self.plan.sampling.start_timeout_s:g} s"
            )
        interval = self.plan.sampling.interval_s
        for host in hosts:
            self.console.debug(described(host))
        good = sum(h.error is None for h in hosts)
        hosts_text = f"{good} host{'s' if good != 1 else ''}"
        if self.plan.skip_timeseries:
            self.console.info(
                f"snapshots of {hosts_text} ({self.transport.method}), no time series, run {self.run}"
            )
            return
        self.console.info(
            f"recording {hosts_text} every {interval:g} s ({self.transport.method}), run {self.run}"
        )
        self.console.info(f"if this process dies: mpi_collector recover {self.run}")

    def _start_command(self) -> Command | None:
        if not self.plan.command:
            return None
        pid = find_launcher_pid() if self.launch else None
        argv = original_command(self.plan.command, pid) if self.launch else self.plan.command
        environ = (
            original_environment(os.environ, launcher_environment(pid))
            if self.launch
            else dict(os.environ)
        )
        self.command_argv = argv
        try:
            return Command(argv, {**environ, RUN_VARIABLE: self.run}, has_no_stdin(pid))
        except CommandError as e:
            self.console.warn(str(e))
            self.exit_code = e.code
            return None

    def _wait(self, signals: Signals, command: Command | None) -> str:
        duration = self.plan.sampling.duration_ns
        # only of a coordinator on this host
        end_ns = self.transport.t0_ns + duration if duration else None
        spool = Path(self._run_directory.stop_path)
        stdin = (
            self.launch is not None
            and not self.plan.command
            and sys.stdin is not None
            and not sys.stdin.closed
        )
        requests = [spool, self.files.stop_request]
        self._ending = StopConditions(
            signals,
            command=command,
            end_ns=end_ns,
            stop_files=requests,
            read_stdin=stdin,
            watch_launcher=self.launch is not None,
            poll=self._turn,
            say=self.console.warn,
        )
        return self._ending.wait()

    @property
    def _run_directory(self) -> RunDirectory:
        """The run's directory of spools on this host, whether or not it exists."""
        return RunDirectory(str(self.plan.sampling.spool_dir), self.run)

    def _turn(self) -> bool | None:
        """About once a second."""
        if not self.plan.command:
            paths = (str(self.files.marks), self._run_directory.marks_path)
            count = sum(len(marks.read(path)) for path in paths)
            facts = {"elapsed_s": (mono_ns() - self.started_ns) * 1e-9, "marks": count}
            self.console.status({**facts, **self.transport.status()})
        return self.transport.poll()

    # ---- after
    def _save(self, why: str, command: Command | None) -> bool:
        """Stop, gather, write. True when the files are there."""
        self.console.progress("stopping", 0, len(self.transport.hosts))
        self.ended_ns = mono_ns()
        self.transport.stop()
        sink = None
        try:
            keep = not self.plan.skip_timeseries
            json = keep and self._wants_json()
            sink = FileSink(self.files, json, keep)
            self.transport.gather(
                sink, lambda done, total: self.console.progress("gathering", done, total), json
            )
            self.result = document_of(self, why, command)
            sink.finish(self.result, time_series_head(self.result))
        except OSError as e:
            if sink is not None:
                sink.abandon()
            self.console.warn(f"cannot write {self.files.directory}: {e.strerror or e}")
            self.console.warn(
                f"the recording is kept; save it with: mpi_collector recover {self.run} --results-dir DIR"
            )
            return False
        except BaseException:
            if sink is not None:
                sink.abandon()
            raise
        return True

    def _end(self, saved: bool, command: Command | None) -> int:
        self._run_directory.remove_stop()
        self.everybody = self.transport.close(saved)
        release(self.files)
        if command is not None and self._ending is not None:
            self._ending.wait_for_command()  # the recording may have ended before COMMAND did
            self.exit_code = command.exit_code() or 0
        if saved and self.plan.report and not self.plan.skip_timeseries:
            write_page(
                self.files.path("timeseries.npz"), self.files.path("report.html"), self.console
            )
        complete = saved and self.result and self.result["verdict"]["verdict"] == "complete"
        if self.exit_code == 0 and self.plan.strict and not complete:
            return INCOMPLETE
        return self.exit_code

    def _wants_json(self) -> bool:
        if self.plan.json != "auto":
            return self.plan.json == "always"
        rows = self.plan.sampling.max_samples
        hosts = [h for h in self.transport.hosts if h.stopped]
        values = sum(
            min(rows, h.stopped["samples"]) * int(h.ready["columns"]) for h in hosts if h.stopped
        )
        estimate = float(values * _JSON_BYTES_PER_VALUE)
        if estimate > _JSON_AUTO_BYTES:
            self.console.warn(
                f"the JSON would have about {estimate / 1e9:.1f} GB and is skipped; mpi_collector export makes it later"
            )
        return estimate <= _JSON_AUTO_BYTES


def written(files: RunFiles) -> list[Path]:
    """The files of the run that exist."""
    return sorted(files.directory.glob(f"{files.stem}_*"))


__all__ = ["CollectPlan", "Collection", "ResultsError", "UnusableHostsError", "listed", "written"]
