"""A recording from the first signal to the exit code, around COMMAND where there is one.

This program never fails the job: whatever breaks here, COMMAND runs on (or is started), and its
exit code is returned.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.environment import RUN_VARIABLE
from mpi_collector.benchmark.exit_codes import FAILED, INCOMPLETE, INTERRUPTED, OK
from mpi_collector.benchmark.given_command import command_as_given
from mpi_collector.benchmark.run_state import CommandRun
from mpi_collector.benchmark.signals import CancelledBeforeStart, LeaveNow, Signals
from mpi_collector.benchmark.stop_conditions import StopConditions
from mpi_collector.benchmark.stop_requests import StopRequests
from mpi_collector.benchmark.unrecorded import exec_command
from mpi_collector.errors import CommandError, TransportError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.spool import marks
from mpi_collector.node.table.facts import LAUNCHER_LOST
from mpi_collector.transport.base import Transport
from mpi_collector.transport.launch.detect import Launch


class RecordedJob:
    """Runs one ``Collection`` and its COMMAND. ``launch``: the launch of which this is a rank."""

    def __init__(self, collection: Collection, launch: Launch | None = None) -> None:
        self._collection = collection
        self._plan = collection.plan
        self._console = collection.console
        self._launch = launch
        self._command: Command | None = None
        self._conditions: StopConditions | None = None
        self._requests: StopRequests | None = None
        self._marks = 0
        self._marks_counted = -1  #: after so many rings
        self._refused = False  #: COMMAND cannot be started, which was reported
        self._exit_code = OK  #: of COMMAND, or why there is none

    def run(self, open_transport: Callable[[], Transport]) -> int:
        """Record with the transport that ``open_transport`` makes, and return the exit code.

        TransportError passes through as long as nothing has started: the caller may try another
        transport. A second Ctrl-C (LeaveNow) ends it wherever it is.
        """
        with Signals(bool(self._plan.command)) as signals:
            try:
                return self._run(open_transport, signals)
            except LeaveNow:
                return self._leave()
            except Exception as e:
                if self._command is None:
                    raise
                # a failure in the handling of a failure: what is left is the exit code
                self._console.warn(f"warning: {type(e).__name__}: {e}")
                return self._command.wait()

    def _run(self, open_transport: Callable[[], Transport], signals: Signals) -> int:
        """Record; handle a signal before COMMAND and a failure of this program."""
        self._signals = signals
        try:
            signals.allow_cancel()
            transport = open_transport()
            self._collection.attach(transport)
            # C code that runs during an import may drop the exception of a signal handler
            signals.raise_if_cancelled()
            return self._record(transport, signals)
        except CancelledBeforeStart as e:
            self._console.warn(str(e))
            self._collection.discard()
            return e.code
        except Exception as e:
            if isinstance(e, TransportError) and self._command is None:
                raise
            return self._go_on_unrecorded(e, signals)

    def _record(self, transport: Transport, signals: Signals) -> int:
        """Begin, run COMMAND or wait for another end, and end."""
        self._collection.begin(transport, signals.forbid_cancel)
        try:
            signals.raise_if_cancelled()
        except (
            CancelledBeforeStart
        ) as e:  # every host samples already: this is a run, without COMMAND
            self._console.warn(str(e))
            self._exit_code = e.code
            return self._finish(f"signal {signal.Signals(e.number).name}")
        self._collection.open_door()
        began_ns = mono_ns()
        self._command = self._start_command()
        if self._command is None and self._plan.command:
            return self._finish("command not started")
        ended_by = self._wait(signals)
        if ended_by == "command":
            self._collection.keeper.set_command_group(0)
        if ended_by == "launcher":
            return self._keep_for_recover()
        if ended_by == "command" and self._collection.command is not None:
            self._collection.command.began_ns = began_ns
            self._collection.command.ended_ns = mono_ns()
        return self._finish(ended_by)

    def _finish(self, ended_by: str) -> int:
        """End the recording, wait for a COMMAND that outlives it, and write the page."""
        signals = self._signals
        known = len(signals.seen)
        self._collection.set_hurried(lambda: len(signals.seen) > known)
        saved = self._collection.end(ended_by)
        if self._command is not None and self._conditions is not None:
            self._conditions.wait_for_command()
            self._collection.keeper.set_command_group(0)
            self._exit_code = self._command.exit_code() or OK
        if saved and self._plan.report and not self._plan.skip_timeseries:
            self._collection.write_page()
        result = self._collection.result
        complete = saved and result is not None and result["verdict"]["verdict"] == "complete"
        return self._strict(self._exit_code, complete)

    def _strict(self, code: int, complete: bool) -> int:
        """Return ``code``, or INCOMPLETE in its place where --strict asks for it."""
        return INCOMPLETE if code == OK and self._plan.strict and not complete else code

    def _keep_for_recover(self) -> int:
        """Handle the death of our launcher: nothing can be gathered, the spools stay."""
        kept = self._collection.kept()
        self._collection.detach(LAUNCHER_LOST)
        self._console.warn(f"the launcher has ended; {kept}")
        return OK

    def _go_on_unrecorded(self, error: Exception, signals: Signals) -> int:
        """Handle a failure of this program: COMMAND runs on or starts now; return its code."""
        signals.forbid_cancel()
        self._collection.give_up(error)
        if isinstance(error, CommandError):  # for want of resources: it is to have ours
            self._collection.close()
        self._command = self._command or self._start_command(instead=True)
        if self._command is None:
            return self._exit_code or FAILED
        if self._conditions is None:
            self._conditions = StopConditions(signals, command=self._command)
        self._conditions.wait_for_command()
        self._collection.keeper.set_command_group(0)
        return self._strict(self._command.exit_code() or OK, complete=False)

    def _leave(self) -> int:
        """Handle a second Ctrl-C: wait for nothing, and remove nothing that was sampled."""
        kept = self._collection.kept()
        self._collection.detach()
        if self._collection.attached:
            self._console.warn(f"stopped at once; {kept}")
        else:
            self._console.warn("stopped; nothing was started")
        code = self._command.exit_code() if self._command is not None else None
        return INTERRUPTED if code is None else code

    def _start_command(self, instead: bool = False) -> Command | None:
        """Start COMMAND with the arguments and the environment that the user gave it.

        None when there is none, or when it cannot be started, which is reported. CommandError when
        a limit on processes or memory is reached, to which the recording may give way. instead: it
        has given way; without a launcher COMMAND then takes the place of this process.
        """
        if not self._plan.command or self._refused:
            return None
        start = command_as_given(self._plan.command, self._launch)
        start.environ[RUN_VARIABLE] = self._collection.run
        self._collection.command = CommandRun(start.argv)
        try:
            command = Command(start.argv, start.environ, start.no_input)
        except CommandError as e:
            if e.exhausted and not instead:
                raise
            self._refused = True
            self._exit_code = self._collection.command.code = e.code
            if e.exhausted and self._launch is None:
                self._exit_code = exec_command(start.argv, self._console.warn, start.environ)
            else:
                self._console.warn(str(e))
            return None
        self._collection.command.process = command
        self._collection.keeper.set_command_group(command.group)
        return command

    def _wait(self, signals: Signals) -> str:
        """Wait until something ends the recording; return what it was."""
        duration_ns = self._plan.sampling.duration_ns
        transport = self._collection.transport
        self._requests = StopRequests(self._collection)
        self._conditions = StopConditions(
            signals,
            # a duration is an option of collect only, whose coordinator is in this process
            end_ns=transport.t0_ns + duration_ns if duration_ns else None,
            command=self._command,
            requests=self._requests,
            read_stdin=self._reads_stdin(),
            watch_launcher=self._launch is not None,
            show=self._show_status,
            # not while COMMAND shares the terminal
            show_every_s=None if self._plan.command else self._console.status_every_s,
            say=self._console.warn,
        )
        return self._conditions.wait()

    def _reads_stdin(self) -> bool:
        """Tell whether a line "stop" on stdin ends the run: under a launcher, without COMMAND."""
        if self._launch is None or self._plan.command:
            return False
        return sys.stdin is not None and not sys.stdin.closed

    def _show_status(self) -> None:
        elapsed_s = (mono_ns() - self._collection.started_ns) * 1e-9
        facts = {"elapsed_s": elapsed_s, "marks": self._count_marks()}
        self._console.status({**facts, **self._collection.transport.status()})

    def _count_marks(self) -> int:
        """Return the number of marks made so far on this host, as of the last ring."""
        rings = self._requests.rings if self._requests is not None else 0
        if self._marks_counted != rings or not self._collection.door.is_open:
            self._marks_counted = rings
            self._marks = marks.count(self._collection.run_directory.marks_path)
        return self._marks
