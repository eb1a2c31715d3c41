"""The suite's own command, run in this process with our collectors in place of its own."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mpi_collector.benchmark.console import error_text
from mpi_collector.benchmark.exit_codes import INCOMPLETE, MISTAKE, OK
from mpi_collector.benchmark.suite_installation import SuiteInstallation, find_suite
from mpi_collector.cli.mlpstorage import choice_of, parse, plan_of
from mpi_collector.cli.run_summary import print_run_summary
from mpi_collector.cli.terminal import Terminal
from mpi_collector.errors import UnusableHostsError
from mpi_collector.formats.suite_command import BENCHMARKS, PROGRAM, parse_suite
from mpi_collector.suite import collectors
from mpi_collector.suite.recording import Samples, SuiteRecording, SuiteRun
from mpi_collector.suite.replace import (
    SERIES,
    SNAPSHOTS,
    UnknownSuiteError,
    check_arguments,
    note_exit_code,
    replace_everywhere,
    suite_modules,
    surround_run,
)
from mpi_collector.transport.limits import notice_child_exits
from mpi_collector.transport.own_python import own_argv

_OURS = "mpi_collector.mlpstorage"  #: the suite's classes of this program


def prepare(words: Sequence[str]) -> Callable[[], int]:
    """Return what runs the suite's command, and returns its exit code.

    A suite of an unknown shape is recorded around in place of that. Whatever fails in here, the
    suite has not started.
    """
    notice_child_exits()
    args = parse(words)
    installation = find_suite()
    if installation is None or installation.package is None:
        raise RuntimeError("the package of MLPerf Storage is gone")
    console = Terminal(args.quiet, args.verbose)
    session = SuiteSession(args, [installation.script or PROGRAM, *args.suite], console)
    try:
        replaced = _replace(installation.package, session)
    except UnknownSuiteError as e:
        console.warn(f"{installation.described()} is not known: {e}; recorded beside it")
        os.execv(sys.executable, own_argv("mlpstorage", "--beside", *words))
    console.info(f"{installation.described()}: replaced {', '.join(replaced)}")

    def run() -> int:
        code = _run(installation, args.suite)
        return INCOMPLETE if code == OK and args.strict and not session.all_complete else code

    return run


def _replace(package: str, session: SuiteSession) -> list[str]:
    """Put our classes in place of the suite's; return the names. UnknownSuiteError."""
    module, benchmark = suite_modules(package)
    replacements: dict[int, Any] = {}
    names = []
    for name in SERIES:
        original = getattr(module, name)
        ours = type(name, (getattr(collectors, name),), {"session": session, "original": original})
        check_arguments(original, ours)
        replacements[id(original)] = ours
        names.append(name)
    for name in SNAPSHOTS:
        if (ours := _snapshot_class(module, name)) is not None:
            replacements[id(getattr(module, name))] = ours
            names.append(name)
    session.originals = [getattr(module, name) for name in names]
    replace_everywhere(package, replacements)
    surround_run(benchmark, session.around)
    return names


def _snapshot_class(module: ModuleType, name: str) -> Any:
    """Return our class of that name, None when it cannot be used as the suite's is."""
    original = getattr(module, name, None)
    ours = getattr(importlib.import_module(_OURS), name)
    if original is None:
        return None
    try:
        check_arguments(original, ours)
    except UnknownSuiteError:
        return None
    return ours


def _run(installation: SuiteInstallation, words: Sequence[str]) -> int:
    """Call the suite's entry point as its program does; return the exit code."""
    sys.argv = [installation.script or PROGRAM, *words]
    try:
        function = getattr(importlib.import_module(installation.module), installation.function)
        code = function()
    except SystemExit as e:
        code = e.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # as the interpreter does
        return 1
    return int(code or OK)


class SuiteSession:
    """The runs of one call of the suite, one after the other (``--loops``)."""

    def __init__(self, args: argparse.Namespace, command: list[str], console: Terminal) -> None:
        self._args = args
        self._command = command
        self._console = console
        self._current: _Recording | None = None
        self.originals: list[Any] = []  #: the suite's classes, which are looked for by identity
        self.all_complete = True

    @contextmanager
    def around(self, benchmark: Any) -> Iterator[None]:
        """Surround ``Benchmark.run``."""
        run = None
        try:
            if getattr(benchmark.args, "command", "run") == "run":
                run = _suite_run(benchmark)
        except Exception as e:  # noqa: BLE001 - the suite runs as without us
            self.lost(e)
        if run is None:
            yield
            return
        current = self._current = _Recording(self, run)
        note_exit_code(benchmark, current.ended)
        try:
            yield
        finally:
            self._current = None
            try:
                current.finish()
            except Exception as e:  # noqa: BLE001 - the results of the suite are safe
                self.lost(e)

    def recording(self) -> collectors.Recording | None:
        """Return the recording of the run that is on."""
        return self._current

    def failed(self, error: Exception) -> None:
        """Report that the recording could not begin; with --strict no job is started."""
        self.all_complete = False
        self._console.warn(f"warning: {error_text(error)}")
        if self._args.strict and isinstance(error, UnusableHostsError):
            self._console.warn("the job was not started (--strict)")
            sys.exit(MISTAKE)
        self._console.warn("the suite's own collector takes its place")

    def lost(self, error: Exception) -> None:
        """Report that a recording failed after its begin."""
        self.all_complete = False
        self._console.warn(f"warning: the recording failed: {type(error).__name__}: {error}")

    def made(self, run: SuiteRun, request: collectors.Request) -> SuiteRecording:
        """Return the recording that a collector of the suite was asked for."""
        given = vars(self._args)
        args = argparse.Namespace(**given)
        args.timeseries_interval = given["timeseries_interval"] or request.interval_seconds
        args.max_timeseries_samples = given["max_timeseries_samples"] or request.max_samples
        args.ssh_username = given["ssh_username"] or request.ssh_username
        verb = next(word for word, name in BENCHMARKS.items() if name == run.benchmark)
        plan = plan_of(args, verb, self._command, request.hosts, run.directory)
        return SuiteRecording(plan, run, self._console, lambda p: choice_of(p, verb))

    def finished(self, recording: SuiteRecording | None) -> None:
        """Report a run that has ended; None: the suite asked for no time series."""
        if recording is None:
            self._console.info("the suite records no time series of this run: there is none here")
        elif recording.collection is not None:
            print_run_summary(recording.collection)
            self.all_complete = self.all_complete and recording.is_complete
            recording.collection.close()


class _Recording:
    """The recording of the current run, made when a collector of the suite starts it."""

    def __init__(self, session: SuiteSession, run: SuiteRun) -> None:
        self._session = session
        self._run = run
        self._made: SuiteRecording | None = None
        self._asked = False
        self._stopped = False
        self._exit_code: int | None = None
        self.interval_s = 0.0
        self.missing: dict[str, str] = {}

    def start(self, request: collectors.Request) -> None:
        """Begin to sample."""
        self._asked = True
        made = self._session.made(self._run, request)
        made.start()
        self._made = made
        self.interval_s = made.interval_s

    def stop(self) -> dict[str, Samples]:
        """End, write the files; return the samples."""
        self._stopped = True
        if self._made is None:
            return {}
        found = self._made.stop(self._exit_code)
        self.missing = self._made.missing
        return found

    def ended(self, exit_code: int | None) -> None:
        """Note the exit code of the run, which has just ended; None: it is not known."""
        self._exit_code = exit_code

    def finish(self) -> None:
        """End what the suite did not end, and report."""
        if not self._stopped:
            self.stop()
        if self._made is not None or not self._asked:
            self._session.finished(self._made)


def _suite_run(benchmark: Any) -> SuiteRun | None:
    """Return where a benchmark object writes; None when it does not say."""
    directory = getattr(benchmark, "run_result_output", None)
    kind = getattr(benchmark, "BENCHMARK_TYPE", None)
    name = getattr(kind, "value", kind)
    if not directory or name not in BENCHMARKS.values():
        suite = parse_suite(sys.argv[1:])
        name = BENCHMARKS.get(suite.benchmark or "")
    if not directory or not name:
        return None
    return SuiteRun(Path(str(directory)).absolute(), str(name))
