"""``collect``: record the ranks that a launcher started, or this host, until something ends the run."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_collector import __version__
from mpi_collector.benchmark.command import Command, CommandError
from mpi_collector.benchmark.dlio import marks_of_run, places
from mpi_collector.benchmark.ending import Ending, LeaveNow, Signals
from mpi_collector.benchmark.environment import (
    RUN_VARIABLE,
    launcher_pid,
    read_environ,
    reads_nothing,
    users_command,
    users_environment,
)
from mpi_collector.benchmark.page import write_page
from mpi_collector.benchmark.teller import Teller
from mpi_collector.node import marks
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.decode import STATUS_NAMES
from mpi_collector.node.spool import user_directory
from mpi_collector.output.files import ResultsError, RunFiles, announce, release, reserve
from mpi_collector.output.sink import FileSink
from mpi_collector.report.verdict import verdict
from mpi_collector.transport.base import HostState, RootLike, TransportError
from mpi_collector.transport.launcher import Launch
from mpi_collector.transport.options import SamplingOptions

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

    def __init__(self, plan: CollectPlan, launch: Launch | None, teller: Teller) -> None:
        self.plan, self.launch, self.teller, self.say = plan, launch, teller, teller.say
        self.everybody = False
        self._command: Command | None = None
        self._ending: Ending | None = None
        self.result: dict[str, Any] = {}
        self.exit_code = 0
        self.unusable: dict[str, str] = {}  #: hosts that were asked for and left out, and why

    def reserve(self) -> None:
        """Take the names of the run. ResultsError before anything starts."""
        name = secrets.token_hex(3)
        self.files = reserve(self.plan.results_dir, self.plan.benchmark, {"pid": os.getpid(), "run": name})
        self.run = f"{self.files.stem}-{name}"
        announce(self.files, {"run": self.run, "pid": os.getpid()})

    def record(self, root: RootLike) -> int:
        """The whole run; returns the exit code. A failure of ours never becomes COMMAND's."""
        with Signals() as signals:
            try:
                return self._record(root, signals)
            except LeaveNow:
                return self._leave(root)
            except TransportError:  # nothing has started: the caller knows what to do without us
                raise
            except Exception as e:  # noqa: BLE001 - whatever it is, the job goes on
                return self._unrecorded(e, signals)

    def _record(self, root: RootLike, signals: Signals) -> int:
        self.begin(root)
        self._command = self._start_command()
        absent = self._command is None and self.plan.command
        why = "command not started" if absent else self._wait(signals, self._command)
        if why == "launcher":
            root.keep()
            release(self.files)
            self.say(f"the launcher is gone; the recording is kept: mpi_collector recover {self.run}")
            return 0
        return self.end(why, self._command)

    def _unrecorded(self, error: Exception, signals: Signals) -> int:
        """Something of ours broke: leave COMMAND alone."""
        self.everybody = self.give_up(error)
        self._command = self._command or self._start_command()
        if self._command is None:
            return self.exit_code or FAILED
        self._ending = self._ending or Ending(signals, None, self._command, (), False, False, lambda: None)
        self._ending.outlast()
        code = self._command.exit_code() or 0
        return INCOMPLETE if self.plan.strict and code == 0 else code

    def give_up(self, error: Exception) -> bool:
        """Say so, keep what was sampled, let everybody go. True when nobody is missing."""
        self.say("".join(traceback.format_exception(error)))
        self.say(f"warning: the recording failed: {type(error).__name__}: {error}")
        self.say(f"what was sampled until then is kept: mpi_collector recover {self.run}")
        try:
            everybody = self.root.dismiss(False)
        except Exception:  # noqa: BLE001 - it may be the very thing that broke
            everybody = False
        release(self.files)
        return everybody

    def _leave(self, root: RootLike) -> int:
        """Ctrl-C twice: nothing is waited for, and nothing is thrown away."""
        self.everybody = False
        try:
            root.keep()
        except Exception as e:  # noqa: BLE001 - wherever it was, it may be half made
            self.say(f"warning: {type(e).__name__}: {e}")
        release(self.files)
        self.say(f"left; what was sampled is kept on every host: mpi_collector recover {self.run}")
        code = self._command.exit_code() if self._command is not None else None
        return code if code is not None else 128 + signal.SIGINT

    def begin(self, root: RootLike) -> None:
        """Everybody ready and sampling."""
        self.root = root
        root.open({"benchmark": self.plan.benchmark, "version": __version__, "stem": self.files.stem})
        self._announce()
        broken = {**self.unusable, **{h.key: h.error for h in root.hosts if h.error}}
        if broken and self.plan.strict and self.plan.usable_first:
            root.dismiss(True)
            raise TransportError(f"not every host can be recorded: {listed(broken)}")
        root.start()
        self._started_ns = mono_ns()

    def end(self, why: str, command: Command | None = None) -> int:
        """Stop, gather, write, let everybody go. The exit code."""
        return self._end(self._save(why, command), command)

    # ---- before and during
    def _announce(self) -> None:
        hosts = self.root.hosts
        for host in hosts:
            for warning in host.ready.get("warnings", []):
                self.say(f"{host.key}: {warning}")
        for key, why in [*self.unusable.items(), *((h.key, h.error) for h in hosts if h.error)]:
            self.say(f"warning: {key} is not recorded: {why}")
        for rank in self.root.missing_ranks:
            self.say(f"warning: rank {rank} sent no hello within {self.plan.sampling.start_timeout_s:g} s")
        interval = self.plan.sampling.interval_s
        for host in hosts:
            self.teller.detail(described(host))
        good = sum(h.error is None for h in hosts)
        hosts_text = f"{good} host{'s' if good != 1 else ''}"
        if self.plan.skip_timeseries:
            self.teller.inform(f"snapshots of {hosts_text} ({self.root.method}), no time series, run {self.run}")
            return
        self.teller.inform(f"recording {hosts_text} every {interval:g} s ({self.root.method}), run {self.run}")
        self.teller.inform(f"if this process dies: mpi_collector recover {self.run}")

    def _start_command(self) -> Command | None:
        if not self.plan.command:
            return None
        pid = launcher_pid() if self.launch else None
        argv = users_command(self.plan.command, pid) if self.launch else self.plan.command
        environ = users_environment(os.environ, read_environ(pid)) if self.launch else dict(os.environ)
        self.command_argv = argv
        try:
            return Command(argv, {**environ, RUN_VARIABLE: self.run}, reads_nothing(pid))
        except CommandError as e:
            self.say(str(e))
            self.exit_code = 127
            return None

    def _wait(self, signals: Signals, command: Command | None) -> str:
        duration = self.plan.sampling.duration_ns
        end_ns = self.root.t0_ns + duration if duration else None  # only of a root on this host
        spool = Path(self.plan.sampling.spool_dir) / user_directory() / self.run / "stop"
        stdin = self.launch is not None and not self.plan.command and sys.stdin is not None and not sys.stdin.closed
        requests = [spool, self.files.stop_request]
        self._ending = Ending(signals, end_ns, command, requests, stdin, self.launch is not None,
                              self._turn, self.say)  # fmt: skip
        return self._ending.wait()

    def _turn(self) -> bool | None:
        """About once a second."""
        if not self.plan.command:
            beside = Path(self.plan.sampling.spool_dir) / user_directory() / self.run
            count = len(marks.read(str(self.files.marks))) + len(marks.read(marks.path_in(str(beside))))
            facts = {"elapsed_s": (mono_ns() - self._started_ns) * 1e-9, "marks": count}
            self.teller.status({**facts, **self.root.status()})
        return self.root.idle()

    # ---- after
    def _save(self, why: str, command: Command | None) -> bool:
        """Stop, gather, write. True when the files are there."""
        self.teller.progress("stopping", 0, len(self.root.hosts))
        self.root.stop()
        sink = None
        try:
            keep = not self.plan.skip_timeseries
            json = keep and self._wants_json()
            sink = FileSink(self.files, json, keep)
            self.root.gather(sink, lambda done, total: self.teller.progress("gathering", done, total), json)
            self.result = self._run_document(why, command)
            sink.finish(self.result, self._suite_facts())
        except OSError as e:
            if sink is not None:
                sink.abandon()
            self.say(f"cannot write {self.files.directory}: {e.strerror or e}")
            self.say(f"the recording is kept; save it with: mpi_collector recover {self.run} --results-dir DIR")
            return False
        except LeaveNow:
            if sink is not None:
                sink.abandon()
            raise
        return True

    def _end(self, saved: bool, command: Command | None) -> int:
        with contextlib.suppress(OSError):  # no directory, or not ours: then there was no request either
            (Path(self.plan.sampling.spool_dir) / user_directory() / self.run / "stop").unlink()
        self.everybody = self.root.dismiss(saved)
        release(self.files)
        if command is not None and self._ending is not None:
            self._ending.outlast()  # the recording may have ended before COMMAND did
            self.exit_code = command.exit_code() or 0
        if saved and self.plan.report and not self.plan.skip_timeseries:
            write_page(self.files.path("timeseries.npz"), self.files.path("report.html"), self.teller)
        incomplete = not saved or self.result["verdict"]["verdict"] != "complete"
        if self.exit_code == 0 and self.plan.strict and incomplete:
            return INCOMPLETE
        return self.exit_code

    def _wants_json(self) -> bool:
        if self.plan.json != "auto":
            return self.plan.json == "always"
        rows = self.plan.sampling.max_samples
        hosts = [h for h in self.root.hosts if h.stopped]
        values = sum(min(rows, h.stopped["samples"]) * int(h.ready["columns"]) for h in hosts if h.stopped)
        estimate = float(values * _JSON_BYTES_PER_VALUE)
        if estimate > _JSON_AUTO_BYTES:
            self.say(f"the JSON would have about {estimate / 1e9:.1f} GB and is skipped; mpi_collector export makes it later")
        return estimate <= _JSON_AUTO_BYTES

    def _run_document(self, why: str, command: Command | None) -> dict[str, Any]:
        root, options = self.root, self.plan.sampling
        hosts = {h.key: h for h in root.hosts}
        doc = {
            "format": 1, "program": f"mpi_collector {__version__}", "run": self.run, "stem": self.files.stem,
            "benchmark": self.plan.benchmark, "collection_method": root.method, "ended_by": why,
            "hosts": [k for k, h in hosts.items() if h.collected or h.rescued],
            "hosts_requested": [*hosts, *self.unusable],
            "hosts_partial": {**{k: h.error for k, h in hosts.items() if h.error}, **self.unusable},
            "missing_ranks": root.missing_ranks,
            "t0_ns": root.t0_ns, "start_ns": root.epoch_ns, "end_ns": root.epoch_ns + mono_ns() - self._started_ns,
            "interval_ns": options.interval_ns, "capacity": root.capacity, "options": options.to_dict(),
            "warnings": {k: h.ready.get("warnings") for k, h in hosts.items() if h.ready.get("warnings")},
            "clock_bound_ns": {k: h.clock_bound_ns for k, h in hosts.items()},
            "facts": {k: h.facts for k, h in hosts.items() if h.collected or h.rescued},
            "marks": self._marks(hosts),
            "command": getattr(self, "command_argv", None),
            "command_exit_code": command.exit_code() if command else None,
            "written_ns": wall_ns(),
        }  # fmt: skip
        doc["verdict"] = verdict(doc)
        return doc

    def _marks(self, hosts: dict[str, HostState]) -> list[dict[str, Any]]:
        """All marks of the run in order: of its hosts, and of those that only see the results directory (wall clock)."""
        out = [dict(m, host=k) for k, h in hosts.items() for m in h.facts.get("marks", [])]
        for mark in marks.read(str(self.files.marks)):
            out.append({"text": mark["text"], "edge": mark["edge"], "utc_ns": mark["wall_ns"], "host": None})
        out += marks_of_run(places(self.files.directory, self.plan.command), self.root.epoch_ns)
        return sorted(out, key=lambda m: m["utc_ns"])

    def _suite_facts(self) -> dict[str, Any]:
        run = self.result
        from mpi_collector.mlpstorage.samples import utc_text

        return {
            "collection_interval_seconds": self.plan.sampling.interval_s,
            "start_time": utc_text(run["start_ns"]),
            "end_time": utc_text(run["end_ns"]),
            "num_samples": sum(f["samples"] for f in run["facts"].values()),
            "collection_method": run["collection_method"],
            "hosts_requested": run["hosts_requested"],
            "hosts_collected": [k for k, f in run["facts"].items() if f["samples"]],
        }


def described(host: HostState) -> str:
    """A host that is ready, in a line."""
    ready = host.ready
    bound = f"{host.clock_bound_ns / 1e3:.1f} us" if host.clock_bound_ns is not None else "not known"
    absent = ", ".join(f"{name} {STATUS_NAMES[status]}" for name, status in ready.get("absent", {}).items()) or "nothing"
    return (f"{host.key}: {ready.get('columns')} columns, {ready.get('rows')} rows in {ready.get('spool') or 'plain memory'}, "
            f"clock bound {bound}, without {absent}")  # fmt: skip


def listed(problems: Mapping[str, str | None]) -> str:
    """All problems in a line, host by host."""
    return "; ".join(f"{host}: {why}" for host, why in problems.items())


def written(files: RunFiles) -> list[Path]:
    """The files of the run that exist."""
    return sorted(files.directory.glob(f"{files.stem}_*"))


__all__ = ["CollectPlan", "Collection", "ResultsError", "written"]
